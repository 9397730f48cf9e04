package logfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/runtime/probe/follow"
)

// maxRotated bounds the rotated files of one log that are looked at.
const maxRotated = 100

// suffix is what a rotated file has behind the name of the log: .1 or .1.log, -20260131,
// .2026-01-31_12, .old. Those that are compressed have another end and are not looked at.
var suffix = regexp.MustCompile(`\A[.-]?(\d[-_.T:0-9]*|old|bak|\d{4}-\d\d-\d\d.*)\z`)

// isRotated says whether a path looks like a rotated file of the log at another. Of "a.log"
// they are "a.log.1", "a.log-20260131", "a.log.old" and the like, and "a-20260131.log".
func isRotated(of, path string) bool {
	if rest, ok := strings.CutPrefix(path, of); ok {
		return suffix.MatchString(rest)
	}
	extension := filepath.Ext(of)
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(of, extension))
	if !ok || extension == "" {
		return false
	}
	rest, ok = strings.CutSuffix(rest, extension)
	return ok && suffix.MatchString(rest)
}

// candidate is a file that may be a rotated one of the log.
type candidate struct {
	identity
	path    string
	written time.Time
}

// older orders rotated files by time. Of those that were written at the same time one with
// a higher number is older, but a later date is younger.
func older(a, b candidate) int {
	if order := a.written.Compare(b.written); order != 0 {
		return order
	}
	number := func(c candidate) int {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(c.path), "."))
		if err != nil || n > 10_000 {
			return 0
		}
		return n
	}
	return cmp.Or(number(b)-number(a), cmp.Compare(a.path, b.path))
}

// candidates lists the rotated files beside the log, the oldest first.
func (t *tail) candidates() ([]candidate, error) {
	dir := filepath.Dir(t.path)
	entries, err := list(t.p.policy, dir)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a log may be readable where its directory is not
	}
	if err != nil {
		return nil, err
	}
	var found []candidate
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() || !isRotated(t.path, path) {
			continue
		}
		if info, err := e.Info(); err == nil { // else it was renamed just now
			found = append(found, candidate{identityOf(info), path, info.ModTime()})
		}
	}
	slices.SortFunc(found, older)
	return found[max(0, len(found)-maxRotated):], nil
}

// emptied is run when an open file no longer holds what was read: it was copied and
// emptied, or written anew.
func (t *tail) emptied(ctx context.Context, r *reel, budget *int64) error {
	t.p.counts.rotations++
	was := r.place()
	was.Open = r.stream.Open()
	r.Position = follow.Position{}
	found, newest, err := t.catchUp(ctx, was, r.identity, budget)
	r.base = newest
	if found {
		r.stream = t.stream() // what it held was read again
	}
	r.stream.Flush(true)
	return err
}

// catchUp looks among the rotated files for the one that holds what was read before a
// position, and reads the rest of it and what was rotated after it. Present is the file
// that is at the path now, newest the newest of the rotated ones.
func (t *tail) catchUp(ctx context.Context, was place, present identity, budget *int64) (found bool, newest identity, err error) {
	old, err := t.find(was)
	if err != nil {
		return false, identity{}, err
	}
	if old == nil {
		if was.Offset > 0 {
			t.p.counts.gaps++
		}
		newest, err = t.between(ctx, was.Base, present, budget)
		return false, newest, err
	}
	if err := t.whole(ctx, old, budget); err != nil {
		return true, identity{}, err
	}
	newest, err = t.between(ctx, old.identity, present, budget)
	return true, newest, err
}

// whole reads a file to its end, and closes it.
func (t *tail) whole(ctx context.Context, r *reel, budget *int64) error {
	for more := true; more; {
		var n int64
		var err error
		n, more, err = r.Read(ctx, io.NewSectionReader(r.file, r.Start(), 1<<62), r.stream, maxReading, true)
		*budget -= n
		t.p.counts.bytes += uint64(n)
		if err != nil {
			t.p.counts.gaps++
			return errors.Join(fmt.Errorf("%s: %w", r.file.Name(), err), r.file.Close())
		}
	}
	r.stream.Flush(true)
	return r.file.Close()
}

// newest is the newest rotated file; the zero identity when there is none.
func (t *tail) newest() (identity, error) {
	list, err := t.candidates()
	if err != nil || len(list) == 0 {
		return identity{}, err
	}
	return list[len(list)-1].identity, nil
}

// between reads the files that were rotated after one and before the present one: there
// was more than one rotation between two runs. Newest is the newest of all that are there.
func (t *tail) between(ctx context.Context, one, present identity, budget *int64) (newest identity, err error) {
	list, err := t.candidates()
	if err != nil || len(list) == 0 {
		return newest, err
	}
	newest = list[len(list)-1].identity
	from := slices.IndexFunc(list, func(c candidate) bool { return c.identity == one })
	if from < 0 && one != (identity{}) {
		return newest, nil // it is gone, so nobody knows which of them are later
	}
	for _, c := range list[from+1:] {
		f, err := t.p.policy.Open(c.path)
		if err != nil {
			continue
		}
		id, _, err := identify(f)
		if err != nil || id != c.identity || id == present || t.holds(id) {
			if err := f.Close(); err != nil {
				return newest, err
			}
			continue
		}
		if err := t.whole(ctx, t.newReel(f, id), budget); err != nil {
			return newest, err
		}
	}
	return newest, nil
}

// goOn takes up reading where the probe before the restart was: in the same file, or in
// the one that it was renamed or copied to.
func (t *tail) goOn(ctx context.Context, r *reel, budget *int64) error {
	was := t.resume
	t.resume = nil
	if was.Old != nil {
		old, err := t.find(*was.Old)
		if err != nil {
			return err
		}
		if old != nil {
			if err := t.whole(ctx, old, budget); err != nil {
				return err
			}
		}
	}
	if r.identity == was.identity() {
		r.Position = was.Position
		err := r.Check(io.NewSectionReader(r.file, r.Start(), 1<<62))
		if err == nil {
			r.Rewind()
			r.base = was.Base
			return nil
		}
		if !errors.Is(err, follow.ErrChanged) {
			return err
		}
		r.Position = follow.Position{}
	}
	t.p.counts.rotations++
	_, newest, err := t.catchUp(ctx, was.place, r.identity, budget)
	r.base = newest
	return err
}

// find opens the rotated file that is the one of a place, or a copy that holds what was
// read before it, and goes there; nil when there is none.
func (t *tail) find(was place) (*reel, error) {
	list, err := t.candidates()
	if err != nil {
		return nil, err
	}
	for _, c := range slices.Backward(list) {
		f, err := t.p.policy.Open(c.path)
		if err != nil {
			continue // it was renamed just now, or is not to be read
		}
		id, _, err := identify(f)
		r := t.newReel(f, id)
		r.Position = was.Position
		if err == nil && (was.Offset > 0 || id == was.identity()) && r.Check(io.NewSectionReader(f, r.Start(), 1<<62)) == nil {
			r.Rewind()
			return r, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
