package trap

import (
	"fmt"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

// notification is what one trap or inform says, but for the time.
type notification struct {
	name    string
	objects []gosnmp.SnmpPDU
}

// varbinds are all of it: RFC 3416 section 4.2.6 puts the uptime, in hundredths of a
// second, and the name first.
func (n notification) varbinds(uptime uint32) []gosnmp.SnmpPDU {
	return append([]gosnmp.SnmpPDU{
		{Name: sysUpTime, Type: gosnmp.TimeTicks, Value: uptime},
		{Name: snmpTrapOID, Type: gosnmp.ObjectIdentifier, Value: n.name},
	}, n.objects...)
}

// Columns of groveAlertTable, and the objects of a message: see GROVE-MIB. The columns 1
// and 2 are the index.
const (
	colKey = 3 + iota
	colManager
	colPath
	colKind
	colState
	colStatus
	colSeverity
	colMessage
	colValue
	colUnit
	colThreshold
	colEventType
	colProbableCause
	colRepair
	colNumber
	colOpened
	colChanged
	colCount
	colConsequences
	colInstance
)

const (
	objKey = 1 + iota
	objGroup
	objSequence
	objPurpose
	objManager
	objTitle
	objText
	objURL
	objFiring
	objResolved
)

// Bounds of texts, in bytes: what a notification has fits into few packets of Ethernet.
const (
	maxText  = 255 // SnmpAdminString: RFC 3411 section 5
	maxProse = 1024
)

// notifications are what a message becomes: one for each of its alerts, and one for the
// message itself when it has no alerts, or when it has left out some.
func (o *oids) notifications(m *channel.Message) []notification {
	var all []notification
	for i := range min(len(m.Alerts), channel.MaxAlerts) {
		all = append(all, o.alert(m, &m.Alerts[i]))
	}
	if left := m.Firing + m.Resolved - len(all); len(all) == 0 || left > 0 {
		all = append(all, o.plain(m, left))
	}
	return all
}

// alert is the notification of one alert.
func (o *oids) alert(m *channel.Message, a *alert.Alert) notification {
	name, severity := alarmActiveState, a.Severity
	if a.Ended() {
		name, severity = alarmClearState, tree.Cleared
	}
	active, row := activeIndex(a), alertIndex(a)
	model := models[a.Kind]
	itu := fmt.Sprintf("%s.%d.%d", listName, model, perceived[severity])
	column := func(n int) string { return fmt.Sprintf("%s%d%s", o.column, n, row) }
	objects := []gosnmp.SnmpPDU{
		pointer(alarmActiveModelPointer+active, fmt.Sprintf("%s%s.%d.%d", alarmModelNotification, listName, model, modelState(severity))),
		pointer(alarmActiveResourceID+active, column(colPath)),
		text(alarmActiveDescription+active, a.Message, maxText),
		number(ituAlarmEventType+itu, eventType(a.EventType)),
		number(ituAlarmProbableCause+itu, probableCause(a.ProbableCause)),
		text(column(colKey), a.Key, maxText),
		text(column(colManager), a.Manager, maxText),
		text(column(colPath), a.Path.String(), maxProse),
		text(column(colKind), string(a.Kind), maxText),
		text(column(colState), string(a.State), maxText),
		text(column(colStatus), a.Status.String(), maxText),
		number(column(colSeverity), perceived[severity]),
		text(column(colMessage), a.Message, maxProse),
		text(column(colValue), a.Value, maxText),
		text(column(colUnit), a.Unit, maxText),
		text(column(colThreshold), a.Threshold, maxText),
		text(column(colEventType), a.EventType, maxText),
		text(column(colProbableCause), a.ProbableCause, maxText),
		text(column(colRepair), a.Repair, maxText),
		text(column(colNumber), a.ID.String(), maxText),
		octets(column(colOpened), dateAndTime(a.Opened)),
		octets(column(colChanged), dateAndTime(a.Changed)),
		gauge(column(colCount), a.Count),
		gauge(column(colConsequences), a.Consequences),
		text(column(colInstance), a.Instance, maxText),
	}
	return notification{name, append(objects,
		text(o.object(objKey), m.Key, maxText),
		text(o.object(objGroup), m.Group, maxText),
		text(o.object(objPurpose), string(m.Purpose), maxText),
		text(o.object(objURL), m.URL, maxText),
	)}
}

// plain is the notification of a message itself; so many of its alerts have none.
func (o *oids) plain(m *channel.Message, left int) notification {
	prose := m.Text
	if left > 0 && len(m.Alerts) > 0 {
		prose = fmt.Sprintf("…and %d more alerts", left)
	}
	return notification{o.message, []gosnmp.SnmpPDU{
		text(o.object(objKey), m.Key, maxText),
		text(o.object(objGroup), m.Group, maxText),
		gauge(o.object(objSequence), int(m.Sequence)),
		text(o.object(objPurpose), string(m.Purpose), maxText),
		text(o.object(objManager), m.Manager, maxText),
		text(o.object(objTitle), m.Title, maxText),
		text(o.object(objText), prose, maxProse),
		text(o.object(objURL), m.URL, maxText),
		gauge(o.object(objFiring), m.Firing),
		gauge(o.object(objResolved), m.Resolved),
	}}
}

// object is the instance of a scalar.
func (o *oids) object(n int) string { return fmt.Sprintf("%s%d.0", o.scalar, n) }

func pointer(name, to string) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.ObjectIdentifier, Value: to}
}

func number(name string, n int) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.Integer, Value: n}
}

func gauge(name string, n int) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.Gauge32, Value: uint32(min(max(0, n), 1<<32-1))} //nolint:gosec // It is within the bounds.
}

func octets(name string, b []byte) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.OctetString, Value: b}
}

// text is a text of so many bytes at most: what is longer is cut between characters.
func text(name, s string, most int) gosnmp.SnmpPDU {
	s = template.Plain(s)
	if len(s) > most {
		const mark = "…"
		s = s[:most-len(mark)]
		for len(s) > 0 {
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
		s += mark
	}
	return octets(name, []byte(s))
}
