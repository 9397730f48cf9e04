package promql

import (
	"sync"

	"grove/tree"
	"grove/tree/metric"
)

// Catalogue knows the metrics of a tree, from its definitions. Its methods may be
// called at once; the tree is looked through again when its structure has changed.
type Catalogue struct {
	tree *tree.Tree

	mu        sync.Mutex // guards the fields below
	structure uint64     // of the tree when known was made
	known     map[string][]Metadata
}

// NewCatalogue returns the catalogue of a tree.
func NewCatalogue(t *tree.Tree) *Catalogue { return &Catalogue{tree: t} }

// All returns what is known, by the names of the metrics; it is not to be changed.
func (c *Catalogue) All() map[string][]Metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.tree.Structure()
	if c.known != nil && c.structure == now {
		return c.known
	}
	c.structure, c.known = now, map[string][]Metadata{}
	for _, f := range metric.Describe(c.tree) {
		c.known[f.Name] = []Metadata{{Type: string(f.Type), Help: f.Help, Unit: f.Unit}}
	}
	return c.known
}

// Of returns what is known of one metric, or false.
func (c *Catalogue) Of(name string) (Metadata, bool) {
	if m := c.All()[name]; len(m) > 0 {
		return m[0], true
	}
	return Metadata{}, false
}
