package app

import (
	"context"

	"grove/runtime/discover"
	"grove/tree/definition"
	"grove/tree/store/drawer"
)

// What discoveries found is kept in the central database, so that a restart while a name
// server is down keeps the instances.
const (
	foundKind = "discovered row"
	maxFound  = 200_000
)

// foundRows is a drawer as discoveries see it.
type foundRows struct{ *drawer.Drawer }

// All implements discover.Saved.
func (f foundRows) All(ctx context.Context) ([]discover.Item, error) {
	items, err := f.Drawer.All(ctx)
	out := make([]discover.Item, len(items))
	for i := range items {
		out[i] = discover.Item(items[i])
	}
	return out, err
}

// Change implements discover.Saved.
func (f foundRows) Change(ctx context.Context, put []discover.Item, take []string) error {
	items := make([]drawer.Item, len(put))
	for i := range put {
		items[i] = drawer.Item(put[i])
	}
	return f.Drawer.Change(ctx, items, take)
}

// openDiscoveries makes what keeps the rows of discoveries. It is run from Start, and
// loads the definitions again whenever rows came, changed or went.
func (a *App) openDiscoveries(ctx context.Context) {
	a.discoveries = discover.New(ctx, discover.Options{
		Saved: foundRows{drawer.New(a.past.facts, foundKind, maxFound)}, Changed: a.Reload, Log: a.log,
	})
}

// forgetDiscoveries forgets the rows of discoveries that neither the files ask for nor run
// on because of an error in them.
func (a *App) forgetDiscoveries(plan *definition.Plan) {
	runs := map[string]bool{}
	for _, d := range plan.Discoveries {
		runs[d.Name] = true
	}
	for _, i := range a.binder.Running() {
		if i.Discovery != "" {
			runs[i.Discovery] = true
		}
	}
	a.discoveries.Forget(func(name string) bool { return runs[name] })
}
