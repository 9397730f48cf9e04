package authority

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// clock is the clock of one manager in a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// admin is who does things in tests.
var admin = By{"anna", "test"}

// open opens the authority of a manager on a database of its own.
func open(t *testing.T, db *storetest.Database, name string, c *clock, change ...func(*Options)) *Authority {
	t.Helper()
	return openOn(t, db.OpenAs(t, name), t.TempDir(), name, c, change...)
}

func openOn(t *testing.T, s *store.Store, dir, name string, c *clock, change ...func(*Options)) *Authority {
	t.Helper()
	o := Options{Dir: filepath.Join(dir, "peers"), Store: s, Audit: audit.New(s, name, c.Now), Name: name, Now: c.Now, Log: logger(t)}
	for _, do := range change {
		do(&o)
	}
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// me is what a manager says of itself.
func me(a *Authority) peer.Manager {
	return peer.Manager{ID: a.ID(), Name: a.o.Name, Version: "test", Protocol: peer.Protocol}
}

// direct asks an authority without a network, after a handshake with its settings.
func direct(to *Authority) AskOnce {
	return func(ctx context.Context, _ string, config *tls.Config, id peer.ID, kind string, body []byte) ([]byte, error) {
		if id != to.ID() {
			return nil, peer.ErrNobody
		}
		v, err := shake(to, config)
		if err != nil {
			return nil, err
		}
		if kind != kindJoin || len(v.Only) != 1 {
			return nil, peer.Refuse(peer.Refused, "only joining is possible here")
		}
		return to.HandleJoin(ctx, v.ID, body)
	}
}

// wire makes a connection over loopback.
func wire() (near, far net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = l.Accept(); err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, far, nil
}

// shake makes a connection to an authority, over which a byte goes there and back, and
// returns what the called one thinks of the caller.
func shake(to *Authority, config *tls.Config) (c peer.Caller, err error) {
	near, far, err := wire()
	if err != nil {
		return peer.Caller{}, err
	}
	client, server := tls.Client(near, config), tls.Server(far, to.ServerConfig())
	said := make(chan error, 1)
	go func() {
		defer far.Close()
		_, err := io.CopyN(server, server, 1)
		said <- err
	}()
	defer near.Close()
	one := make([]byte, 1)
	_, err = client.Write(one)
	if err == nil {
		_, err = io.ReadFull(client, one)
	}
	_ = near.Close() // The other side ends in any case.
	if wrong := <-said; err != nil {
		return peer.Caller{}, errors.Join(err, wrong)
	}
	return to.Judge(server.ConnectionState())
}

// invite makes a token.
func invite(t *testing.T, a *Authority, name string) string {
	t.Helper()
	text, _, err := a.Invite(t.Context(), admin, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// join lets a manager join another.
func join(t *testing.T, lower, upper *Authority) {
	t.Helper()
	if _, err := lower.Join(t.Context(), admin, "tls://"+upper.o.Name+":7443", invite(t, upper, lower.o.Name), me(lower), direct(upper)); err != nil {
		t.Fatal(err)
	}
}

// dial makes a connection of a manager to one that it has joined.
func dial(t *testing.T, lower, upper *Authority) (peer.Caller, error) {
	t.Helper()
	config, err := lower.ClientConfig(upper.ID())
	if err != nil {
		t.Fatal(err)
	}
	return shake(upper, config)
}

func TestJoinAndLink(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		berlin, hamburg := open(t, db, "berlin", c), open(t, db, "hamburg", c)
		join(t, hamburg, berlin)
		v, err := dial(t, hamburg, berlin)
		if err != nil || v.ID != hamburg.ID() || v.Only != nil || !v.Ends.Equal(c.Now().Add(DefaultLife)) {
			t.Errorf("the link: %+v, %v", v, err)
		}
		list, err := berlin.Lowers(t.Context())
		if err != nil || len(list) != 1 || list[0].ID != hamburg.ID() || list[0].Name != "hamburg" || list[0].InvitedBy != "anna" || list[0].Revoked != nil {
			t.Errorf("who joined: %+v, %v", list, err)
		}
		if err := berlin.Valid(hamburg.ID()); err != nil {
			t.Error(err)
		}
		if u := hamburg.Uppers(); len(u) != 1 || u[0].ID != berlin.ID() || u[0].Name != "berlin" || u[0].Address != "tls://berlin:7443" {
			t.Errorf("what was joined: %+v", u)
		}
		used, err := berlin.Invitations(t.Context())
		if err != nil || len(used) != 1 || used[0].UsedBy != hamburg.ID() || used[0].Open(c.Now()) {
			t.Errorf("invitations: %+v, %v", used, err)
		}
	})
}
