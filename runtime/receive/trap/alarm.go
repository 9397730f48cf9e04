package trap

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/receive/trap/message"
	"grove/tree"
)

// severity is how bad an alarm is: X.733, and so ItuPerceivedSeverity of ITU-ALARM-TC-MIB
// (RFC 3877 section 5.1), whose numbers are not in the order of badness.
type severity uint8

const (
	cleared severity = iota
	indeterminate
	warning
	minor
	major
	critical
)

var severityNames = [...]string{"cleared", "indeterminate", "warning", "minor", "major", "critical"}

// severities are the words and the numbers of ItuPerceivedSeverity.
var severities = map[string]severity{
	"cleared": cleared, "indeterminate": indeterminate, "warning": warning, "minor": minor, "major": major, "critical": critical,
	"clear": cleared, "normal": cleared, "ok": cleared,
	"1": cleared, "2": indeterminate, "3": critical, "4": major, "5": minor, "6": warning,
}

// status is the colour of an alarm.
func (s severity) status() tree.Status {
	switch s {
	case warning, minor:
		return tree.Yellow
	case major, critical:
		return tree.Red
	case indeterminate:
		return tree.White
	}
	return tree.Green
}

// ALARM-MIB: RFC 3877 section 4.
var (
	oidAlarmActive      = message.MustOID("1.3.6.1.2.1.118.0.2")
	oidAlarmClear       = message.MustOID("1.3.6.1.2.1.118.0.3")
	oidAlarmDescription = message.MustOID("1.3.6.1.2.1.118.1.2.2.1.11")
	oidAlarmModel       = message.MustOID("1.3.6.1.2.1.118.1.2.2.1.13")
	oidAlarmResource    = message.MustOID("1.3.6.1.2.1.118.1.2.2.1.10")
)

// modelStates are the severities that the states of an alarm model stand for: RFC 3877
// section 5.4, alarmModelState to ituAlarmPerceivedSeverity. A model that has only clear
// and raised has the states 1 and 2.
var modelStates = map[string]severity{"1": cleared, "2": indeterminate, "3": warning, "4": minor, "5": major, "6": critical}

var alarmColumns = []string{"key", "severity", "status", "text", "source", "since", "raised"}

func describeAlarms() []beans.AttributeInfo {
	text := func(name, description string) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: description}
	}
	return []beans.AttributeInfo{
		{
			Name: attrAlarms, Type: beans.TypeTable, Readable: true, Key: "key", Description: "The alarms that are active.",
			Columns: []beans.AttributeInfo{
				text("key", "What tells the alarm apart."), text("severity", "indeterminate, warning, minor, major or critical."),
				text("status", "white, yellow or red."), text("text", "What it says."), text("source", "Who sent it."),
				text("since", "Since when it is active (RFC 3339)."),
				{Name: "raised", Type: beans.TypeFloat, Unit: "traps", Readable: true, Description: "How often it was raised since then."},
			},
		},
		{Name: attrActive, Type: beans.TypeFloat, Unit: "alarms", Readable: true, Description: "How many alarms are active."},
		text(attrWorst, "The worst severity of them; cleared when there are none."),
	}
}

// alarms are the active alarms of a probe.
type alarms struct {
	active   map[string]*alarm
	dirty    bool
	recalled bool // they go on after a restart
}

type alarm struct {
	key, text, source string
	severity          severity
	since             time.Time
	raised            uint64
	order             uint64
}

// raise takes an alarm in, or what is new of it.
func (s *alarms) raise(a alarm, now time.Time) {
	s.dirty = true
	if a.severity == cleared {
		delete(s.active, a.key)
		return
	}
	have := s.active[a.key]
	if have == nil {
		if len(s.active) >= maxAlarms {
			s.forget()
		}
		a.since = now
		have = &a
		s.active[a.key] = have
	}
	have.severity, have.text, have.source = a.severity, a.text, a.source
	have.raised++
}

func (s *alarms) clear(key string) {
	s.dirty = true
	delete(s.active, key)
}

// forget makes room for an alarm: the oldest goes.
func (s *alarms) forget() {
	var oldest *alarm
	for _, a := range s.active {
		if oldest == nil || a.order < oldest.order {
			oldest = a
		}
	}
	delete(s.active, oldest.key)
}

// take has a rule raise or clear an alarm.
func (s *alarms) take(p *alarmPlan, d *dictionary, m *message.Message, clears bool, nth uint64, now time.Time) {
	key, _ := p.key.write(d, m)
	if clears {
		s.clear(key)
		return
	}
	word, _ := p.severity.write(d, m)
	bad, ok := severities[strings.ToLower(strings.TrimSpace(word))]
	if !ok {
		bad = indeterminate
	}
	text, _ := p.text.write(d, m)
	s.raise(alarm{key: key, text: text, source: m.Source.String(), severity: bad, order: nth}, now)
}

// takeMIB has a notification of ALARM-MIB raise or clear an alarm. The alarm is told apart
// by its model, without the state that the last number of the pointer is, and the resource.
func (s *alarms) takeMIB(d *dictionary, m *message.Message, clears bool, nth uint64, now time.Time) {
	model, state, key := "", "", ""
	if v := m.Find(oidAlarmModel); v != nil && v.Tag == message.TagOID {
		full := message.Dotted(v.Value)
		if end := strings.LastIndexByte(full, '.'); end > 0 {
			model, state = full[:end], full[end+1:]
		}
	}
	if v := m.Find(oidAlarmResource); v != nil {
		key = v.Text(d.names, d.place(v.OID).object)
	}
	key = strings.TrimSpace(key + " " + model)
	bad, ok := modelStates[state]
	switch {
	case clears:
		s.clear(key)
		return
	case !ok || bad == cleared: // the notification says that it is active
		bad = indeterminate
	}
	text := d.varbinds(m)
	if v := m.Find(oidAlarmDescription); v != nil {
		text = v.Text(d.names, d.place(v.OID).object)
	}
	s.raise(alarm{key: key, text: text, source: m.Source.String(), severity: bad, order: nth}, now)
}

// mibAlarm says whether a trap is one of ALARM-MIB, and whether it clears.
func mibAlarm(trap []byte) (is, clears bool) {
	switch {
	case bytes.Equal(trap, oidAlarmActive):
		return true, false
	case bytes.Equal(trap, oidAlarmClear):
		return true, true
	}
	return false, false
}

// add adds the alarms as they stand to a result.
func (s *alarms) add(r *probe.Result) {
	sorted := make([]*alarm, 0, len(s.active))
	worst := cleared
	for _, a := range s.active {
		sorted = append(sorted, a)
		worst = max(worst, a.severity)
	}
	slices.SortFunc(sorted, func(a, b *alarm) int { return int(int64(a.order - b.order)) }) //nolint:gosec // They are near each other.
	t := probe.Table{Attribute: attrAlarms, Columns: alarmColumns}
	for _, a := range sorted {
		t.Rows = append(t.Rows, []tree.Value{
			tree.Text(a.key), tree.Text(severityNames[a.severity]), tree.Text(a.severity.status().String()), tree.Text(a.text),
			tree.Text(a.source), tree.Text(stamp(a.since)), tree.Number(float64(a.raised)),
		})
	}
	r.Tables = append(r.Tables, t)
	r.Number(attrActive, float64(len(sorted)))
	r.Text(attrWorst, severityNames[worst])
}
