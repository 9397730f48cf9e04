package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"grove/runtime/probe/follow"
	"grove/runtime/probe/pattern"
)

// fieldFile is what texts of events call the path of the file.
const fieldFile = "file"

// quiet is how long a file that was renamed is still looked at: who writes to it is told
// of the new one a little later.
const quiet = 30 * time.Second

// identity is which file it is, whatever its name.
type identity struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// identify returns which file is open, and what is known of it.
func identify(f *os.File) (identity, fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, nil, err
	}
	if info.IsDir() {
		return identity{}, nil, fmt.Errorf("%s is a directory", f.Name())
	}
	return identityOf(info), info, nil
}

// identityOf is the zero identity where the system does not tell it.
func identityOf(info fs.FileInfo) identity {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{uint64(s.Dev), s.Ino}
}

// reel is an open file with the position in it.
type reel struct {
	identity
	follow.Position
	file   *os.File
	stream *pattern.Stream
	seen   time.Time // its time of change when it was read to its end
	last   time.Time // when something was read
	// base is the newest rotated file of when reading began at the start of this one: what
	// was rotated since then before anything was read is newer.
	base identity
}

// tail follows one path.
type tail struct {
	p       *logProbe
	path    string
	now     *reel       // nil: there is no file yet
	old     *reel       // renamed, and perhaps still written to
	resume  *remembered // where the one before the restart was; nil: nothing is known
	looked  bool        // it was run
	there   bool        // the path exists
	size    int64
	written time.Time
}

func (p *logProbe) newTail(path string) *tail { return &tail{p: p, path: path} }

// close closes what is open.
func (t *tail) close() error {
	var errs []error
	for _, r := range []*reel{t.now, t.old} {
		if r != nil {
			errs = append(errs, r.file.Close())
		}
	}
	t.now, t.old = nil, nil
	return errors.Join(errs...)
}

// holds says whether a file is one of those that the tail has open.
func (t *tail) holds(id identity) bool {
	return t.now != nil && t.now.identity == id || t.old != nil && t.old.identity == id
}

// finished says that the path is gone and everything was read.
func (t *tail) finished() bool {
	return t.looked && !t.there && t.now == nil && t.old == nil && t.resume == nil
}

// behind is how much is there and was not read.
func (t *tail) behind() int64 {
	var sum int64
	for _, r := range []*reel{t.now, t.old} {
		if r == nil {
			continue
		}
		if info, err := r.file.Stat(); err == nil {
			sum += max(0, info.Size()-r.Offset)
		}
	}
	return sum
}

// run reads what is new.
func (t *tail) run(ctx context.Context, now time.Time, budget *int64) error {
	t.looked = true
	if t.old != nil {
		if err := t.drain(ctx, now, budget, false); err != nil {
			return err
		}
	}
	f, err := t.p.policy.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return t.missing(ctx, now, budget)
	}
	if err != nil {
		t.there = false
		return err
	}
	id, info, err := identify(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t.there, t.size, t.written = true, info.Size(), info.ModTime()
	switch {
	case t.now != nil && t.now.identity == id:
		if err := f.Close(); err != nil {
			return err
		}
	case t.now != nil:
		done, newest, err := t.rotated(ctx, now, id, budget)
		if err != nil || !done {
			return errors.Join(err, f.Close())
		}
		t.now = t.newReel(f, id)
		t.now.base = newest
	default:
		if err := t.first(ctx, f, id, info, budget); err != nil {
			return err
		}
	}
	return t.read(ctx, t.now, now, budget)
}

func (t *tail) newReel(f *os.File, id identity) *reel {
	return &reel{identity: id, file: f, stream: t.stream()}
}

func (t *tail) stream() *pattern.Stream {
	return t.p.matcher.Stream(func(string) string { return t.path })
}

// first opens a file at a path that nothing was read from since the probe began.
func (t *tail) first(ctx context.Context, f *os.File, id identity, info fs.FileInfo, budget *int64) error {
	r := t.newReel(f, id)
	switch {
	case t.resume != nil:
		if err := t.goOn(ctx, r, budget); err != nil {
			return errors.Join(err, f.Close())
		}
	case !t.p.began && !t.p.recipe.fromStart:
		var err error
		start := follow.Position{Offset: info.Size()}
		if r.base, err = t.newest(); err != nil {
			return errors.Join(err, f.Close())
		}
		if r.Position, err = follow.AtEnd(info.Size(), io.NewSectionReader(f, start.Start(), 1<<62)); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", t.path, err), f.Close())
		}
	default:
		var err error
		if r.base, err = t.newest(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	t.now = r
	return nil
}

// missing is run when the path is not there: between the renaming and the new file, say.
func (t *tail) missing(ctx context.Context, now time.Time, budget *int64) error {
	t.there, t.size = false, 0
	if t.now == nil {
		return nil
	}
	if err := t.read(ctx, t.now, now, budget); err != nil {
		return err
	}
	if now.Sub(t.now.last) < quiet {
		return nil
	}
	// It was removed, or renamed for good: what comes at this path is another file.
	if t.old != nil {
		if err := t.drain(ctx, now, budget, true); err != nil {
			return err
		}
	}
	t.old, t.now = t.now, nil
	t.p.counts.rotations++
	return t.drain(ctx, now, budget, true)
}

// rotated is run when another file is at the path: what is in the old one is read, and
// what was rotated between the two. It is not done when there is too much for one run.
func (t *tail) rotated(ctx context.Context, now time.Time, id identity, budget *int64) (done bool, newest identity, err error) {
	if err := t.read(ctx, t.now, now, budget); err != nil || *budget <= 0 {
		return false, newest, err
	}
	if t.old != nil {
		if err := t.drain(ctx, now, budget, true); err != nil {
			return false, newest, err
		}
	}
	t.now.last = now
	t.old, t.now = t.now, nil
	t.p.counts.rotations++
	newest, err = t.between(ctx, t.old.identity, id, budget)
	return true, newest, err
}

// drain reads what was still written to the renamed file, and lets go of it in the end.
func (t *tail) drain(ctx context.Context, now time.Time, budget *int64, end bool) error {
	if err := t.read(ctx, t.old, now, budget); err != nil {
		return err
	}
	if !end && now.Sub(t.old.last) < quiet {
		return nil
	}
	old := t.old
	t.old = nil
	return t.whole(ctx, old, budget)
}

// read takes the lines that are new in an open file.
func (t *tail) read(ctx context.Context, r *reel, now time.Time, budget *int64) error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != r.Offset || !info.ModTime().Equal(r.seen) {
		if r.Offset == 0 && r == t.now {
			if r.base, err = t.between(ctx, r.base, r.identity, budget); err != nil {
				return err
			}
		}
		n, more, err := t.lines(ctx, r, budget)
		if errors.Is(err, follow.ErrChanged) {
			if err := t.emptied(ctx, r, budget); err != nil {
				return err
			}
			n, more, err = t.lines(ctx, r, budget)
		}
		if n > 0 {
			r.last = now
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.path, err)
		}
		r.seen = time.Time{}
		if !more {
			r.seen = info.ModTime()
		}
	}
	r.stream.Flush(false)
	r.Open = r.stream.Open()
	return nil
}

// lines reads from the position on.
func (t *tail) lines(ctx context.Context, r *reel, budget *int64) (n int64, more bool, err error) {
	if *budget <= 0 {
		return 0, true, nil
	}
	n, more, err = r.Read(ctx, io.NewSectionReader(r.file, r.Start(), 1<<62), r.stream, *budget, false)
	*budget -= n
	t.p.counts.bytes += uint64(n)
	return n, more, err
}
