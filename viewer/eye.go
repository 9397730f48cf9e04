package viewer

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
)

// eye is how one request looks at the tree: at which moment, and with whose rights.
type eye struct {
	tree  *tree.Tree
	guard *grant.Guard
	who   *grant.Subject
	at    time.Time // zero: now

	scope *grant.Scope // of the look that is under way
}

// open returns the eye of a request and how to close it. Text is RFC 3339, or empty for
// the present.
func (s *Server) open(ctx context.Context, text string) (*eye, func(), error) {
	e := &eye{tree: s.opts.Tree, guard: s.opts.Guard, who: grant.Of(ctx)}
	if text == "" {
		return e, func() {}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, nil, huma.NewError(http.StatusBadRequest, fmt.Sprintf("at: %.40q is no time such as 2026-03-01T12:00:00Z", text))
	}
	if s.opts.Past == nil {
		return nil, nil, huma.NewError(http.StatusNotImplemented, "at: this server does not show the tree of the past")
	}
	past, release, err := s.opts.Past(ctx, at)
	if err != nil {
		return nil, nil, Problem(err)
	}
	e.tree, e.guard, e.at = past, grant.NewGuard(past), at
	return e, release, nil
}

// missing is the error for a path at which nothing is seen.
func (e *eye) missing(path tree.Path) error {
	err := e.guard.Missing(e.who, path)
	if e.who.Whole(grant.Viewer) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// maxLooks bounds how often a look begins anew because nodes came or went.
const maxLooks = 8

// walk visits the nodes from a path down, each before those below it, with how much is
// seen of it. What is visited is of one piece: reset is called before each visit of the
// first node, which is another than the first time when nodes came or went in between.
func (e *eye) walk(path tree.Path, depth int, reset func(), visit func(*tree.Node, grant.Sight) bool) error {
	for range maxLooks {
		e.scope = e.guard.Scope(e.who)
		begun, moved := false, false
		err := e.tree.Walk(path, depth, func(n *tree.Node) bool {
			if !begun {
				begun = true
				reset()
				if moved = !e.scope.Whole() && e.scope.Structure() != e.tree.Structure(); moved {
					return false
				}
			}
			return visit(n, e.scope.At(n.Index))
		})
		if err != nil {
			return e.missing(path)
		}
		if !moved {
			return nil
		}
	}
	return huma.NewError(http.StatusServiceUnavailable, "nodes come and go too fast at the moment; try again")
}

// tally counts what is seen below groups while a walk goes on: the counts of the tree
// are about everything.
type tally struct {
	above  []uint32 // indexes of the nodes from the first of the walk to the present one
	groups map[uint32]*sums
}

type sums struct {
	counts   [4]int32
	children int
}

func (t *tally) reset() { t.above, t.groups = t.above[:0], map[uint32]*sums{} }

// add counts a node that lies so many levels below the first of the walk.
func (t *tally) add(n *tree.Node, level int, sight grant.Sight) {
	t.above = append(t.above[:level], n.Index)
	if sight == grant.Hidden {
		return
	}
	if n.Kind == tree.Group {
		t.groups[n.Index] = new(sums)
	}
	if level == 0 {
		return
	}
	t.groups[t.above[level-1]].children++
	if n.Kind == tree.Group || sight != grant.Seen {
		return
	}
	for _, i := range t.above[:level] {
		t.groups[i].counts[n.Status]++
	}
}

// node puts a node into words as it is seen. What is only on the way to something seen
// has name, kind and status.
func (e *eye) node(n *tree.Node, sight grant.Sight, t *tally) Node {
	var o Node
	if sight == grant.Seen {
		o = nodeOf(n)
	} else {
		o = Node{Path: n.Path.String(), Name: n.Name, Index: n.Index, Parent: n.Parent, Kind: n.Kind.String(), Status: n.Status.String()}
	}
	if n.Kind == tree.Group && !e.scope.Whole() {
		s := t.groups[n.Index]
		o.Counts, o.Children = countsOf(s.counts), s.children
		o.Hidden = e.scope.Partial(n.Index)
	}
	return o
}
