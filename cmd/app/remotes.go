package app

import (
	"context"
	"encoding/json"

	"grove/beans"
	"grove/notify/peer/remote"
	"grove/tree"
)

// remoteOptions say what other managers may ask of this one, and do with it.
func (a *App) remoteOptions() remote.Options {
	return remote.Options{
		Beans: a.Beans, Tree: a.Tree, Guard: a.Guard, Audit: a.begin,
		Place: func(name beans.Name) (tree.Path, bool) { return a.place(name) },
		Details: func(ctx context.Context, at tree.Path) (json.RawMessage, error) {
			d, err := a.viewer.Details(ctx, at)
			if err != nil {
				return nil, err
			}
			return json.Marshal(d)
		},
	}
}
