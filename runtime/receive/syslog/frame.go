package syslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxMessage is how many bytes of a message count.
const MaxMessage = 64 << 10

// maxFrame is the longest message whose end is waited for.
const maxFrame = 1 << 20

// errFrame is wrapped by errors about a stream that holds no messages.
var errFrame = errors.New("not a stream of syslog messages")

// frames reads the messages of a stream in either framing of RFC 6587: with their length
// before them, or with a line end behind them. The first byte of a message tells.
type frames struct {
	r   *bufio.Reader
	buf []byte
}

func newFrames(r io.Reader) *frames { return &frames{r: bufio.NewReaderSize(r, 32<<10)} }

// next returns the next message, which is valid until the next call. Whole is false when
// it was longer than MaxMessage. At the end of the stream the error is io.EOF.
func (f *frames) next() (message []byte, whole bool, err error) {
	for {
		first, err := f.r.Peek(1)
		if err != nil {
			return nil, true, err
		}
		switch c := first[0]; {
		case c == '\n' || c == '\r' || c == 0: // between messages
			if _, err := f.r.Discard(1); err != nil {
				return nil, true, err
			}
		case c >= '1' && c <= '9':
			return f.counted()
		default:
			return f.line()
		}
	}
}

// counted reads a message with its length before it: RFC 6587 section 3.4.1.
func (f *frames) counted() ([]byte, bool, error) {
	length := 0
	for digits := 0; ; digits++ {
		c, err := f.r.ReadByte()
		switch {
		case err != nil:
			return nil, true, unexpected(err)
		case c == ' ' && digits > 0:
			return f.take(length)
		case c < '0' || c > '9':
			return nil, true, fmt.Errorf("%w: %q in the length of a message", errFrame, c)
		}
		if length = length*10 + int(c-'0'); length > maxFrame {
			return nil, true, fmt.Errorf("%w: a message of %d bytes or more, more than %d", errFrame, length, maxFrame)
		}
	}
}

func (f *frames) take(length int) ([]byte, bool, error) {
	kept := min(length, MaxMessage)
	if cap(f.buf) < kept {
		f.buf = make([]byte, kept)
	}
	f.buf = f.buf[:kept]
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		return nil, true, unexpected(err)
	}
	if _, err := f.r.Discard(length - kept); err != nil {
		return nil, true, unexpected(err)
	}
	return f.buf, kept == length, nil
}

// line reads a message up to its line end: RFC 6587 section 3.4.2.
func (f *frames) line() ([]byte, bool, error) {
	f.buf = f.buf[:0]
	for whole, length := true, 0; ; {
		part, err := f.r.ReadSlice('\n')
		if room := MaxMessage - len(f.buf); len(part) > room {
			part, whole = part[:room], false
		}
		length += len(part)
		f.buf = append(f.buf, part...)
		switch {
		case err == nil:
			return f.buf, whole, nil
		case errors.Is(err, io.EOF):
			return f.buf, whole, nil // what a sender wrote before it went
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, whole, err
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
