package record

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store/audit"
	"grove/viewer/record/archive"
)

const (
	// MaxPart bounds one part of a backup that is sent, bytes.
	MaxPart = 8 << 20
	// partWithin is how long the sending of a part may take.
	partWithin = 2 * time.Minute
	// abandoned is how long after its last part an upload makes room for another.
	abandoned = 10 * time.Minute
)

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	// DropIns also puts the files of the drop-in directory back, in place of those of
	// the same names. Others stay.
	DropIns bool
}

// Restored says what was restored.
type Restored struct {
	Version  string   `json:"version" doc:"Of the grove that made the backup."`
	Manager  string   `json:"manager" doc:"Its name."`
	Created  string   `json:"created" format:"date-time"`
	Files    int      `json:"files" doc:"In the backup."`
	Bytes    int64    `json:"bytes" doc:"Of them, unpacked."`
	Nodes    int      `json:"nodes" doc:"Nodes that have back what they were."`
	DropIns  []string `json:"drop_ins,omitempty" doc:"Files that were put into the drop-in directory."`
	Warnings []string `json:"warnings,omitempty" doc:"What is to be known besides."`
}

// uploads holds the one backup that is on its way in.
type uploads struct {
	mu      sync.Mutex // guards what follows; held while a part is written
	id      string     // empty: there is none
	size    int64      // received
	touched time.Time
}

// Upload is a backup on its way in.
type Upload struct {
	ID       string `json:"id"`
	Received int64  `json:"received" doc:"Bytes so far: where the next part begins."`
	MaxPart  int64  `json:"max_part" doc:"Bytes that one part may have."`
}

type uploadOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Upload
}

// UploadID names an upload in an address.
type UploadID struct {
	ID string `path:"id" maxLength:"40" doc:"Of the upload."`
}

func (a *API) registerRestore(api huma.API) {
	operation := func(id, method, path, summary, description string, more ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"backup"},
			Errors: append(more, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusConflict),
		}
	}
	begin := operation("begin-restore", http.MethodPost, "/api/v1/restores", "Begin to send a backup", "One backup is sent at a time, in parts. Nothing is restored yet.", http.StatusServiceUnavailable)
	begin.DefaultStatus = http.StatusCreated
	huma.Register(api, begin, a.beginRestore)
	part := operation("send-part", http.MethodPut, "/api/v1/restores/{id}", "Send a part of a backup",
		"The bytes from an offset on. A part that was sent may be sent again, when it is not known whether it arrived.", http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusInsufficientStorage)
	part.MaxBodyBytes, part.BodyReadTimeout = MaxPart+1, partWithin // The framework refuses what reaches the bound.
	huma.Register(api, part, a.sendPart)
	huma.Register(api, operation("apply-restore", http.MethodPost, "/api/v1/restores/{id}/apply", "Restore the backup that was sent",
		"Reads it to its end first: a backup that is damaged, not whole or of a newer grove changes nothing. "+
			"Then the samples are added to the history, and what the backup holds takes the place of everything in the database. Grove goes on with that.",
		http.StatusNotFound, http.StatusServiceUnavailable, http.StatusInsufficientStorage), a.applyRestore)
	huma.Register(api, operation("end-restore", http.MethodDelete, "/api/v1/restores/{id}", "Give up a backup that was sent", "", http.StatusNotFound), a.endRestore)
}

// uploaded is the file of the upload.
func (a *API) uploaded() string { return filepath.Join(a.Spool, "upload") }

func (a *API) beginRestore(ctx context.Context, in *struct{ Caller }) (*uploadOutput, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	u := &a.uploads
	if !u.mu.TryLock() {
		return nil, huma.NewError(http.StatusConflict, "a backup is being restored; wait until it is done")
	}
	defer u.mu.Unlock()
	if u.id != "" && a.Now().Sub(u.touched) < abandoned {
		return nil, huma.NewError(http.StatusConflict, "another backup is on its way in; wait until it is restored or given up")
	}
	if err := os.MkdirAll(a.Spool, 0o700); err != nil {
		return nil, a.problem(fmt.Errorf("take in a backup: %w", err))
	}
	f, err := os.OpenFile(a.uploaded(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, a.problem(fmt.Errorf("take in a backup: %w", err))
	}
	if err := f.Close(); err != nil {
		return nil, a.problem(fmt.Errorf("take in a backup: %w", err))
	}
	u.id, u.size, u.touched = rand.Text(), 0, a.Now()
	return u.output(), nil
}

func (u *uploads) output() *uploadOutput {
	return &uploadOutput{"no-store", Upload{ID: u.id, Received: u.size, MaxPart: MaxPart}}
}

// enter takes the lock for the upload with an id.
func (u *uploads) enter(id string) error {
	if !u.mu.TryLock() {
		return huma.NewError(http.StatusConflict, "a backup is being restored, or a part of it taken in; wait until that is done")
	}
	if u.id == "" || u.id != id {
		u.mu.Unlock()
		return huma.NewError(http.StatusNotFound, "there is no such upload of a backup: it may have been given up, or grove was started again")
	}
	return nil
}

func (a *API) sendPart(ctx context.Context, in *struct {
	UploadID
	Offset  int64  `query:"offset" required:"true" minimum:"0" doc:"Where the part begins in the backup, bytes."`
	RawBody []byte `contentType:"application/octet-stream"`
}) (*uploadOutput, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	u := &a.uploads
	if err := u.enter(in.ID); err != nil {
		return nil, err
	}
	defer u.mu.Unlock()
	switch {
	case in.Offset > u.size:
		return nil, huma.NewError(http.StatusConflict, fmt.Sprintf("the part begins at %d, and %d bytes are there", in.Offset, u.size))
	case in.Offset+int64(len(in.RawBody)) > archive.MaxBytes:
		return nil, huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf("a backup has at most %d bytes", int64(archive.MaxBytes)))
	}
	f, err := os.OpenFile(a.uploaded(), os.O_WRONLY, 0)
	if err != nil {
		return nil, a.problem(fmt.Errorf("take in a backup: %w", err))
	}
	_, err = f.WriteAt(in.RawBody, in.Offset)
	switch err = errors.Join(err, f.Close()); {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return nil, huma.NewError(http.StatusInsufficientStorage, "the disk of the server has no room for the backup")
	case err != nil:
		return nil, a.problem(fmt.Errorf("take in a backup: %w", err))
	}
	u.size, u.touched = max(u.size, in.Offset+int64(len(in.RawBody))), a.Now()
	return u.output(), nil
}

func (a *API) applyRestore(ctx context.Context, in *struct {
	Unhurried
	UploadID
	Size    int64 `query:"size" required:"true" minimum:"0" doc:"Bytes of the whole backup, which must all be there."`
	DropIns bool  `query:"drop_ins" doc:"Also put the files of the drop-in directory back, in place of those of the same names."`
}) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         Restored
}, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	u := &a.uploads
	if err := u.enter(in.ID); err != nil {
		return nil, err
	}
	defer u.mu.Unlock()
	if in.Size != u.size {
		return nil, huma.NewError(http.StatusConflict, fmt.Sprintf("the backup has %d bytes, and %d are there", in.Size, u.size))
	}
	f, err := os.Open(a.uploaded())
	if err != nil {
		return nil, a.problem(fmt.Errorf("restore: %w", err))
	}
	defer func() { _ = f.Close() }() // It was only read.
	// Who goes away in the middle finds it done, not half done.
	work := context.WithoutCancel(ctx)
	// The log of the backup takes the place of this one, whose end it then names.
	head, err := a.Audit.Head(work)
	if err != nil {
		return nil, a.problem(fmt.Errorf("restore: %w", err))
	}
	var restored Restored
	err = a.act(work, in.Caller, audit.Entry{Action: "restore", Was: "audit log up to " + head.String()}, func() (string, error) {
		restored, err = a.Backups.Restore(work, f, RestoreOptions{DropIns: in.DropIns})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("backup by %s of %s", restored.Manager, restored.Created), nil
	})
	u.touched = a.Now()
	if err != nil {
		return nil, err
	}
	a.drop()
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         Restored
	}{"no-store", restored}, nil
}

// drop gives up the upload; the caller holds the lock.
func (a *API) drop() {
	a.uploads.id = ""
	if err := os.Remove(a.uploaded()); err != nil {
		a.Log.Warn("the backup that was sent is still there", "file", a.uploaded(), "error", err)
	}
}

func (a *API) endRestore(ctx context.Context, in *struct{ UploadID }) (*struct{}, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	if err := a.uploads.enter(in.ID); err != nil {
		return nil, err
	}
	defer a.uploads.mu.Unlock()
	a.drop()
	return nil, nil
}
