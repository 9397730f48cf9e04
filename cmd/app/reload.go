package app

import (
	"slices"
	"strings"

	"grove/tree/definition"
	"grove/tree/definition/source"
	"grove/viewer"
)

// loaded is what came of the last loading of the definitions.
type loaded struct {
	plan    *definition.Plan
	applied bool
}

// Reload loads the definitions again and applies what is good: instances whose files
// are wrong now go on as they were. It is called by the watch of the directory, and
// may be called at any time.
func (a *App) Reload() {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	plan, errs := a.loader.Dir(a.config.Definitions)
	for _, e := range errs.Sorted() {
		a.log.Error("definition", "at", e.Pos.String(), "error", e.Msg)
	}
	if err := a.binder.Apply(plan); err != nil {
		a.log.Error("definitions were not applied", "error", err)
	}
	a.loaded.Store(&loaded{plan, true})
	stats := a.binder.Stats()
	a.log.Info("definitions are loaded", "instances", stats.Instances, "kept", stats.Kept, "errors", len(errs), "nodes", a.Tree.Len())
}

// Definitions implements viewer.Definitions.
func (a *App) Definitions() viewer.DefinitionList {
	plan := a.loaded.Load().plan
	var list viewer.DefinitionList
	wrong := map[string][]viewer.Fault{}
	for _, b := range plan.Broken {
		if b.Name == "" {
			list.Errors = append(list.Errors, faults(b.Err)...)
			continue
		}
		wrong[b.Name] = append(wrong[b.Name], faults(b.Err)...)
	}
	for _, i := range a.binder.Running() {
		shown := viewer.Instance{
			Name: i.Name, Application: i.Application, Title: i.Title, Description: i.Description,
			At: i.At.String(), File: i.File, Definition: i.Definition, State: "running", Nodes: len(i.Nodes), Errors: wrong[i.Name],
		}
		if len(shown.Errors) > 0 {
			shown.State = "kept"
		}
		delete(wrong, i.Name)
		list.Instances = append(list.Instances, shown)
	}
	for name, errs := range wrong {
		list.Instances = append(list.Instances, viewer.Instance{Name: name, File: errs[0].File, State: "failed", Errors: errs})
	}
	slices.SortFunc(list.Instances, func(a, b viewer.Instance) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range plan.Definitions {
		list.Applications = append(list.Applications, viewer.Application{Name: d.Application, Title: d.Title, Description: d.Description, File: d.File})
	}
	return list
}

func faults(errs source.Errors) (list []viewer.Fault) {
	for _, e := range errs {
		list = append(list, viewer.Fault{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Column, Message: e.Msg})
	}
	return list
}
