package record

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store/audit"
	"grove/viewer/record/archive"
)

// BackupType is the content type of a backup (RFC 8878, section 7.1).
const BackupType = "application/zstd"

// Backups makes them and brings them back.
type Backups interface {
	// Stage gathers what belongs into a backup, as it is at this moment.
	Stage(ctx context.Context) (Staged, error)
	// Restore puts what an archive holds in place of what is there. Before that it reads
	// the archive to its end: one that cannot be used changes nothing.
	Restore(ctx context.Context, r io.ReadSeeker, o RestoreOptions) (Restored, error)
}

// Staged is a backup that is ready to be written.
type Staged interface {
	Head() archive.Head
	// WriteTo writes it as a package archive has it.
	WriteTo(w io.Writer) (int64, error)
	// Close gives up what it holds. It is called once, last.
	Close() error
}

func (a *API) registerBackup(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "make-backup", Method: http.MethodPost, Path: "/api/v1/backup",
		Summary: "Make a backup", Tags: []string{"backup"},
		Description: "Everything that the database and the history hold at this moment, and the files of the drop-in directory, as a tar in Zstandard that ends with a manifest. " +
			"Grove goes on meanwhile. Of secrets it holds what definitions hold: where they are. It takes the role of an admin on the whole manager.",
		Errors: []int{http.StatusForbidden, http.StatusConflict, http.StatusServiceUnavailable, http.StatusInsufficientStorage},
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			BackupType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}},
	}, a.makeBackup)
}

// unfit is what does not belong into the name of a file.
var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func (a *API) makeBackup(ctx context.Context, in *struct{ Caller }) (*huma.StreamResponse, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	if !a.backing.enter() {
		return nil, huma.NewError(http.StatusConflict, "another backup is being made; wait until it is done")
	}
	var staged Staged
	err := a.act(ctx, in.Caller, audit.Entry{Action: "backup"}, func() (_ string, err error) {
		staged, err = a.Backups.Stage(ctx)
		return "", err
	})
	if err != nil {
		a.backing.leave()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer a.backing.leave()
		defer func() {
			if err := staged.Close(); err != nil {
				a.Log.Warn("what a backup was made from is not all removed", "error", err)
			}
		}()
		h := staged.Head()
		ctx.SetHeader("Cache-Control", "no-store, no-transform")
		ctx.SetHeader("Content-Type", BackupType)
		ctx.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="grove-%s-%s.tar.zst"`, unfit.ReplaceAllString(h.Manager, "_"), h.Created.UTC().Format("20060102T150405Z")))
		if _, err := staged.WriteTo(keepGoing(ctx.BodyWriter())); err != nil {
			a.Log.Warn("a backup was not sent to its end", "error", err)
			panic(http.ErrAbortHandler) // The client must not take it for whole.
		}
	}}, nil
}

// stallWithin is how long a client may take for a piece of a backup.
const stallWithin = time.Minute

// keepGoing gives each piece of a long answer its own time.
func keepGoing(w io.Writer) io.Writer {
	response, ok := w.(http.ResponseWriter)
	if !ok {
		return w
	}
	return &unending{response, http.NewResponseController(response), time.Time{}}
}

type unending struct {
	w        io.Writer
	control  *http.ResponseController
	extended time.Time
}

func (u *unending) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(u.extended) > time.Second {
		u.extended = now
		_ = u.control.SetWriteDeadline(now.Add(stallWithin)) // Without it the server's own holds.
	}
	return u.w.Write(b)
}
