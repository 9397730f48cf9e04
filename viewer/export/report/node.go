package report

import (
	"cmp"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/store/journal"
)

// Node is how one node fared.
type Node struct {
	Path tree.Path
	Name string // of the host, device or service that it is; else its path
	Role string // "host", "device", "service"; empty for other nodes
	// For is how long it had each status, of the time that is recorded.
	For                [4]time.Duration
	Unknown            time.Duration // not recorded
	Changes            int           // of its status
	Became             [4]int        // how often it took each status
	Failures, Restored int
	Restoring          time.Duration // down, of the outages that ended
	Status             tree.Status   // at the end

	since time.Time   // of Status
	down  *Outage     // the present outage
	known tree.Status // the last that was not white
}

// Outage is a time in which a node was red, with white and unknown time within it.
type Outage struct {
	Path     tree.Path
	From, To time.Time
	Down     time.Duration // red, of the time that is recorded
	Before   bool          // it began before From, the beginning of the report
	Open     bool          // it had not ended at To, the end of the report
}

// Up is how long the node was green or yellow.
func (n *Node) Up() time.Duration { return n.For[tree.Green] + n.For[tree.Yellow] }

// Down is how long the node was red.
func (n *Node) Down() time.Duration { return n.For[tree.Red] }

// Availability is the share of the time up, 0 to 1; ok is false when it was never known.
func (n *Node) Availability() (share float64, ok bool) {
	whole := n.Up() + n.Down()
	if whole == 0 {
		return 0, false
	}
	return float64(n.Up()) / float64(whole), true
}

// Known is the share of the whole time in which the node was up or down.
func (n *Node) Known() float64 {
	whole := n.whole()
	if whole == 0 {
		return 0
	}
	return float64(n.Up()+n.Down()) / float64(whole)
}

func (n *Node) whole() time.Duration {
	return n.Up() + n.Down() + n.For[tree.White] + n.Unknown
}

// MTBF is the mean operating time between failures; ok is false without a failure.
func (n *Node) MTBF() (d time.Duration, ok bool) {
	if n.Failures == 0 {
		return 0, false
	}
	return n.Up() / time.Duration(n.Failures), true
}

// MTTR is the mean time to restoration; ok is false when no outage ended.
func (n *Node) MTTR() (d time.Duration, ok bool) {
	if n.Restored == 0 {
		return 0, false
	}
	return n.Restoring / time.Duration(n.Restored), true
}

// calculation goes through the changes of the statuses of many nodes in the order of time.
type calculation struct {
	from, to time.Time
	gaps     gaps
	nodes    []Node
	index    map[tree.Path]int
	outages  []Outage // the longest, the longest first
	most     int      // of them
	// told says whose outages are kept.
	told map[tree.Path]bool
}

// begin says which status a node has when the time begins.
func (c *calculation) begin(p tree.Path, s tree.Status) {
	n := Node{Path: p, Name: p.String(), Status: s, since: c.from, known: s}
	if s == tree.Red {
		n.down = &Outage{Path: p, From: c.from, Before: true}
	}
	c.index[p] = len(c.nodes)
	c.nodes = append(c.nodes, n)
}

// change takes one change of a status.
func (c *calculation) change(e *journal.Entry) {
	i, ok := c.index[e.Path]
	if !ok {
		return
	}
	n := &c.nodes[i]
	c.pass(n, e.Time)
	if e.To == n.Status {
		return
	}
	n.Changes++
	n.Became[e.To]++
	n.Status = e.To
	switch {
	case e.To == tree.White:
		return // It says nothing of an outage.
	case e.To == tree.Red && n.down == nil:
		n.down = &Outage{Path: n.Path, From: e.Time}
		if n.known != tree.White {
			n.Failures++
		}
	case e.To != tree.Red && n.down != nil:
		n.Restored++
		n.Restoring += n.down.Down
		n.down.To = e.Time
		c.keep(*n.down)
		n.down = nil
	}
	n.known = e.To
}

// pass lets time go on to a moment.
func (c *calculation) pass(n *Node, to time.Time) {
	if !to.After(n.since) {
		return
	}
	d := c.gaps.known(n.since, to)
	n.For[n.Status] += d
	n.Unknown += to.Sub(n.since) - d
	if n.down != nil && n.Status == tree.Red {
		n.down.Down += d
	}
	n.since = to
}

// end lets the time of the report end.
func (c *calculation) end() {
	for i := range c.nodes {
		n := &c.nodes[i]
		c.pass(n, c.to)
		if n.down != nil {
			n.down.To, n.down.Open = c.to, true
			c.keep(*n.down)
			n.down = nil
		}
	}
}

// keep remembers an outage when it is among the longest.
func (c *calculation) keep(o Outage) {
	i, _ := slices.BinarySearchFunc(c.outages, o, longer)
	if i == c.most || !c.told[o.Path] {
		return
	}
	c.outages = slices.Insert(c.outages, i, o)
	c.outages = c.outages[:min(len(c.outages), c.most)]
}

// longer orders outages: the longest first, then the oldest.
func longer(a, b Outage) int {
	switch {
	case a.Down != b.Down:
		return cmp.Compare(b.Down, a.Down)
	case !a.From.Equal(b.From):
		return a.From.Compare(b.From)
	default:
		return cmp.Compare(a.Path.String(), b.Path.String())
	}
}

// worse orders nodes: the least available first, then those that were yellow for longer.
func worse(a, b *Node) int {
	switch {
	case a.Down() != b.Down():
		return cmp.Compare(b.Down(), a.Down())
	case a.For[tree.Yellow] != b.For[tree.Yellow]:
		return cmp.Compare(b.For[tree.Yellow], a.For[tree.Yellow])
	default:
		return cmp.Compare(a.Path.String(), b.Path.String())
	}
}
