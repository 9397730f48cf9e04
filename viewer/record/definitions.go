package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
	"grove/tree/store/revision"
	"grove/viewer"
)

// maxPutBody bounds the body that brings a definition: its text, of which a character may
// take six in JSON.
const maxPutBody = 6*revision.MaxTextBytes + 64<<10

// Revision is one state of a definition that managers share.
type Revision struct {
	Name     string `json:"name"`
	Site     string `json:"site,omitempty" doc:"Site whose managers alone have it. Absent: it is for all managers of the database."`
	Revision int64  `json:"revision" doc:"Counted from 1."`
	Removed  bool   `json:"removed,omitempty" doc:"With this revision the definition is gone."`
	Who      string `json:"who"`
	Time     string `json:"time" format:"date-time"`
	Comment  string `json:"comment,omitempty"`
	SHA256   string `json:"sha256,omitempty" doc:"Of the text, in hexadecimal."`
	Text     string `json:"text,omitempty" doc:"As it was given, word for word; not in lists."`
}

func revisionOf(r revision.Revision) Revision {
	one := Revision{Name: r.Name, Site: r.Site, Revision: r.Number, Removed: r.Removed, Who: r.Who, Time: stamp(r.Time), Comment: r.Comment, SHA256: r.SHA256, Text: r.Text}
	if r.Removed {
		one.SHA256 = ""
	}
	return one
}

// Revisions is a list of them.
type Revisions struct {
	Revisions []Revision `json:"revisions" nullable:"false"`
}

func revisionsOf(list []revision.Revision) *revisionsOutput {
	out := &revisionsOutput{CacheControl: "no-store", Body: Revisions{Revisions: make([]Revision, len(list))}}
	for i, r := range list {
		out.Body.Revisions[i] = revisionOf(r)
	}
	return out
}

type revisionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Revisions
}

type revisionOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Revision
}

// Sited is the part of inputs that says which definitions are meant.
type Sited struct {
	AllSites bool `query:"allSites" doc:"Those that managers of all sites share, also where this manager is of a site that has its own."`
}

// Named is the part of inputs that names a definition.
type Named struct {
	Sited
	Name string `path:"name" maxLength:"64" doc:"Name of the definition." example:"shop"`
}

// of returns the definitions that are meant.
func (a *API) of(s Sited) Definitions {
	if s.AllSites {
		return a.ForAll
	}
	return a.Definitions
}

// PutRequest is the body of PUT /api/v1/definitions/{name}.
type PutRequest struct {
	Text     string `json:"text" maxLength:"1048576" doc:"The definition, YAML or XML."`
	Expected *int64 `json:"expected,omitempty" minimum:"0" doc:"Number of the revision that was changed, 0 for a new definition: if another is current, nothing is changed. Absent: whatever is current."`
	Comment  string `json:"comment,omitempty" maxLength:"1000" doc:"Why."`
}

// RollbackRequest is the body of POST /api/v1/definitions/{name}/rollback.
type RollbackRequest struct {
	To       int64  `json:"to" minimum:"1" doc:"Number of the revision whose text becomes the next one."`
	Expected *int64 `json:"expected,omitempty" minimum:"1" doc:"Number of the revision that must be current. Absent: whichever is."`
	Comment  string `json:"comment,omitempty" maxLength:"1000" doc:"Why."`
}

// Difference is the answer of GET /api/v1/definitions/{name}/diff.
type Difference struct {
	Diff string `json:"diff" doc:"In the unified format of diff -u; empty when nothing differs."`
}

// siteNote says whose definitions the operations are about.
const siteNote = " A manager that is of a site (site in peers.yaml) has those of its site and, under names that its site has none of, those for all; what it changes is its site's own. With allSites it is about those for all."

// registerDefinitions adds the operations on shared definitions. A definition is about
// wherever it is used, in every manager: to read one takes the role of a viewer on the
// whole manager, to change one that of an editor.
func (a *API) registerDefinitions(api huma.API) {
	operation := func(id, method, path, summary, description string, more ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"definitions"},
			Errors: append(more, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
		}
	}
	huma.Register(api, operation("list-shared-definitions", http.MethodGet, "/api/v1/shared-definitions", "Definitions that managers share",
		"The current revision of each, without its text. To read shared definitions takes the role of a viewer on the whole manager, to change them that of an editor."+siteNote), a.listDefinitions)
	huma.Register(api, operation("get-definition", http.MethodGet, "/api/v1/definitions/{name}", "A shared definition",
		"One revision with its text: the current one unless another is asked for.", http.StatusNotFound), a.getDefinition)
	huma.Register(api, operation("get-revisions", http.MethodGet, "/api/v1/definitions/{name}/revisions", "What a shared definition was",
		"Its revisions without their texts, newest first, 1000 at a time.", http.StatusNotFound), a.getRevisions)
	huma.Register(api, operation("diff-definition", http.MethodGet, "/api/v1/definitions/{name}/diff", "What changed in a shared definition",
		"", http.StatusNotFound), a.diffDefinition)
	put := operation("put-definition", http.MethodPut, "/api/v1/definitions/{name}", "Put a shared definition",
		"Makes the next revision of a text, which every manager that shares the database applies, or of a site its managers. A text with errors is refused, with the place of each in location, as FILE:LINE:COLUMN. "+
			"The text that is current already makes no revision.", http.StatusConflict, http.StatusInsufficientStorage)
	put.MaxBodyBytes = maxPutBody
	huma.Register(api, put, a.putDefinition)
	huma.Register(api, operation("roll-back-definition", http.MethodPost, "/api/v1/definitions/{name}/rollback", "Go back to an older text",
		"Makes the next revision with the text of an old one.", http.StatusNotFound, http.StatusConflict), a.rollBackDefinition)
	huma.Register(api, operation("remove-definition", http.MethodDelete, "/api/v1/definitions/{name}", "Remove a shared definition",
		"Makes a revision without a text. What the definition was stays in its history, and can be brought back.", http.StatusNotFound, http.StatusConflict), a.removeDefinition)
}

func (a *API) listDefinitions(ctx context.Context, in *struct {
	Sited
	Removed bool `query:"removed" doc:"Those that were removed, too."`
}) (*revisionsOutput, error) {
	if err := a.whole(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	list, err := a.of(in.Sited).List(ctx, in.Removed)
	if err != nil {
		return nil, a.problem(err)
	}
	return revisionsOf(list), nil
}

func (a *API) getDefinition(ctx context.Context, in *struct {
	Named
	Revision int64 `query:"revision" minimum:"0" doc:"Its number; 0 is the current one."`
}) (*revisionOutput, error) {
	if err := a.whole(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	r, err := a.of(in.Sited).Get(ctx, in.Name, in.Revision)
	if err != nil {
		return nil, a.problem(err)
	}
	return &revisionOutput{"no-store", revisionOf(r)}, nil
}

func (a *API) getRevisions(ctx context.Context, in *struct {
	Named
	Before int64 `query:"before" minimum:"0" doc:"Only those with smaller numbers, for the next page."`
}) (*revisionsOutput, error) {
	if err := a.whole(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	list, err := a.of(in.Sited).History(ctx, in.Name, in.Before)
	if err != nil {
		return nil, a.problem(err)
	}
	return revisionsOf(list), nil
}

func (a *API) diffDefinition(ctx context.Context, in *struct {
	Named
	From int64 `query:"from" minimum:"0" default:"0" doc:"Number of the older revision; 0 is nothing."`
	To   int64 `query:"to" minimum:"0" default:"0" doc:"Number of the newer revision; 0 is the current one."`
}) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         Difference
}, error) {
	if err := a.whole(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	text, err := a.of(in.Sited).Diff(ctx, in.Name, in.From, in.To)
	if err != nil {
		return nil, a.problem(err)
	}
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         Difference
	}{"no-store", Difference{text}}, nil
}

func (a *API) putDefinition(ctx context.Context, in *struct {
	Caller
	Named
	Body PutRequest
}) (*revisionOutput, error) {
	if err := a.whole(ctx, grant.Editor); err != nil {
		return nil, err
	}
	if err := revision.CheckName(in.Name); err != nil {
		return nil, a.problem(err)
	}
	faults, err := a.Check(in.Name, in.Body.Text)
	if err != nil {
		return nil, a.problem(err)
	}
	if len(faults) > 0 {
		return nil, faulty(in.Name, faults)
	}
	return a.change(ctx, in.Caller, "definition put", in.Named, func(d Definitions) (revision.Revision, error) {
		return d.Put(ctx, revision.Change{Name: in.Name, Text: in.Body.Text, Expected: expected(in.Body.Expected), Who: grant.Of(ctx).Name, Comment: in.Body.Comment})
	})
}

// maxFaults bounds the errors of a text that are told.
const maxFaults = 100

// faulty is the answer to a text with errors.
func faulty(name string, faults []viewer.Fault) error {
	var details []error
	for i, f := range faults {
		if i == maxFaults {
			details = append(details, fmt.Errorf("and %d more errors", len(faults)-maxFaults))
			break
		}
		where := f.File
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", f.File, f.Line, max(f.Column, 1))
		}
		details = append(details, &huma.ErrorDetail{Message: f.Message, Location: where})
	}
	return huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("definition %s: its text has errors; nothing was changed", name), details...)
}

// expected is the revision that must be current.
func expected(number *int64) int64 {
	if number == nil {
		return revision.Any
	}
	return *number
}

func (a *API) rollBackDefinition(ctx context.Context, in *struct {
	Caller
	Named
	Body RollbackRequest
}) (*revisionOutput, error) {
	if err := a.whole(ctx, grant.Editor); err != nil {
		return nil, err
	}
	old, err := a.of(in.Sited).Get(ctx, in.Name, in.Body.To)
	if err != nil {
		return nil, a.problem(err)
	}
	// What was right then may name what is gone.
	if !old.Removed {
		faults, err := a.Check(in.Name, old.Text)
		if err != nil {
			return nil, a.problem(err)
		}
		if len(faults) > 0 {
			return nil, faulty(in.Name, faults)
		}
	}
	return a.change(ctx, in.Caller, "definition rollback", in.Named, func(d Definitions) (revision.Revision, error) {
		return d.Rollback(ctx, in.Name, in.Body.To, expected(in.Body.Expected), grant.Of(ctx).Name, in.Body.Comment)
	})
}

func (a *API) removeDefinition(ctx context.Context, in *struct {
	Caller
	Named
	Expected int64  `query:"expected" minimum:"1" doc:"Number of the revision that must be current. Absent: whichever is."`
	Comment  string `query:"comment" maxLength:"1000" doc:"Why."`
}) (*revisionOutput, error) {
	if err := a.whole(ctx, grant.Editor); err != nil {
		return nil, err
	}
	return a.change(ctx, in.Caller, "definition remove", in.Named, func(d Definitions) (revision.Revision, error) {
		return d.Remove(ctx, in.Name, cmp.Or(in.Expected, revision.Any), grant.Of(ctx).Name, in.Comment)
	})
}

// change makes the next revision of a definition, and tells the audit log and the
// journal of it.
func (a *API) change(ctx context.Context, c Caller, action string, of Named, do func(Definitions) (revision.Revision, error)) (*revisionOutput, error) {
	d := a.of(of.Sited)
	was, err := d.Get(ctx, of.Name, 0)
	if err != nil && !errors.Is(err, revision.ErrNotFound) {
		return nil, a.problem(err)
	}
	e := audit.Entry{Action: action, Target: of.Name}
	if was.Number != 0 {
		e.Was = revisionText(was)
	}
	var now revision.Revision
	err = a.act(ctx, c, e, func() (string, error) {
		if now, err = do(d); err != nil {
			return "", err
		}
		return revisionText(now), nil
	})
	if err != nil {
		return nil, err
	}
	if now.Number != was.Number || now.Site != was.Site {
		a.tell(ctx, now)
	}
	out := &revisionOutput{"no-store", revisionOf(now)}
	out.Body.Text = "" // It is the client's own.
	return out, nil
}

func revisionText(r revision.Revision) string {
	of := ""
	if r.Site != "" {
		of = " of site " + r.Site
	}
	if r.Removed {
		return fmt.Sprintf("revision %d%s, removed", r.Number, of)
	}
	return fmt.Sprintf("revision %d%s, sha256 %s", r.Number, of, r.SHA256)
}

// definitionsPath is where the tree shows definitions.
var definitionsPath = tree.MustPath("/grove/Definitions")

// tellWithin bounds the writing into the journal.
const tellWithin = 5 * time.Second

// tell writes a new revision into the journal.
func (a *API) tell(ctx context.Context, r revision.Revision) {
	path, err := definitionsPath.Child(r.Name)
	if err != nil {
		path = definitionsPath
	}
	what := fmt.Sprintf("revision %d", r.Number)
	if r.Site != "" {
		what += " of site " + r.Site
	}
	text := what + " by " + r.Who
	if r.Removed {
		text = "removed with " + what + " by " + r.Who
	}
	if r.Comment != "" {
		text += ": " + r.Comment
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	if err := a.Journal.Append(ctx, journal.Entry{Time: r.Time, Path: path, Kind: journal.Definition, To: tree.Green, Text: text}); err != nil {
		a.Log.Error("the journal does not know of a definition", "name", r.Name, "revision", r.Number, "error", err)
	}
}
