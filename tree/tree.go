package tree

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoNode is returned for a path or a Ref of which the tree has no node.
var ErrNoNode = errors.New("no such node")

// MaxNodes bounds the nodes of one tree.
const MaxNodes = 4_000_000

// Options are the surroundings of a Tree. The functions are called without the
// lock of the tree, so they may call it.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Statuses receives the changes of status since the last flush, in the order in
	// which they happened. It is called by Flush, one call at a time, and must not
	// call Flush; the slice is used again afterwards. A producer of very many changes
	// flushes by itself. While one call lasts 262,144 changes wait; those beyond are
	// not told but counted in Stats.
	Statuses func([]StatusChange)
	// Names receives the paths that came to have a node and those that lost theirs
	// since the last flush, as Statuses does, and before it. A node that moved is
	// told as one path gone and one come.
	Names func([]NameChange)
	// Readings and Reports receive what Apply and Report were given, once it is
	// applied, from the goroutine that gave it and with the time that stood for now:
	// what was taken, and what was not because it is late, since a history has room
	// for it. What is unknown or too far ahead is among it as well. The slices belong
	// to the producer and are not kept.
	Readings func(now time.Time, batch []Reading)
	Reports  func(now time.Time, reports []Report)
	// Tuned is told of each threshold that was tuned or is no longer, from the
	// goroutine that did it, so that what it returns reaches the one who tunes: an
	// error says that the threshold is in force but will not outlive a restart.
	Tuned func(Tuning) error
	// Asked receives nodes in Request mode that somebody looks at. It is called
	// from the goroutine of the one who looks and must return soon.
	Asked func([]Ref)
	// FlushEvery is the longest that a change waits for its flush while Run runs;
	// zero is 100 ms.
	FlushEvery time.Duration
	// Pace is asked before each flush for the shortest time since the one before;
	// nil is always 4 ms. The live feed answers more when it has many viewers, since
	// each flush costs one message to each.
	Pace func() time.Duration
}

// StatusChange says that a node took another status.
type StatusChange struct {
	Ref      Ref
	Path     Path
	Kind     Kind
	From, To Status
	Time     time.Time
	Value    Value
	Reason   string // why it is white
}

// Tuning says which threshold a node has in place of its definition's.
type Tuning struct {
	Path      Path
	Defined   *Threshold // by the definition; nil makes every reading green
	Threshold *Threshold // in force; nil: the definition's, again
}

// NameChange says that there is a node at a path now, or none any more.
type NameChange struct {
	Path Path
	Gone bool
}

// Ref is the handle of one node of one tree, for producers of readings: a name is
// looked up once and costs nothing afterwards. It is comparable. The zero Ref names
// no node, and the Ref of a removed node never names another.
type Ref struct{ index, gen uint32 }

// Index is the number of the node in snapshots and deltas. It may be given to
// another node once its node was removed.
func (r Ref) Index() uint32 { return r.index }

// IsZero says whether the Ref names no node at all.
func (r Ref) IsZero() bool { return r.gen == 0 }

// Reading is one observed number on its way to a performance node.
type Reading struct {
	Node  Ref
	Value float64
	Time  int64 // when it was observed, Unix nanoseconds; 0 is now
}

// Report is one observation of any kind on its way to a node.
type Report struct {
	Node Ref
	// Value is for every attribute but a log, which leaves it out.
	Value Value
	// Events are new lines of a log attribute; they have no time to be newer than.
	// A report to a log attribute without any says that the log was looked at. Other
	// attributes leave them out.
	Events []Event
	// Time is when it was observed; zero is now. A log takes lines of any time.
	Time time.Time
	// Reason, when not empty, says why no value can be had: the node turns white,
	// and Value and Events are left out.
	Reason string
}

// Stats counts what a tree has done since it was made. A reading is counted once,
// as Applied, Older (not newer than what the node has), Ahead (more than MaxAhead
// newer than the tree's clock), Unknown (the node is gone) or Misfit (of a kind that
// the node does not take).
type Stats struct {
	Nodes, Groups                          int
	Applied, Older, Ahead, Unknown, Misfit uint64
	Changes                                uint64 // of a status, groups included
	UntoldNames                            uint64 // changes of names that Options.Names was not told, since they were too many at once
	Untold                                 uint64 // changes that Options.Statuses was not told, since it was too slow
	Flushes                                uint64
	Views                                  int
}

// Tree is one live monitor tree. Its methods may be called from many goroutines.
type Tree struct {
	opts Options
	wake chan struct{} // holds one token when something waits for a flush

	flushing sync.Mutex // held by Flush around its callbacks; taken before mu
	flushed  []StatusChange
	watchers map[*func(uint64)]struct{}

	last      atomic.Uint64           // number of the last flush, for Seq
	structure atomic.Uint64           // changes of structure so far
	telling   atomic.Pointer[telling] // room for Give

	mu sync.RWMutex // guards everything below

	cells  []cell   // what a reading touches, by index
	places []place  // where a node is, by index
	blocks []uint32 // highest stamp of each 64 cells
	free   []uint32 // indexes of removed nodes
	groups []group
	freeG  []uint32

	seed  maphash.Seed
	index map[uint64]uint32 // hash of the canonical path -> index
	clash map[string]uint32 // paths whose hash another path has

	classes   []class
	classOf   map[classKey]uint32
	freeClass []uint32

	// What few nodes have is kept beside the arrays, by index.
	texts    map[uint32]string
	reasons  map[uint32]string
	logs     map[uint32]*eventLog
	holds    map[uint32]*hold
	flaps    map[uint32]*flap
	tuned    map[uint32]*Threshold
	requests map[uint32]struct{}
	given    map[uint32]Given // what the owners of given nodes say that are tuned here

	due dueHeap // when holds end

	base    uint64 // sequence number of stamp 0
	pending uint32 // the stamp of what the next flush will publish
	dirty   bool
	changes []StatusChange // since the last flush
	names   []NameChange   // since the last flush
	log     structureLog
	views   map[Path]*subtree
	roots   map[uint32]*subtree // views by the index of their root

	nodes   int
	stats   Stats
	untuned []Tuning // by the change that is being made
	quiet   bool     //  changes of status are not told: they are no news
	frozen  bool     // it is of the past, by Freeze; not changed afterwards
}

// cell is what a reading touches: half a cache line.
type cell struct {
	value  float64
	time   int64  // of the last reading, Unix nanoseconds; 0: none yet
	class  uint32 // threshold
	stamp  uint32 // flush that publishes the last change
	gen    uint32 // of the Ref that names the node; 0: no node here
	status Status
	level  uint8 // which levels the last reading is beyond: levelYellow, levelRed
	kind   Kind
	flags  uint8
}

const (
	levelYellow = 1 << iota
	levelRed
)

const (
	flagSlow    = 1 << iota // the next reading needs the whole evaluation
	flagStale               // the class has a limit of staleness
	flagNumber              // value is set
	flagText                // texts has the value
	flagPending             // a hold runs towards another status
	flagFlap                // the node is flapping
	flagImplied             // a group that was made for its children's sake
	flagFailed              // white since no value can be had
)

// place is where a node is and what is said of it.
type place struct {
	name                            string // escaped, as in the canonical path
	spec                            *Spec
	since                           int64  // of the status, Unix nanoseconds
	parent, first, last, next, prev uint32 // none for no node
	group                           uint32 // in groups, for a group
	created                         uint32 // Unix seconds
	known                           Status // the last that was not white
	depth                           uint8
}

const none = ^uint32(0)

// group is the roll-up state of one group.
type group struct {
	rule   *Rollup
	counts [4]int32 // contributions of the children; White: contributes nothing
	leaves [4]int32 // attributes anywhere below, by status
	live   int32    // children that have something to say now
	// members counts the children, texts those that are texts, there the texts that
	// have been read.
	members, texts, there int32
	// weights of all contributions, of the yellow and of the red ones
	weight, yellow, red int64
}

// New returns a tree that has only its root.
func New(o Options) *Tree {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 100 * time.Millisecond
	}
	if o.Pace == nil {
		o.Pace = func() time.Duration { return 4 * time.Millisecond }
	}
	t := &Tree{
		opts:     o,
		wake:     make(chan struct{}, 1),
		watchers: map[*func(uint64)]struct{}{},
		seed:     maphash.MakeSeed(),
		index:    map[uint64]uint32{},
		clash:    map[string]uint32{},
		classOf:  map[classKey]uint32{},
		texts:    map[uint32]string{},
		reasons:  map[uint32]string{},
		logs:     map[uint32]*eventLog{},
		holds:    map[uint32]*hold{},
		flaps:    map[uint32]*flap{},
		tuned:    map[uint32]*Threshold{},
		requests: map[uint32]struct{}{},
		given:    map[uint32]Given{},
		views:    map[Path]*subtree{},
		roots:    map[uint32]*subtree{},
		pending:  1,
	}
	// Numbers rise over restarts too, so that a reader that comes back to a new
	// process is told to start afresh: a process would need a million flushes a
	// second to reach the numbers of the next.
	t.base = uint64(max(o.Now().Unix(), 0)) << 20
	t.last.Store(t.base)
	t.classes = []class{compile(&Threshold{})} // class 0: everything is green
	t.insert(Root, none, &Spec{Kind: Group}, o.Now())
	t.cells[0].flags |= flagImplied
	return t
}

// Len counts the nodes, groups and root included.
func (t *Tree) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nodes
}

// Stats returns the counts so far.
func (t *Tree) Stats() Stats {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.stats
	s.Nodes, s.Groups, s.Views = t.nodes, len(t.groups)-len(t.freeG), len(t.views)
	return s
}

// Lookup returns the handle of the node at p.
func (t *Tree) Lookup(p Path) (Ref, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.refAt(t.find(p.text))
}

// LookupText is Lookup for the canonical text of a path, without an allocation. A
// text that is not canonical names no node.
func (t *Tree) LookupText(text []byte) (Ref, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(text) == 1 && text[0] == '/' {
		return t.refAt(0)
	}
	i, ok := t.index[maphash.Bytes(t.seed, text)]
	if !ok || !isPath(t, i, text) {
		i, ok = t.clash[string(text)]
	}
	if !ok {
		return Ref{}, false
	}
	return t.refAt(i)
}

func (t *Tree) refAt(i uint32) (Ref, bool) {
	if i == none {
		return Ref{}, false
	}
	return Ref{i, t.cells[i].gen}, true
}

// find returns the index of the node with a canonical path, or none.
func (t *Tree) find(text string) uint32 {
	if i, ok := t.index[maphash.String(t.seed, text)]; ok && isPath(t, i, text) {
		return i
	}
	if i, ok := t.clash[text]; ok {
		return i
	}
	return none
}

// isPath says whether the node at i has the given path.
func isPath[T string | []byte](t *Tree, i uint32, text T) bool {
	for i != 0 {
		p := &t.places[i]
		rest := len(text) - len(p.name) - 1
		if rest < 0 || text[rest] != pathSeparator || string(text[rest+1:]) != p.name {
			return false
		}
		text, i = text[:rest], p.parent
	}
	return len(text) == 0
}

// at returns the index that a Ref names, or none.
func (t *Tree) at(r Ref) uint32 {
	if int(r.index) >= len(t.cells) || r.gen == 0 || t.cells[r.index].gen != r.gen {
		return none
	}
	return r.index
}

// pathOf puts the path of a node together.
func (t *Tree) pathOf(i uint32) Path {
	if i == 0 {
		return Root
	}
	n := 0
	for j := i; j != 0; j = t.places[j].parent {
		n += len(t.places[j].name) + 1
	}
	text := make([]byte, n)
	for j := i; j != 0; j = t.places[j].parent {
		name := t.places[j].name
		n -= len(name) + 1
		text[n] = pathSeparator
		copy(text[n+1:], name)
	}
	return Path{string(text)}
}
