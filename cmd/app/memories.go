package app

import (
	"context"
	"encoding/base64"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/tree/store/drawer"
)

// The memories of probes.
const (
	memoryKind  = "probe memory"
	maxMemories = 100_000
	memoryPace  = time.Second
)

// memories keeps what probes remember, such as how far they have read a log, in the
// central database: all changes of a second in one transaction.
type memories struct {
	drawer *drawer.Drawer
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	known   map[string][]byte
	changed map[string]bool
	failed  bool // the last attempt to save failed, and was told
}

// openMemories reads what probes remember. What cannot be read is told; then they begin
// anew.
func openMemories(ctx context.Context, d *drawer.Drawer, log *slog.Logger) *memories {
	m := &memories{drawer: d, log: log, known: map[string][]byte{}, changed: map[string]bool{}}
	items, err := d.All(ctx)
	if err != nil {
		log.Warn("What probes remember could not be read: they begin anew.", "err", err)
		return m
	}
	for _, i := range items {
		if memory, err := base64.StdEncoding.DecodeString(i.Text); err == nil {
			m.known[i.Name] = memory
		}
	}
	return m
}

// Recall implements bind.Memories.
func (m *memories) Recall(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[name]
}

// Keep implements bind.Memories.
func (m *memories) Keep(name string, memory []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, old := m.known[name]; !old && len(m.known) >= maxMemories || len(name) > drawer.MaxNameBytes {
		return // it begins anew after a restart
	}
	m.known[name] = memory
	m.changed[name] = true
}

// run saves once a second until ctx ends.
func (m *memories) run(ctx context.Context) error {
	pace := time.NewTicker(memoryPace)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
			m.save(ctx)
		}
	}
}

// save writes what changed. What could not be written is written next time.
func (m *memories) save(ctx context.Context) {
	m.mu.Lock()
	names := slices.Collect(maps.Keys(m.changed))
	items := make([]drawer.Item, len(names))
	for k, name := range names {
		items[k] = drawer.Item{Name: name, Text: base64.StdEncoding.EncodeToString(m.known[name])}
	}
	clear(m.changed)
	m.mu.Unlock()
	err := m.drawer.Change(ctx, items, nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		for _, name := range names {
			m.changed[name] = true
		}
		if !m.failed && ctx.Err() == nil {
			m.log.Warn("What probes remember could not be saved; it is tried again.", "err", err)
		}
	}
	m.failed = err != nil
}
