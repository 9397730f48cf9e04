package record

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store/journal"
	"grove/viewer"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

type journalInput struct {
	Path   string   `query:"path" default:"/" maxLength:"1024" doc:"The node and everything below it."`
	Only   bool     `query:"only" doc:"Leaves out what is below."`
	From   string   `query:"from" default:"-24h" maxLength:"40" doc:"Beginning: RFC 3339, or how long ago: -1h, -24h, -7d."`
	To     string   `query:"to" default:"now" maxLength:"40" doc:"End, which is not part of it, in the same forms."`
	Kind   []string `query:"kind" enum:"status,event,definition,tuning,link,alert,manager" maxItems:"7" doc:"Only these kinds."`
	Status []string `query:"status" enum:"white,green,yellow,red" maxItems:"4" doc:"Only changes to one of these, and events of one of these."`
	Text   string   `query:"text" maxLength:"256" doc:"Only with this in text or value, in any case."`
	Order  string   `query:"order" default:"newest" enum:"newest,oldest" doc:"Which come first."`
	Limit  int      `query:"limit" default:"100" minimum:"1" maximum:"10000" doc:"At most so many."`
	After  string   `query:"after" maxLength:"256" doc:"The next of the page before, with all else as it was."`
}

// Journaled is the answer of GET /api/v1/journal.
type Journaled struct {
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitempty" doc:"For the parameter after; absent when there is no more."`
}

// Entry is one line of the journal.
type Entry struct {
	ID    string        `json:"id"`
	Time  string        `json:"time" format:"date-time"`
	Kind  string        `json:"kind" enum:"status,event,definition,tuning,link,alert,manager"`
	Path  string        `json:"path"`
	From  string        `json:"from,omitempty" enum:"white,green,yellow,red" doc:"Of a change: the status before."`
	To    string        `json:"to" enum:"white,green,yellow,red" doc:"The status that it took; of an event how bad it is."`
	Value *viewer.Value `json:"value,omitempty" doc:"Of the node when it changed."`
	Unit  string        `json:"unit,omitempty" doc:"Of the value, if the node is there now."`
	Text  string        `json:"text,omitempty" doc:"The line of an event, why a node is white, or what else is to be said."`
}

type journalOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Journaled
}

func (a *API) registerJournal(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-journal", Method: http.MethodGet, Path: "/api/v1/journal",
		Summary: "What happened", Tags: []string{"history"},
		Description: "Changes of status, events of log nodes and what else the journal holds, searched by time, subtree, kind, status and text, a page at a time.",
		Errors:      []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.getJournal)
}

func (a *API) getJournal(ctx context.Context, in *journalInput) (*journalOutput, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, a.Problem(err)
	}
	q := journal.Query{Under: path, Only: in.Only, Text: in.Text, Oldest: in.Order == "oldest", Limit: in.Limit, After: in.After}
	q.Sees = a.remembers(grant.Of(ctx))
	if in.After != "" {
		err = turn(&q)
	} else {
		q.From, q.To, err = a.span(in.From, in.To)
		q.From, q.To = q.From.Truncate(time.Millisecond), q.To.Truncate(time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range in.Kind {
		k, err := journal.ParseKind(name)
		if err != nil {
			return nil, huma.NewError(http.StatusBadRequest, err.Error())
		}
		q.Kinds = append(q.Kinds, k)
	}
	for _, name := range in.Status {
		st, err := tree.ParseStatus(name)
		if err != nil {
			return nil, a.Problem(err)
		}
		q.Statuses = append(q.Statuses, st)
	}
	page, err := a.Journal.Search(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	out := &journalOutput{CacheControl: "no-store", Body: Journaled{Entries: make([]Entry, 0, len(page.Entries))}}
	if page.Next != "" {
		out.Body.Next = fmt.Sprintf("%d.%d.%s", q.From.UnixMilli(), q.To.UnixMilli(), page.Next)
	}
	for i := range page.Entries {
		// That the manager goes on running is for reports.
		if e := &page.Entries[i]; e.Kind != journal.Manager || e.From != e.To || e.Text != "" {
			out.Body.Entries = append(out.Body.Entries, a.entryOf(e))
		}
	}
	return out, nil
}

// remembers says of which nodes somebody sees the entries, for one search; nil: of all.
func (a *API) remembers(s *grant.Subject) func(tree.Path) bool {
	if s.Whole(grant.Viewer) {
		return nil
	}
	known := map[tree.Path]bool{} // A search finds the same nodes again and again.
	return func(p tree.Path) bool {
		sees, ok := known[p]
		if !ok {
			sees = a.Guard.Remembers(s, p)
			known[p] = sees
		}
		return sees
	}
}

// turn makes of a next the search for the page after: its times are those of the first
// page, since "-24h" is another one by now.
func turn(q *journal.Query) error {
	parts := strings.SplitN(q.After, ".", 3)
	if len(parts) == 3 {
		from, err := strconv.ParseInt(parts[0], 10, 64)
		to, bad := strconv.ParseInt(parts[1], 10, 64)
		if err == nil && bad == nil {
			q.From, q.To, q.After = time.UnixMilli(from), time.UnixMilli(to), parts[2]
			return nil
		}
	}
	return huma.NewError(http.StatusBadRequest, "after: that is no next of a page before")
}

func (a *API) entryOf(e *journal.Entry) Entry {
	one := Entry{ID: e.ID.String(), Time: stamp(e.Time), Kind: e.Kind.String(), Path: e.Path.String(), To: e.To.String(), Text: e.Text}
	if e.Kind == journal.Status {
		one.From = e.From.String()
	}
	if !e.Value.IsNone() {
		one.Value = &viewer.Value{Value: e.Value}
		if n, err := a.Tree.Node(e.Path); err == nil && n.Spec != nil {
			one.Unit = n.Spec.Unit
		}
	}
	return one
}
