package notification

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"sync"
	"time"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

// ErrEnded is the error of a stream that another has replaced or whose client has gone.
var ErrEnded = errors.New("the stream has ended")

// client is one client with its listeners.
type client struct {
	all   *Clients
	id    string
	timer *time.Timer

	mu        sync.Mutex // guards all below, and those fields of its listeners that change
	listeners map[string]*listener
	handles   int // that were given
	seen      time.Time
	gone      bool
	streamed  []entry
	stream    *Channel // that is open; nil: none
}

// listener is one subscription.
type listener struct {
	Subscription
	client *client
	handle string

	cancels  []func()
	queue    []beans.Notification
	dropped  int64 // since the last result
	received bool
}

// entry waits for the stream.
type entry struct {
	listener     *listener
	notification beans.Notification
}

func (c *client) add(s Subscription) (*listener, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, unknown(c.id)
	}
	if most := c.all.opts.MaxListeners; len(c.listeners) >= most {
		return nil, illegal("The client has as many listeners as the bound of %d allows; remove one", most)
	}
	c.handles++
	l := &listener{Subscription: s, client: c, handle: strconv.Itoa(c.handles)}
	c.listeners[l.handle] = l
	return l, nil
}

// keep takes the function that ends the listening, unless it has ended already.
func (c *client) keep(l *listener, cancel func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listeners[l.handle] != l {
		return false
	}
	l.cancels = append(l.cancels, cancel)
	return true
}

func (c *client) remove(handle string) bool {
	c.mu.Lock()
	l := c.listeners[handle]
	delete(c.listeners, handle)
	c.mu.Unlock()
	if l == nil {
		return false
	}
	for _, cancel := range l.cancels {
		cancel()
	}
	return true
}

// end lets go of everything.
func (c *client) end() {
	c.timer.Stop()
	c.mu.Lock()
	c.gone = true
	var cancels []func()
	for _, l := range c.listeners {
		cancels = append(cancels, l.cancels...)
	}
	clear(c.listeners)
	c.streamed = nil
	if c.stream != nil {
		close(c.stream.ended)
		c.stream = nil
	}
	c.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
}

// take is called by the bean that emits.
func (l *listener) take(n beans.Notification) {
	c := l.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listeners[l.handle] != l {
		return
	}
	l.received = true
	if l.Mode == Pull {
		if len(l.queue) >= MaxEntries {
			l.queue = l.queue[1:]
			l.dropLocked()
		}
		l.queue = append(l.queue, n)
		return
	}
	if len(c.streamed) >= MaxStream {
		c.streamed[0].listener.dropLocked()
		c.streamed = c.streamed[1:]
	}
	c.streamed = append(c.streamed, entry{l, n})
	if c.stream != nil {
		select {
		case c.stream.wake <- struct{}{}:
		default: // it is signalled already
		}
	}
}

func (l *listener) dropLocked() {
	l.dropped++
	l.client.all.opts.Dropped()
}

// resultLocked is what a client gets (NotificationResult).
func (l *listener) resultLocked(taken []beans.Notification) map[string]beans.Value {
	list := make([]beans.Value, len(taken))
	for i := range taken {
		list[i] = Fields(&taken[i])
	}
	r := map[string]beans.Value{"handle": l.handle, "handback": value.Plain(l.Handback), "dropped": l.dropped, "notifications": list}
	l.dropped = 0
	return r
}

// Fields are a notification as clients see it. Data that are beans.Detailed, or a
// struct, stand beside the common fields, as those of subclasses do in JMX.
func Fields(n *beans.Notification) map[string]beans.Value {
	m := map[string]beans.Value{
		"type": n.Type, "source": nil, "sequenceNumber": n.Sequence, "timeStamp": n.Time.UnixMilli(), "message": n.Message, "userData": nil,
	}
	if !n.Source.IsZero() {
		m["source"] = n.Source
	}
	add := func(key string, v beans.Value) {
		if _, common := m[key]; !common {
			m[key] = v
		}
	}
	switch data := n.Data.(type) {
	case nil:
	case beans.Detailed:
		fields, userData := data.NotificationFields()
		m["userData"] = userData
		for _, f := range fields {
			add(f.Name, f.Value)
		}
	case time.Time, beans.Name:
		m["userData"] = data
	default:
		if reflect.Indirect(reflect.ValueOf(data)).Kind() != reflect.Struct {
			m["userData"] = data
			break
		}
		_ = value.Fields(data).Each(func(key string, v any) error { // yield has no error
			add(key, v)
			return nil
		})
	}
	return m
}

// Event is one result of a stream.
type Event struct {
	Sequence int64 // of the notification
	Result   map[string]beans.Value
}

// Channel is the stream of one client.
type Channel struct {
	client *client
	sees   func(beans.Name) bool // nil: all
	ended  chan struct{}         // closed when it ends
	wake   chan struct{}         // has an element when something was streamed
}

// Open begins the stream of a client, and ends the one before. The caller closes it.
// What came for listeners of the mode Stream while none was open comes first. What comes
// from beans that are not there for whoever opens it is left out; nil sees all.
func (c *Clients) Open(id string, sees func(beans.Name) bool) (*Channel, error) {
	one, err := c.find(id)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.gone {
		return nil, unknown(id)
	}
	if one.stream != nil {
		close(one.stream.ended)
	}
	one.stream = &Channel{client: one, sees: sees, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	return one.stream, nil
}

// Next waits for the next event. It returns ErrEnded, or the error of the context.
func (ch *Channel) Next(ctx context.Context) (Event, error) {
	for {
		e, ok, err := ch.take()
		if ok || err != nil {
			return e, err
		}
		select {
		case <-ch.wake:
		case <-ch.ended:
			return Event{}, ErrEnded
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

func (ch *Channel) take() (Event, bool, error) {
	c := ch.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != ch {
		return Event{}, false, ErrEnded // what waits is for the stream that followed
	}
	for len(c.streamed) > 0 {
		e := c.streamed[0]
		c.streamed[0] = entry{}
		if c.streamed = c.streamed[1:]; len(c.streamed) == 0 {
			c.streamed = nil
		}
		if c.listeners[e.listener.handle] == e.listener && (ch.sees == nil || ch.sees(e.notification.Source)) {
			return Event{e.notification.Sequence, e.listener.resultLocked([]beans.Notification{e.notification})}, true, nil
		}
	}
	return Event{}, false, nil
}

// Close ends the stream; the client has its time to come back.
func (ch *Channel) Close() {
	c := ch.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == ch {
		close(ch.ended)
		c.stream = nil
		c.seen = time.Now()
	}
}
