package branch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/branch/frame"
	"grove/tree"
)

const (
	// pieceNodes is how many nodes one piece of a snapshot has at most, and pieceBytes how
	// many bytes it may have before it ends; it may be longer by one node.
	pieceNodes = 1000
	pieceBytes = 96 << 10
	// touchEvery is how often the times of readings are told that brought the same value.
	touchEvery = 30 * time.Second
	// ringBytes and ringFrames bound the deltas that are kept for those who lost some.
	ringBytes  = 8 << 20
	ringFrames = 4096
	// forgetAfter is how long a follower is remembered that does not renew.
	forgetAfter = 10 * time.Second
	// snapshotFor is how long the pieces of a snapshot are kept after one was asked for.
	snapshotFor = 20 * time.Second
	// logEvents bounds the events of one log in a snapshot.
	logEvents = 100
	// maxSpecs is how many different specs a feed has had when it begins anew.
	maxSpecs = 200_000
)

// feed is a part of the tree as it is told to those that follow it.
type feed struct {
	s     *share
	id    string
	under tree.Path
	class string // of those that follow: they may see the same
	asker peer.ID
	view  *tree.View
	wake  chan struct{}
	stop  context.CancelFunc

	mu        sync.Mutex // guards everything below
	followers map[peer.ID]*follower
	number    uint64
	seq       uint64 // of the tree, up to which was told
	nodes     map[uint32]*entry
	specs     map[specKey]uint32 // their numbers
	texts     map[string]uint32  // and those of their texts
	specTexts [][]byte           // by number
	origins   map[peer.ID]bool   // whose trees hang in it; true: they are left out
	ring      [][]byte           // of the latest deltas, the newest has number
	ringSize  int
	snapshot  *snapshot
	sooner    early // rounds
	split     bool  // those who follow may not see the same any more
	gone      error // why it has ended

	cells   []tree.Cell
	changed []frame.State
}

// follower is a manager that follows.
type follower struct {
	except  map[peer.ID]bool // whose trees it must not be told of
	expires time.Time
}

// specKey is what makes a spec: of nodes that are tuned, the threshold too.
type specKey struct {
	spec  *tree.Spec
	tuned *tree.Threshold
}

// entry is a node as it was told.
type entry struct {
	ref    tree.Ref
	parent uint32
	depth  int
	name   string
	spec   uint32
	log    bool
	events uint64 // of a log, told so far
	frame.State
}

// snapshot is the feed at one number, written in pieces.
type snapshot struct {
	number uint64
	nodes  int
	pieces [][]byte
	asked  time.Time
}

// run tells what changes, and what only was read again, until ctx ends or there is nothing
// more to tell of.
func (f *feed) run(ctx context.Context) {
	defer f.view.Close()
	touch := time.NewTicker(touchEvery)
	defer touch.Stop()
	wait := time.NewTimer(0)
	defer wait.Stop()
	<-wait.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
			if !f.round(f.update) || !f.rest(ctx, wait) {
				return
			}
		case <-touch.C:
			if !f.round(f.touch) {
				return
			}
		}
	}
}

// round does one part of the work, and says whether the feed goes on.
func (f *feed) round(work func() error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := work(); err != nil {
		f.gone = err
	}
	if f.split {
		f.gone = errors.New("those who follow may not see the same any more")
	}
	if f.gone != nil {
		f.s.drop(f)
	}
	return f.gone == nil
}

// excepts says whether a tree of another manager is left out: it is when those who follow
// must not be told of it. When only some of them must not, the feed ends.
func (f *feed) excepts(origin peer.ID) bool {
	out, known := f.origins[origin]
	if known {
		return out
	}
	n := 0
	for _, follower := range f.followers {
		if follower.except[origin] {
			n++
		}
	}
	out = n > 0
	f.split = f.split || out && n < len(f.followers)
	f.origins[origin] = out
	return out
}

// suits says whether somebody may follow this feed that must not be told of some trees.
func (f *feed) suits(except map[peer.ID]bool) bool {
	for origin, out := range f.origins {
		if except[origin] != out {
			return false
		}
	}
	return true
}

// shows says whether a node belongs to the feed.
func (f *feed) shows(n *tree.Node) bool {
	if n.Path != f.under {
		if f.nodes[n.Parent] == nil {
			return false
		}
		if id := peer.ID(n.Spec.Properties[PropertyManager]); id != "" && f.excepts(id) {
			return false
		}
	}
	return f.s.sees(f.asker, n.Path)
}

// build takes the whole part of the tree as it is now, without telling of it.
func (f *feed) build() error {
	f.nodes, f.specs, f.texts, f.specTexts = map[uint32]*entry{}, map[specKey]uint32{}, map[string]uint32{}, nil
	f.origins, f.snapshot = map[peer.ID]bool{}, nil
	var logs []*entry
	seq, err := f.view.Snapshot(func(n *tree.Node) bool {
		if f.shows(n) {
			e := f.enter(n)
			if e.log {
				logs = append(logs, e)
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	if len(f.nodes) == 0 {
		return fmt.Errorf("%s: %w", f.under, tree.ErrNoNode)
	}
	f.seq = seq
	return f.view.Read(func(r *tree.Reader) {
		for _, e := range logs {
			if e.is(r) {
				_, e.events = r.Events(e.Index, 1<<63)
			}
		}
	})
}

// enter makes the entry of a node.
func (f *feed) enter(n *tree.Node) *entry {
	e := &entry{ref: n.Ref, parent: n.Parent, depth: n.Depth, name: n.Name, spec: f.specOf(n), log: n.Kind == tree.Log, State: whole(&n.Cell)}
	if n.Path == f.under {
		e.parent, e.name = n.Index, ""
	}
	f.nodes[n.Index] = e
	return e
}

// specOf returns the number of the spec of a node.
func (f *feed) specOf(n *tree.Node) uint32 {
	key := specKey{spec: n.Spec}
	inForce := n.Spec.Threshold
	if n.Tuned {
		key.tuned, inForce = n.Threshold, n.Threshold
	}
	if id, ok := f.specs[key]; ok {
		return id
	}
	text := writeSpec(n.Spec, inForce)
	id, ok := f.texts[string(text)]
	if !ok {
		id = uint32(len(f.specTexts))
		f.specTexts = append(f.specTexts, text)
		f.texts[string(text)] = id
	}
	f.specs[key] = id
	return id
}

// whole is everything that is told of a cell, but for the events of a log.
func whole(c *tree.Cell) frame.State {
	s := frame.State{
		Index: c.Index, Status: c.Status, Said: frame.SaidTurn, Last: c.Last, Flapping: c.Flapping, Pending: c.Pending,
		Since: milli(c.Since),
	}
	if c.Status == tree.White && c.Kind != tree.Group {
		s.Reason = c.Reason
	}
	if c.Kind != tree.Group {
		s.Said |= frame.SaidTime | frame.SaidValue
		s.Time = milli(c.Time)
		if c.Kind != tree.Log {
			s.Value = c.Value
		}
	}
	return s
}

func milli(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return max(at.UnixMilli(), 0)
}

// differs returns what is new of a cell, and takes it for told.
func (e *entry) differs(now *frame.State) (news frame.State, is bool) {
	news = *now
	news.Said = 0
	if now.Value != e.Value {
		news.Said |= frame.SaidTime | frame.SaidValue
	} else if now.Time != e.Time {
		news.Said |= frame.SaidTime
	}
	if now.Status != e.Status || now.Last != e.Last || now.Flapping != e.Flapping || now.Pending != e.Pending || now.Since != e.Since || now.Reason != e.Reason {
		news.Said |= frame.SaidTurn
	}
	if news.Said == 0 {
		return news, false
	}
	e.State = *now
	return news, true
}

// update tells of what changed since the last time.
func (f *feed) update() error {
	f.cells = f.cells[:0]
	span, err := f.view.Since(f.seq, func(c *tree.Cell) { f.cells = append(f.cells, *c) })
	switch {
	case err != nil:
		return err
	case span.Reset, len(f.specTexts) > maxSpecs:
		return f.again()
	}
	f.seq = span.To
	var out frame.Frame
	f.structure(&span, &out)
	if f.split {
		return nil
	}
	if f.nodes[f.root()] == nil {
		return fmt.Errorf("%s: %w", f.under, tree.ErrNoNode)
	}
	f.changed = f.changed[:0]
	var logs []*entry
	for k := range f.cells {
		c := &f.cells[k]
		e := f.nodes[c.Index]
		if e == nil {
			continue
		}
		now := whole(c)
		if news, is := e.differs(&now); is {
			f.changed = append(f.changed, news)
		}
		if e.log {
			logs = append(logs, e)
		}
	}
	if len(logs) > 0 {
		if err := f.events(logs); err != nil {
			return err
		}
	}
	f.tell(&out)
	clear(f.changed) // They hold texts.
	return nil
}

// root is the index of the node at the top.
func (f *feed) root() (i uint32) {
	_ = f.view.Read(func(r *tree.Reader) { i = r.Root() })
	return i
}

// again begins the feed anew: everybody who follows it misses a number, and takes a
// snapshot.
func (f *feed) again() error {
	f.number += 2
	f.ring, f.ringSize = nil, 0
	return f.build()
}

// structure takes what came, went and moved.
func (f *feed) structure(span *tree.Span, out *frame.Frame) {
	gone := map[uint32]bool{}
	for _, i := range span.Removed {
		if f.nodes[i] != nil {
			gone[i] = true
			delete(f.nodes, i)
		}
	}
	for k := range span.Placed {
		n := &span.Placed[k]
		e := f.nodes[n.Index]
		if e != nil && e.ref != n.Ref {
			gone[n.Index] = true
			delete(f.nodes, n.Index)
			e = nil
		}
		if !f.shows(n) {
			if e != nil {
				gone[n.Index] = true
				delete(f.nodes, n.Index)
			}
			continue
		}
		var events uint64
		if e != nil {
			events = e.events
		}
		e = f.enter(n)
		e.events = events
		out.Placed = append(out.Placed, e.placed())
	}
	for len(gone) > 0 { // What hung below one that is left out now is out too.
		before := len(gone)
		for i, e := range f.nodes {
			if e.parent != i && f.nodes[e.parent] == nil {
				gone[i] = true
				delete(f.nodes, i)
			}
		}
		if len(gone) == before {
			break
		}
	}
	out.Removed = slices.Sorted(maps.Keys(gone))
	out.Placed = slices.DeleteFunc(out.Placed, func(p frame.Placed) bool { return f.nodes[p.Index] == nil })
}

func (e *entry) placed() frame.Placed {
	return frame.Placed{State: e.State, Parent: e.parent, Name: e.name, Spec: e.spec}
}

// is says whether the node is still there; another may have its index.
func (e *entry) is(r *tree.Reader) bool {
	if !r.Has(e.Index) {
		return false
	}
	var n tree.Node
	r.Node(e.Index, &n)
	return n.Ref == e.ref
}

// events adds the new lines of logs to what changed.
func (f *feed) events(logs []*entry) error {
	return f.view.Read(func(r *tree.Reader) {
		for _, e := range logs {
			if !e.is(r) {
				continue
			}
			events, all := r.Events(e.Index, e.events)
			e.events = all
			for len(events) > 0 {
				n, size := 0, 0
				for n < len(events) && size < pieceBytes {
					size += len(events[n].Text) + 8
					n++
				}
				f.changed = append(f.changed, frame.State{
					Index: e.Index, Status: e.Status, Said: frame.SaidTime | frame.SaidEvents, Time: e.Time, Events: inForm(events[:n]),
				})
				events = events[n:]
			}
		}
	})
}

// inForm makes events ready to be written.
func inForm(events []tree.Event) []tree.Event {
	for k := range events {
		if events[k].Time.UnixMilli() < 0 {
			events[k].Time = time.UnixMilli(0)
		}
	}
	return events
}

// touch tells when nodes were read of which only that changed.
func (f *feed) touch() error {
	f.changed = f.changed[:0]
	err := f.view.Read(func(r *tree.Reader) {
		var c tree.Cell
		for i, e := range f.nodes {
			if e.Said&frame.SaidTime == 0 || !e.is(r) {
				continue
			}
			r.Cell(i, &c)
			// The value is told, and whatever else, when the flush comes that tells of it.
			if at := milli(c.Time); at > e.Time && c.Value == e.Value && c.Status == e.Status {
				e.Time = at
				f.changed = append(f.changed, frame.State{Index: i, Status: e.Status, Said: frame.SaidTime, Time: at})
			}
		}
	})
	if err != nil {
		return err
	}
	slices.SortFunc(f.changed, func(a, b frame.State) int { return cmp.Compare(a.Index, b.Index) })
	f.tell(&frame.Frame{})
	return nil
}

// tell publishes a change of structure, with what else changed, in as many frames as it
// needs. A spec goes along with the first node that has it.
func (f *feed) tell(structure *frame.Frame) {
	out := frame.Frame{Removed: structure.Removed}
	size, told := 8*len(out.Removed), map[uint32]bool{}
	send := func() {
		f.number++
		out.Number = f.number
		f.publish(out.Append(nil))
		out, size = frame.Frame{}, 0
	}
	for _, p := range structure.Placed {
		size += f.refer(&out, p.Spec, told)
		out.Placed = append(out.Placed, p)
		if size += sizeOf(&p.State) + len(p.Name); size > pieceBytes {
			send()
		}
	}
	for k := range f.changed {
		s := &f.changed[k]
		if f.nodes[s.Index] == nil {
			continue
		}
		out.Changed = append(out.Changed, *s)
		if size += sizeOf(s); size > pieceBytes {
			send()
		}
	}
	if len(out.Removed)+len(out.Placed)+len(out.Changed) > 0 {
		send()
	}
	f.s.count(len(f.changed) + len(structure.Placed) + len(structure.Removed))
}

// refer adds a spec to a frame unless it was told.
func (f *feed) refer(out *frame.Frame, id uint32, told map[uint32]bool) (size int) {
	if told[id] {
		return 0
	}
	told[id] = true
	out.Specs = append(out.Specs, frame.Spec{ID: id, Text: f.specTexts[id]})
	return len(f.specTexts[id])
}

// sizeOf is about how long a state is when it is written.
func sizeOf(s *frame.State) int {
	n := 16 + len(s.Reason)
	if text, ok := s.Value.Text(); ok {
		n += len(text)
	}
	for _, e := range s.Events {
		n += len(e.Text) + 8
	}
	return n
}

// publish sends a delta to all who follow, and keeps it for those who lose it.
func (f *feed) publish(body []byte) {
	f.ring = append(f.ring, body)
	f.ringSize += len(body)
	drop := 0
	for f.ringSize > ringBytes || len(f.ring)-drop > ringFrames {
		f.ringSize -= len(f.ring[drop])
		drop++
	}
	if drop > 0 {
		f.ring = slices.Delete(f.ring, 0, drop)
	}
	f.s.published(len(body))
	// Who loses it finds out by its number.
	_ = f.s.b.o.Fabric.Publish(streamOf(f.id), body)
}

func streamOf(id string) string { return "branch/" + id }

// since returns the deltas after a number, as many as fit into one message; ok is false
// when some of them are not kept any more.
func (f *feed) since(number uint64) (deltas [][]byte, ok bool) {
	first := f.number - uint64(len(f.ring)) // the number before the first that is kept
	if number < first || number > f.number {
		return nil, false
	}
	size := 0
	for _, body := range f.ring[number-first:] {
		if size += len(body) + 4; size > peer.MaxBody-1024 {
			break
		}
		deltas = append(deltas, body)
	}
	return deltas, true
}

// capture writes the feed as it was told so far, or returns one that was written before, of
// a number at least, as long as what came after it is kept: so several who follow at the
// same time get the same.
func (f *feed) capture(now time.Time, least uint64) (*snapshot, error) {
	if s := f.snapshot; s != nil && s.number >= least {
		if _, ok := f.since(s.number); ok {
			s.asked = now
			return s, nil
		}
	}
	all := make([]*entry, 0, len(f.nodes))
	events := map[uint32][]tree.Event{}
	for _, e := range f.nodes {
		all = append(all, e)
	}
	err := f.view.Read(func(r *tree.Reader) {
		for _, e := range all {
			if !e.log || !e.is(r) {
				continue
			}
			held, total := r.Events(e.Index, 0)
			held = held[:max(len(held)-int(total-min(e.events, total)), 0)] // what comes with a delta is not in it
			events[e.Index] = inForm(held[max(len(held)-logEvents, 0):])
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Or(a.depth-b.depth, cmp.Compare(a.Index, b.Index)) })
	s := &snapshot{number: f.number, nodes: len(all), asked: now}
	told := map[uint32]bool{}
	out, size := frame.Frame{Number: f.number}, 0
	for k, e := range all {
		p := e.placed()
		if lines := events[e.Index]; len(lines) > 0 {
			p.Said |= frame.SaidEvents
			for p.Events = lines; sizeOf(&p.State) > pieceBytes; {
				p.Events = p.Events[1:]
			}
		}
		size += f.refer(&out, p.Spec, told) + sizeOf(&p.State) + len(p.Name)
		out.Placed = append(out.Placed, p)
		if size > pieceBytes || len(out.Placed) == pieceNodes || k == len(all)-1 {
			s.pieces = append(s.pieces, out.Append(nil))
			out.Placed, out.Specs, size = out.Placed[:0], nil, 0
		}
	}
	f.snapshot = s
	return s, nil
}
