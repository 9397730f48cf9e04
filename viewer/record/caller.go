package record

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store/audit"
)

// Caller is where somebody asks from. It is part of the input of operations that change something.
type Caller struct{ remote string }

// Resolve implements huma.Resolver.
func (c *Caller) Resolve(ctx huma.Context) []error {
	c.remote = ctx.RemoteAddr()
	return nil
}

// Unhurried is a Caller whose answer may take as long as it takes.
type Unhurried struct{ Caller }

// Resolve implements huma.Resolver.
func (u *Unhurried) Resolve(ctx huma.Context) []error {
	if w, ok := ctx.BodyWriter().(http.ResponseWriter); ok {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // Without it the answer is late and no more.
	}
	return u.Caller.Resolve(ctx)
}

// recordWithin bounds the writing of what came of something into the audit log.
const recordWithin = 10 * time.Second

// act does something that is in the audit log before and after. What it returns becomes
// part of the record.
func (a *API) act(ctx context.Context, c Caller, e audit.Entry, do func() (became string, err error)) error {
	e.Who, e.Origin, e.Outcome = grant.Of(ctx).Name, c.remote, "begun"
	if _, err := a.Audit.Append(ctx, e); err != nil {
		return a.problem(fmt.Errorf("%s: not done, since it cannot be put into the audit log: %w", e.Action, err))
	}
	became, err := do()
	e.Became, e.Outcome = became, "ok"
	if err != nil {
		e.Outcome = err.Error()
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if _, err := a.Audit.Append(after, e); err != nil {
		a.Log.Error("what came of an act is not in the audit log", "action", e.Action, "target", e.Target, "outcome", e.Outcome, "error", err)
	}
	return a.problem(err)
}

// gate lets one in at a time.
type gate struct{ taken atomic.Bool }

// enter says whether the gate was free; leave frees it.
func (g *gate) enter() bool { return g.taken.CompareAndSwap(false, true) }
func (g *gate) leave()      { g.taken.Store(false) }
