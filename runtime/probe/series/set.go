package series

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"grove/tree"
)

// Histogram is a native histogram: of exponential buckets or of stated ones.
type Histogram = histogram.FloatHistogram

// Label is a name and a text.
type Label = labels.Label

// Why samples and series are refused.
var (
	ErrOlder     = errors.New("the series has a newer sample")
	ErrDuplicate = errors.New("the series has a sample of that time")
	ErrLabels    = fmt.Errorf("the labels of a series are more than %d bytes", MaxLabels)
	ErrNoName    = errors.New("a series without a name")
)

// BoundError says which bound was reached, and who can move it.
type BoundError struct {
	Option string
	Most   int
}

// Error implements error.
func (e *BoundError) Error() string {
	return fmt.Sprintf("%s: there are more than %d: select fewer, or raise it", e.Option, e.Most)
}

// Set takes samples for one plan, and gives readings. It is for one goroutine at a time.
type Set struct {
	plan   *Plan
	series map[string]*Series
	values []cell
	tables []rows
	round  uint64
	gone   bool // some series are to be taken out
}

// Series is what is known of one series.
type Series struct {
	labels       labels.Labels
	links        []link // where it goes
	value, was   float64
	native, old  *Histogram // in place of value
	time, before int64      // of value and was, in milliseconds; 0: there is none
	round        uint64     // in which it came last
	gone         bool
}

type link struct {
	cell *cell
	row  *row // nil for values
}

// Time is when the last sample was taken, in milliseconds since 1970; 0 before the first.
func (x *Series) Time() int64 { return x.time }

// Seen says whether the series got a sample since Begin.
func (s *Set) Seen(x *Series) bool { return x.round == s.round }

// Wanted says whether any attribute is read from the series.
func (x *Series) Wanted() bool { return len(x.links) > 0 }

// Sample is what a series has at a moment.
type Sample struct {
	Value     float64
	Histogram *Histogram // in place of a value; the set keeps it
	Time      int64      // milliseconds since 1970
	// Increment says that the sample is what came since the one before, so that it is
	// added to it.
	Increment bool
}

// cell is a value, or a column of a row: what comes together in one number.
type cell struct {
	members []*Series // numbers, and native histograms
	groups  []*group  // classic histograms
	dirty   bool      // something came since the last Read
	gone    bool      // members are to be taken out
}

// rows are the rows of a table.
type rows struct {
	byKey  map[string]*row
	sorted []*row
	dirty  bool
	order  bool // sorted is not
	over   bool // a row found no place
}

type row struct {
	key    string
	texts  []tree.Value // of labels
	cells  []cell
	series []*Series
	gone   bool // series are to be taken out
}

// NewSet makes a set without any series.
func (p *Plan) NewSet() *Set {
	s := &Set{plan: p, round: 1, series: map[string]*Series{}, values: make([]cell, len(p.values)), tables: make([]rows, len(p.tables))}
	for i := range s.tables {
		s.tables[i].byKey = map[string]*row{}
	}
	return s
}

// Wants says whether a series of that name may be of interest. What it does not want
// needs neither Get nor Add.
func (s *Set) Wants(name []byte) bool {
	return len(s.plan.anyName) > 0 || s.plan.byName[string(name)] != nil
}

// Get returns the series of a key, or nil when it is new.
func (s *Set) Get(key []byte) *Series { return s.series[string(key)] }

// Len is how many series the set remembers.
func (s *Set) Len() int { return len(s.series) }

// Add takes in a new series. The key is whatever its source tells series apart by. The
// error is ErrLabels, ErrNoName or a *BoundError.
func (s *Set) Add(key []byte, l labels.Labels) (*Series, error) {
	name := l.Get(labels.MetricName)
	switch {
	case name == "":
		return nil, ErrNoName
	case l.ByteSize() > MaxLabels:
		return nil, ErrLabels
	case len(s.series) >= s.plan.maxSeries:
		return nil, &BoundError{"max_series", s.plan.maxSeries}
	}
	x := &Series{labels: l}
	whole := true
	for _, u := range s.plan.byName[name] {
		whole = s.link(x, u) && whole
	}
	for _, u := range s.plan.anyName {
		whole = s.link(x, u) && whole
	}
	// What found no place for a row asks again the next time.
	if whole {
		s.series[string(key)] = x
	}
	return x, nil
}

// link puts a series where a use says, if it fits. It is false when there is no place.
func (s *Set) link(x *Series, u use) bool {
	for _, m := range u.matchers {
		if !m.Matches(x.labels.Get(m.Name)) {
			return true
		}
	}
	if u.table < 0 {
		x.enter(&s.values[u.item], nil, u.part)
		return true
	}
	plan, t := &s.plan.tables[u.table], &s.tables[u.table]
	key := keyOf(x.labels, plan.key)
	if key == "" {
		return true
	}
	r := t.byKey[key]
	if r == nil {
		if len(t.byKey) >= plan.maxRows {
			t.over = true
			return false
		}
		r = &row{key: key, cells: make([]cell, len(plan.items)), texts: make([]tree.Value, len(plan.labels))}
		t.byKey[key] = r
		t.sorted = append(t.sorted, r)
		t.order = true
	}
	t.dirty = true
	if !slices.Contains(r.series, x) {
		r.series = append(r.series, x)
		r.name(plan.labels, x)
	}
	x.enter(&r.cells[u.item], r, u.part)
	return true
}

// enter makes a series a member of a cell.
func (x *Series) enter(c *cell, r *row, p part) {
	x.links = append(x.links, link{c, r})
	if p == whole {
		c.members = append(c.members, x)
		return
	}
	base, le := x.labels, 0.0
	if p == bucket {
		var err error
		if le, err = strconv.ParseFloat(base.Get(labels.BucketLabel), 64); err != nil {
			x.links = x.links[:len(x.links)-1] // No bucket, whatever its name is.
			return
		}
	}
	hash, _ := base.HashWithoutLabels(nil, labels.BucketLabel) // without the name, too
	var g *group
	for _, known := range c.groups {
		if known.hash == hash {
			g = known
			break
		}
	}
	if g == nil {
		g = &group{hash: hash}
		c.groups = append(c.groups, g)
	}
	g.parts = append(g.parts, partOf{x, p, le})
}

// name fills in the labels that the row does not have yet.
func (r *row) name(names []string, x *Series) {
	for i, l := range names {
		if !r.texts[i].IsNone() {
			continue
		}
		if text := x.labels.Get(l); text != "" {
			r.texts[i] = tree.Text(shown(text))
		}
	}
}

// keyOf joins the labels of a key; it is empty when the series has none of them. A comma
// within a label has a backslash before it, so that no two keys are the same.
func keyOf(l labels.Labels, names []string) string {
	if len(names) == 1 {
		return shown(l.Get(names[0]))
	}
	var b strings.Builder
	some := false
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		text := l.Get(n)
		some = some || text != ""
		b.WriteString(escapes.Replace(shown(text)))
	}
	if !some {
		return ""
	}
	return b.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, `,`, `\,`)

// shown makes a label fit to be shown: valid and bounded.
func shown(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

// Put takes a sample. What is refused, with ErrOlder or ErrDuplicate, counts as seen all
// the same. A sample that is Prometheus' mark of staleness takes the series out.
func (s *Set) Put(x *Series, p Sample) error {
	x.round = s.round
	stale := p.Histogram == nil && value.IsStaleNaN(p.Value) || p.Histogram != nil && value.IsStaleNaN(p.Histogram.Sum)
	switch {
	case p.Time < x.time && !p.Increment:
		return ErrOlder
	case p.Time == x.time && !p.Increment && !stale:
		return ErrDuplicate
	case stale:
		x.gone, s.gone = true, true
	case p.Histogram != nil:
		x.old, x.native, x.before, x.time = x.native, p.Histogram, x.time, p.Time
		if p.Increment && x.old != nil {
			if total, _, _, err := x.old.Copy().Add(p.Histogram); err == nil {
				x.native = total
			}
		}
	default:
		x.was, x.before, x.time = x.value, x.time, max(x.time, p.Time)
		x.native, x.old = nil, nil
		if p.Increment {
			p.Value += x.value
		}
		x.value = p.Value
	}
	for _, l := range x.links {
		l.cell.dirty = true
	}
	return nil
}

// Begin starts a round in which every series is expected that still exists.
func (s *Set) Begin() {
	s.round++
	for i := range s.tables {
		s.tables[i].over = false
	}
}

// End takes out the series that did not come since Begin.
func (s *Set) End() {
	for _, x := range s.series {
		if x.round != s.round {
			x.gone, s.gone = true, true
		}
	}
	s.sweep()
}

// Expire takes out the series whose last sample is older than a time in milliseconds.
func (s *Set) Expire(before int64) {
	for _, x := range s.series {
		if x.time < before {
			x.gone, s.gone = true, true
		}
	}
	s.sweep()
}

// sweep takes out what is gone.
func (s *Set) sweep() {
	if !s.gone {
		return
	}
	s.gone = false
	for key, x := range s.series {
		if !x.gone {
			continue
		}
		delete(s.series, key)
		for _, l := range x.links {
			l.cell.gone, l.cell.dirty = true, true
			if l.row != nil {
				l.row.gone = true
			}
		}
	}
	for i := range s.values {
		s.values[i].sweep()
	}
	for i := range s.tables {
		s.tables[i].sweep(&s.plan.tables[i])
	}
}

func (t *rows) sweep(plan *table) {
	t.sorted = slices.DeleteFunc(t.sorted, func(r *row) bool {
		if !r.gone {
			return false
		}
		r.gone, t.dirty = false, true
		r.series = slices.DeleteFunc(r.series, func(x *Series) bool { return x.gone })
		if len(r.series) == 0 {
			delete(t.byKey, r.key)
			return true
		}
		for i := range r.cells {
			r.cells[i].sweep()
		}
		clear(r.texts)
		for _, x := range r.series {
			r.name(plan.labels, x)
		}
		return false
	})
}

func (c *cell) sweep() {
	if !c.gone {
		return
	}
	c.gone = false
	c.members = slices.DeleteFunc(c.members, func(x *Series) bool { return x.gone })
	c.groups = slices.DeleteFunc(c.groups, func(g *group) bool {
		g.parts = slices.DeleteFunc(g.parts, func(p partOf) bool { return p.gone })
		return len(g.parts) == 0
	})
}

// NewLabels makes the labels of a series, in any order, for kinds that do not get them
// from Prometheus' own formats. Of labels with the same name the last counts.
func NewLabels(name string, list []Label) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, l := range list {
		b.Set(l.Name, l.Value)
	}
	return b.Set(labels.MetricName, name).Labels()
}

// Key is what tells labels apart, for sources that have no key of their own.
func Key(l labels.Labels, buf []byte) []byte { return l.Bytes(buf) }

func isNumber(v float64) bool { return !math.IsNaN(v) }
