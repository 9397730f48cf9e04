// Package follow reads a log on and on: where reading stopped, whether the file is still
// the one that was read, and the lines that came since. It knows no file system: whoever
// uses it opens the file, here or on another machine.
package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sync"

	"grove/runtime/probe/pattern"
)

const (
	// overlap is how many bytes before the position tell that it is the same file: the end
	// of its last line, which mostly holds a time.
	overlap = 256
	// bufferSize is how much is read at once. It holds whole lines of MaxLine.
	bufferSize = 4 * pattern.MaxLine
)

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// ErrChanged is returned for a file that does not hold what was read before the position:
// it was replaced, or emptied and written anew.
var ErrChanged = errors.New("the file is not the one that was read")

// Position is how far a file was read. Offset is behind the last whole line.
type Position struct {
	Offset int64  `json:"offset"`
	Sum    uint64 `json:"sum,omitempty"`  // of the bytes before Offset
	Skip   bool   `json:"skip,omitempty"` // the line that goes on at Offset was too long: its rest is left out
	Open   int64  `json:"open,omitempty"` // bytes before Offset of a record that was not whole
}

// Start is where the reader that Read is given begins: a little before the position.
func (p *Position) Start() int64 { return max(0, p.Offset-overlap) }

// Rewind goes back over the record that was not whole. It is called when the stream that
// held it is gone, after Check found the file to be the same.
func (p *Position) Rewind() {
	p.Offset, p.Open, p.Sum = max(0, p.Offset-p.Open), 0, 0
}

// Check reads the bytes before the position from r, which begins at Start, and says with
// ErrChanged when they are others. A position without a sum fits every file.
func (p *Position) Check(r io.Reader) error {
	_, err := p.check(r)
	return err
}

func (p *Position) check(r io.Reader) (before []byte, err error) {
	before = make([]byte, p.Offset-p.Start(), 2*overlap)
	n, err := io.ReadFull(r, before)
	switch {
	case len(before) == 0:
		return before, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: it ends at byte %d, before byte %d", ErrChanged, p.Start()+int64(n), p.Offset)
	case err != nil:
		return nil, err
	case p.Sum != 0 && p.Sum != sum(before):
		return nil, fmt.Errorf("%w: the bytes before %d are others", ErrChanged, p.Offset)
	}
	p.Sum = sum(before)
	return before, nil
}

// sum is never 0.
func sum(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // it never fails
	return max(1, h.Sum64())
}

// AtEnd is the position at the end of a file, of which r yields the last bytes, from
// Position{Offset: size}.Start on: only what is written later is read.
func AtEnd(size int64, r io.Reader) (Position, error) {
	p := Position{Offset: size}
	before, err := p.check(r)
	p.Skip = len(before) > 0 && before[len(before)-1] != '\n'
	return p, err
}

// Read takes the lines that follow the position from r, which begins at Start, to its end
// or until so many bytes were read; more says that there are more. The part of a line at
// the end is left for the next time, unless this is the end of a file that nobody writes
// any more. Only with an error of Check is nothing taken.
func (p *Position) Read(ctx context.Context, r io.Reader, s *pattern.Stream, most int64, end bool) (n int64, more bool, err error) {
	last, err := p.check(r) // the last bytes before the position
	if err != nil {
		return 0, false, err
	}
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buf, held := *pooled, 0 // held: bytes that are the beginning of a line
	defer func() { p.Open = s.Open() }()
	for {
		got, err := r.Read(buf[held:])
		held += got
		n += int64(got)
		done := p.take(buf[:held], s, held == len(buf), end && errors.Is(err, io.EOF))
		if done > 0 {
			last = p.moved(last, buf[:done])
			held = copy(buf, buf[done:held])
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, false, nil
		case err != nil:
			return n, false, err
		case ctx.Err() != nil, n >= most:
			return n, true, ctx.Err()
		}
	}
}

// take hands the whole lines at the beginning of b to the stream and returns how much
// that was. Full says that no more fits; last that no more comes.
func (p *Position) take(b []byte, s *pattern.Stream, full, last bool) (done int) {
	if p.Skip {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return len(b)
		}
		p.Skip = false
		done = i + 1
	}
	if n := bytes.LastIndexByte(b[done:], '\n') + 1; n > 0 {
		s.Lines(b[done : done+n])
		done += n
	}
	if rest := b[done:]; len(rest) > 0 && (last || full && done == 0) {
		s.Lines(append(bytes.Clone(rest), '\n'))
		p.Skip = !last
		done = len(b)
	}
	return done
}

// moved advances the position over b; last are the bytes before the position.
func (p *Position) moved(last, b []byte) []byte {
	p.Offset += int64(len(b))
	if len(b) >= overlap {
		last = append(last[:0], b[len(b)-overlap:]...)
	} else {
		last = append(last, b...)
		if over := len(last) - overlap; over > 0 {
			last = last[:copy(last, last[over:])]
		}
	}
	p.Sum = 0
	if int64(len(last)) == min(p.Offset, overlap) {
		p.Sum = sum(last)
	}
	return last
}
