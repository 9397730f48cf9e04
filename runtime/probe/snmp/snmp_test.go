package snmp

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/exchange"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options returns good options for an address; each change is applied to them.
func options(address string, change ...func(*Options)) *Options {
	o := newOptions()
	o.Address = address
	for _, f := range change {
		f(o)
	}
	return o
}

func start(t *testing.T, o *Options) probe.Probe {
	t.Helper()
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func run(t *testing.T, p probe.Probe) probe.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func value(r probe.Result, attribute string) tree.Value {
	for _, v := range r.Values {
		if v.Attribute == attribute {
			return v.Value
		}
	}
	return tree.Value{}
}

func text(r probe.Result, attribute string) string {
	s, _ := value(r, attribute).Text()
	return s
}

func everything(o *Options) {
	o.Values = map[string]string{"sysname": "sysName", "uptime": "sysUpTime.0", "location": "1.3.6.1.2.1.1.6.0"}
	o.Tables = map[string]Table{
		"ports": {Columns: map[string]string{
			"name": "ifName", "descr": "ifDescr", "status": "ifOperStatus", "kind": "ifType", "in": "ifHCInOctets", "mac": "ifPhysAddress", "mtu": "IF-MIB::ifMtu",
		}, Key: "name"},
		"storage": {Columns: map[string]string{"kind": "hrStorageType", "descr": "hrStorageDescr", "size": "hrStorageSize"}, Key: "descr"},
		"load":    {Columns: map[string]string{"average": "laLoad", "name": "laNames"}},
	}
}

func TestContract(t *testing.T) {
	a := startSnmpd(t)
	t.Setenv("TEST_OF_GROVE_AUTH", testAuthPassword)
	t.Setenv("TEST_OF_GROVE_PRIV", testPrivPassword)
	probetest.Run(t, Kind(nil),
		options(a.address),
		options(a.address, everything),
		options(a.address, everything, func(o *Options) { o.Version = "1" }),
		options(a.address, everything, func(o *Options) {
			o.Version = "3"
			o.V3 = V3{User: "shaaes", Auth: "SHA", AuthPassword: "env:TEST_OF_GROVE_AUTH", Priv: "AES", PrivPassword: "env:TEST_OF_GROVE_PRIV"}
		}),
	)
}

func TestStops(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	t.Setenv("TEST_OF_GROVE_AUTH", testAuthPassword)
	probetest.Stops(t, Kind(nil), options(silent.LocalAddr().String()))
	probetest.Stops(t, Kind(nil), options(silent.LocalAddr().String(), func(o *Options) {
		o.Version, o.V3 = "3", V3{User: "someone", Auth: "SHA256", AuthPassword: "env:TEST_OF_GROVE_AUTH"}
	}))
}

func TestRefuses(t *testing.T) {
	values := func(text string) func(*Options) {
		return func(o *Options) { o.Values = map[string]string{"x": text} }
	}
	tables := func(t Table) func(*Options) {
		return func(o *Options) { o.Tables = map[string]Table{"x": t} }
	}
	columns := func(text ...string) func(*Options) {
		m := map[string]string{}
		for i, s := range text {
			m[string(rune('a'+i))] = s
		}
		return tables(Table{Columns: m})
	}
	v3 := func(u V3) func(*Options) { return func(o *Options) { o.Version, o.V3 = "3", u } }
	tests := []struct {
		name, option, want string
		change             func(*Options)
	}{
		{"no address", "address", "whom to ask is missing: a host name or IP address", func(o *Options) { o.Address = "" }},
		{"bad port", "address", `port "99999" is not between 1 and 65535`, func(o *Options) { o.Address = "a:99999" }},
		{"address with a path", "address", `"a/b" is no host name and no IP address`, func(o *Options) { o.Address = "a/b" }},
		{"two ports", "address", `"a:1:2" is not host, host:port or [address]:port`, func(o *Options) { o.Address = "a:1:2" }},
		{"version", "version", `"2" is not 1, 2c or 3`, func(o *Options) { o.Version = "2" }},
		{"empty community", "community", "it is empty", func(o *Options) { o.Community = "" }},
		{"long community", "community", "longer than 127 bytes", func(o *Options) { o.Community = strings.Repeat("x", 128) }},
		{"bad reference", "community", "after env: there must be the name of an environment variable", func(o *Options) { o.Community = "env:A-B" }},
		{"user for version 2c", "v3", "a user is only for version 3, not for version 2c", func(o *Options) { o.V3.User = "u" }},
		{"no user", "v3.user", "version 3 needs a user", v3(V3{})},
		{"auth", "v3.auth", `"sha1" is not MD5, SHA, SHA224, SHA256, SHA384 or SHA512`, v3(V3{User: "u", Auth: "sha1"})},
		{"priv", "v3.priv", `"3DES" is not DES, AES, AES192, AES256, AES192C or AES256C`, v3(V3{User: "u", Priv: "3DES"})},
		{"priv without auth", "v3.auth", "messages that are encrypted must be authenticated, too", v3(V3{User: "u", Priv: "AES", PrivPassword: "env:P"})},
		{"password in the clear", "v3.auth_password", "a secret is given by reference: file:/path, env:NAME or credential:NAME", v3(V3{User: "u", Auth: "SHA", AuthPassword: "hunter2"})},
		{"password for nothing", "v3.auth_password", "v3.auth does not say what the password is for", v3(V3{User: "u", AuthPassword: "env:A"})},
		{"no password", "v3.priv_password", "AES needs a password", v3(V3{User: "u", Auth: "SHA", AuthPassword: "env:A", Priv: "AES"})},
		{"no time", "request_timeout", "0s is not between 0s and 1m0s", func(o *Options) { o.RequestTimeout = 0 }},
		{"retries", "retries", "11 is not between 0 and 10", func(o *Options) { o.Retries = 11 }},
		{"repetitions", "max_repetitions", "0 is not between 1 and 100", func(o *Options) { o.MaxRepetitions = 0 }},
		{"typo", "values.x", `unknown object "sysUptime": did you mean sysUpTime?`, values("sysUptime.0")},
		{"a column alone", "values.x", "IF-MIB::ifInOctets is a column: say which row (ifInOctets.1), or read it under tables", values("ifInOctets")},
		{"a table as a value", "values.x", "IF-MIB::ifTable has no value of its own: name an object below it", values("ifTable")},
		{"too many words", "values.x", `"a b c" is not a name or number of SNMP, with number, counter or text behind it`, values("a b c")},
		{"unknown word", "values.x", `"float" behind sysUpTime is not number, counter or text`, values("sysUpTime float")},
		{"name of an attribute", "values.up", "another attribute has this name", func(o *Options) { o.Values = map[string]string{"up": "sysUpTime"} }},
		{"no identifier", "values.a-b", "an attribute's name is made of letters, digits and underscores", func(o *Options) { o.Values = map[string]string{"a-b": "sysUpTime"} }},
		{"same name twice", "tables.x", "another attribute has this name", func(o *Options) {
			o.Values = map[string]string{"x": "sysUpTime"}
			o.Tables = map[string]Table{"x": {Columns: map[string]string{"a": "ifName"}}}
		}},
		{"no columns", "tables.x.columns", "a table has 1 to 64 columns, not 0", tables(Table{})},
		{"a scalar as column", "tables.x.columns.a", "SNMPv2-MIB::sysUpTime is no column of a table: it belongs under values", columns("sysUpTime")},
		{"a row as column", "tables.x.columns.a", "IF-MIB::ifName.3 is one row: write only IF-MIB::ifName to read them all", columns("ifName.3")},
		{"columns of different tables", "tables.x.columns.b", "rows of HOST-RESOURCES-MIB::hrStorageDescr are told apart by hrStorageIndex, those of IF-MIB::ifName by ifIndex: they do not go together", columns("ifName", "hrStorageDescr")},
		{"key", "tables.x.key", `"name" is neither a column nor "index"`, tables(Table{Columns: map[string]string{"a": "ifName"}, Key: "name"})},
		{"column index", "tables.x.columns.index", `every table has the column "index" already: the index of the row`, tables(Table{Columns: map[string]string{"index": "ifName"}})},
		{"discontinuity", "tables.x.discontinuity", "SNMPv2-MIB::sysUpTime is no column of a table: it belongs under values", tables(Table{Columns: map[string]string{"a": "ifName"}, Discontinuity: "sysUpTime"})},
		{"discontinuity of another table", "tables.x.discontinuity", "rows of HOST-RESOURCES-MIB::hrStorageType are told apart by hrStorageIndex, those of IF-MIB::ifName by ifIndex: they do not go together", tables(Table{Columns: map[string]string{"a": "ifName"}, Discontinuity: "hrStorageType"})},
		{"rows", "tables.x.max_rows", "100001 is not between 1 and 100000", tables(Table{Columns: map[string]string{"a": "ifName"}, MaxRows: 100_001})},
		{"no directory", "mibs", "read MIB files: open /no/such/directory: no such file or directory", func(o *Options) { o.MIBs = []string{"/no/such/directory"} }},
	}
	var bad []probetest.Bad
	for _, tt := range tests {
		bad = append(bad, probetest.Bad{Name: tt.name, Options: options("192.0.2.1", tt.change), Option: tt.option, Want: tt.option + ": " + tt.want})
	}
	probetest.Refuses(t, Kind(nil), bad...)
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:161", "switch:1161": "switch:1161", "2001:db8::1": "[2001:db8::1]:161",
		"[2001:db8::1]:1161": "[2001:db8::1]:1161", "[2001:db8::1]": "[2001:db8::1]:161", "switch.example": "switch.example:161",
	} {
		host, port, err := splitAddress(address)
		if got := net.JoinHostPort(host, strconv.Itoa(int(port))); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", address, got, err, want)
		}
	}
}

func TestAttributesSayWhatTheyAre(t *testing.T) {
	p := start(t, options("192.0.2.1", func(o *Options) {
		o.Values = map[string]string{"uptime": "sysUpTime", "raw": "1.3.6.1.4.1.99999.1.0 counter", "status": "ifOperStatus.1", "code": "ifOperStatus.1 number"}
		o.Tables = map[string]Table{"ports": {Columns: map[string]string{"in": "ifHCInOctets", "promiscuous": "ifPromiscuousMode", "mtu": "ifMtu"}, Key: "mtu"}}
	}))
	counter := map[string]string{"metricType": "counter"}
	want := []beans.AttributeInfo{
		{Name: "up", Type: beans.TypeBool, Readable: true, Description: "whether the agent answered"},
		{Name: "duration", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "how long all questions and answers took"},
		{Name: "error", Type: beans.TypeString, Readable: true, Description: "what went wrong; empty when nothing did"},
		{Name: "code", Type: beans.TypeFloat, Readable: true, Description: "IF-MIB::ifOperStatus.1"},
		{Name: "raw", Type: beans.TypeFloat, Readable: true, Description: "1.3.6.1.4.1.99999.1.0", Descriptor: counter},
		{Name: "status", Type: beans.TypeString, Readable: true, Description: "IF-MIB::ifOperStatus.1"},
		{Name: "uptime", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "SNMPv2-MIB::sysUpTime.0"},
		{Name: "ports", Type: beans.TypeTable, Readable: true, Description: "at most 1000 rows", Key: "mtu", Columns: []beans.AttributeInfo{
			{Name: "index", Type: beans.TypeString, Readable: true, Description: "what tells the row apart in SNMP"},
			{Name: "in", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "IF-MIB::ifHCInOctets", Descriptor: counter},
			{Name: "mtu", Type: beans.TypeString, Readable: true, Description: "IF-MIB::ifMtu"},
			{Name: "promiscuous", Type: beans.TypeBool, Readable: true, Description: "IF-MIB::ifPromiscuousMode"},
		}},
	}
	if diff := cmp.Diff(want, p.Attributes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p.Target() != "192.0.2.1" {
		t.Errorf("Target is %q", p.Target())
	}
}

func TestReadsTheRealAgentAsNetSnmpDoes(t *testing.T) {
	a := startSnmpd(t)
	// The tools print values plainly (-Oqv) and by number (-On).
	base := []string{"-v2c", "-c", "public", "-Oqv", a.address}
	wantName := a.tool(t, "snmpget", append(base, ".1.3.6.1.2.1.1.5.0")...)[0]
	wantNames := a.tool(t, "snmpwalk", append(base, ".1.3.6.1.2.1.31.1.1.1.1")...)
	wantMTU := a.tool(t, "snmpwalk", append(base, ".1.3.6.1.2.1.2.2.1.4")...)
	wantStorage := a.tool(t, "snmpwalk", append(base, ".1.3.6.1.2.1.25.2.3.1.3")...)
	wantLoad := a.tool(t, "snmpwalk", append(base, ".1.3.6.1.4.1.2021.10.1.2")...)
	for i := range wantNames {
		wantNames[i] = strings.Trim(wantNames[i], `"`)
	}

	for _, version := range []string{"1", "2c"} {
		t.Run("version "+version, func(t *testing.T) {
			p := start(t, options(a.address, everything, func(o *Options) { o.Version, o.MaxRepetitions = version, 3 }))
			r := run(t, p)
			if n, _ := value(r, "up").Number(); n != 1 || text(r, "sysname") != strings.Trim(wantName, `"`) || text(r, "location") != `"a rack"` {
				t.Errorf("up %v, name %q (want %s), location %q", value(r, "up"), text(r, "sysname"), wantName, text(r, "location"))
			}
			if n, ok := value(r, "uptime").Number(); !ok || n < 0 || n > 300 {
				t.Errorf("uptime %v s of a fresh agent", value(r, "uptime"))
			}
			columns := map[string][]string{}
			for _, table := range r.Tables {
				for i, c := range table.Columns {
					for _, row := range table.Rows {
						columns[table.Attribute+"."+c] = append(columns[table.Attribute+"."+c], row[i].String())
					}
				}
			}
			// Version 1 has no Counter64: the agent leaves ifHCInOctets out.
			for column, want := range map[string][]string{"ports.name": wantNames, "ports.mtu": wantMTU, "load.name": unquote(wantLoad)} {
				if diff := cmp.Diff(want, columns[column]); diff != "" {
					t.Errorf("%s (-net-snmp +grove):\n%s", column, diff)
				}
			}
			if len(columns["storage.descr"]) != len(wantStorage) {
				t.Errorf("%d rows of storage, net-snmp has %d", len(columns["storage.descr"]), len(wantStorage))
			}
			if !slices.Contains(columns["ports.kind"], "softwareLoopback") || !slices.Contains(columns["ports.status"], "up") {
				t.Errorf("kinds %v, statuses %v", columns["ports.kind"], columns["ports.status"])
			}
			if !slices.Contains(columns["storage.kind"], "HOST-RESOURCES-MIB::hrStorageRam") {
				t.Errorf("kinds of storage: %v", columns["storage.kind"])
			}
			for _, average := range columns["load.average"] {
				if _, err := strconv.ParseFloat(average, 64); err != nil {
					t.Errorf("load average %q is no number", average)
				}
			}
			if version == "2c" && (slices.Contains(columns["ports.in"], "") || text(r, "error") != "") {
				t.Errorf("in %v, error %q", columns["ports.in"], text(r, "error"))
			}
		})
	}
}

func unquote(lines []string) []string {
	for i := range lines {
		lines[i] = strings.Trim(lines[i], `"`)
	}
	return lines
}

func TestVersion3(t *testing.T) {
	a := startSnmpd(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(testAuthPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_OF_GROVE_PRIV", testPrivPassword)
	t.Setenv("TEST_OF_GROVE_WRONG", "a wrong password")
	tests := []struct {
		name string
		user V3
		err  string // of the attribute; "" when the agent answers
	}{
		{"SHA and AES", V3{User: "shaaes", Auth: "SHA", AuthPassword: secret.Ref("file:" + file), Priv: "AES", PrivPassword: "env:TEST_OF_GROVE_PRIV"}, ""},
		{"SHA256 alone", V3{User: "sha256", Auth: "SHA256", AuthPassword: secret.Ref("file:" + file)}, ""},
		{"neither", V3{User: "plain"}, ""},
		{"unknown user", V3{User: "nobody"}, a.address + ` knows no user "nobody"`},
		{"wrong password", V3{User: "sha256", Auth: "SHA256", AuthPassword: "env:TEST_OF_GROVE_WRONG"}, `the authentication of user "sha256" fails at ` + a.address + `: wrong auth_password, or another auth`},
		{"wrong second password", V3{User: "shaaes", Auth: "SHA", AuthPassword: secret.Ref("file:" + file), Priv: "AES", PrivPassword: "env:TEST_OF_GROVE_WRONG"}, "no answer from " + a.address + " to 1 packet in 500ms; a wrong priv_password looks the same"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, options(a.address, everything, func(o *Options) { o.Version, o.V3, o.Retries = "3", tt.user, 0 }))
			if strings.HasPrefix(tt.err, "no answer") {
				p = start(t, options(a.address, func(o *Options) { o.Version, o.V3, o.Retries, o.RequestTimeout = "3", tt.user, 0, time.Second/2 }))
			}
			for range 2 { // the second run uses what the first one found out
				r := run(t, p)
				if got := text(r, "error"); got != tt.err {
					t.Errorf("error %q, want %q", got, tt.err)
				}
				up, _ := value(r, "up").Number()
				if (up == 1) != (tt.err == "") {
					t.Errorf("up is %v", up)
				}
				if tt.err == "" && text(r, "sysname") != "grove-test" {
					t.Errorf("name is %q", text(r, "sysname"))
				}
			}
		})
	}
	t.Run("no password to be had", func(t *testing.T) {
		p := start(t, options(a.address, func(o *Options) {
			o.Version, o.V3 = "3", V3{User: "sha256", Auth: "SHA256", AuthPassword: "env:TEST_OF_GROVE_UNSET"}
		}))
		_, err := p.Run(context.Background())
		if want := `password of user "sha256": environment variable TEST_OF_GROVE_UNSET is not set, or empty`; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
}

// The protocols of RFC 7860 and of AES with longer keys, as far as snmpd knows them; its
// own snmpget says whether it does.
func TestModernProtocolsOfVersion3(t *testing.T) {
	a := startSnmpd(t)
	t.Setenv("TEST_OF_GROVE_AUTH", testAuthPassword)
	t.Setenv("TEST_OF_GROVE_PRIV", testPrivPassword)
	for _, u := range modernUsers {
		t.Run(u.user, func(t *testing.T) {
			args := []string{"-v3", "-u", u.user, "-l", map[string]string{"auth": "authNoPriv", "priv": "authPriv"}[u.level()], "-a", u.auth, "-A", testAuthPassword}
			user := V3{User: u.user, Auth: u.authOption, AuthPassword: "env:TEST_OF_GROVE_AUTH"}
			if u.priv != "" {
				args = append(args, "-x", u.priv, "-X", testPrivPassword)
				user.Priv, user.PrivPassword = u.privOption, "env:TEST_OF_GROVE_PRIV"
			}
			get := exec.Command("snmpget", append(args, "-t", "1", "-r", "0", "-Oqv", a.address, ".1.3.6.1.2.1.1.5.0")...)
			get.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+a.dir, "MIBS=", "SNMPCONFPATH="+a.dir)
			if out, err := get.CombinedOutput(); err != nil {
				t.Skipf("Debian's net-snmp does not know %s with %s: %s", u.auth, u.priv, out)
			}
			p := start(t, options(a.address, everything, func(o *Options) { o.Version, o.V3 = "3", user }))
			for range 2 { // the second run knows the rows
				r := run(t, p)
				if text(r, "error") != "" || text(r, "sysname") != "grove-test" || len(r.Tables) != 3 || len(r.Tables[0].Rows) == 0 {
					t.Fatalf("error %q, name %q, tables %+v", text(r, "error"), text(r, "sysname"), r.Tables)
				}
			}
		})
	}
}

func TestWhatAnAgentLacksIsNamed(t *testing.T) {
	a := startSnmpd(t)
	for _, version := range []string{"1", "2c"} {
		t.Run("version "+version, func(t *testing.T) {
			p := start(t, options(a.address, func(o *Options) {
				o.Version = version
				o.Values = map[string]string{"a": "upsBatteryStatus", "b": "sysName", "c": "1.3.6.1.4.1.99999.1.0", "d": "1.3.6.1.2.1.1.5.0 number"}
				o.Tables = map[string]Table{"nothing": {Columns: map[string]string{"x": "entPhySensorValue"}}}
			}))
			r := run(t, p)
			want := []string{
				"1.3.6.1.4.1.99999.1.0: the agent has no such object",
				`sysName.0: the agent sends text, not a number: write "text" behind its name`,
				"upsBatteryStatus.0: the agent has no such object",
			}
			got := strings.Split(text(r, "error"), "; ") // in an order that depends on the version
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text(r, "b") != "grove-test" || len(r.Tables) != 1 || len(r.Tables[0].Rows) != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestDownIsAReading(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	quick := func(o *Options) { o.RequestTimeout = 10 * time.Millisecond }
	s, c := silent.LocalAddr().String(), closed.LocalAddr().String()
	user := func(o *Options) { o.Version, o.V3 = "3", V3{User: "u"} }
	tests := []struct {
		name string
		o    *Options
		want string
	}{
		{"silent", options(s, quick), "no answer from " + s + " to 2 packets in 20ms; a wrong community looks the same"},
		{"silent, no retry", options(s, quick, func(o *Options) { o.Retries = 0 }), "no answer from " + s + " to 1 packet in 10ms; a wrong community looks the same"},
		{"silent, version 3", options(s, quick, user), "no answer from " + s + " to 2 packets in 20ms"},
		{"closed", options(c, quick), "nothing listens at " + c},
		{"closed, version 3", options(c, quick, user), "nothing listens at " + c},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, start(t, tt.o))
			if got := text(r, "error"); got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			if up, ok := value(r, "up").Number(); !ok || up != 0 {
				t.Errorf("up is %v", value(r, "up"))
			}
		})
	}
}

func TestPolicyIsAskedForEveryVersion(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Options){func(*Options) {}, func(o *Options) { o.Version, o.V3 = "3", V3{User: "u"} }} {
		p, err := Kind(policy).New(options("localhost", change))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Run(context.Background()); !errors.Is(err, dial.ErrDenied) {
			t.Errorf("Run: %v", err)
		}
		p.Close()
	}
}

func TestMIBsObeyThePolicyOfFiles(t *testing.T) {
	allowed, other := t.TempDir(), t.TempDir()
	const module = "TEST-MIB DEFINITIONS ::= BEGIN testThing OBJECT IDENTIFIER ::= { iso 3 6 1 4 1 99999 }\ntestValue OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS read-only STATUS current DESCRIPTION \"x\" ::= { testThing 1 }\nEND\n"
	for _, dir := range []string{allowed, other} {
		if err := os.WriteFile(filepath.Join(dir, "TEST-MIB"), []byte(module), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(other, "TEST-MIB"), filepath.Join(allowed, "link")); err != nil {
		t.Fatal(err)
	}
	policy, err := files.NewPolicy([]string{allowed})
	if err != nil {
		t.Fatal(err)
	}
	read := func(dir string) error {
		p, err := Kind(nil, Files(policy)).New(options("192.0.2.1", func(o *Options) {
			o.MIBs, o.Values = []string{dir}, map[string]string{"x": "testValue"}
		}))
		if err == nil {
			err = p.Close()
		}
		return err
	}
	if err := read(allowed); err != nil {
		t.Error(err)
	}
	if err := read(other); !errors.Is(err, files.ErrDenied) || !strings.HasPrefix(err.Error(), "mibs: read MIB files: ") {
		t.Errorf("another directory: %v", err)
	}
}

// An address stands for a name for a while, and for longer when name servers are down; one
// that is not allowed never does.
func TestNamesAreResolvedAndChecked(t *testing.T) {
	var r resolved
	addr, err := r.resolve(t.Context(), nil, "localhost")
	if err != nil || !addr.IsLoopback() {
		t.Fatalf("%v, %v", addr, err)
	}
	again, err := r.resolve(t.Context(), nil, "no-such-host.invalid")
	if err != nil || again != addr {
		t.Errorf("it is looked up again: %v, %v", again, err)
	}
	r.forget()
	if again, err = r.resolve(t.Context(), nil, "no-such-host.invalid"); err != nil || again != addr {
		t.Errorf("without name servers: %v, %v", again, err)
	}
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	r.forget()
	if again, err = r.resolve(t.Context(), policy, "localhost"); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("an address that is refused: %v, %v", again, err)
	}
	for _, literal := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::1"} {
		var r resolved
		if _, err := r.resolve(t.Context(), policy, literal); !errors.Is(err, dial.ErrDenied) {
			t.Errorf("%s: %v", literal, err)
		}
	}
}

// Whoever gives the exchange sees what it carried.
func TestOverAnExchange(t *testing.T) {
	a := startSnmpd(t)
	e := new(exchange.Exchange)
	p, err := Kind(nil, Over(e)).New(options(a.address, everything))
	if err != nil {
		t.Fatal(err)
	}
	run(t, p)
	if got := e.Counts(); got.Answers == 0 || got.Sent < got.Answers || got.Refused > 0 {
		t.Errorf("%+v", got)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestCommunityByReference(t *testing.T) {
	a := startSnmpd(t)
	t.Setenv("TEST_OF_GROVE_COMMUNITY", "public")
	r := run(t, start(t, options(a.address, func(o *Options) { o.Community = "env:TEST_OF_GROVE_COMMUNITY" })))
	if up, _ := value(r, "up").Number(); up != 1 {
		t.Errorf("up is %v: %s", up, text(r, "error"))
	}
	p := start(t, options(a.address, func(o *Options) { o.Community = "file:/no/such/file" }))
	if _, err := p.Run(context.Background()); err == nil || err.Error() != "community: open /no/such/file: no such file or directory" {
		t.Errorf("Run: %v", err)
	}
}
