package app

import (
	"context"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/tree/store/revision"
)

// showEvery is how often the manager looks at what it keeps and sends.
const showEvery = 5 * time.Second

// condition is what the manager shows of what it keeps and sends, in its own tree and
// in its own metrics.
type condition struct {
	samples history.Stats
	facts   store.Stats
	shared  revision.State
	journal journal.Stats
	sent    []sending
	alerts  alertCondition
}

// sending is how one target of exports fares.
type sending struct {
	Kind, Name string // "Remote write", "long-term"
	OK         bool
	Error      string
	Waiting    time.Duration // how old the oldest is that waits; zero: nothing does, or it is not known
}

// condition looks at everything.
func (a *App) condition(ctx context.Context) (c condition) {
	c.samples, c.journal = a.past.samples.Stats(), a.past.journal.Stats()
	var err error
	if c.facts, err = a.past.facts.Stats(ctx); err != nil {
		c.facts.LastError = err.Error()
		c.facts.Ready = false
	}
	a.resite()
	c.shared = a.past.shared.State()
	c.sent = a.exports.condition()
	c.alerts = a.alertCondition()
	return c
}

// dropped counts the samples that are not kept although they should be. Repetitions
// and what is later than anything is kept are the senders' affair.
func (c *condition) dropped() (n uint64) {
	for reason, k := range c.samples.Dropped {
		if reason != history.Duplicate && reason != history.TooLate {
			n += k
		}
	}
	return n
}

// show is one node: what it is, and its value now.
type show struct {
	path  string
	spec  tree.Spec
	value func(c *condition) tree.Value
}

func above(yellow, red float64) *tree.Threshold {
	return &tree.Threshold{
		Yellow: tree.Level{Form: tree.Above, High: yellow, OffHigh: yellow}, Red: tree.Level{Form: tree.Above, High: red, OffHigh: red},
	}
}

func share(part, whole float64) tree.Value {
	if whole <= 0 {
		return tree.Value{}
	}
	return tree.Number(100 * part / whole)
}

// working is green for the text "working", white while that is not known yet, and red for
// everything else. Opening is no fault: one that lasts is alerted as silence.
var working = &tree.Threshold{States: map[string]tree.Status{"working": tree.Green, "opening": tree.White, "*": tree.Red}}

// shows are the nodes that every manager has.
var shows = []show{
	{"/grove/History/State", tree.Spec{Kind: tree.State, Threshold: working, Description: "whether readings are kept"}, func(c *condition) tree.Value {
		switch {
		case c.samples.Refusing != "":
			return tree.Text(c.samples.Refusing)
		case !c.samples.Ready:
			return tree.Text("opening")
		}
		return tree.Text("working")
	}},
	{"/grove/History/Series", tree.Spec{Metric: "grove_history_series", Unit: "series", Description: "series in memory"}, func(c *condition) tree.Value { return tree.Number(float64(c.samples.Series)) }},
	{"/grove/History/Buffer", tree.Spec{Metric: "grove_history_buffer_ratio", Unit: "%", Threshold: above(50, 90), Description: "how full the buffer is of samples that wait to be written"},
		func(c *condition) tree.Value {
			return share(float64(c.samples.Buffered), float64(c.samples.MaxBuffered))
		}},
	{"/grove/History/Disk", tree.Spec{Metric: "grove_history_disk_bytes", Unit: "bytes", Description: "what readings take on the disk"}, func(c *condition) tree.Value { return tree.Number(float64(c.samples.Bytes)) }},
	{"/grove/History/Disk limit", tree.Spec{Metric: "grove_history_disk_limit_ratio", Unit: "%", Threshold: above(100, 110), Description: "of the disk that readings may take; at 100 the oldest go"},
		func(c *condition) tree.Value { return share(float64(c.samples.Bytes), float64(c.samples.MaxBytes)) }},
	{"/grove/History/Lost", tree.Spec{Metric: "grove_history_lost_samples_total", Unit: "samples", Threshold: above(0, 1e6), Description: "samples since the start that could not be kept"},
		func(c *condition) tree.Value { return tree.Number(float64(c.dropped())) }},
	{"/grove/History/Damaged", tree.Spec{Metric: "grove_history_damaged_parts", Unit: "parts", Threshold: above(0, 1e6), Description: "damaged files of the history that were put aside since the start"},
		func(c *condition) tree.Value { return tree.Number(float64(c.samples.Aside)) }},
	{"/grove/History/Oldest", tree.Spec{Metric: "grove_history_oldest_seconds", Unit: "s", Description: "age of the oldest reading that is kept as it came"}, func(c *condition) tree.Value {
		if c.samples.Oldest.IsZero() {
			return tree.Value{}
		}
		return tree.Number(time.Since(c.samples.Oldest).Seconds())
	}},
	{"/grove/Database/State", tree.Spec{Kind: tree.State, Threshold: working, Description: "whether facts are kept"}, func(c *condition) tree.Value {
		switch {
		case c.facts.Ready:
			return tree.Text("working")
		case c.facts.LastError != "":
			return tree.Text(c.facts.LastError)
		}
		return tree.Text("opening")
	}},
	sharedState,
	{"/grove/Database/Size", tree.Spec{Metric: "grove_database_bytes", Unit: "bytes", Description: "what facts take on the disk"}, func(c *condition) tree.Value { return tree.Number(float64(c.facts.Bytes)) }},
	{"/grove/Database/Journal", tree.Spec{Metric: "grove_journal_entries", Unit: "entries", Description: "changes of status and events that are kept"}, func(c *condition) tree.Value {
		if c.journal.Rows < 0 {
			return tree.Value{}
		}
		return tree.Number(float64(c.journal.Rows))
	}},
	{"/grove/Database/Journal queue", tree.Spec{Metric: "grove_journal_queue_ratio", Unit: "%", Threshold: above(50, 90), Description: "how full the queue is of entries that wait to be written"},
		func(c *condition) tree.Value { return share(float64(c.journal.Queue), float64(c.journal.Room)) }},
	{"/grove/Database/Journal lost", tree.Spec{Metric: "grove_journal_lost_entries_total", Unit: "entries", Threshold: above(0, 1e6), Description: "entries since the start that could not be kept"},
		func(c *condition) tree.Value { return tree.Number(float64(c.journal.Lost)) }},
}

// showCondition makes the nodes of what is kept and sent.
func (a *App) showCondition() error {
	ops := make([]tree.Op, 0, len(shows))
	add := func(path string, s tree.Spec) {
		s.Mode, s.Source = tree.Push, "grove"
		if s.Kind == tree.Group {
			s.Kind = tree.Performance
		}
		ops = append(ops, tree.Add(tree.MustPath(path), &s))
	}
	for _, s := range slices.Concat(shows, alertShows) {
		add(s.path, s.spec)
	}
	for _, s := range a.exports.condition() {
		add(s.at("State"), tree.Spec{Kind: tree.State, Threshold: working, Description: "whether what is sent arrives"})
		add(s.at("Behind"), tree.Spec{Unit: "s", Threshold: above(300, 3600), Description: "age of the oldest that waits to be sent"})
	}
	return a.Tree.Change(ops...)
}

// at is the path of a node about the target.
func (s *sending) at(name string) string {
	p, err := tree.MustPath("/grove/Exports").Child(s.Kind)
	for _, name := range []string{s.Name, name} {
		if err == nil {
			p, err = p.Child(name)
		}
	}
	if err != nil { // Names of targets are checked when they are configured.
		return "/grove/Exports/" + name
	}
	return p.String()
}

// keepShowing brings the nodes up to date until ctx ends.
func (a *App) keepShowing(ctx context.Context) error {
	tick := time.NewTicker(showEvery)
	defer tick.Stop()
	for {
		c := a.condition(ctx)
		a.countOrphans(ctx)
		var reports []tree.Report
		report := func(path string, v tree.Value) {
			if r, ok := a.Tree.Lookup(tree.MustPath(path)); ok && !v.IsNone() {
				reports = append(reports, tree.Report{Node: r, Value: v})
			}
		}
		for _, s := range slices.Concat(shows, alertShows) {
			report(s.path, s.value(&c))
		}
		for i := range c.sent {
			s := &c.sent[i]
			state := "working"
			if !s.OK {
				state = s.Error
			}
			report(s.at("State"), tree.Text(state))
			report(s.at("Behind"), tree.Number(s.Waiting.Seconds()))
		}
		a.Tree.Report(slices.Concat(reports, a.showChannels(&c), a.showPeers())...)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
