package record_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/viewer/record"
	"grove/viewer/record/archive"
)

// stubBackups makes backups of one file, and remembers what it was given to restore.
type stubBackups struct {
	staged, closed atomic.Int32
	fail           error         // of Stage and Restore
	breaks         atomic.Int32  // so many, in the middle of writing
	entered, hold  chan struct{} // WriteTo says that it began, and waits
	restored       string
	dropIns        bool
}

func (s *stubBackups) Stage(context.Context) (record.Staged, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	s.staged.Add(1)
	return s, nil
}

func (s *stubBackups) Head() archive.Head {
	return archive.Head{Version: "1", Manager: "nörth \"x\"", Created: noon}
}

func (s *stubBackups) WriteTo(w io.Writer) (int64, error) {
	a, err := archive.NewWriter(w, s.Head())
	if err != nil {
		return 0, err
	}
	if s.hold != nil {
		close(s.entered)
		<-s.hold
	}
	content := strings.Repeat("x", 1<<20)
	if err := a.Add("file", int64(len(content)), strings.NewReader(content)); err != nil {
		return 0, err
	}
	if s.breaks.Add(-1) >= 0 {
		return 0, errors.New("the disk broke")
	}
	return 0, a.Close()
}

func (s *stubBackups) Close() error { s.closed.Add(1); return nil }

func (s *stubBackups) Restore(_ context.Context, r io.ReadSeeker, o record.RestoreOptions) (record.Restored, error) {
	text, err := io.ReadAll(r)
	s.restored, s.dropIns = string(text), o.DropIns
	return record.Restored{Version: "1", Manager: "north", Created: "2026-03-01T00:00:00Z", Files: 1, Bytes: 3, Nodes: 2}, errors.Join(err, s.fail)
}

func TestBackupIsStreamed(t *testing.T) {
	w := grow(t)
	status, text, header := w.ask(t, "POST", "/api/v1/backup", nil)
	m, err := archive.Check(t.Context(), strings.NewReader(text))
	if status != 200 || err != nil || len(m.Files) != 1 || m.Manager != `nörth "x"` {
		t.Errorf("%d, %v, %+v", status, err, m)
	}
	if got := header.Get("Content-Disposition"); got != `attachment; filename="grove-n_rth_x_-20260302T120000Z.tar.zst"` || header.Get("Content-Type") != "application/zstd" {
		t.Errorf("%v", header)
	}
	if n := w.backups.closed.Load(); n != 1 {
		t.Errorf("closed %d times", n)
	}
	if diff := cmp.Diff([]string{"anonymous|backup||||begun", "anonymous|backup||||ok"}, w.audited(t)); diff != "" {
		t.Error(diff)
	}
	if status, text, _ := w.ask(t, "GET", "/api/v1/backup", nil); status != 405 {
		t.Errorf("GET: %d %s", status, text)
	}
}

func TestBackupThatBreaksDoesNotLookWhole(t *testing.T) {
	w := grow(t)
	w.backups.breaks.Store(1)
	res, err := http.Post(w.url+"/api/v1/backup", "", nil)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("it ends as one that is whole")
	}
	// The next one is let in, once this one is taken down.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	status, text := http.StatusConflict, ""
	for n := 0; status == http.StatusConflict && n < 1000; n++ {
		<-again.C
		status, text, _ = w.ask(t, "POST", "/api/v1/backup", nil)
	}
	if status != 200 || w.backups.closed.Load() < 1 {
		t.Errorf("%d %.200s", status, text)
	}
}

func TestBackupThatCannotBeMade(t *testing.T) {
	w := grow(t)
	w.backups.fail = fmt.Errorf("database: %w", store.ErrFull)
	status, text, _ := w.ask(t, "POST", "/api/v1/backup", nil)
	if status != 507 || detail(text) != "the disk of the database is full" {
		t.Errorf("%d %s", status, text)
	}
	if diff := cmp.Diff([]string{"anonymous|backup||||begun", "anonymous|backup||||database: disk of the database is full"}, w.audited(t)); diff != "" {
		t.Error(diff)
	}
}

func TestOneBackupAtATime(t *testing.T) {
	w := grow(t)
	w.backups.entered, w.backups.hold = make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		if status, text, _ := w.ask(t, "POST", "/api/v1/backup", nil); status != 200 {
			t.Errorf("%d %s", status, text)
		}
	})
	<-w.backups.entered
	if status, text, _ := w.ask(t, "POST", "/api/v1/backup", nil); status != 409 || detail(text) != "another backup is being made; wait until it is done" {
		t.Errorf("%d %s", status, text)
	}
	close(w.backups.hold)
	first.Wait()
}

func TestRestoreTakesPartsInAndAppliesThem(t *testing.T) {
	w := grow(t)
	const at = "/api/v1/restores"
	up := decode[record.Upload](t, w, "POST", at, nil)
	if up.ID == "" || up.Received != 0 || up.MaxPart != record.MaxPart {
		t.Errorf("%+v", up)
	}
	if status, text, _ := w.ask(t, "POST", at, nil); status != 409 || detail(text) != "another backup is on its way in; wait until it is restored or given up" {
		t.Errorf("a second one: %d %s", status, text)
	}
	part := func(offset int, content string, status int, says string) {
		t.Helper()
		got, text, _ := w.ask(t, "PUT", fmt.Sprintf("%s/%s?offset=%d", at, up.ID, offset), []byte(content))
		if got != status || detail(text) != says {
			t.Errorf("part at %d: %d %s", offset, got, text)
		}
	}
	part(0, "abc", 200, "")
	part(6, "ghi", 409, "the part begins at 6, and 3 bytes are there")
	part(3, "def", 200, "")
	part(3, "def", 200, "") // It is not known whether it arrived.
	part(-1, "x", 422, "validation failed")
	apply := fmt.Sprintf("%s/%s/apply", at, up.ID)
	if status, text, _ := w.ask(t, "POST", apply+"?size=7", nil); status != 409 || detail(text) != "the backup has 7 bytes, and 6 are there" {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := w.ask(t, "POST", at+"/other/apply?size=6", nil); status != 404 {
		t.Errorf("another upload: %d", status)
	}
	w.says(t, "POST", apply+"?size=6&drop_ins=true", nil, 200, `{"version":"1","manager":"north","created":"2026-03-01T00:00:00Z","files":1,"bytes":3,"nodes":2}`)
	if w.backups.restored != "abcdef" || !w.backups.dropIns {
		t.Errorf("%+v", w.backups)
	}
	if status, text, _ := w.ask(t, "POST", apply+"?size=6", nil); status != 404 {
		t.Errorf("once more: %d %s", status, text)
	}
	if lines := w.audited(t); len(lines) != 2 || lines[1] != "anonymous|restore||audit log up to 0:|backup by north of 2026-03-01T00:00:00Z|ok" {
		t.Errorf("%q", lines)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"damaged":     {fmt.Errorf("%w: x", archive.ErrDamaged), 422, "the backup is damaged: x"},
		"newer":       {fmt.Errorf("%w: x", archive.ErrNewer), 422, "the backup was made by a newer grove: x"},
		"too large":   {fmt.Errorf("%w: x", archive.ErrTooLarge), 413, "the backup is too large: x"},
		"database":    {fmt.Errorf("%w: line 3: x", store.ErrBackup), 422, "backup: line 3: x"},
		"unavailable": {fmt.Errorf("%w: connect to 10.0.0.1", store.ErrUnavailable), 503, "the database is not available; try again later"},
		"a secret":    {errors.New("open /secret"), 500, "the server made a mistake; its log says more"},
	} {
		t.Run(name, func(t *testing.T) {
			spool := t.TempDir()
			w := grow(t, func(o *record.Options) { o.Spool = spool })
			w.backups.fail = c.err
			up := decode[record.Upload](t, w, "POST", "/api/v1/restores", nil)
			decode[record.Upload](t, w, "PUT", "/api/v1/restores/"+up.ID+"?offset=0", []byte("x"))
			status, text, _ := w.ask(t, "POST", "/api/v1/restores/"+up.ID+"/apply?size=1", nil)
			if status != c.status || detail(text) != c.says {
				t.Errorf("%d %s", status, text)
			}
			if lines := w.audited(t); len(lines) != 2 || !strings.HasSuffix(lines[1], "|"+c.err.Error()) {
				t.Errorf("%q", lines)
			}
			if status, text, _ := w.ask(t, "DELETE", "/api/v1/restores/"+up.ID, nil); status != 204 {
				t.Errorf("%d %s", status, text)
			}
			if files, err := os.ReadDir(spool); err != nil || len(files) != 0 {
				t.Errorf("left over: %v, %v", files, err)
			}
		})
	}
}

func TestUploadsAreBounded(t *testing.T) {
	w := grow(t)
	up := decode[record.Upload](t, w, "POST", "/api/v1/restores", nil)
	if up := decode[record.Upload](t, w, "PUT", "/api/v1/restores/"+up.ID+"?offset=0", bytes.Repeat([]byte("x"), record.MaxPart)); up.Received != record.MaxPart {
		t.Errorf("%+v", up)
	}
	status, text, _ := w.ask(t, "PUT", "/api/v1/restores/"+up.ID+"?offset=0", bytes.Repeat([]byte("x"), record.MaxPart+1))
	if status != 413 {
		t.Errorf("a large part: %d %s", status, text)
	}
	if status, text, _ := w.ask(t, "PUT", fmt.Sprintf("/api/v1/restores/%s?offset=%d", up.ID, int64(archive.MaxBytes)), []byte("x")); status != 409 {
		t.Errorf("far away: %d %s", status, text)
	}
	// One that nobody goes on with makes room.
	w.at.Store(noon.Add(11 * time.Minute).UnixMilli())
	next := decode[record.Upload](t, w, "POST", "/api/v1/restores", nil)
	if status, _, _ := w.ask(t, "PUT", "/api/v1/restores/"+up.ID+"?offset=0", []byte("x")); status != 404 || next.ID == up.ID {
		t.Errorf("%d", status)
	}
}
