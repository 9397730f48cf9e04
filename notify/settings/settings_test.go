package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/builtin"
	"grove/tree/definition/source"
)

// world refuses what is no reference, and reaches nothing.
func world() *channel.World {
	return &channel.World{
		Log: slog.New(slog.DiscardHandler),
		CheckSecret: func(ref string) error {
			if !strings.HasPrefix(ref, "file:/") && !strings.HasPrefix(ref, "env:") {
				return errors.New("it is no reference")
			}
			return nil
		},
	}
}

const whole = `# Who hears of alerts.
grove: 1
channels:
  ops-mail:
    kind: mail
    server: mail.example:587
    user: grove
    password: file:/etc/grove/mail
    from: grove@example.org
    to: [ops@example.org]
  ada-phone: { kind: ntfy, topic: ada, token: "env:NTFY" }
people:
  ada: { channels: [ada-phone, ops-mail] }
on_call:
  dba: { calendar: /etc/grove/dba.ics, zone: Europe/Berlin, otherwise: [ada] }
routes:
  - name: databases
    when: { under: /shop/db, status: [red], during: "Mon-Fri 08:00-18:00 Europe/Berlin" }
    to: [dba]
    group: { by: instance, wait: 10s, interval: 5m }
    repeat: 4h
    escalate: [ { after: 15m, to: ops-mail } ]
    precedence: urgent
  - name: rest
    to: ops-mail
maintenance:
  - { name: backup, at: [/shop/db], start: "22:00", for: 2h, repeat: weekly on sun, zone: Europe/Berlin, announce: 1h }
heartbeats:
  watchdog: { to: ada-phone, every: 1m }
outbox: { throttles: { channels: { ops-mail: { messages: 10, per: 1h } } } }
alerts: { settle: 1s, silence: 2m, reopen: 10m, recover: 30s }
`

func TestAWholeFile(t *testing.T) {
	s, errs := Read("alerts.yaml", []byte(whole), builtin.Kinds(), world())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	got := fmt.Sprintln(len(s.Channels), s.Channels[0].Name, s.Channels[1].Kind.Name, s.People, s.OnCall["dba"].Otherwise, len(s.Routes), s.Routes[0].Name,
		s.Maintenance[0].Rule, len(s.Heartbeats), s.Heartbeats["watchdog"].Every, s.Alerts)
	want := "2 ops-mail ntfy map[ada:{[ada-phone ops-mail]}] [ada] 2 databases FREQ=WEEKLY;BYDAY=SU 1 1m0s {1s 2m0s 10m0s 30s}"
	if got != want+"\n" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, target := range map[string]Target{"ops-mail": ChannelTarget, "ada": PersonTarget, "dba": RotaTarget, "eve": NoTarget} {
		if s.Target(name) != target {
			t.Errorf("%s is %d", name, s.Target(name))
		}
	}
	same, _ := Read("other.yaml", []byte("\n\n"+whole), builtin.Kinds(), world())
	other, _ := Read("alerts.yaml", []byte(strings.Replace(whole, "mail.example:587", "mail.example:25", 1)), builtin.Kinds(), world())
	if s.Channels[0].Said != same.Channels[0].Said || s.Channels[0].Said == other.Channels[0].Said || s.Channels[1].Said != other.Channels[1].Said {
		t.Error("a channel is told from another by where it stands, or not by what it says")
	}
}

func TestNoFileIsNoSettings(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "channels:\nroutes:\n"} {
		if s, errs := Read("alerts.yaml", []byte(text), builtin.Kinds(), world()); len(errs) > 0 || len(s.Channels) > 0 {
			t.Errorf("%q: %v", text, errs)
		}
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     string // the only error, with its place
	}{
		"unknown key":         {"people:", "peeple:", `alerts.yaml:12:1: unknown key "peeple" (did you mean "people"?)`},
		"version":             {"grove: 1", "grove: 2", `alerts.yaml:2:8: the version of this language is 1, not "2"`},
		"kind":                {"kind: mail", "kind: male", `alerts.yaml:5:11: unknown kind "male" of channel "ops-mail" (did you mean "mail"?)`},
		"no kind":             {"    kind: mail\n", "", `alerts.yaml:4:3: channel "ops-mail" has no kind (one of`},
		"option":              {"user: grove", "usr: grove", `alerts.yaml:7:5: unknown`},
		"secret in the open":  {"file:/etc/grove/mail", "hunter2", `alerts.yaml:8:15: channel "ops-mail": password: `},
		"address":             {"[ops@example.org]", "[ops]", `alerts.yaml:10:10: channel "ops-mail": to`},
		"name":                {"  ada-phone:", "  ada phone:", `alerts.yaml:11:3: the name of a channel is 1 to 64 letters, digits, dots, - and _, not "ada phone"`},
		"person's channel":    {"[ada-phone, ops-mail]", "[ada-phone, ops-mael]", `alerts.yaml:13:32: person "ada": there is no channel "ops-mael" (did you mean "ops-mail"?)`},
		"nobody otherwise":    {"otherwise: [ada]", "otherwise: [eve]", `there is no channel, person or rota "eve"`},
		"relative calendar":   {"/etc/grove/dba.ics", "dba.ics", `alerts.yaml:15:20: rota "dba": calendar: "dba.ics" is no absolute path`},
		"route's target":      {"to: [dba]", "to: [dbb]", `alerts.yaml:19:10: route "databases": there is no channel, person or rota "dbb" (did you mean "dba"?)`},
		"step's target":       {"to: ops-mail } ]", "to: boss } ]", `alerts.yaml:22:35: route "databases", step 1: there is no channel, person or rota "boss"`},
		"condition":           {"status: [red]", "status: [pink]", `alerts.yaml:18:`},
		"time of the week":    {"Mon-Fri", "Mon-Fry", `alerts.yaml:18:`},
		"name twice":          {"- name: rest", "- name: databases", `alerts.yaml:24:11: there is another route "databases"`},
		"maintenance":         {"for: 2h", "for: 2s", `alerts.yaml:27:58: maintenance "backup": for: 2s is not between`},
		"maintenance's days":  {"weekly on sun", "weekly", `alerts.yaml:27:70: maintenance "backup": repeat: weekly on which days?`},
		"maintenance's path":  {"at: [/shop/db]", "at: [/shop, /shop~2]", `alerts.yaml:27:33: maintenance "backup": at[1]: `},
		"heartbeat":           {"to: ada-phone, every", "to: ada, every", `alerts.yaml:29:19: heartbeat "watchdog": there is no channel "ada"`},
		"heartbeat's pace":    {"every: 1m", "every: 1ms", `alerts.yaml:29:`},
		"throttled channel":   {"{ ops-mail: { messages", "{ ops-mial: { messages", `alerts.yaml:30:36: throttles: there is no channel "ops-mial" (did you mean "ops-mail"?)`},
		"nobody's channels":   {"{ channels: [ada-phone, ops-mail] }", "{ channels: [] }", `alerts.yaml:13:20: person "ada": channels: is missing`},
		"nothing of a person": {"{ channels: [ada-phone, ops-mail] }", "{}", `alerts.yaml:13:8: person "ada": channels: is missing`},
		"times of alerts":     {"settle: 1s", "settle: 2m", `alerts.yaml:31:19: alerts: settle: 2m0s is not between`},
		"a list":              {"people:\n  ada: { channels: [ada-phone, ops-mail] }", "people: [ada]", `people is a map, not a list`},
		"no YAML":             {"grove: 1", "grove: [1", `alerts.yaml:`},
		"two documents":       {"people:", "---\npeople:", `a file of alerts is one document`},
	} {
		text := strings.Replace(whole, c.old, c.new, 1)
		if text == whole {
			t.Fatalf("%s: nothing was replaced", name)
		}
		s, errs := Read("alerts.yaml", []byte(text), builtin.Kinds(), world())
		if s != nil || len(errs) == 0 || !strings.Contains(errs.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, errs, c.want)
		}
		if strings.Contains(errs.Error(), "hunter2") {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

// A channel that is wrong is not complained of where it is named as well.
func TestOneMistakeIsOneError(t *testing.T) {
	_, errs := Read("alerts.yaml", []byte(strings.Replace(whole, "kind: mail", "kind: male", 1)), builtin.Kinds(), world())
	if len(errs) != 1 {
		t.Error(errs)
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("people:\n")
	for i := range MaxPeople + 1 {
		fmt.Fprintf(&b, "  p%d: {}\n", i)
	}
	if _, errs := Read("alerts.yaml", []byte(b.String()), builtin.Kinds(), world()); !strings.Contains(errs.Error(), "10001 are more than the bound of 10000") {
		t.Error(errs)
	}
}

// Is tells files of alerts from definitions by what is in them.
func TestIs(t *testing.T) {
	for text, want := range map[string]bool{
		whole: true, "channels:\n": true, "grove: 1\nroutes: []\nalertz: {}\nchannels: {}\n": true, "peeple: {}\nroutes: []\n": false,
		"": false, "- a\n": false, "grove: 1\n": false, "grove: [": false, "grove: 1\napplication: x\ntree: {}\n": false, "use: x\nat: /a\n": false,
	} {
		if got := Is("a.yaml", []byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestTimesOfAlerts(t *testing.T) {
	for _, a := range []Alerts{{Settle: -1}, {Silence: 8 * 24 * time.Hour}, {Reopen: 25 * time.Hour}, {Recover: -time.Second}} {
		var option *channel.OptionError
		if err := a.Check(); !errors.As(err, &option) {
			t.Errorf("%v: %v", a, err)
		}
	}
	if err := (&Alerts{}).Check(); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("routes: [{to: x}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, errs := Read("alerts.yaml", text, builtin.Kinds(), world())
		if (s == nil) == (len(errs) == 0) {
			t.Errorf("settings %v, errors %v", s, errs)
		}
		for _, e := range errs {
			if e.Pos == (source.Pos{}) {
				t.Errorf("an error without a place: %v", e)
			}
		}
	})
}
