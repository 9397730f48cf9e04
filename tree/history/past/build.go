package past

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// lookBacks are how far back the last reading of a node is looked for, one after the
// other while some are not found; zero is as far as there are any.
var lookBacks = []time.Duration{30 * time.Minute, 6 * time.Hour, 36 * time.Hour, 0}

// maxEvents bounds the lines of all logs together.
const maxEvents = 100_000

// puzzle is a tree that is being put together.
type puzzle struct {
	at       time.Time
	step     time.Duration // of merged samples; 0: they are as they came
	statuses map[string]history.StatusAt
	parents  map[string]struct{} // of what has a status, by path
	last     map[int64]journal.Entry
	readings map[string]history.ReadingAt
	pieces   []piece
	lost     lost
}

// piece is one node of it, before what is read for some of them alone.
type piece struct {
	path   tree.Path
	text   string
	spec   *tree.Spec
	today  *today // nil: it is gone
	status history.StatusAt
	change journal.Entry
	told   bool // change is of this node
}

// today is what is taken of a node that is there now.
type today struct {
	path      tree.Path
	spec      *tree.Spec
	threshold *tree.Threshold // nil: that of the spec
	created   time.Time
	value     tree.Value
	time      time.Time // of the value
}

// build puts the tree of a moment together.
func (p *Past) build(ctx context.Context, at time.Time) (*tree.Tree, error) {
	fail := func(err error) (*tree.Tree, error) { return nil, fmt.Errorf("the tree at %s: %w", stamp(at), err) }
	z := &puzzle{at: at, lost: lost{}}
	// The journal is a database of its own: it is read meanwhile.
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	var unread error
	reading.Go(func() { z.last, unread = p.o.Journal.Last(ctx, at) })
	var err error
	if z.statuses, z.step, err = p.o.History.StatusesAt(ctx, at); err != nil {
		return fail(err)
	}
	if z.step == 0 {
		if err := p.leaveOutEarlier(ctx, z); err != nil {
			return fail(err)
		}
	}
	if len(z.statuses) == 0 {
		return nil, p.nothing(ctx, at)
	}
	if z.readings, err = p.o.History.ReadingsAt(ctx, at, lookBacks[0]); err != nil {
		return fail(err)
	}
	z.findParents()
	if reading.Wait(); unread != nil {
		return fail(unread)
	}
	z.findToday(p.o.Tree)
	z.findGone()
	if err := p.findReadings(ctx, z); err != nil {
		return fail(err)
	}
	events, err := p.findEvents(ctx, z)
	if err != nil {
		return fail(err)
	}
	records := make([]tree.Record, len(z.pieces))
	for i := range z.pieces {
		records[i] = z.record(&z.pieces[i])
		if lines := events[z.pieces[i].path]; len(lines) > 0 {
			records[i].Events, records[i].Time = lines, lines[len(lines)-1].Time
		}
		if i%4096 == 0 && ctx.Err() != nil {
			return fail(ctx.Err())
		}
	}
	frozen, err := tree.Freeze(at, records)
	if err != nil {
		return fail(err)
	}
	return frozen, nil
}

// leaveOutEarlier takes those nodes out that only a process knew that had ended by then.
func (p *Past) leaveOutEarlier(ctx context.Context, z *puzzle) error {
	root, ok := z.statuses[tree.Root.String()]
	if !ok {
		return nil
	}
	page, err := p.o.Journal.Search(ctx, journal.Query{
		From: z.at.Add(-history.LookBack), To: z.at.Add(time.Millisecond), Only: true, Kinds: []journal.Kind{journal.Manager},
	})
	if err != nil {
		return err
	}
	for _, e := range page.Entries { // newest first
		if e.From == tree.White && e.To == tree.Green {
			if root.Told.Before(e.Time) {
				return nil // It had just begun.
			}
			for path, s := range z.statuses {
				if s.Told.Before(e.Time) {
					delete(z.statuses, path)
				}
			}
			return nil
		}
	}
	return nil
}

// nothing is the error of a moment within the range of which nothing is held: grove did
// not run.
func (p *Past) nothing(ctx context.Context, at time.Time) error {
	text := ""
	for _, q := range []struct {
		journal.Query
		what string
	}{
		{journal.Query{To: at.Add(time.Millisecond), Only: true, Kinds: []journal.Kind{journal.Manager}, Limit: 1}, "grove ran until %s"},
		{journal.Query{From: at.Add(time.Millisecond), Only: true, Kinds: []journal.Kind{journal.Manager}, Limit: 1, Oldest: true}, "grove ran again from %s on"},
	} {
		page, err := p.o.Journal.Search(ctx, q.Query)
		if err != nil {
			return fmt.Errorf("the tree at %s: %w", stamp(at), err)
		}
		if len(page.Entries) > 0 {
			text += "; " + fmt.Sprintf(q.what, stamp(page.Entries[0].Time))
		}
	}
	from, to, err := p.Range()
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: nothing was recorded at %s%s; the history goes from %s to %s", ErrRange, stamp(at), text, stamp(from), stamp(to))
}

// findParents notes what was above something.
func (z *puzzle) findParents() {
	z.parents = map[string]struct{}{}
	for path := range z.statuses {
		if i := strings.LastIndexByte(path, '/'); i > 0 {
			z.parents[path[:i]] = struct{}{}
		} else if path != "/" {
			z.parents["/"] = struct{}{}
		}
	}
}

// findToday takes the nodes that are still what they were, in the order of today.
func (z *puzzle) findToday(t *tree.Tree) {
	all := make([]today, 0, t.Len()+t.Len()/8)          // The tree stands still meanwhile.
	_ = t.Walk(tree.Root, -1, func(n *tree.Node) bool { // The root is always there.
		now := today{path: n.Path, spec: n.Spec, created: n.Created, value: n.Value, time: n.Time}
		if n.Tuned {
			now.threshold = n.Threshold
		}
		all = append(all, now)
		return true
	})
	z.pieces = make([]piece, 0, len(z.statuses))
	for i := range all {
		x := piece{path: all[i].path, text: all[i].path.String(), spec: all[i].spec, today: &all[i]}
		var ok bool
		if x.status, ok = z.statuses[x.text]; !ok {
			continue
		}
		if z.findChange(&x); z.fits(&x) {
			z.pieces = append(z.pieces, x)
			delete(z.statuses, x.text) // What remains is gone.
		}
	}
}

// findChange looks up the last change of a node.
func (z *puzzle) findChange(x *piece) {
	x.change, x.told = z.last[store.NodeNumber(x.path)]
	if x.told && x.change.Time.Before(x.status.Renewed) {
		x.change, x.told = journal.Entry{}, false // It was of the node before.
	}
}

// reading is the last number of a node.
func (z *puzzle) reading(x *piece) (history.ReadingAt, bool) {
	r, ok := z.readings[x.text]
	if ok && r.Time.Before(x.status.Renewed) {
		return history.ReadingAt{}, false // It was of the node before.
	}
	return r, ok
}

// fits says whether a node of today can be the one of then: what is recorded goes with
// its kind.
func (z *puzzle) fits(x *piece) bool {
	_, above := z.parents[x.text]
	_, number := z.reading(x)
	_, text := x.change.Value.Text()
	switch x.spec.Kind {
	case tree.Group:
		return x.status.Group || above
	case tree.Performance:
		return !x.status.Group && !above && !text
	case tree.State:
		return !x.status.Group && !above
	}
	return !x.status.Group && !above && !number
}

// findGone takes the nodes that are not there any more, or are something else.
func (z *puzzle) findGone() {
	gone := make([]string, 0, len(z.statuses))
	for text := range z.statuses {
		gone = append(gone, text)
	}
	slices.Sort(gone) // What is above comes before what is below.
	for _, text := range gone {
		path, err := tree.ParsePath(text)
		if err != nil || path.String() != text {
			continue // No tree had it.
		}
		x := piece{path: path, text: text, status: z.statuses[text]}
		z.findChange(&x)
		_, above := z.parents[text]
		r, number := z.reading(&x)
		switch _, worded := x.change.Value.Text(); {
		case x.status.Group || above:
			x.spec = z.lost.spec(tree.Group, "")
		case number && !worded:
			x.spec = z.lost.spec(tree.Performance, unitOf(r))
		default:
			x.spec = z.lost.spec(tree.State, "")
		}
		z.pieces = append(z.pieces, x)
	}
}

// findReadings looks farther back for nodes that have a number rarely.
func (p *Past) findReadings(ctx context.Context, z *puzzle) error {
	for _, within := range lookBacks[1:] {
		var missing []string
		for i := range z.pieces {
			x := &z.pieces[i]
			if _, ok := z.readings[x.text]; !ok && x.today != nil && x.spec.Kind == tree.Performance && (x.spec.History == nil || !x.spec.History.Off) {
				missing = append(missing, x.text)
			}
		}
		var more map[string]history.ReadingAt
		var err error
		switch {
		case len(missing) == 0:
			return nil
		case len(missing) <= history.MaxPathsAt:
			more, err = p.o.History.ReadingsAt(ctx, z.at, within, missing...)
		case within > 0:
			more, err = p.o.History.ReadingsAt(ctx, z.at, within)
		}
		if err != nil {
			return err
		}
		for path, r := range more {
			if _, ok := z.readings[path]; !ok {
				z.readings[path] = r
			}
		}
	}
	return nil
}

// findEvents reads the lines of logs.
func (p *Past) findEvents(ctx context.Context, z *puzzle) (map[tree.Path][]tree.Event, error) {
	var logs []tree.Path
	most := tree.DefaultKeep
	for i := range z.pieces {
		x := &z.pieces[i]
		switch {
		case x.spec.Kind == tree.Log:
			logs = append(logs, x.path)
			most = max(most, x.spec.Keep)
		case x.today == nil && x.spec.Kind == tree.State:
			// Whether it was a log is not recorded, but whether it had lines.
			logs = append(logs, x.path)
		}
	}
	if len(logs) == 0 {
		return nil, nil
	}
	events, err := p.o.Journal.EventsBefore(ctx, z.at, max(min(most, maxEvents/len(logs)), 1), logs...)
	if err != nil {
		return nil, err
	}
	for i := range z.pieces {
		x := &z.pieces[i]
		if lines := events[x.path]; x.today == nil && x.spec.Kind == tree.State && len(lines) > 0 {
			x.spec = z.lost.spec(tree.Log, "")
		}
		if lines, ok := events[x.path]; ok { // Those of the node before are not its own.
			events[x.path] = slices.DeleteFunc(lines, func(e tree.Event) bool { return e.Time.Before(x.status.Renewed) })
		}
	}
	return events, nil
}
