package live

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/viewer/live/frame"
)

// view is one subtree that clients look at, with the frames that its clients
// share. It lives as long as a subscription holds it.
type view struct {
	server *Server
	path   tree.Path
	holds  int // guarded by Server.mu

	mu      sync.Mutex // guards the fields below
	tree    *tree.View
	encoder frame.Encoder
	ready   []batch // frames up to the newest sequence number that was asked for
	looked  time.Time
	cells   []tree.Cell // kept to save allocations
	size    int         // nodes of the last snapshot
	bytes   int         // of its encoding
}

// lookEvery is how often the nodes in request mode below a view are asked while
// somebody looks.
const lookEvery = 10 * time.Second

// maxReady bounds the frames that a view keeps to be shared: clients at more than
// so many different places get their own.
const maxReady = 16

// want says what a subscription needs next.
type want struct {
	id     uint32
	binary bool
	fresh  bool   // a snapshot
	from   uint64 // the number that the client has
	cursor uint64 // up to where nothing changed since from
}

// batch is the answer to a want.
type batch struct {
	want
	to       uint64
	message  *websocket.PreparedMessage // nil: nothing changed up to to
	snapshot bool
	size     int
}

// acquire returns the view of a path, which must be released.
func (s *Server) acquire(path tree.Path) (*view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[path]; v != nil {
		v.holds++
		return v, nil
	}
	tv, err := s.opts.Tree.View(path)
	if err != nil {
		return nil, err
	}
	v := &view{server: s, path: path, holds: 1, tree: tv}
	s.views[path] = v
	return v, nil
}

func (v *view) release() {
	v.server.mu.Lock()
	v.holds--
	last := v.holds == 0
	if last && v.server.views[v.path] == v {
		delete(v.server.views, v.path)
	}
	v.server.mu.Unlock()
	if last {
		v.mu.Lock()
		v.tree.Close()
		v.mu.Unlock()
	}
}

// look asks the nodes in request mode below the view, if that was not done lately.
func (v *view) look(now time.Time) {
	v.mu.Lock()
	due := now.Sub(v.looked) >= lookEvery
	if due {
		v.looked = now
	}
	v.mu.Unlock()
	if due {
		v.server.opts.Tree.Look(v.path)
	}
}

// next returns what a subscription is to be sent; it fails when the root of the
// view is gone. Whoever comes first encodes, the others share.
func (v *view) next(w want) (batch, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	seq := v.server.opts.Tree.Seq()
	for i := range v.ready {
		if b := &v.ready[i]; b.want == w && b.to >= seq {
			return *b, nil
		}
	}
	b, err := v.build(w)
	if err != nil {
		return batch{}, err
	}
	v.ready = slices.DeleteFunc(v.ready, func(o batch) bool { return o.to < seq })
	if len(v.ready) < maxReady {
		v.ready = append(v.ready, b)
	}
	return b, nil
}

func (v *view) build(w want) (batch, error) {
	if w.fresh {
		return v.snapshot(w)
	}
	v.cells = v.cells[:0]
	span, err := v.tree.Since(w.cursor, func(c *tree.Cell) { v.cells = append(v.cells, *c) })
	switch {
	case err != nil:
		return batch{}, err
	case span.Reset:
		return v.snapshot(w)
	case len(v.cells) == 0 && len(span.Placed) == 0 && len(span.Removed) == 0:
		return batch{want: w, to: span.To}, nil
	}
	f := &frame.Frame{Type: frame.TypeDelta, ID: w.id, From: w.from, Seq: span.To, Time: time.Now(), Removed: span.Removed}
	quiet := v.server.flushes.before(w.from)
	f.Changes = make([]frame.Change, len(v.cells))
	for i := range v.cells {
		f.Changes[i] = frame.ChangeOf(&v.cells[i], quiet)
	}
	f.Nodes = make([]frame.Node, len(span.Placed))
	for i := range span.Placed {
		n := &span.Placed[i]
		f.Nodes[i] = frame.NodeOf(n, n.Path == v.path)
	}
	if cap(v.cells) > 1<<16 {
		v.cells = nil // A rare burst; its memory is not kept.
	}
	return v.encode(w, f)
}

func (v *view) snapshot(w want) (batch, error) {
	// The tree stands still during the snapshot: room is made before.
	if v.size == 0 && v.path.IsRoot() {
		v.size = v.server.opts.Tree.Len()
	}
	f := &frame.Frame{Type: frame.TypeSnapshot, ID: w.id, Time: time.Now(), Nodes: make([]frame.Node, 0, v.size+v.size/8)}
	seq, err := v.tree.Snapshot(func(n *tree.Node) bool {
		f.Nodes = append(f.Nodes, frame.NodeOf(n, len(f.Nodes) == 0))
		return true
	})
	if err != nil {
		return batch{}, err
	}
	f.Seq, v.size = seq, len(f.Nodes)
	return v.encode(w, f)
}

func (v *view) encode(w want, f *frame.Frame) (batch, error) {
	var data []byte
	var err error
	kind := websocket.BinaryMessage
	if w.binary {
		if f.Type == frame.TypeSnapshot {
			data = make([]byte, 0, v.bytes+v.bytes/8)
		}
		data = v.encoder.Append(data, f)
		if f.Type == frame.TypeSnapshot {
			v.bytes = len(data)
		}
	} else {
		kind = websocket.TextMessage
		if data, err = json.Marshal(f); err != nil {
			return batch{}, fmt.Errorf("encode a frame of %s: %w", v.path, err)
		}
	}
	message, err := websocket.NewPreparedMessage(kind, data)
	if err != nil {
		return batch{}, fmt.Errorf("prepare a frame of %s: %w", v.path, err)
	}
	v.server.counts.encoded.Inc()
	return batch{want: w, to: f.Seq, message: message, snapshot: f.Type == frame.TypeSnapshot, size: len(data)}, nil
}

// flushTimes remembers when the latest flushes were.
type flushTimes struct {
	mu   sync.Mutex
	ring [256]flushTime
	at   int
}

type flushTime struct {
	seq  uint64
	time time.Time
}

func (f *flushTimes) note(seq uint64, t time.Time) {
	f.mu.Lock()
	f.ring[f.at%len(f.ring)] = flushTime{seq, t}
	f.at++
	f.mu.Unlock()
}

// of returns when the flush of a number was; it is zero when that is forgotten.
func (f *flushTimes) of(seq uint64) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := f.at - 1; i >= 0 && i >= f.at-len(f.ring); i-- {
		if e := f.ring[i%len(f.ring)]; e.seq <= seq {
			if e.seq == seq {
				return e.time
			}
			break
		}
	}
	return time.Time{}
}

// before returns a time before which everything was published with seq or earlier:
// well before that flush, since readings may come late. It is zero when the flush
// is forgotten.
func (f *flushTimes) before(seq uint64) time.Time {
	const late = 10 * time.Second
	if t := f.of(seq); !t.IsZero() {
		return t.Add(-late)
	}
	return time.Time{}
}
