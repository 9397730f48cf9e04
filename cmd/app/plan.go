package app

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/diff"
	"grove/tree/definition/source"
	"grove/tree/grant"
	"grove/viewer"
)

// PlanRequest is the body of POST /api/v1/plan: files as they would stand in the
// drop-in directory, in place of those of the same name.
type PlanRequest struct {
	Files []PlanFile `json:"files,omitempty" maxItems:"1000" doc:"Files to add to the drop-in directory, or to put in place of others. None: the directory as it is."`
}

// PlanFile is one file of a PlanRequest.
type PlanFile struct {
	Name string `json:"name" maxLength:"255" doc:"Name in the drop-in directory." example:"web1.yaml"`
	Text string `json:"text" doc:"What is in the file."`
}

// PlanAnswer says what the files would change.
type PlanAnswer struct {
	Text    string         `json:"text" doc:"The changes for people, a line each."`
	Changes bool           `json:"changes" doc:"Something would change."`
	Errors  []viewer.Fault `json:"errors,omitempty" doc:"What is wrong; the instances that it is about would stay as they are."`
}

// maxPlanBody bounds the body of a PlanRequest.
const maxPlanBody = 8<<20 + 64<<10

// registerPlan adds POST /api/v1/plan to the REST interface. It changes nothing, but tells
// of all that runs.
func (a *App) registerPlan(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/api/v1/plan", Tags: []string{"definitions"},
		Summary:      "Say what changed definitions would add, change and remove in the running tree",
		Description:  "The answer is about all instances, so that it needs the role editor on /.",
		MaxBodyBytes: maxPlanBody,
	}, func(ctx context.Context, in *struct{ Body PlanRequest }) (*struct{ Body PlanAnswer }, error) {
		if err := grant.DemandWhole(grant.Of(ctx), grant.Editor); err != nil {
			return nil, viewer.Problem(err)
		}
		answer, err := a.plan(in.Body.Files)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return &struct{ Body PlanAnswer }{*answer}, nil
	})
}

// plan compares what runs with what would run if the files stood in the drop-in
// directory.
func (a *App) plan(files []PlanFile) (*PlanAnswer, error) {
	root, err := os.OpenRoot(a.config.Definitions)
	if err != nil {
		return nil, fmt.Errorf("definitions: %w", err)
	}
	defer root.Close()
	over := overlay{FS: root.FS(), files: map[string]string{}}
	for _, f := range files {
		if f.Name != path.Base(f.Name) || !fs.ValidPath(f.Name) || strings.HasPrefix(f.Name, ".") {
			return nil, fmt.Errorf("%.80q is not the name of a file in the drop-in directory", f.Name)
		}
		over.files[f.Name] = f.Text
	}
	next, errs := a.loader.FS(over, a.config.Definitions)
	running := &definition.Plan{Instances: a.binder.Running()}
	kept := next.Keep(running)
	errs.Append(withoutRoom(next, kept)...)
	next.Instances = append(next.Instances, kept...)
	changes := diff.Compare(running, next)
	var text bytes.Buffer
	if err := changes.Print(&text); err != nil {
		return nil, err
	}
	leftOut(&text, next.Discoveries)
	return &PlanAnswer{Text: text.String(), Changes: !changes.Empty(), Errors: faults(errs.Sorted())}, nil
}

// maxLeftOut bounds how many rows of a discovery a plan names.
const maxLeftOut = 20

// leftOut says which rows that discoveries have found become no instances, and why.
func leftOut(text *bytes.Buffer, discoveries []*definition.Discovery) {
	for _, d := range discoveries {
		for k, l := range d.LeftOut {
			if k == maxLeftOut {
				fmt.Fprintf(text, "  discovery %s: %d more rows make no instance\n", d.Name, len(d.LeftOut)-k)
				break
			}
			fmt.Fprintf(text, "  discovery %s: row %q makes no instance: %s\n", d.Name, l.Key, l.Why)
		}
	}
}

// withoutRoom takes out of a plan the instances whose nodes belong to one that goes
// on as it was: they do not run before that one is mended.
func withoutRoom(p *definition.Plan, kept []*definition.Instance) source.Errors {
	if len(kept) == 0 {
		return nil
	}
	var errs source.Errors
	owners := map[tree.Path]string{}
	for _, i := range kept {
		for n := range i.Nodes {
			owners[i.Nodes[n].Path] = i.Name
		}
	}
	p.Instances = slices.DeleteFunc(p.Instances, func(i *definition.Instance) bool {
		for n := range i.Nodes {
			if owner, taken := owners[i.Nodes[n].Path]; taken {
				errs.Add(i.Pos, "node %s of instance %q is there already: instance %q has it, and goes on as it was", i.Nodes[n].Path, i.Name, owner)
				return true
			}
		}
		return false
	})
	return errs
}
