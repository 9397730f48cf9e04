package authority

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree/store/storetest"
)

// bubble runs a test in which time is that of the bubble, for both managers of a pair that
// was made outside of it: databases stay outside.
func bubble(t *testing.T, p *pair, test func(t *testing.T, net *peertest.Net, berlin, hamburg *peertest.Member)) {
	t.Helper()
	base := p.berlins.Now()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		now := func() time.Time { return base.Add(time.Since(start)) }
		for _, a := range []*Authority{p.berlin, p.hamburg} {
			a.o.Now, a.wake = now, make(chan struct{}, 1)
		}
		net := peertest.New(1)
		test(t, net, net.Join(p.berlin.ID()), net.Join(p.hamburg.ID()))
	})
}

// run runs a manager until the test ends.
func run(t *testing.T, a *Authority, f peer.Fabric) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, f) }()
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// certifies answers "authority.renew" like berlin, without its database, and counts.
func (p *pair) certifies(t *testing.T, count *int) peer.Handler {
	return func(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
		var q renewQuestion
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		present, err := x509.ParseCertificate(q.Certificate)
		if err != nil {
			return nil, err
		}
		if _, err := p.berlin.judge(present); err != nil {
			return nil, peer.Refuse(peer.Refused, "%v", err)
		}
		key, err := readRequest(q.Request, from)
		if err != nil {
			return nil, err
		}
		*count++
		c, err := p.berlin.keys.certify(from, key, p.berlin.next(), x509.ExtKeyUsageClientAuth, p.berlin.o.Now(), p.berlin.o.Life)
		if err != nil {
			return nil, err
		}
		p.berlin.saw(from, c.NotAfter)
		return json.Marshal(certificateAnswer{p.berlin.ID(), "berlin", c.Raw, p.berlin.keys.authority.Raw})
	}
}

// TestRenewsByItself: for a week, with a network that is away now and then; a certificate that
// ran out meanwhile is renewed when it is back, and who asked is told.
func TestRenewsByItself(t *testing.T) {
	p := newPair(t)
	bubble(t, p, func(t *testing.T, net *peertest.Net, berlin, hamburg *peertest.Member) {
		count := 0
		berlin.Handle(kindRenew, p.certifies(t, &count))
		var again []peer.ID
		p.hamburg.SetHooks(Hooks{Renewed: func(id peer.ID) { again = append(again, id) }})
		defer run(t, p.hamburg, hamburg)()
		left := func() time.Duration { return p.hamburg.Uppers()[0].Ends.Sub(p.hamburg.o.Now()) }

		time.Sleep(16*time.Hour - time.Second)
		synctest.Wait()
		if count != 0 || left() > 9*time.Hour {
			t.Errorf("after less than two thirds: %d times, %v left", count, left())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if count != 1 || left() < 23*time.Hour {
			t.Errorf("after two thirds: %d times, %v left", count, left())
		}
		for range 7 * 24 {
			time.Sleep(time.Hour)
			if left() < 7*time.Hour {
				t.Fatalf("%v are left", left())
			}
		}
		if count < 10 || count > 12 || len(again) != 0 {
			t.Errorf("in a week it was renewed %d times, after its end %v", count, again)
		}

		net.Cut(p.hamburg.ID(), p.berlin.ID(), true)
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		if left() > -5*24*time.Hour {
			t.Errorf("%v are left", left())
		}
		if c, err := p.berlin.Judge(state(p.certificate(t))); err != nil || len(c.Only) != 1 || c.Only[0] != kindRenew {
			t.Errorf("%+v, %v", c, err)
		}
		net.Cut(p.hamburg.ID(), p.berlin.ID(), false)
		time.Sleep(askTimeout + 2*time.Second) // A question may have been under way.
		synctest.Wait()
		if left() < 23*time.Hour || len(again) != 1 || again[0] != p.berlin.ID() {
			t.Errorf("when the link is back %v are left, told are %v", left(), again)
		}
	})
}

// TestRenewsWithClocksApart: whichever way they are, each certificate lives as long as it
// would otherwise, and the link is never limited.
func TestRenewsWithClocksApart(t *testing.T) {
	const day = 24 * time.Hour
	for name, apart := range map[string]time.Duration{
		"an hour behind": -time.Hour, "an hour ahead": time.Hour, "a day behind": -day, "17 hours ahead": 17 * time.Hour, "a year ahead": 365 * day, "a year behind": -365 * day,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			bubble(t, p, func(t *testing.T, _ *peertest.Net, berlin, hamburg *peertest.Member) {
				right := p.hamburg.o.Now
				p.hamburg.o.Now = func() time.Time { return right().Add(apart) }
				count, again := 0, 0
				berlin.Handle(kindRenew, p.certifies(t, &count))
				p.hamburg.SetHooks(Hooks{Renewed: func(peer.ID) { again++ }})
				// It was joined by the clock that is wrong.
				u := mustUpper(t, p.hamburg, p.berlin).clone()
				u.got = p.hamburg.o.Now()
				if err := p.hamburg.keepUpper(u); err != nil {
					t.Fatal(err)
				}
				defer run(t, p.hamburg, hamburg)()
				for range 7 * 24 {
					time.Sleep(time.Hour)
					synctest.Wait()
					if c, err := p.berlin.Judge(state(p.certificate(t))); err != nil || c.Only != nil {
						t.Fatalf("%+v, %v", c, err)
					}
				}
				if count < 10 || count > 12 || again != 0 {
					t.Errorf("in a week it was renewed %d times, after its end %d", count, again)
				}
			})
		})
	}
}

// limitedLinks shows the link to a manager as one that is good for renewing alone, as long as
// its authority says that it is.
type limitedLinks struct {
	peer.Fabric
	p *pair
	t *testing.T
}

func (l limitedLinks) Links() []peer.Link {
	c, err := l.p.berlin.Judge(state(l.p.certificate(l.t)))
	return []peer.Link{{Peer: l.p.berlin.ID(), Up: err == nil && c.Only == nil, Limited: err == nil && c.Only != nil}}
}

// TestRenewsWhenTheAuthorityJumps: the clock that counts goes two days ahead, and by the clock
// here the certificate is a new one.
func TestRenewsWhenTheAuthorityJumps(t *testing.T) {
	p := newPair(t)
	bubble(t, p, func(t *testing.T, _ *peertest.Net, berlin, hamburg *peertest.Member) {
		count, again := 0, 0
		berlin.Handle(kindRenew, p.certifies(t, &count))
		p.hamburg.SetHooks(Hooks{Renewed: func(peer.ID) { again++ }})
		defer run(t, p.hamburg, limitedLinks{hamburg, p, t})()
		time.Sleep(time.Hour)
		synctest.Wait()
		right := p.berlin.o.Now
		p.berlin.o.Now = func() time.Time { return right().Add(48 * time.Hour) }
		time.Sleep(look + time.Second)
		synctest.Wait()
		if c, err := p.berlin.Judge(state(p.certificate(t))); err != nil || c.Only != nil || count != 1 || again != 1 {
			t.Errorf("%+v, %v; renewed %d times, %d links made again", c, err, count, again)
		}
	})
}

// TestCutWhenOver: a link whose certificate was not renewed is cut, once.
func TestCutWhenOver(t *testing.T) {
	p := newPair(t)
	bubble(t, p, func(t *testing.T, net *peertest.Net, berlin, _ *peertest.Member) {
		var cut []string
		p.berlin.SetHooks(Hooks{Cut: func(id peer.ID, why string) { cut = append(cut, string(id)+" "+why) }})
		defer run(t, p.berlin, berlin)()
		time.Sleep(DefaultLife + Apart)
		synctest.Wait()
		if len(cut) != 0 || p.berlin.Valid(p.hamburg.ID()) != nil {
			t.Errorf("too soon: %v, %v", cut, p.berlin.Valid(p.hamburg.ID()))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(cut) != 1 || cut[0] != string(p.hamburg.ID())+" its certificate is over" || p.berlin.Valid(p.hamburg.ID()) == nil {
			t.Errorf("%v, %v", cut, p.berlin.Valid(p.hamburg.ID()))
		}
	})
}

// TestMembersLearnWhatIsRevoked: those that are linked at once, others when they are.
func TestMembersLearnWhatIsRevoked(t *testing.T) {
	p := newPair(t)
	bremen := open(t, p.database, "bremen", p.berlins)
	join(t, bremen, p.berlin)
	for range 3 { // more than goes into a message is tried in TestRevokedInPieces
		_, id := newKey(t)
		p.berlin.revoked.add(Revocation{ID: id, Entry: p.berlin.revoked.last() + 1, UpTo: p.berlin.next(), Time: p.berlins.Now()})
	}
	revoke(t, p.berlin, bremen.ID())
	bubble(t, p, func(t *testing.T, net *peertest.Net, berlin, hamburg *peertest.Member) {
		net.Cut(berlin.Self(), hamburg.Self(), true)
		p.berlin.Handle(berlin)
		p.hamburg.Handle(hamburg)
		asked := 0
		outsider := net.Join(bremen.ID())
		outsider.Handle(kindRevoked, func(context.Context, peer.ID, []byte) ([]byte, error) { asked++; return nil, nil })
		defer run(t, p.berlin, berlin)()
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, known := p.hamburg.Revoked(bremen.ID()); known {
			t.Error("it is known through a link that is cut")
		}
		net.Cut(berlin.Self(), hamburg.Self(), false)
		time.Sleep(time.Second)
		synctest.Wait()
		if e, known := p.hamburg.Revoked(bremen.ID()); !known || e.Comment != "stolen" || len(mustUpper(t, p.hamburg, p.berlin).revoked.of) != 4 {
			t.Errorf("it is not known when the link is up: %+v", e)
		}
		if asked != 0 {
			t.Error("who was revoked is told who else was")
		}
		// It is told once.
		told := 0
		hamburg.Handle(kindRevoked, func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
			told++
			return p.hamburg.HandleRevoked(ctx, from, body)
		})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if told != 0 {
			t.Errorf("it was told %d times more", told)
		}
	})
	// It is known after a restart.
	uppers, err := readUppers(p.hamburg.o.Dir, p.hamburg.keys)
	if err != nil || len(uppers[p.berlin.ID()].revoked.of) != 4 {
		t.Errorf("%+v, %v", uppers, err)
	}
}

// TestRevokedInPieces: many entries take several messages, in their order.
func TestRevokedInPieces(t *testing.T) {
	p := newPair(t)
	for i := range int64(2*maxPushed + 10) {
		id := peer.ID("00000000" + hex8(i))
		p.berlin.revoked.add(Revocation{ID: id, Entry: i + 1, UpTo: i + 1, Time: p.berlins.Now()})
	}
	bubble(t, p, func(t *testing.T, net *peertest.Net, berlin, hamburg *peertest.Member) {
		var lengths []int
		hamburg.Handle(kindRevoked, func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
			var q revokedQuestion
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, err
			}
			lengths = append(lengths, len(q.Entries))
			return p.hamburg.HandleRevoked(ctx, from, body)
		})
		defer run(t, p.berlin, berlin)()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(lengths) != 3 || lengths[2] != 10 || len(mustUpper(t, p.hamburg, p.berlin).revoked.of) != 2*maxPushed+10 {
			t.Errorf("in pieces of %v", lengths)
		}
	})
}

func hex8(i int64) string {
	const digits = "0123456789abcdef"
	b := []byte("00000000")
	for k := range b {
		b[len(b)-1-k] = digits[i>>(4*k)&15]
	}
	return string(b)
}

// TestRevokedListIsBelievedOfItsAuthorityAlone also checks what it says.
func TestRevokedListIsBelievedOfItsAuthorityAlone(t *testing.T) {
	p := newPair(t)
	_, id := newKey(t)
	good := Revocation{ID: id, Entry: 1, UpTo: 1}
	for name, test := range map[string]struct {
		from peer.ID
		body any
		want string
	}{
		"of nobody":      {id, revokedQuestion{[]Revocation{good}}, "is no authority here"},
		"a wrong ID":     {p.berlin.ID(), revokedQuestion{[]Revocation{{ID: "x", Entry: 1, UpTo: 1}}}, "not the ID of a manager"},
		"a wrong entry":  {p.berlin.ID(), revokedQuestion{[]Revocation{{ID: id, Entry: -1, UpTo: 1}}}, "cannot be"},
		"a long comment": {p.berlin.ID(), revokedQuestion{[]Revocation{{ID: id, Entry: 1, UpTo: 1, Comment: string(make([]byte, MaxCommentBytes+1))}}}, "cannot be"},
		"no list":        {p.berlin.ID(), "x", "cannot be read"},
		"right":          {p.berlin.ID(), revokedQuestion{[]Revocation{good}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(test.body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.hamburg.HandleRevoked(t.Context(), test.from, body); !has(err, test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

// TestReadsTheDatabaseAnew once it was replaced, or was away at the start.
func TestReadsTheDatabaseAnew(t *testing.T) {
	c := newClock()
	db := storetest.SQLite(t)
	s, top := db.OpenAs(t, "berlin"), t.TempDir()
	berlin := openOn(t, s, top, "berlin", c)
	_, made, err := berlin.Invite(t.Context(), admin, "hamburg", 0)
	if err != nil {
		t.Fatal(err)
	}
	berlin.loaded, berlin.open = false, nil
	r := &runner{a: berlin, f: peertest.New(1).Join(berlin.ID()), tried: map[peer.ID]time.Time{}, have: map[peer.ID]int64{}}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if wait := r.turn(canceled); wait != reload || berlin.loaded {
		t.Errorf("while it is away: again in %v, read %v", wait, berlin.loaded)
	}
	if wait := r.turn(t.Context()); wait != look || !berlin.loaded || len(berlin.open) != 1 || berlin.open[0].id != made.ID {
		t.Errorf("when it is there: again in %v, open are %+v", wait, berlin.open)
	}
}
