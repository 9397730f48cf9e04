package fabric_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
	"grove/notify/peer/peertest"
)

// rogue is a client of a manager's server with a certificate that is good, and a mind of its own.
type rogue struct {
	*nats.Conn
	refused chan error
}

func newRogue(t *testing.T, s *security, address string, more ...nats.Option) *rogue {
	t.Helper()
	r := &rogue{refused: make(chan error, 100)}
	config, _ := s.ClientConfig(first)
	var err error
	r.Conn, err = nats.Connect(address, append(more, nats.Secure(config), nats.TLSHandshakeFirst(), nats.NoReconnect(),
		nats.CustomInboxPrefix("grove.inbox."+string(idOf(s.own.Leaf))),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { r.refused <- err }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func (r *rogue) isRefused(t *testing.T, what string) {
	t.Helper()
	select {
	case err := <-r.refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(time.Minute):
		t.Errorf("%s is not refused", what)
	}
}

// TestNobodySpeaksForAnother holds that a manager with a good certificate that says what is
// not its own to say, or listens to what is not for it, is refused.
func TestNobodySpeaksForAnother(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0"}})
	good := manager(t, fabric.Options{Self: third, Security: ca.security(t, third, hour), Pings: patient})
	if err := good.Connect(hub.Addresses()[0], first); err != nil {
		t.Fatal(err)
	}
	linked(t, hub, good)
	var came atomic.Int64
	for _, f := range []*fabric.Fabric{hub, good} {
		f.Handle("test.danger", func(context.Context, peer.ID, []byte) ([]byte, error) {
			came.Add(1)
			return nil, nil
		})
	}
	r := newRogue(t, ca.security(t, second, hour), hub.Addresses()[0])
	stream := base64.RawURLEncoding.EncodeToString([]byte("s"))
	numbered := strings.Repeat("\x7f", 16)
	for _, subject := range []string{
		"grove.m." + string(first) + "." + string(third) + ".test.danger",
		"grove.m." + string(third) + "." + string(first) + ".test.danger",
		"grove.b." + string(first) + "." + string(third) + ".test.danger",
		"grove.a." + string(third) + ".test.danger",
		"grove.a." + string(first) + ".test.danger",
		"grove.s." + string(first) + "." + stream,
		"grove.inbox." + string(third) + ".x",
		"other.subject", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "_INBOX.x", "_R_.x",
	} {
		if err := r.Publish(subject, []byte(numbered)); err != nil {
			t.Fatal(err)
		}
		r.isRefused(t, "to publish "+subject)
	}
	for _, subject := range []string{
		">", "*.>", "grove.>", "grove.m.>", "grove.m.*.>", "grove.m." + string(third) + ".>", "grove.b." + string(third) + ".>",
		"grove.inbox.>", "grove.inbox." + string(third) + ".>", "$SYS.>", "$JS.>", "_INBOX.>", "_R_.>",
	} {
		if _, err := r.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		r.isRefused(t, "to subscribe "+subject)
		if _, err := r.QueueSubscribeSync(subject, "queue"); err != nil {
			t.Fatal(err)
		}
		r.isRefused(t, "to subscribe in a queue "+subject)
	}
	// Who asks may not have others publish where it may not itself: the answer of an honest
	// manager would be a message in its name.
	for _, reply := range []string{
		"grove.m." + string(first) + "." + string(third) + ".test.danger", "grove.inbox." + string(first) + ".x",
		"grove.inbox." + string(second), "grove.a." + string(third) + ".test.danger",
	} {
		if err := r.PublishRequest("grove.m."+string(third)+"."+string(second)+".fabric.ping", reply, nil); err != nil {
			t.Fatal(err)
		}
	}
	// What makes no sense is dropped.
	for _, subject := range []string{
		"grove.m." + string(third) + "." + string(second) + ".Ä", "grove.m." + string(third) + "." + string(second) + ".1.2.3.4.5.6.7",
		"grove.a." + string(second) + ".test.danger", "grove.a." + string(second) + ".fabric.here", "grove.m." + string(first) + "." + string(second) + ".fabric.hello",
	} {
		if err := r.Publish(subject, []byte("short")); err != nil {
			t.Fatal(err)
		}
	}
	// It may say what is its own to say, and that comes after all that.
	for _, to := range []peer.ID{first, third} {
		if _, err := r.Request("grove.m."+string(to)+"."+string(second)+".fabric.ping", nil, time.Minute); err != nil {
			t.Errorf("to ask %s in its own name: %v", to, err)
		}
	}
	if _, err := good.Ask(t.Context(), first, "fabric.ping", nil); err != nil {
		t.Error(err)
	}
	if n := came.Load(); n != 0 {
		t.Errorf("%d messages came in the name of others", n)
	}
	if isUp(hub, second) {
		t.Error("a connection that never said hello counts as a link")
	}
	if len(r.refused) > 0 {
		t.Errorf("refused as well: %v", <-r.refused)
	}
}

// TestRevokedManagerIsCut holds that the link of a manager that was revoked is cut at once,
// that it is refused afterwards, and told why.
func TestRevokedManagerIsCut(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0", "wss://127.0.0.1:0/peer"}})
	one := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour), Pings: patient})
	other := manager(t, fabric.Options{Self: third, Security: ca.security(t, third, hour), Pings: patient})
	for i, f := range []*fabric.Fabric{one, other} {
		if err := f.Connect(hub.Addresses()[i], first); err != nil {
			t.Fatal(err)
		}
		linked(t, hub, f)
	}
	before, _ := linkTo(hub, third)
	ca.judge(second, true, false)
	hub.Cut(second, "the manager was revoked")
	if l, _ := linkTo(hub, second); l.Up || l.Error != "the manager was revoked" {
		t.Errorf("after it was cut: %+v", l)
	}
	peertest.Until(t, "the revoked manager knows that it is refused", func() bool {
		l, _ := linkTo(one, first)
		return !l.Up && strings.Contains(l.Error, "refuses this manager")
	})
	if _, err := one.Ask(t.Context(), third, "fabric.ping", nil); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("asked by the revoked manager: %v", err)
	}
	if after, _ := linkTo(hub, third); !after.Up || !after.Since.Equal(before.Since) {
		t.Errorf("the link of another manager: %+v, before %+v", after, before)
	}
	ca.judge(second, false, false)
	linked(t, hub, one)
}

// TestExpiredManagerMayRenewOnly holds that a manager whose certificate is over can ask for
// a new one, over a link that does not count as one.
func TestExpiredManagerMayRenewOnly(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	ca.judge(second, false, true)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0"}})
	one := manager(t, fabric.Options{Self: second, Security: ca.security(t, second, hour), Pings: patient})
	hub.Handle("authority.renew", func(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
		return []byte(string(from) + " " + string(body)), nil
	})
	if err := one.Connect(hub.Addresses()[0], first); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	peertest.Until(t, "it can ask for a certificate", func() (ok bool) {
		var err error
		answer, err = one.Ask(t.Context(), first, "authority.renew", []byte("please"))
		return err == nil
	})
	if string(answer) != string(second)+" please" {
		t.Errorf("answer %q", answer)
	}
	if _, err := one.Ask(t.Context(), first, "test.other", nil); !peer.IsRefusal(err, peer.Refused) {
		t.Errorf("asked for something else: %v", err)
	}
	if l, _ := linkTo(one, first); l.Up || !strings.Contains(l.Error, "authority.renew only") {
		t.Errorf("the link of the one: %+v", l)
	}
	if isUp(hub, second) {
		t.Error("it counts as a link")
	}
	ca.judge(second, false, false)
	one.Redial(first)
	linked(t, hub, one)
}

// TestJoinerAsksOneQuestion holds that who has no certificate of the network can ask to join
// it, over each kind of address, and nothing else.
func TestJoinerAsksOneQuestion(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0", "wss://127.0.0.1:0/peer"}})
	hub.Handle("authority.join", func(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
		if string(body) != "token" {
			return nil, peer.Refuse(peer.Refused, "the token is not good")
		}
		return []byte("welcome " + from), nil
	})
	hub.Handle("test.other", func(context.Context, peer.ID, []byte) ([]byte, error) {
		t.Error("a stranger asked something else")
		return nil, nil
	})
	own := joiner(t, second)
	one := manager(t, fabric.Options{Self: second})
	config, _ := ca.security(t, third, hour).ClientConfig(first)
	config.Certificates = []tls.Certificate{own.own}
	for _, address := range hub.Addresses() {
		answer, err := one.AskOnce(t.Context(), address, config, first, "authority.join", []byte("token"))
		if string(answer) != "welcome "+string(second) || err != nil {
			t.Errorf("%s: %q, %v", address, answer, err)
		}
		if _, err := one.AskOnce(t.Context(), address, config, first, "authority.join", []byte("guess")); !peer.IsRefusal(err, peer.Refused) {
			t.Errorf("%s, a wrong token: %v", address, err)
		}
		if _, err := one.AskOnce(t.Context(), address, config, first, "test.other", nil); !errors.Is(err, peer.ErrLost) || !strings.Contains(err.Error(), "does not let") {
			t.Errorf("%s, something else: %v", address, err)
		}
	}
	// One that keeps its connection may not subscribe or publish more than that either.
	own.ca = ca
	r := newRogue(t, own, hub.Addresses()[0])
	for _, subject := range []string{"grove.m." + string(second) + ".>", "grove.s.>", "grove.a.>"} {
		if _, err := r.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		r.isRefused(t, "to subscribe "+subject)
	}
	for _, subject := range []string{"grove.a." + string(second) + ".x", "grove.s." + string(second) + ".x", "grove.m." + string(third) + "." + string(second) + ".authority.join"} {
		if err := r.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		r.isRefused(t, "to publish "+subject)
	}
	if len(hub.Links()) != 0 {
		t.Errorf("strangers count as links: %v", hub.Links())
	}
}

// TestLinkSaysWhyItIsDown holds that each way to fail is said in words that help.
func TestLinkSaysWhyItIsDown(t *testing.T) {
	t.Parallel()
	ca, foreign := newCA(t), newCA(t)
	hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0"}, PerAddress: 4})
	address := hub.Addresses()[0]
	closed := newPass(t, "127.0.0.1:1")
	_ = closed.listener.Close()
	for _, c := range []struct {
		name, address string
		id            peer.ID
		security      *security
		want          string
	}{
		{"another manager answers", address, third, ca.security(t, second, hour), string(first) + " answers, not " + string(third)},
		{"of another network", address, first, &security{ca, foreign.security(t, second, hour).own}, "refuses this manager"},
		{"a server of another network", address, first, foreign.security(t, second, hour), "certificate that is shown there is of somebody else"},
		{"nobody listens", "tls://" + closed.listener.Addr().String(), first, ca.security(t, second, hour), "nobody listens there"},
		{"no such name", "tls://nowhere.invalid:7443", first, ca.security(t, second, hour), "the name nowhere.invalid cannot be resolved"},
		{"this manager's own name", address, first, ca.security(t, first, hour), "refuses this manager"},
	} {
		t.Run(c.name, func(t *testing.T) {
			self := second
			if c.name == "this manager's own name" {
				self = third
			}
			f := manager(t, fabric.Options{Self: self, Security: c.security})
			if err := f.Connect(c.address, c.id); err != nil {
				t.Fatal(err)
			}
			var l peer.Link
			peertest.Until(t, "the link says why it is down", func() bool {
				l, _ = linkTo(f, c.id)
				return l.Error != ""
			})
			if l.Up || !strings.Contains(l.Error, c.want) || l.Address != c.address || !l.Outbound {
				t.Errorf("%+v, not %q", l, c.want)
			}
			if _, err := f.Ask(t.Context(), c.id, "test.x", nil); !errors.Is(err, peer.ErrNobody) {
				t.Errorf("asked: %v", err)
			}
		})
	}
	// Two links have all the connections that one address may have.
	for i := range 3 {
		f := manager(t, fabric.Options{Self: hexID(i), Security: ca.security(t, hexID(i), hour), Pings: patient})
		if err := f.Connect(address, first); err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			linked(t, hub, f)
			continue
		}
		peertest.Until(t, "the third one is refused", func() bool {
			l, _ := linkTo(f, first)
			return strings.Contains(l.Error, "refuses this manager")
		})
	}
}

// TestAddressesAreChecked holds that addresses that make no sense are refused, and that no
// error tells a password.
func TestAddressesAreChecked(t *testing.T) {
	ca := newCA(t)
	for _, c := range []struct {
		name    string
		options fabric.Options
		want    string
	}{
		{"no ID", fabric.Options{}, `"" is not the ID of a manager: 16 hexadecimal digits are`},
		{"another scheme", fabric.Options{Listen: []string{"http://x:1"}}, `"http://x:1": the address of a manager begins with tls:// or wss://`},
		{"no port", fabric.Options{Listen: []string{"tls://x"}}, `"tls://x" has no port, such as :7443`},
		{"no host", fabric.Options{Listen: []string{"tls://:7443"}}, `"tls://:7443" has no host; 0.0.0.0 listens at all addresses of this machine`},
		{"a path", fabric.Options{Listen: []string{"tls://x:1/y"}}, `"tls://x:1/y": a path has a meaning with wss only`},
		{"a password", fabric.Options{Listen: []string{"tls://me:secret@x:1"}}, `tls://me:xxxxx@x:1: the address of a manager has a host, a port and with wss a path, and nothing else`},
		{"a port of letters", fabric.Options{Listen: []string{"tls://x:y"}}, `"tls://x:y" is not an address such as tls://grove.example:7443`},
		{"two of a kind", fabric.Options{Listen: []string{"tls://x:1", "tls://y:2"}}, `tls://x:1 and tls://y:2: a manager listens at one tls address`},
		{"a proxy", fabric.Options{Proxy: "socks://me:secret@x:1"}, `proxy: an address such as http://proxy.example:3128 is needed`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "no ID" {
				c.options.Self = first
			}
			c.options.Security, c.options.Log = ca.security(t, first, hour), quiet
			if _, err := fabric.New(c.options); err == nil || err.Error() != c.want {
				t.Errorf("error %v", err)
			}
		})
	}
	one := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Pings: patient, Listen: []string{"tls://127.0.0.1:0"}})
	if err := one.Connect("tls://127.0.0.1:1", first); err == nil {
		t.Error("a manager links to itself")
	}
	two, err := fabric.New(fabric.Options{Self: second, Security: ca.security(t, second, hour), Pings: patient, Listen: one.Addresses(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	if err := two.Start(); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("an address that is in use: %v", err)
	}
}
