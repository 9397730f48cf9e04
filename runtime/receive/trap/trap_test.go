package trap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/snmp/mib"
	"grove/runtime/receive"
	"grove/runtime/receive/trap/message"
	"grove/runtime/receive/trap/usm"
)

func TestContract(t *testing.T) {
	kind := Kind(NewHub(Options{}))
	probetest.Run(t, kind,
		&ProbeOptions{},
		&ProbeOptions{
			Sources: []string{"192.0.2.7", "10.0.0.0/8", "switch1:161", "2001:db8::1"}, Relays: []string{"192.0.2.1"},
			Communities: []string{"public", "env:COMMUNITY"}, Users: []usm.User{{User: "grove", Auth: "SHA256", AuthPassword: "env:PASSWORD"}},
			Traps:  []string{"*"},
			Events: []Event{{Traps: []string{"linkDown", "1.3.6.1.4.1.9.*"}, Text: "{ifIndex|none} {{x}}", Status: "red", Log: "links"}, {By: "{ifOperStatus}", States: map[string]string{"up": "green"}}},
			Counts: map[string][]string{"starts": {"coldStart", "warmStart"}}, Values: map[string]string{"speed": "ifHighSpeed", "x": "1.3.6.1.4.1.9.1 text"},
			Tables: map[string]Table{"ports": {Key: "{ifIndex}", States: map[string]string{"linkDown": "down", "linkUp": "up"}, Columns: map[string]string{"name": "{ifDescr}"}, Remove: []string{"coldStart"}}},
			Alarms: []Alarm{{Raise: []string{"upsTraps.*"}, Key: "{upsAlarmId}", Severity: "critical"}}, AlarmMIB: true,
		})
	bad := func(name, option, want string, o ProbeOptions) probetest.Bad {
		return probetest.Bad{Name: name, Options: &o, Option: option, Want: option + ": " + want}
	}
	table := Table{Key: "{ifIndex}", States: map[string]string{"linkDown": "down"}}
	with := func(change func(*Table)) map[string]Table {
		c := table
		change(&c)
		return map[string]Table{"ports": c}
	}
	probetest.Refuses(t, kind,
		bad("source", "sources", `"a b" is no IP address, prefix such as 10.0.0.0/8 or host name`, ProbeOptions{Sources: []string{"a b"}}),
		bad("relay", "relays", `"proxy" is neither an IP address nor a prefix such as 10.0.0.0/8`, ProbeOptions{Relays: []string{"proxy"}}),
		bad("community", "communities", "one of them is empty", ProbeOptions{Communities: []string{""}}),
		bad("user without a name", "users.0.user", "it is empty", ProbeOptions{Users: []usm.User{{}}}),
		bad("protocol", "users.0.auth", `"ROT13" is none of MD5, SHA, SHA224, SHA256, SHA384, SHA512`, ProbeOptions{Users: []usm.User{{User: "x", Auth: "ROT13"}}}),
		bad("only encrypted", "users.0.auth", "messages that are encrypted must be authenticated, too", ProbeOptions{Users: []usm.User{{User: "x", Priv: "AES"}}}),
		bad("no password", "users.0.auth_password", "SHA needs a password", ProbeOptions{Users: []usm.User{{User: "x", Auth: "SHA"}}}),
		bad("needless password", "users.0.priv_password", "priv does not say what the password is for", ProbeOptions{Users: []usm.User{{User: "x", PrivPassword: "env:X"}}}),
		bad("name of a trap", "traps", `unknown object "linkDwn": did you mean linkDown?; traps are named, or numbered as RFC 3584 does: the enterprise, 0, and the specific trap`, ProbeOptions{Traps: []string{"linkDwn"}}),
		bad("template", "events.0.text", "a { without its }; for the brace itself write {{", ProbeOptions{Events: []Event{{Text: "port {ifIndex"}}}),
		bad("brace", "events.0.text", "a } without its {; for the brace itself write }}", ProbeOptions{Events: []Event{{Text: "port }"}}}),
		bad("object in a template", "events.0.text", `unknown object "ifIndx": did you mean ifIndex?`, ProbeOptions{Events: []Event{{Text: "{ifIndx}"}}}),
		bad("status", "events.0.status", `"blue" is not green, yellow, red or white`, ProbeOptions{Events: []Event{{Status: "blue"}}}),
		bad("by without states", "events.0.by", "by and states go together: what decides, and the status for what it can be", ProbeOptions{Events: []Event{{By: "{1}"}}}),
		bad("log", "events.0.log", "another attribute has this name", ProbeOptions{Events: []Event{{Log: "trap"}}}),
		bad("taken name", "counts.events", "another attribute has this name", ProbeOptions{Counts: map[string][]string{"events": {"*"}}}),
		bad("name", "counts.a b", "an attribute's name is made of letters, digits and underscores", ProbeOptions{Counts: map[string][]string{"a b": {"*"}}}),
		bad("value", "values.x", `"float" behind ifMtu is not number or text`, ProbeOptions{Values: map[string]string{"x": "ifMtu float"}}),
		bad("key", "tables.ports.key", "it is empty: say what tells rows apart, such as {ifIndex}", ProbeOptions{Tables: with(func(t *Table) { t.Key = "" })}),
		bad("no states", "tables.ports.states", "1 to 200 traps have states, not 0", ProbeOptions{Tables: with(func(t *Table) { t.States = nil })}),
		bad("rows", "tables.ports.max_rows", "10001 is not between 1 and 10000", ProbeOptions{Tables: with(func(t *Table) { t.MaxRows = 10001 })}),
		bad("column", "tables.ports.columns.since", "every table has a column of this name already", ProbeOptions{Tables: with(func(t *Table) { t.Columns = map[string]string{"since": "x"} })}),
		bad("alarm without a trap", "alarms.0.raise", "it is empty: say which traps raise the alarm", ProbeOptions{Alarms: []Alarm{{}}}),
		bad("severity", "alarms.0.severity", `"bad" is not indeterminate, warning, minor, major or critical, nor a text with {object}`, ProbeOptions{Alarms: []Alarm{{Raise: []string{"*"}, Severity: "bad"}}}),
		bad("alarms and a count of their name", "alarms", "they have an attribute active, and another one is called so", ProbeOptions{AlarmMIB: true, Counts: map[string][]string{"active": {"*"}}}),
		bad("directory of MIB files", "mibs", "read MIB files: open /nowhere: no such file or directory", ProbeOptions{MIBs: []string{"/nowhere"}}),
	)
}

// pdu is one varbind as gosnmp writes it.
func pdu(oid string, kind gosnmp.Asn1BER, value any) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: oid, Type: kind, Value: value}
}

// encoded is a message of version 2c that gosnmp has written.
func encoded(t testing.TB, kind gosnmp.PDUType, community, trap string, more ...gosnmp.SnmpPDU) []byte {
	t.Helper()
	p := &gosnmp.SnmpPacket{
		Version: gosnmp.Version2c, Community: community, PDUType: kind, RequestID: 77,
		Variables: append([]gosnmp.SnmpPDU{
			pdu("1.3.6.1.2.1.1.3.0", gosnmp.TimeTicks, uint32(4711)), pdu("1.3.6.1.6.3.1.1.4.1.0", gosnmp.ObjectIdentifier, trap),
		}, more...),
	}
	out, err := p.MarshalMsg()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// world is a hub that is handed messages without a socket.
type world struct {
	*Hub
	now     time.Time
	results []probe.Result
}

func newWorld(t *testing.T, options ...*ProbeOptions) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.Hub = NewHub(Options{Now: func() time.Time { return w.now }})
	for _, o := range options {
		p, err := Kind(w.Hub).New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.(receive.Attacher).Attach("x", "traps", func(r probe.Result) { w.results = append(w.results, r) }); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// get hands a message over and returns the answer.
func (w *world) get(source string, message []byte) []byte {
	out := w.handle(message, netip.AddrPortFrom(netip.MustParseAddr(source), 5000), w.now)
	w.post(w.now)
	return out.answer
}

// show writes what the latest result says: its values, events and rows.
func (w *world) show() string {
	var out []string
	if len(w.results) == 0 {
		return "nothing"
	}
	r := w.results[len(w.results)-1]
	for _, v := range r.Values {
		switch {
		case v.Attribute == "received" || v.Attribute == "events_dropped" || v.Attribute == "trap":
		case len(v.Events) > 0:
			for _, e := range v.Events {
				out = append(out, e.Status.String()+" "+e.Text)
			}
		default:
			out = append(out, v.Attribute+"="+v.Value.String())
		}
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			var cells []string
			for _, c := range row {
				cells = append(cells, c.String())
			}
			out = append(out, table.Attribute+": "+strings.Join(cells, " | "))
		}
		if len(table.Rows) == 0 {
			out = append(out, table.Attribute+": empty")
		}
	}
	return strings.Join(out, "\n")
}

const (
	down = "1.3.6.1.6.3.1.1.5.3"
	up   = "1.3.6.1.6.3.1.1.5.4"
)

func port(index int, status int) []gosnmp.SnmpPDU {
	i := string(rune('0' + index))
	return []gosnmp.SnmpPDU{
		pdu("1.3.6.1.2.1.2.2.1.2."+i, gosnmp.OctetString, "Gi1/"+i), pdu("1.3.6.1.2.1.2.2.1.8."+i, gosnmp.Integer, status),
	}
}

func TestTables(t *testing.T) {
	w := newWorld(t, &ProbeOptions{
		Events: []Event{{Traps: []string{"linkDown", "linkUp"}, Text: "{ifDescr} is {ifOperStatus}", By: "{ifOperStatus}", States: map[string]string{"down": "red"}}},
		Counts: map[string][]string{"downs": {"linkDown"}},
		Values: map[string]string{"index": "ifIndex", "status": "ifOperStatus"},
		Tables: map[string]Table{"ports": {
			Key: "{ifIndex}", States: map[string]string{"linkDown": "down", "linkUp": "up"}, Columns: map[string]string{"name": "{ifDescr}"}, Remove: []string{"entConfigChange"}, MaxRows: 2,
		}},
	})
	send := func(trap string, more ...gosnmp.SnmpPDU) {
		w.get("10.0.0.1", encoded(t, gosnmp.SNMPv2Trap, "x", trap, more...))
	}
	for _, tt := range []struct {
		name string
		do   func()
		want string
	}{
		{"a row comes, its key the index of another varbind", func() { send(down, port(3, 2)...) },
			"red Gi1/3 is down\ndowns=1\nstatus=down\nports: 3 | down | 2026-01-02T03:04:05Z | 1 | Gi1/3"},
		{"another", func() { send(up, port(4, 1)...) },
			"green Gi1/4 is up\nstatus=up\nports: 3 | down | 2026-01-02T03:04:05Z | 1 | Gi1/3\nports: 4 | up | 2026-01-02T03:04:05Z | 1 | Gi1/4"},
		{"the same state stays since then, and so does a name that is not told again", func() { w.now = w.now.Add(time.Minute); send(down, port(3, 2)[1]) },
			"red ? is down\ndowns=2\nstatus=down\nports: 3 | down | 2026-01-02T03:04:05Z | 2 | Gi1/3\nports: 4 | up | 2026-01-02T03:04:05Z | 1 | Gi1/4"},
		{"a third makes the most silent one go", func() { send(up, port(5, 1)...) },
			"green Gi1/5 is up\nstatus=up\nports: 3 | down | 2026-01-02T03:04:05Z | 2 | Gi1/3\nports: 5 | up | 2026-01-02T03:05:05Z | 1 | Gi1/5"},
		{"a row is taken away", func() { send("1.3.6.1.2.1.47.2.0.1", pdu("1.3.6.1.2.1.2.2.1.1.3", gosnmp.Integer, 3)) },
			"index=3\nports: 5 | up | 2026-01-02T03:05:05Z | 1 | Gi1/5"},
		{"without a key there is no row", func() { send(down) }, "green ? is ?\ndowns=3"},
	} {
		tt.do()
		if diff := cmp.Diff(tt.want, w.show()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestAlarms(t *testing.T) {
	w := newWorld(t, &ProbeOptions{
		Events: []Event{{Traps: []string{"newRoot"}}}, AlarmMIB: true,
		Alarms: []Alarm{{
			Raise: []string{"upsTrapAlarmEntryAdded"}, Clear: []string{"upsTrapAlarmEntryRemoved"},
			Key: "ups {upsAlarmId}", Text: "{upsAlarmDescr}", Severity: "{1.3.6.1.4.1.99999.1|minor}",
		}},
	})
	send := func(trap string, more ...gosnmp.SnmpPDU) {
		w.get("10.0.0.1", encoded(t, gosnmp.SNMPv2Trap, "x", trap, more...))
	}
	ups := []gosnmp.SnmpPDU{pdu("1.3.6.1.2.1.33.1.6.2.1.1.7", gosnmp.Integer, 7), pdu("1.3.6.1.2.1.33.1.6.2.1.2.7", gosnmp.ObjectIdentifier, "1.3.6.1.2.1.33.1.6.3.3")}
	model := func(state string) []gosnmp.SnmpPDU {
		const row = ".3.97.98.99.11.7.232.1.2.3.4.5.0.43.0.0.1"
		return []gosnmp.SnmpPDU{
			pdu("1.3.6.1.2.1.118.1.2.2.1.13"+row, gosnmp.ObjectIdentifier, "1.3.6.1.2.1.118.1.1.2.1.3.0.12."+state),
			pdu("1.3.6.1.2.1.118.1.2.2.1.10"+row, gosnmp.ObjectIdentifier, "1.3.6.1.2.1.2.2.1.1.3"),
		}
	}
	text := pdu("1.3.6.1.2.1.118.1.2.2.1.11.0.1", gosnmp.OctetString, "line down")
	for _, tt := range []struct {
		name, want string
		do         func()
	}{
		{"raised", "active=1\nworst=minor\nalarms: ups 7 | minor | yellow | upsAlarmLowBattery | 10.0.0.1 | 2026-01-02T03:04:05Z | 1", func() { send("1.3.6.1.2.1.33.2.3", ups...) }},
		{"raised again", "active=1\nworst=major\nalarms: ups 7 | major | red | upsAlarmLowBattery | 10.0.0.1 | 2026-01-02T03:04:05Z | 2", func() {
			w.now = w.now.Add(time.Hour)
			send("1.3.6.1.2.1.33.2.3", append(ups, pdu("1.3.6.1.4.1.99999.1.0", gosnmp.Integer, 4))...)
		}},
		{"by ALARM-MIB", "active=2\nworst=critical\nalarms: ups 7 | major | red | upsAlarmLowBattery | 10.0.0.1 | 2026-01-02T03:04:05Z | 2\n" +
			"alarms: 1.3.6.1.2.1.2.2.1.1.3 1.3.6.1.2.1.118.1.1.2.1.3.0.12 | critical | red | line down | 10.0.0.1 | 2026-01-02T04:04:05Z | 1",
			func() { send("1.3.6.1.2.1.118.0.2", append(model("6"), text)...) }},
		{"of another severity", "active=2\nworst=major\nalarms: ups 7 | major | red | upsAlarmLowBattery | 10.0.0.1 | 2026-01-02T03:04:05Z | 2\n" +
			"alarms: 1.3.6.1.2.1.2.2.1.1.3 1.3.6.1.2.1.118.1.1.2.1.3.0.12 | warning | yellow | line down | 10.0.0.1 | 2026-01-02T04:04:05Z | 2",
			func() { send("1.3.6.1.2.1.118.0.2", append(model("3"), text)...) }},
		{"cleared by ALARM-MIB", "active=1\nworst=major\nalarms: ups 7 | major | red | upsAlarmLowBattery | 10.0.0.1 | 2026-01-02T03:04:05Z | 2", func() { send("1.3.6.1.2.1.118.0.3", model("1")...) }},
		{"cleared", "active=0\nworst=cleared\nalarms: empty", func() { send("1.3.6.1.2.1.33.2.4", ups...) }},
		{"a severity that clears", "active=0\nworst=cleared\nalarms: empty", func() {
			send("1.3.6.1.2.1.33.2.3", append(ups, pdu("1.3.6.1.4.1.99999.1.0", gosnmp.Integer, 1))...)
		}},
	} {
		tt.do()
		if diff := cmp.Diff(tt.want, w.show()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

// TestVersion1 maps what RFC 3584 section 3.1 maps.
func TestVersion1(t *testing.T) {
	v1 := func(generic, specific int, agent string) []byte {
		p := &gosnmp.SnmpPacket{Version: gosnmp.Version1, Community: "x", PDUType: gosnmp.Trap, SnmpTrap: gosnmp.SnmpTrap{
			Enterprise: "1.3.6.1.4.1.9.1.7", AgentAddress: agent, GenericTrap: generic, SpecificTrap: specific, Timestamp: 100,
		}}
		p.Variables = port(3, 2)
		out, err := p.MarshalMsg()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	w := newWorld(t, &ProbeOptions{Relays: []string{"10.0.0.9"}, Events: []Event{{Text: "{oid} {source} {uptime} {varbinds}"}}})
	const rest = "ifDescr.3=Gi1/3 ifOperStatus.3=down snmpTrapAddress=10.7.7.7 snmpTrapEnterprise=1.3.6.1.4.1.9.1.7"
	for _, tt := range []struct {
		name, peer string
		message    []byte
		want       string
	}{
		{"cold start", "10.0.0.1", v1(0, 0, "10.7.7.7"), "green 1.3.6.1.6.3.1.1.5.1 10.0.0.1 1 s " + rest},
		{"loss of a neighbour", "10.0.0.1", v1(5, 99, "10.7.7.7"), "green 1.3.6.1.6.3.1.1.5.6 10.0.0.1 1 s " + rest},
		{"of an enterprise", "10.0.0.1", v1(6, 300, "10.7.7.7"), "green 1.3.6.1.4.1.9.1.7.0.300 10.0.0.1 1 s " + rest},
		{"behind a relay", "10.0.0.9", v1(6, 1, "10.7.7.7"), "green 1.3.6.1.4.1.9.1.7.0.1 10.7.7.7 1 s " + rest},
		{"without an agent", "10.0.0.9", v1(6, 1, "0.0.0.0"), "green 1.3.6.1.4.1.9.1.7.0.1 10.0.0.9 1 s ifDescr.3=Gi1/3 ifOperStatus.3=down snmpTrapEnterprise=1.3.6.1.4.1.9.1.7"},
	} {
		w.get(tt.peer, tt.message)
		if diff := cmp.Diff(tt.want, w.show()); diff != "" {
			t.Errorf("%s: -want +got:\n%s\n%+v", tt.name, diff, w.Stats().Last)
		}
	}
	w.get("10.0.0.1", v1(7, 1, "10.7.7.7"))
	if got := w.Stats().Last[Malformed].Text; got != "a generic trap 7 with the specific one 1" {
		t.Errorf("a generic trap that is none: %q", got)
	}
}

// TestValues shows each type of value, named or not.
func TestValues(t *testing.T) {
	w := newWorld(t, &ProbeOptions{Events: []Event{{Text: "{1}"}}, Values: map[string]string{"v": "1.3.6.1 number"}})
	for _, tt := range []struct {
		name  string
		value gosnmp.SnmpPDU
		want  string
	}{
		{"enumeration", pdu("1.3.6.1.2.1.2.2.1.7.3", gosnmp.Integer, 2), "green down\nv=2"},
		{"number below zero", pdu("1.3.6.1.4.1.9.1", gosnmp.Integer, -200), "green -200\nv=-200"},
		{"time ticks", pdu("1.3.6.1.2.1.2.2.1.9.3", gosnmp.TimeTicks, uint32(150)), "green 1.5\nv=1.5"},
		{"counter of 64 bits", pdu("1.3.6.1.2.1.31.1.1.1.6.3", gosnmp.Counter64, uint64(1<<63)), "green 9223372036854775808\nv=9.223372036854776e+18"},
		{"gauge", pdu("1.3.6.1.4.1.9.1", gosnmp.Gauge32, uint32(4000000000)), "green 4000000000\nv=4e+09"},
		{"address", pdu("1.3.6.1.4.1.9.1", gosnmp.IPAddress, "10.1.2.3"), "green 10.1.2.3"},
		{"name of an object", pdu("1.3.6.1.4.1.9.1", gosnmp.ObjectIdentifier, "1.3.6.1.2.1.25.2.1.2"), "green hrStorageRam"},
		{"hardware address", pdu("1.3.6.1.2.1.2.2.1.6.3", gosnmp.OctetString, "\x00\x1b\x21\x0a\xff\x02"), "green 00:1b:21:0a:ff:02"},
		{"a number as text", pdu("1.3.6.1.4.1.9.1", gosnmp.OctetString, "21.5"), "green 21.5\nv=21.5"},
		{"a text that would end the line", pdu("1.3.6.1.4.1.9.1", gosnmp.OctetString, "a\r\nb\tc"), "green a  b c"},
		{"a long text", pdu("1.3.6.1.4.1.9.1", gosnmp.OctetString, strings.Repeat("ä", 800)), "green " + strings.Repeat("ä", 510) + "…"},
		{"nothing", pdu("1.3.6.1.4.1.9.1", gosnmp.Null, nil), "green "},
	} {
		w.get("10.0.0.1", encoded(t, gosnmp.SNMPv2Trap, "x", down, tt.value))
		if diff := cmp.Diff(tt.want, w.show()); diff != "" {
			t.Errorf("%s: -want +got:\n%s\n%+v", tt.name, diff, w.Stats().Last)
		}
	}
}

// TestInformsAreTakenOnce: one that comes again is answered again.
func TestInformsAreTakenOnce(t *testing.T) {
	w := newWorld(t, &ProbeOptions{Sources: []string{"10.0.0.1"}})
	inform := encoded(t, gosnmp.InformRequest, "x", down, port(3, 2)...)
	for range 2 {
		answer, err := new(gosnmp.GoSNMP).SnmpDecodePacket(w.get("10.0.0.1", inform))
		if err != nil {
			t.Fatal(err)
		}
		if answer.PDUType != gosnmp.GetResponse || answer.RequestID != 77 || len(answer.Variables) != 4 || answer.Error != 0 {
			t.Errorf("the answer is %+v", answer)
		}
	}
	if answer := w.get("10.0.0.2", inform); answer != nil {
		t.Error("an inform that nobody wants is answered")
	}
	if s := w.Stats(); s.Informs != 1 || s.Repeated != 1 || s.Refusals[Unmatched] != 1 || len(w.results) != 1 || s.Received != 3 {
		t.Errorf("%d results, %+v", len(w.results), s)
	}
	w.now = w.now.Add(recentFor)
	w.get("10.0.0.1", inform)
	if s := w.Stats(); s.Informs != 2 {
		t.Errorf("after a while the same is another one: %+v", s)
	}
}

// TestInformsWaitUntilTheyAreKept: what is not on disk is not answered, and may come again.
func TestInformsWaitUntilTheyAreKept(t *testing.T) {
	lost := errors.New("the disk is full")
	kept := make(chan error, 2)
	h := NewHub(Options{Keep: func() func(context.Context) error { return func(context.Context) error { return <-kept } }})
	_, results := attached(t, h, &ProbeOptions{})
	conn, err := net.Dial("udp", listening(t, h, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	inform := encoded(t, gosnmp.InformRequest, "x", down, port(3, 2)...)
	kept <- lost
	for k, want := range []uint64{0, 1} {
		if _, err := conn.Write(inform); err != nil {
			t.Fatal(err)
		}
		eventOf(t, results)
		if k == 0 {
			waitFor(t, "it is not answered", func() bool { return h.Stats().Unanswered == 1 })
			kept <- nil
		}
		waitFor(t, "it is answered", func() bool { return h.Stats().Answered == want })
	}
	if s := h.Stats(); s.Informs != 2 || s.Repeated != 0 {
		t.Errorf("%+v", s)
	}
}

// TestWhatIsNoTrap: every shape that is wrong has its reason, and none is taken.
func TestWhatIsNoTrap(t *testing.T) {
	w := newWorld(t, &ProbeOptions{})
	good := encoded(t, gosnmp.SNMPv2Trap, "x", down, port(3, 2)...)
	for n := range len(good) {
		w.get("10.0.0.1", good[:n])
	}
	for _, tt := range []struct {
		name    string
		message []byte
		want    string
	}{
		{"something behind it", append(append([]byte(nil), good...), 0), "there is something behind its end"},
		{"a question", encoded(t, gosnmp.GetRequest, "x", down), "a message of kind 0xa0 is neither trap nor inform of its version"},
		{"version 4", append([]byte{0x30, 3, 2, 1}, 4), "version 4 is not 1, 2c or 3"},
		{"too deep", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, "message: it ends too early"},
		{"a length without end", []byte{0x30, 0x80, 0, 0}, "message: a length of 0 bytes"},
	} {
		w.now = w.now.Add(time.Second)
		w.get("10.0.0.1", tt.message)
		if got := w.Stats().Last[Malformed].Text; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if s := w.Stats(); s.Applied != 0 || len(w.results) != 0 || s.Received != s.Refusals[Malformed] || s.Refused[receive.Malformed] != s.Received {
		t.Errorf("%+v", s)
	}
}

// TestStorms: what one source sends too fast, and what is foreign or too long, is counted.
func TestStorms(t *testing.T) {
	h := NewHub(Options{Rate: 1, Burst: 3, Sources: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/31")}})
	attached(t, h, &ProbeOptions{})
	to := listening(t, h, "127.0.0.1:0")
	send := func(from string, times int, message []byte) {
		conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range times {
			if _, err := conn.Write(message); err != nil {
				t.Fatal(err)
			}
		}
	}
	trap := encoded(t, gosnmp.SNMPv2Trap, "x", down, port(3, 2)...)
	send("127.0.0.2", 2, trap)
	send("127.0.0.1", 1, make([]byte, MaxMessage+1))
	send("127.0.0.1", 10, trap)
	waitFor(t, "all are counted", func() bool { return h.Stats().Received == 13 })
	s := h.Stats()
	if s.Applied != 2 || s.Refusals[Foreign] != 2 || s.Refusals[TooLarge] != 1 || s.Refusals[RateLimited] != 8 || s.Refused[receive.RateLimited] != 8 || s.Refused[receive.Denied] != 2 {
		t.Errorf("%+v", s)
	}
	if got := s.Last[Foreign]; got.Source != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("the latest that is foreign is %+v", got)
	}
}

// TestWhatTheKernelDropsIsCounted: a socket that nobody reads loses what does not fit.
func TestWhatTheKernelDropsIsCounted(t *testing.T) {
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn := listener.(*net.UDPConn)
	h := NewHub(Options{})
	s, err := h.open(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	const sent = 500
	for range sent {
		if _, err := out.Write(make([]byte, 200)); err != nil {
			t.Fatal(err)
		}
	}
	read := uint64(0)
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 300); ; read++ {
		if _, err := conn.Read(buffer); err != nil {
			break
		}
	}
	if got := h.Stats(); got.Refusals[Kernel] == 0 || got.Refusals[Kernel] != sent-read || got.Received != sent-read {
		t.Errorf("%d sent, %d read, %d counted as dropped", sent, read, got.Refusals[Kernel])
	}
	h.close(s)
	if got := h.Stats(); got.Refusals[Kernel] != sent-read {
		t.Errorf("%d counted after the end", got.Refusals[Kernel])
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	message := make([]byte, MaxMessage)
	n := 0
	for q.put(message, netip.AddrPort{}, time.Time{}) {
		n++
	}
	if n != queueBytes/MaxMessage {
		t.Errorf("%d long messages wait", n)
	}
	q.swap()
	for n = 0; q.put(message[:1], netip.AddrPort{}, time.Time{}); n++ {
	}
	if n != queueMessages {
		t.Errorf("%d short messages wait", n)
	}
}

// TestMIBsObeyThePolicyOfFiles: a definition reads no directory that is not listed.
func TestMIBsObeyThePolicyOfFiles(t *testing.T) {
	listed, other := t.TempDir(), t.TempDir()
	const text = "ACME-MIB DEFINITIONS ::= BEGIN\nIMPORTS enterprises FROM SNMPv2-SMI;\nacme OBJECT IDENTIFIER ::= { enterprises 99999 }\n" +
		"doorOpen NOTIFICATION-TYPE STATUS current DESCRIPTION \"x\" ::= { acme 0 7 }\nEND\n"
	for _, dir := range []string{listed, other} {
		if err := os.WriteFile(filepath.Join(dir, "ACME-MIB.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := files.NewPolicy([]string{listed})
	if err != nil {
		t.Fatal(err)
	}
	kind := Kind(NewHub(Options{Files: policy}))
	if _, err := kind.New(&ProbeOptions{MIBs: []string{other}}); !errors.Is(err, files.ErrDenied) {
		t.Errorf("another directory: %v", err)
	}
	w := newWorld(t, &ProbeOptions{MIBs: []string{listed}, Traps: []string{"doorOpen"}, Events: []Event{{Text: "{trap}"}}})
	w.get("10.0.0.1", encoded(t, gosnmp.SNMPv2Trap, "x", "1.3.6.1.4.1.99999.0.7"))
	if got := w.show(); got != "green doorOpen" {
		t.Errorf("a trap that a MIB file names: %q", got)
	}
}

func TestServeRefuses(t *testing.T) {
	for _, tt := range []struct {
		want string
		o    Options
	}{
		{"trap: rate -1 and burst 0 must not be negative", Options{Rate: -1}},
		{"trap: user 1.auth_password: MD5 needs a password", Options{Users: []usm.User{{User: "x", Auth: "MD5"}}}},
		{"trap: an engine's identity has 5 to 32 bytes, not 3", Options{EngineID: []byte("abc")}},
	} {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := NewHub(tt.o).Serve(t.Context(), conn); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

// TestUnmatchedIsBounded: what nobody wants is told apart up to a bound.
func TestUnmatchedIsBounded(t *testing.T) {
	w := newWorld(t)
	for k := range maxUnmatched + 5 {
		w.now = w.now.Add(time.Second)
		w.get(netip.AddrFrom4([4]byte{10, 0, byte(k >> 8), byte(k)}).String(), encoded(t, gosnmp.SNMPv2Trap, "x", down))
	}
	s := w.Stats()
	if len(s.Unmatched) != maxUnmatched || s.Unmatched[0].Source != netip.AddrFrom4([4]byte{10, 0, 0, 204}) || s.Refusals[Unmatched] != maxUnmatched+5 {
		t.Errorf("%d kinds, the latest %+v", len(s.Unmatched), s.Unmatched[0])
	}
}

func TestReasons(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if seen[r.String()] || r.String() == "" {
			t.Errorf("reason %d is called %q", uint8(r), r)
		}
		seen[r.String()] = true
	}
}

// FuzzMessage: no message panics, takes long or is both taken and refused.
func FuzzMessage(f *testing.F) {
	f.Add(encoded(f, gosnmp.SNMPv2Trap, "x", down, port(3, 2)...))
	f.Add(encoded(f, gosnmp.InformRequest, "x", up, port(3, 1)...))
	v1 := &gosnmp.SnmpPacket{Version: gosnmp.Version1, Community: "x", PDUType: gosnmp.Trap, SnmpTrap: gosnmp.SnmpTrap{Enterprise: "1.3.6.1.4.1.9", AgentAddress: "10.0.0.1", GenericTrap: 6, SpecificTrap: 5}}
	if b, err := v1.MarshalMsg(); err == nil {
		f.Add(b)
	}
	for _, flags := range []gosnmp.SnmpV3MsgFlags{gosnmp.NoAuthNoPriv, gosnmp.AuthNoPriv, gosnmp.AuthPriv, gosnmp.Reportable} {
		u := &gosnmp.UsmSecurityParameters{UserName: "u", AuthoritativeEngineID: "\x80\x00\x00\x00\x01x", AuthenticationProtocol: gosnmp.SHA, AuthenticationPassphrase: "12345678", PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: "12345678", PrivacyParameters: make([]byte, 8)}
		if err := u.InitSecurityKeys(); err != nil {
			f.Fatal(err)
		}
		p := &gosnmp.SnmpPacket{Version: gosnmp.Version3, MsgFlags: flags, SecurityModel: gosnmp.UserSecurityModel, SecurityParameters: u, PDUType: gosnmp.SNMPv2Trap,
			Variables: []gosnmp.SnmpPDU{pdu("1.3.6.1.2.1.1.3.0", gosnmp.TimeTicks, uint32(1)), pdu("1.3.6.1.6.3.1.1.4.1.0", gosnmp.ObjectIdentifier, down)}}
		if b, err := p.MarshalMsg(); err == nil {
			f.Add(b)
		}
	}
	f.Setenv("TRAP_FUZZ_PASSWORD", "12345678")
	kind := func(h *Hub) *trapProbe {
		p, err := Kind(h).New(&ProbeOptions{
			Communities: []string{"x"}, Users: []usm.User{{User: "u", Auth: "SHA", AuthPassword: "env:TRAP_FUZZ_PASSWORD", Priv: "AES", PrivPassword: "env:TRAP_FUZZ_PASSWORD"}},
			Traps: []string{"*"}, Events: []Event{{Text: "{trap} {varbinds} {ifIndex} {bgpPeerRemoteAddr} {1} {source}"}}, AlarmMIB: true,
			Tables: map[string]Table{"t": {Key: "{ospfNbrIpAddr}", States: map[string]string{"*": "x"}}}, Values: map[string]string{"v": "ifMtu"},
		})
		if err != nil {
			f.Fatal(err)
		}
		return p.(*trapProbe)
	}
	h := NewHub(Options{})
	p := kind(h)
	if _, err := p.Attach("x", "traps", func(r probe.Result) {
		for _, v := range r.Values {
			if s, _ := v.Value.Text(); len(s) > message.MaxText {
				f.Errorf("%s is a text of %d bytes", v.Attribute, len(s))
			}
		}
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > MaxMessage {
			return
		}
		before := h.Stats()
		h.mu.Lock()
		out := h.handle(message, netip.MustParseAddrPort("10.0.0.1:5000"), time.Now())
		h.post(time.Now())
		h.mu.Unlock()
		after := h.Stats()
		if after.Received != before.Received+1 {
			t.Errorf("%d messages are counted for one", after.Received-before.Received)
		}
		if len(out.answer) > len(message)+256 {
			t.Errorf("%d bytes are answered with %d", len(message), len(out.answer))
		}
	})
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"{{a}} {ifIndex|none} {ifIndex} {2}": "{a} none ? ?",
		"":                                   "",
		"{user|nobody}":                      "nobody",
	} {
		tm, err := readTemplate(mib.Builtin(), text)
		if err != nil {
			t.Fatal(err)
		}
		m := &message.Message{}
		if got, _ := tm.write(newDictionary(mib.Builtin()), m); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
