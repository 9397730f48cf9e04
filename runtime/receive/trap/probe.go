package trap

import (
	"net/netip"
	"slices"
	"time"

	"grove/runtime/probe"
	"grove/runtime/receive"
	"grove/runtime/receive/trap/message"
	"grove/tree"
)

// trapProbe is what a definition declares: it takes the traps that it wants and makes
// readings of them. All but the feed is guarded by the lock of the hub.
type trapProbe struct {
	*receive.Feed
	plan    *plan
	words   *dictionary
	secrets *communities

	actions map[string]*actions // by trap, what the rules say of it
	taken   uint64              // messages so far
	counts  []float64
	tables  []*table
	alarms  alarms

	hub      *Hub
	memory   []byte // nil: what is to be remembered has changed
	recalled bool   // some of what it shows it remembered
	left     int    // alarms and rows that it did not remember

	batch batch
}

// actions are what the rules of a probe say of one trap.
type actions struct {
	wanted  bool
	event   *eventPlan
	counts  []int
	states  []rowAction
	removes []int // tables
	raises  []*alarmPlan
	clears  []*alarmPlan
	mib     bool // a notification of ALARM-MIB
	clearly bool // which clears
}

type rowAction struct {
	table int
	state string
}

// maxActions bounds the traps for which a probe has what its rules say at hand.
const maxActions = 1000

// batch is what the messages of one batch came to.
type batch struct {
	messages uint64
	trap     string
	events   [][]tree.Event // by log
	counted  []bool
	values   []tree.Value
}

func newTrapProbe(h *Hub, p *plan) *trapProbe {
	t := &trapProbe{
		hub: h, plan: p, words: newDictionary(p.names), actions: map[string]*actions{}, counts: make([]float64, len(p.counts)),
		alarms: alarms{active: map[string]*alarm{}}, secrets: newCommunities(p.communities),
	}
	for i := range p.tables {
		t.tables = append(t.tables, &table{plan: &p.tables[i], rows: map[string]*row{}})
	}
	t.batch = batch{events: make([][]tree.Event, len(p.logs)), counted: make([]bool, len(p.counts)), values: make([]tree.Value, len(p.values))}
	return t
}

// from says for whom a message counts: its peer or, behind a relay, the agent it names.
func (t *trapProbe) from(m *message.Message) netip.Addr {
	peer := m.Peer.Addr()
	if m.Agent.IsValid() && !m.Agent.IsUnspecified() && contains(t.plan.relays, peer) {
		return m.Agent
	}
	return peer
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// look returns what the rules say of a trap.
func (t *trapProbe) look(trap []byte) *actions {
	if a := t.actions[string(trap)]; a != nil {
		return a
	}
	a := &actions{wanted: t.plan.wanted.match(trap)}
	if a.wanted {
		t.rules(trap, a)
	}
	if len(t.actions) >= maxActions {
		clear(t.actions)
	}
	t.actions[string(trap)] = a
	return a
}

func (t *trapProbe) rules(trap []byte, a *actions) {
	p := t.plan
	for i := range p.events {
		if p.events[i].traps.match(trap) {
			a.event = &p.events[i]
			break
		}
	}
	for i := range p.counts {
		if p.counts[i].traps.match(trap) {
			a.counts = append(a.counts, i)
		}
	}
	for i := range p.tables {
		if p.tables[i].remove.match(trap) {
			a.removes = append(a.removes, i)
			continue
		}
		for k := range p.tables[i].states {
			if s := &p.tables[i].states[k]; s.traps.matches(trap) {
				a.states = append(a.states, rowAction{i, s.state})
				break
			}
		}
	}
	for i := range p.alarms {
		switch alarm := &p.alarms[i]; {
		case alarm.clear.match(trap):
			a.clears = append(a.clears, alarm)
		case alarm.raise.match(trap):
			a.raises = append(a.raises, alarm)
		}
	}
	if p.alarmMIB {
		a.mib, a.clearly = mibAlarm(trap)
	}
}

// take makes what the rules say of a message.
func (t *trapProbe) take(a *actions, m *message.Message, now time.Time) {
	t.taken++
	b := &t.batch
	b.messages++
	b.trap = t.words.name(m.Trap)
	if a.event != nil {
		e := tree.Event{Time: now, Status: a.event.status}
		e.Text, _ = a.event.text.write(t.words, m)
		if a.event.by != nil {
			word, _ := a.event.by.write(t.words, m)
			if s, ok := a.event.states[word]; ok {
				e.Status = s
			}
		}
		b.events[a.event.log] = append(b.events[a.event.log], e)
	}
	for _, k := range a.counts {
		t.counts[k]++
		b.counted[k] = true
	}
	for i := range t.plan.values {
		v := &t.plan.values[i]
		if found := m.Find(v.oid); found == nil {
			continue
		} else if v.text {
			b.values[i] = tree.Text(found.Text(t.plan.names, v.object))
		} else if n, ok := found.Number(v.object); ok {
			b.values[i] = tree.Number(n)
		}
	}
	for _, s := range a.states {
		t.tables[s.table].state(t.words, m, s.state, t.taken, now)
	}
	for _, k := range a.removes {
		t.tables[k].remove(t.words, m)
	}
	for _, rule := range a.raises {
		t.alarms.take(rule, t.words, m, false, t.taken, now)
	}
	for _, rule := range a.clears {
		t.alarms.take(rule, t.words, m, true, t.taken, now)
	}
	if a.mib {
		t.alarms.takeMIB(t.words, m, a.clearly, t.taken, now)
	}
}

// post hands what the batch came to to the nodes.
func (t *trapProbe) post(now time.Time) {
	b := &t.batch
	r := probe.Result{Time: now}
	r.Text(attrTrap, b.trap)
	for i, events := range b.events {
		if len(events) > 0 {
			r.Values = append(r.Values, probe.Value{Attribute: t.plan.logs[i], Value: tree.Text(events[len(events)-1].Text), Events: events})
		}
		b.events[i] = nil // the feed keeps them
	}
	for i, counted := range b.counted {
		if counted {
			r.Number(t.plan.counts[i].name, t.counts[i])
		}
		b.counted[i] = false
	}
	for i, v := range b.values {
		if !v.IsNone() {
			r.Add(t.plan.values[i].name, v)
		}
		b.values[i] = tree.Value{}
	}
	for _, table := range t.tables {
		if table.dirty {
			r.Tables = append(r.Tables, table.result())
			table.dirty, t.memory = false, nil
		}
	}
	if t.alarms.dirty {
		t.alarms.add(&r)
		t.alarms.dirty, t.memory = false, nil
	}
	n := b.messages
	b.messages = 0
	t.Feed.PostMany(n, r)
}
