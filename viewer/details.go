package viewer

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
)

type nodeInput struct {
	Path string `path:"path" maxLength:"1024" doc:"Path of the node." example:"shop/web1/Connections/Active"`
	At   string `query:"at" maxLength:"40" doc:"The node as it was then, RFC 3339; the present when absent." example:"2026-03-01T12:00:00Z"`
	From string `query:"from" enum:"owner" doc:"Of a node of another manager: owner asks that one now; absent: what it told last."`
}

type nodeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         *Details
}

func (s *Server) getNode(ctx context.Context, in *nodeInput) (*nodeOutput, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, Problem(err)
	}
	if in.From != "" && s.opts.FromOwner != nil {
		if in.At != "" {
			return nil, huma.NewError(http.StatusBadRequest, "the owner of a node is asked about the present: leave at out")
		}
		if d, own, err := s.opts.FromOwner(ctx, path); err != nil || !own {
			return &nodeOutput{"no-store", d}, Problem(err)
		}
	}
	e, release, err := s.open(ctx, in.At)
	if err != nil {
		return nil, err
	}
	defer release()
	if e.at.IsZero() {
		s.look(ctx, e, path)
	}
	d, err := s.details(e, path)
	if err != nil {
		return nil, Problem(err)
	}
	return &nodeOutput{"no-store", d}, nil
}

// Details returns everything about the present state of a node that who asks in ctx
// may see.
func (s *Server) Details(ctx context.Context, path tree.Path) (*Details, error) {
	return s.details(&eye{tree: s.opts.Tree, guard: s.opts.Guard, who: grant.Of(ctx)}, path)
}

// answerWithin is how long the answer about a node in request mode waits for the
// reading that looking at it asked for.
const answerWithin = time.Second

// look says that somebody looks at a node. One in request mode is waited for.
func (s *Server) look(ctx context.Context, e *eye, path tree.Path) {
	before, err := e.tree.Node(path)
	if err != nil || !e.guard.May(e.who, grant.Viewer, path) {
		return // There is nothing to see.
	}
	e.tree.Look(path)
	if before.Spec.Mode != tree.Request || before.Kind == tree.Group || time.Since(before.Time) < answerWithin {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	again := time.NewTicker(answerWithin / 50)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			if n, err := e.tree.Node(path); err != nil || !n.Time.Equal(before.Time) || n.Reason != before.Reason {
				return
			}
		}
	}
}

// details puts a node into words as the eye sees it.
func (s *Server) details(e *eye, path tree.Path) (*Details, error) {
	var n tree.Node
	var sight grant.Sight
	var t tally
	depth := 0
	if !e.who.Whole(grant.Viewer) {
		depth = -1 // What is seen below is counted.
	}
	err := e.walk(path, depth, func(node *tree.Node, seen grant.Sight) bool {
		if len(t.above) == 0 {
			n, sight = *node, seen
		}
		t.add(node, node.Depth-n.Depth, seen)
		return n.Kind == tree.Group
	})
	if err != nil {
		return nil, err
	}
	d := &Details{Node: e.node(&n, sight, &t), At: FormatTime(e.at)}
	causes, err := e.tree.Cause(path)
	if err != nil {
		return nil, err
	}
	for _, p := range causes {
		if e.guard.May(e.who, grant.Viewer, p) {
			d.Cause = append(d.Cause, p.String())
		}
	}
	if sight != grant.Seen {
		return d, nil
	}
	events, err := e.tree.Events(path)
	if err != nil {
		return nil, err
	}
	d.fill(&n, events)
	d.Properties = e.properties(&n)
	if e.at.IsZero() {
		s.addBeans(e, &n, d)
	}
	return d, nil
}

// properties lists the facts about a node: its own, and those that the groups above it
// say of everything below them. Of a group that is only on the way nothing is told.
func (e *eye) properties(n *tree.Node) []NodeProperty {
	found := map[string]NodeProperty{}
	for p := n.Path; ; p = p.Parent() {
		if ref, ok := e.tree.Lookup(p); ok && e.guard.May(e.who, grant.Viewer, p) {
			if spec := e.tree.Spec(ref); spec != nil {
				for name, value := range spec.Properties {
					if _, nearer := found[name]; nearer {
						continue
					}
					one := NodeProperty{Name: name, Value: value}
					if p != n.Path {
						one.From = p.String()
					}
					found[name] = one
				}
			}
		}
		if p.IsRoot() {
			break
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b NodeProperty) int { return strings.Compare(a.Name, b.Name) })
}

// pushed is the mode of a runtime bean that readings are sent to: it cannot be asked.
var pushed = tree.Push.String()

// addBeans tells of the beans behind a node, and what who asks may do with them.
func (s *Server) addBeans(e *eye, n *tree.Node, d *Details) {
	operator := e.guard.May(e.who, grant.Operator, n.Path)
	if s.opts.Beans != nil {
		d.Beans = s.opts.Beans.Sources(n.Ref)
		var resources []string
		for _, b := range d.Beans {
			if b.Resource != "" && !slices.Contains(resources, b.Resource) {
				resources = append(resources, b.Resource)
			}
		}
		d.Resource = strings.Join(resources, ", ")
		for _, o := range s.opts.Beans.Operations(n.Ref) {
			if operator && e.guard.May(e.who, o.Needs, o.At) {
				d.Operations = append(d.Operations, o)
			}
		}
	}
	if operator && slices.ContainsFunc(d.Beans, func(b NodeSource) bool { return b.Started && b.Mode != pushed }) {
		d.May = append(d.May, "ask")
	}
	sent := len(d.Beans) == 0 || slices.ContainsFunc(d.Beans, func(b NodeSource) bool { return b.Mode == pushed })
	if operator && n.Kind != tree.Group && sent {
		d.May = append(d.May, "push")
	}
	if len(d.Operations) > 0 {
		d.May = append(d.May, "operate")
	}
	if n.Kind != tree.Group && e.guard.May(e.who, grant.Editor, n.Path) {
		d.May = append(d.May, "thresholds")
	}
}
