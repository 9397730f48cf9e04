package fabric

import (
	"crypto/tls"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"grove/notify/peer"
)

// goneClient is a caller whose connection is over before the server has asked who it is: then
// it has no address any more.
type goneClient struct {
	server.ClientAuthentication
	t *testing.T
}

func (goneClient) GetTLSConnectionState() *tls.ConnectionState { return &tls.ConnectionState{} }
func (goneClient) RemoteAddress() net.Addr                     { return nil }
func (goneClient) GetID() uint64                               { return 1 }
func (c goneClient) RegisterUser(*server.User)                 { c.t.Error("it may come in") }

// trusting takes every caller for the same manager.
type trusting struct{ Security }

func (trusting) Judge(tls.ConnectionState) (peer.Caller, error) {
	return peer.Caller{ID: "00000000000000aa"}, nil
}

func TestGateWithoutAddress(t *testing.T) {
	g := newGate(Options{Self: "00000000000000bb", Security: trusting{}, PerAddress: 1, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if g.Check(goneClient{t: t}) || len(g.conns) != 0 {
		t.Errorf("a connection that is gone is let in: %v", g.conns)
	}
}
