package authority

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"testing"

	"grove/notify/peer"
	"grove/tree/store/storetest"
)

// over asks an authority over a cluster, which says who asks, and may change the answer.
func over(to *Authority, from *Authority, change func(*certificateAnswer)) AskOnce {
	return func(ctx context.Context, address string, _ *tls.Config, id peer.ID, kind string, body []byte) ([]byte, error) {
		if address != Cluster || id != to.ID() || kind != kindJoin {
			return nil, peer.ErrNobody
		}
		text, err := to.HandleJoin(ctx, from.ID(), body)
		var answer certificateAnswer
		if err != nil || json.Unmarshal(text, &answer) != nil || change == nil {
			return text, err
		}
		change(&answer)
		return json.Marshal(answer)
	}
}

// TestJoinOverACluster: the token is what lets in, and what proves that the answer is of the
// manager that made it.
func TestJoinOverACluster(t *testing.T) {
	c := newClock()
	berlin, evil := open(t, storetest.SQLite(t), "berlin", c), open(t, storetest.SQLite(t), "evil", c)
	hamburg := open(t, storetest.SQLite(t), "hamburg", c)
	join := func(text string, ask AskOnce) (Upper, error) {
		return hamburg.Join(t.Context(), admin, Cluster, text, me(hamburg), ask)
	}
	text := invite(t, berlin, "hamburg")
	for name, tc := range map[string]struct {
		ask  AskOnce
		want error
	}{
		"nobody is there": {over(evil, hamburg, nil), ErrUnreachable},
		"another authority's root": {over(berlin, hamburg, func(a *certificateAnswer) {
			a.Root = evil.keys.authority.Raw
		}), ErrFingerprint},
		"no root": {over(berlin, hamburg, func(a *certificateAnswer) { a.Root = nil }), ErrFingerprint},
	} {
		if _, err := join(text, tc.ask); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The root is known to many, the key of the authority to nobody: what is signed with
	// another one is refused.
	if _, err := join(text, over(berlin, hamburg, func(a *certificateAnswer) {
		key, err := readRequest(question(t, hamburg, text).Request, hamburg.ID())
		if err != nil {
			t.Fatal(err)
		}
		forged, err := evil.keys.certify(hamburg.ID(), key, 1, 0, c.Now(), DefaultLife)
		if err != nil {
			t.Fatal(err)
		}
		a.Certificate = forged.Raw
	})); !has(err, "its authority did not make") {
		t.Errorf("a forged certificate: %v", err)
	}
	if len(hamburg.Uppers()) != 0 {
		t.Errorf("%+v", hamburg.Uppers())
	}
	u, err := join(text, over(berlin, hamburg, nil))
	if err != nil || u.ID != berlin.ID() || u.Name != "berlin" || u.Address != Cluster {
		t.Fatalf("%+v, %v", u, err)
	}
	if _, err := join(text, over(berlin, evil, nil)); err == nil {
		t.Error("somebody else joined with a request of hamburg's")
	}

	// Revoked, it is heard when it joins again, and then with everything.
	for _, kind := range []string{"branch.open", kindRenew, kindJoin} {
		if err := berlin.Admits(hamburg.ID(), kind); err != nil {
			t.Errorf("%s of a member: %v", kind, err)
		}
	}
	if _, err := berlin.Revoke(t.Context(), admin, hamburg.ID(), "stolen"); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]bool{"branch.open": false, "registry.here": false, kindJoin: true} {
		if err := berlin.Admits(hamburg.ID(), kind); (err == nil) != want {
			t.Errorf("%s of one that was revoked: %v", kind, err)
		}
	}
	if _, err := join(text, over(berlin, hamburg, nil)); !errors.Is(err, ErrUsed) {
		t.Errorf("the token of before: %v", err)
	}
	if _, err := join(invite(t, berlin, "hamburg"), over(berlin, hamburg, nil)); err != nil {
		t.Fatal(err)
	}
	if err := berlin.Admits(hamburg.ID(), "branch.open"); err != nil {
		t.Errorf("one that has joined again: %v", err)
	}
}
