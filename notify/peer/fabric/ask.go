package fabric

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
)

// Headers of messages: how long the asker waits (milliseconds), and in an answer that says
// no, the code of the refusal, whose text is the body.
const (
	headerWait = "Grove-Wait"
	headerNo   = "Grove-No"
)

// Codes of answers that are not refusals of a handler.
const (
	noHandler = "nobody"
	noRoom    = "too long"
	notHeard  = "not heard" // nothing of the asker is, see Options.Admits
)

// Times of questions: how long an asker waits that has not said, and how long a handler may
// work at most.
const (
	askWait = 10 * time.Second
	maxWait = 10 * time.Minute
)

// maxRefusal bounds the text of a refusal, bytes.
const maxRefusal = 4 << 10

// errNobodyHere is that nobody is subscribed to the subject on a server: another way may do.
var errNobodyHere = fmt.Errorf("%w", peer.ErrNobody)

// Ask implements peer.Fabric.
func (f *Fabric) Ask(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	return f.ask(ctx, urgent, to, kind, body)
}

// AskBulk implements peer.Fabric.
func (f *Fabric) AskBulk(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	return f.ask(ctx, bulky, to, kind, body)
}

func (f *Fabric) ask(ctx context.Context, prefix string, to peer.ID, kind string, body []byte) ([]byte, error) {
	if err := checkMessage(to, kind, body); err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askWait)
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if to == f.options.Self {
		return f.askSelf(ctx, kind, body)
	}
	for _, s := range f.sessionsTo(to) {
		if !s.may(kind) {
			return nil, peer.Refuse(peer.Refused, "the certificate of this manager is good for %s only", strings.Join(s.only, ", "))
		}
		c := s.urgent
		if prefix == bulky {
			c = s.bulk
		}
		answer, err := s.ask(ctx, c, prefix, to, kind, body)
		if errors.Is(err, errNobodyHere) {
			f.unroute(to, s)
			continue
		}
		f.route(to, s)
		return answer, err
	}
	return nil, peer.ErrNobody
}

func checkMessage(to peer.ID, kind string, body []byte) error {
	if err := to.Check(); err != nil {
		return err
	}
	if err := checkKind(kind); err != nil {
		return err
	}
	if len(body) > peer.MaxBody {
		return peer.ErrTooLong
	}
	return nil
}

// ask asks over one connection.
func (s *session) ask(ctx context.Context, c *nats.Conn, prefix string, to peer.ID, kind string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	m := &nats.Msg{Subject: prefix + string(to) + "." + string(s.way.f.options.Self) + "." + kind, Data: body, Header: nats.Header{}}
	if end, ok := ctx.Deadline(); ok {
		m.Header[headerWait] = []string{strconv.FormatInt(max(time.Until(end).Milliseconds(), 1), 10)}
	}
	var lost <-chan struct{}
	if s.way.kind == own {
		lost = s.way.f.loss(to)
	}
	answer, err := request(ctx, c, m, lost)
	switch {
	case errors.Is(err, errLinkOver):
		return nil, fmt.Errorf("%w while it was asked", peer.ErrLost)
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errNobodyHere
	case s.ctx.Err() != nil && err != nil:
		return nil, fmt.Errorf("%w: %w", peer.ErrLost, context.Cause(s.ctx))
	case ctx.Err() != nil && err != nil:
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("%w: %w", peer.ErrLost, plain(err))
	}
	no, shut := answer.Header.Get(headerNo), ""
	if no == notHeard {
		shut = cutText(string(answer.Data))
	}
	s.way.f.answered(s, to, shut)
	return readAnswer(no, answer.Data)
}

var errLinkOver = errors.New("the link is over")

// request asks, and gives up when lost is closed.
func request(ctx context.Context, c *nats.Conn, m *nats.Msg, lost <-chan struct{}) (*nats.Msg, error) {
	if lost == nil {
		return c.RequestMsgWithContext(ctx, m)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-lost:
			cancel(errLinkOver)
		case <-done:
		}
	})
	answer, err := c.RequestMsgWithContext(ctx, m)
	close(done)
	watching.Wait()
	over := context.Cause(ctx)
	cancel(nil)
	if err != nil && errors.Is(over, errLinkOver) {
		err = over
	}
	return answer, err
}

// readAnswer takes an answer apart.
func readAnswer(no string, body []byte) ([]byte, error) {
	switch no {
	case "":
		if len(body) > peer.MaxBody {
			return nil, peer.ErrTooLong
		}
		return body, nil
	case noHandler:
		return nil, peer.ErrNobody
	case noRoom:
		return nil, peer.ErrTooLong
	case notHeard:
		return nil, &peer.Refusal{Code: peer.Refused, Message: cutText(string(body))}
	}
	switch code := peer.Code(no); code {
	case peer.Invalid, peer.NotFound, peer.Refused, peer.Stale, peer.Busy, peer.Failed:
		return nil, &peer.Refusal{Code: code, Message: cutText(string(body))}
	}
	return nil, &peer.Refusal{Code: peer.Failed, Message: cutText(string(body))}
}

func cutText(text string) string {
	if len(text) > maxRefusal {
		text = text[:maxRefusal]
	}
	return strings.ToValidUTF8(text, "?")
}

// Send implements peer.Fabric.
func (f *Fabric) Send(to peer.ID, kind string, body []byte) error {
	if err := checkMessage(to, kind, body); err != nil {
		return err
	}
	if to == f.options.Self {
		f.lanes.take(f, work{from: to, kind: kind, body: body})
		return nil
	}
	s, err := f.find(f.ctx, to)
	if err != nil {
		return err
	}
	if err := s.urgent.Publish(urgent+string(to)+"."+string(f.options.Self)+"."+kind, body); err != nil {
		return fmt.Errorf("%w: %w", peer.ErrLost, plain(err))
	}
	return nil
}

// SendAll implements peer.Fabric.
func (f *Fabric) SendAll(kind string, body []byte) error {
	if err := checkMessage(f.options.Self, kind, body); err != nil {
		return err
	}
	f.order.Lock()
	defer f.order.Unlock()
	data := number{f.begun, f.serial.Add(1)}.put(body)
	for _, s := range f.sessions() {
		if s.only == nil {
			_ = s.urgent.Publish(toAll+string(f.options.Self)+"."+kind, data) // who is lost now hears nothing
		}
	}
	return nil
}

// sessions lists all that are open.
func (f *Fabric) sessions() (all []*session) {
	f.mu.Lock()
	ways := make([]*way, 0, len(f.ways))
	for _, w := range f.ways {
		ways = append(ways, w)
	}
	f.mu.Unlock()
	for _, w := range ways {
		if s := w.session(); s != nil {
			all = append(all, s)
		}
	}
	return all
}

// sessionsTo lists the sessions over which a manager may be reached, the most likely first.
func (f *Fabric) sessionsTo(to peer.ID) []*session {
	all := f.sessions()
	f.mu.Lock()
	known := f.routes[to]
	f.mu.Unlock()
	direct := f.direct(to)
	rank := func(s *session) int {
		switch s {
		case direct:
			return 0
		case known:
			return 1
		}
		return 2
	}
	sorted := all[:0:0]
	for want := range 3 {
		for _, s := range all {
			// One that may say little may say it to that manager only.
			if rank(s) == want && (s.only == nil || s.way.id == to) {
				sorted = append(sorted, s)
			}
		}
	}
	return sorted
}

// find returns the session over which a manager is reached, after asking it if that is not
// known.
func (f *Fabric) find(ctx context.Context, to peer.ID) (*session, error) {
	if s := f.direct(to); s != nil {
		return s, nil
	}
	f.mu.Lock()
	known := f.routes[to]
	f.mu.Unlock()
	if known != nil && known.ctx.Err() == nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, peer.Suspect)
	defer cancel()
	for _, s := range f.sessionsTo(to) {
		if s.only == nil && s.there(ctx, to) {
			f.route(to, s)
			return s, nil
		}
	}
	return nil, peer.ErrNobody
}

// there says whether a manager answers over a session.
func (s *session) there(ctx context.Context, to peer.ID) bool {
	_, err := s.ask(ctx, s.urgent, urgent, to, kindPing, nil)
	return err == nil
}

func (f *Fabric) route(to peer.ID, s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[to] = s
}

func (f *Fabric) unroute(to peer.ID, s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.routes[to] == s {
		delete(f.routes, to)
	}
}
