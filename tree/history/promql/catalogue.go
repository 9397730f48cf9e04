package promql

import (
	"context"
	"sync"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

// Catalogue knows the metrics of a tree, from its definitions. Its methods may be
// called at once; the tree is looked through again when its structure has changed.
type Catalogue struct {
	tree  *tree.Tree
	guard *grant.Guard

	mu        sync.Mutex // guards the fields below
	structure uint64     // of the tree when known was made
	known     map[string][]Metadata
}

// NewCatalogue returns the catalogue of a tree, of which the guard says who sees what.
func NewCatalogue(t *tree.Tree, g *grant.Guard) *Catalogue { return &Catalogue{tree: t, guard: g} }

// Seen is All for whoever asks: what the nodes say of a metric that he sees.
func (c *Catalogue) Seen(ctx context.Context) map[string][]Metadata {
	s := grant.Of(ctx)
	if s.Whole(grant.Viewer) {
		return c.All()
	}
	return metadata(metric.Describe(func(yield func(*tree.Node) bool) error {
		return c.guard.Walk(s, tree.Root, -1, func(n *tree.Node, _ *grant.Scope, sight grant.Sight) bool {
			return sight != grant.Seen || yield(n)
		})
	}))
}

func metadata(all []metric.Family) map[string][]Metadata {
	known := map[string][]Metadata{}
	for _, f := range all {
		known[f.Name] = []Metadata{{Type: string(f.Type), Help: f.Help, Unit: f.Unit}}
	}
	return known
}

// All returns what is known, by the names of the metrics; it is not to be changed.
func (c *Catalogue) All() map[string][]Metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.tree.Structure()
	if c.known != nil && c.structure == now {
		return c.known
	}
	c.structure, c.known = now, metadata(metric.Describe(metric.Nodes(c.tree)))
	return c.known
}

// Of returns what is known of one metric, or false.
func (c *Catalogue) Of(name string) (Metadata, bool) {
	if m := c.All()[name]; len(m) > 0 {
		return m[0], true
	}
	return Metadata{}, false
}
