package bind

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition"
)

// version is an instance as it is to run.
type version struct {
	name  string
	plan  *definition.Instance
	inst  *instance // that runs now; nil: it is new
	same  bool      // it goes on as it runs now
	fresh map[string]*runner
	loops []*loop

	problems map[string]string // of the rows that it takes over
}

// rank orders the claims to a path: what runs keeps what it has.
func (v *version) rank() int {
	switch {
	case v.same:
		return 0
	case v.inst != nil:
		return 1
	}
	return 2
}

// swap is one Apply on its way.
type swap struct {
	b        *Binder
	versions []*version // sorted by name
	leaving  []*instance
	locked   []*instance
	faults   map[string]error // by the instance that cannot be made
}

// Apply makes a plan run in place of the one that runs now; see the package comment.
// The error joins what is wrong with the instances that could not be made; all others
// run as the plan says. Instances that the plan lacks only because of an error in
// their files go on.
func (b *Binder) Apply(plan *definition.Plan) error {
	b.applying.Lock()
	defer b.applying.Unlock()
	if b.stopped {
		return ErrStopped
	}
	begun := b.opts.Now()
	s := &swap{b: b, faults: map[string]error{}}
	s.gather(plan)
	s.construct()
	s.lock()
	s.settle()
	retired, starting := s.install()
	s.unlock()

	for _, i := range s.leaving {
		i.unwatchAll()
	}
	b.retire(retired)
	for _, i := range s.leaving {
		i.unregister()
	}
	running := b.running()
	for _, i := range running {
		i.register()
	}
	for _, st := range starting {
		st()
	}
	for _, i := range running {
		i.watch()
	}
	texts := brokenTexts(plan)
	for name, err := range s.faults {
		texts[name] = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	b.blame(running, plan, texts)
	b.showAll(running, texts)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		errs = append(errs, s.faults[name])
	}
	b.note(begun, errors.Join(errs...), texts)
	return errors.Join(errs...)
}

// blame tells each running instance why the newest file is not what runs. What is
// said of an instance is not said of its file again.
func (b *Binder) blame(running []*instance, plan *definition.Plan, texts map[string]string) {
	asked := make(map[string]bool, len(plan.Instances))
	for _, p := range plan.Instances {
		asked[p.Name] = true
	}
	whole := map[string]string{} // by the file that is broken as a whole
	for _, broken := range plan.Broken {
		if broken.Name == "" && whole[broken.File] == "" {
			whole[broken.File] = faultText(broken.Err)
		}
	}
	var told []string
	for _, i := range running {
		i.mu.Lock()
		i.fault = texts[i.name]
		if text := whole[i.plan.File]; i.fault == "" && text != "" && !asked[i.name] {
			i.fault = text
			texts[i.name] = text
			told = append(told, i.plan.File)
		}
		i.mu.Unlock()
	}
	for _, file := range told {
		delete(texts, path.Base(file))
	}
}

// note keeps how the reload went.
func (b *Binder) note(begun time.Time, err error, texts map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &b.reload
	r.Time, r.Duration = begun, b.opts.Now().Sub(begun)
	r.OK, r.Error, r.Errors = err == nil && len(texts) == 0, "", len(texts)
	r.Reloads++
	if r.OK {
		r.Last = begun
		return
	}
	r.Failures++
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		r.Error = texts[name]
		break
	}
}

// gather lists what is to run: what the plan says, and what it lacks only because of
// an error.
func (s *swap) gather(plan *definition.Plan) {
	running := s.b.running()
	old := &definition.Plan{}
	byName := map[string]*instance{}
	for _, i := range running {
		old.Instances = append(old.Instances, i.plan) // only Apply changes it
		byName[i.name] = i
	}
	for _, p := range plan.Instances {
		v := &version{name: p.Name, plan: p, inst: byName[p.Name], fresh: map[string]*runner{}}
		v.same = v.inst != nil && v.inst.plan == p
		s.versions = append(s.versions, v)
	}
	for _, p := range plan.Keep(old) {
		s.versions = append(s.versions, &version{name: p.Name, plan: p, inst: byName[p.Name], same: true})
	}
	slices.SortFunc(s.versions, func(a, b *version) int { return strings.Compare(a.name, b.name) })
	for _, v := range s.versions {
		delete(byName, v.name)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		s.leaving = append(s.leaving, byName[name])
	}
}

// refuse lets an instance go on as it was, or not come to be, because of an error.
func (s *swap) refuse(v *version, err error) {
	for _, r := range v.fresh {
		r.life.Lock()
		r.close()
		r.life.Unlock()
	}
	v.fresh = nil
	s.faults[v.name] = fmt.Errorf("instance %s: %w", v.name, err)
	if v.inst != nil {
		v.plan, v.same, v.loops = v.inst.plan, true, nil
		return
	}
	s.versions = slices.DeleteFunc(s.versions, func(o *version) bool { return o == v })
}

// construct makes the probes that do not run already.
func (s *swap) construct() {
	for _, v := range slices.Clone(s.versions) {
		if v.same {
			continue
		}
		for k := range v.plan.Probes {
			p := &v.plan.Probes[k]
			if v.inst != nil {
				if r := v.inst.runner(p.Name); r != nil && r.plan.Kind == p.Kind && r.plan.Fingerprint == p.Fingerprint {
					continue
				}
			}
			r, err := s.b.construct(v.plan, p)
			if err != nil {
				s.refuse(v, fmt.Errorf("%s: probe %s: %w", p.Pos, p.Name, err))
				break
			}
			v.fresh[p.Name] = r
		}
	}
}

// lock holds up the readings of all instances that may change.
func (s *swap) lock() {
	s.locked = slices.Clone(s.leaving)
	for _, v := range s.versions {
		if v.inst != nil && !v.same {
			s.locked = append(s.locked, v.inst)
		}
	}
	slices.SortFunc(s.locked, func(a, b *instance) int { return strings.Compare(a.name, b.name) })
	for _, i := range s.locked {
		i.mu.Lock()
	}
}

func (s *swap) unlock() {
	for _, i := range slices.Backward(s.locked) {
		i.mu.Unlock()
	}
}

// settle changes the tree. Each instance that stands in the way is refused, until the
// rest can be.
func (s *swap) settle() {
	for _, v := range s.versions {
		if v.same {
			continue
		}
		if v.inst != nil {
			v.loops, v.problems = v.inst.reloop(v.plan)
		} else {
			for _, p := range v.plan.Loops {
				v.loops = append(v.loops, &loop{plan: p, rows: map[string]*row{}})
			}
		}
	}
	for {
		claims, loser, err := s.claim()
		if loser == nil {
			if loser, err = s.change(claims); loser == nil {
				return
			}
		}
		s.refuse(loser, err)
	}
}

// claim is the node that an instance wants at a path.
type claim struct {
	v    *version
	node *definition.Node
}

// each yields the nodes that the version wants, those of rows after the others.
func (v *version) each(yield func(n *definition.Node, r *row)) {
	for k := range v.plan.Nodes {
		yield(&v.plan.Nodes[k], nil)
	}
	loops := v.loops
	if v.same {
		loops = v.inst.loops
	}
	for _, l := range loops {
		for _, key := range slices.Sorted(maps.Keys(l.rows)) {
			r := l.rows[key]
			for k := range r.nodes {
				yield(&r.nodes[k], r)
			}
		}
	}
}

// claim finds out who wants which path; when two want the same, one loses.
func (s *swap) claim() (claims map[tree.Path]claim, loser *version, err error) {
	count := 0
	for _, v := range s.versions {
		count += len(v.plan.Nodes)
	}
	claims = make(map[tree.Path]claim, count)
	order := slices.Clone(s.versions)
	slices.SortStableFunc(order, func(a, b *version) int { return cmp.Compare(a.rank(), b.rank()) })
	for _, v := range order {
		if v.same { // its rows may change meanwhile, unless it was locked
			if !slices.Contains(s.locked, v.inst) {
				v.inst.mu.Lock()
			}
		}
		v.each(func(n *definition.Node, _ *row) {
			if loser != nil {
				return
			}
			if first, taken := claims[n.Path]; taken {
				loser = v
				err = fmt.Errorf("%s: node %s is there already: instance %s makes it at %s", n.Pos, n.Path, first.v.name, first.node.Pos)
				return
			}
			claims[n.Path] = claim{v, n}
		})
		if v.same && !slices.Contains(s.locked, v.inst) {
			v.inst.mu.Unlock()
		}
		if loser != nil {
			return nil, loser, err
		}
	}
	for _, v := range order {
		for up := v.plan.At.Parent(); !up.IsRoot(); up = up.Parent() {
			above, ok := claims[up]
			if !ok || above.node.Spec.Kind == tree.Group {
				continue
			}
			if above.v.rank() > v.rank() {
				return nil, above.v, fmt.Errorf("%s: node %s is a %s, but instance %s hangs below it", above.node.Pos, up, above.node.Spec.Kind, v.name)
			}
			return nil, v, fmt.Errorf("%s: %s cannot hang below %s, which is a %s of instance %s", v.plan.Pos, v.plan.At, up, above.node.Spec.Kind, above.v.name)
		}
	}
	return claims, nil, nil
}
