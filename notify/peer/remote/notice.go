package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/remote/value"
	"grove/tree/grant"
)

// The notifications of a bean are sent while somebody elsewhere listens: who listens says
// so every leaseEvery for all beans of one manager at once, and that manager forgets it
// after lease. Its notifications go in order, one batch after the other is acknowledged;
// what does not fit into the queue meanwhile is lost, which is told.
const (
	leaseEvery  = 10 * time.Second
	lease       = 30 * time.Second
	batchPause  = 50 * time.Millisecond
	batchWithin = 5 * time.Second
	batchEvents = 500
	maxQueue    = 5000 // notifications that wait for one manager
	maxData     = 32 << 10
)

// TypeLost is the type of the notification that tells that some of a bean may have been
// lost on the way. Its data is their number.
const TypeLost = "grove.peer.notifications.lost"

type subscribeQuestion struct {
	Chain []peer.ID `json:"chain"`
	Names []string  `json:"names"` // all that are listened to from now on
}

// subscribeAnswer says which cannot be listened to.
type subscribeAnswer struct {
	Refused []string `json:"refused,omitempty"`
}

type notifyQuestion struct {
	Session string  `json:"session"` // of the queue
	Number  uint64  `json:"number"`  // of the batch, from 1 on
	Lost    int     `json:"lost,omitempty"`
	Events  []event `json:"events"`
}

// event is one notification. The name is the one over there.
type event struct {
	Bean     string          `json:"bean"`
	Type     string          `json:"type"`
	Sequence int64           `json:"sequence"`
	Time     time.Time       `json:"time"`
	Message  string          `json:"message,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// feed is who listens here to one bean of another manager.
type feed struct {
	entry *entry
	mu    sync.Mutex // guards subscriptions
	subs  []*subscription
}

type subscription struct {
	listener beans.Listener
	filter   beans.Filter
	ended    atomic.Bool
}

// subscribe adds a listener. The other manager hears of the first and of the last.
func (r *Remote) subscribe(e *entry, listener beans.Listener, filter beans.Filter) (cancel func()) {
	key := e.name.Canonical()
	s := &subscription{listener: listener, filter: filter}
	r.mu.Lock()
	f := r.feeds[key]
	if f == nil {
		f = &feed{entry: e}
		r.feeds[key] = f
	}
	f.mu.Lock()
	f.subs = append(slices.Clip(f.subs), s)
	f.mu.Unlock()
	r.mu.Unlock()
	r.Changed()
	return func() {
		if s.ended.Swap(true) {
			return
		}
		r.mu.Lock()
		f.mu.Lock()
		f.subs = slices.DeleteFunc(slices.Clone(f.subs), func(o *subscription) bool { return o == s })
		if len(f.subs) == 0 && r.feeds[key] == f {
			delete(r.feeds, key)
		}
		f.mu.Unlock()
		r.mu.Unlock()
		r.Changed()
	}
}

// wantedLocked are the beans of a manager that somebody listens to.
func (r *Remote) wantedLocked(of peer.ID) (names []string) {
	for key, f := range r.feeds {
		if f.entry.of == of && r.names[key] != nil {
			names = append(names, f.entry.there.Canonical())
		}
	}
	slices.Sort(names)
	return names[:min(len(names), MaxSubscriptions)]
}

// subscribing are the managers that are to be told what is listened to.
func (r *Remote) subscribing(now time.Time) (due []*other) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.others {
		names := r.wantedLocked(id)
		same := slices.Equal(names, o.sent)
		if o.subscribing || same && (len(names) == 0 || now.Sub(o.leased) < leaseEvery) || !same && now.Sub(o.failed) < time.Second {
			continue
		}
		o.subscribing = true
		due = append(due, o)
	}
	return due
}

// askSubscribe tells a manager what is listened to.
func (r *Remote) askSubscribe(ctx context.Context, o *other) {
	r.mu.Lock()
	id, names := o.id, r.wantedLocked(o.id)
	r.mu.Unlock()
	var a subscribeAnswer
	err := r.ask(ctx, id, kindSubscribe, &subscribeQuestion{Chain: []peer.ID{r.self}, Names: names}, &a, batchWithin)
	r.mu.Lock()
	defer r.mu.Unlock()
	o.subscribing = false
	if err != nil {
		o.failed, o.leased = time.Now(), time.Now()
		if !slices.Equal(names, o.sent) {
			return
		}
		o.sent = nil // It is told as if it knew nothing.
		return
	}
	o.sent, o.leased = names, time.Now()
	if len(a.Refused) > 0 {
		r.opts.Log.Warn("beans of another manager cannot be listened to", "manager", o.called, "beans", len(a.Refused))
	}
}

// hear takes a batch of notifications. A batch that was taken already is acknowledged again.
func (r *Remote) hear(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q notifyQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	if len(q.Events) > batchEvents || len(q.Session) > 64 {
		return nil, peer.Refuse(peer.Invalid, "%d notifications are more than %d", len(q.Events), batchEvents)
	}
	r.mu.Lock()
	o := r.others[from]
	r.mu.Unlock()
	if o == nil {
		return nil, peer.Refuse(peer.Refused, "nothing of this manager is listened to")
	}
	o.notes.Lock()
	defer o.notes.Unlock()
	if q.Session == o.session && q.Number <= o.number {
		return []byte("{}"), nil
	}
	o.session, o.number = q.Session, q.Number
	if q.Lost > 0 {
		r.mu.Lock()
		var all []*feed
		for _, f := range r.feeds {
			if f.entry.of == from {
				all = append(all, f)
			}
		}
		r.mu.Unlock()
		for _, f := range all {
			f.deliver(beans.Notification{Type: TypeLost, Source: f.entry.name, Time: time.Now(), Message: "notifications of beans of " + r.nameOf(from) + " were lost", Data: int64(q.Lost)})
		}
	}
	for i := range q.Events {
		r.deliver(o, &q.Events[i])
	}
	return []byte("{}"), nil
}

// deliver calls the listeners of one bean.
func (r *Remote) deliver(o *other, e *event) {
	there, err := beans.ParseName(e.Bean)
	if err != nil {
		return
	}
	r.mu.Lock()
	var f *feed
	for behind := range MaxHops { // How many managers are behind is not said again.
		if name, ok := here(o.called, there, behind); ok {
			if f = r.feeds[name.Canonical()]; f != nil {
				break
			}
		}
	}
	r.mu.Unlock()
	if f == nil || f.entry.of != o.id {
		return
	}
	data, err := value.Decode(e.Data)
	if err != nil {
		data = nil
	}
	f.deliver(beans.Notification{Type: clean(e.Type, 256), Source: f.entry.name, Sequence: e.Sequence, Time: e.Time, Message: clean(e.Message, 4096), Data: data})
}

func (f *feed) deliver(n beans.Notification) {
	f.mu.Lock()
	subs := f.subs
	f.mu.Unlock()
	for _, s := range subs {
		if !s.ended.Load() && (s.filter == nil || s.filter(n)) {
			s.listener(n)
		}
	}
}

// outlet is what one other manager listens to here.
type outlet struct {
	to      peer.ID
	session string
	cancels map[string]func() // by canonical name
	expires time.Time
	end     context.CancelFunc
	wake    chan struct{}

	mu    sync.Mutex // guards all below
	queue []event
	lost  int
}

// answerSubscribe takes what another manager listens to from now on.
func (r *Remote) answerSubscribe(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q subscribeQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	if len(q.Names) > MaxSubscriptions {
		return nil, peer.Refuse(peer.Invalid, "%d beans are more than the %d that one manager listens to", len(q.Names), MaxSubscriptions)
	}
	ctx, leave, err := r.admit(ctx, from, r.itself(from, q.Chain))
	if err != nil {
		return nil, err
	}
	defer leave()
	out, ended := r.outletOf(from, q.Names)
	for _, end := range ended {
		end()
	}
	var a subscribeAnswer
	for _, text := range q.Names {
		if out == nil || !r.listen(grant.Of(ctx), out, text) {
			a.Refused = append(a.Refused, text)
		}
	}
	return json.Marshal(&a)
}

// outletOf returns the outlet to a manager with its lease renewed, and the ends of what it
// listens to no more. It is nil when the manager listens to nothing, or nothing runs here.
func (r *Remote) outletOf(to peer.ID, names []string) (out *outlet, ended []func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out = r.outlets[to]
	if out == nil {
		if len(names) == 0 || !r.running {
			return nil, nil
		}
		out = &outlet{to: to, session: rand.Text(), cancels: map[string]func(){}, wake: make(chan struct{}, 1)}
		ctx, end := context.WithCancel(context.Background())
		out.end = end
		r.outlets[to] = out
		r.work.Go(func() { r.send(ctx, out) })
	}
	out.expires = time.Now().Add(lease)
	for name, end := range out.cancels {
		if !slices.Contains(names, name) {
			ended = append(ended, end)
			delete(out.cancels, name)
		}
	}
	if len(names) == 0 {
		delete(r.outlets, to)
		out.end()
		return nil, ended
	}
	return out, ended
}

// listen has what a bean emits put into the queue.
func (r *Remote) listen(s *grant.Subject, out *outlet, text string) bool {
	name, err := r.find(s, text)
	if err != nil {
		return false
	}
	key := name.Canonical()
	r.mu.Lock()
	_, is := out.cancels[key]
	r.mu.Unlock()
	if is {
		return true
	}
	end, err := r.opts.Beans.Subscribe(name, func(n beans.Notification) { out.push(key, n) }, nil)
	if err != nil {
		return false
	}
	r.mu.Lock()
	was := out.cancels[key]
	if r.outlets[out.to] == out && was == nil {
		out.cancels[key], end = end, nil
	}
	r.mu.Unlock()
	if end != nil { // Another question was faster, or it has ended.
		end()
	}
	return true
}

// gone forgets that others listen to a bean that went. If it comes back they ask anew.
func (r *Remote) gone(name beans.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, out := range r.outlets {
		delete(out.cancels, name.Canonical()) // The server has ended it.
	}
}

// push puts a notification into the queue, or counts it as lost.
func (out *outlet) push(bean string, n beans.Notification) {
	e := event{Bean: bean, Type: n.Type, Sequence: n.Sequence, Time: n.Time, Message: clean(n.Message, 4096)}
	if data, err := value.Encode(n.Data); err == nil && len(data) <= maxData {
		e.Data = data
	}
	out.mu.Lock()
	if len(out.queue) >= maxQueue {
		out.lost++
	} else {
		out.queue = append(out.queue, e)
	}
	out.mu.Unlock()
	select {
	case out.wake <- struct{}{}:
	default:
	}
}

// batch takes the next notifications that fit into one message.
func (out *outlet) batch() (events []event, lost int) {
	out.mu.Lock()
	defer out.mu.Unlock()
	size, n := 0, 0
	for n < len(out.queue) && n < batchEvents {
		e := &out.queue[n]
		if size += len(e.Data) + len(e.Message) + len(e.Bean) + 256; size > pageBytes && n > 0 {
			break
		}
		n++
	}
	events = slices.Clone(out.queue[:n])
	out.queue = slices.Delete(out.queue, 0, n)
	lost, out.lost = out.lost, 0
	return events, lost
}

// send sends what is in the queue of an outlet until that ends. A batch that is not
// acknowledged is sent again: the receiver knows it by its number.
func (r *Remote) send(ctx context.Context, out *outlet) {
	for number := uint64(1); ; {
		select {
		case <-out.wake:
		case <-ctx.Done():
			return
		}
		for {
			select { // What comes in quick succession goes together.
			case <-time.After(batchPause):
			case <-ctx.Done():
				return
			}
			events, lost := out.batch()
			if len(events) == 0 && lost == 0 {
				break
			}
			q := notifyQuestion{Session: out.session, Number: number, Lost: lost, Events: events}
			number++
			var a struct{}
			for r.ask(ctx, out.to, kindNotify, &q, &a, batchWithin) != nil {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// endLeases lets go of managers that have not said for a while that they listen.
func (r *Remote) endLeases(now time.Time) {
	r.mu.Lock()
	var late []*outlet
	for _, out := range r.outlets {
		if now.After(out.expires) {
			late = append(late, out)
		}
	}
	r.mu.Unlock()
	for _, out := range late {
		_, ended := r.outletOf(out.to, nil)
		for _, end := range ended {
			end()
		}
	}
}

// closeOutlets ends all of them, and takes no more.
func (r *Remote) closeOutlets() {
	r.mu.Lock()
	r.running = false
	var all []peer.ID
	for id := range r.outlets {
		all = append(all, id)
	}
	r.mu.Unlock()
	for _, id := range all {
		_, ended := r.outletOf(id, nil)
		for _, end := range ended {
			end()
		}
	}
}
