package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/common/model"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/history"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
	"grove/tree/store/revision"
	"grove/viewer"
)

// History is what is asked of the samples; *history.Store has it.
type History interface {
	Points(ctx context.Context, path tree.Path, from, to time.Time, buckets int) ([]history.Point, history.Resolution, error)
}

// Journal is what is asked of the journal; *journal.Journal has it.
type Journal interface {
	Search(ctx context.Context, q journal.Query) (journal.Page, error)
	Intervals(ctx context.Context, p tree.Path, from, to time.Time) ([]journal.Interval, error)
	Append(ctx context.Context, entries ...journal.Entry) error
}

// Definitions are those that managers share; *revision.Definitions has it.
type Definitions interface {
	Put(ctx context.Context, c revision.Change) (revision.Revision, error)
	Remove(ctx context.Context, name string, expected int64, who, comment string) (revision.Revision, error)
	Rollback(ctx context.Context, name string, to, expected int64, who, comment string) (revision.Revision, error)
	Get(ctx context.Context, name string, number int64) (revision.Revision, error)
	List(ctx context.Context, removed bool) ([]revision.Revision, error)
	History(ctx context.Context, name string, before int64) ([]revision.Revision, error)
	Diff(ctx context.Context, name string, from, to int64) (string, error)
}

// Audit is the log of who did what; *audit.Log has it.
type Audit interface {
	Append(ctx context.Context, e audit.Entry) (audit.Record, error)
	Read(ctx context.Context, q audit.Query) ([]audit.Record, error)
	Verify(ctx context.Context, kept ...audit.Head) (audit.Head, error)
	Head(ctx context.Context) (audit.Head, error)
}

// Options are the surroundings of the operations. Without Audit nothing can be changed,
// and without Definitions or Backups there are no operations about them.
type Options struct {
	Tree *tree.Tree
	// Guard says who sees and does what; who asks stands in the context.
	Guard   *grant.Guard
	History History
	Journal Journal
	// Definitions are those that count here, ForAll those that managers of all sites share.
	Definitions, ForAll Definitions
	// Check says what is wrong with the text of a definition, with file, line and column;
	// none: it may be kept.
	Check   func(name, text string) ([]viewer.Fault, error)
	Audit   Audit
	Backups Backups
	// Spool is a directory for backups that are on their way in, for this package alone.
	Spool string
	Now   func() time.Time // nil is time.Now
	// Problem makes answers of errors that this room does not know.
	Problem func(error) error
	// Log takes what happens without being asked for; nil is nowhere.
	Log *slog.Logger
}

// API holds the operations; Register adds them.
type API struct {
	Options
	uploads uploads
	backing gate // one backup at a time
}

// New returns the operations.
func New(o Options) (*API, error) {
	if o.Tree == nil || o.Guard == nil {
		return nil, errors.New("record: no tree, or nobody who says who sees what of it")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{Options: o}, nil
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	a.registerHistory(api)
	a.registerJournal(api)
	if a.Audit == nil {
		return // What changes anything has to be there.
	}
	a.registerAudit(api)
	if a.Definitions != nil {
		a.registerDefinitions(api)
	}
	if a.Backups != nil {
		a.registerBackup(api)
		a.registerRestore(api)
	}
}

// whole refuses who has not at least a role on the whole manager.
func (a *API) whole(ctx context.Context, r grant.Role) error {
	return a.problem(grant.DemandWhole(grant.Of(ctx), r))
}

// span reads a range of time: each end is RFC 3339, "now", or how long ago, such as
// "-24h" or "-7d".
func (a *API) span(from, to string) (begin, end time.Time, err error) {
	now := a.Now()
	if end, err = moment(now, to); err != nil {
		return begin, end, huma.NewError(http.StatusBadRequest, "to: "+err.Error())
	}
	if begin, err = moment(now, from); err != nil {
		return begin, end, huma.NewError(http.StatusBadRequest, "from: "+err.Error())
	}
	if !begin.Before(end) {
		return begin, end, huma.NewError(http.StatusBadRequest, fmt.Sprintf("from %s is not before to %s", stamp(begin), stamp(end)))
	}
	return begin, end, nil
}

func moment(now time.Time, text string) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, err := model.ParseDuration(ago)
		if err != nil {
			return now, fmt.Errorf("%.40q is no duration, such as 30m, 24h or 7d", ago)
		}
		return now.Add(-time.Duration(d)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%.40q is neither a time such as 2026-03-01T12:00:00Z, nor how long ago, such as -24h, nor now", text)
	}
	return at, nil
}

// stamp writes a time as all of the REST interface does.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
