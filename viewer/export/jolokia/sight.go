package jolokia

import (
	"context"
	"errors"
	"slices"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
)

// sight is the bean server as whoever asks sees it: the beans of the nodes that he sees,
// and every other bean if he sees the whole manager. What is hidden is not there.
type sight struct {
	*Server
	subject *grant.Subject
	whole   bool // sees everything
}

func (s *Server) sightOf(ctx context.Context) sight {
	subject := grant.Of(ctx)
	return sight{s, subject, subject.Whole(grant.Viewer)}
}

// nodeOf returns the path of the node that a bean is of, if it is of one.
func nodeOf(name beans.Name) (tree.Path, bool) {
	if kind, _ := name.Get("type"); name.Domain() != monitor.Domain || kind != monitor.Type {
		return tree.Root, false
	}
	text, ok := name.Text("path")
	if !ok {
		return tree.Root, false
	}
	p, err := tree.ParsePath(text)
	return p, err == nil
}

// sees says whether a bean is there for whoever asks, if it is there at all. That in which
// notifications wait is there for everyone: what is taken needs the secret of a client.
func (g sight) sees(name beans.Name) bool {
	if g.whole {
		return true
	}
	name, err := name.InDomain(g.opts.Beans.DefaultDomain())
	if err != nil {
		return false
	}
	if p, ok := nodeOf(name); ok {
		return g.opts.Guard.May(g.subject, grant.Viewer, p)
	}
	return name.Equal(g.store)
}

// absent is the error of the bean server for a bean that is not there.
func (g sight) absent(op string, name beans.Name) error {
	if full, err := name.InDomain(g.opts.Beans.DefaultDomain()); err == nil {
		name = full
	}
	return &beans.NameError{Op: op, Name: name.Canonical(), Err: beans.ErrNotFound}
}

// tellsOfBelow are the attributes of a group that tell of all that is below it.
var tellsOfBelow = []string{"Children", "Counts"}

// leavesOut says whether a bean has an attribute only for those who see all that is below
// its node.
func (g sight) leavesOut(name beans.Name, attribute string) bool {
	return !g.whole && slices.Contains(tellsOfBelow, attribute) && g.partial(name)
}

// partial says whether something below the node of a bean is hidden from whoever asks.
func (g sight) partial(name beans.Name) bool {
	if g.whole {
		return false
	}
	name, err := name.InDomain(g.opts.Beans.DefaultDomain())
	if err != nil {
		return true
	}
	p, ok := nodeOf(name)
	if !ok {
		return false
	}
	partial := true
	err = g.opts.Guard.Walk(g.subject, p, 0, func(n *tree.Node, scope *grant.Scope, _ grant.Sight) bool {
		partial = scope.Partial(n.Index)
		return false
	})
	return err != nil || partial
}

// info is beans.Server.Info.
func (g sight) info(name beans.Name) (beans.Info, error) {
	if !g.sees(name) {
		return beans.Info{}, g.absent("describe", name)
	}
	info, err := g.opts.Beans.Info(name)
	if err == nil && g.partial(name) {
		info.Attributes = slices.DeleteFunc(slices.Clone(info.Attributes), func(a beans.AttributeInfo) bool { return slices.Contains(tellsOfBelow, a.Name) })
	}
	return info, err
}

// attributeOf is beans.Server.Attribute.
func (g sight) attributeOf(ctx context.Context, name beans.Name, attribute string) (beans.Value, error) {
	if !g.sees(name) {
		return nil, g.absent("get", name)
	}
	if g.leavesOut(name, attribute) {
		return nil, beans.NoAttribute(attribute)
	}
	return g.opts.Beans.Attribute(ctx, name, attribute)
}

// query is beans.Server.Query.
func (g sight) query(ctx context.Context, pattern beans.Name) ([]beans.Name, error) {
	names, err := g.opts.Beans.Query(ctx, pattern, nil)
	if err != nil || g.whole {
		return names, err
	}
	return slices.DeleteFunc(names, func(n beans.Name) bool { return !g.sees(n) }), nil
}

// mayWrite says why whoever asks may not set attributes of a bean: editors of a node may,
// and of other beans admins of the whole manager.
func (g sight) mayWrite(name beans.Name) error { return g.demand(name, grant.Editor) }

// mayRun says why whoever asks may not run an operation of a bean: operators of a node
// may, editors may forget its thresholds with all else, and of other beans admins may.
func (g sight) mayRun(name beans.Name, operation string) error {
	if g.isPull(name, operation) {
		return nil
	}
	if _, ok := nodeOf(name); !ok || operation != "reset" {
		return g.demand(name, grant.Operator)
	}
	if err := g.demand(name, grant.Editor); err != nil {
		return err
	}
	if g.partial(name) {
		return &DeniedError{"Operation reset forbidden for MBean " + name.Canonical() + ": it would change what is hidden below the node, too"}
	}
	return nil
}

func (g sight) demand(name beans.Name, there grant.Role) error {
	if !g.sees(name) {
		return g.absent("find", name)
	}
	err := grant.DemandWhole(g.subject, grant.Admin)
	if p, ok := nodeOf(name); ok {
		err = g.opts.Guard.Demand(g.subject, there, p)
	}
	if errors.Is(err, grant.ErrDenied) {
		return &DeniedError{err.Error()}
	}
	return err
}

// result is what whoever asks sees of the result of an operation: the causes of a group's
// colour are paths of nodes below it.
func (g sight) result(name beans.Name, operation string, result beans.Value) beans.Value {
	paths, ok := result.([]string)
	if _, node := nodeOf(name); g.whole || !ok || !node || operation != "causes" {
		return result
	}
	return slices.DeleteFunc(slices.Clone(paths), func(text string) bool {
		p, err := tree.ParsePath(text)
		return err != nil || !g.opts.Guard.May(g.subject, grant.Viewer, p)
	})
}
