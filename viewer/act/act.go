package act

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
)

// Options are the surroundings of the operations.
type Options struct {
	Tree  *tree.Tree
	Guard *grant.Guard
	// Details describes a node to who asks in ctx, for the answer; *viewer.Server has it.
	Details func(ctx context.Context, path tree.Path) (*viewer.Details, error)
	// Sources lists the runtime beans that feed a node.
	Sources func(tree.Ref) []viewer.NodeSource
	// Ask makes the runtime beans that feed a node run now, and returns at once.
	Ask func(tree.Ref) error
	// Audit puts into the audit log that something begins; done puts there what came of
	// it. An error of Audit keeps it from being done.
	Audit func(ctx context.Context, action, target string, detail any) (done func(error), err error)
	// PassOn has the owner of a node of another manager's tree do something: "ask", "tune" or
	// "untune", with arguments as JSON. Theirs says that there is such an owner; if not,
	// nothing was done. Nil: all nodes are this manager's own.
	PassOn func(ctx context.Context, path tree.Path, what string, arguments json.RawMessage) (theirs bool, err error)
	Log    *slog.Logger // nil discards
}

// maxBody bounds the body of a request in bytes.
const maxBody = 32 << 10

// API holds the operations; Register adds them.
type API struct{ opts Options }

// New returns the operations.
func New(o Options) *API {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{opts: o}
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	refusals := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "put-thresholds", Method: http.MethodPut, Path: "/api/v1/thresholds/{path}",
		Summary: "Tune the thresholds of a node", Tags: []string{"tree"}, MaxBodyBytes: maxBody, Errors: refusals,
		Description: "The settings are those of a definition, and they replace what was in force as a whole, at once. What a node of another manager gets is good here; with at=owner, over there. They last until they are undone, or the definition gives the node other thresholds. The path of the node is the rest of the address, slashes and all.",
	}, a.putThresholds)
	huma.Register(api, huma.Operation{
		OperationID: "delete-thresholds", Method: http.MethodDelete, Path: "/api/v1/thresholds/{path}",
		Summary: "Undo what was tuned", Tags: []string{"tree"}, DefaultStatus: http.StatusOK, Errors: refusals,
		Description: "The thresholds of the definition are in force again at once; the value stays.",
	}, a.deleteThresholds)
	huma.Register(api, huma.Operation{
		OperationID: "ask-node", Method: http.MethodPost, Path: "/api/v1/ask/{path}",
		Summary: "Ask for a reading now", Tags: []string{"tree"}, MaxBodyBytes: maxBody, Errors: refusals,
		Description: "Runs the runtime beans that feed the node, each at most once a second, and waits for them, but not longer than it is told. The answer has how their last runs went.",
	}, a.ask)
}

// Addressed is the part of inputs that names a node.
type Addressed struct {
	Path string `path:"path" maxLength:"1024" doc:"Path of the node." example:"shop/web1/Connections/Active"`
}

type output struct {
	CacheControl string `header:"Cache-Control"`
	Body         *viewer.Details
}

// attribute finds the node that an operation is about, for who has a role on it. A group
// has neither thresholds nor a source: what says why, after "a group".
func (a *API) attribute(ctx context.Context, in Addressed, role grant.Role, what string) (tree.Node, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return tree.Node{}, viewer.Problem(err)
	}
	who := grant.Of(ctx)
	if err := a.opts.Guard.Demand(who, role, path); err != nil {
		return tree.Node{}, viewer.Problem(err)
	}
	n, err := a.opts.Tree.Node(path)
	switch {
	case err != nil:
		return n, viewer.Problem(fmt.Errorf("%s: %w", path, a.opts.Guard.Missing(who, path)))
	case n.Kind == tree.Group:
		return n, huma.NewError(http.StatusConflict, fmt.Sprintf("%s is a group, which %s", path, what))
	}
	return n, nil
}

// Where is the part of inputs that says at whose thresholds something is done.
type Where struct {
	At string `query:"at" enum:"owner" doc:"Of a node of another manager: owner changes the thresholds over there, for everybody; absent: those by which it is judged here."`
}

// passOn has the owner of a node do something, if it is of another manager.
func (a *API) passOn(ctx context.Context, path tree.Path, what string, arguments any) (theirs bool, err error) {
	if a.opts.PassOn == nil {
		return false, nil
	}
	text, err := json.Marshal(arguments)
	if err != nil {
		return false, err
	}
	theirs, err = a.opts.PassOn(ctx, path, what, text)
	return theirs, viewer.Problem(err)
}

// atOwner is passOn for who wants it done at the owner, and nowhere else.
func (a *API) atOwner(ctx context.Context, path tree.Path, what string, arguments any) (*output, error) {
	theirs, err := a.passOn(ctx, path, what, arguments)
	switch {
	case err != nil:
		return nil, err
	case !theirs:
		return nil, huma.NewError(http.StatusConflict, fmt.Sprintf("%s is this manager's own; leave at=owner out", path))
	}
	return a.answer(ctx, path)
}

// answer describes the node as it is now.
func (a *API) answer(ctx context.Context, path tree.Path) (*output, error) {
	d, err := a.opts.Details(ctx, path)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	return &output{"no-store", d}, nil
}

// audited does something that is in the audit log.
func (a *API) audited(ctx context.Context, action string, path tree.Path, detail any, do func() error) error {
	done, err := a.opts.Audit(ctx, action, path.String(), detail)
	if err != nil {
		a.opts.Log.Error("something was not done, since it cannot be put into the audit log", "action", action, "target", path.String(), "error", err)
		return huma.NewError(http.StatusServiceUnavailable, "not done, since it cannot be put into the audit log; the log of the server says why")
	}
	err = do()
	done(err)
	return err
}
