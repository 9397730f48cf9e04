package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"grove/tree/definition"
	"grove/tree/definition/source"
	"grove/viewer"
)

// Reload loads the definitions again and applies what is good: instances whose files
// are wrong now go on as they were. It is called by the watch of the directory, and
// may be called at any time.
func (a *App) Reload() {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	plan, errs := a.loader.Dir(a.config.Definitions)
	if _, err := os.Stat(a.config.Definitions); errors.Is(err, fs.ErrNotExist) {
		// It was there when the manager started. Files that were taken away one by one
		// take their nodes along; a file system that is not mounted does not.
		gone := source.Errorf(source.Pos{File: a.config.Definitions}, "the directory is gone: what it asked for goes on as it was")
		errs.Append(gone)
		plan.Broken = append(plan.Broken, definition.Broken{File: a.config.Definitions, Err: source.Errors{gone}})
	}
	for _, e := range errs.Sorted() {
		a.log.Error("definition", "at", e.Pos.String(), "error", message(e))
	}
	a.peers.devices.Sort(plan)
	a.discoveries.Expect(plan.Discoveries)
	a.apply(plan)
	a.forgetDiscoveries(plan)
	a.peers.member.Duty.Reload()
	stats := a.binder.Stats()
	outcome := []any{"instances", stats.Instances, "kept", stats.Kept, "errors", len(errs), "nodes", a.Tree.Len()}
	level := slog.LevelInfo
	if slices.Equal(outcome, a.outcome) {
		level = slog.LevelDebug // the watch looks once more when it begins
	}
	a.outcome = outcome
	a.log.Log(context.Background(), level, "definitions are loaded", outcome...)
}

// apply makes a plan run. The lock is held.
func (a *App) apply(plan *definition.Plan) {
	a.clearAway(plan)
	if err := a.binder.Apply(plan); err != nil {
		a.log.Error("definitions were not applied", "error", err)
	}
	a.markAway()
	a.loaded.Store(plan)
	a.Tree.Flush() // Now the fresh nodes are known.
	a.restore(context.Background(), a.fresh.all()...)
	a.alerts.center.Book.Reloaded()
}

// Amend has another plan run in place of the one that runs, which has the same definitions and
// discoveries: some instances come, and others go. No file is read; change may ask the loader
// to extend the plan. After an error all is as it was.
func (a *App) Amend(change func(l *definition.Loader, was *definition.Plan) (*definition.Plan, error)) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	plan, err := change(a.loader, a.loaded.Load())
	if err == nil {
		a.apply(plan)
	}
	return err
}

// Definitions implements viewer.Definitions.
func (a *App) Definitions() viewer.DefinitionList {
	plan := a.loaded.Load()
	var list viewer.DefinitionList
	running := a.binder.Running()
	kept := map[string]bool{}
	for _, i := range plan.Keep(&definition.Plan{Instances: running}) {
		kept[i.Name] = true
	}
	wrong := map[string][]viewer.Fault{}
	for _, b := range plan.Broken {
		if b.Name != "" {
			wrong[b.Name] = append(wrong[b.Name], faults(b.Err)...)
			continue
		}
		list.Errors = append(list.Errors, faults(b.Err)...)
		for _, i := range running {
			if kept[i.Name] && b.Holds(i.File) {
				wrong[i.Name] = append(wrong[i.Name], faults(b.Err)...)
			}
		}
	}
	for _, i := range running {
		shown := viewer.Instance{
			Name: i.Name, Application: i.Application, Title: i.Title, Description: i.Description,
			At: i.At.String(), Why: i.Why, File: i.File, Definition: i.Definition, State: "running", Nodes: len(i.Nodes), Errors: wrong[i.Name],
		}
		if kept[i.Name] || len(shown.Errors) > 0 {
			shown.State = "kept"
		}
		delete(wrong, i.Name)
		list.Instances = append(list.Instances, shown)
	}
	for _, i := range a.peers.devices.Gone() {
		list.Instances = append(list.Instances, viewer.Instance{
			Name: i.Name, Application: i.Application, Title: i.Title, Description: i.Description, At: i.At.String(), File: i.File, Definition: i.Definition,
			Why: "another manager watches it: grove peer devices says which", State: "away", Nodes: len(i.Nodes), Errors: wrong[i.Name],
		})
		delete(wrong, i.Name)
	}
	for name, errs := range wrong {
		failed := viewer.Instance{Name: name, State: "failed", Errors: errs}
		if len(errs) > 0 {
			failed.File = errs[0].File
		}
		list.Instances = append(list.Instances, failed)
	}
	slices.SortFunc(list.Instances, func(a, b viewer.Instance) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range plan.Definitions {
		list.Applications = append(list.Applications, viewer.Application{Name: d.Application, Title: d.Title, Description: d.Description, File: d.File})
	}
	return list
}

// message is an error without its place, with the hint that goes with it.
func message(e *source.Error) string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + " (" + e.Hint + ")"
}

func faults(errs source.Errors) (list []viewer.Fault) {
	for _, e := range errs {
		list = append(list, viewer.Fault{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Column, Message: message(e)})
	}
	return list
}
