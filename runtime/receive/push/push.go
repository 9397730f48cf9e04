// Package push is the receiver for readings that programs send by HTTP: POST
// /api/v1/readings with one reading or an array of them.
//
// A reading is either for a node, by its path, or for a probe of kind "push", by
// instance, probe and attribute. A request is read as a whole before any of it counts,
// so that a malformed one changes nothing; then every reading stands for itself: good
// ones are applied, and the answer says which were refused and why. The readings of
// one request are applied in order.
package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"grove/runtime/receive"
	"grove/tree"
	"grove/tree/grant"
)

// Tree is what a receiver needs of the tree.
type Tree interface {
	LookupText(path []byte) (tree.Ref, bool)
	Lookup(p tree.Path) (tree.Ref, bool)
	Apply(batch []tree.Reading) (applied int)
	Report(reports ...tree.Report) (applied int)
	NodeAt(r tree.Ref) (tree.Node, error)
	Spec(r tree.Ref) *tree.Spec
	Structure() uint64
}

// Bounds and defaults of a receiver.
const (
	batchSize    = 256
	DefaultRate  = 50_000  // readings a second and source
	DefaultBurst = 100_000 // readings at once of a source that was silent before
	// maxListed bounds the refused readings that an answer lists.
	maxListed = 100
	// maxNearest bounds the readings of a request for which a near name is looked for.
	maxNearest = 8
)

// Options of a Receiver.
type Options struct {
	Tree Tree
	// Guard says who may push to which nodes: operators of them.
	Guard     *grant.Guard
	Mailboxes *receive.Mailboxes // nil: readings are taken by path only
	// Where says where an instance hangs: operators of that node may push to its probes.
	// Nil: only those may who may push to all nodes.
	Where func(instance string) (tree.Path, bool)
	Now   func() time.Time // nil: time.Now
	// Rate is how many readings a second each source may send, Burst how many at
	// once; zero stands for the defaults. A Burst below MaxReadings counts as that.
	Rate  float64
	Burst int
	// Keep is called before the readings of a request are given to the tree. What it
	// returns is called afterwards, and returns once they are on disk, or that some may
	// have been lost: only then is the request answered. Nil: nothing is kept, and only
	// what is new is taken.
	Keep func() (kept func(ctx context.Context) error)
	// KeptFrom is from when on numbers are kept that are older than what their nodes have:
	// these are taken, too. Nil: none are.
	KeptFrom func() time.Time
	// Own receives the receiver's own histograms, which [MetricHelp] explains; nil is a
	// set that nobody reads.
	Own *metrics.Set
}

// Receiver takes readings. It may be used from many goroutines.
type Receiver struct {
	opts     Options
	limit    *limiter
	rights   rights
	account  receive.Account
	requests atomic.Uint64
	bad      atomic.Uint64
	sizes    *metrics.Histogram // bytes of bodies
	readings *metrics.Histogram // readings a request
	times    *metrics.Histogram // seconds that Take took
	buffers  sync.Pool          // *work
}

// work is what one request needs, used again by the next.
type work struct {
	entries []entry
	batch   []tree.Reading
	index   []int                 // of the batch's readings in the request
	timed   map[tree.Ref]struct{} // nodes of the batch's readings that have a time
}

// New makes a receiver.
func New(o Options) (*Receiver, error) {
	if o.Tree == nil {
		return nil, errors.New("push: no tree")
	}
	if o.Guard == nil {
		return nil, errors.New("push: nobody says who may push")
	}
	if o.Where == nil {
		o.Where = func(string) (tree.Path, bool) { return tree.Root, false }
	}
	if o.Rate < 0 || o.Burst < 0 {
		return nil, fmt.Errorf("push: rate %v and burst %d must not be negative", o.Rate, o.Burst)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mailboxes == nil {
		o.Mailboxes = new(receive.Mailboxes)
	}
	o.Rate = cmp.Or(o.Rate, DefaultRate)
	o.Burst = max(cmp.Or(o.Burst, DefaultBurst), MaxReadings)
	if o.Own == nil {
		o.Own = metrics.NewSet()
	}
	r := &Receiver{
		opts: o, limit: newLimiter(o.Rate, o.Burst), rights: rights{guard: o.Guard, tree: o.Tree},
		sizes: o.Own.GetOrCreateHistogram(metricSize), readings: o.Own.GetOrCreateHistogram(metricReadings), times: o.Own.GetOrCreateHistogram(metricDuration),
	}
	r.buffers.New = func() any { return &work{timed: map[tree.Ref]struct{}{}} }
	return r, nil
}

// Stats counts what a receiver did. Every reading of a request that could be read is
// counted: Received = Applied + the sum of Refused.
type Stats struct {
	Requests    uint64 // all
	BadRequests uint64 // malformed, and so not read
	receive.Counts
}

// Stats reads the counts.
func (r *Receiver) Stats() Stats {
	return Stats{Requests: r.requests.Load(), BadRequests: r.bad.Load(), Counts: r.account.Counts()}
}

// Refusal says why one reading was not taken.
type Refusal struct {
	Index  int    `json:"index" doc:"Which reading of the request, from 0."`
	Path   string `json:"path,omitempty" doc:"Its path, or instance, probe and attribute, as far as it has them."`
	Reason string `json:"reason" enum:"malformed,rate_limited,no_node,wrong_time,misfit,older,denied" doc:"Why, for programs."`
	Error  string `json:"error" doc:"Why, for people."`
}

// Outcome says what became of a request.
type Outcome struct {
	Accepted     int       `json:"accepted" doc:"How many readings were applied."`
	Late         int       `json:"late,omitempty" doc:"How many of them are older than what their nodes have, and so went into the history alone."`
	RefusedCount int       `json:"refused_count" doc:"How many were not."`
	Refused      []Refusal `json:"refused" doc:"Which and why; the first 100."`
}

// RateError is returned for a source that sends too fast.
type RateError struct {
	Readings int
	Rate     float64
	Wait     time.Duration // after that the same request would be taken
}

// Error implements error.
func (e *RateError) Error() string {
	return fmt.Sprintf("%d readings refused: this source sends more than %v a second; send them again after %v", e.Readings, e.Rate, e.Wait.Round(time.Millisecond))
}

// Take applies the readings of one body as far as somebody may push them. The error is a *SyntaxError or a *RateError,
// and then nothing was applied. The body may be used again afterwards.
func (r *Receiver) Take(s *grant.Subject, source string, body []byte) (Outcome, error) {
	r.requests.Add(1)
	r.sizes.Update(float64(len(body)))
	begin := time.Now() // not Options.Now, which is the clock of the readings
	defer func() { r.times.UpdateDuration(begin) }()
	w := r.buffers.Get().(*work)
	defer r.release(w)
	var err error
	if w.entries, err = decode(body, w.entries[:0]); err != nil {
		r.bad.Add(1)
		return Outcome{}, err
	}
	r.readings.Update(float64(len(w.entries)))
	now := r.opts.Now()
	if wait, ok := r.limit.take(source, len(w.entries), now); !ok {
		r.account.Refused(receive.RateLimited, len(w.entries))
		return Outcome{}, &RateError{len(w.entries), r.opts.Rate, wait}
	}
	t := taking{Receiver: r, work: w, pusher: pusherOf(s), now: now}
	for i := range w.entries {
		t.one(i)
	}
	t.flush()
	slices.SortStableFunc(t.out.Refused, func(a, b Refusal) int { return cmp.Compare(a.Index, b.Index) })
	if t.out.Refused == nil {
		t.out.Refused = []Refusal{}
	}
	return t.out, nil
}

// release gives a request's memory back without what it points to.
func (r *Receiver) release(w *work) {
	clear(w.entries)
	r.buffers.Put(w)
}

// taking is one request on its way into the tree.
type taking struct {
	*Receiver
	*work
	pusher
	now     time.Time
	out     Outcome
	nearest int // names that were looked for
}

func (t *taking) refuse(i int, reason receive.Reason, format string, args ...any) {
	t.account.Refused(reason, 1)
	t.out.RefusedCount++
	if len(t.out.Refused) < maxListed {
		t.out.Refused = append(t.out.Refused, Refusal{Index: i, Path: t.entries[i].name(), Reason: reason.String(), Error: fmt.Sprintf(format, args...)})
	}
}

func (t *taking) accept(n int) {
	t.account.Applied(n)
	t.out.Accepted += n
}

// name names a reading for people.
func (e *entry) name() string {
	if e.seen&keyPath != 0 {
		return clip(e.path)
	}
	parts := []string{clip(e.instance), clip(e.probe), clip(e.attribute)}
	return strings.Trim(strings.Join(parts, " "), " ")
}

func (t *taking) one(i int) {
	e := &t.entries[i]
	switch {
	case e.timeFault:
		t.refuse(i, receive.WrongTime, "%s", e.fault)
		return
	case e.fault != "":
		t.refuse(i, receive.Malformed, "%s", e.fault)
		return
	case e.time > t.now.Add(MaxFuture).UnixNano():
		t.refuse(i, receive.WrongTime, "time %s is more than %v ahead of the clock here, %s",
			time.Unix(0, e.time).UTC().Format(time.RFC3339), MaxFuture, t.now.UTC().Format(time.RFC3339))
		return
	case e.seen&keyPath == 0:
		t.mail(i)
		return
	}
	ref, ok := t.opts.Tree.LookupText(e.path)
	if !ok {
		// Only now: the text may be a path that is not written canonically.
		p, err := tree.ParsePath(string(e.path))
		if err != nil {
			t.refuse(i, receive.Malformed, "%v", err)
			return
		}
		if ref, ok = t.opts.Tree.Lookup(p); !ok {
			t.refuse(i, receive.NoNode, "%s", t.unknown(p))
			return
		}
	}
	if !t.whole && !t.rights.may(&t.pusher, ref) {
		t.deny(i, ref)
		return
	}
	// What a probe found must not be talked over, nor what grove says of itself: a node
	// with a source takes readings by path only if a definition has it in push mode.
	if spec := t.opts.Tree.Spec(ref); spec != nil && spec.Source != "" && (spec.Mode != tree.Push || spec.Owner == "") {
		t.refuse(i, receive.Misfit, "the node is fed by %s, not by what is pushed to it", spec.Source)
		return
	}
	if len(e.unit) > 0 {
		n, err := t.opts.Tree.NodeAt(ref)
		if err == nil && n.Spec != nil && n.Spec.Unit != string(e.unit) {
			t.refuse(i, receive.Misfit, "the node is in %q, not in %q", n.Spec.Unit, clip(e.unit))
			return
		}
	}
	if e.form == numberValue || e.form == boolValue {
		if e.time != 0 {
			if _, there := t.timed[ref]; there {
				t.flush()
			}
			t.timed[ref] = struct{}{}
		}
		t.batch = append(t.batch, tree.Reading{Node: ref, Value: e.number, Time: e.time})
		if t.index = append(t.index, i); len(t.batch) == batchSize {
			t.flush()
		}
		return
	}
	t.flush() // readings of one node stay in order
	t.report(i, ref)
}

// flush applies the numbers that wait.
func (t *taking) flush() {
	if len(t.batch) == 0 {
		return
	}
	applied := t.opts.Tree.Apply(t.batch)
	t.accept(applied)
	if missing := len(t.batch) - applied; missing > 0 {
		t.explain(missing)
	}
	t.batch, t.index = t.batch[:0], t.index[:0]
	clear(t.timed)
}

// deny refuses a reading for a node that whoever pushes may not push to.
func (t *taking) deny(i int, ref tree.Ref) {
	n, err := t.opts.Tree.NodeAt(ref)
	if err != nil {
		t.refuse(i, receive.NoNode, "the node was removed meanwhile")
		return
	}
	t.denyAt(i, n.Path)
}

func (t *taking) denyAt(i int, p tree.Path) {
	err := t.rights.refused(&t.pusher, p)
	if errors.Is(err, grant.ErrDenied) {
		t.refuse(i, receive.Denied, "%v", err)
		return
	}
	t.refuse(i, receive.NoNode, "%s", t.unknown(p))
}

type refusal struct {
	reason receive.Reason
	text   string // empty: not refused
	// differs says that the node has another value of the same time, which stays.
	differs bool
}

// explain finds out which readings of a batch the tree did not take: it says only
// how many. What the nodes are now tells which, since no two timed readings of a batch
// are for one node; only what others do to the same nodes meanwhile may put the
// blame on another reading. The number is always right.
func (t *taking) explain(missing int) {
	now := t.opts.Now().UnixNano()
	refusals := make([]refusal, len(t.batch))
	refuse := func(k int, reason receive.Reason, text string) {
		if missing > 0 && refusals[k].text == "" {
			refusals[k] = refusal{reason: reason, text: text}
			missing--
		}
	}
	same := make([]bool, len(t.batch)) // the node holds just that: taken, or there before
	for k, reading := range t.batch {
		n, err := t.opts.Tree.NodeAt(reading.Node)
		at, held := cmp.Or(reading.Time, now), n.Time.UnixNano()
		switch {
		case err != nil:
			refuse(k, receive.NoNode, "the node was removed meanwhile")
		case n.Kind == tree.Group || n.Kind == tree.Log:
			refuse(k, receive.Misfit, misfit(n.Kind))
		case n.Time.IsZero():
		case held > at:
			refuse(k, receive.Older, older)
		case held == reading.Time && n.Value != tree.Number(reading.Value) && n.Kind != tree.TextKind:
			refuse(k, receive.Older, older)
			refusals[k].differs = true
		default:
			same[k] = held == at
		}
	}
	for _, likely := range []bool{true, false} {
		for k := range t.batch {
			if same[k] == likely {
				refuse(k, receive.Older, older)
			}
		}
	}
	from := int64(math.MaxInt64)
	if t.opts.KeptFrom != nil {
		from = t.opts.KeptFrom().UnixNano()
	}
	for k, r := range refusals {
		switch at := t.batch[k].Time; {
		case r.text == "":
		case r.reason == receive.Older && !r.differs && at != 0 && at >= from:
			t.accept(1)
			t.out.Late++
		case r.reason == receive.Older && !r.differs && at != 0 && from != math.MaxInt64:
			t.refuse(t.index[k], r.reason, "%s, and only those from %s on are kept beside it", older, time.Unix(0, from).UTC().Format(time.RFC3339))
		default:
			t.refuse(t.index[k], r.reason, "%s", r.text)
		}
	}
}

const older = "the node has a reading of that time or a newer one"

func misfit(k tree.Kind) string {
	switch k {
	case tree.Group:
		return "the node is a group, which takes no readings"
	case tree.Log:
		return "the node is a log, which takes events and texts"
	case tree.Performance:
		return "the node takes numbers"
	}
	return fmt.Sprintf("the node is of kind %v, which does not take that", k)
}

// report gives a text or an event to a node.
func (t *taking) report(i int, ref tree.Ref) {
	e := &t.entries[i]
	n, err := t.opts.Tree.NodeAt(ref)
	if err != nil {
		t.refuse(i, receive.NoNode, "the node was removed meanwhile")
		return
	}
	r := tree.Report{Node: ref}
	if e.time != 0 {
		r.Time = time.Unix(0, e.time)
	}
	switch {
	case e.event && n.Kind != tree.Log:
		t.refuse(i, receive.Misfit, "the node is of kind %v: only a log takes events", n.Kind)
		return
	case n.Kind == tree.Log:
		r.Events = []tree.Event{t.asEvent(e)}
	case n.Kind == tree.Group, n.Kind == tree.Performance:
		t.refuse(i, receive.Misfit, "%s", misfit(n.Kind))
		return
	default:
		r.Value = tree.Text(string(e.text))
	}
	if t.opts.Tree.Report(r) == 1 {
		t.accept(1)
		return
	}
	t.refuse(i, receive.Older, "%s", older)
}

// asEvent makes an event of a reading for a log; a plain text is information.
func (t *taking) asEvent(e *entry) tree.Event {
	ev := tree.Event{Time: t.now, Status: e.eventStatus, Text: string(e.eventText)}
	if !e.event {
		ev.Status, ev.Text = tree.Green, string(e.text)
	}
	if e.time != 0 {
		ev.Time = time.Unix(0, e.time)
	}
	return ev
}

// mail gives a reading to a mailbox.
func (t *taking) mail(i int) {
	e := &t.entries[i]
	boxes := t.opts.Mailboxes
	if at, denied := t.operates(string(e.instance)); denied != nil {
		t.refuse(i, receive.Denied, "%v", denied)
		return
	} else if !at {
		boxes = new(receive.Mailboxes) // To whoever pushes the instance is not there.
	}
	box, err := boxes.Find(string(e.instance), string(e.probe))
	if err != nil {
		t.refuse(i, receive.NoNode, "%v", err)
		return
	}
	item := receive.Item{Attribute: string(e.attribute), Unit: string(e.unit), Time: t.now}
	if e.time != 0 {
		item.Time = time.Unix(0, e.time)
	}
	switch {
	case e.event:
		ev := t.asEvent(e)
		item.Event = &ev
	case e.form == textValue:
		item.Value = tree.Text(string(e.text))
	default:
		item.Value = tree.Number(e.number)
	}
	t.flush()
	switch err := box.Put(item); {
	case err == nil:
		t.accept(1)
	case errors.Is(err, receive.ErrNoMailbox):
		t.refuse(i, receive.NoNode, "%v", err)
	case errors.Is(err, receive.ErrOlder):
		t.refuse(i, receive.Older, "%v", err)
	default:
		t.refuse(i, receive.Misfit, "%v", err)
	}
}

// operates says whether whoever pushes sees an instance, and an error if he may not push
// to it.
func (t *taking) operates(instance string) (sees bool, err error) {
	if t.whole {
		return true, nil
	}
	at, ok := t.opts.Where(instance)
	if !ok || !t.opts.Guard.Sees(t.Subject, at) {
		return false, nil
	}
	return true, t.opts.Guard.Demand(t.Subject, grant.Operator, at)
}

// unknown says of a path that leads to no node where it goes astray, and of one that leads
// to a hidden node the same as of others to somebody who does not see all. Looking for near
// names takes time, so only the first of a request get them.
func (t *taking) unknown(p tree.Path) string {
	if p.IsRoot() {
		return "the root takes no readings"
	}
	if t.nearest >= maxNearest {
		return tree.ErrNoNode.Error()
	}
	t.nearest++
	return t.opts.Guard.Missing(t.Subject, p).Error()
}
