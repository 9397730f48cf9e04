package allowance_test

import (
	"testing"
	"time"

	"grove/runtime/receive/allowance"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestTake(t *testing.T) {
	l := allowance.New[string](10, 20)
	for _, tt := range []struct {
		name   string
		source string
		n      int
		after  time.Duration // since the start
		wait   time.Duration
		ok     bool
	}{
		{"all at once", "a", 20, 0, 0, true},
		{"nothing is left", "a", 1, 0, 100 * time.Millisecond, false},
		{"another source has its own", "b", 20, 0, 0, true},
		{"refilled by the rate", "a", 5, 500 * time.Millisecond, 0, true},
		{"a request that is too large takes nothing", "a", 6, time.Second, 100 * time.Millisecond, false},
		{"so that a smaller one passes", "a", 5, time.Second, 0, true},
		{"a clock that went back gives nothing", "a", 1, 0, 100 * time.Millisecond, false},
	} {
		wait, ok := l.Take(tt.source, tt.n, start.Add(tt.after))
		if wait != tt.wait || ok != tt.ok {
			t.Errorf("%s: %v %v, want %v %v", tt.name, wait, ok, tt.wait, tt.ok)
		}
	}
	if _, ok := allowance.New[string](0, 0).Take("a", 1e9, start); !ok {
		t.Error("a rate of 0 does not allow everything")
	}
}

func TestSourcesAreBounded(t *testing.T) {
	l := allowance.New[int](1, 2)
	for k := range allowance.MaxSources {
		if _, ok := l.Take(k, 1, start); !ok {
			t.Fatal("refused")
		}
	}
	for k, want := range []bool{true, true, false} {
		if _, ok := l.Take(-1-k, 1, start); ok != want {
			t.Errorf("further source %d: %v, want %v: they share one allowance", k, ok, want)
		}
	}
	// A while later the first ones are forgotten, and a new source has its own again.
	if _, ok := l.Take(-9, 2, start.Add(2*time.Second)); !ok {
		t.Error("sources that were silent long enough still take up room")
	}
}
