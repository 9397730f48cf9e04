// Package client follows the live feed of a grove server: what `grove tree --watch`
// and other Go programs use.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/viewer/live/frame"
)

const (
	protocol  = "grove.live.v2.binary"
	handshake = 10 * time.Second
	// silence is how long the server may say nothing: it pings every 20 s.
	silence = 60 * time.Second
	// ackEvery is how many frames are acknowledged at once, of the four that the server
	// sends ahead: reading an acknowledgement costs it as much as sending a frame.
	ackEvery = 2
	// maxMessage bounds a message of the server, on the wire.
	maxMessage = 256 << 20
)

// ErrNoNode is returned when the server has no node at the path, or not any more.
var ErrNoNode = tree.ErrNoNode

// Request says what a client wants to see.
type Request struct {
	Path tree.Path
	// Depth opens the groups less than so many levels below Path, Open further ones with
	// those above them, and Some opens level by level while no more rows than so many
	// show. Without any of them everything shows, also what comes.
	Depth int
	Open  []tree.Path
	Some  int
	// Text and Statuses, unless empty, leave only what matches, and the way to it.
	Text     string
	Statuses []tree.Status
	// At, unless zero, is the moment of the past to see.
	At time.Time
	// Header is sent to the server when the socket is opened: "Authorization".
	Header http.Header
}

// Client is a subscription to one subtree. One goroutine at a time calls Next; the other
// methods may be called meanwhile.
type Client struct {
	// Mirror is what shows, as of the last Next. It is read between calls of Next, or in
	// Read.
	Mirror frame.Mirror

	ws   *websocket.Conn
	stop func() bool

	writing sync.Mutex // held to write to ws; taken before mu

	mu          sync.Mutex // guards Mirror and the fields below
	request     Request
	id          uint32
	unacked     int // frames
	hits, shown int
	focus       uint32
	focal       bool
	wrong       error // what the server said of the last turn
}

// Dial connects to a server, "http://127.0.0.1:7440", and subscribes to everything at and
// below a path. The client ends with ctx, or with Close.
func Dial(ctx context.Context, server string, path tree.Path) (*Client, error) {
	return Follow(ctx, server, Request{Path: path})
}

// Follow is Dial for what a request says.
func Follow(ctx context.Context, server string, r Request) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("address of the server: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, fmt.Errorf("address of the server: %.80q does not begin with http:// or https://", server)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/api/v1/live"
	d := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshake, Subprotocols: []string{protocol}, EnableCompression: true}
	ws, res, err := d.DialContext(ctx, u.String(), r.Header)
	if err != nil {
		if res != nil {
			return nil, fmt.Errorf("connect to %s: %w: the server answers %s", u, err, res.Status)
		}
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	if ws.Subprotocol() != protocol {
		_ = ws.Close()
		return nil, fmt.Errorf("connect to %s: the server does not speak %s", u, protocol)
	}
	ws.EnableWriteCompression(false) // What a client says is short.
	c := &Client{ws: ws}
	c.stop = context.AfterFunc(ctx, func() { _ = ws.Close() })
	ws.SetReadLimit(maxMessage)
	ping := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		_ = ws.SetReadDeadline(time.Now().Add(silence))
		return ping(data)
	})
	if err := c.Ask(r); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the client; a Next under way returns an error.
func (c *Client) Close() error {
	c.stop()
	return c.ws.Close()
}

// message is one of the client.
type message struct {
	Type     string      `json:"type"`
	ID       uint32      `json:"id"`
	Path     *tree.Path  `json:"path,omitempty"`
	Depth    *int        `json:"depth,omitempty"`
	Open     []tree.Path `json:"open,omitempty"`
	Some     int         `json:"some,omitempty"`
	Filter   *filter     `json:"filter,omitempty"`
	At       int64       `json:"at,omitempty"`
	Seq      *uint64     `json:"seq,omitempty"`
	Nodes    []uint32    `json:"nodes,omitempty"`
	All      bool        `json:"all,omitempty"`
	Problems bool        `json:"problems,omitempty"`
}

type filter struct {
	Text     string        `json:"text"`
	Statuses []tree.Status `json:"statuses"`
}

// send writes a message under the number of the subscription; before it, with the lock
// held, it does what goes with it.
func (c *Client) send(m message, first func()) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	if first != nil {
		first()
	}
	m.ID = c.id
	c.mu.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(handshake))
	if err := c.ws.WriteJSON(m); err != nil {
		return fmt.Errorf("live feed: %w", err)
	}
	return nil
}

// Ask asks for something else. What shows stays in Mirror until a Next brings the new.
// The header is that of Follow.
func (c *Client) Ask(r Request) error {
	m := message{Type: "subscribe", Path: &r.Path, Open: r.Open, Some: r.Some}
	if r.Depth > 0 {
		m.Depth = &r.Depth
	}
	if r.Text != "" || len(r.Statuses) > 0 {
		m.Filter = &filter{r.Text, r.Statuses}
		if m.Filter.Statuses == nil {
			m.Filter.Statuses = []tree.Status{}
		}
	}
	if !r.At.IsZero() {
		m.At = r.At.UnixMilli()
	}
	c.mu.Lock()
	old := c.id
	c.mu.Unlock()
	if old > 0 {
		// What is on its way under the old number is told apart from the new.
		if err := c.send(message{Type: "unsubscribe"}, nil); err != nil {
			return err
		}
	}
	return c.send(m, func() {
		// The first number is the page's, so that both share prepared frames.
		c.id++
		c.request, c.unacked, c.hits, c.shown, c.focal = r, 0, 0, 0, false
		c.Mirror.Restart()
	})
}

// OpenGroups opens groups; a Next brings what is below.
func (c *Client) OpenGroups(groups ...uint32) error {
	if len(groups) == 0 {
		return nil
	}
	return c.send(message{Type: "open", Nodes: groups}, func() { c.Mirror.Open(groups...) })
}

// CloseGroups closes groups; what is below is gone from Mirror at once.
func (c *Client) CloseGroups(groups ...uint32) error {
	if len(groups) == 0 {
		return nil
	}
	return c.send(message{Type: "close", Nodes: groups}, func() { c.Mirror.Close(groups...) })
}

// OpenAll opens every group, also those to come.
func (c *Client) OpenAll() error {
	return c.send(message{Type: "open", All: true}, func() { c.Mirror.Open() })
}

// CloseAll closes every group but the root.
func (c *Client) CloseAll() error {
	return c.send(message{Type: "close", All: true}, func() { c.Mirror.Open() })
}

// OpenProblems opens exactly the ways to yellow and red attributes. Focus tells the worst
// once a Next has returned.
func (c *Client) OpenProblems() error {
	return c.send(message{Type: "open", Problems: true}, c.seek)
}

// OpenPath opens the groups above a node, which Focus tells once a Next has returned.
func (c *Client) OpenPath(p tree.Path) error {
	return c.send(message{Type: "open", Path: &p}, c.seek)
}

// seek forgets the last focus: the server will tell another.
func (c *Client) seek() {
	c.Mirror.Open()
	c.focal, c.wrong = false, nil
}

// Read calls read while Mirror stands still. It must not call the client.
func (c *Client) Read(read func(m *frame.Mirror)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	read(&c.Mirror)
}

// Focus returns the node that the last OpenProblems or OpenPath is about.
func (c *Client) Focus() (index uint32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.focus, c.focal
}

// Matches tells how many nodes match the texts and statuses asked for, and how many of
// them show.
func (c *Client) Matches() (hits, shown int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.shown
}

// Wrong returns, once, what the server had to say against an OpenPath.
func (c *Client) Wrong() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.wrong
	c.wrong = nil
	return err
}

// Next waits for the next frame, applies it to Mirror and lets the server send more. The
// frame is nil when only Matches, Focus, Wrong or which groups are open changed. The first
// frame is a snapshot; a gap is mended with a fresh one. An error that wraps ErrNoNode says
// that there is nothing at the path; after any error the client is over.
func (c *Client) Next() (*frame.Frame, error) {
	for {
		_ = c.ws.SetReadDeadline(time.Now().Add(silence))
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return nil, fmt.Errorf("live feed: %w", err)
		}
		if kind == websocket.TextMessage {
			news, err := c.control(data)
			if err != nil || news {
				return nil, err
			}
			continue
		}
		f, err := frame.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("live feed: %w", err)
		}
		c.mu.Lock()
		mine := f.ID == c.id
		ack := false
		if mine {
			err = c.Mirror.Apply(f)
			c.unacked++
			if ack = c.unacked >= ackEvery || f.Type == frame.TypeSnapshot; ack {
				c.unacked = 0
			}
		}
		request := c.request
		c.mu.Unlock()
		switch {
		case !mine:
			continue
		case errors.Is(err, frame.ErrGap):
			if err := c.Ask(request); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, fmt.Errorf("live feed: %w", err)
		}
		if ack {
			if err := c.send(message{Type: "ack", Seq: &f.Seq}, nil); err != nil {
				return nil, err
			}
		}
		return f, nil
	}
}

// control reads a message of the server that is not data, and says whether there is
// something new in it.
func (c *Client) control(data []byte) (news bool, err error) {
	var m struct {
		Type, Code, Message string
		ID                  *uint32
		Count               uint64
		Nodes               []uint32
		All                 bool
		Focus               *uint32
		Hits, Shown         int
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return false, fmt.Errorf("live feed: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.ID != nil && *m.ID != c.id {
		return false, nil
	}
	switch m.Type {
	case "applied":
		c.Mirror.Applied(m.Count)
		return false, nil
	case "opened":
		if !m.All {
			c.Mirror.Opened(m.Nodes)
		}
		if m.Focus != nil {
			c.focus, c.focal = *m.Focus, true
		}
		return true, nil
	case "matches":
		c.hits, c.shown = m.Hits, m.Shown
		return true, nil
	case "error":
	default:
		return false, nil
	}
	switch m.Code {
	case "no_such_subscription": // What Ask ended was over already.
		return false, nil
	case "no_such_node":
		return false, fmt.Errorf("%s: %w", c.request.Path, ErrNoNode)
	case "no_such_path":
		c.wrong = errors.New(m.Message)
		return true, nil
	}
	return false, fmt.Errorf("live feed: the server says %s: %s", m.Code, m.Message)
}
