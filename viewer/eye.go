package viewer

import (
	"context"
	"errors"
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
	e.tree, e.guard, e.at = past, s.opts.Guard.Past(past), at
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

// walk visits the nodes from a path down that are seen, with how much is seen of each.
func (e *eye) walk(path tree.Path, depth int, visit func(*tree.Node, grant.Sight) bool) error {
	err := e.guard.Walk(e.who, path, depth, func(n *tree.Node, scope *grant.Scope, sight grant.Sight) bool {
		e.scope = scope
		return visit(n, sight)
	})
	if errors.Is(err, tree.ErrNoNode) {
		return e.missing(path)
	}
	return err
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

// add counts a node that lies so many levels below the first of the walk.
func (t *tally) add(n *tree.Node, level int, sight grant.Sight) {
	t.above = append(t.above[:level], n.Index)
	if t.groups == nil {
		t.groups = map[uint32]*sums{}
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
