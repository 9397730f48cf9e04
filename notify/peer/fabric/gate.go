package fabric

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"grove/notify/peer"
)

// limitedFor is how long the connection of a caller lasts that may ask a few kinds only.
const limitedFor = 30 * time.Second

// maxStrangers is how many of those there are at the same time.
const maxStrangers = 64

// gate lets connections into a server, and knows them.
type gate struct {
	self     peer.ID
	security Security
	most     int // connections of one IP address
	log      *slog.Logger
	now      func() time.Time
	secret   string // of the client in this process

	mu    sync.Mutex
	conns map[uint64]*conn // by the number that the server gave them
}

// conn is one connection.
type conn struct {
	number  uint64
	caller  peer.Caller
	host    string // IP address
	address string
	linked  bool // has said hello: it is a link that is ready
}

func newGate(o Options) *gate {
	return &gate{self: o.Self, security: o.Security, most: o.PerAddress, log: o.Log, now: o.Now, secret: rand.Text(), conns: map[uint64]*conn{}}
}

// Check implements server.Authentication: it says whether a connection may come in, and what
// it may do.
func (g *gate) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state == nil {
		o := c.GetOpts()
		if subtle.ConstantTimeCompare([]byte(o.Password), []byte(g.secret)) != 1 {
			g.log.Warn("a connection without TLS is refused", "address", c.RemoteAddress())
			return false
		}
		c.RegisterUser(&server.User{Username: string(g.self)})
		return true
	}
	caller, err := g.security.Judge(*state)
	if err == nil {
		err = g.take(c, caller)
	}
	if err != nil {
		g.log.Warn("a manager is refused", "address", c.RemoteAddress(), "error", err)
		return false
	}
	// The connection of a manager may outlive the certificate with which it came: that is
	// renewed over it. Who must not go on is cut, see Fabric.Cut.
	var until time.Time
	if caller.Only != nil {
		until = g.now().Add(limitedFor)
	}
	c.RegisterUser(&server.User{
		Username: string(caller.ID), Permissions: permissions(g.self, caller), ConnectionDeadline: until,
	})
	return true
}

func (g *gate) take(c server.ClientAuthentication, caller peer.Caller) error {
	if err := caller.ID.Check(); err != nil {
		return err
	}
	if caller.ID == g.self {
		return fmt.Errorf("it says that it is %s, which is this manager", caller.ID)
	}
	remote := c.RemoteAddress()
	if remote == nil {
		return errors.New("its connection is gone already")
	}
	address := remote.String()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	same, strangers := 0, 0
	for _, other := range g.conns {
		if other.host == host {
			same++
		}
		if other.caller.Only != nil {
			strangers++
		}
	}
	if same >= g.most {
		return fmt.Errorf("%s has %d connections, which is the most that one address may have", host, same)
	}
	if caller.Only != nil && strangers >= maxStrangers {
		return fmt.Errorf("%d connections are not of managers of the network, which is the most there may be at a time", strangers)
	}
	g.conns[c.GetID()] = &conn{number: c.GetID(), caller: caller, host: host, address: address}
	return nil
}

// permissions are those of a connection.
func permissions(self peer.ID, caller peer.Caller) *server.Permissions {
	id := string(caller.ID)
	p := &server.Permissions{
		Publish:   &server.SubjectPermission{},
		Subscribe: &server.SubjectPermission{Allow: []string{inbox + id + ".>"}},
	}
	if caller.Only != nil {
		for _, kind := range append([]string{kindHello}, caller.Only...) {
			p.Publish.Allow = append(p.Publish.Allow, urgent+string(self)+"."+id+"."+kind)
		}
		return p
	}
	p.Publish.Allow = []string{urgent + "*." + id + ".>", bulky + "*." + id + ".>", toAll + id + ".>", stream + id + ".>"}
	p.Subscribe.Allow = append(p.Subscribe.Allow, urgent+id+".>", bulky+id+".>", toAll+">", stream+">")
	// It may answer, once, what it was asked.
	p.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: maxWait}
	return p
}

// hello marks a connection as a link that is ready.
func (g *gate) hello(from peer.ID, number uint64) (peer.Caller, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.conns[number]
	if c == nil || c.caller.ID != from {
		return peer.Caller{}, false
	}
	c.linked = c.caller.Only == nil
	return c.caller, true
}

// of returns the youngest connection of a manager that is a link.
func (g *gate) of(id peer.ID) (youngest conn, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		if c.caller.ID == id && c.linked && c.number >= youngest.number {
			youngest, ok = *c, true
		}
	}
	return youngest, ok
}

// numbers lists the connections of a manager.
func (g *gate) numbers(id peer.ID) (numbers []uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, c := range g.conns {
		if c.caller.ID == id {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
