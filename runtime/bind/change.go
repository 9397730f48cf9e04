package bind

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"grove/tree"
	"grove/tree/definition"
)

// present is a node that the tree has now for an instance that may change.
type present struct {
	path   tree.Path // where it is after the moves
	spec   *tree.Spec
	target *target
}

// move is an instance that hangs elsewhere from now on.
type move struct {
	inst     *instance
	from, to tree.Path
}

// change brings the tree to what is claimed, all or nothing. When the tree refuses it,
// loser is the instance that is to blame.
func (s *swap) change(claims map[tree.Path]claim) (loser *version, err error) {
	moves := s.move(claims)
	was := s.presents(moves)
	gone, come := s.ops(claims, was)
	if loser, err = s.foreign(claims, was); loser == nil {
		if err = s.b.opts.Tree.Change(append(gone, come...)...); err == nil {
			s.attach(was)
			return nil, nil
		}
		err = s.b.explain(err)
	}
	for _, m := range slices.Backward(moves) {
		// What was just moved can go back: its old place is free, and all readings wait.
		if back := s.b.opts.Tree.Change(tree.Move(m.to, m.from)); back != nil {
			s.b.opts.Logger.Error("An instance could not be moved back.", "instance", m.inst.name, "err", back)
		}
	}
	if loser != nil {
		return loser, err
	}
	var op *tree.OpError
	if errors.As(err, &op) {
		if c, ok := claims[op.Path]; ok && !c.v.same {
			return c.v, fmt.Errorf("%s: %w", c.node.Pos, err)
		}
	}
	for _, v := range slices.Backward(s.versions) { // nobody is known to be to blame: the newest first
		if !v.same {
			return v, err
		}
	}
	s.leaving = nil // nothing can be changed at all: what was to leave stays, too
	return nil, nil
}

// move hangs the instances that have another place at it with all their values, as far
// as that place is free and nothing of others hangs below them.
func (s *swap) move(claims map[tree.Path]claim) (moves []move) {
	for _, v := range s.versions {
		if v.same || v.inst == nil || v.inst.plan.At == v.plan.At {
			continue
		}
		from, to := v.inst.plan.At, v.plan.At
		if _, claimed := claims[from]; claimed || s.foreignBelow(from, v.name) {
			continue
		}
		if err := s.b.opts.Tree.Change(tree.Move(from, to)); err == nil {
			moves = append(moves, move{v.inst, from, to})
		}
	}
	return moves
}

// foreignBelow says whether something that another instance or a program made is at or
// below a path.
func (s *swap) foreignBelow(p tree.Path, name string) (foreign bool) {
	err := s.b.opts.Tree.Walk(p, -1, func(n *tree.Node) bool {
		foreign = n.Spec.Owner != name && (n.Kind != tree.Group || n.Spec.Owner != "")
		return !foreign
	})
	return foreign || err != nil
}

// presents lists what the instances that may change have now, by the path after the
// moves, parents before children.
func (s *swap) presents(moves []move) (was map[tree.Path]present) {
	was = map[tree.Path]present{}
	take := func(i *instance) {
		k := slices.IndexFunc(moves, func(m move) bool { return m.inst == i })
		i.each(func(n *definition.Node, t *target) {
			p := n.Path
			if k >= 0 {
				if below, ok := moves[k].from.Below(p); ok {
					if moved, err := moves[k].to.Join(below); err == nil {
						p = moved
					}
				}
			}
			was[p] = present{p, n.Spec, t}
		})
	}
	for _, v := range s.versions {
		if v.inst != nil && !v.same {
			take(v.inst)
		}
	}
	for _, i := range s.leaving {
		take(i)
	}
	return was
}

// ops lists the steps from what is there to what is claimed: first what goes, children
// before parents, then what comes.
func (s *swap) ops(claims map[tree.Path]claim, was map[tree.Path]present) (gone, come []tree.Op) {
	paths := slices.SortedFunc(maps.Keys(was), func(a, b tree.Path) int {
		return cmp.Or(b.Depth()-a.Depth(), strings.Compare(a.String(), b.String()))
	})
	var cut []tree.Path // groups that become attributes: all below them goes
	for _, p := range paths {
		c, stays := claims[p]
		if stays && c.node.Spec.Kind != was[p].spec.Kind && was[p].spec.Kind == tree.Group {
			cut = append(cut, p)
		}
	}
	for _, p := range paths {
		o := was[p]
		c, stays := claims[p]
		switch {
		case slices.ContainsFunc(cut, func(up tree.Path) bool { return up != p && up.Contains(p) }):
		case slices.Contains(cut, p):
			gone = append(gone, tree.Remove(p))
		case !stays || c.node.Spec.Kind != o.spec.Kind:
			gone = append(gone, tree.Release(p))
		}
	}
	for _, v := range s.versions {
		if v.same {
			continue
		}
		v.each(func(n *definition.Node, _ *row) {
			o, there := was[n.Path]
			switch {
			case !there || o.spec.Kind != n.Spec.Kind:
				come = append(come, tree.Add(n.Path, n.Spec))
			case !o.spec.Equal(n.Spec):
				come = append(come, tree.Update(n.Path, n.Spec))
			}
		})
	}
	return gone, come
}

// foreign finds a group that is to become an attribute though others hang below it.
func (s *swap) foreign(claims map[tree.Path]claim, was map[tree.Path]present) (loser *version, err error) {
	for _, v := range s.versions {
		if v.same {
			continue
		}
		v.each(func(n *definition.Node, _ *row) {
			o, there := was[n.Path]
			if loser != nil || !there || o.spec.Kind != tree.Group || n.Spec.Kind == tree.Group {
				return
			}
			_ = s.b.opts.Tree.Walk(n.Path, -1, func(below *tree.Node) bool {
				_, ours := was[below.Path]
				if !ours && below.Kind != tree.Group {
					loser = v
					err = fmt.Errorf("%s: node %s cannot become a %s: %s, which another made, hangs below it", n.Pos, n.Path, n.Spec.Kind, below.Path)
				}
				return loser == nil
			})
		})
	}
	return loser, err
}

// attach gives every version the targets of its nodes: those that were there, where
// node and source are the same.
func (s *swap) attach(was map[tree.Path]present) {
	for _, v := range s.versions {
		if v.same {
			continue
		}
		if v.inst == nil {
			v.inst = &instance{b: s.b, name: v.name}
			v.inst.mu.Lock()
			s.locked = append(s.locked, v.inst)
		}
		i := v.inst
		if i.plan != nil {
			i.each(func(_ *definition.Node, t *target) {
				if t != nil {
					i.forgetAsk(t)
				}
			})
		}
		// From here on the instance is what the version says.
		targets := make([]*target, len(v.plan.Nodes))
		for k := range v.plan.Nodes {
			targets[k] = s.targetFor(&v.plan.Nodes[k], was)
		}
		for _, l := range v.loops {
			for _, r := range l.rows {
				r.targets = make([]*target, len(r.nodes))
				for k := range r.nodes {
					r.targets[k] = s.targetFor(&r.nodes[k], was)
				}
			}
		}
		i.plan, i.targets, i.loops, i.problems = v.plan, targets, v.loops, v.problems
	}
	for _, i := range s.leaving {
		i.each(func(_ *definition.Node, t *target) {
			if t != nil {
				i.forgetAsk(t)
			}
		})
	}
}

func (s *swap) targetFor(n *definition.Node, was map[tree.Path]present) *target {
	if n.Source == nil {
		return nil
	}
	ref, ok := s.b.opts.Tree.Lookup(n.Path)
	if !ok {
		return nil
	}
	o := was[n.Path]
	if t := o.target; t != nil && t.ref == ref && t.kind == n.Spec.Kind && t.source.Equal(n.Source) {
		t.source, t.slots = n.Source, nil
		return t
	}
	t := newTarget(ref, n)
	if o.spec != nil && o.spec.Kind == n.Spec.Kind {
		if node, err := s.b.opts.Tree.NodeAt(ref); err == nil {
			t.had = !node.Time.IsZero()
		}
	}
	return t
}

// install makes the probes of the new versions those that run. It returns what is to
// be retired and how to start what is new, both for after the locks.
func (s *swap) install() (retired []*runner, starting []func()) {
	b := s.b
	b.mu.Lock()
	for _, i := range s.leaving {
		delete(b.instances, i.name)
	}
	for _, v := range s.versions {
		b.instances[v.name] = v.inst
	}
	b.mu.Unlock()
	for _, i := range s.leaving {
		for _, r := range i.runners {
			r.gone = true
			retired = append(retired, r)
		}
	}
	for _, v := range s.versions {
		if v.same {
			continue
		}
		i := v.inst
		next := make([]*runner, 0, len(v.plan.Probes))
		for k := range v.plan.Probes {
			name := v.plan.Probes[k].Name
			r := v.fresh[name]
			if r != nil {
				r.inst = i
			} else {
				r = i.runner(name)
			}
			next = append(next, r)
		}
		slices.SortFunc(next, func(a, b *runner) int { return strings.Compare(a.plan.Name, b.plan.Name) })
		for _, r := range i.runners {
			if !slices.Contains(next, r) {
				r.gone = true
				retired = append(retired, r)
			}
		}
		before := map[*runner]routes{}
		for _, r := range next {
			before[r] = r.routes
			r.routes = routes{}
		}
		i.runners = next
		i.each(func(_ *definition.Node, t *target) {
			if t != nil {
				i.link(t, func(r *runner) routes { return before[r] })
			}
		})
		for _, r := range next {
			every, watches := r.fit()
			begin := r.adjust
			if v.fresh[r.plan.Name] == r {
				begin = r.begin
			}
			starting = append(starting, func() {
				err := begin(every, watches)
				i.mu.Lock()
				defer i.mu.Unlock()
				where := "probe " + r.plan.Name
				if err == nil {
					i.setProblem(where, "")
					return
				}
				i.setProblem(where, fmt.Sprintf("%s: %v", where, err))
			})
		}
	}
	return retired, starting
}
