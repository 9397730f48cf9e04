package syslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

// Bounds of a record in characters: of a value in the structured data, and of the text.
const (
	maxValue = 256
	maxText  = 1024
)

// severityOf is the severity of syslog for one of X.733: RFC 5674, section 2.
func severityOf(s tree.Severity) int {
	switch s {
	case tree.Critical:
		return 1
	case tree.Major:
		return 2
	case tree.Minor:
		return 3
	case tree.Warning:
		return 4
	}
	return 5
}

// records makes a record of each alert of a message, or one of a message without alerts.
func (s *sender) records(m *channel.Message) []string {
	if len(m.Alerts) == 0 {
		text := s.wording.Title(m)
		return []string{s.record(m, 6, s.own(m), text)}
	}
	var all []string
	for i := range m.Alerts {
		a := &m.Alerts[i]
		severity := a.Severity
		text := a.Message
		if a.Ended() {
			severity, text = tree.Cleared, "over: "+text
		}
		cause, event := a.ProbableCause, a.EventType
		if cause == "" {
			cause = "other"
		}
		if event == "" {
			event = "other"
		}
		// RFC 5674, section 3.
		data := element("alarm", "resource", a.Path.String(), "probableCause", cause, "perceivedSeverity", severity.String(),
			"eventType", event, "trendIndication", trend(a), "resourceURI", m.URL)
		all = append(all, s.record(m, severityOf(severity), data+s.own(m, alertValues(a)...), text))
	}
	return all
}

// trend says how the severity changed with the last step that changed it.
func trend(a *alert.Alert) string {
	for i := len(a.History) - 1; i >= 0; i-- {
		switch a.History[i].What {
		case alert.Opened, alert.Reopened, alert.Worsened:
			return "moreSevere"
		case alert.Eased, alert.DidResolve:
			return "lessSevere"
		}
	}
	return "noChange"
}

// own is grove's structured data of a message and of one of its alerts.
func (s *sender) own(m *channel.Message, more ...string) string {
	values := append([]string{
		"key", m.Key, "group", m.Group, "sequence", strconv.FormatInt(m.Sequence, 10), "purpose", string(m.Purpose), "manager", m.Manager, "route", m.Route,
	}, more...)
	return element(fmt.Sprintf("grove@%d", s.options.Enterprise), values...)
}

// alertValues are the names and values of what only grove says of an alert.
func alertValues(a *alert.Alert) []string {
	values := []string{
		"id", a.ID.String(), "alertKey", a.Key, "kind", string(a.Kind), "state", string(a.State), "status", a.Status.String(), "worst", a.Worst.String(),
		"opened", stamp(a.Opened), "value", a.Value, "unit", a.Unit, "threshold", a.Threshold, "instance", a.Instance,
		"customers", strings.Join(a.Customers, ","), "count", strconv.Itoa(a.Count), "consequences", strconv.Itoa(a.Consequences), "repair", a.Repair,
	}
	if a.Ack != nil {
		values = append(values, "acknowledgedBy", a.Ack.By)
	}
	if a.Resolved != nil {
		values = append(values, "resolved", stamp(*a.Resolved))
	}
	return values
}

// stamp is a time as RFC 5424, section 6.2.3, has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// escaper escapes what ends a value: RFC 5424, section 6.3.3.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// element is an element of structured data of names and values; empty values are left out.
func element(id string, namesAndValues ...string) string {
	var b strings.Builder
	b.WriteString("[" + id)
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		value := template.Truncate(template.OneLine(namesAndValues[i+1]), maxValue)
		if value != "" {
			b.WriteString(" " + namesAndValues[i] + `="` + escaper.Replace(value) + `"`)
		}
	}
	b.WriteString("]")
	return b.String()
}

// record is one message of syslog.
func (s *sender) record(m *channel.Message, severity int, data, text string) string {
	host := s.options.Host
	if host == "" {
		host = name(m.Manager, 255)
	}
	text = template.Truncate(template.OneLine(text), maxText)
	for i := range len(text) {
		if text[i] > '~' {
			text = "\ufeff" + text // RFC 5424, section 6.4: what is UTF-8 says so.
			break
		}
	}
	return fmt.Sprintf("<%d>1 %s %s %s - %s %s %s", s.facility*8+severity, stamp(m.Time), host, s.options.App, name(string(m.Purpose), 32), data, text)
}

// name is a text as a field of the header takes it: printable ASCII without blanks, or "-".
func name(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, template.Truncate(text, most))
	if text == "" {
		return "-"
	}
	return text
}
