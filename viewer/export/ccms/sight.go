package ccms

import (
	"context"
	"slices"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
)

// sees says whether there is a node at a path of which somebody sees anything.
func (e *Exporter) sees(s *grant.Subject, p tree.Path) bool {
	_, there := e.opts.Tree.Lookup(p)
	return there && e.opts.Guard.Scope(s).There(p) != grant.Hidden
}

// remembers says whether the alerts of an attribute are seen, which may be gone.
func (e *Exporter) remembers(ctx context.Context) func(tree.Path) bool {
	s := grant.Of(ctx)
	if s.Whole(grant.Viewer) {
		return nil
	}
	return func(p tree.Path) bool { return e.opts.Guard.Remembers(s, p) }
}

// mayAcknowledge says why whoever asks may not acknowledge alerts of an attribute: its
// operators may. To those who do not see it there are none.
func (e *Exporter) mayAcknowledge(ctx context.Context) func(tree.Path) error {
	s := grant.Of(ctx)
	return func(p tree.Path) error {
		if !e.opts.Guard.Remembers(s, p) {
			return alert.ErrGone
		}
		return e.opts.Guard.Demand(s, grant.Operator, p)
	}
}

// operates says why somebody may not acknowledge any alert.
func operates(s *grant.Subject) error {
	if slices.ContainsFunc(s.Grants, func(g grant.Grant) bool { return g.Role >= grant.Operator }) {
		return nil
	}
	return grant.DemandWhole(s, grant.Operator)
}
