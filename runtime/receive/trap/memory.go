package trap

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"grove/beans"
	"grove/runtime/probe"
)

var _ probe.Rememberer = (*trapProbe)(nil)

// memory is what a probe remembers over a restart: the alarms that are active and the rows
// of its tables. What was made by other rules than those of today is not taken: nobody
// might ever clear it.
type memory struct {
	Taken  uint64                 `json:"taken"`
	Alarms *savedAlarms           `json:"alarms,omitempty"`
	Tables map[string]*savedTable `json:"tables,omitempty"` // by name
	Left   int                    `json:"left,omitempty"`   // alarms and rows for which there was no room
}

type savedAlarms struct {
	Rules  string       `json:"rules"`
	Active []savedAlarm `json:"active,omitempty"`
}

type savedAlarm struct {
	Key      string    `json:"key"`
	Text     string    `json:"text"`
	Source   string    `json:"source"`
	Severity severity  `json:"severity"`
	Since    time.Time `json:"since"`
	Raised   uint64    `json:"raised"`
	Order    uint64    `json:"order"`
}

type savedTable struct {
	Rules string     `json:"rules"`
	Rows  []savedRow `json:"rows,omitempty"`
}

type savedRow struct {
	Key     string    `json:"key"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	Heard   uint64    `json:"heard"`
	Traps   uint64    `json:"traps"`
	Columns []string  `json:"columns,omitempty"`
	Order   uint64    `json:"order"`
}

// memoryRoom is what alarms and rows may take of [probe.MaxMemory]; the rest is for what
// stands around them, at most maxTables times.
const memoryRoom = probe.MaxMemory - 4<<10

// describeLeft is of what did not fit into the memory.
var describeLeft = beans.AttributeInfo{
	Name: attrLeft, Type: beans.TypeFloat, Unit: "entries", Readable: true,
	Description: "Alarms and rows of tables that a restart of grove lost, since there was no room to remember them.",
}

// shows says whether the probe has anything to remember.
func (p *plan) shows() bool { return len(p.tables) > 0 || p.hasAlarms() }

func (p *plan) hasAlarms() bool { return len(p.alarms) > 0 || p.alarmMIB }

// Memory implements probe.Rememberer: the alarms, the worst and of them the newest first,
// then the rows of which was heard last, until the room is used up.
func (t *trapProbe) Memory() []byte {
	if !t.plan.shows() {
		return nil
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if t.memory == nil {
		t.memory = t.write()
	}
	return t.memory
}

func (t *trapProbe) write() []byte {
	m := memory{Taken: t.taken, Tables: map[string]*savedTable{}}
	room := memoryRoom
	if t.plan.hasAlarms() {
		m.Alarms = &savedAlarms{Rules: t.plan.alarmRules}
		sorted := slices.SortedFunc(maps.Values(t.alarms.active), func(a, b *alarm) int {
			return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(b.order, a.order))
		})
		for _, a := range sorted {
			s := savedAlarm{a.key, a.text, a.source, a.severity, a.since, a.raised, a.order}
			if fits(s, &room) {
				m.Alarms.Active = append(m.Alarms.Active, s)
			} else {
				m.Left++
			}
		}
	}
	type place struct {
		table *savedTable
		row   *row
	}
	var rows []place
	for _, table := range t.tables {
		s := &savedTable{Rules: table.plan.rules}
		m.Tables[table.plan.name] = s
		for _, r := range table.rows {
			rows = append(rows, place{s, r})
		}
	}
	slices.SortFunc(rows, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.row.heard, a.row.heard), cmp.Compare(a.row.key, b.row.key))
	})
	for _, p := range rows {
		r := p.row
		s := savedRow{r.key, r.state, r.since, r.heard, r.traps, r.columns, r.order}
		if fits(s, &room) {
			p.table.Rows = append(p.table.Rows, s)
		} else {
			m.Left++
		}
	}
	text, err := json.Marshal(m)
	if err != nil || len(text) > probe.MaxMemory {
		return []byte{} // it begins anew
	}
	return text
}

// fits takes room for an entry, if there is enough. Once it is short nothing more is tried.
func fits(entry any, room *int) bool {
	const little = 200 // less than the shortest entry takes, with its times
	if *room < little {
		return false
	}
	text, err := json.Marshal(entry)
	if err != nil || len(text)+1 > *room {
		return false
	}
	*room -= len(text) + 1
	return true
}

// Recall implements probe.Rememberer. What it takes is shown when the probe is attached.
func (t *trapProbe) Recall(text []byte) {
	var m memory
	if len(text) == 0 || json.Unmarshal(text, &m) != nil {
		return
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.taken, t.left = m.Taken, max(0, m.Left)
	if m.Alarms != nil && t.plan.hasAlarms() && m.Alarms.Rules == t.plan.alarmRules {
		t.recalled, t.alarms.recalled = true, true
		for _, a := range m.Alarms.Active {
			if a.Severity > cleared && a.Severity <= critical && len(t.alarms.active) < maxAlarms {
				t.alarms.active[a.Key] = &alarm{a.Key, a.Text, a.Source, a.Severity, a.Since, a.Raised, a.Order}
			}
		}
	}
	for _, table := range t.tables {
		saved := m.Tables[table.plan.name]
		if saved == nil || saved.Rules != table.plan.rules {
			continue
		}
		t.recalled, table.recalled = true, true
		for _, r := range saved.Rows {
			if len(r.Columns) == len(table.plan.columns) && len(table.rows) < table.plan.maxRows {
				table.rows[r.Key] = &row{r.Key, r.State, r.Since, r.Heard, r.Traps, r.Columns, r.Order}
			}
		}
	}
}

// show posts what the probe recalled, as it stands now.
func (t *trapProbe) show(now time.Time) {
	if !t.recalled {
		return
	}
	r := probe.Result{Time: now}
	for _, table := range t.tables {
		if table.recalled {
			r.Tables = append(r.Tables, table.result())
		}
	}
	if t.alarms.recalled {
		t.alarms.add(&r)
	}
	r.Number(attrLeft, float64(t.left))
	t.PostMany(0, r)
}
