package program

import (
	"bytes"
	"sync"
)

// Bounded keeps the first bytes that are written to it and takes the rest without
// keeping it, so that the writer never stalls. A process that outlives the wait may
// still write when it is read.
type Bounded struct {
	Max int

	mu   sync.Mutex
	buf  bytes.Buffer
	more bool
}

// Write implements io.Writer.
func (b *Bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.Max - b.buf.Len()
	b.buf.Write(p[:min(len(p), room)])
	b.more = b.more || len(p) > room
	return len(p), nil
}

// Bytes returns what was kept.
func (b *Bounded) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

// Cut says that there was more.
func (b *Bounded) Cut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.more
}
