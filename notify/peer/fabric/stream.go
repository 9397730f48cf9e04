package fabric

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
)

// followEvery is how often a follower looks whether the other manager is still there over
// the way that it follows it.
const followEvery = 5 * time.Second

// maxFollowed bounds what waits for one follower; what comes beyond that is lost.
const (
	maxFollowed      = 65536 // messages
	maxFollowedBytes = 64 << 20
)

// Publish implements peer.Fabric.
func (f *Fabric) Publish(name string, body []byte) error {
	subject, err := streamSubject(f.options.Self, name)
	if err != nil {
		return err
	}
	if len(body) > peer.MaxBody {
		return peer.ErrTooLong
	}
	f.order.Lock()
	defer f.order.Unlock()
	data := number{f.begun, f.serial.Add(1)}.put(body)
	for _, s := range f.sessions() {
		if s.only == nil {
			_ = s.urgent.Publish(subject, data) // who is lost now follows again from later on
		}
	}
	return nil
}

// follow is one follower. It is subscribed at one server at a time, as over two the messages
// would come twice and out of order.
type follow struct {
	f       *Fabric
	of      peer.ID
	subject string
	take    func([]byte)
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once

	// Of the goroutine that runs it.
	over *session
	sub  *nats.Subscription

	mu   sync.Mutex // held while take runs
	last number
	done bool
}

// Follow implements peer.Fabric. When the manager is linked, what it publishes after Follow
// has returned arrives.
func (f *Fabric) Follow(of peer.ID, name string, take func([]byte)) (func(), error) {
	if err := of.Check(); err != nil {
		return nil, err
	}
	if of == f.options.Self {
		return nil, errors.New("a manager does not follow itself")
	}
	subject, err := streamSubject(of, name)
	if err != nil {
		return nil, err
	}
	w := &follow{f: f, of: of, subject: subject, take: take}
	w.ctx, w.stop = context.WithCancel(f.ctx)
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		w.stop()
		return nil, errors.New("fabric: it was closed")
	}
	f.follows[w] = true
	f.mu.Unlock()
	news := f.next()
	w.settle()
	w.running.Go(func() { w.run(news) })
	return w.cancel, nil
}

// cancel ends a follower; take is not called any more when it returns.
func (w *follow) cancel() {
	w.once.Do(func() {
		w.f.mu.Lock()
		delete(w.f.follows, w)
		w.f.mu.Unlock()
		w.stop()
		w.running.Wait()
		w.unsubscribe()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done = true
	})
}

func (w *follow) run(news <-chan struct{}) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-news:
		case <-tick.C:
		}
		news = w.f.next()
		w.settle()
	}
}

// settle subscribes where the manager is now.
func (w *follow) settle() {
	if w.over != nil && w.over.ctx.Err() == nil {
		direct := w.f.direct(w.of)
		if direct == w.over {
			return
		}
		ctx, cancel := context.WithTimeout(w.ctx, peer.Suspect)
		there := direct == nil && w.over.there(ctx, w.of)
		cancel()
		if there || w.ctx.Err() != nil {
			return
		}
		w.f.unroute(w.of, w.over)
	}
	s, err := w.f.find(w.ctx, w.of)
	if err != nil || s == w.over {
		return
	}
	w.unsubscribe()
	sub, err := s.urgent.Subscribe(w.subject, w.arrived)
	if err == nil {
		err = sub.SetPendingLimits(maxFollowed, maxFollowedBytes)
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(w.ctx, peer.Suspect)
		err = s.urgent.FlushWithContext(ctx)
		cancel()
	}
	w.over, w.sub = s, sub
	if err != nil && s.ctx.Err() == nil && w.ctx.Err() == nil {
		w.f.options.Log.Warn("a stream of a manager cannot be followed", "manager", w.of, "error", err)
	}
}

func (w *follow) unsubscribe() {
	if w.sub != nil {
		_ = w.sub.Unsubscribe() // fails when its connection is over
	}
	w.over, w.sub = nil, nil
}

// arrived takes one message of the stream.
func (w *follow) arrived(m *nats.Msg) {
	n, body, ok := cutNumber(m.Data)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done || n.begun < w.last.begun || n.begun == w.last.begun && n.n <= w.last.n {
		return
	}
	w.last = n
	defer func() {
		if r := recover(); r != nil {
			w.f.options.Log.Error("a follower of a manager has failed", "manager", w.of, "panic", fmt.Sprint(r))
		}
	}()
	w.take(body)
}
