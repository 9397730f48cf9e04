package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"grove/tree"
	"grove/tree/alert"
	view "grove/viewer/alert"
)

// chosen are the arguments that name alerts.
type chosen struct {
	Alerts []string `arg:"" name:"id-or-path" help:"Numbers of alerts; or paths: all alerts of the node and below it, also of a node of another manager."`
}

// ackCommand acknowledges alerts.
type ackCommand struct {
	remote
	chosen
	Comment string `short:"m" help:"For whoever reads it." placeholder:"TEXT"`
	Sticky  bool   `help:"Until the alert is over; else until it gets worse."`
	For     days   `help:"For so long at most: 2h." placeholder:"TIME"`
}

// Run implements the command.
func (c *ackCommand) Run(ctx context.Context, p *Process, all *commands) error {
	body := view.Change{Comment: c.Comment, Sticky: c.Sticky}
	if c.For > 0 {
		until := p.now().Add(time.Duration(c.For)).Truncate(time.Second)
		body.Until = &until
	}
	d := drawing{color: all.colored(p.Stdout)}
	return c.change(ctx, p.Stdout, d, &c.remote, "acknowledge", "acknowledged", alert.Open, &body)
}

// unackCommand takes acknowledgements back.
type unackCommand struct {
	remote
	chosen
	Comment string `short:"m" help:"For whoever reads it." placeholder:"TEXT"`
}

// Run implements the command.
func (c *unackCommand) Run(ctx context.Context, p *Process, all *commands) error {
	d := drawing{color: all.colored(p.Stdout)}
	return c.change(ctx, p.Stdout, d, &c.remote, "unacknowledge", "open again", alert.Acknowledged, &view.Change{Comment: c.Comment})
}

// maxTold bounds the lines about single alerts.
const maxTold = 50

// change finds the alerts and changes them; a path stands for those in a state.
func (c *chosen) change(ctx context.Context, w io.Writer, d drawing, r *remote, action, done string, state alert.State, body *view.Change) error {
	var here []alert.Alert
	there := map[string][]alert.Alert{} // by the path of a node of another manager
	for _, arg := range c.Alerts {
		if id, err := alert.ParseID(arg); err == nil {
			here = append(here, alert.Alert{ID: id})
			continue
		}
		path, err := tree.ParsePath(arg)
		if err != nil {
			return exit(Usage, "%w", err)
		}
		found, theirs, err := r.alertsBelow(ctx, path, state)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return exit(Wrong, "no alert at %s, or below it, is %s", path, state)
		case theirs:
			there[path.String()] = found
		default:
			here = append(here, found...)
		}
	}
	t := &tally{drawing: d, to: w, done: done}
	if err := t.change(ctx, r, action, here, body); err != nil {
		return err
	}
	for _, at := range slices.Sorted(maps.Keys(there)) {
		body.At = at
		if err := t.change(ctx, r, action, there[at], body); err != nil {
			return err
		}
	}
	if t.told > maxTold {
		fmt.Fprintf(w, "… %d altogether, %d %s\n", t.told, t.told-t.failed, done)
	}
	if t.failed > 0 {
		return exit(Wrong, "not done for %d of %d", t.failed, t.told)
	}
	return nil
}

// tally prints and counts what came of changes.
type tally struct {
	drawing
	to           io.Writer
	done         string
	told, failed int
}

// change changes alerts of one manager.
func (t *tally) change(ctx context.Context, r *remote, action string, list []alert.Alert, body *view.Change) error {
	for part := range slices.Chunk(list, view.MaxIDs) {
		body.IDs = nil
		for i := range part {
			body.IDs = append(body.IDs, part[i].ID.String())
		}
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		answer, err := r.do(ctx, http.MethodPost, alertsPath+"/"+action, text)
		if err != nil {
			return err
		}
		var results view.ChangeResults
		if err := json.Unmarshal(answer, &results); err != nil || len(results.Results) != len(part) {
			return exit(NoReply, "the answer of %s does not say what came of each alert", r.Server)
		}
		for i := range part {
			why := results.Results[i].Error
			if why != "" {
				t.failed++
			}
			if t.told++; t.told <= maxTold || why != "" {
				t.changed(t.to, &part[i], t.done, why)
			}
		}
	}
	return nil
}

// changed prints what came of a change of one alert.
func (d drawing) changed(w io.Writer, a *alert.Alert, done, why string) {
	text := "alert " + a.ID.String()
	if a.Path != tree.Root {
		m := marks[a.Status.String()]
		text = d.paint(m.shape, m.color) + " " + cell(a.Message)
	}
	if why != "" {
		done = "not done: " + why
	}
	fmt.Fprintf(w, "%s: %s\n", text, cell(done))
}

// alertsBelow returns the alerts in a state at and below a path. Theirs says that they are of
// another manager, and have its numbers.
func (r *remote) alertsBelow(ctx context.Context, path tree.Path, state alert.State) (list []alert.Alert, theirs bool, err error) {
	after := ""
	for {
		query := []string{"state", string(state), "limit", strconv.Itoa(view.MaxIDs)}
		if !path.IsRoot() {
			query = append(query, "under", path.String())
		}
		if after != "" {
			query = append(query, "after", after)
		}
		var body []byte
		if body, theirs, err = r.alertsOf(ctx, false, query); err != nil {
			return nil, theirs, err
		}
		var page alert.Page
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, theirs, exit(NoReply, "the answer of %s has no alerts: %w", r.Server, err)
		}
		list = append(list, page.Alerts...)
		if after = page.Next; after == "" || len(page.Alerts) == 0 {
			return list, theirs, nil
		}
	}
}
