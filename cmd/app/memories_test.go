package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/tree/store/drawer"
)

// TestMemoriesOutliveARestart: what a probe remembers is there when the database is
// opened again, and what could not be saved is saved the next time.
func TestMemoriesOutliveARestart(t *testing.T) {
	file, log := filepath.Join(t.TempDir(), "facts.db"), slog.New(slog.DiscardHandler)
	open := func() (*memories, *store.Store) {
		facts, err := store.Open(t.Context(), store.Options{Address: file, Manager: "m", Log: log})
		if err != nil {
			t.Fatal(err)
		}
		return openMemories(t.Context(), drawer.New(facts, memoryKind, maxMemories), log), facts
	}
	m, facts := open()
	if m.Recall("log/it/logfile") != nil {
		t.Error("something is remembered at first")
	}
	m.Keep("log/it/logfile", []byte{0, 255, 7})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	m.save(ended) // fails
	m.save(t.Context())
	if err := facts.Close(); err != nil {
		t.Fatal(err)
	}
	m, facts = open()
	defer facts.Close()
	if diff := cmp.Diff([]byte{0, 255, 7}, m.Recall("log/it/logfile")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
