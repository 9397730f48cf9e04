package grovetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// Ports that FreeAddress gives out are below those that systems give to connections, one of
// which might take it before the program that is to listen there has started.
const (
	firstPort = 10_000
	ports     = 22_000
)

var nextPort atomic.Uint32

// FreeAddress is one of loopback, host and port, at which nothing listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	nextPort.CompareAndSwap(0, rand.Uint32N(ports)+1) // Another program does the same perhaps.
	var err error
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1)%ports)
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal(err)
	return ""
}
