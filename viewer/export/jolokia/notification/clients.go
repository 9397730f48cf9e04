package notification

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

// The bounds.
const (
	MaxEntries       = 100  // notifications that wait in the queue of one listener
	MaxStream        = 1000 // notifications that wait for one stream
	DefaultClients   = 256
	DefaultListeners = 100  // handles of one client
	MaxBeans         = 1000 // beans that one handle listens to
	DefaultExpire    = 5 * time.Minute
)

// Modes are how a client may take notifications.
var Modes = []string{Pull, Stream}

// The modes, by their names in the protocol.
const (
	Pull   = "pull"
	Stream = "sse"
)

// ArgumentError is the error of a command that names a client or mode that is not
// there, or that is beyond a bound.
type ArgumentError struct{ Text string }

// Error implements error.
func (e *ArgumentError) Error() string { return e.Text }

func illegal(format string, args ...any) error { return &ArgumentError{fmt.Sprintf(format, args...)} }

// Options are the surroundings of Clients.
type Options struct {
	Beans *beans.Server
	// MaxClients bounds the clients, MaxListeners the listeners of each. Zero stands for
	// the defaults.
	MaxClients, MaxListeners int
	// Expire is how long a client may be silent; zero stands for DefaultExpire.
	Expire time.Duration
	// Dropped is called for each notification that is dropped; nil counts nothing.
	Dropped func()
}

// Clients are all clients of one agent.
type Clients struct {
	opts    Options
	mu      sync.Mutex // guards the fields below
	clients map[string]*client
	closed  bool
}

// New returns no clients; Close them.
func New(o Options) *Clients {
	if o.MaxClients <= 0 {
		o.MaxClients = DefaultClients
	}
	if o.MaxListeners <= 0 {
		o.MaxListeners = DefaultListeners
	}
	if o.Expire <= 0 {
		o.Expire = DefaultExpire
	}
	if o.Dropped == nil {
		o.Dropped = func() {}
	}
	return &Clients{opts: o, clients: map[string]*client{}}
}

// Len counts the clients.
func (c *Clients) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.clients)
}

// Close unregisters all clients, for good. It may be called more than once.
func (c *Clients) Close() {
	c.mu.Lock()
	c.closed = true
	all := slices.Collect(maps.Values(c.clients))
	clear(c.clients)
	c.mu.Unlock()
	for _, one := range all {
		one.end()
	}
}

// EndStreams ends all streams that are open. The clients stay and may come back.
func (c *Clients) EndStreams() {
	c.mu.Lock()
	all := slices.Collect(maps.Values(c.clients))
	c.mu.Unlock()
	for _, one := range all {
		one.mu.Lock()
		if one.stream != nil {
			close(one.stream.ended)
			one.stream = nil
		}
		one.mu.Unlock()
	}
}

// Register makes a client and returns its ID, which is its secret too.
func (c *Clients) Register() (string, error) {
	one := &client{all: c, id: uuid(), listeners: map[string]*listener{}, seen: time.Now()}
	one.mu.Lock() // expire waits until the timer is entered
	one.timer = time.AfterFunc(c.opts.Expire, func() { c.expire(one) })
	one.mu.Unlock()
	if err := c.enter(one); err != nil {
		one.timer.Stop()
		return "", err
	}
	return one.id, nil
}

func (c *Clients) enter(one *client) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return illegal("The agent stops")
	}
	if len(c.clients) >= c.opts.MaxClients {
		return illegal("There are as many clients as the bound of %d allows; unregister one, or wait until one that is silent expires", c.opts.MaxClients)
	}
	c.clients[one.id] = one
	return nil
}

// expire ends a client that was silent for too long, or waits on.
func (c *Clients) expire(one *client) {
	one.mu.Lock()
	left := c.opts.Expire - time.Since(one.seen)
	if one.stream != nil {
		left = c.opts.Expire
	}
	if left > 0 && !one.gone {
		one.timer.Reset(left)
		one.mu.Unlock()
		return
	}
	one.mu.Unlock()
	_ = c.Unregister(one.id) // else it has gone already
}

// Unregister ends a client.
func (c *Clients) Unregister(id string) error {
	c.mu.Lock()
	one := c.clients[id]
	delete(c.clients, id)
	c.mu.Unlock()
	if one == nil {
		return unknown(id)
	}
	one.end()
	return nil
}

func unknown(id string) error { return illegal("No client %.64s registered", id) }

// find returns a client and notes that it lives.
func (c *Clients) find(id string) (*client, error) {
	c.mu.Lock()
	one := c.clients[id]
	c.mu.Unlock()
	if one == nil {
		return nil, unknown(id)
	}
	one.mu.Lock()
	one.seen = time.Now()
	one.mu.Unlock()
	return one, nil
}

// Ping notes that a client lives.
func (c *Clients) Ping(id string) error {
	_, err := c.find(id)
	return err
}

// Subscription is what a listener asks for.
type Subscription struct {
	Mode     string
	Name     beans.Name // of a bean, or a pattern of those that are there now
	Filter   []string   // prefixes of types; none: all
	Handback any        // JSON that comes with each result
	// Sees says which beans are there for whoever asks; nil: all.
	Sees func(beans.Name) bool
}

// Add makes a client listen and returns the handle of the listener.
func (c *Clients) Add(ctx context.Context, id string, s Subscription) (handle string, err error) {
	one, err := c.find(id)
	if err != nil {
		return "", err
	}
	if !slices.Contains(Modes, s.Mode) {
		return "", illegal("No notification backend of type '%.64s' registered. Known backends: %v", s.Mode, Modes)
	}
	names, err := c.opts.Beans.Query(ctx, s.Name, nil)
	if err != nil {
		return "", err
	}
	if s.Sees != nil {
		names = slices.DeleteFunc(names, func(n beans.Name) bool { return !s.Sees(n) })
	}
	if len(names) == 0 {
		return "", &beans.NameError{Op: "listen to", Name: s.Name.Canonical(), Err: beans.ErrNotFound}
	}
	if len(names) > MaxBeans {
		return "", illegal("The pattern %s matches %d beans; one listener listens to no more than its bound of %d", s.Name, len(names), MaxBeans)
	}
	l, err := one.add(s)
	if err != nil {
		return "", err
	}
	var filter beans.Filter
	if len(s.Filter) > 0 {
		filter = beans.TypePrefixes(s.Filter...)
	}
	listens := false
	for _, name := range names {
		cancel, err := c.opts.Beans.Subscribe(name, l.take, filter)
		if err != nil {
			// Of those that a pattern matches many emit nothing, and one may just have gone.
			if s.Name.IsPattern() && (errors.Is(err, beans.ErrNoNotifications) || errors.Is(err, beans.ErrNotFound)) {
				continue
			}
			one.remove(l.handle)
			return "", err
		}
		if !one.keep(l, cancel) {
			cancel()
			return "", unknown(id)
		}
		listens = true
	}
	if !listens {
		one.remove(l.handle)
		return "", &beans.NameError{Op: "listen to", Name: s.Name.Canonical(), Err: beans.ErrNoNotifications}
	}
	return l.handle, nil
}

// Remove ends a listener.
func (c *Clients) Remove(id, handle string) error {
	one, err := c.find(id)
	if err != nil {
		return err
	}
	if !one.remove(handle) {
		return fmt.Errorf("%w: handle %.64s of client %s", beans.ErrListenerNotFound, handle, id)
	}
	return nil
}

// List describes the listeners of a client by their handles.
func (c *Clients) List(id string) (value.Object, error) {
	one, err := c.find(id)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	list := value.Object{}
	for n := range one.handles {
		handle := strconv.Itoa(n + 1)
		l := one.listeners[handle]
		if l == nil {
			continue
		}
		o := value.Object{{Key: "mbean", Value: l.Name.String()}}
		if len(l.Filter) > 0 {
			o = append(o, value.Member{Key: "filter", Value: l.Filter})
		}
		if l.Handback != nil {
			o = append(o, value.Member{Key: "handback", Value: value.Plain(l.Handback)})
		}
		list = append(list, value.Member{Key: handle, Value: o})
	}
	return list, nil
}

// Pull takes what waits for a listener, from the beans that are there for whoever asks
// now; nil sees all. It is nil if nothing ever came, or the client or the handle is not
// there.
func (c *Clients) Pull(id, handle string, sees func(beans.Name) bool) beans.Value {
	one, err := c.find(id)
	if err != nil {
		return nil
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	l := one.listeners[handle]
	if l == nil || !l.received {
		return nil
	}
	taken := l.queue
	l.queue = nil
	if sees != nil {
		taken = slices.DeleteFunc(taken, func(n beans.Notification) bool { return !sees(n.Source) })
	}
	return l.resultLocked(taken)
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails, or ends the program
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
