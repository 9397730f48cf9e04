package trap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
)

// again is a hub after a restart, with one probe that is given what another remembered.
func again(t testing.TB, now time.Time, o *ProbeOptions, text []byte) (w *world, p *trapProbe) {
	t.Helper()
	w = &world{now: now}
	w.Hub = NewHub(Options{Now: func() time.Time { return w.now }})
	made, err := Kind(w.Hub).New(o)
	if err != nil {
		t.Fatal(err)
	}
	p = made.(*trapProbe)
	p.Recall(text)
	if _, err := p.Attach("x", "traps", func(r probe.Result) { w.results = append(w.results, r) }); err != nil {
		t.Fatal(err)
	}
	return w, p
}

func watched() *ProbeOptions {
	return &ProbeOptions{
		Events: []Event{{Traps: []string{"newRoot"}}},
		Tables: map[string]Table{"ports": {Key: "{ifIndex}", States: map[string]string{"linkDown": "down", "linkUp": "up"}, Columns: map[string]string{"name": "{ifDescr}"}}},
		Alarms: []Alarm{{Raise: []string{"upsTrapAlarmEntryAdded"}, Clear: []string{"upsTrapAlarmEntryRemoved"}, Key: "ups {upsAlarmId}", Text: "{upsAlarmDescr}"}},
	}
}

func ups(id int) gosnmp.SnmpPDU {
	return pdu(fmt.Sprintf("1.3.6.1.2.1.33.1.6.2.1.1.%d", id), gosnmp.Integer, id)
}

const (
	upsAdded   = "1.3.6.1.2.1.33.2.3"
	upsRemoved = "1.3.6.1.2.1.33.2.4"
)

// TestRestart: what a probe knew is shown as soon as its successor is attached, goes on
// from there, and is left out where the rules are others.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w, p := again(t, w.now, watched(), nil)
	if got := w.show(); got != "nothing" {
		t.Errorf("a probe that remembers nothing shows %s", got)
	}
	send := func(trap string, more ...gosnmp.SnmpPDU) {
		w.get("10.0.0.1", encoded(t, gosnmp.SNMPv2Trap, "x", trap, more...))
	}
	send(down, port(4, 2)...)
	send(up, port(3, 1)...)
	send(upsAdded, ups(7))
	send(upsAdded, ups(8))
	if first, second := p.Memory(), p.Memory(); &first[0] != &second[0] {
		t.Error("what did not change is written anew")
	}
	send(upsRemoved, ups(8))
	text := p.Memory()

	w, _ = again(t, w.now.Add(time.Hour), watched(), text)
	const ports = "ports: 4 | down | 2026-01-02T03:04:05Z | 1 | Gi1/4\nports: 3 | up | 2026-01-02T03:04:05Z | 1 | Gi1/3"
	const alarm = "\nalarms: ups 7 | major | red | ? | 10.0.0.1 | 2026-01-02T03:04:05Z | 1"
	steps := []struct {
		name, want string
		do         func()
	}{
		{"at once", "active=1\nworst=major\nleft_out=0\n" + ports + alarm, func() {}},
		{"a port comes back", strings.Replace(ports, "4 | down | 2026-01-02T03:04:05Z | 1", "4 | up | 2026-01-02T04:04:05Z | 2", 1), func() { send(up, port(4, 1)...) }},
		{"cleared", "active=0\nworst=cleared\nalarms: empty", func() { send(upsRemoved, ups(7)) }},
	}
	for _, tt := range steps {
		tt.do()
		if diff := cmp.Diff(tt.want, w.show()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
	if n := len(w.results[0].Values); n != 5 || w.results[0].Values[3].Attribute != "received" || w.results[0].Values[3].Value.String() != "0" {
		t.Errorf("what is shown at once counts as a message: %v", w.results[0].Values)
	}

	for name, edit := range map[string]func(*ProbeOptions){
		"other alarms": func(o *ProbeOptions) { o.Alarms[0].Key = "{upsAlarmId}" },
		"other tables": func(o *ProbeOptions) {
			ports := o.Tables["ports"]
			ports.Columns = nil
			o.Tables["ports"] = ports
		},
		"both": func(o *ProbeOptions) { o.Alarms, o.Tables = nil, nil },
	} {
		o := watched()
		edit(o)
		w, _ = again(t, w.now, o, text)
		want := map[string]string{
			"other alarms": "left_out=0\n" + ports, "other tables": "active=1\nworst=major\nleft_out=0" + alarm, "both": "nothing",
		}[name]
		if diff := cmp.Diff(want, w.show()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestMemoryIsBounded: of more than there is room for the worst and newest alarms are
// remembered, and how many are not.
func TestMemoryIsBounded(t *testing.T) {
	o := watched()
	o.Alarms[0].Severity, o.Alarms[0].Text = "{1.3.6.1.4.1.99999.1|minor}", strings.Repeat("long ", 40)
	start := newWorld(t).now
	w, p := again(t, start, o, nil)
	send := func(trap string, more ...gosnmp.SnmpPDU) {
		w.get("10.0.0.1", encoded(t, gosnmp.SNMPv2Trap, "x", trap, more...))
	}
	send(upsAdded, ups(1), pdu("1.3.6.1.4.1.99999.1.0", gosnmp.Integer, 3)) // critical
	for id := 2; id <= 300; id++ {
		send(upsAdded, ups(id))
	}
	send(down, port(4, 2)...)
	text := p.Memory()
	if len(text) > probe.MaxMemory || len(text) < probe.MaxMemory/2 {
		t.Fatalf("%d bytes are remembered, of at most %d", len(text), probe.MaxMemory)
	}
	_, p = again(t, start, o, text)
	kept := len(p.alarms.active)
	if kept < 50 || kept+p.left+len(p.tables[0].rows) != 301 {
		t.Errorf("%d alarms and %d rows are kept, and %d left out, of 301", kept, len(p.tables[0].rows), p.left)
	}
	for _, key := range []string{"ups 1", "ups 300", fmt.Sprint("ups ", 302-kept)} {
		if p.alarms.active[key] == nil {
			t.Errorf("%s is not kept", key)
		}
	}
	if p.alarms.active["ups 2"] != nil {
		t.Error("the oldest is kept")
	}
}

// FuzzRecall gives a probe what nobody wrote.
func FuzzRecall(f *testing.F) {
	w, p := again(f, time.Unix(1_700_000_000, 0), watched(), nil)
	for _, more := range [][]byte{
		encoded(f, gosnmp.SNMPv2Trap, "x", down, port(4, 2)...), encoded(f, gosnmp.SNMPv2Trap, "x", upsAdded, ups(7)),
	} {
		w.get("10.0.0.1", more)
	}
	f.Add(p.Memory())
	f.Add([]byte(`{"taken":1,"tables":{"ports":null},"alarms":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, p := again(t, time.Unix(1_700_000_000, 0), watched(), text)
		if out := p.Memory(); len(out) > probe.MaxMemory {
			t.Errorf("%d bytes", len(out))
		}
	})
}
