package app

import (
	"sync"

	"grove/tree"
	"grove/tree/history/promql"
	"grove/tree/metric"
)

// metadata is what PromQL's clients are told of the metrics, kept while the structure
// of the tree stays.
type metadata struct {
	tree *tree.Tree

	mu        sync.Mutex // guards what follows
	structure uint64
	known     map[string][]promql.Metadata
}

// all returns what is known of each metric, by name.
func (m *metadata) all() map[string][]promql.Metadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.tree.Structure(); m.known == nil || now != m.structure {
		m.structure, m.known = now, map[string][]promql.Metadata{}
		for _, f := range metric.Describe(m.tree) {
			m.known[f.Name] = []promql.Metadata{{Type: string(f.Type), Help: f.Help, Unit: f.Unit}}
		}
	}
	return m.known
}
