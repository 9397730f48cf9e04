package authority

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// revoke revokes a manager.
func revoke(t *testing.T, a *Authority, id peer.ID) {
	t.Helper()
	if _, err := a.Revoke(t.Context(), admin, id, "stolen"); err != nil {
		t.Fatal(err)
	}
}

// renewed asks for the next certificate as hamburg would.
func renewed(t *testing.T, of, to *Authority) error {
	t.Helper()
	u, err := of.upper(to.ID())
	if err != nil {
		t.Fatal(err)
	}
	request, err := of.keys.request()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(renewQuestion{request, u.certificate.Raw, of.o.Name})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := to.HandleRenew(t.Context(), of.ID(), body)
	if err != nil {
		return err
	}
	next := u.clone()
	if err := of.take(next, answer, of.o.Now()); err != nil {
		return err
	}
	return of.replaceUpper(u, next)
}

func TestRevoke(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		berlin, hamburg, bremen := open(t, db, "berlin", c), open(t, db, "hamburg", c), open(t, db, "bremen", c)
		join(t, hamburg, berlin)
		join(t, bremen, berlin)
		var cut []peer.ID
		berlin.SetHooks(Hooks{Cut: func(id peer.ID, why string) {
			if why != "it was revoked" || berlin.Valid(id) == nil {
				t.Errorf("%s is cut since %q: %v", id, why, berlin.Valid(id))
			}
			cut = append(cut, id)
		}})
		e, err := berlin.Revoke(t.Context(), admin, hamburg.ID(), "stolen")
		if err != nil || e.By != "anna" || e.Comment != "stolen" || !e.Time.Equal(c.Now()) || len(cut) != 1 || cut[0] != hamburg.ID() {
			t.Errorf("%+v, %v; cut are %v", e, err, cut)
		}
		if _, err := dial(t, hamburg, berlin); !has(err, "was revoked at 2026-03-01T12:00:00Z: invite it again") || !errors.Is(err, ErrRevoked) {
			t.Errorf("it links: %v", err)
		}
		if err := renewed(t, hamburg, berlin); !peer.IsRefusal(err, peer.Refused) || !has(err, "was revoked") {
			t.Errorf("it renews: %v", err)
		}
		if _, err := dial(t, bremen, berlin); err != nil {
			t.Errorf("another one: %v", err)
		}
		list, err := berlin.Lowers(t.Context())
		for _, l := range list {
			if (l.Revoked != nil) != (l.ID == hamburg.ID()) {
				t.Errorf("%+v", l)
			}
		}
		if _, gone := berlin.Revoked(hamburg.ID()); err != nil || len(list) != 2 || !gone {
			t.Errorf("%+v: %v", list, err)
		}

		// Invited again it has another certificate; the one of before stays out.
		old := *mustUpper(t, hamburg, berlin)
		c.add(time.Minute)
		join(t, hamburg, berlin)
		if _, err := dial(t, hamburg, berlin); err != nil {
			t.Errorf("invited again: %v", err)
		}
		if err := renewed(t, hamburg, berlin); err != nil {
			t.Errorf("invited again, it renews: %v", err)
		}
		if _, err := berlin.Judge(state(old.certificate)); !errors.Is(err, ErrRevoked) {
			t.Errorf("the certificate of before: %v", err)
		}
		if list, err := berlin.Lowers(t.Context()); err != nil || list[0].Revoked != nil || list[1].Revoked != nil {
			t.Errorf("%+v: %v", list, err)
		}
		if _, gone := berlin.Revoked(hamburg.ID()); gone || berlin.Valid(hamburg.ID()) != nil {
			t.Errorf("it is still revoked: %v", berlin.Valid(hamburg.ID()))
		}
	})
}

func mustUpper(t *testing.T, of, to *Authority) *upper {
	t.Helper()
	u, err := of.upper(to.ID())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRevokeRefuses(t *testing.T) {
	p := newPair(t)
	_, nobody := newKey(t)
	for name, test := range map[string]struct {
		id      peer.ID
		comment string
		code    peer.Code
	}{
		"no ID":               {"hamburg", "", peer.Invalid},
		"nobody":              {nobody, "", peer.NotFound},
		"itself":              {p.berlin.ID(), "", peer.NotFound},
		"a very long comment": {p.hamburg.ID(), string(make([]byte, MaxCommentBytes+1)), peer.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := p.berlin.Revoke(t.Context(), admin, test.id, test.comment); !peer.IsRefusal(err, test.code) {
				t.Error(err)
			}
		})
	}
}

// TestRevokedStaysOut: after a restart, and when either of the two places was lost in which it
// is written down.
func TestRevokedStaysOut(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		top := t.TempDir()
		s := db.OpenAs(t, "berlin")
		berlin, hamburg := openOn(t, s, top, "berlin", c), open(t, db, "hamburg", c)
		join(t, hamburg, berlin)
		var backup bytes.Buffer // of before
		if err := s.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		revoke(t, berlin, hamburg.ID())
		out := func(when string, a *Authority) {
			t.Helper()
			if _, err := dial(t, hamburg, a); !has(err, "was revoked") {
				t.Errorf("%s it links: %v", when, err)
			}
			list, err := a.Lowers(t.Context())
			if err != nil || len(list) != 1 || list[0].Revoked == nil || list[0].Revoked.Comment != "stolen" {
				t.Errorf("%s: %+v, %v", when, list, err)
			}
		}
		out("after a restart", openOn(t, s, top, "berlin", c))
		if err := os.Remove(filepath.Join(top, "peers", "revoked.json")); err != nil {
			t.Fatal(err)
		}
		berlin = openOn(t, s, top, "berlin", c)
		out("without the file", berlin)
		if err := s.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		if err := berlin.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		out("after a backup was brought back", berlin)
		var entries int
		if err := s.Read(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Row("SELECT COUNT(*) FROM peer_revocation", nil, &entries)
			return err
		}); err != nil || entries != 1 {
			t.Errorf("the database has %d: %v", entries, err)
		}
		// A database that has forgotten everything.
		empty := storetest.SQLite(t).OpenAs(t, "berlin")
		berlin = openOn(t, empty, top, "berlin", c)
		if _, err := dial(t, hamburg, berlin); !has(err, "was revoked") {
			t.Errorf("with an empty database it links: %v", err)
		}
		// What is made from now on is above what was revoked.
		c.add(time.Millisecond)
		join(t, hamburg, berlin)
		if _, err := dial(t, hamburg, berlin); err != nil {
			t.Errorf("invited again: %v", err)
		}
	})
}

// TestRevokeWithoutDatabase: who must not come in does not, although it cannot be written down
// everywhere.
func TestRevokeWithoutDatabase(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.berlin.revoke(ctx, admin, p.hamburg.ID(), "hamburg", "stolen"); !has(err, "is shut out, but the database does not know of it yet") {
		t.Error(err)
	}
	if _, err := dial(t, p.hamburg, p.berlin); !has(err, "was revoked") {
		t.Errorf("it links: %v", err)
	}
	// When it is there again it learns of it.
	s := p.berlin.o.Store
	again := openOn(t, s, p.berlinTop, "berlin", p.berlins)
	if list, err := again.Lowers(t.Context()); err != nil || list[0].Revoked == nil {
		t.Errorf("%+v: %v", list, err)
	}
}

// TestForgottenMemberComesBack: an older backup does not know who joined since; a certificate
// that is good is enough.
func TestForgottenMemberComesBack(t *testing.T) {
	c := newClock()
	db := storetest.SQLite(t)
	s, top := db.OpenAs(t, "berlin"), t.TempDir()
	berlin := openOn(t, s, top, "berlin", c)
	var backup bytes.Buffer
	if err := s.Dump(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	hamburg := open(t, db, "hamburg", c)
	join(t, hamburg, berlin)
	if err := s.Load(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	berlin = openOn(t, s, top, "berlin", c)
	if list, err := berlin.Lowers(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := dial(t, hamburg, berlin); err != nil {
		t.Error(err)
	}
	c.add(DefaultLife)
	if err := renewed(t, hamburg, berlin); err != nil {
		t.Fatal(err)
	}
	if list, err := berlin.Lowers(t.Context()); err != nil || len(list) != 1 || list[0].ID != hamburg.ID() || list[0].Name != "hamburg" {
		t.Errorf("%+v, %v", list, err)
	}
	revoke(t, berlin, hamburg.ID())
}

func TestLeave(t *testing.T) {
	p := newPair(t)
	var left []peer.ID
	p.hamburg.SetHooks(Hooks{Left: func(id peer.ID) { left = append(left, id) }})
	if err := p.hamburg.Leave(t.Context(), admin, p.berlin.ID()); err != nil || len(left) != 1 || len(p.hamburg.Uppers()) != 0 {
		t.Errorf("%v, %v, %v", err, left, p.hamburg.Uppers())
	}
	if err := p.hamburg.Leave(t.Context(), admin, p.berlin.ID()); !peer.IsRefusal(err, peer.NotFound) {
		t.Error(err)
	}
	if _, err := p.hamburg.ClientConfig(p.berlin.ID()); !peer.IsRefusal(err, peer.NotFound) {
		t.Error(err)
	}
	if files, err := filepath.Glob(filepath.Join(p.hamburg.o.Dir, "upper-*")); err != nil || len(files) != 0 {
		t.Error(files, err)
	}
	// As the other one is told: the link stands until the answer is there.
	var cut []string
	p.berlin.SetHooks(Hooks{Cut: func(id peer.ID, why string) { cut = append(cut, string(id)+" "+why) }})
	if _, err := p.berlin.HandleLeave(t.Context(), p.hamburg.ID(), nil); err != nil {
		t.Error(err)
	}
	if wait := p.berlin.part(); wait != parting || len(cut) != 0 {
		t.Errorf("cut are %v, the next after %v", cut, wait)
	}
	p.berlins.add(parting)
	if wait := p.berlin.part(); wait != look || len(cut) != 1 || cut[0] != string(p.hamburg.ID())+" it left" {
		t.Errorf("cut are %v, the next after %v", cut, wait)
	}
	if e, gone := p.berlin.Revoked(p.hamburg.ID()); !gone || e.Comment != "it left" || e.By != string(p.hamburg.ID()) {
		t.Errorf("%+v", e)
	}
	if _, err := p.berlin.HandleLeave(t.Context(), p.berlin.ID(), nil); !peer.IsRefusal(err, peer.NotFound) {
		t.Error(err)
	}
}

// TestLostAnswerOfJoin: the joiner asks again, and is let in to do so although nobody else is
// expected.
func TestLostAnswerOfJoin(t *testing.T) {
	c := newClock()
	db := storetest.SQLite(t)
	s, top := db.OpenAs(t, "berlin"), t.TempDir()
	berlin, hamburg, bremen := openOn(t, s, top, "berlin", c), open(t, db, "hamburg", c), open(t, db, "bremen", c)
	text := invite(t, berlin, "hamburg")
	lost := func(ctx context.Context, address string, config *tls.Config, id peer.ID, kind string, body []byte) ([]byte, error) {
		_, err := direct(berlin)(ctx, address, config, id, kind, body)
		return nil, errors.Join(err, peer.ErrLost)
	}
	if _, err := hamburg.Join(t.Context(), admin, "tls://berlin", text, me(hamburg), lost); !errors.Is(err, peer.ErrLost) {
		t.Fatal(err)
	}
	berlin = openOn(t, s, top, "berlin", c) // It is the same after a restart.
	if _, err := bremen.Join(t.Context(), admin, "tls://berlin", text, me(bremen), direct(berlin)); !has(err, "nobody is invited") || !errors.Is(err, ErrUsed) {
		t.Errorf("another with the same token: %v", err)
	}
	if _, err := hamburg.Join(t.Context(), admin, "tls://berlin", text, me(hamburg), direct(berlin)); err != nil {
		t.Errorf("the same again: %v", err)
	}
	c.add(repeatFor)
	if _, err := hamburg.Join(t.Context(), admin, "tls://berlin", text, me(hamburg), direct(berlin)); !has(err, "nobody is invited") {
		t.Errorf("the same much later: %v", err)
	}
}
