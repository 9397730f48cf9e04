package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/live/frame"
	"grove/viewer/live/shape"
)

// stage is one subtree that clients with the same grants look at, with the frames that
// those of them who are equally far share. It lives as long as a subscription holds it.
type stage struct {
	server  *Server
	key     stageKey
	holds   int // guarded by Server.mu
	tree    *tree.Tree
	guard   *grant.Guard
	subject *grant.Subject // one of those who look; the others have the same grants

	mu      sync.Mutex // guards the fields below
	looked  time.Time
	view    *tree.View
	sight   *grant.Scope // as of the last look
	scene   *shape.Scene
	encoder frame.Encoder
	draft   frame.Frame // whose lists the next frame takes
	ready   []batch     // snapshots up to the newest number
	latest  uint64      // the number of alike
	alike   map[uint64][]*picture
	weight  int // bytes of alike
	bytes   int // of the encoding of the last snapshot
}

// stageKey says which stages are one.
type stageKey struct {
	path   tree.Path
	grants string // empty: everything is seen
	at     int64  // Unix milliseconds; 0: the present
}

// picture is what clients have of a stage, with what leads on from it.
type picture struct {
	*shape.Picture
	next []batch
}

// lookEvery is how often the nodes in request mode below a stage are asked while
// somebody looks.
const lookEvery = 10 * time.Second

// Bounds of what a stage keeps to be shared.
const (
	maxReady = 16       // snapshots, and ways on from one picture: of more each client gets its own
	maxAlike = 16 << 20 // bytes of pictures of the newest number
)

// form is how a subscription is sent its frames.
type form struct {
	id     uint32
	binary bool
}

// batch is what a subscription is sent next.
type batch struct {
	form
	wish     string   // of a snapshot: the shape that was wished
	picture  *picture // what the client has then
	to       uint64   // it is told everything up to this number
	parcel   *parcel  // nil: there is nothing to tell
	snapshot bool
	size     int
	find     *shape.Find // of a snapshot that a filter is on; to be given back
	answers  []shape.Answer
	opened   *shape.Answer // of a snapshot: which groups are open, unless all are
	hits     int           // what the filter found
	shown    int           // and how many of that show
}

// errMoving is returned when nodes come and go faster than it is found who sees what.
// The next flush, which follows them, makes another try.
var errMoving = errors.New("the tree is changing")

// read calls do while the tree stands still and the scene is up to date.
func (v *stage) read(do func(*tree.Reader) error) error {
	for range 4 {
		stale, failed := false, error(nil)
		scope := v.scope()
		err := v.view.Read(func(r *tree.Reader) {
			switch {
			case !v.scene.Update(r, scope):
				stale = true
			case !v.scene.SeesRoot(r):
				failed = fmt.Errorf("%s: %w", v.key.path, tree.ErrNoNode)
			default:
				failed = do(r)
			}
		})
		if err != nil || !stale {
			return errors.Join(err, failed)
		}
	}
	return errMoving
}

// scope returns what is seen at present, nil for everything.
func (v *stage) scope() *grant.Scope {
	if v.key.grants == "" {
		return nil
	}
	if v.sight == nil || v.sight.Structure() != v.tree.Structure() {
		v.sight = v.guard.Scope(v.subject)
	}
	return v.sight
}

// begin returns the first batch of a subscription: a snapshot, or what happened after the
// number that its client has, if it can go on from there. It fails when the root is gone.
func (v *stage) begin(as form, wish *shape.Wish, since *uint64) (batch, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b := batch{form: as, wish: wish.Key()}
	var f *frame.Frame
	var shared, resumed bool
	err := v.read(func(r *tree.Reader) error {
		if since != nil {
			if p, step, err := v.scene.Resume(r, wish, *since); err == nil {
				b.picture, b.to = &picture{Picture: p}, p.Cursor()
				if !step.IsEmpty() {
					f = v.frame(r, as, &step, *since)
				}
				resumed = true
				return nil
			}
		}
		b.find = v.scene.Find(r, wish.Filter)
		for _, o := range v.ready {
			if o.form == as && o.wish == b.wish && o.find == b.find && o.to >= r.Seq() {
				b, shared = o, true
				return nil
			}
		}
		p, step := v.scene.Begin(r, wish, b.find)
		b.picture, b.to = v.intern(p), p.Seq
		if !p.Everything() {
			opened := v.scene.Opened(r, p)
			b.opened = &opened
		}
		f = v.frame(r, as, &step, 0)
		return nil
	})
	b.hits, b.shown = b.find.Hits()
	if err != nil || f == nil || shared {
		return b, err
	}
	if err := v.encode(&b, f); err != nil {
		return b, err
	}
	v.ready = slices.DeleteFunc(v.ready, func(o batch) bool { return o.to < b.to })
	if !resumed && len(v.ready) < maxReady {
		v.ready = append(v.ready, b)
	}
	return b, nil
}

// next returns what leads a subscription on from a picture, through the turns of its
// client. Whoever comes first encodes, the others share.
func (v *stage) next(as form, p *picture, turns []shape.Turn) (batch, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(turns) == 0 {
		seq := v.tree.Seq()
		for i := range p.next {
			if b := &p.next[i]; b.form == as && b.to >= seq {
				return *b, nil
			}
		}
	}
	b := batch{form: as}
	var f *frame.Frame
	err := v.read(func(r *tree.Reader) error {
		q, step, answers := v.scene.Next(r, p.Picture, turns)
		b.to, b.answers = q.Cursor(), answers
		if q == p.Picture {
			b.picture = p
			return nil
		}
		if step.IsEmpty() {
			b.picture = &picture{Picture: q}
			return nil
		}
		if step.Fresh && !q.Everything() && !answered(answers) {
			opened := v.scene.Opened(r, q)
			b.opened = &opened
		}
		b.picture = v.intern(q)
		f = v.frame(r, as, &step, p.Seq)
		return nil
	})
	if err != nil {
		return b, err
	}
	b.hits, b.shown = b.picture.Find().Hits()
	if f == nil {
		return b, nil
	}
	if err := v.encode(&b, f); err != nil {
		return b, err
	}
	if len(turns) == 0 {
		p.next = slices.DeleteFunc(p.next, func(o batch) bool { return o.to < b.to })
		if len(p.next) < maxReady {
			p.next = append(p.next, b)
		}
	}
	return b, nil
}

// answered says whether the client is told which groups are open.
func answered(answers []shape.Answer) bool {
	return slices.ContainsFunc(answers, func(a shape.Answer) bool { return a.Err == nil })
}

// intern returns the picture that is like q, so that clients which came to it on
// different ways are in step from now on.
func (v *stage) intern(q *shape.Picture) *picture {
	if q.Seq != v.latest || v.weight > maxAlike {
		v.latest, v.alike, v.weight = q.Seq, map[uint64][]*picture{}, 0
	}
	hash := q.Hash()
	for _, o := range v.alike[hash] {
		if o.Same(q) {
			return o
		}
	}
	p := &picture{Picture: q}
	v.weight += q.Bytes()
	v.alike[hash] = append(v.alike[hash], p)
	return p
}

// frame copies what a step is about while the tree stands still. It is good until the next
// call.
func (v *stage) frame(r *tree.Reader, as form, step *shape.Step, from uint64) *frame.Frame {
	f := &v.draft
	*f = frame.Frame{Type: frame.TypeDelta, ID: as.id, From: from, Seq: r.Seq(), Time: time.Now(), Removed: step.Removed, Nodes: f.Nodes[:0], Changes: f.Changes[:0]}
	if step.Fresh {
		f.Type = frame.TypeSnapshot
	}
	f.Nodes = room(f.Nodes, len(step.Placed))
	var n tree.Node
	for k, i := range step.Placed {
		r.Node(i, &n)
		to := &f.Nodes[k]
		*to = frame.NodeOf(&n, i == r.Root())
		children, hidden, counts, way := v.scene.Node(r, &n)
		to.Children, to.Hidden = children, hidden
		if counts != nil {
			to.Counts = counts
		}
		if way {
			to.Description = ""
		}
	}
	var c tree.Cell
	quiet := v.server.flushes.before(from)
	f.Changes = room(f.Changes, len(step.Changed))
	for k, i := range step.Changed {
		r.Cell(i, &c)
		f.Changes[k] = frame.ChangeOf(&c, quiet)
		if counts := v.scene.Counts(i); counts != nil {
			f.Changes[k].Counts = counts
		}
	}
	return f
}

// room returns a list of n elements, which it does not clear: the one that is there when
// n is about what it was made for, so that a large one is not kept for small ones.
func room[T any](list []T, n int) []T {
	if c := cap(list); list == nil || n > c || c > 64+8*n {
		return make([]T, n)
	}
	return list[:n]
}

// encode writes a frame into a batch.
func (v *stage) encode(b *batch, f *frame.Frame) error {
	var data []byte
	var err error
	kind := websocket.BinaryMessage
	b.snapshot = f.Type == frame.TypeSnapshot
	if b.binary {
		if b.snapshot {
			data = make([]byte, 0, v.bytes+v.bytes/8)
		}
		data = v.encoder.Append(data, f)
		if b.snapshot {
			v.bytes = len(data)
		}
	} else {
		kind = websocket.TextMessage
		if data, err = json.Marshal(f); err != nil {
			return fmt.Errorf("encode a frame of %s: %w", v.key.path, err)
		}
	}
	b.parcel, b.size = &parcel{kind: kind, data: data}, len(data)
	v.server.counts.encoded.Inc()
	return nil
}

// look asks the nodes in request mode below the stage, if that was not done lately.
func (v *stage) look(now time.Time) {
	v.mu.Lock()
	due := v.key.at == 0 && now.Sub(v.looked) >= lookEvery
	if due {
		v.looked = now
	}
	v.mu.Unlock()
	if due {
		v.tree.Look(v.key.path)
	}
}

// drop gives back what a filter of a subscription found; f may be nil.
func (v *stage) drop(f *shape.Find) {
	v.mu.Lock()
	v.scene.Release(f)
	v.mu.Unlock()
}

// acquire returns the stage that a subject looks at, which must be released.
func (s *Server) acquire(subject *grant.Subject, path tree.Path, m *moment) (*stage, error) {
	key := stageKey{path: path, grants: grantsOf(subject)}
	t, g := s.opts.Tree, s.opts.Guard
	if m != nil {
		key.at, t, g = m.at, m.tree, m.guard
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.stages[key]; v != nil {
		v.holds++
		return v, nil
	}
	view, err := t.View(path)
	if err != nil {
		return nil, err
	}
	v := &stage{server: s, key: key, holds: 1, tree: t, guard: g, subject: subject, view: view, scene: shape.NewScene(), alike: map[uint64][]*picture{}}
	s.stages[key] = v
	return v, nil
}

func (v *stage) release() {
	v.server.mu.Lock()
	v.holds--
	last := v.holds == 0
	if last {
		delete(v.server.stages, v.key)
	}
	v.server.mu.Unlock()
	if last {
		v.mu.Lock()
		v.view.Close()
		v.mu.Unlock()
	}
}

// grantsOf is the same for subjects that see the same; it is empty for everything.
func grantsOf(s *grant.Subject) string {
	if s.Whole(grant.Viewer) {
		return ""
	}
	return s.Rights() + "\n"
}
