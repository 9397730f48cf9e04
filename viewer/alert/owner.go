package alert

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/alert"
	"grove/viewer"
)

// Owners are the managers whose trees hang in the one of this manager. They do what is asked
// of them for who asks in ctx, as far as they let him. Theirs says that the node is of another
// manager; if not, nothing was done.
type Owners interface {
	// Alerts tells the alerts at and below q.Under, with the paths that these have here and
	// the numbers that they have there.
	Alerts(ctx context.Context, q alert.Query) (page alert.Page, theirs bool, err error)
	// Change changes alerts at and below a node: "acknowledge". There is a result for each.
	Change(ctx context.Context, name string, at tree.Path, c *Change) (results []alert.Result, theirs bool, err error)
}

// listElsewhere asks the owner of a node for its alerts.
func (a *API) listElsewhere(ctx context.Context, q alert.Query) (alert.Page, error) {
	if a.Owners == nil {
		return alert.Page{}, ours(q.Under)
	}
	page, theirs, err := a.Owners.Alerts(ctx, q)
	if err == nil && !theirs {
		err = ours(q.Under)
	}
	return page, err
}

// changeElsewhere has the owner of a node change its alerts.
func (a *API) changeElsewhere(ctx context.Context, name string, body *Change) ([]alert.Result, error) {
	at, err := tree.ParsePath(body.At)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	if a.Owners == nil {
		return nil, ours(at)
	}
	results, theirs, err := a.Owners.Change(ctx, name, at, body)
	switch {
	case err != nil:
		return nil, a.problem(err)
	case !theirs:
		return nil, ours(at)
	}
	return results, nil
}

func ours(p tree.Path) error {
	return huma.NewError(http.StatusConflict, fmt.Sprintf("%s is of this manager, not of another one: leave at out", p))
}
