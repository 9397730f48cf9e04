package authority

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store/storetest"
)

// question is what a manager asks to join with.
func question(t *testing.T, a *Authority, text string) joinQuestion {
	t.Helper()
	k, err := parseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	request, err := a.keys.request()
	if err != nil {
		t.Fatal(err)
	}
	return joinQuestion{k.secret[:], request, me(a)}
}

// ask hands a question to the handler.
func (q joinQuestion) ask(t *testing.T, to *Authority, from peer.ID) error {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	_, err = to.HandleJoin(t.Context(), from, body)
	return err
}

func TestTokens(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		berlin, hamburg, bremen := open(t, db, "berlin", c), open(t, db, "hamburg", c), open(t, db, "bremen", c)
		use := func(a *Authority, text string) error { return question(t, a, text).ask(t, berlin, a.ID()) }
		throw := func() { c.add(time.Minute) } // gives a wrong token back

		text := invite(t, berlin, "hamburg")
		if err := use(hamburg, text); err != nil {
			t.Fatal(err)
		}
		if err := use(bremen, text); !has(err, "was used already") || !peer.IsRefusal(err, peer.NotFound) {
			t.Errorf("another with a used token: %v", err)
		}
		if err := use(hamburg, text); err != nil {
			t.Errorf("the same again, since the answer was lost: %v", err)
		}
		c.add(repeatFor)
		if err := use(hamburg, text); !has(err, "was used already") {
			t.Errorf("the same much later: %v", err)
		}
		throw()

		text = invite(t, berlin, "hamburg")
		if err := use(hamburg, text); err != nil {
			t.Fatal(err)
		}
		c.add(time.Second)
		if _, err := berlin.Revoke(t.Context(), admin, hamburg.ID(), "stolen"); err != nil {
			t.Fatal(err)
		}
		if err := use(hamburg, text); !has(err, "was used already") {
			t.Errorf("a revoked one with the token of before: %v", err)
		}
		throw()

		text, made, err := berlin.Invite(t.Context(), admin, "bremen", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour)
		if err := use(bremen, text); !has(err, "the token is over since 2026-03-01T") {
			t.Errorf("a token that is over: %v", err)
		}
		list, err := berlin.Invitations(t.Context())
		if err != nil || len(list) != 3 || list[0].ID != made.ID || list[0].Name != "bremen" || list[0].By != "anna" || list[0].Open(c.Now()) || list[1].UsedBy != hamburg.ID() {
			t.Errorf("the invitations are %+v: %v", list, err)
		}

		text, made, err = berlin.Invite(t.Context(), admin, "bremen", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := berlin.Withdraw(t.Context(), admin, made.ID); err != nil {
			t.Fatal(err)
		}
		if err := use(bremen, text); !has(err, "it was withdrawn, or is not from here") {
			t.Errorf("a withdrawn one: %v", err)
		}
		if err := berlin.Withdraw(t.Context(), admin, made.ID); !peer.IsRefusal(err, peer.NotFound) {
			t.Errorf("to withdraw it again: %v", err)
		}
		if err := use(bremen, invite(t, hamburg, "bremen")); !has(err, "is not from here") {
			t.Errorf("a token of another: %v", err)
		}

		// What nobody can use any more is forgotten one day.
		c.add(MaxInvitation + keepUsed)
		invite(t, berlin, "kiel")
		if list, err := berlin.Invitations(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("after two months: %+v, %v", list, err)
		}
	})
}

// TestOneTokenOneManager: of many that come at once with one token one gets in.
func TestOneTokenOneManager(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		berlin := open(t, db, "berlin", c)
		text := invite(t, berlin, "somebody")
		const many = 4
		var all []*Authority
		for _, name := range []string{"a", "b", "c", "d"} {
			all = append(all, open(t, db, name, c))
		}
		errs := make([]error, many)
		var wait sync.WaitGroup
		for i, a := range all {
			q := question(t, a, text)
			wait.Go(func() { errs[i] = q.ask(t, berlin, a.ID()) })
		}
		wait.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !has(err, "was used already"):
				t.Error(err)
			}
		}
		list, err := berlin.Lowers(t.Context())
		if won != 1 || err != nil || len(list) != 1 {
			t.Errorf("%d joined: %v; known are %+v, %v", won, errs, list, err)
		}
	})
}

func TestInviteRefuses(t *testing.T) {
	a := open(t, storetest.SQLite(t), "berlin", newClock())
	for name, test := range map[string]struct {
		name string
		span time.Duration
		want string
	}{
		"no name":           {"", 0, "the name of the manager"},
		"a long name":       {strings.Repeat("x", MaxNameBytes+1), 0, "1 to 64 bytes"},
		"a slash":           {"a/b", 0, "no slash"},
		"an escape":         {"a\x1b[31m", 0, "can be printed"},
		"a space at an end": {"berlin ", 0, "no space at its ends"},
		"too short":         {"hamburg", time.Second, "a minute to 30 days"},
		"too long":          {"hamburg", MaxInvitation + time.Second, "a minute to 30 days"},
		"into the past":     {"hamburg", -time.Hour, "a minute to 30 days"},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, err := a.Invite(t.Context(), admin, test.name, test.span)
			if !has(err, test.want) || !peer.IsRefusal(err, peer.Invalid) || text != "" {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

func TestJoinRefuses(t *testing.T) {
	p := newPair(t)
	bremen := open(t, p.database, "bremen", p.hamburgs)
	key, id := newKey(t)
	foreign, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{uriOf(id)}}, key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{uriOf(id)}}, bremen.keys.identity)
	if err != nil {
		t.Fatal(err)
	}
	named, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{uriOf(bremen.ID())}, DNSNames: []string{"berlin"}}, bremen.keys.identity)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(q *joinQuestion)
		from   peer.ID
		want   string
	}{
		"right":                      {func(*joinQuestion) {}, bremen.ID(), ""},
		"the name of another":        {func(q *joinQuestion) { q.Manager.ID = p.hamburg.ID() }, bremen.ID(), "says that it is"},
		"over the link of another":   {func(*joinQuestion) {}, p.hamburg.ID(), "says that it is"},
		"the ID of another":          {func(q *joinQuestion) { q.Manager.ID = p.hamburg.ID() }, p.hamburg.ID(), "is not one of manager"},
		"the request of another":     {func(q *joinQuestion) { q.Request = foreign }, bremen.ID(), "is not one of manager"},
		"a request that names other": {func(q *joinQuestion) { q.Request = other }, bremen.ID(), "is not one of manager"},
		"a request with more names":  {func(q *joinQuestion) { q.Request = named }, bremen.ID(), "is not one of manager"},
		"no request":                 {func(q *joinQuestion) { q.Request = nil }, bremen.ID(), "cannot be read"},
		"a request that was changed": {func(q *joinQuestion) { q.Request = append([]byte(nil), q.Request...); q.Request[len(q.Request)-1] ^= 1 }, bremen.ID(), "certificate request"},
		"an older generation":        {func(q *joinQuestion) { q.Manager.Protocol = peer.Protocol - 2 }, bremen.ID(), "generation"},
		"a newer generation":         {func(q *joinQuestion) { q.Manager.Protocol = peer.Protocol + 2 }, bremen.ID(), "generation"},
		"no name for people":         {func(q *joinQuestion) { q.Manager.Name = "" }, bremen.ID(), "the name of the manager"},
		"a short secret":             {func(q *joinQuestion) { q.Secret = q.Secret[:16] }, bremen.ID(), "has not 32 bytes"},
		"a wrong secret":             {func(q *joinQuestion) { q.Secret = make([]byte, secretBytes) }, bremen.ID(), "the token is not valid"},
		"itself":                     {func(q *joinQuestion) { q.Manager.ID = p.berlin.ID() }, p.berlin.ID(), "does not join itself"},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(t, bremen, invite(t, p.berlin, "bremen"))
			test.change(&q)
			err := q.ask(t, p.berlin, test.from)
			var refusal *peer.Refusal
			if !has(err, test.want) || err != nil && !errors.As(err, &refusal) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
	if _, err := p.berlin.HandleJoin(t.Context(), bremen.ID(), make([]byte, maxBody+1)); !peer.IsRefusal(err, peer.Invalid) {
		t.Errorf("a long message: %v", err)
	}
	if _, err := p.berlin.HandleJoin(t.Context(), bremen.ID(), []byte("{")); !peer.IsRefusal(err, peer.Invalid) {
		t.Errorf("half a message: %v", err)
	}
}

// TestGuessingIsThrottled: who tries tokens has to wait, and soon all have; then it is over.
func TestGuessingIsThrottled(t *testing.T) {
	c := newClock()
	db := storetest.SQLite(t)
	berlin, hamburg, bremen := open(t, db, "berlin", c), open(t, db, "hamburg", c), open(t, db, "bremen", c)
	text := invite(t, berlin, "bremen")
	guess := question(t, hamburg, text)
	guess.Secret = make([]byte, secretBytes)
	for range wrongOfOne {
		if err := guess.ask(t, berlin, hamburg.ID()); !peer.IsRefusal(err, peer.NotFound) {
			t.Fatal(err)
		}
	}
	if err := guess.ask(t, berlin, hamburg.ID()); !peer.IsRefusal(err, peer.Busy) || !has(err, "wait 13s") {
		t.Errorf("one guess more: %v", err)
	}
	if err := question(t, bremen, text).ask(t, berlin, bremen.ID()); err != nil {
		t.Errorf("another who knows its token: %v", err)
	}
	c.add(wrongOneBack)
	if err := guess.ask(t, berlin, hamburg.ID()); !peer.IsRefusal(err, peer.NotFound) {
		t.Errorf("later: %v", err)
	}
	var throttle throttle
	for range wrongOfAll {
		_, id := newKey(t)
		if wait := throttle.wait(id, c.Now()); wait != 0 {
			t.Fatalf("a new one waits %v", wait)
		}
		throttle.wrong(id, c.Now())
	}
	_, id := newKey(t)
	if wait := throttle.wait(id, c.Now()); wait != wrongAllBack {
		t.Errorf("after many of many: %v", wait)
	}
	throttle.wrong(id, c.Now().Add(time.Hour))
	if wait := throttle.wait(id, c.Now().Add(time.Hour)); wait != 0 || len(throttle.each) != 1 {
		t.Errorf("an hour later: %v, remembered are %d", wait, len(throttle.each))
	}
	if wait := throttle.wait(id, c.Now()); wait != 0 {
		t.Errorf("a clock that was put back: %v", wait)
	}
}

// TestJoinerIsCareful: what the joining side does not take.
func TestJoinerIsCareful(t *testing.T) {
	p := newPair(t)
	bremen := open(t, p.database, "bremen", p.hamburgs)
	text := invite(t, p.berlin, "bremen")
	answering := func(change func(*certificateAnswer)) AskOnce {
		return func(ctx context.Context, address string, config *tls.Config, id peer.ID, kind string, body []byte) ([]byte, error) {
			answer, err := direct(p.berlin)(ctx, address, config, id, kind, body)
			if err != nil {
				return nil, err
			}
			var c certificateAnswer
			if err := json.Unmarshal(answer, &c); err != nil {
				return nil, err
			}
			change(&c)
			return json.Marshal(c)
		}
	}
	lost := errors.New("the network is gone")
	is := map[string]error{
		"no token": ErrToken, "half a token": ErrToken, "its own token": ErrToken, "another manager answers": ErrFingerprint,
		"nobody answers": ErrUnreachable, "the right one does not answer": ErrSilent, "an answer without connection": ErrFingerprint, "withdrawn meanwhile": ErrUsed,
	}
	for name, test := range map[string]struct {
		token string
		ask   AskOnce
		want  string
	}{
		"no token":      {"grvp_", direct(p.berlin), "not a token for joining"},
		"half a token":  {text[:len(text)-3], direct(p.berlin), "not copied whole"},
		"its own token": {invite(t, bremen, "x"), direct(p.berlin), "from this manager itself"},
		"another manager answers": {text, func(ctx context.Context, _ string, c *tls.Config, _ peer.ID, _ string, _ []byte) ([]byte, error) {
			_, err := shake(p.hamburg, c)
			return nil, err
		}, "is not the manager that made the token"},
		"nobody answers": {text, func(context.Context, string, *tls.Config, peer.ID, string, []byte) ([]byte, error) { return nil, lost }, "join tls://berlin:7443: no manager could be reached: the network is gone"},
		"the right one does not answer": {text, func(_ context.Context, _ string, c *tls.Config, _ peer.ID, _ string, _ []byte) ([]byte, error) {
			if _, err := shake(p.berlin, c); err != nil {
				return nil, err
			}
			return nil, lost
		}, "join tls://berlin:7443: the manager there did not answer: the network is gone"},
		"an answer without connection": {text, func(context.Context, string, *tls.Config, peer.ID, string, []byte) ([]byte, error) {
			return []byte("{}"), nil
		}, "did not prove"},
		"the certificate of another": {text, answering(func(c *certificateAnswer) { c.Certificate = p.certificate(t).Raw }), "not one of this manager"},
		"no certificate":             {text, answering(func(c *certificateAnswer) { c.Certificate = nil }), "cannot be read"},
		"another authority":          {text, answering(func(c *certificateAnswer) { c.Root = p.hamburg.keys.authority.Raw }), "another key for its authority"},
		"another's name":             {text, answering(func(c *certificateAnswer) { c.Authority = p.hamburg.ID() }), "cannot be read"},
		"withdrawn meanwhile": {text, func(context.Context, string, *tls.Config, peer.ID, string, []byte) ([]byte, error) {
			return nil, peer.Refuse(peer.NotFound, "no such token")
		}, "no such token"},
		"right": {text, answering(func(c *certificateAnswer) { c.Name = "\x1b" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if len(bremen.Uppers()) > 0 {
				if err := bremen.Leave(t.Context(), admin, p.berlin.ID()); err != nil {
					t.Fatal(err)
				}
			}
			_, err := bremen.Join(t.Context(), admin, "tls://berlin:7443", test.token, me(bremen), test.ask)
			if !has(err, test.want) || is[name] != nil && !errors.Is(err, is[name]) || (len(bremen.Uppers()) == 1) != (err == nil) {
				t.Errorf("%v; want %q; joined are %+v", err, test.want, bremen.Uppers())
			}
		})
	}
}
