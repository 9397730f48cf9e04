package history

import (
	"context"
	"maps"
	"slices"
	"time"

	"grove/tree"
)

// seen is what a walk over the tree takes along of one node.
type seen struct {
	ref    tree.Ref
	path   tree.Path
	spec   *tree.Spec
	kind   tree.Kind
	status tree.Status
	counts [4]int32
	group  bool
}

// seenAtOnce is how many nodes are kept before producers have a turn.
const seenAtOnce = 4096

// walk looks at every node of the tree, group by group so that it stands still only
// for as long as one group takes. It writes the status of those that are new, or of all
// when full is set, and forgets those that are gone.
func (s *Store) walk(ctx context.Context, full bool) {
	t := s.tree.Load()
	if t == nil {
		return
	}
	s.mu.Lock()
	s.record.round++
	round := s.record.round
	s.mu.Unlock()
	groups := []tree.Path{tree.Root}
	var found []seen
	for len(groups) > 0 && ctx.Err() == nil {
		top := groups[len(groups)-1]
		groups = groups[:len(groups)-1]
		structure := t.Structure()
		s.mu.Lock()
		begin := s.given
		s.mu.Unlock()
		found = found[:0]
		_ = t.Walk(top, 1, func(n *tree.Node) bool {
			if n.Path == top && !top.IsRoot() {
				return true // It was seen with its parent.
			}
			found = append(found, seen{n.Ref, n.Path, n.Spec, n.Kind, n.Status, n.Counts, n.Kind == tree.Group && n.Path != top})
			return true
		})
		for i := range found {
			if found[i].group {
				groups = append(groups, found[i].path)
			}
		}
		for part := range slices.Chunk(found, seenAtOnce) {
			s.see(part, begin, structure, round, full)
		}
	}
	if ctx.Err() == nil {
		s.sweep(t, round)
	}
}

// see keeps what a walk saw of a group and its children, when begin samples had been
// given. What the tree told of a node since is newer.
func (s *Store) see(found []seen, begin, structure, round uint64, full bool) {
	now := millis(s.opts.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range found {
		f := &found[i]
		n := s.know(f.ref, f.path, f.spec, f.kind, structure)
		n.round = round
		if !full && n.lastStatus != 0 {
			continue
		}
		// Producers go first: what a walk writes is not urgent.
		for s.state == open && !s.stalled && s.held > s.opts.MaxBuffered/2 {
			s.wait()
		}
		if n.told <= begin {
			s.status(n, now, f.status)
		}
		if n.counts != nil {
			s.groupCounts(n, now, f.counts)
		}
	}
}

// groupCounts keeps how many attributes below a group have which status.
func (s *Store) groupCounts(n *node, at int64, counts [4]int32) {
	n.lastCounts = max(at, n.lastCounts+1, n.from)
	for k, status := range tree.Statuses {
		s.push(n.counts[k], n.lastCounts, float64(counts[status]))
	}
}

// sweep forgets the nodes that a walk did not see and that are gone.
func (s *Store) sweep(t *tree.Tree, round uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := millis(s.opts.Now())
	maps.DeleteFunc(s.record.ended, func(_ tree.Path, end int64) bool { return end < now })
	for i, n := range s.record.nodes {
		if n == nil || n.round >= round {
			continue
		}
		if _, err := t.NodeAt(n.ref); err != nil {
			s.forget(i)
		}
	}
}

// changedGroups writes the counts of the groups below which a status changed.
func (s *Store) changedGroups() {
	t := s.tree.Load()
	if t == nil {
		return
	}
	s.mu.Lock()
	groups := s.record.groups
	s.record.groups = map[tree.Path]struct{}{}
	s.mu.Unlock()
	for path := range groups {
		structure := t.Structure()
		info, err := t.Node(path)
		if err != nil || info.Kind != tree.Group {
			continue
		}
		now := millis(s.opts.Now())
		s.mu.Lock()
		n := s.know(info.Ref, info.Path, info.Spec, info.Kind, structure)
		s.groupCounts(n, now, info.Counts)
		s.mu.Unlock()
	}
}

// Look records which nodes there are now, and what is new of them, as Run does within a
// second: so a moment that is hardly over is whole. With all it records the status of each
// again, as Run does every few minutes.
func (s *Store) Look(ctx context.Context, all bool) error {
	if err := s.ready(); err != nil {
		return err
	}
	s.changedGroups()
	s.walk(ctx, all)
	return ctx.Err()
}

// watch walks over the tree when it changed and often enough that no status is ever
// older than PromQL looks back.
func (s *Store) watch(ctx context.Context) {
	const look = time.Second
	tick := time.NewTicker(look)
	defer tick.Stop()
	refresh := time.NewTicker(statusEvery)
	defer refresh.Stop()
	var walked uint64
	var notBefore time.Time // a walk over a large tree is not done every second
	for {
		full := false
		select {
		case <-ctx.Done():
			return
		case <-refresh.C:
			full = true
		case <-tick.C:
		}
		s.mu.Lock()
		now := millis(s.opts.Now())
		s.endFolds(func(f *folding) bool { return now >= f.start+f.every+look.Milliseconds() })
		s.mu.Unlock()
		s.changedGroups()
		t := s.tree.Load()
		if t == nil || !full && (t.Structure() == walked || time.Now().Before(notBefore)) {
			continue
		}
		walked = t.Structure()
		begin := time.Now()
		s.walk(ctx, full)
		notBefore = time.Now().Add(10 * time.Since(begin))
	}
}
