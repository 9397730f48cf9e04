package duty

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
)

// FuzzMessages holds that no message of another manager does more than to be refused.
func FuzzMessages(f *testing.F) {
	w := &world{net: peertest.New(1), all: map[peer.ID]*manager{}, home: id("a")}
	m := &manager{w: w, id: id("a"), name: "a", disk: newDisk(), capacity: 10}
	w.all[m.id] = m
	l := &life{m: m, watches: map[Key]int{}}
	d, err := New(options(l, w.net.Join(m.id)))
	if err != nil {
		f.Fatal(err)
	}
	d.started = true // It is not run: nobody else uses it.
	kinds := slices.Sorted(maps.Keys(d.handlers()))
	key := Key{Owner: id("b"), Name: "sw1"}
	list, err := squeeze([]said{{Key: key, Device: &Device{Name: "sw1"}, Step: "watching", Epoch: 3}})
	if err != nil {
		f.Fatal(err)
	}
	for i := range kinds {
		for _, body := range []any{order{Key: key, Epoch: 2, Next: 3, Heir: id("c")}, report{StandIns: []string{"*"}}, left{Key: key, Epoch: 1}, wish{Key: key}, fetch{Sum: "x", Offset: -1}} {
			message, err := d.pack(body, list)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(i, message)
		}
		f.Add(i, []byte(`{"body":{},"bytes":1000000000}`))
		f.Add(i, []byte(`{"body":{},"bytes":10,"sha256":"x"}`))
	}
	f.Fuzz(func(t *testing.T, kind int, message []byte) {
		if kind < 0 || kind >= len(kinds) {
			return
		}
		answer, err := d.handlers()[kinds[kind]](t.Context(), id("b"), message)
		var refused *peer.Refusal
		switch {
		case err != nil && answer != nil:
			t.Fatalf("an answer and an error: %q, %v", answer, err)
		case err != nil && !errors.As(err, &refused):
			t.Fatalf("%s: an error that is no refusal: %v", kinds[kind], err)
		}
	})
}

// TestLongMessages holds that what is too long for one message arrives in pieces.
func TestLongMessages(t *testing.T) {
	w := &world{net: peertest.New(1), all: map[peer.ID]*manager{}, home: id("a")}
	var all []*Duty
	for _, n := range []string{"a", "b"} {
		m := &manager{w: w, id: id(n), name: n, disk: newDisk(), capacity: 10}
		w.all[m.id] = m
		l := &life{m: m, watches: map[Key]int{}}
		d, err := New(options(l, w.net.Join(m.id)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	blob := make([]byte, 3*pieceBytes+17)
	for i := range blob {
		blob[i] = byte(i * i)
	}
	message, err := all[0].pack(order{Epoch: 7}, blob)
	if err != nil || len(message) > peer.MaxBody {
		t.Fatalf("%d bytes, %v", len(message), err)
	}
	var o order
	got, err := all[1].unpack(t.Context(), id("a"), message, &o)
	if err != nil || !slices.Equal(got, blob) || o.Epoch != 7 {
		t.Errorf("%d bytes, %+v, %v", len(got), o, err)
	}
	if _, err := all[0].pack(o, make([]byte, maxBlob+1)); err == nil {
		t.Error("a message without bounds")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all[1].unpack(ctx, id("c"), message, nil); err == nil {
		t.Error("it was fetched from nobody")
	}
}
