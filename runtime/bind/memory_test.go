package bind

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestProbesRemember: what a probe says after a run is what its successor is given, by
// the names of instance and probe.
func TestProbesRemember(t *testing.T) {
	inWorld(t, func(w *world) {
		file := func(rev string) string {
			return "grove: 1\napplication: log\nat: /log\nprobes:\n  it: { kind: actor, id: a, every: 10s, rev: " + rev + " }\ntree:\n  Value: { from: it.value }\n"
		}
		w.value("a", "value", 1)
		w.apply("log.yaml", file("1"))
		w.pass(25 * time.Second)
		kept := w.notes.text("log/it/actor")
		if kept == "" || kept == "0" {
			t.Fatalf("after some runs %q is remembered", kept)
		}
		w.apply("log.yaml", file("2")) // another probe of the same name
		w.pass(time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if diff := cmp.Diff([]string{"", kept}, w.recalled); diff != "" {
			t.Errorf("what the probes were given, -want +got:\n%s", diff)
		}
	})
}
