package peersbench

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable is a way to an address that can be cut.
type cable struct {
	to       string
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// newCable lays one.
func newCable(t testing.TB, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{to: to, listener: l, conns: map[net.Conn]bool{}}
	c.work.Go(c.accept)
	t.Cleanup(func() {
		_ = l.Close()
		c.set(true)
		c.work.Wait()
	})
	return c
}

func (c *cable) address() string { return c.listener.Addr().String() }

func (c *cable) accept() {
	for {
		from, err := c.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", c.to)
		if err != nil {
			_ = from.Close()
			continue
		}
		if !c.take(from, to) {
			continue
		}
		for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
			c.work.Go(func() {
				_, _ = io.Copy(ends[0], ends[1]) // What a cut cable loses is no error of its own.
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, end := range ends {
					_ = end.Close()
					delete(c.conns, end)
				}
			})
		}
	}
}

// take notes connections, or closes them when the cable is cut.
func (c *cable) take(ends ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range ends {
		if c.cut {
			_ = end.Close()
		} else {
			c.conns[end] = true
		}
	}
	return !c.cut
}

// set cuts the cable, or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	for end := range c.conns {
		if cut {
			_ = end.Close()
		}
	}
}
