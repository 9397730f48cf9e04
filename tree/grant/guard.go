package grant

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"grove/tree"
)

// ErrDenied is wrapped by the errors of what somebody sees and may not do.
var ErrDenied = errors.New("not allowed")

// Guard answers for one tree. Its methods may be called from many goroutines.
type Guard struct {
	tree *tree.Tree
	now  *Guard // of the tree of today, when the tree is one of the past

	mu     sync.Mutex
	scopes map[string]*Scope // by Subject.Rights, all of the same structure
}

// maxScopes bounds the different sets of grants whose scopes are kept.
const maxScopes = 64

// NewGuard returns the guard of a tree.
func NewGuard(t *tree.Tree) *Guard { return &Guard{tree: t, scopes: map[string]*Scope{}} }

// May says whether somebody has at least a role on the node at a path. A path at which
// nothing is has the customer of what is above it.
func (g *Guard) May(s *Subject, r Role, p tree.Path) bool {
	if g.now != nil {
		return g.now.remembers(s, r, p)
	}
	var customers []string
	known := false
	for _, a := range s.Grants {
		if a.Role < r || !a.Path.Contains(p) {
			continue
		}
		if a.Customer == "" {
			return true
		}
		if !known {
			customers, known = g.customers(p), true
		}
		if Includes(customers, a.Customer) {
			return true
		}
	}
	return false
}

// customers says whose the node at a path is; there are none when it is nobody's.
func (g *Guard) customers(p tree.Path) []string {
	for ; ; p = p.Parent() {
		if ref, ok := g.tree.Lookup(p); ok {
			if spec := g.tree.Spec(ref); spec != nil {
				if text, says := spec.Properties[CustomerProperty]; says {
					return Customers(text)
				}
			}
		}
		if p.IsRoot() {
			return nil
		}
	}
}

// Sees says whether the node at a path is there for somebody, if it is there at all:
// because a grant is about it, or because it is on the way to such a node.
func (g *Guard) Sees(s *Subject, p tree.Path) bool {
	return g.May(s, Viewer, p) || g.Scope(s).Of(p) != Hidden
}

// Demand is May as an error. For what is hidden it is the error of a node that is not
// there, so that nobody learns from it; else it wraps ErrDenied.
func (g *Guard) Demand(s *Subject, r Role, p tree.Path) error {
	switch {
	case g.May(s, r, p):
		return nil
	case !g.Sees(s, p):
		return fmt.Errorf("%s: %w", p, tree.ErrNoNode)
	}
	return fmt.Errorf("%w: %s needs the role %s on %s", ErrDenied, s.Name, r, p)
}

// DemandWhole is Subject.Whole as an error.
func DemandWhole(s *Subject, r Role) error {
	if s.Whole(r) {
		return nil
	}
	return fmt.Errorf("%w: %s needs the role %s on /", ErrDenied, s.Name, r)
}

// Sight is how much of a node somebody sees.
type Sight uint8

// The sights.
const (
	Hidden Sight = iota // it is not there
	Way                 // its name and status: it is above something that is seen
	Seen                // everything
)

// Scope is what somebody sees of a tree with one structure. It is not changed once it
// is made; when Tree.Structure has moved on, an index may be another node's, so a new
// one is asked for.
type Scope struct {
	guard     *Guard
	subject   *Subject
	whole     bool
	structure uint64
	judged    uint64 // of the tree of today, when this one is of the past
	seen      indexes
	way       indexes // above something that is seen
	hidden    indexes // above an attribute that is not
}

// Scope returns what somebody sees at present. It is shared by all who have the same
// grants, and made anew, by a walk over the tree, when nodes came or went.
func (g *Guard) Scope(s *Subject) *Scope {
	if s.Whole(Viewer) {
		return &Scope{guard: g, subject: s, whole: true}
	}
	key := s.Rights()
	structure, judged := g.structures()
	g.mu.Lock()
	defer g.mu.Unlock()
	if o := g.scopes[key]; o != nil && o.structure == structure && o.judged == judged {
		return o
	}
	for k, o := range g.scopes {
		if o.structure != structure || o.judged != judged || len(g.scopes) >= maxScopes {
			delete(g.scopes, k)
		}
	}
	o := g.look(s)
	g.scopes[key] = o
	return o
}

// structures are the numbers of what a scope is about.
func (g *Guard) structures() (structure, judged uint64) {
	if g.now != nil {
		judged = g.now.tree.Structure()
	}
	return g.tree.Structure(), judged
}

// look walks over the tree. It begins with the number of the structure: when that moves
// on meanwhile, the scope is already an old one.
func (g *Guard) look(s *Subject) *Scope {
	o := &Scope{guard: g, subject: s}
	o.structure, o.judged = g.structures()
	type level struct {
		index     uint32
		customers []string
	}
	var above []level // from the root to the present node
	// The root is always there: it cannot be told from the root of an empty tree.
	_ = g.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		above = above[:n.Depth]
		at := level{index: n.Index}
		if n.Depth > 0 {
			at.customers = above[n.Depth-1].customers
		} else {
			o.way.set(n.Index)
		}
		spec, known := n.Spec, true
		if g.now != nil {
			spec, known = g.now.spec(n.Path)
		}
		at.customers = Owners(spec, at.customers)
		above = append(above, at)
		theirs := at.customers
		if !known {
			theirs = nil
		}
		marked := &o.hidden
		if slices.ContainsFunc(s.Grants, func(a Grant) bool { return a.Role >= Viewer && a.covers(n.Path, theirs) }) {
			o.seen.set(n.Index)
			marked = &o.way
		} else if n.Kind == tree.Group {
			return true // It contributes nothing by itself.
		}
		for i := n.Depth - 1; i >= 0 && !marked.has(above[i].index); i-- {
			marked.set(above[i].index)
		}
		return true
	})
	return o
}

// Whole says whether everything is seen; the other methods need not be asked then.
func (o *Scope) Whole() bool { return o.whole }

// Structure is the number of the tree's structure that the scope is about.
func (o *Scope) Structure() uint64 { return o.structure }

// At says how much is seen of the node with an index.
func (o *Scope) At(index uint32) Sight {
	switch {
	case o.whole || o.seen.has(index):
		return Seen
	case o.way.has(index):
		return Way
	}
	return Hidden
}

// Of is At for a path. Where nothing is, the grants decide. It holds for the tree as it
// is, also when that has moved on since the scope was made.
func (o *Scope) Of(p tree.Path) Sight {
	if o.whole {
		return Seen
	}
	for range maxRetries {
		ref, ok := o.guard.tree.Lookup(p)
		if !ok {
			break
		}
		// The index is the node's own in the structure of now.
		if o.guard.tree.Structure() == o.structure {
			return o.At(ref.Index())
		}
		o = o.guard.Scope(o.subject)
	}
	if o.guard.May(o.subject, Viewer, p) {
		return Seen
	}
	return Hidden
}

// maxRetries bounds how often Of makes a new scope because the tree moved on meanwhile.
const maxRetries = 3

// Partial says whether attributes below the group with an index are hidden: something
// contributes to its status and its counts that is not shown.
func (o *Scope) Partial(index uint32) bool { return !o.whole && o.hidden.has(index) }

// indexes is a set of them.
type indexes []uint64

func (b *indexes) set(i uint32) {
	for int(i>>6) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b indexes) has(i uint32) bool { return int(i>>6) < len(b) && b[i>>6]&(1<<(i&63)) != 0 }
