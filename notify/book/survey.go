package book

import (
	"time"

	"grove/notify/subject"
	"grove/tree"
)

// plan is what a look at the whole tree found of how its alerts hang together. It is not
// changed.
type plan struct {
	wholes   map[tree.Ref]struct{}  // groups that alert as a whole
	depended map[tree.Path]struct{} // what others need
	vital    map[tree.Path]tree.Path
}

// Bounds of a look at the whole tree.
const (
	// surveyShare is how much longer than a look took the next waits, when the structure
	// of the tree changes all the time.
	surveyShare = 20
	// surveyDepth is down to where the tree is looked at in one go, and from where on one
	// subtree after the other, so that it does not stand still for long.
	surveyDepth = 3
)

// survey looks at the whole tree, and has every node looked at that may need an alert or
// that has one.
func (b *Book) survey(after uint64) {
	began := b.o.Now()
	p := &plan{wholes: map[tree.Ref]struct{}{}, depended: map[tree.Path]struct{}{}, vital: map[tree.Path]tree.Path{}}
	var found, deeper []tree.Path
	look := func(n *tree.Node) bool {
		if b.interesting(n, p) {
			found = append(found, n.Path)
		}
		if a := n.Spec.Alerting; a != nil && len(a.Expect) > 0 {
			for _, name := range a.Expect {
				if child, err := n.Path.Child(name); err == nil {
					found = append(found, child)
				}
			}
		}
		return true
	}
	// The root is always there, and what goes meanwhile is of no interest.
	_ = b.o.Tree.Walk(tree.Root, surveyDepth, func(n *tree.Node) bool {
		if n.Depth == surveyDepth && n.Kind == tree.Group {
			deeper = append(deeper, n.Path)
			return true
		}
		return look(n)
	})
	for _, top := range deeper {
		_ = b.o.Tree.Walk(top, -1, look)
	}
	b.plan.Store(p)
	for s := range b.entries {
		found = append(found, s.path)
	}
	for path := range b.missing {
		found = append(found, path)
	}
	due := b.time.Add(b.waits.Load().settle).UnixNano()
	for _, path := range found {
		b.settling = append(b.settling, settling{path, due, after})
	}
	b.surveyed = b.time
	b.took = b.o.Now().Sub(began)
	b.anew = true
	b.counted.Surveys++
}

// interesting says whether a node has to be looked at, and notes what it says in the plan.
func (b *Book) interesting(n *tree.Node, p *plan) bool {
	a := n.Spec.Alerting
	whole := subject.IsWhole(n.Spec)
	if whole {
		p.wholes[n.Ref] = struct{}{}
	}
	if a != nil {
		for _, d := range a.DependsOn {
			p.depended[d] = struct{}{}
		}
		if a.Vital > 0 {
			p.vital[n.Path] = failing(n.Path, a.Vital)
		}
	}
	switch {
	case n.Kind == tree.Group:
		return whole && n.Status > tree.Green || a != nil && a.AtLeast > 0
	case n.Kind == tree.TextKind:
		return false
	}
	return n.Status > tree.Green || n.Status == tree.White && n.Last != tree.White
}

// maySurvey says whether the tree may be looked at again.
func (b *Book) maySurvey() bool { return !b.time.Before(b.nextSurvey()) }

func (b *Book) nextSurvey() time.Time {
	return b.surveyed.Add(max(b.waits.Load().settle, surveyShare*b.took))
}
