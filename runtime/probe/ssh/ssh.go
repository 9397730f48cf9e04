package ssh

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind "ssh".
type Options struct {
	Access `yaml:",inline"`
}

// Kind returns the kind "ssh". Its probes connect only where the policy allows, and read
// only what the other does; nil is the default policy of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "ssh",
		Title:      "SSH servers: version, host key, algorithms, login",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			t, err := o.Access.Check(false)
			if err != nil {
				return nil, err
			}
			return &serverProbe{target: t, dialer: policy.Dialer(0), secrets: secrets}, nil
		},
	}
}

// serverProbe keeps no connection between runs.
type serverProbe struct {
	target  *Target
	dialer  *net.Dialer
	secrets *secret.Policy
	first   string // fingerprint of the host key that was seen first
}

var _ probe.Rememberer = (*serverProbe)(nil)

// Target implements probe.Probe.
func (p *serverProbe) Target() string { return p.target.Host }

// Close implements probe.Probe.
func (p *serverProbe) Close() error { return nil }

// Recall implements probe.Rememberer.
func (p *serverProbe) Recall(memory []byte) {
	if address, first, ok := strings.Cut(string(memory), " "); ok && address == p.target.Address {
		p.first = first
	}
}

// Memory implements probe.Rememberer.
func (p *serverProbe) Memory() []byte {
	if p.first == "" {
		return nil
	}
	return []byte(p.target.Address + " " + p.first)
}

// Attributes implements probe.Probe.
func (p *serverProbe) Attributes() []beans.AttributeInfo {
	text := func(name, description string) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: description}
	}
	return append(answer.Attributes("host_key", "algorithms", "login"),
		beans.AttributeInfo{Name: "connect_time", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Until the connection stood, with the look-up of the name."},
		text("version", "What the server says it is, such as OpenSSH_9.2p1 Debian-2."),
		text("fingerprint", "Fingerprint of the host key that it showed."),
		text("host_key_type", "Kind of that key, such as ssh-ed25519."),
		text("host_key", "known, new, changed or wrong."),
		text("weak", "Algorithms that it offers and should not, with blanks between them."),
		beans.AttributeInfo{Name: "weak_count", Type: beans.TypeInt, Unit: "algorithms", Readable: true, Description: "How many those are."},
	)
}

// Run implements probe.Probe.
func (p *serverProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	err := answer.Add(ctx, &r, start, p.look(ctx, &r))
	return r, err
}

// look makes a connection, adds what it tells to r and ends it.
func (p *serverProbe) look(ctx context.Context, r *probe.Result) error {
	conn, f, err := connect(ctx, p.dialer, p.target, p.secrets)
	if conn != nil {
		err = errors.Join(err, end(conn))
	}
	if errors.Is(err, errSeen) {
		err = nil
	}
	if f == nil || f.connected == 0 {
		return err
	}
	r.Number("connect_time", f.connected.Seconds())
	o, bad := parseOffers(f.start)
	if o.version != "" {
		r.Text("version", strings.TrimPrefix(o.version, "SSH-2.0-"))
	}
	if bad == nil {
		weak := o.weak()
		r.Text("weak", strings.Join(weak, " "))
		r.Add("weak_count", tree.Number(float64(len(weak))))
	}
	if f.key == nil {
		return err
	}
	var fault *answer.Fault
	switch {
	case errors.As(err, &fault) && fault.State == "host_key":
		p.judge(r, f.key, "wrong")
	case p.target.KnownHosts != "" || len(p.target.Fingerprints) > 0:
		p.judge(r, f.key, "known")
	default:
		if changed := p.compare(r, f.key); changed != nil {
			return changed
		}
	}
	return err
}

func (p *serverProbe) judge(r *probe.Result, key ssh.PublicKey, verdict string) {
	r.Text("fingerprint", ssh.FingerprintSHA256(key))
	r.Text("host_key_type", key.Type())
	r.Text("host_key", verdict)
}

// compare compares a key with the one that was seen first.
func (p *serverProbe) compare(r *probe.Result, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	switch p.first {
	case "":
		p.first = shown
		p.judge(r, key, "new")
	case shown:
		p.judge(r, key, "known")
	default:
		p.judge(r, key, "changed")
		return &answer.Fault{State: "host_key", Err: fmt.Errorf("the host key was %s and is %s (%s): somebody else may be answering, or the key was changed; say in fingerprints which one is right", p.first, shown, key.Type())}
	}
	return nil
}
