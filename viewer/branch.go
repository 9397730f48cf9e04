package viewer

import (
	"context"
	"slices"
	"strings"

	"grove/tree"
	"grove/tree/grant"
)

type treeInput struct {
	Path   string   `query:"path" default:"/" maxLength:"1024" doc:"Where to begin." example:"/shop/web1"`
	Depth  int      `query:"depth" default:"32" minimum:"0" maximum:"32" doc:"How many levels below it; all when absent."`
	Status []string `query:"status" enum:"white,green,yellow,red" maxItems:"4" doc:"Only nodes with one of these statuses, and the groups above them."`
	Text   string   `query:"text" maxLength:"256" doc:"Only nodes with this in name or description, in any case, and the groups above them."`
	Limit  int      `query:"limit" default:"10000" minimum:"1" maximum:"100000" doc:"At most so many nodes."`
	At     string   `query:"at" maxLength:"40" doc:"The tree as it stood then, RFC 3339; the present when absent." example:"2026-03-01T12:00:00Z"`
}

// Tree is the answer of GET /api/v1/tree.
type Tree struct {
	Seq       uint64  `json:"seq" doc:"Number of the last flush, as in the live feed."`
	At        string  `json:"at,omitempty" format:"date-time" doc:"The moment that this is about, if it is not the present."`
	Count     int     `json:"count" doc:"How many nodes the answer has."`
	Truncated bool    `json:"truncated,omitempty" doc:"More nodes would belong here: the limit was reached."`
	Root      *Branch `json:"root" doc:"The node at the path."`
}

type treeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Tree
}

func (s *Server) getTree(ctx context.Context, in *treeInput) (*treeOutput, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, Problem(err)
	}
	b := brancher{text: strings.ToLower(in.Text), depth: in.Depth, limit: in.Limit}
	for _, name := range in.Status {
		st, err := tree.ParseStatus(name)
		if err != nil {
			return nil, Problem(err)
		}
		b.statuses = append(b.statuses, st)
	}
	var release func()
	if b.eye, release, err = s.open(ctx, in.At); err != nil {
		return nil, err
	}
	defer release()
	depth := in.Depth
	if b.whole = b.eye.who.Whole(grant.Viewer); !b.whole {
		depth = -1 // What is seen below is counted.
	}
	if b.eye.at.IsZero() && b.eye.guard.Sees(b.eye.who, path) {
		b.eye.tree.Look(path)
	}
	seq := b.eye.tree.Seq()
	if err := b.eye.walk(path, depth, b.add); err != nil {
		return nil, Problem(err)
	}
	return &treeOutput{"no-store", Tree{
		Seq: seq, At: FormatTime(b.eye.at), Count: b.count, Truncated: b.truncated, Root: b.branch(b.stack[0].twig),
	}}, nil
}

// brancher nests the nodes of a walk, which come parents first. Groups above a match
// are taken when the match comes. The tree stands still during a walk, so nodes are
// only copied then and put into words afterwards.
type brancher struct {
	eye      *eye
	whole    bool // nothing is hidden
	statuses []tree.Status
	text     string
	depth    int // levels below the first node
	limit    int

	top       int     // depth of the first node
	stack     []level // the path to the present node
	tally     tally
	count     int
	truncated bool
}

type level struct {
	node  tree.Node
	sight grant.Sight
	twig  *twig // nil while the node is not taken
}

type twig struct {
	node  tree.Node
	sight grant.Sight
	below []*twig
}

func (b *brancher) add(n *tree.Node, sight grant.Sight) bool {
	if len(b.stack) == 0 {
		b.top = n.Depth
	}
	down := n.Depth - b.top
	if !b.whole {
		b.tally.add(n, down, sight)
	}
	if down == 0 {
		b.count = 1
		b.stack = append(b.stack, level{twig: &twig{node: *n, sight: sight}})
		return true
	}
	if down > b.depth {
		return true // It only counts.
	}
	b.stack = append(b.stack[:down], level{node: *n, sight: sight})
	if b.truncated || !b.matches(n, sight) {
		return true
	}
	for i := 1; i < len(b.stack); i++ {
		l := &b.stack[i]
		if l.twig != nil {
			continue
		}
		if b.count >= b.limit {
			b.truncated = true
			return !b.whole
		}
		b.count++
		l.twig = &twig{node: l.node, sight: l.sight}
		up := b.stack[i-1].twig
		up.below = append(up.below, l.twig)
	}
	return true
}

// branch puts a twig into words.
func (b *brancher) branch(t *twig) *Branch {
	o := &Branch{Node: b.eye.node(&t.node, t.sight, &b.tally)}
	for _, w := range t.below {
		o.Nodes = append(o.Nodes, b.branch(w))
	}
	return o
}

func (b *brancher) matches(n *tree.Node, sight grant.Sight) bool {
	if len(b.statuses) > 0 && !slices.Contains(b.statuses, n.Status) {
		return false
	}
	return b.text == "" || strings.Contains(strings.ToLower(n.Name), b.text) ||
		sight == grant.Seen && n.Spec != nil && strings.Contains(strings.ToLower(n.Spec.Description), b.text)
}
