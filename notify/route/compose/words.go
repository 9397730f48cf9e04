package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

// Bounds, in characters.
const (
	maxTitle = 250
	maxLine  = 500
	maxLines = 10 // alerts that the text has a line for
)

// title is one line: "RED shop-web1: 3 alerts — /shop/web1/Up is red: connection refused
// (and 212 consequences)".
func (c *Content) title(m *channel.Message) string {
	first := c.First()
	if first == nil {
		return clean("RESOLVED "+c.subject()+": "+count(c.Others, "alert")+" over", maxTitle)
	}
	n := len(c.Standing)
	var head, tail string
	switch {
	case n == 0:
		head = "RESOLVED"
		n = m.Resolved
		tail = fmt.Sprintf("%s, over after %s", first.Message, short(ended(first).Sub(first.Opened)))
		if n == 1 {
			return clean(head+": "+tail, maxTitle)
		}
		return clean(fmt.Sprintf("%s %s: %s, all over — %s", head, c.subject(), count(n, "alert"), tail), maxTitle)
	case c.Purpose == channel.Reminder:
		head = "still " + colour(m.Status, first)
	case c.Purpose == channel.Escalation:
		head = "nobody has acknowledged for " + short(c.After) + ": " + colour(m.Status, first)
	default:
		head = colour(m.Status, first)
	}
	tail = first.Message
	if first.Consequences > 0 {
		tail += " (and " + count(first.Consequences, "consequence") + ")"
	}
	known := ""
	if by := c.acknowledged(); by != "" {
		known = ", acknowledged by " + by
	}
	if n == 1 && m.Resolved == 0 {
		return clean(head+known+": "+tail, maxTitle)
	}
	what := count(n, "alert")
	if c.Groups > 1 {
		what += " in " + count(c.Groups, "group")
	}
	if m.Resolved > 0 {
		what += fmt.Sprintf(" (%d over)", m.Resolved)
	}
	return clean(fmt.Sprintf("%s %s%s: %s — %s", head, c.subject(), known, what, tail), maxTitle)
}

// colour is the word for a status; the kind says why there is none.
func colour(s tree.Status, a *alert.Alert) string {
	switch {
	case s != tree.White:
		return strings.ToUpper(s.String())
	case a.Kind == alert.Missing:
		return "MISSING"
	}
	return "SILENT"
}

// subject is what the alerts have in common, in as few words as there are.
func (c *Content) subject() string {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(c.Common)) {
		if value := c.Common[name]; value != "" && name != "alert" {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		return c.Manager
	}
	return strings.Join(values, ", ")
}

// acknowledged is who acknowledged all that stands, or nothing.
func (c *Content) acknowledged() string {
	var by []string
	for _, a := range c.Standing {
		switch {
		case a.State == alert.Open, a.Ack == nil && a.State == alert.Acknowledged:
			return ""
		case a.Ack != nil && !slices.Contains(by, a.Ack.By):
			by = append(by, a.Ack.By)
		}
	}
	if len(by) > 3 {
		return count(len(by), "person")
	}
	return strings.Join(by, ", ")
}

// text is what there is to say beyond the title, an alert a line.
func (c *Content) text() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(clean(fmt.Sprintf(format, args...), maxLine))
		b.WriteByte('\n')
	}
	more := func(format string, args ...any) {
		b.WriteString("    ")
		line(format, args...)
	}
	if c.Purpose == channel.Escalation {
		line("Nobody has acknowledged it for %s.", short(c.After))
	}
	for i, a := range c.Standing {
		if i == maxLines {
			line("… and %s more.", count(len(c.Standing)-i, "alert"))
			break
		}
		line("%s", a.Message)
		more("%s", c.details(a))
	}
	for i, a := range c.Over {
		if i == maxLines {
			line("… and %s more that are over.", count(len(c.Over)-i, "alert"))
			break
		}
		line("over: %s", a.Message)
		more("since %s, for %s", stamp(a.Opened), short(ended(a).Sub(a.Opened)))
	}
	if c.Others > 0 {
		line("%s over, of which no more is known.", count(c.Others, "alert"))
	}
	if c.Groups > 1 {
		line("%s in one message, since they were too many for messages of their own.", count(c.Groups, "group"))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// details says of an alert what is not in its message.
func (c *Content) details(a *alert.Alert) string {
	parts := []string{"since " + stamp(a.Opened), a.Severity.String()}
	if a.Count > 1 {
		parts = append(parts, fmt.Sprintf("for the %d. time", a.Count))
	}
	if a.Flapping {
		parts = append(parts, "flapping")
	}
	if a.Consequences > 0 {
		parts = append(parts, count(a.Consequences, "consequence"))
	}
	if a.Suppression != nil {
		parts = append(parts, "held back: "+a.Suppression.Text)
	}
	if a.Ack != nil {
		text := "acknowledged by " + a.Ack.By
		if a.Ack.Comment != "" {
			text += ": " + a.Ack.Comment
		}
		parts = append(parts, text)
	}
	if a.Repair != "" {
		parts = append(parts, "do: "+a.Repair)
	}
	return strings.Join(parts, "; ")
}

// ended is when an alert ended, or when it is known to have.
func ended(a *alert.Alert) time.Time {
	if a.Resolved != nil {
		return *a.Resolved
	}
	return a.Changed
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// short is a duration for people: whole seconds, and from an hour on whole minutes.
func short(d time.Duration) string {
	if d = max(d, 0); d >= time.Hour {
		return tree.FormatDuration(d.Truncate(time.Minute))
	}
	return tree.FormatDuration(d.Truncate(time.Second))
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "person":
		return fmt.Sprintf("%d people", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// clean makes one line of a text from outside, at most so many characters long.
func clean(text string, most int) string { return template.Truncate(template.OneLine(text), most) }
