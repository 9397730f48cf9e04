// Package whatif says what a tree would show if nodes had other statuses: which groups
// would change, by the rules that the live tree rolls up with. It changes nothing.
package whatif

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"grove/tree"
)

// Bounds of a question.
const (
	MaxSet        = 1000    // nodes that are said to have another status
	MaxAttributes = 250_000 // attributes that would change
	DefaultLimit  = 1000
	MaxLimit      = 10_000
)

// ErrQuestion is wrapped by every error about what is asked, beside tree.ErrNoNode and
// tree.ErrSuppose.
var ErrQuestion = errors.New("what if")

// Question says what is supposed.
type Question struct {
	// Set is the status that each node is supposed to have: an attribute, or all
	// attributes below a group. What is said of a node goes before what is said of a
	// group above it.
	Set map[tree.Path]tree.Status
	// Sees says which nodes whoever asks may see; nil is all. Others cannot be set by
	// name, and are not among Answer.Changes.
	Sees func(tree.Path) bool
	// Limit is how many changes the answer shows; DefaultLimit when zero.
	Limit int
}

// Change is a node that would take another status.
type Change struct {
	Path     tree.Path
	Kind     tree.Kind
	From, To tree.Status
	// Set says that this was supposed; else it follows.
	Set bool
}

// Answer is what would be.
type Answer struct {
	// Changes are those that are seen, the nearest to the root first.
	Changes []Change
	// Truncated says that there are more than were asked for.
	Truncated bool
	// Statuses are all changes, seen or not, as the tree would tell them: first the
	// attributes, then the groups that follow. They are for whoever says what else would
	// follow, and who then leaves out what is not seen.
	Statuses []tree.StatusChange
}

// Ask says what a tree would show. It asks the tree once, which stands still while the
// branches that are concerned are copied.
func Ask(t *tree.Tree, q Question) (Answer, error) {
	limit := cmp.Or(q.Limit, DefaultLimit)
	switch {
	case len(q.Set) == 0:
		return Answer{}, fmt.Errorf("%w: no node is given another status", ErrQuestion)
	case len(q.Set) > MaxSet:
		return Answer{}, fmt.Errorf("%w: %d nodes at most are given another status, not %d; name groups", ErrQuestion, MaxSet, len(q.Set))
	case limit < 0 || limit > MaxLimit:
		return Answer{}, fmt.Errorf("%w: 1 to %d changes at a time, not %d", ErrQuestion, MaxLimit, q.Limit)
	}
	set := make([]tree.Supposition, 0, len(q.Set))
	for p, status := range q.Set {
		set = append(set, tree.Supposition{Path: p, Status: status})
	}
	// One error is as good as another, but the same each time.
	slices.SortFunc(set, func(a, b tree.Supposition) int { return cmp.Compare(a.Path.String(), b.Path.String()) })
	for i := range set {
		if q.Sees != nil && !q.Sees(set[i].Path) {
			return Answer{}, fmt.Errorf("%s: %w", set[i].Path, tree.ErrNoNode)
		}
	}
	statuses, err := t.Suppose(set, MaxAttributes)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Statuses: statuses}
	depths := map[int][]Change{} // the few that can be shown, by depth
	seen, deepest := 0, 0
	for i := range statuses {
		c := &statuses[i]
		if q.Sees != nil && !q.Sees(c.Path) {
			continue
		}
		seen++
		depth := c.Path.Depth()
		deepest = max(deepest, depth)
		if len(depths[depth]) < limit {
			_, named := q.Set[c.Path]
			depths[depth] = append(depths[depth], Change{c.Path, c.Kind, c.From, c.To, named || c.Kind != tree.Group})
		}
	}
	for depth := range deepest + 1 {
		answer.Changes = append(answer.Changes, depths[depth]...)
	}
	answer.Changes = answer.Changes[:min(len(answer.Changes), limit)]
	answer.Truncated = seen > len(answer.Changes)
	return answer, nil
}
