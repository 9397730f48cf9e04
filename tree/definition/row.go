package definition

import (
	"sync"

	"grove/tree"
	"grove/tree/definition/expression"
	"grove/tree/definition/variable"
)

// rowGrower grows the nodes of the rows of one loop. It is safe for concurrent use.
type rowGrower struct {
	shape *shape
	place place
	row   *rowInfo
	base  *expansion

	mu         sync.Mutex // guards what follows
	built      map[builtKey]*built
	conditions map[conditionKey]*expression.Program
}

func (g *rowGrower) expand(row map[string]tree.Value) ([]Node, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.built) > maxCached || g.built == nil {
		g.built = map[builtKey]*built{}
		g.conditions = map[conditionKey]*expression.Program{}
	}
	x := &expansion{
		def: g.base.def, owner: g.base.owner, scope: g.base.scope, limit: MaxNodes,
		probes: g.base.probes, probeNames: g.base.probeNames, probeList: g.base.probeList,
		built: g.built, conditions: g.conditions,
	}
	p := g.place
	p.rowKey = row[g.row.key].String()
	value := variable.OfRow(row)
	if fields, ok := value.Any.(map[string]variable.Value); ok {
		for _, c := range g.row.table.Columns { // a cell that this row lacks is empty
			if _, ok := fields[c.Name]; !ok {
				fields[c.Name] = variable.Value{}
			}
		}
	}
	p.scope = p.scope.With("row", value)
	x.one(g.shape, p)
	if err := x.errs.Err(); err != nil {
		return nil, err
	}
	return x.nodes, nil
}

// Equal says whether two loops of instances at two places grow the same of the same
// rows.
func (l *Loop) Equal(o *Loop, at, otherAt tree.Path) bool {
	a, _ := at.Below(l.Parent)
	b, _ := otherAt.Below(o.Parent)
	return l.Probe == o.Probe && l.Table == o.Table && l.Key == o.Key && a == b && l.made == o.made
}
