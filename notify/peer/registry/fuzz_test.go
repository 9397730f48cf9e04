package registry

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
)

// FuzzMessages: whatever another manager says is answered or refused, and never believed of
// this manager itself.
func FuzzMessages(f *testing.F) {
	for kind := range uint8(12) {
		for _, body := range []string{
			"", "{}", "null", "[]", `{"manager":{"id":"0000000000000062","name":"b","integrates":true},"number":1,"life":2,"home":"0000000000000041","token":3,"term":{"number":4,"of":"0000000000000042"}}`,
			`{"of":"0000000000000062","to":"0000000000000041","here":{"token":1}}`, `{"id":"0000000000000062"}`, `{"id":"x","text":"hello"}`, `{"since":-1}`,
			`{"members":[{"manager":{"id":"0000000000000041"},"token":9},{"manager":{"id":"0000000000000063"},"token":9223372036854775807}]}`,
			`{"need":{"kinds":["http"],"room":1},"for":"0000000000000062"}`, `{"life":2}`,
		} {
			f.Add(kind, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		net := peertest.New(1)
		r, err := New(t.Context(), Options{
			Fabric: net.Join(id("A")), Leases: &numbers{}, Received: func(Note) {},
			Self: func() peer.Manager { return peer.Manager{Name: "A", Integrates: true, Capacity: 10} },
		})
		if err != nil {
			t.Fatal(err)
		}
		all := r.handlers()
		kinds := slices.Sorted(maps.Keys(all))
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, _ = all["registry.here"](ctx, id("b"), []byte(`{"manager":{"integrates":true},"life":2}`))
		for range 2 {
			_, _ = all[kinds[int(kind)%len(kinds)]](ctx, id("b"), body)
		}
		r.tick(ctx)
		for _, s := range r.Present() {
			if s.ID == r.self || s.ID.Check() != nil || s.State == Dead || len(s.Name) > maxStatement {
				t.Errorf("%+v", s)
			}
		}
		if term, _ := r.Term(id("b")); term < 0 || term > MaxTerm {
			t.Errorf("term %d", term)
		}
		if self := r.Self(); self.ID != id("A") || !self.Integrates {
			t.Errorf("this manager is %+v", self)
		}
	})
}

// FuzzLists: whatever a list says, the registry stays within its bounds.
func FuzzLists(f *testing.F) {
	f.Add("0000000000000063", int64(1), "live", int64(0))
	f.Add("0000000000000041", int64(1<<62), "dead", int64(-1))
	f.Add("", int64(-1), "cut off", int64(1<<62))
	f.Fuzz(func(t *testing.T, name string, number int64, state string, ago int64) {
		r, err := New(t.Context(), Options{Fabric: peertest.New(1).Join(id("A")), Leases: &numbers{}, Self: func() peer.Manager { return peer.Manager{} }})
		if err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hear(r.get(id("b")))
		r.merge(id("b"), entry{Manager: peer.Manager{ID: peer.ID(name)}, Number: number, State: Standing(state), Milli: ago})
		for _, m := range r.sorted() {
			r.evaluate(m)
			switch m.state {
			case Live, Suspect, CutOff, Dead, Gone, Known:
			default:
				t.Errorf("%s is %q", m.ID, m.state)
			}
		}
	})
}
