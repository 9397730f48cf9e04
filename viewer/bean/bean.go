package bean

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer"
)

// Options are the surroundings of the operations.
type Options struct {
	Beans *beans.Server // on which the nodes of Tree are mounted
	Tree  *tree.Tree
	Guard *grant.Guard
	// Place says where the instance is that another bean belongs to, such as the one of a
	// probe: who has a role there has it for the bean. Nil is nowhere.
	Place func(beans.Name) (tree.Path, bool)
	// Audit puts into the audit log that something begins; done puts there what came of
	// it. An error of Audit keeps it from being done.
	Audit func(ctx context.Context, action, target string, detail any) (done func(error), err error)
	// Bus begins a queue of what is emitted by the sources that the function wants; it
	// is called often. The status changes of nodes have a source of their own, Changes.
	Bus     func(wants func(source beans.Name) bool) (Queue, error)
	Changes beans.Name
	// Listeners bounds the streams of notifications that are open at once; 0 is
	// DefaultListeners.
	Listeners int
	Log       *slog.Logger // nil discards
}

// Bounds of what is asked and answered.
const (
	DefaultListeners = 500
	MaxPage          = 1000    // beans in one answer
	maxBody          = 1 << 20 // bytes of arguments or of a value
	readWithin       = 10 * time.Second
	invokeWithin     = time.Minute
)

// API holds the operations; Register adds them. Notifications is a handler of its own.
type API struct {
	opts  Options
	slots chan struct{} // one for each open stream
}

// New returns the operations.
func New(o Options) *API {
	if o.Listeners <= 0 {
		o.Listeners = DefaultListeners
	}
	if o.Place == nil {
		o.Place = func(beans.Name) (tree.Path, bool) { return tree.Path{}, false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{opts: o, slots: make(chan struct{}, o.Listeners)}
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	operation := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"beans"},
			Errors: append(errors, http.StatusForbidden, http.StatusUnprocessableEntity), MaxBodyBytes: maxBody,
		}
	}
	huma.Register(api, operation("get-bean-domains", http.MethodGet, "/api/v1/beans/domains", "Domains of beans",
		"The first part of the names of beans, and how many beans of each are there for who asks."), a.getDomains)
	huma.Register(api, operation("list-beans", http.MethodGet, "/api/v1/beans", "Beans by name",
		"Names that a pattern matches, a page at a time: registered beans by their canonical names, then those of nodes in the order of the tree.", http.StatusBadRequest), a.getBeans)
	huma.Register(api, operation("get-bean", http.MethodGet, "/api/v1/bean", "Everything about one bean",
		"Its attributes with their present values, its operations with their parameters, and what it emits.", http.StatusBadRequest, http.StatusNotFound), a.getBean)
	if a.opts.Audit == nil {
		return // What changes anything has to be there.
	}
	huma.Register(api, operation("set-bean-attribute", http.MethodPut, "/api/v1/bean/attribute", "Set an attribute",
		"The value is converted to the type of the attribute as far as nothing is lost.", http.StatusBadRequest, http.StatusNotFound, http.StatusConflict), a.putAttribute)
	huma.Register(api, operation("invoke-bean-operation", http.MethodPost, "/api/v1/bean/operation", "Run an operation",
		"Arguments are converted to the types of the parameters as far as nothing is lost. Of operations that share a name the one is taken that takes the arguments; a signature says which where several do.",
		http.StatusBadRequest, http.StatusNotFound, http.StatusConflict), a.postOperation)
}

// node returns the path of the node that a name is about, if it is about one.
func node(name beans.Name) (tree.Path, bool) {
	if kind, _ := name.Get("type"); kind != monitor.Type || name.Domain() != monitor.Domain {
		return tree.Path{}, false
	}
	text, ok := name.Text("path")
	if !ok {
		return tree.Path{}, false
	}
	p, err := tree.ParsePath(text)
	if err != nil {
		return tree.Path{}, false
	}
	// Another spelling of it is another bean, which nobody has.
	own, err := monitor.Name(p)
	return p, err == nil && own.Equal(name)
}

// place returns the path that a bean belongs to, if it belongs to one.
func (a *API) place(name beans.Name) (tree.Path, bool) {
	if p, ok := node(name); ok {
		return p, true
	}
	return a.opts.Place(name)
}

// demand says whether somebody has the role that a bean needs: one role at its place, or
// another one on / where it has none.
func (a *API) demand(s *grant.Subject, name beans.Name, there, whole grant.Role) error {
	if s.Whole(whole) {
		return nil
	}
	if p, ok := node(name); ok {
		return a.opts.Guard.Demand(s, there, p)
	}
	// One whose place is hidden is told like one that is not there.
	if p, ok := a.opts.Place(name); ok && a.opts.Guard.Sees(s, p) {
		return a.opts.Guard.Demand(s, there, p)
	}
	return grant.DemandWhole(s, whole)
}

// may is demand as an answer.
func (a *API) may(s *grant.Subject, name beans.Name, there, whole grant.Role) bool {
	return a.demand(s, name, there, whole) == nil
}

// Named is the part of inputs that names a bean.
type Named struct {
	Name string `query:"name" required:"true" minLength:"1" maxLength:"4096" doc:"Name of the bean." example:"grove:type=Timer"`
}

// bean reads the name, in its full form, and describes the bean to who may read it.
func (a *API) bean(ctx context.Context, in Named) (name beans.Name, info beans.Info, err error) {
	if name, err = beans.ParseName(in.Name); err != nil {
		return name, info, viewer.Problem(err)
	}
	if name, err = name.InDomain(a.opts.Beans.DefaultDomain()); err != nil {
		return name, info, viewer.Problem(err)
	}
	if name.IsPattern() {
		return name, info, viewer.Problem(&beans.NameError{Op: "find", Name: name.Canonical(), Err: beans.ErrPatternName})
	}
	if err := a.demand(grant.Of(ctx), name, grant.Viewer, grant.Viewer); err != nil {
		return name, info, viewer.Problem(err)
	}
	info, err = a.opts.Beans.Info(name)
	return name, info, viewer.Problem(err)
}

// clip bounds what is repeated of a request.
func clip(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
