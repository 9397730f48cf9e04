package trap

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { stopReceiver(); os.Exit(code) }))
}

// secrets are what the references of the tests refer to.
var secrets = map[string]string{
	"env:COMMUNITY": "secret", "env:AUTH": "a password for authentication", "env:PRIV": "a password for encryption",
	"env:WRONG": "another password", "env:SHORT": "short",
}

func world() *channel.World {
	return &channel.World{
		Manager: "grove-a", Dial: (&net.Dialer{}).DialContext, Log: slog.New(slog.DiscardHandler),
		Secret: func(ref string) (string, error) {
			if s, ok := secrets[ref]; ok {
				return s, nil
			}
			return "", errors.New("there is no such secret")
		},
		CheckSecret: func(ref string) error {
			if !strings.HasPrefix(ref, "env:") {
				return errors.New("it is no reference")
			}
			return nil
		},
	}
}

// options returns the defaults, changed.
func options(change func(*Options)) *Options {
	o := Kind().Options().(*Options)
	o.Targets, o.Community = []string{"127.0.0.1:1"}, "env:COMMUNITY"
	change(o)
	return o
}

// opened makes a channel that is closed with the test.
func opened(t *testing.T, o *Options) channel.Channel {
	t.Helper()
	c, err := Kind().New(world(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

var (
	opening = time.Date(2026, 3, 1, 12, 30, 15, 400_000_000, time.UTC)
	over    = opening.Add(time.Hour)
)

// message has an alert that stands, and one that is over.
func message() *channel.Message {
	return &channel.Message{
		Key: "grove-a/databases/17", Group: "grove-a/databases/shop", Sequence: 3, Purpose: channel.Firing, Manager: "grove-a",
		Title: "/shop is red", URL: "https://grove.example/#/shop", Firing: 1, Resolved: 1,
		Alerts: []alert.Alert{
			{
				ID: 1788_000_000_000 << 20, Key: "key-up", Manager: "grove-a", Path: tree.MustPath("/shop/web1/Up"), Kind: alert.Status, State: alert.Open,
				Status: tree.Red, Worst: tree.Red, Severity: tree.Critical, Opened: opening, Changed: opening, Message: "/shop/web1/Up is red: geht nicht, \"größer\" als…",
				Value: "1200", Unit: "connections", Threshold: "> 1000", EventType: "communicationsAlarm", ProbableCause: "thresholdCrossed", Count: 2, Consequences: 40,
			},
			{
				ID: 1788_000_000_001 << 20, Key: "key-disk", Manager: "grove-a", Path: tree.MustPath("/shop/web1/Disk"), Kind: alert.Silence, State: alert.Resolved,
				Status: tree.Green, Worst: tree.White, Severity: tree.Major, Opened: opening, Changed: over, Resolved: &over, Message: "/shop/web1/Disk is green", ProbableCause: "of our own",
			},
		},
	}
}

// said is what a notification says, by OID.
func said(t *testing.T, n notification) map[string]any {
	t.Helper()
	m := map[string]any{}
	for _, v := range n.varbinds(42) {
		value := v.Value
		if b, ok := value.([]byte); ok {
			value = string(b)
		}
		if _, twice := m[v.Name]; twice {
			t.Errorf("%s is there twice", v.Name)
		}
		m[v.Name] = value
	}
	return m
}

func TestAnAlertAsTheAlarmMIBHasIt(t *testing.T) {
	o, err := newOIDs(DefaultEnterprise)
	if err != nil {
		t.Fatal(err)
	}
	all := o.notifications(message())
	if len(all) != 2 {
		t.Fatalf("%d notifications", len(all))
	}
	const (
		columns = DefaultEnterprise + ".1.1.1."
		active  = ".5.103.114.111.118.101.11.7.234.3.1.12.30.15.4.43.0.0.2147483648"
	)
	stands := said(t, all[0])
	for name, want := range map[string]any{
		sysUpTime:   uint32(42),
		snmpTrapOID: "1.3.6.1.2.1.118.0.2",
		"1.3.6.1.2.1.121.1.1.1.1.2.5.103.114.111.118.101.1.3": 2,
		"1.3.6.1.2.1.121.1.1.1.1.3.5.103.114.111.118.101.1.3": 549,
		DefaultEnterprise + ".1.2.1.0":                        "grove-a/databases/17",
	} {
		if diff := cmp.Diff(want, stands[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	index := ".362174516.3395293606" // which receivers know it by: it stays the same
	for column, want := range map[string]any{
		"3": "key-up", "4": "grove-a", "5": "/shop/web1/Up", "6": "status", "7": "open", "8": "red", "9": 3,
		"10": "/shop/web1/Up is red: geht nicht, \"größer\" als…", "11": "1200", "12": "connections", "13": "> 1000", "20": uint32(2), "21": uint32(40),
	} {
		if diff := cmp.Diff(want, stands[columns+column+index]); diff != "" {
			t.Errorf("column %s: %s", column, diff)
		}
	}
	over := said(t, all[1])
	if over[snmpTrapOID] != "1.3.6.1.2.1.118.0.3" {
		t.Errorf("what is over is %v", over[snmpTrapOID])
	}
	for name, want := range map[string]any{
		alarmActiveModelPointer + active: "1.3.6.1.2.1.118.1.1.2.1.3.5.103.114.111.118.101.1.6",
		alarmActiveResourceID + active:   columns + "5" + index,
		alarmActiveDescription + active:  "/shop/web1/Up is red: geht nicht, \"größer\" als…",
	} {
		if diff := cmp.Diff(want, stands[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := over["1.3.6.1.2.1.121.1.1.1.1.3.5.103.114.111.118.101.2.1"]; got != 1024 {
		t.Errorf("a cause of our own is %v, want other", got)
	}
}

func TestMessagesThemselves(t *testing.T) {
	o, _ := newOIDs(DefaultEnterprise)
	m := message()
	m.Firing = 60
	all := o.notifications(m)
	if len(all) != 3 || all[2].name != DefaultEnterprise+".0.1" {
		t.Fatalf("%d notifications, the last %q", len(all), all[len(all)-1].name)
	}
	if got := said(t, all[2])[DefaultEnterprise+".1.2.7.0"]; got != "…and 59 more alerts" {
		t.Errorf("%q", got)
	}
	all = o.notifications(&channel.Message{Key: "k", Purpose: channel.Test, Title: "A test", Text: strings.Repeat("ä", 2000)})
	if len(all) != 1 {
		t.Fatalf("%d notifications", len(all))
	}
	words := said(t, all[0])
	if got := words[DefaultEnterprise+".1.2.7.0"].(string); len(got) > maxProse || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-8:])
	}
	if words[DefaultEnterprise+".1.2.4.0"] != "test" {
		t.Errorf("%v", words)
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"good":            {func(*Options) {}, ""},
		"no port":         {func(o *Options) { o.Targets = []string{"snmp.example", "::1", "[::1]"} }, ""},
		"no target":       {func(o *Options) { o.Targets = nil }, "targets: 0 targets: there must be 1 to 16"},
		"a bad target":    {func(o *Options) { o.Targets = []string{"a:1", "b c:1"} }, `targets[1]: "b c:1" is no host:port`},
		"version":         {func(o *Options) { o.Version = "1" }, `version: "1" is neither 2c nor 3`},
		"no community":    {func(o *Options) { o.Community = "" }, "community: version 2c needs one"},
		"in clear text":   {func(o *Options) { o.Community = "public" }, "community: it is no reference"},
		"a mixture":       {func(o *Options) { o.User = "u" }, "version: user, auth, priv, context and engine_id are of version 3, not of 2c"},
		"enterprise":      {func(o *Options) { o.Enterprise = "1.3.x" }, `enterprise: "1.3.x" is no OID`},
		"another's":       {func(o *Options) { o.Enterprise = "1.2.3.4.5.6.7" }, `enterprise: "1.2.3.4.5.6.7" does not stand below 1.3.6.1, such as below 1.3.6.1.4.1 and the number of an enterprise, with 7 to 64 numbers`},
		"patience":        {func(o *Options) { o.Timeout = time.Hour }, "timeout: 1h0m0s is not within 0 and 30s"},
		"retries":         {func(o *Options) { o.Retries = -1 }, "retries: -1 is not within 0 and 10"},
		"both":            {func(o *Options) { o.Version, o.User = "3", "u" }, "community: version 3 has users in place of communities"},
		"no user":         {func(o *Options) { o.Version, o.Community = "3", "" }, "user: version 3 needs a name of 1 to 32 bytes"},
		"auth":            {func(o *Options) { v3(o, "NONE", "") }, `auth: "NONE" is none of MD5, SHA, SHA224, SHA256, SHA384, SHA512`},
		"priv":            {func(o *Options) { v3(o, "SHA", "ROT13") }, `priv: "ROT13" is none of AES, AES192, AES192C, AES256, AES256C, DES`},
		"priv alone":      {func(o *Options) { v3(o, "", "AES") }, "auth: what is encrypted must be authenticated, too"},
		"no password":     {func(o *Options) { v3(o, "SHA", ""); o.AuthPassword = "" }, "auth_password: SHA needs a password"},
		"for what":        {func(o *Options) { v3(o, "", ""); o.PrivPassword = "env:PRIV" }, "priv_password: priv does not say what the password is for"},
		"hex":             {func(o *Options) { v3(o, "", ""); o.EngineID = "xyz" }, "engine_id: it is not hexadecimal: encoding/hex: invalid byte: U+0078 'x'"},
		"a short engine":  {func(o *Options) { v3(o, "", ""); o.EngineID = "800000" }, "engine_id: 3 bytes: it must have 5 to 32"},
		"an engine":       {func(o *Options) { v3(o, "", ""); o.EngineID = "8000000001020304" }, ""},
		"a long context":  {func(o *Options) { v3(o, "", ""); o.Context = strings.Repeat("c", 128) }, "context: longer than 127 bytes"},
		"password inside": {func(o *Options) { v3(o, "SHA", ""); o.AuthPassword = "12345678" }, "auth_password: it is no reference"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Kind().New(world(), options(c.change))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			var bad *channel.OptionError
			if err != nil && !errors.As(err, &bad) {
				t.Errorf("%T does not say which option", err)
			}
		})
	}
}

// v3 makes options of version 3.
func v3(o *Options, auth, priv string) {
	o.Version, o.Community, o.User, o.Auth, o.Priv = "3", "", "grove", auth, priv
	if auth != "" {
		o.AuthPassword = "env:AUTH"
	}
	if priv != "" {
		o.PrivPassword = "env:PRIV"
	}
}

func TestTheEngineStaysTheSame(t *testing.T) {
	for _, c := range []struct{ text, manager, want string }{
		{"", "grove-a", "\x80\x00\x1f\x88\x04grove-a"},
		{"8000000001020304", "grove-a", "\x80\x00\x00\x00\x01\x02\x03\x04"},
	} {
		if got, err := engineID(c.text, c.manager); err != nil || got != c.want {
			t.Errorf("%q, %v", got, err)
		}
	}
	long := strings.Repeat("m", 28)
	a, _ := engineID("", long)
	b, _ := engineID("", long+"x")
	if len(a) != 21 || len(b) != 21 || a == b {
		t.Errorf("%x and %x", a, b)
	}
	if a, b := newEngine(a), newEngine(b); a.boots != b.boots || a.boots < 1000 || !a.since.Equal(b.since) {
		t.Error("two channels of a process have different clocks")
	}
}

// silent is a port where nobody answers; gone one where nobody listens.
func silent(t *testing.T) string {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

func gone(t *testing.T) string {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	return conn.LocalAddr().String()
}

func TestNobodyReceives(t *testing.T) {
	t.Parallel()
	dead, mute := gone(t), silent(t)
	fast := func(o *Options) { o.Timeout, o.Retries = 30*time.Millisecond, 1 }
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"a trap":                {func(o *Options) { o.Targets = []string{dead} }, dead + ": nothing receives notifications there"},
		"a trap to the silent":  {func(o *Options) { o.Targets = []string{mute} }, ""},
		"an inform":             {func(o *Options) { o.Targets, o.Inform = []string{dead}, true }, dead + ": nothing receives notifications there"},
		"an inform, unanswered": {func(o *Options) { o.Targets, o.Inform = []string{mute}, true; fast(o) }, mute + ": no answer came within 30ms, 2 times"},
		"of version 3":          {func(o *Options) { v3(o, "SHA", "AES"); o.Targets, o.Inform = []string{mute}, true; fast(o) }, mute + ": no answer came within 30ms, 2 times"},
		"two of them": {func(o *Options) { o.Targets, o.Inform = []string{mute, dead}, true; fast(o) },
			mute + ": no answer came within 30ms, 2 times; " + dead + ": nothing receives notifications there"},
	} {
		t.Run(name, func(t *testing.T) {
			err := opened(t, options(c.change)).Send(t.Context(), message())
			switch {
			case (err == nil) != (c.want == ""), err != nil && !strings.HasPrefix(err.Error(), c.want):
				t.Errorf("%v\nwant %s", err, c.want)
			case channel.IsPermanent(err):
				t.Errorf("given up: %v", err)
			}
		})
	}
	t.Run("until the context ends", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		err := opened(t, options(func(o *Options) { o.Targets, o.Inform = []string{mute}, true })).Send(ctx, message())
		if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
			t.Error(err)
		}
	})
}

func TestSecretsAreReadAtEachUse(t *testing.T) {
	c := opened(t, options(func(o *Options) { o.Community = "env:LATER" }))
	if err := c.Send(t.Context(), message()); err == nil || channel.IsPermanent(err) || err.Error() != "community: there is no such secret" {
		t.Error(err)
	}
	c = opened(t, options(func(o *Options) { v3(o, "SHA", ""); o.AuthPassword = "env:SHORT" }))
	if err := c.Send(t.Context(), message()); err == nil || err.Error() != "auth_password: what it refers to has 5 bytes: it must have 8 to 1024" {
		t.Error(err)
	}
}

// TestARepetitionLeavesOutWhoHasItStandIn has one receiver that acknowledges, and one that does
// so from the second message on.
func TestARepetitionLeavesOutWhoHasItStandIn(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards got
	var got [2][]string
	var targets []string
	for i := range got {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, conn.LocalAddr().String())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, 65536)
			for {
				n, from, err := conn.ReadFrom(b)
				if err != nil {
					return
				}
				p, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(b[:n])
				if err != nil {
					continue
				}
				mu.Lock()
				got[i] = append(got[i], string(p.Variables[7].Value.([]byte)))
				count := len(got[i])
				mu.Unlock()
				if i == 1 && count == 2 {
					continue // the second notification stays unanswered once
				}
				p.PDUType = gosnmp.GetResponse
				if out, err := p.MarshalMsg(); err == nil {
					_, _ = conn.WriteTo(out, from)
				}
			}
		}()
		t.Cleanup(func() { conn.Close(); <-done })
	}
	c := opened(t, options(func(o *Options) {
		o.Targets, o.Inform, o.Timeout, o.Retries = targets, true, 300*time.Millisecond, 0
	}))
	if err := c.Send(t.Context(), message()); err == nil {
		t.Fatal("what one receiver did not take counts as delivered")
	}
	if err := c.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([2][]string{{"key-up", "key-disk"}, {"key-up", "key-disk", "key-disk"}}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecode(f *testing.F) {
	k := &credentials{user: "grove", flags: gosnmp.AuthPriv, auth: gosnmp.SHA, priv: gosnmp.AES, authPassword: "12345678", privPassword: "12345678"}
	x := exchange{keys: k, engine: newEngine("engine")}
	message, _, err := x.message(gosnmp.SNMPv2Trap, varbinds())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	y := exchange{keys: &credentials{community: "secret"}}
	message, _, err = y.message(gosnmp.SNMPv2Trap, varbinds())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		for _, keys := range []*credentials{k, y.keys} {
			x := exchange{keys: keys, engine: newEngine("engine"), receiver: &gosnmp.UsmSecurityParameters{AuthoritativeEngineID: "engine"}}
			packet, err := x.decode(datagram)
			if (packet == nil) != (err != nil) {
				t.Errorf("%v and %v", packet, err)
			}
		}
	})
}

func varbinds() []gosnmp.SnmpPDU {
	o, _ := newOIDs(DefaultEnterprise)
	return o.notifications(message())[0].varbinds(1)
}
