package fabric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
)

// What one manager may have done here at the same time, and what may wait for that. A
// question beyond that is answered with the code Busy. Running are more than package duty has
// under way at the same time: to watch many devices is one reload for all that are asked for
// together, and the question whether somebody is there must not wait behind them.
const (
	laneRunning = 512
	laneWaiting = 1024
	laneBytes   = 16 << 20
)

// errNoHandler is that nobody here knows the kind of a message.
var errNoHandler = errors.New("nobody knows that kind of message")

// maxSenders bounds of how many managers it is remembered what they sent to all.
const maxSenders = 4096

// lanes run handlers: each manager that sends has its own, so that none waits for another.
type lanes struct {
	running sync.WaitGroup
	mu      sync.Mutex
	by      map[peer.ID]*lane // of those that have something running
}

type lane struct {
	running int
	waiting []work
	bytes   int
}

// work is a message that has arrived.
type work struct {
	from  peer.ID
	kind  string
	body  []byte
	reply func(no string, body []byte) // nil: nobody waits for an answer
	until time.Time                    // when the asker gives up; zero is never
	over  *session
}

// take has a message handled.
func (l *lanes) take(f *Fabric, w work) {
	l.mu.Lock()
	one := l.by[w.from]
	if one == nil {
		one = &lane{}
		l.by[w.from] = one
	}
	switch {
	case f.ctx.Err() != nil:
	case one.running < laneRunning:
		one.running++
		l.running.Go(func() { l.run(f, one, w) })
	case len(one.waiting) < laneWaiting && one.bytes+len(w.body) <= laneBytes:
		one.waiting = append(one.waiting, w)
		one.bytes += len(w.body)
	default:
		l.mu.Unlock()
		if w.reply != nil {
			w.reply(string(peer.Busy), []byte("too many questions of this manager wait already"))
		} else {
			f.options.Log.Warn("a message of a manager is dropped: too many wait", "manager", w.from, "kind", w.kind)
		}
		return
	}
	l.mu.Unlock()
}

// run handles messages until none waits.
func (l *lanes) run(f *Fabric, one *lane, w work) {
	for {
		f.do(w)
		l.mu.Lock()
		if len(one.waiting) == 0 || f.ctx.Err() != nil {
			one.running--
			if one.running == 0 && l.by[w.from] == one {
				delete(l.by, w.from)
			}
			l.mu.Unlock()
			return
		}
		w = one.waiting[0]
		one.waiting[0] = work{}
		one.waiting = one.waiting[1:]
		one.bytes -= len(w.body)
		l.mu.Unlock()
	}
}

// arrived takes a message from the network apart. The subject tells who sent it.
func (f *Fabric) arrived(s *session, prefix string, m *nats.Msg) {
	from, kind, ok := parseMessage(m.Subject, prefix, f.options.Self)
	if !ok || from == f.options.Self {
		return
	}
	w := work{from: from, kind: kind, body: m.Data, over: s}
	refused := s.refuses(from, kind)
	if prefix == toAll {
		switch kind {
		case kindHere, kindGone:
			f.heard(s, from, kind == kindHere, refused)
			return
		}
		if refused != nil {
			return
		}
		n, body, ok := cutNumber(m.Data)
		if !ok || !f.firstSeen(from, n) {
			return
		}
		w.body = body
		f.lanes.take(f, w)
		return
	}
	if m.Reply != "" {
		// Whoever asks may have said any subject for the answer, and this manager would
		// publish there in its own name.
		if !strings.HasPrefix(m.Reply, inbox+string(from)+".") {
			f.options.Log.Warn("a question is dropped: its answer is not for who asks", "manager", from, "kind", kind)
			return
		}
		w.reply = func(no string, body []byte) {
			a := &nats.Msg{Subject: m.Reply, Data: body}
			if no != "" {
				a.Header = nats.Header{headerNo: {no}}
			}
			c := s.urgent
			if prefix == bulky {
				c = s.bulk
			}
			if err := c.PublishMsg(a); err != nil && s.ctx.Err() == nil {
				f.options.Log.Warn("an answer is lost", "manager", from, "kind", kind, "error", err)
			}
		}
	}
	if refused != nil {
		if w.reply != nil {
			w.reply(notHeard, []byte(cutText(refused.Error())))
		}
		return
	}
	if len(w.body) > peer.MaxBody {
		if w.reply != nil {
			w.reply(noRoom, nil)
		}
		return
	}
	if ms, err := strconv.ParseInt(m.Header.Get(headerWait), 10, 64); err == nil && ms > 0 && ms <= maxWait.Milliseconds() {
		w.until = time.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	f.lanes.take(f, w)
}

// do handles one message and answers it.
func (f *Fabric) do(w work) {
	ctx, cancel := context.WithTimeout(f.ctx, maxWait)
	defer cancel()
	if !w.until.IsZero() {
		if time.Now().After(w.until) {
			return // nobody waits any more
		}
		var sooner context.CancelFunc
		ctx, sooner = context.WithDeadline(ctx, w.until)
		defer sooner()
	}
	answer, err := f.handle(ctx, w)
	if w.reply == nil {
		if err != nil && !errors.Is(err, errNoHandler) {
			f.options.Log.Info("a message of a manager was not taken", "manager", w.from, "kind", w.kind, "error", err)
		}
		return
	}
	no, body := writeAnswer(answer, err)
	w.reply(no, body)
}

// handle calls the handler of a message.
func (f *Fabric) handle(ctx context.Context, w work) (answer []byte, err error) {
	switch w.kind {
	case kindPing:
		return nil, nil
	case kindHello:
		return f.welcome(w)
	}
	h := f.handler(w.kind)
	if h == nil {
		return nil, errNoHandler
	}
	defer func() {
		if r := recover(); r != nil {
			f.options.Log.Error("a handler of messages between managers has failed", "kind", w.kind, "panic", r, "stack", string(debug.Stack()))
			answer, err = nil, peer.Refuse(peer.Failed, "%s went wrong there, see its log", w.kind)
		}
	}()
	return h(ctx, w.from, w.body)
}

// writeAnswer says what goes into the header and the body of an answer.
func writeAnswer(answer []byte, err error) (no string, body []byte) {
	var r *peer.Refusal
	switch {
	case err == nil && len(answer) > peer.MaxBody:
		return noRoom, nil
	case err == nil:
		return "", answer
	case errors.As(err, &r):
		return string(r.Code), []byte(cutText(r.Message))
	case errors.Is(err, errNoHandler):
		return noHandler, nil
	}
	return string(peer.Failed), []byte(cutText(err.Error()))
}

// askSelf is a question of this manager to itself.
func (f *Fabric) askSelf(ctx context.Context, kind string, body []byte) ([]byte, error) {
	type result struct {
		no   string
		body []byte
	}
	done := make(chan result, 1)
	w := work{from: f.options.Self, kind: kind, body: body, reply: func(no string, body []byte) { done <- result{no, body} }}
	w.until, _ = ctx.Deadline()
	f.lanes.take(f, w)
	select {
	case r := <-done:
		return readAnswer(r.no, r.body)
	case <-ctx.Done():
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	case <-f.ctx.Done():
		return nil, fmt.Errorf("%w: this manager stops", peer.ErrLost)
	}
}

// welcome answers hello.
func (f *Fabric) welcome(w work) ([]byte, error) {
	var g greeting
	if err := json.Unmarshal(w.body, &g); err != nil {
		return nil, peer.Refuse(peer.Invalid, "hello: %v", err)
	}
	if w.over == nil || w.over.way.kind != own {
		return nil, peer.Refuse(peer.Invalid, "hello is said to the manager whose server it is")
	}
	caller, ok := w.over.way.host.gate.hello(w.from, g.Urgent)
	if !ok {
		return nil, peer.Refuse(peer.Invalid, "hello: %d is none of your connections", g.Urgent)
	}
	if caller.Only == nil {
		f.inboundUp(w.over, w.from)
	}
	return json.Marshal(welcome{caller.Only})
}

// firstSeen says whether a message to all comes for the first time.
func (f *Fabric) firstSeen(from peer.ID, n number) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.seen[from]
	if w == nil {
		for other := range f.seen {
			if len(f.seen) < maxSenders {
				break
			}
			delete(f.seen, other)
		}
		w = &window{}
		f.seen[from] = w
	}
	return w.first(n)
}
