package bind

import (
	"sync"
	"time"

	"grove/runtime/probe"
	"grove/tree"
)

// batchSize is how many readings go to the tree at once.
const batchSize = 256

// deliverer carries one result to the nodes of one instance, under its lock. Its buffers
// are used again, for whichever instance comes next.
type deliverer struct {
	i       *instance
	at      time.Time
	pushed  bool
	batch   []tree.Reading
	reports []tree.Report
	derived []*target
}

var deliverers = sync.Pool{New: func() any { return new(deliverer) }}

// release gives the buffers back.
func (d *deliverer) release() {
	clear(d.derived)
	*d = deliverer{batch: d.batch[:0], reports: d.reports[:0], derived: d.derived[:0]}
	deliverers.Put(d)
}

// deliver carries the result of a run of r, or what r sent by itself, to the nodes. A
// run that failed may bring readings, but takes no rows away.
func (i *instance) deliver(r *runner, res *probe.Result, pushed, failed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.gone {
		return
	}
	i.deliveries++
	d := deliverers.Get().(*deliverer)
	d.i, d.pushed, d.at = i, pushed, res.Time
	if d.at.IsZero() {
		d.at = i.b.opts.Now()
	}
	r.remember(res, pushed)
	for k := range res.Values {
		v := &res.Values[k]
		if s := r.routes.find(v.Attribute, "", ""); s != nil {
			d.feed(s, v.Value, v.Events)
		}
	}
	for k := range res.Tables {
		t := &res.Tables[k]
		i.follow(r, t, failed)
		d.cells(r, t)
	}
	for _, t := range d.derived {
		d.derive(t)
	}
	d.flush()
	d.release()
	switch {
	case failed || downText(res) != "": // whoever ran it tells why
	case pushed:
		r.told = ""
	default:
		i.lacking(r)
	}
}

// cells feeds the cells of a table.
func (d *deliverer) cells(r *runner, t *probe.Table) {
	rows := r.routes.tables[t.Attribute]
	key, ok := r.keyOf(t)
	if len(rows) == 0 || !ok {
		return
	}
	column := make(map[string]int, len(t.Columns))
	for k, name := range t.Columns {
		column[name] = k
	}
	for _, cells := range t.Rows {
		if key >= len(cells) {
			continue
		}
		for _, s := range rows[cells[key].String()] {
			if k, ok := column[s.name]; ok && k < len(cells) {
				d.feed(s, cells[k], nil)
			}
		}
	}
}

// feed hands a reading to the nodes that show it.
func (d *deliverer) feed(s *slot, v tree.Value, events []tree.Event) {
	if v.IsNone() && len(events) == 0 {
		return
	}
	s.value, s.time = v, d.at
	for _, t := range s.targets {
		switch {
		case t.source.Value == nil:
			if (t.source.Mode == tree.Push) == d.pushed {
				d.give(t, v, events)
			}
		case t.seen != d.i.deliveries:
			t.seen = d.i.deliveries
			d.derived = append(d.derived, t)
		}
	}
}

// derive evaluates the expression of a node.
func (d *deliverer) derive(t *target) {
	if d.early(t) {
		return
	}
	v, err := t.source.Value.Eval(func(k int) tree.Value {
		if s := t.slots[k]; s != nil {
			return s.present(d.at)
		}
		return tree.Value{}
	})
	if err != nil {
		d.refuse(t, err)
		return
	}
	d.emit(t, v, nil)
}

// give hands a reading to one node.
func (d *deliverer) give(t *target, v tree.Value, events []tree.Event) {
	if !d.early(t) {
		d.emit(t, v, events)
	}
}

// early says whether the node wants no reading yet, because it asks less often than
// its probe runs.
func (d *deliverer) early(t *target) bool {
	if t.source.Every <= 0 || t.source.Mode != tree.Timer {
		return false
	}
	if t.next != nil && d.at.Before(*t.next) {
		return true
	}
	// Runs have a little jitter: the one nearest to the time is meant.
	slack := t.source.Every / 10
	if len(t.slots) > 0 && t.slots[0] != nil {
		slack = min(t.slots[0].from.interval()/2, t.source.Every/2)
	}
	if t.next == nil {
		t.next = new(time.Time) // most nodes never need one
	}
	*t.next = d.at.Add(t.source.Every - slack)
	return false
}

func (d *deliverer) emit(t *target, v tree.Value, events []tree.Event) {
	if t.convert != nil && len(events) == 0 {
		out, ok, err := t.convert.Reading(t.source, v, d.at)
		if err != nil {
			d.refuse(t, err)
			return
		}
		if !ok {
			return
		}
		v = out
	}
	t.had = true
	if t.kind == tree.Log && len(events) == 0 {
		events = t.line(v)
	}
	if n, ok := v.Number(); ok && t.kind == tree.Performance {
		if d.batch = append(d.batch, tree.Reading{Node: t.ref, Value: n, Time: d.at.UnixNano()}); len(d.batch) == batchSize {
			d.flush()
		}
		return
	}
	d.report(tree.Report{Node: t.ref, Value: v, Events: events, Time: d.at})
}

// line makes an event of what an attribute without events says, when it says something
// new: a log shows it as a line.
func (t *target) line(v tree.Value) []tree.Event {
	text := v.String()
	if text == t.said {
		return nil
	}
	t.said = text
	if text == "" {
		return nil
	}
	return []tree.Event{{Text: text, Status: tree.Green}}
}

// refuse says at a node why there is no value.
func (d *deliverer) refuse(t *target, err error) {
	d.report(tree.Report{Node: t.ref, Reason: err.Error(), Time: d.at})
}

func (d *deliverer) report(r tree.Report) {
	if d.reports = append(d.reports, r); len(d.reports) == batchSize {
		d.flush()
	}
}

// flush hands what was gathered to the tree.
func (d *deliverer) flush() {
	if len(d.batch) > 0 {
		d.i.b.opts.Tree.Apply(d.batch)
		d.batch = d.batch[:0]
	}
	if len(d.reports) > 0 {
		d.i.b.opts.Tree.Report(d.reports...)
		clear(d.reports)
		d.reports = d.reports[:0]
	}
}
