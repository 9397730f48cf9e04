package prometheus

import (
	"io"
	"sync"
)

// chunkBytes is how much text is handed on at once. A chunk has room for one more line
// of usual length.
const chunkBytes, chunkRoom = 64 << 10, 8 << 10

// chunk is a piece of an answer; it is pooled.
type chunk struct{ text []byte }

var chunks = sync.Pool{New: func() any { return &chunk{make([]byte, 0, chunkBytes+chunkRoom)} }}

// free gives a chunk back, unless a very long line made it large.
func (c *chunk) free() {
	if cap(c.text) <= 2*chunkBytes {
		c.text = c.text[:0]
		chunks.Put(c)
	}
}

// sink takes full chunks: it keeps them, or hands on what they hold.
type sink interface {
	// next takes a chunk and returns an empty one.
	next(full *chunk) *chunk
}

// kept is the sink of an answer that is sent as it is: it keeps the chunks, so that
// nothing is copied and nobody waits for a slow client.
type kept struct {
	chunks []*chunk
	bytes  int
}

func (k *kept) next(full *chunk) *chunk {
	k.chunks = append(k.chunks, full)
	k.bytes += len(full.text)
	return chunks.Get().(*chunk)
}

// send writes and frees the chunks.
func (k *kept) send(w io.Writer) error {
	var err error
	for _, c := range k.chunks {
		if err == nil {
			_, err = w.Write(c.text)
		}
		c.free()
	}
	k.chunks = nil
	return err
}

// passed is the sink that hands on to a writer in memory, which compresses, say.
type passed struct {
	to  io.Writer
	err error
}

func (p *passed) next(full *chunk) *chunk {
	if p.err == nil {
		_, p.err = p.to.Write(full.text)
	}
	full.text = full.text[:0]
	return full
}
