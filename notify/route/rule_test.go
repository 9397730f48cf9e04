package route

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree/definition/source"
)

// TestARuleAsTheFileHasIt reads one with every setting, and one with none.
func TestARuleAsTheFileHasIt(t *testing.T) {
	rules := readRules(t, `
- name: databases
  when: { under: /shop/db, status: [red], severity: major.., labels: {zone: eu-1}, customer: acme, during: "Mon-Fri 08:00-18:00 Europe/Berlin" }
  to: [dba]
  group: { by: [instance, path:2], wait: 10s, interval: 5m }
  repeat: 2d
  escalate: [ { after: 15m, to: [boss] }, { after: 1h, to: cto } ]
  precedence: urgent
  ttl: 12h
  resolved: each
  tell_acknowledged: false
  most: 7
  continue: false
- { name: rest, to: mail, repeat: never, group: { wait: 0s }, resolved: false }
- { name: least, to: mail }
`)
	list, err := newRoutes(rules)
	if err != nil || len(list) != 3 {
		t.Fatal(err)
	}
	first, rest, least := list[0], list[1], list[2]
	if first.wait != 10*time.Second || first.interval != 5*time.Minute || first.repeat != 48*time.Hour || first.precedence != outbox.Urgent || first.most != 7 || first.tellsAcknowledged() ||
		first.Resolved != ResolvedEach || time.Duration(first.TTL) != 12*time.Hour || first.Escalate[1].To[0] != "cto" || time.Duration(first.Escalate[0].After) != 15*time.Minute {
		t.Errorf("%+v", first)
	}
	if rest.wait != 0 || rest.interval != DefaultInterval || rest.repeat != 0 || rest.Resolved != ResolvedNone {
		t.Errorf("%+v", rest)
	}
	if least.wait != DefaultWait || least.repeat != DefaultRepeat || least.most != DefaultMost || least.precedence != outbox.Normal || !least.tellsAcknowledged() || least.Resolved != ResolvedAll {
		t.Errorf("%+v", least)
	}
	text, err := json.Marshal(rules[0])
	if err != nil || !strings.Contains(string(text), `"repeat":"2d"`) || !strings.Contains(string(text), `"escalate":[{"after":"15m","to":["boss"]}`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestBadRules(t *testing.T) {
	for text, want := range map[string]string{
		"{to: mail}":          "name: a route has a name of 1 to 64 bytes",
		"{name: x}":           "to: nobody is told: name channels, people or rotas",
		"{name: x, to: ['']}": "to[0]: a name has 1 to 64 bytes",
		"{name: x, to: y, when: {under: [a, /b//c]}}":                          `when.under[1]: malformed path "/b//c"`,
		"{name: x, to: y, when: {status: blue}}":                               "when.status: unknown status",
		"{name: x, to: y, group: {by: node}}":                                  `group.by: alerts are not grouped by "node"`,
		"{name: x, to: y, group: {wait: 2h}}":                                  "group.wait: 2h is not between 0s and 1h",
		"{name: x, to: y, repeat: 1s}":                                         "repeat: 1s is not between 1m and 366d",
		"{name: x, to: y, ttl: 1ms}":                                           "ttl: 1ms is not between 1s and 366d",
		"{name: x, to: y, escalate: [{to: z}]}":                                "escalate[0].after: a step comes after a while, such as 15m, and within a year",
		"{name: x, to: y, escalate: [{after: 5m}]}":                            "escalate[0].to: nobody is told",
		"{name: x, to: y, escalate: [{after: 5m, to: z}, {after: 5m, to: z}]}": "escalate[1].after: it is later than the step before, which is after 5m",
		"{name: x, to: y, precedence: high}":                                   `precedence: unknown precedence "high": urgent, normal or bulk`,
		"{name: x, to: y, resolved: some}":                                     `resolved: "some" is none of true, false and each`,
		"{name: x, to: y, most: -1}":                                           "most: -1 messages a minute are not between 1 and 10000",
	} {
		documents, errs := source.Read("alerts.yaml", []byte(text))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		var r Rule
		if errs := documents[0].Value.Decode(&r, source.DecodeOptions{What: "route"}); len(errs) > 0 {
			t.Errorf("%s: %v", text, errs)
			continue
		}
		err := r.Check()
		var option *channel.OptionError
		if !errors.As(err, &option) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got  %v\nwant %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"{name: x, to: y, when: {undr: /a}}": `unknown key "undr"`,
		"{name: x, to: y, repeat: often}":    `often`,
		"{nam: x}":                           `unknown key "nam"`,
	} {
		documents, _ := source.Read("alerts.yaml", []byte(text))
		var r Rule
		if errs := documents[0].Value.Decode(&r, source.DecodeOptions{What: "route"}); len(errs) != 1 || !strings.Contains(errs.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, errs, want)
		}
	}
}
