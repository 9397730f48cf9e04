package compose

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"grove/notify/channel"
	"grove/notify/route/grouping"
	"grove/tree"
	"grove/tree/alert"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func sample(id alert.ID, change ...func(*alert.Alert)) *alert.Alert {
	a := &alert.Alert{ID: id, Path: tree.MustPath(fmt.Sprintf("/shop/web%d/Up", id)), Kind: alert.Status, State: alert.Open, Status: tree.Red, Worst: tree.Red,
		Severity: tree.Major, Opened: now.Add(-90 * time.Minute), Changed: now, Count: 1, Message: fmt.Sprintf("/shop/web%d/Up is red: connection refused", id)}
	for _, c := range change {
		c(a)
	}
	return a
}

func over(a *alert.Alert) {
	at := now.Add(-time.Minute)
	a.State, a.Status, a.Resolved = alert.Resolved, tree.Green, &at
}

func TestTitles(t *testing.T) {
	slow := func(a *alert.Alert) { a.Status, a.Severity = tree.Yellow, tree.Warning }
	known := func(a *alert.Alert) { a.State, a.Ack = alert.Acknowledged, &alert.Ack{By: "ada"} }
	silent := func(a *alert.Alert) {
		a.Kind, a.Status, a.Message = alert.Silence, tree.White, "/shop/web1/Up has been silent for 1m"
	}
	causes := func(a *alert.Alert) { a.Consequences = 212 }
	web := grouping.Common{"instance": "shop-web1"}
	for want, c := range map[string]Content{
		"RED: /shop/web1/Up is red: connection refused (and 212 consequences)":                                {Purpose: channel.Firing, Common: web, Standing: []*alert.Alert{sample(1, causes)}},
		"RED shop-web1: 3 alerts — /shop/web2/Up is red: connection refused":                                  {Purpose: channel.Firing, Common: web, Standing: []*alert.Alert{sample(1, slow), sample(3, known), sample(2)}},
		"RED shop-web1, acknowledged by ada: 2 alerts — /shop/web1/Up is red: connection refused":             {Purpose: channel.Firing, Common: web, Standing: []*alert.Alert{sample(1, known), sample(2, known)}},
		"RED grove1: 2 alerts in 2 groups (1 over) — /shop/web1/Up is red: connection refused":                {Purpose: channel.Firing, Groups: 2, Standing: []*alert.Alert{sample(1), sample(2)}, Over: []*alert.Alert{sample(3, over)}},
		"SILENT: /shop/web1/Up has been silent for 1m":                                                        {Purpose: channel.Firing, Standing: []*alert.Alert{sample(1, silent)}},
		"still YELLOW: /shop/web1/Up is red: connection refused":                                              {Purpose: channel.Reminder, Standing: []*alert.Alert{sample(1, slow)}},
		"nobody has acknowledged for 15m: RED: /shop/web1/Up is red: connection refused":                      {Purpose: channel.Escalation, After: 15*time.Minute + time.Millisecond, Standing: []*alert.Alert{sample(1)}},
		"RESOLVED: /shop/web1/Up is red: connection refused, over after 1h29m":                                {Purpose: channel.Resolution, Over: []*alert.Alert{sample(1, over)}},
		"RESOLVED shop-web1: 3 alerts, all over — /shop/web1/Up is red: connection refused, over after 1h29m": {Purpose: channel.Resolution, Common: web, Over: []*alert.Alert{sample(1, over), sample(2, over)}, Others: 1},
		"RESOLVED shop-web1: 2 alerts over":                                                                   {Purpose: channel.Resolution, Common: web, Others: 2},
	} {
		c.Manager, c.Time = "grove1", now
		if got := c.Message().Title; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestText(t *testing.T) {
	c := Content{Manager: "grove1", Purpose: channel.Escalation, Time: now, After: 15 * time.Minute, Groups: 2,
		Standing: []*alert.Alert{sample(1, func(a *alert.Alert) {
			a.Ack, a.State, a.Repair, a.Count, a.Flapping, a.Consequences = &alert.Ack{By: "ada", Comment: "on it"}, alert.Acknowledged, "restart it", 3, true, 1
		})}, Over: []*alert.Alert{sample(2, over)}, Others: 1}
	const want = `Nobody has acknowledged it for 15m.
/shop/web1/Up is red: connection refused
    since 2026-03-02 10:30:00 UTC; major; for the 3. time; flapping; 1 consequence; acknowledged by ada: on it; do: restart it
over: /shop/web2/Up is red: connection refused
    since 2026-03-02 10:30:00 UTC, for 1h29m
1 alert over, of which no more is known.
2 groups in one message, since they were too many for messages of their own.`
	if got := c.Message().Text; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var many Content
	for i := range 30 {
		many.Standing, many.Over = append(many.Standing, sample(alert.ID(i+1))), append(many.Over, sample(alert.ID(i+100), over))
	}
	if text := many.Message().Text; !strings.Contains(text, "… and 20 alerts more.") || !strings.Contains(text, "… and 20 alerts more that are over.") {
		t.Error(text)
	}
}

// TestHostileTexts: whatever a device says, the title is one line, and every line is one of
// ours.
func TestHostileTexts(t *testing.T) {
	for _, text := range []string{"a\nBcc: everybody@example.org", "a\r\n\r\nb", "\x1b]52;c;aGk=\x07", "\u202egnp.exe", "a\x00b\xff", "\u2028x\u0085y", strings.Repeat("é", 100_000), ""} {
		a := sample(1, func(a *alert.Alert) {
			a.Message, a.Repair, a.Ack = text, text, &alert.Ack{By: text, Comment: text}
			a.Labels = map[string]string{"zone": text}
		})
		c := Content{Manager: "grove1", Common: grouping.Common{"zone": text}, Purpose: channel.Firing, Time: now, Standing: []*alert.Alert{a, sample(2)}}
		m := c.Message()
		bad := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
		if strings.ContainsFunc(m.Title, bad) || strings.ContainsFunc(strings.ReplaceAll(m.Text, "\n", ""), bad) || strings.Count(m.Text, "\n") != 3 || len(m.Title) > 1024 || len(m.Text) > 16<<10 {
			t.Errorf("%.40q: %.300q, %.300q", text, m.Title, m.Text)
		}
	}
}

// TestAMessageIsBounded: what has no room is left out, and still counts.
func TestAMessageIsBounded(t *testing.T) {
	for name, change := range map[string]func(*alert.Alert){
		"many": func(*alert.Alert) {},
		"long": func(a *alert.Alert) { a.Message = strings.Repeat("<&\x01", 3_000) },
		"huge": func(a *alert.Alert) { a.Labels = map[string]string{"x": strings.Repeat("x", 300_000)} },
		"old":  func(a *alert.Alert) { a.History = make([]alert.Step, alert.MaxSteps) },
	} {
		c := Content{Manager: "grove1", URL: "https://grove.example", Purpose: channel.Firing, Time: now}
		for i := range 200 {
			c.Standing = append(c.Standing, sample(alert.ID(i+1), change))
		}
		m := c.Message()
		text, err := json.Marshal(m)
		if err != nil || len(text) > channel.MaxBytes || len(m.Alerts) > channel.MaxAlerts || m.Firing != 200 || m.URL != "https://grove.example/#/alerts?alert=1" {
			t.Errorf("%s: %d bytes, %d alerts of %d, %s, %v", name, len(text), len(m.Alerts), m.Firing, m.URL, err)
		}
		for _, a := range m.Alerts {
			if len(a.History) > maxSteps {
				t.Errorf("%s: %d steps", name, len(a.History))
			}
		}
		if len(c.Standing[0].History) == maxSteps {
			t.Errorf("%s: the alert itself was changed", name)
		}
	}
}

func TestPlace(t *testing.T) {
	at := func(paths ...string) (list []*alert.Alert) {
		for _, p := range paths {
			list = append(list, &alert.Alert{Path: tree.MustPath(p)})
		}
		return list
	}
	for want, c := range map[string]Content{
		"/":          {},
		"/a/b":       {Standing: at("/a/b")},
		"/a/b/c":     {Standing: at("/a/b/c/d", "/a/b/c/e"), Over: at("/a/b/c")},
		"/shop":      {Standing: at("/shop/web"), Over: at("/shop/webs")},
		"/x~1y":      {Standing: at("/x~1y/a", "/x~1y/b")},
		"/deep/down": {Over: at("/deep/down/a/b/c", "/deep/down/x")},
	} {
		if got := c.Place().String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
