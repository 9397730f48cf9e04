package history

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// keeping is what Run does besides watching the tree.
type keeping struct {
	cutoff atomic.Int64 // what ends before it goes, since the limit of bytes is reached
	busy   sync.Mutex   // held by what changes blocks
}

func (k *keeping) init() {}

// obsolete says which blocks go: those that are older than keep, and those that the
// limit of bytes takes.
func (s *Store) obsolete(keep time.Duration) func(mint, maxt int64) bool {
	return func(_, maxt int64) bool {
		return maxt <= millis(s.opts.Now())-keep.Milliseconds() || maxt <= s.keeping.cutoff.Load()
	}
}

// Run watches the tree and keeps the samples in order until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	s.watch(ctx)
	return nil
}
