// Package fabric moves the messages of managers with NATS: it is the peer.Fabric of the
// product, and the only package that knows NATS.
//
// A manager that listens runs a NATS server inside itself, and is a client of it in the same
// process. Whoever links to it is a client that calls, over TLS or over a websocket, through
// an HTTP proxy where the network demands it. A link has two connections: one for what is
// urgent and one for bulk, so that nothing urgent waits behind a long answer. An external
// NATS cluster takes the place of these servers by its address.
//
// # Who may say what
//
// The sender of a message is a part of its subject, and a server lets each connection publish
// under the ID of its certificate only, see gate. In an external cluster the operator gives
// out these permissions.
//
// # What is kept
//
// Nothing: there is no JetStream here. What must not be lost is asked for, and repeated by
// who asks.
//
// Locks: a method holds at most one of Fabric.mu, way.mu, gate.mu and follow.mu, but for
// follow.mu, under which none of the others may be taken.
package fabric

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/peer"
)

// Security says who may come in. Package authority has the real one.
type Security interface {
	// ServerConfig is for who calls this manager. It asks for a certificate.
	ServerConfig() *tls.Config
	// ClientConfig is for calling the manager of an ID. It refuses every other one.
	ClientConfig(of peer.ID) (*tls.Config, error)
	// Judge says who has called; an error refuses the connection. It is called for each one.
	Judge(tls.ConnectionState) (peer.Caller, error)
}

// Options are those of New. Self and Log are needed, and Security for links of any kind but
// those to a cluster.
type Options struct {
	Self     peer.ID
	Security Security
	// Listen are the addresses at which others may link to this manager: at most one
	// "tls://host:port" and one "wss://host:port/path". Nothing listens unless it is said.
	Listen []string
	// Proxy is the HTTP proxy through which others are called, such as
	// "http://user:password@proxy:3128". Empty is none: the environment is not asked.
	Proxy string
	// Cluster is an external NATS cluster to link to. Admits says of a manager in it whether
	// what it says of a kind is to be heard, since there is no link to cut; nil hears all.
	Cluster *Cluster
	Admits  func(from peer.ID, kind string) error
	// PerAddress is how many connections a server takes from one IP address, two a link;
	// 0 is 256.
	PerAddress int
	// Pings are how many may stay without an answer, one every half second, until a link
	// counts as lost; 0 is 2.
	Pings int
	Log   *slog.Logger
	Now   func() time.Time // nil is time.Now
}

// Fabric is the peer.Fabric over NATS. Its methods may be called from many goroutines.
type Fabric struct {
	options Options
	ctx     context.Context // is over with Close
	stop    context.CancelFunc
	running sync.WaitGroup
	lanes   lanes
	serial  atomic.Uint64 // numbers what is sent to all and published
	begun   int64         // Unix nanoseconds; makes the numbers of this run different
	order   sync.Mutex    // held while a number is made and published, so that they are in order

	mu       sync.Mutex
	started  bool
	closed   bool
	server   *host           // nil: nothing listens
	ways     map[string]*way // by address; that to the own server is ""
	handlers map[string]peer.Handler
	links    map[place]*state
	routes   map[peer.ID]*session
	follows  map[*follow]bool
	watches  map[*watch]bool
	told     []peer.Link   // not yet told to watches
	news     chan struct{} // is closed when a link or a session changes
	tell     chan struct{} // has something when told has
	seen     map[peer.ID]*window
}

var _ peer.Fabric = (*Fabric)(nil)

// New returns a fabric that does nothing yet.
func New(o Options) (*Fabric, error) {
	if err := o.Self.Check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		return nil, errors.New("fabric: a log is needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pings == 0 {
		o.Pings = pingsOut
	}
	if o.PerAddress == 0 {
		o.PerAddress = 256
	}
	if _, err := parseListen(o.Listen); err != nil {
		return nil, err
	}
	if _, err := parseProxy(o.Proxy); err != nil {
		return nil, err
	}
	f := &Fabric{
		options: o, begun: o.Now().UnixNano(),
		ways: map[string]*way{}, handlers: map[string]peer.Handler{}, links: map[place]*state{},
		routes: map[peer.ID]*session{}, follows: map[*follow]bool{}, watches: map[*watch]bool{},
		news: make(chan struct{}), tell: make(chan struct{}, 1), seen: map[peer.ID]*window{},
	}
	f.lanes.by = map[peer.ID]*lane{}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f, nil
}

// Start listens where that was asked for, and begins to link. An address that is in use is
// an error. Whoever starts a fabric closes it, also after an error.
func (f *Fabric) Start() error {
	f.mu.Lock()
	if f.started || f.closed {
		f.mu.Unlock()
		return errors.New("fabric: it was started before")
	}
	f.started = true
	f.mu.Unlock()
	f.running.Go(f.tellLinks)
	if err := f.Listen(f.options.Listen); err != nil {
		return err
	}
	if f.options.Cluster != nil {
		if err := f.options.Cluster.check(); err != nil {
			return err
		}
		return f.add(&way{f: f, kind: cluster, address: f.options.Cluster.name()})
	}
	return nil
}

// Run starts the fabric and closes it when the context is over.
func (f *Fabric) Run(ctx context.Context) error {
	defer f.Close()
	if err := f.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// Close cuts all links, and waits for the handlers that run.
func (f *Fabric) Close() {
	f.mu.Lock()
	f.closed = true
	ways, server := f.ways, f.server
	f.ways, f.server = map[string]*way{}, nil
	follows := slices.Collect(maps.Keys(f.follows))
	f.mu.Unlock()
	f.stop()
	for _, w := range ways {
		w.wait()
	}
	for _, one := range follows {
		one.cancel()
	}
	if server != nil {
		server.close()
	}
	f.running.Wait()
	f.lanes.running.Wait()
}

// Self implements peer.Fabric.
func (f *Fabric) Self() peer.ID { return f.options.Self }

// Handle implements peer.Fabric.
func (f *Fabric) Handle(kind string, h peer.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h == nil {
		delete(f.handlers, kind)
		return
	}
	f.handlers[kind] = h
}

func (f *Fabric) handler(kind string) peer.Handler {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handlers[kind]
}

// Listen has this manager listen at these addresses and no longer at others: none is
// nowhere. Links that others made are cut and come again.
func (f *Fabric) Listen(addresses []string) error {
	listen, err := parseListen(addresses)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if !f.started || f.closed {
		f.mu.Unlock()
		return errors.New("fabric: it does not run")
	}
	old, server := f.ways[""], f.server
	delete(f.ways, "")
	f.server = nil
	f.mu.Unlock()
	if old != nil {
		old.wait()
	}
	if server != nil {
		server.close()
	}
	if len(addresses) == 0 {
		return nil
	}
	if f.options.Security == nil {
		return errors.New("fabric: nothing listens without certificates")
	}
	server, err = f.open(listen)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		server.close()
		return errors.New("fabric: it was closed")
	}
	f.server = server
	f.mu.Unlock()
	own := &way{f: f, kind: own, host: server, ready: make(chan struct{})}
	if err := f.add(own); err != nil {
		return err
	}
	select {
	case <-own.ready:
	case <-f.ctx.Done():
	}
	return nil
}

// Addresses are those at which this manager listens, with their real ports.
func (f *Fabric) Addresses() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server == nil {
		return nil
	}
	return slices.Clone(f.server.addresses)
}

// Connect links to the manager of an ID at an address such as "tls://grove.example:7443" or
// "wss://grove.example/peer", and keeps on trying for ever. One link goes to each address.
func (f *Fabric) Connect(address string, id peer.ID) error {
	if err := id.Check(); err != nil {
		return err
	}
	if id == f.options.Self {
		return fmt.Errorf("%s is this manager itself", address)
	}
	if _, err := parseAddress(address); err != nil {
		return err
	}
	if f.options.Security == nil {
		return errors.New("fabric: no manager is called without certificates")
	}
	f.mu.Lock()
	old := f.ways[address]
	if old != nil && old.id == id {
		f.mu.Unlock()
		return nil
	}
	delete(f.ways, address)
	f.mu.Unlock()
	if old != nil {
		old.wait()
		f.forget(old)
	}
	return f.add(&way{f: f, kind: up, address: address, id: id})
}

// Disconnect ends the links that this manager made to another one, and forgets them.
func (f *Fabric) Disconnect(id peer.ID) {
	for _, w := range f.waysTo(id) {
		f.mu.Lock()
		if f.ways[w.address] == w {
			delete(f.ways, w.address)
		}
		f.mu.Unlock()
		w.wait()
		f.forget(w)
	}
}

// Redial makes the links to a manager anew, with what certificates there are by now.
func (f *Fabric) Redial(id peer.ID) {
	for _, w := range f.waysTo(id) {
		w.cut(errors.New("it is made anew"))
	}
}

// Cut cuts all connections of a manager, whoever made them. Security decides whether it may
// come again.
func (f *Fabric) Cut(id peer.ID, why string) {
	f.Redial(id)
	f.mu.Lock()
	server := f.server
	f.mu.Unlock()
	if server != nil {
		for _, n := range server.gate.numbers(id) {
			_ = server.server.DisconnectClientByID(n) // fails when it is gone already
		}
		f.sweep(server, errors.New(why))
	}
}

func (f *Fabric) waysTo(id peer.ID) (to []*way) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.ways {
		if w.kind == up && w.id == id {
			to = append(to, w)
		}
	}
	return to
}

// add has a way keep its session from now on.
func (f *Fabric) add(w *way) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !f.started {
		return errors.New("fabric: it does not run")
	}
	if f.ways[w.address] != nil {
		return nil // somebody else was quicker with the same
	}
	w.ctx, w.stop = context.WithCancel(f.ctx)
	f.ways[w.address] = w
	w.running.Go(w.run)
	return nil
}
