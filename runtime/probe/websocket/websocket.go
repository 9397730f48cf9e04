// Package websocket is the probe kind "websocket": a handshake, a message and its answer,
// and the time of a ping.
package websocket

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// farewell is how long saying goodbye may take.
const farewell = time.Second

// Kind returns the kind "websocket". Its probes connect where the first policy allows, and
// read the secrets that the second does; nil is the default of each. Proxies are not used.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "websocket",
		Title:      "WebSockets: handshake, messages and pings",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Ping: true} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &socketProbe{plan: p, dialer: policy.Dialer(0), secrets: secrets}, nil
		},
	}
}

type socketProbe struct {
	plan    *plan
	dialer  *net.Dialer
	secrets *secret.Policy
	files   secure.Files
	hidden  []string // the secrets that were sent in this run, each with what stands for it
}

// leastSecret is the shortest secret that is looked for in texts, in bytes.
const leastSecret = 4

func (p *socketProbe) hide(s string) {
	if len(s) >= leastSecret {
		p.hidden = append(p.hidden, s, "[secret]")
	}
}

// Target implements probe.Probe.
func (p *socketProbe) Target() string { return strings.ToLower(p.plan.url.Hostname()) }

// Close implements probe.Probe.
func (p *socketProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *socketProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes("handshake", "mismatch"),
		beans.AttributeInfo{Name: "handshake", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "From the beginning, with connecting and TLS, until the handshake was done."},
		beans.AttributeInfo{Name: "status", Type: beans.TypeInt, Readable: true, Description: "HTTP status code of the handshake; 101 is well."},
		beans.AttributeInfo{Name: "subprotocol", Type: beans.TypeString, Readable: true, Description: "Subprotocol that the server chose; empty when none."},
	)
	if p.plan.expect != nil {
		list = append(list, beans.AttributeInfo{Name: "message", Type: beans.TypeString, Readable: true, Description: "The last message that was read, its first 256 bytes."},
			beans.AttributeInfo{Name: "answer_time", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "From the end of the handshake until the expected message was there."})
	}
	if p.plan.Ping {
		list = append(list, beans.AttributeInfo{Name: "ping", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "From the ping to its pong."})
	}
	return list
}

// Run implements probe.Probe.
func (p *socketProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	d, header, err := p.prepare()
	if err != nil {
		return r, err
	}
	// The library looks at the context while it connects only: what is under way ends with
	// the connection.
	stop := func() bool { return false }
	d.NetDialContext = func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := p.dialer.DialContext(dialing, network, address)
		if err == nil {
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
	fault := p.talk(ctx, d, header, start, &r)
	stop()
	if fault != nil && ctx.Err() != nil {
		fault = fmt.Errorf("no answer: %w", ctx.Err())
	}
	err = answer.Add(ctx, &r, start, fault)
	return r, err
}

// prepare reads the files and secrets of the options.
func (p *socketProbe) prepare() (*websocket.Dialer, http.Header, error) {
	p.hidden = p.hidden[:0]
	d := &websocket.Dialer{HandshakeTimeout: time.Hour} // the context ends it
	if p.plan.url.Scheme == "wss" {
		config, err := p.files.Config(p.plan.TLS, p.secrets, p.plan.url.Hostname())
		if err != nil {
			return nil, nil, err
		}
		d.TLSClientConfig = config
	}
	if p.plan.Subprotocol != "" {
		d.Subprotocols = []string{p.plan.Subprotocol}
	}
	header := http.Header{"User-Agent": {"grove"}}
	if p.plan.Origin != "" {
		header.Set("Origin", p.plan.Origin)
	}
	for name, value := range p.plan.Headers {
		if secret.Looks(value) {
			var err error
			if value, err = p.secrets.Read(secret.Ref(value)); err != nil {
				return nil, nil, fmt.Errorf("headers.%s: %w", name, err)
			}
			if !isValue(value) {
				return nil, nil, fmt.Errorf("headers.%s: the secret has a character that headers may not have", name)
			}
			p.hide(value)
		}
		header.Set(name, value)
	}
	if p.plan.Bearer != "" {
		token, err := p.secrets.Read(p.plan.Bearer)
		if err != nil {
			return nil, nil, fmt.Errorf("bearer: %w", err)
		}
		if !isValue(token) {
			return nil, nil, errors.New("bearer: the secret has a character that headers may not have")
		}
		p.hide(token)
		header.Set("Authorization", "Bearer "+token)
	}
	return d, header, nil
}

// talk does what the options ask for; what it finds on the way is added to r.
func (p *socketProbe) talk(ctx context.Context, d *websocket.Dialer, header http.Header, start time.Time, r *probe.Result) error {
	conn, response, err := d.DialContext(ctx, p.plan.url.String(), header)
	if response != nil {
		r.Number("status", float64(response.StatusCode))
	}
	if err != nil {
		if errors.Is(err, websocket.ErrBadHandshake) && response != nil {
			return &answer.Fault{State: "handshake", Err: fmt.Errorf("the server does not switch to WebSocket: status %d", response.StatusCode)}
		}
		return err
	}
	defer conn.Close()
	conn.SetReadLimit(maxMessage)
	r.Number("handshake", time.Since(start).Seconds())
	r.Text("subprotocol", strings.ToValidUTF8(conn.Subprotocol(), "�"))
	if p.plan.Subprotocol != "" && conn.Subprotocol() != p.plan.Subprotocol {
		return &answer.Fault{State: "mismatch", Err: fmt.Errorf("the server does not speak the subprotocol %q", p.plan.Subprotocol)}
	}
	ready := time.Now()
	if p.plan.Send != "" {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(p.plan.Send)); err != nil {
			return err
		}
	}
	if p.plan.expect != nil {
		if err := p.await(conn, r); err != nil {
			return closed(err)
		}
		r.Number("answer_time", time.Since(ready).Seconds())
	}
	if p.plan.Ping {
		took, err := ping(conn)
		if err != nil {
			return closed(err)
		}
		r.Number("ping", took.Seconds())
	}
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(farewell))
	return nil
}

// await reads messages until one fits.
func (p *socketProbe) await(conn *websocket.Conn, r *probe.Result) error {
	var last []byte
	defer func() {
		// A server may repeat what it was sent.
		text := strings.NewReplacer(p.hidden...).Replace(string(last))
		r.Text("message", strings.ToValidUTF8(text[:min(len(text), maxLine)], "�"))
	}()
	for n := 0; ; n++ {
		_, message, err := conn.ReadMessage()
		switch {
		case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway):
			return &answer.Fault{State: "mismatch", Err: fmt.Errorf("the connection ended and nothing in %d messages fits %q", n, p.plan.Expect)}
		case err != nil:
			return err
		}
		last = message
		if p.plan.expect.Match(message) {
			return nil
		}
	}
}

// errPong ends a read when the pong is there.
var errPong = errors.New("pong")

// ping sends a ping and waits for its pong; messages that come meanwhile are passed over.
func ping(conn *websocket.Conn) (time.Duration, error) {
	mark := rand.Text()
	var took time.Duration
	start := time.Now()
	conn.SetPongHandler(func(data string) error {
		if data != mark {
			return nil
		}
		took = time.Since(start)
		return errPong
	})
	if err := conn.WriteControl(websocket.PingMessage, []byte(mark), time.Time{}); err != nil {
		return 0, err
	}
	for {
		_, message, err := conn.NextReader()
		if err == nil {
			_, err = io.Copy(io.Discard, message)
		}
		switch {
		case errors.Is(err, errPong):
			return took, nil
		case err != nil:
			return 0, err
		}
	}
}

// closed says that a connection was closed where the library has a type of its own for it.
func closed(err error) error {
	var end *websocket.CloseError
	if errors.As(err, &end) {
		return &answer.Fault{State: "closed", Err: fmt.Errorf("the server closed the connection: code %d", end.Code)}
	}
	return err
}
