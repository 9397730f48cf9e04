package history

import (
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"grove/tree"
	"grove/tree/history/shelf"
	"grove/tree/metric"
)

// stale ends a series: PromQL shows nothing from then on ("Staleness",
// prometheus.io/docs/prometheus/latest/querying/basics).
var stale = math.Float64frombits(value.StaleNaN)

// recorder knows the series of every node. It is guarded by Store.mu.
type recorder struct {
	nodes  []*node // by the index of their Ref
	folds  map[*folding]struct{}
	groups map[tree.Path]struct{} // whose counts changed
	round  uint64                 // number of the walk over the tree
	ended  map[tree.Path]int64    // when the series of nodes ended that were closed of late
}

func (r *recorder) init() {
	r.folds = map[*folding]struct{}{}
	r.groups = map[tree.Path]struct{}{}
	r.ended = map[tree.Path]int64{}
}

// node is what is known of one node. What every reading touches comes first, in one
// cache line.
type node struct {
	ref       tree.Ref
	structure uint64        // of the tree when the rest was asked for
	value     *shelf.Series // nil: nothing is kept of it
	scale     *metric.Scale
	fold      *folding // nil: every reading is kept
	// Times of the last value, Unix milliseconds; lastIn before it was cut.
	last, lastIn int64
	snap         bool // times are cut to whole seconds
	ended        bool // the last of its values is a staleness marker

	kind   tree.Kind
	path   tree.Path
	spec   *tree.Spec
	round  uint64 // of the last walk that saw it
	status *shelf.Series
	counts *[len(tree.Statuses)]*shelf.Series // of a group
	// Times of the last samples, Unix milliseconds.
	lastStatus, lastCounts int64
	from                   int64  // what is told of it is not earlier: a node before it ended there
	told                   uint64 // Store.given when the tree told its last status
}

// Readings is for tree.Options.
func (s *Store) Readings(now time.Time, batch []tree.Reading) {
	t := s.tree.Load()
	if t == nil || len(batch) == 0 {
		return
	}
	present := now.UnixNano()
	latest := present + int64(tree.MaxAhead)
	structure := t.Structure()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit(len(batch))
	for i := range batch {
		r := &batch[i]
		at := r.Time
		if at == 0 {
			at = present
		}
		if at < 0 || at > latest {
			continue
		}
		if n := s.node(t, r.Node, structure); n != nil {
			s.reading(n, at/int64(time.Millisecond), r.Value)
		}
	}
}

// Reports is for tree.Options.
func (s *Store) Reports(now time.Time, reports []tree.Report) {
	t := s.tree.Load()
	if t == nil {
		return
	}
	structure := t.Structure()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit(len(reports))
	for i := range reports {
		r := &reports[i]
		v, ok := r.Value.Number()
		if !ok || r.Reason != "" {
			continue
		}
		at := r.Time
		if at.IsZero() {
			at = now
		}
		if at.Before(time.Unix(0, 0)) || at.After(now.Add(tree.MaxAhead)) {
			continue
		}
		if n := s.node(t, r.Node, structure); n != nil {
			s.reading(n, millis(at), v)
		}
	}
}

// Statuses is for tree.Options. It never waits, since the tree publishes nothing meanwhile.
func (s *Store) Statuses(changes []tree.StatusChange) {
	t := s.tree.Load()
	if t == nil {
		return
	}
	structure := t.Structure()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		if c.Kind != tree.Group {
			for up := c.Path; !up.IsRoot(); {
				up = up.Parent()
				s.record.groups[up] = struct{}{}
			}
		}
		n := s.node(t, c.Ref, structure)
		if n == nil {
			continue
		}
		at := millis(c.Time)
		s.status(n, at, c.To)
		n.told = s.given
		if c.To == tree.White {
			s.end(n, at)
		}
	}
}

// node returns what is known of a node, or nil when the tree does not have it.
func (s *Store) node(t *tree.Tree, ref tree.Ref, structure uint64) *node {
	i := int(ref.Index())
	if i < len(s.record.nodes) {
		if n := s.record.nodes[i]; n != nil && n.ref == ref && n.structure == structure {
			return n
		}
	}
	if ref.IsZero() {
		return nil
	}
	info, err := t.NodeAt(ref)
	if err != nil {
		if i < len(s.record.nodes) && s.record.nodes[i] != nil && s.record.nodes[i].ref == ref {
			s.forget(i)
		}
		return nil
	}
	return s.know(ref, info.Path, info.Spec, info.Kind, structure)
}

// know makes or renews what is known of a node. The series that it does not have any
// more end.
func (s *Store) know(ref tree.Ref, path tree.Path, spec *tree.Spec, kind tree.Kind, structure uint64) *node {
	i := int(ref.Index())
	if i >= len(s.record.nodes) {
		s.record.nodes = append(s.record.nodes, make([]*node, i+1-len(s.record.nodes))...)
	}
	old := s.record.nodes[i]
	if old != nil && old.ref == ref && old.structure > structure {
		return old
	}
	if old != nil && old.ref == ref && old.path == path && (old.spec == spec || old.spec.Equal(spec)) {
		old.spec, old.structure = spec, structure
		return old
	}
	n := &node{ref: ref, structure: structure, path: path, spec: spec, kind: kind, round: s.record.round}
	n.status = named(metric.Status, metric.Label{Name: "path", Value: path.String()})
	if kind == tree.Group {
		n.counts = new([len(tree.Statuses)]*shelf.Series)
		for k, status := range tree.Statuses {
			n.counts[k] = named(metric.GroupNodes, metric.Label{Name: "path", Value: path.String()}, metric.Label{Name: "status", Value: status.String()})
		}
	}
	if (kind == tree.Performance || kind == tree.State) && (spec.History == nil || !spec.History.Off) {
		series := metric.SeriesOf(path, spec)
		n.value, n.scale, n.snap = named(series.Name, series.Labels...), series.Scale, spec.Mode == tree.Timer
		if spec.History != nil && spec.History.Every > 0 {
			n.fold = newFolding(n, spec.History.Every)
		}
	}
	if old != nil {
		s.replace(old, n)
	}
	if end, ok := s.record.ended[path]; ok {
		n.from = end + 1
		delete(s.record.ended, path)
	}
	s.record.nodes[i] = n
	return n
}

// named makes a series.
func named(name string, own ...metric.Label) *shelf.Series {
	b := labels.NewScratchBuilder(len(own) + 1)
	b.Add(labels.MetricName, name)
	for _, l := range own {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return &shelf.Series{Labels: b.Labels()}
}

// replace ends the series of old that its successor n does not have, and hands on the
// others.
func (s *Store) replace(old, n *node) {
	if old.ref == n.ref && old.path == n.path {
		// The paths are the same, so are the series of the status; those of the
		// values can have another name.
		n.status, n.counts, n.lastStatus, n.lastCounts = old.status, old.counts, old.lastStatus, old.lastCounts
		if old.value != nil && n.value != nil && labels.Equal(old.value.Labels, n.value.Labels) {
			if old.fold != nil {
				s.endFold(old.fold)
				if n.fold == nil { // what is beside the averages ends
					old.fold.stop(s, old.last+1)
				}
			}
			n.value, n.last, n.lastIn, n.ended = old.value, old.last, old.lastIn, old.ended
			return
		}
		s.end(old, millis(s.opts.Now()))
		return
	}
	s.close(old)
}

// forget ends all series of a node that is gone.
func (s *Store) forget(i int) {
	n := s.record.nodes[i]
	s.record.nodes[i] = nil
	s.close(n)
}

// heir is what is known of the node that is at the path of another by now; nil is
// nothing yet.
func (s *Store) heir(path tree.Path) *node {
	t := s.tree.Load()
	if t == nil {
		return nil
	}
	ref, ok := t.Lookup(path)
	if !ok || int(ref.Index()) >= len(s.record.nodes) {
		return nil
	}
	if n := s.record.nodes[ref.Index()]; n != nil && n.ref == ref {
		return n
	}
	return nil
}

// close ends all series of a node. Those that an heir goes on with end a moment before,
// or not at all when the heir has gone on already.
func (s *Store) close(n *node) {
	now, heir := millis(s.opts.Now()), s.heir(n.path)
	if heir == nil || heir.last == 0 {
		s.end(n, now)
	}
	end := now
	if n.lastStatus != 0 && (heir == nil || heir.lastStatus == 0) {
		end = max(end, n.lastStatus+1)
		s.push(n.status, max(now, n.lastStatus+1), stale)
	}
	if n.lastCounts != 0 && (heir == nil || heir.lastCounts == 0) {
		end = max(end, n.lastCounts+1)
		for _, series := range n.counts {
			s.push(series, max(now, n.lastCounts+1), stale)
		}
	}
	if heir != nil {
		heir.from = end + 1
	} else {
		s.record.ended[n.path] = end
	}
}

// reading keeps one reading of a node.
func (s *Store) reading(n *node, at int64, v float64) {
	if n.value == nil || math.IsNaN(v) {
		return
	}
	v = n.scale.Of(v)
	if n.fold != nil {
		s.foldIn(n.fold, at, v)
		return
	}
	// The times of a node that is asked at intervals are cut to whole seconds, since
	// they take five times the room otherwise. A node that comes more often keeps its
	// milliseconds.
	in := at
	if n.snap {
		if cut := at - at%1000; cut > n.last || at < n.lastIn {
			at = cut
		} else if at > n.lastIn && n.lastIn > n.last-1000 && !n.ended {
			n.snap = false
		}
	}
	if at < n.from && in+1 >= n.from {
		at = n.from // What was before ended there.
	}
	if in > n.lastIn {
		n.lastIn = in
	}
	if at > n.last {
		n.last, n.ended = at, false
	}
	s.push(n.value, at, v)
}

// end says that a node has no value any more, for now.
func (s *Store) end(n *node, at int64) {
	if n.value == nil {
		return
	}
	if n.fold != nil {
		s.endFold(n.fold)
	}
	if n.last == 0 || n.ended {
		return
	}
	n.last, n.ended = max(at, n.last+1), true
	s.push(n.value, n.last, stale)
	if n.fold != nil {
		n.fold.stop(s, n.last)
	}
}

// status keeps a status of a node.
func (s *Store) status(n *node, at int64, to tree.Status) {
	// A change can be told later than it was seen by a walk over the tree.
	n.lastStatus = max(at, n.lastStatus+1, n.from)
	s.push(n.status, n.lastStatus, float64(to))
}
