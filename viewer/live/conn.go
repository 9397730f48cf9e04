package live

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
)

// Bounds of one socket.
const (
	maxReplies    = 64               // answers that wait to be written
	subscribeRate = 8                // subscribe messages a second, in the long run
	subscribeMost = 64               // and at once
	smallFrame    = 512              // bytes from which on compression is worth it
	closeWait     = 2 * time.Second  // for the last words
	lookTick      = 10 * time.Second // how often what is looked at is asked
)

// conn is one socket. Its reader applies the messages of the client to subs; its
// writer sends what the subscriptions are due.
type conn struct {
	server *Server
	ws     *websocket.Conn
	binary bool
	wake   chan struct{} // holds one token when the writer has something to do
	quit   chan struct{} // closed by end

	ending    sync.Once
	closeCode int // written before quit is closed
	closeText string

	mu      sync.Mutex // guards the fields below
	subs    map[uint32]*subscription
	replies []any
}

// subscription is one subtree that a client looks at. Its view is fixed, the rest
// is guarded by conn.mu.
type subscription struct {
	id      uint32
	view    *view
	fresh   bool     // needs a snapshot
	sent    uint64   // what the client has, or will have
	cursor  uint64   // nothing changed between sent and this
	unacked []uint64 // at most Window, rising
	held    bool     // it was due and the window was full
}

func newConn(s *Server, ws *websocket.Conn) *conn {
	return &conn{
		server: s,
		ws:     ws,
		binary: ws.Subprotocol() == ProtocolBinary,
		wake:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
		subs:   map[uint32]*subscription{},
	}
}

// wakeUp makes the writer look what there is to do; it never blocks.
func (c *conn) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// end makes the writer say goodbye and close the socket. The first call counts.
func (c *conn) end(code int, text string) {
	c.ending.Do(func() {
		c.closeCode, c.closeText = code, text
		// A write that is stuck must not hold the goodbye up for long.
		_ = c.ws.NetConn().SetWriteDeadline(time.Now().Add(closeWait))
		close(c.quit)
	})
}

// serve runs the socket until it is closed.
func (c *conn) serve() {
	c.reply(welcome{Type: "welcome", Server: "grove " + c.server.opts.Version, Run: c.server.run, Seq: c.server.opts.Tree.Seq()})
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer func() { _ = c.ws.Close() }() // unblocks the reader
		c.write()
	}()
	c.read()
	c.end(websocket.CloseNormalClosure, "")
	<-written
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		s.view.release()
	}
	clear(c.subs)
}

// read applies messages until the socket fails or the client misbehaves.
func (c *conn) read() {
	alive := func() error { return c.ws.SetReadDeadline(time.Now().Add(c.server.opts.PongTimeout)) }
	c.ws.SetReadLimit(MaxMessageBytes)
	c.ws.SetPongHandler(func(string) error { return alive() })
	bad := 0
	budget := bucket{tokens: subscribeMost, at: time.Now()}
	for {
		if alive() != nil {
			return
		}
		kind, r, err := c.ws.NextReader()
		if err != nil {
			if errors.Is(err, websocket.ErrReadLimit) {
				c.end(websocket.CloseMessageTooBig, "a message is longer than 16384 bytes")
			}
			return
		}
		// The read limit counts bytes on the wire, which compression makes few.
		data, err := io.ReadAll(io.LimitReader(r, MaxMessageBytes+1))
		switch {
		case err != nil:
			return
		case len(data) > MaxMessageBytes:
			c.end(websocket.CloseMessageTooBig, "a message is longer than 16384 bytes")
			return
		case kind != websocket.TextMessage:
			c.end(websocket.CloseUnsupportedData, "messages of a client are JSON in text frames")
			return
		}
		err = c.apply(data, &budget)
		var wrong *requestError
		if errors.As(err, &wrong) {
			if wrong.code == codeBadFrame || wrong.code == codeTooFast {
				bad++ // The other errors happen to clients that do nothing wrong.
			}
			if bad > MaxBadMessages {
				c.end(websocket.ClosePolicyViolation, "too many bad messages")
				return
			}
			c.reply(failure{Type: "error", ID: wrong.id, Code: wrong.code, Message: wrong.text})
		}
	}
}

// reply queues an answer for the writer. A client that lets more than maxReplies
// wait is sent away.
func (c *conn) reply(answer any) {
	c.mu.Lock()
	c.replies = append(c.replies, answer)
	n := len(c.replies)
	c.mu.Unlock()
	if n > maxReplies {
		c.end(websocket.ClosePolicyViolation, "answers are not read")
	}
	c.wakeUp()
}

// apply does what one message says.
func (c *conn) apply(data []byte, budget *bucket) error {
	r, err := parseRequest(data)
	if err != nil {
		return err
	}
	switch r.Type {
	case "subscribe":
		if !budget.take(time.Now()) {
			return &requestError{&r.ID, codeTooFast, "no more than 8 subscribe messages a second"}
		}
		return c.subscribe(r)
	case "unsubscribe":
		if !c.drop(r.ID, nil) {
			return &requestError{&r.ID, codeNoSubscription, "there is no such subscription"}
		}
	case "ack":
		// An acknowledgement may cross an error or an unsubscribe on its way.
		c.acknowledge(r.ID, r.Seq)
	}
	return nil
}

func (c *conn) subscribe(r request) error {
	v, err := c.server.acquire(r.Path)
	if err != nil {
		c.drop(r.ID, nil)
		return &requestError{&r.ID, viewCode(err), viewText(r.Path, err)}
	}
	v.look(time.Now())
	s := &subscription{id: r.ID, view: v, fresh: true}
	if r.Since != nil && (r.Run == "" || r.Run == c.server.run) && *r.Since <= c.server.opts.Tree.Seq() {
		s.fresh, s.sent, s.cursor = false, *r.Since, *r.Since
	}
	c.mu.Lock()
	old := c.subs[r.ID]
	full := old == nil && len(c.subs) >= c.server.opts.MaxSubscriptions
	if !full {
		c.subs[r.ID] = s
	}
	c.mu.Unlock()
	if full {
		v.release()
		return &requestError{&r.ID, codeTooMany, fmt.Sprintf("a socket has at most %d subscriptions; unsubscribe another", c.server.opts.MaxSubscriptions)}
	}
	if old != nil {
		old.view.release()
	}
	c.wakeUp()
	return nil
}

func viewCode(err error) string {
	if errors.Is(err, tree.ErrNoNode) {
		return codeNoNode
	}
	return codeInternal
}

// viewText is an error of a view, which begins with the path.
func viewText(p tree.Path, err error) string {
	before := p.String() + ": "
	return before + strings.TrimPrefix(err.Error(), before)
}

// drop ends a subscription; when only is not nil, only if it is still that one.
func (c *conn) drop(id uint32, only *subscription) bool {
	c.mu.Lock()
	s := c.subs[id]
	if s == nil || only != nil && s != only {
		c.mu.Unlock()
		return false
	}
	delete(c.subs, id)
	c.mu.Unlock()
	s.view.release()
	return true
}

func (c *conn) acknowledge(id uint32, seq uint64) {
	c.mu.Lock()
	s := c.subs[id]
	if s != nil {
		s.unacked = slices.DeleteFunc(s.unacked, func(sent uint64) bool { return sent <= seq })
	}
	c.mu.Unlock()
	c.wakeUp()
}

// write sends what is due until the socket fails or ends.
func (c *conn) write() {
	ping := time.NewTicker(c.server.opts.PingEvery)
	defer ping.Stop()
	look := time.NewTicker(lookTick)
	defer look.Stop()
	for {
		select {
		case <-c.quit:
			c.goodbye()
			return
		case now := <-look.C:
			for _, s := range c.subscriptions() {
				s.view.look(now)
			}
			continue
		case <-ping.C:
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.server.opts.WriteTimeout)) != nil {
				return
			}
			continue
		case <-c.wake:
		}
		if !c.writeReplies() {
			return
		}
		for _, s := range c.subscriptions() {
			if !c.step(s) {
				return
			}
		}
	}
}

func (c *conn) goodbye() {
	c.writeReplies()
	message := websocket.FormatCloseMessage(c.closeCode, c.closeText)
	_ = c.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeWait))
}

// subscriptions returns those of the moment, by id.
func (c *conn) subscriptions() []*subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.Collect(maps.Values(c.subs))
	slices.SortFunc(list, func(a, b *subscription) int { return int(int64(a.id) - int64(b.id)) })
	return list
}

func (c *conn) writeReplies() bool {
	c.mu.Lock()
	replies := c.replies
	c.replies = nil
	c.mu.Unlock()
	for _, r := range replies {
		c.ws.EnableWriteCompression(false)
		if c.deadline() != nil || c.ws.WriteJSON(r) != nil {
			return false
		}
	}
	return true
}

// deadline bounds the next write. Once the socket ends, the shorter bound of end
// stands.
func (c *conn) deadline() error {
	wait := c.server.opts.WriteTimeout
	select {
	case <-c.quit:
		wait = closeWait
	default:
	}
	return c.ws.SetWriteDeadline(time.Now().Add(wait))
}

// step sends one batch to a subscription if one is due; it returns false when the
// socket failed.
func (c *conn) step(s *subscription) bool {
	seq := c.server.opts.Tree.Seq()
	c.mu.Lock()
	due := c.subs[s.id] == s && (s.fresh || s.cursor < seq)
	if due && len(s.unacked) >= Window {
		due = false
		if !s.held {
			s.held = true
			c.server.counts.held.Inc()
		}
	}
	w := want{id: s.id, binary: c.binary, fresh: s.fresh}
	if !w.fresh {
		w.from, w.cursor = s.sent, s.cursor
	}
	c.mu.Unlock()
	if !due {
		return true
	}
	b, err := s.view.next(w)
	if err != nil {
		if c.drop(s.id, s) {
			c.reply(failure{Type: "error", ID: &s.id, Code: viewCode(err), Message: viewText(s.view.path, err)})
		}
		return true
	}
	c.mu.Lock()
	s.fresh, s.held, s.cursor = false, false, b.to
	if b.message != nil {
		s.sent = b.to
		s.unacked = append(s.unacked, b.to)
	}
	c.mu.Unlock()
	if b.message == nil {
		return true
	}
	kind := "delta"
	if b.snapshot {
		kind = "snapshot"
	}
	c.server.counts.frames.WithLabelValues(kind).Inc()
	c.server.counts.bytes.Add(float64(b.size))
	c.ws.EnableWriteCompression(b.size >= smallFrame)
	if c.deadline() != nil || c.ws.WritePreparedMessage(b.message) != nil {
		return false
	}
	if published := c.server.flushes.of(b.to); !b.snapshot && !published.IsZero() {
		c.server.counts.delay.UpdateDuration(published)
	}
	return true
}

// bucket bounds a rate: tokens come back at subscribeRate a second.
type bucket struct {
	tokens float64
	at     time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*subscribeRate, subscribeMost)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
