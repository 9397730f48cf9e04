package act

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
)

const (
	// askAgain is how often it is looked whether the runs have ended.
	askAgain = 20 * time.Millisecond
	// justRun is how fresh a run is that need not be repeated: nothing is run more than
	// once a second because somebody asks.
	justRun = time.Second
)

func (a *API) ask(ctx context.Context, in *struct {
	Addressed
	Wait float64 `query:"wait" default:"5" minimum:"0" maximum:"30" doc:"How long to wait for the runs, in seconds. Those that need longer go on."`
}) (*output, error) {
	n, err := a.attribute(ctx, in.Addressed, grant.Operator, nothingFeeds)
	if err != nil {
		return nil, err
	}
	theirs, err := a.passOn(ctx, n.Path, "ask", Wait{in.Wait})
	if err == nil && !theirs {
		err = a.run(ctx, &n, in.Wait)
	}
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, n.Path)
}

// nothingFeeds is why a group cannot be asked.
const nothingFeeds = "nothing feeds; ask for one of the attributes below it"

// Wait are the arguments of asking.
type Wait struct {
	Wait float64 `json:"wait"` // seconds
}

// Ask is POST /api/v1/ask/{path} for who asks in ctx by another manager.
func (a *API) Ask(ctx context.Context, path tree.Path, w Wait) error {
	n, err := a.attribute(ctx, Addressed{path.String()}, grant.Operator, nothingFeeds)
	if err != nil {
		return err
	}
	return a.run(ctx, &n, min(max(w.Wait, 0), 30))
}

// run has what feeds a node run now, and waits so many seconds for it.
func (a *API) run(ctx context.Context, n *tree.Node, wait float64) error {
	before := slices.DeleteFunc(a.opts.Sources(n.Ref), func(s viewer.NodeSource) bool { return s.Mode == tree.Push.String() })
	switch {
	case len(before) == 0:
		return huma.NewError(http.StatusConflict, n.Path.String()+" cannot be asked: no probe feeds it, its readings are sent to it")
	case !slices.ContainsFunc(before, func(s viewer.NodeSource) bool { return s.Started }):
		return huma.NewError(http.StatusConflict, fmt.Sprintf("%s cannot be asked: %s was stopped; start it first", n.Path, before[0].Source))
	}
	began := time.Now()
	if err := a.opts.Ask(n.Ref); err != nil {
		return huma.NewError(http.StatusConflict, fmt.Sprintf("%s cannot be asked: %v", n.Path, err))
	}
	a.wait(ctx, n.Ref, before, began, time.Duration(wait*float64(time.Second)))
	return nil
}

// wait returns when all runtime beans that were started have run, or are gone, or the
// time is up.
func (a *API) wait(ctx context.Context, ref tree.Ref, before []viewer.NodeSource, began time.Time, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		now := a.opts.Sources(ref)
		if !slices.ContainsFunc(before, func(b viewer.NodeSource) bool {
			k := slices.IndexFunc(now, func(s viewer.NodeSource) bool { return s.Bean == b.Bean })
			return k >= 0 && now[k].Started && !ran(b, now[k], began)
		}) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// ran says whether a runtime bean has run since it was asked, or just before.
func ran(before, now viewer.NodeSource, began time.Time) bool {
	if now.Runs != before.Runs {
		return true
	}
	last, err := time.Parse(time.RFC3339, now.LastRun)
	return err == nil && began.Sub(last) < justRun
}
