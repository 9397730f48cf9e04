// Package subject says what an alert takes from the tree: what holds at a node, by itself
// and by what is above it, and how its trouble reads.
package subject

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/grant"
)

// Subject is what holds at a node. It is shared by nodes that are alike, and not changed.
type Subject struct {
	// Rule is AlertEach, AlertWhole or AlertNever: the nearest that is said at the node and
	// above. A group alerts only if it says AlertWhole itself, see Alerts.
	Rule tree.AlertRule
	// Yellow and Red are the severities of those statuses.
	Yellow, Red tree.Severity
	// Silence is zero where nothing is said.
	Silence                          time.Duration
	EventType, ProbableCause, Repair string
	// DependsOn is what the node and those above it need, the nearest first.
	DependsOn  []tree.Path
	Properties map[string]string
	Customers  []string
	Instance   string

	whole  tree.Path // the group above that alerts as a whole for the node
	within bool      // there is one
	inner  tree.Path // the same for what is below the node
	inside bool
}

// defaults holds above the root.
var defaults = Subject{Rule: tree.AlertEach, Yellow: tree.Warning, Red: tree.Major}

// Whole is the group above that alerts as a whole for the node.
func (s *Subject) Whole() (group tree.Path, ok bool) { return s.whole, s.within }

// Severity is how grave a status of the node is.
func (s *Subject) Severity(status tree.Status) tree.Severity {
	switch status {
	case tree.Yellow:
		return s.Yellow
	case tree.Red:
		return s.Red
	}
	return tree.Cleared
}

// Alerts says whether the status of a node of this spec is worth alerts.
func (s *Subject) Alerts(spec *tree.Spec) bool {
	switch spec.Kind {
	case tree.Group:
		return IsWhole(spec)
	case tree.TextKind:
		return false
	}
	return s.Rule != tree.AlertNever
}

// IsWhole says whether a spec is that of a group which alerts as a whole.
func IsWhole(spec *tree.Spec) bool {
	return spec.Kind == tree.Group && spec.Alerting != nil && spec.Alerting.Rule == tree.AlertWhole
}

// below is what holds at a node below one where s holds. The spec is nil where no node is.
func (s *Subject) below(p tree.Path, spec *tree.Spec) *Subject {
	moved := s.whole != s.inner || s.within != s.inside
	if !moved && (spec == nil || spec.Alerting == nil && len(spec.Properties) == 0 && (spec.Owner == "" || spec.Owner == s.Instance)) {
		return s
	}
	n := *s
	n.whole, n.within = s.inner, s.inside
	if spec == nil {
		return &n
	}
	n.Instance = cmp.Or(spec.Owner, s.Instance)
	n.Customers = grant.Owners(spec, s.Customers)
	if len(spec.Properties) > 0 {
		n.Properties = make(map[string]string, len(s.Properties)+len(spec.Properties))
		maps.Copy(n.Properties, s.Properties)
		maps.Copy(n.Properties, spec.Properties)
	}
	a := spec.Alerting
	if a == nil {
		return &n
	}
	n.Yellow, n.Red, n.Silence = cmp.Or(a.Yellow, s.Yellow), cmp.Or(a.Red, s.Red), cmp.Or(a.Silence, s.Silence)
	n.EventType, n.ProbableCause, n.Repair = cmp.Or(a.EventType, s.EventType), cmp.Or(a.ProbableCause, s.ProbableCause), cmp.Or(a.Repair, s.Repair)
	if len(a.DependsOn) > 0 {
		n.DependsOn = slices.Concat(a.DependsOn, s.DependsOn)
	}
	n.Rule = cmp.Or(a.Rule, s.Rule)
	switch a.Rule {
	case tree.AlertWhole:
		n.inner, n.inside = p, true
	case tree.AlertEach: // It wants to be told for itself, whatever is above.
		n.whole, n.within, n.inner, n.inside = tree.Root, false, tree.Root, false
	}
	return &n
}

// Register remembers what holds at groups while the structure of the tree stays the same.
// It is for one goroutine at a time, and implements cause.World.
type Register struct {
	tree      *tree.Tree
	structure uint64
	groups    map[tree.Path]*Subject
}

// NewRegister makes the register of a tree.
func NewRegister(t *tree.Tree) *Register {
	return &Register{tree: t, groups: map[tree.Path]*Subject{}}
}

// Of is what holds at a node of a spec; nil is no node, or none any more.
func (r *Register) Of(p tree.Path, spec *tree.Spec) *Subject {
	if now := r.tree.Structure(); now != r.structure {
		clear(r.groups)
		r.structure = now
	}
	if p.IsRoot() {
		return r.group(p)
	}
	return r.group(p.Parent()).below(p, spec)
}

// At is Of with the spec of the node that is at a path, if there is one.
func (r *Register) At(p tree.Path) *Subject { return r.Of(p, r.spec(p)) }

func (r *Register) spec(p tree.Path) *tree.Spec {
	if ref, ok := r.tree.Lookup(p); ok {
		return r.tree.Spec(ref)
	}
	return nil
}

func (r *Register) group(p tree.Path) *Subject {
	if s := r.groups[p]; s != nil {
		return s
	}
	up := &defaults
	if !p.IsRoot() {
		up = r.group(p.Parent())
	}
	s := up.below(p, r.spec(p))
	r.groups[p] = s
	return s
}

// DependsOn implements cause.World.
func (r *Register) DependsOn(p tree.Path) []tree.Path { return r.At(p).DependsOn }

// Whole implements cause.World.
func (r *Register) Whole(p tree.Path) (group tree.Path, ok bool) { return r.At(p).Whole() }
