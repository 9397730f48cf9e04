package live

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree/grant"
)

// Bounds of one socket.
const (
	maxReplies    = 64               // answers that wait to be written
	subscribeRate = 8                // subscribe messages a second, in the long run
	subscribeMost = 64               // and at once
	turnRate      = 50               // messages that open or close a second, in the long run
	turnMost      = 400              // and at once
	maxTurns      = 400              // of a subscription that wait
	maxTurned     = 20_000           // nodes that they name
	smallFrame    = 512              // bytes from which on compression is worth it
	closeWait     = 2 * time.Second  // for the last words
	lookTick      = 10 * time.Second // how often what is looked at is asked
	matchesEvery  = 500 * time.Millisecond
	stillEvery    = time.Second // how often it is asked whether a session goes on
)

// conn is one socket. Its reader applies the messages of the client to subs; its
// writer sends what the subscriptions are due.
type conn struct {
	server  *Server
	ws      *websocket.Conn
	subject *grant.Subject
	binary  bool
	wake    chan struct{}   // holds one token when the writer has something to do
	quit    chan struct{}   // closed by end
	ctx     context.Context // ends with the socket
	cancel  context.CancelFunc

	ending    sync.Once
	closeCode int // written before quit is closed
	closeText string

	mu      sync.Mutex // guards the fields below
	subs    map[uint32]*subscription
	list    []*subscription // subs by id, which is not changed once it is made; nil: to be made
	replies []any
	gone    []*subscription // that ended, for the writer to release

	later *time.Timer // of the writer: it has something to do after a while
}

func newConn(s *Server, ws *websocket.Conn, subject *grant.Subject) *conn {
	c := &conn{
		server:  s,
		ws:      ws,
		subject: subject,
		binary:  ws.Subprotocol() == ProtocolBinary,
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		subs:    map[uint32]*subscription{},
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	return c
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
		c.cancel()
	})
}

// serve runs the socket until it is closed.
func (c *conn) serve() {
	c.reply(welcome{Type: "welcome", Server: "grove " + c.server.opts.Version, Run: c.run(), Seq: c.server.opts.Tree.Seq()})
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
	gone := slices.AppendSeq(c.gone, maps.Values(c.subs))
	c.mu.Unlock()
	for _, s := range gone {
		s.release()
	}
}

// run names what sequence numbers are worth: those of this server, and of what this
// subject sees.
func (c *conn) run() string {
	grants := grantsOf(c.subject)
	if grants == "" {
		return c.server.run
	}
	sum := hmac.New(sha256.New, []byte(c.server.run))
	sum.Write([]byte(grants))
	return c.server.run + "." + hex.EncodeToString(sum.Sum(nil)[:8])
}

// read applies messages until the socket fails or the client misbehaves.
func (c *conn) read() {
	alive := func() error { return c.ws.SetReadDeadline(time.Now().Add(c.server.opts.PongTimeout)) }
	c.ws.SetReadLimit(MaxMessageBytes)
	c.ws.SetPongHandler(func(string) error { return alive() })
	bad := 0
	now := time.Now()
	budgets := budgets{subscribe: bucket{rate: subscribeRate, most: subscribeMost, at: now}, turn: bucket{rate: turnRate, most: turnMost, at: now}}
	budgets.subscribe.tokens, budgets.turn.tokens = subscribeMost, turnMost
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
		if !c.subject.Still() {
			c.end(websocket.ClosePolicyViolation, loggedOut)
			return
		}
		err = c.apply(data, &budgets)
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

// loggedOut is the reason for which a socket is closed whose session is over.
const loggedOut = "logged out"

// apply does what one message says.
func (c *conn) apply(data []byte, b *budgets) error {
	if id, seq, ok := parseAck(data); ok {
		c.acknowledge(id, seq)
		return nil
	}
	r, err := parseRequest(data)
	if err != nil {
		return err
	}
	switch r.Type {
	case "subscribe":
		if !b.subscribe.take(time.Now()) {
			return &requestError{&r.ID, codeTooFast, "no more than 8 subscribe messages a second"}
		}
		return c.subscribe(&r)
	case "open", "close":
		if !b.turn.take(time.Now()) {
			return &requestError{&r.ID, codeTooFast, "no more than 50 open and close messages a second"}
		}
		return c.turn(&r)
	case "unsubscribe":
		if !c.drop(r.ID, nil) {
			return &requestError{&r.ID, codeNoSubscription, noSubscription}
		}
	case "ack":
		// An acknowledgement may cross an error or an unsubscribe on its way.
		c.acknowledge(r.ID, r.Seq)
	}
	return nil
}

const noSubscription = "there is no such subscription"

// budgets bound how often a client asks for what costs something.
type budgets struct{ subscribe, turn bucket }

// write sends what is due until the socket fails or ends.
func (c *conn) write() {
	ping := time.NewTicker(c.server.opts.PingEvery)
	defer ping.Stop()
	look := time.NewTicker(lookTick)
	defer look.Stop()
	var still <-chan time.Time
	if c.subject.Valid != nil {
		t := time.NewTicker(stillEvery)
		defer t.Stop()
		still = t.C
	}
	c.later = time.NewTimer(time.Hour)
	defer c.later.Stop()
	for {
		select {
		case <-c.quit:
			c.goodbye()
			return
		case now := <-look.C:
			for _, s := range c.subscriptions() {
				s.stage.look(now)
			}
			continue
		case <-still:
			if !c.subject.Still() {
				c.end(websocket.ClosePolicyViolation, loggedOut)
			}
			continue
		case <-ping.C:
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.server.opts.WriteTimeout)) != nil {
				return
			}
			continue
		case <-c.wake:
		case <-c.later.C:
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

func (c *conn) writeReplies() bool {
	c.mu.Lock()
	replies := c.replies
	c.replies = nil
	c.mu.Unlock()
	for _, r := range replies {
		if !c.say(r) {
			return false
		}
	}
	return true
}

// say writes a message that is not data; it returns false when the socket failed.
func (c *conn) say(message any) bool {
	c.ws.EnableWriteCompression(false)
	return c.deadline() == nil && c.ws.WriteJSON(message) == nil
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

// bucket bounds a rate: tokens come back at rate a second, up to most.
type bucket struct {
	rate, most float64
	tokens     float64
	at         time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*b.rate, b.most)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
