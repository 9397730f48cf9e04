package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"grove/notify/peer/duty"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
)

// loads counts how often a manager reads its definitions.
type loads struct {
	slog.Handler
	n     atomic.Int64
	twice chan struct{} // closed when they were read twice
}

// Handle implements slog.Handler.
func (l *loads) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "definitions are loaded" && l.n.Add(1) == 2 {
		close(l.twice)
	}
	return nil
}

// Enabled implements slog.Handler.
func (l *loads) Enabled(context.Context, slog.Level) bool { return true }

// standIn is a manager that takes devices of another one.
type standIn struct {
	testing.TB
	app   *App
	loads loads
}

func newStandIn(t testing.TB) *standIn {
	s := &standIn{TB: t, loads: loads{Handler: slog.DiscardHandler, twice: make(chan struct{})}}
	data := t.TempDir()
	a, err := New(Config{Listen: "127.0.0.1:0", Data: data, Name: "standin", NoHost: true, Log: slog.New(&s.loads)})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.app = a
	<-s.loads.twice // The watch of the directory looks once more when it begins.
	return s
}

// lost is the parcel of a device of a manager that has died.
func lost(n int) *parcel.Parcel {
	const text = "grove: 1\napplication: page-0123456789ab\nparameters: { url: { type: url, required: true } }\n" +
		"probes: { page: { kind: http, url: \"${url}\", every: 1h } }\ntree: { Status: { from: page.status, red: \"> 499\" } }\n"
	k := duty.Key{Owner: "00000000000000aa", Name: fmt.Sprintf("page-%d", n)}
	return &parcel.Parcel{
		Version: parcel.Version, Key: k, By: k.Owner,
		Instance: parcel.Instance{
			Application: "page", At: tree.MustPath(fmt.Sprintf("/pages/p%d", n)), With: json.RawMessage(fmt.Sprintf(`{"url":"http://192.0.2.1/%d"}`, n)),
		},
		Definition: parcel.Definition{
			Application: "page", Alias: "page-0123456789ab", Sum: strings.Repeat("0123456789abcdef", 4), Files: []parcel.File{parcel.NewFile("page-0123456789ab.yaml", text)},
		},
	}
}

// together does something with many devices, as many at a time as a home asks for.
func (s *standIn) together(from, to int, do func(p *parcel.Parcel) error) {
	s.Helper()
	var all sync.WaitGroup
	room := make(chan struct{}, 256)
	for n := from; n < to; n++ {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			if err := do(lost(n)); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
}

func (s *standIn) take(p *parcel.Parcel) error {
	if err := s.app.peers.devices.Check(s.Context(), p); err != nil {
		return err
	}
	return s.app.peers.devices.Watch(s.Context(), p.Key, p)
}

func (s *standIn) letGo(p *parcel.Parcel) error {
	_, err := s.app.peers.devices.Unwatch(s.Context(), p.Key)
	return err
}

// Devices that a manager takes, and lets go, are no reason to read all its definitions: 1,000
// of them, which come within a second, would not be watched in time.
func TestManyDevicesAreTakenWithoutLoading(t *testing.T) {
	t.Parallel()
	s := newStandIn(t)
	s.together(0, 1, s.take) // The definition is new.
	before, many := s.loads.n.Load(), 1000
	s.together(1, many, s.take)
	if n := s.loads.n.Load() - before; n != 0 {
		t.Errorf("definitions were read %d times while devices were taken", n)
	}
	for n := range many {
		at := tree.MustPath(fmt.Sprintf("/pages/p%d/Status", n))
		if _, ok := s.app.Tree.Lookup(at); !ok {
			t.Fatalf("there is no node %s", at)
		}
	}
	if n := s.app.peers.devices.Count(); n != many {
		t.Errorf("%d devices are counted, not %d", n, many)
	}
	// What the files say is the same.
	s.app.Reload()
	if n := s.app.binder.Stats().Instances; n != many+1 {
		t.Errorf("%d instances run, not %d and the one about the manager", n, many)
	}
	before = s.loads.n.Load()
	s.together(0, many, s.letGo)
	if n := s.loads.n.Load() - before; n != 0 {
		t.Errorf("definitions were read %d times while devices were let go", n)
	}
	if n := s.app.binder.Stats().Instances; n != 1 {
		t.Errorf("%d instances run, not only the one about the manager", n)
	}
}

// BenchmarkTake1000 takes 1,000 devices of another manager.
func BenchmarkTake1000(b *testing.B) {
	const many = 1000
	for b.Loop() {
		s := newStandIn(b)
		b.ResetTimer()
		s.together(0, many, s.take)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/many, "us/device")
}
