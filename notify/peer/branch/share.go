package branch

import "context"

// share is the part that others have in the tree of this manager.
type share struct{ b *Branches }

func newShare(b *Branches) *share { return &share{b} }

func (s *share) run(ctx context.Context) { <-ctx.Done() }

func (s *share) stats() Stats { return Stats{} }
