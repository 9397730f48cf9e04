package report

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store/journal"
	"grove/viewer/export/document"
)

// Journal is what is asked of the journal; *journal.Journal has it.
type Journal interface {
	Search(context.Context, journal.Query) (journal.Page, error)
	Totals(ctx context.Context, under tree.Path, from, to time.Time) ([]journal.Total, error)
}

// Documents says which hosts, devices and services there are, and what is whose;
// *document.Maker has it.
type Documents interface {
	Make(context.Context, document.Query) (*document.Document, error)
}

// Query says what is reported.
type Query struct {
	Path     tree.Path // the node and all below it
	From, To time.Time // an end in the future is now
	Customer string    // the only customer; empty: all
	Worst    int       // how many of the worst nodes and longest outages; zero: DefaultWorst
}

// Bounds of a report.
const (
	DefaultWorst = 20
	MaxWorst     = 1000
	MaxChanges   = 2_000_000 // of statuses, and events, within the time
)

// ErrTooMuch is wrapped by the error about a report of more changes than MaxChanges.
var ErrTooMuch = errors.New("the report is too large")

// Options are the surroundings of a Maker.
type Options struct {
	Journal Journal
	// Guard says who sees what; who asks stands in the context.
	Guard     *grant.Guard
	Documents Documents
	Version   string           // of the program
	Now       func() time.Time // nil is time.Now
}

// Maker makes reports. It may be used from many goroutines.
type Maker struct{ opts Options }

// NewMaker checks the options.
func NewMaker(o Options) (*Maker, error) {
	if o.Journal == nil || o.Guard == nil || o.Documents == nil {
		return nil, errors.New("report: a journal, who sees what of it, and documents are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Maker{opts: o}, nil
}

// Report is what was found. It does not change.
type Report struct {
	Created   time.Time
	Generator string
	Query     Query
	From, To  time.Time
	Whole     *Node    // the top of what is reported; nil when it is not the customer's
	Elements  []*Node  // hosts, devices and services, in the order of the document
	Worst     []*Node  // attributes that were yellow or red, the worst first
	Outages   []Outage // of hosts, devices and services; of attributes when the part is of one of them
	Gaps      []Gap
	Nodes     int    // that are reported of
	Changes   int    // of their statuses
	Became    [4]int // attributes that took each status: alerts by severity
	Events    [4]int // lines of logs by status
}

// Make makes a report.
func (m *Maker) Make(ctx context.Context, q Query) (*Report, error) {
	now := m.opts.Now()
	if q.Worst == 0 {
		q.Worst = DefaultWorst
	}
	if q.Worst < 0 || q.Worst > MaxWorst {
		return nil, fmt.Errorf("%w: worst is 1 to %d", ErrTooMuch, MaxWorst)
	}
	to, err := checkSpan(q.From, q.To, now)
	if err != nil {
		return nil, err
	}
	d, err := m.opts.Documents.Make(ctx, document.Query{Path: q.Path, Depth: -1, Customer: q.Customer})
	if err != nil {
		return nil, err
	}
	c := &calculation{from: q.From, to: to, index: map[tree.Path]int{}, most: q.Worst, told: map[tree.Path]bool{}}
	attributes := map[tree.Path]bool{}
	for p := range d.Attributes() {
		attributes[p] = true
	}
	mine := func(tree.Path) bool { return true }
	if q.Customer != "" {
		whole := map[tree.Path]bool{}
		for e := range d.Elements() {
			for _, p := range e.Places {
				whole[p] = e.Whole()
			}
		}
		mine = func(p tree.Path) bool { return attributes[p] || whole[p] }
	}
	sees := m.remembers(ctx)
	if sees != nil {
		own := mine
		mine = func(p tree.Path) bool { return own(p) && sees(p) }
	}
	for e := range d.Elements() {
		for _, p := range e.Places {
			c.told[p] = q.Path.Contains(p)
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(c.told)), true) {
		c.told = attributes // A part of one element.
	}
	if c.gaps, err = m.findGaps(ctx, q.From, to); err != nil {
		return nil, err
	}
	r := &Report{
		Created: now.UTC(), Generator: strings.TrimSpace("grove " + m.opts.Version), Query: q, From: q.From, To: to, Gaps: c.gaps,
	}
	if err := m.calculate(ctx, q.Path, c, mine, sees, r); err != nil {
		return nil, err
	}
	r.sumUp(c, d, attributes)
	return r, nil
}

// remembers says of which nodes whoever asks sees the past; nil: of all.
func (m *Maker) remembers(ctx context.Context) func(tree.Path) bool {
	s := grant.Of(ctx)
	if s.Whole(grant.Viewer) {
		return nil
	}
	known := map[tree.Path]bool{} // The same nodes change again and again.
	return func(p tree.Path) bool {
		sees, ok := known[p]
		if !ok {
			sees = m.opts.Guard.Remembers(s, p)
			known[p] = sees
		}
		return sees
	}
}

// calculate takes the statuses at the beginning, and then each change.
func (m *Maker) calculate(ctx context.Context, top tree.Path, c *calculation, mine, sees func(tree.Path) bool, r *Report) error {
	totals, err := m.opts.Journal.Totals(ctx, top, c.from, c.to)
	if err != nil {
		return err
	}
	// A node that did not change had one status for all the time; the first change of any
	// other says what it had before.
	for i := range totals {
		if !mine(totals[i].Path) {
			continue
		}
		status := tree.White
		for s, d := range totals[i].For {
			if d > totals[i].For[status] {
				status = tree.Status(s)
			}
		}
		if totals[i].Changes > 0 {
			c.index[totals[i].Path] = unseen
			continue
		}
		c.begin(totals[i].Path, status)
	}
	q := journal.Query{From: c.from, To: c.to, Under: top, Kinds: []journal.Kind{journal.Status, journal.Event}, Oldest: true, Limit: journal.MaxLimit, Sees: sees}
	for seen := 0; ; {
		page, err := m.opts.Journal.Search(ctx, q)
		if err != nil {
			return err
		}
		if seen += len(page.Entries); seen > MaxChanges {
			return fmt.Errorf("%w: more than %d changes and events; ask for a shorter time or for a part of the tree", ErrTooMuch, MaxChanges)
		}
		for k := range page.Entries {
			e := &page.Entries[k]
			e.To, e.From = min(e.To, tree.Red), min(e.From, tree.Red)
			if !mine(e.Path) {
				continue
			}
			if e.Kind == journal.Event {
				r.Events[e.To]++
				continue
			}
			if i, ok := c.index[e.Path]; !ok || i == unseen {
				c.begin(e.Path, e.From)
			}
			c.change(e)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	c.end()
	return nil
}

// unseen is the index of a node whose first change is still to come.
const unseen = -1

// sumUp picks out what people look for.
func (r *Report) sumUp(c *calculation, d *document.Document, attributes map[tree.Path]bool) {
	r.Nodes = len(c.nodes)
	for i := range c.nodes {
		n := &c.nodes[i]
		r.Changes += n.Changes
		if n.Path == r.Query.Path {
			r.Whole = n
		}
		if !attributes[n.Path] {
			continue
		}
		for s, times := range n.Became {
			r.Became[s] += times
		}
		if n.Down() > 0 || n.For[tree.Yellow] > 0 {
			r.Worst = append(r.Worst, n)
		}
	}
	slices.SortFunc(r.Worst, worse)
	r.Worst = r.Worst[:min(len(r.Worst), r.Query.Worst)]
	for e := range d.Elements() {
		for _, p := range e.Places {
			i, ok := c.index[p]
			if !ok || i == unseen {
				continue
			}
			n := &c.nodes[i]
			n.Name, n.Role = e.Name, e.Role.String()
			r.Elements = append(r.Elements, n)
		}
	}
	r.Outages = c.outages
}
