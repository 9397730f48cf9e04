package syslog

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// good are options that reach a server.
func good(server, protocol string) *Options {
	o, _ := Kind().Options().(*Options)
	o.Server, o.Protocol = server, protocol
	return o
}

// parse reads a record by a parser that others wrote.
func parse(t *testing.T, record string) (*rfc5424.SyslogMessage, channeltest.Delivery) {
	t.Helper()
	m, err := rfc5424.NewParser().Parse([]byte(record))
	if err != nil {
		t.Fatalf("%v: %q", err, record)
	}
	p, ok := m.(*rfc5424.SyslogMessage)
	if !ok || p.Message == nil || p.StructuredData == nil {
		t.Fatalf("%q has no text", record)
	}
	own := (*p.StructuredData)["grove@32473"]
	d := channeltest.Delivery{Key: own["key"], Group: own["group"], Text: strings.TrimPrefix(*p.Message, "\ufeff"), Size: len(record)}
	for _, element := range *p.StructuredData {
		for _, v := range element {
			d.Text += "\n" + v
		}
	}
	return p, d
}

// standIn is a server that keeps the records that come over TCP, or breaks connections off.
func standIn(t *testing.T, mood channeltest.Mood) (string, func() []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var records []string
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					if mood == channeltest.Reset {
						_, _ = in.ReadByte()
						_ = conn.(*net.TCPConn).SetLinger(0)
						return
					}
					size, err := in.ReadString(' ')
					if err != nil {
						return
					}
					n, err := strconv.Atoi(strings.TrimSpace(size))
					text := make([]byte, n)
					if _, err2 := io.ReadFull(in, text); err != nil || err2 != nil {
						t.Error(err, err2)
						return
					}
					mu.Lock()
					records = append(records, string(text))
					mu.Unlock()
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), records...)
	}
}

func TestContractStandIn(t *testing.T) {
	bad := func(option string, change func(*Options)) channeltest.Bad {
		o := good("127.0.0.1:514", "tcp")
		change(o)
		return channeltest.Bad{Options: o, Option: option}
	}
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(),
		Start: func(t *testing.T, m channeltest.Mood) *channeltest.Counterpart {
			if m != channeltest.Well && m != channeltest.Reset {
				return nil // A syslog server never says anything.
			}
			address, records := standIn(t, m)
			return &channeltest.Counterpart{Options: good(address, "tcp"), Received: func() []channeltest.Delivery {
				var all []channeltest.Delivery
				for _, r := range records() {
					_, d := parse(t, r)
					all = append(all, d)
				}
				return all
			}}
		},
		Bad: []channeltest.Bad{
			bad("server", func(o *Options) { o.Server = "" }),
			bad("server", func(o *Options) { o.Server = "a b:514" }),
			bad("server", func(o *Options) { o.Server = "logs:99999" }),
			bad("protocol", func(o *Options) { o.Protocol = "http" }),
			bad("tls", func(o *Options) { o.TLS.Insecure = true }),
			bad("facility", func(o *Options) { o.Facility = "local8" }),
			bad("app", func(o *Options) { o.App = "two words" }),
			bad("host", func(o *Options) { o.Host = "wächter" }),
			bad("enterprise", func(o *Options) { o.Enterprise = 0 }),
			bad("title", func(o *Options) { o.Title = "{{" }),
		},
	})
}

func TestRecord(t *testing.T) {
	c, err := newSender(nil, good("127.0.0.1:514", "udp"))
	if err != nil {
		t.Fatal(err)
	}
	samples := template.Samples()
	for what, want := range map[string]string{
		"firing": `<26>1 2026-03-01T12:05:00.000Z grove grove - firing [alarm resource="/shop/web1/Connections/Active" probableCause="thresholdCrossed" perceivedSeverity="major" ` +
			`eventType="qualityOfServiceAlarm" trendIndication="moreSevere" resourceURI="https://grove.example/alerts"][grove@32473 key="grove/databases/9f2c/1" group="grove/databases/9f2c" ` +
			`sequence="1" purpose="firing" manager="grove" route="databases" id="1" alertKey="9f2c" kind="status" state="open" status="red" worst="red" opened="2026-03-01T12:00:00.000Z" ` +
			`value="1200" unit="connections" threshold="> 1000" instance="shop-web1" customers="acme" count="1" consequences="3" repair="add a server"] ` +
			`/shop/web1/Connections/Active is red: 1200 connections, which is > 1000`,
		"announcement": `<30>1 2026-03-01T12:05:00.000Z grove grove - announcement [grove@32473 key="grove/databases/9f2c/1" group="grove/databases/9f2c" sequence="1" ` +
			`purpose="announcement" manager="grove" route="databases"] maintenance "backup" of /shop begins at 22:00`,
	} {
		if diff := cmp.Diff([]string{want}, c.records(samples[what])); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
	if n := len(c.records(samples["firing, many"])); n != 3 {
		t.Errorf("%d records of three alerts", n)
	}
	over, _ := parse(t, c.records(samples["resolved"])[0])
	if *over.Severity != 5 || (*over.StructuredData)["alarm"]["perceivedSeverity"] != "cleared" || !strings.HasPrefix(*over.Message, "over: ") {
		t.Errorf("%v", over)
	}
	hostile := channeltest.HostileMessage()
	hostile.Alerts[0].Message = `é "] [evil@1 a="b`
	hostile.Route = `"] [evil@1 a="b`
	p, _ := parse(t, c.records(hostile)[0])
	if len(*p.StructuredData) != 2 || (*p.StructuredData)["grove@32473"]["route"] != hostile.Route || *p.Message != "\ufeff"+hostile.Alerts[0].Message {
		t.Errorf("%v %q", *p.StructuredData, *p.Message)
	}
}

// TestRsyslog sends to Debian's rsyslogd over each protocol.
func TestRsyslog(t *testing.T) {
	const program = "/usr/sbin/rsyslogd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("rsyslogd is not installed (Debian package rsyslog)")
	}
	if found, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(found) == 0 {
		t.Skip("rsyslog has no TLS (Debian package rsyslog-gnutls)")
	}
	dir := t.TempDir()
	ca, certificate, key := channeltest.Certificate(t)
	udp, tcp, secure := channeltest.FreePort(t), channeltest.FreePort(t), channeltest.FreePort(t)
	log := filepath.Join(dir, "log")
	config := fmt.Sprintf(`global(workDirectory=%[1]q maxMessageSize="64k" defaultNetstreamDriverCAFile=%[2]q defaultNetstreamDriverCertFile=%[3]q defaultNetstreamDriverKeyFile=%[4]q)
module(load="imudp")
module(load="imtcp")
template(name="all" type="string" string="%%syslogtag%%|%%pri%%|%%hostname%%|%%app-name%%|%%msgid%%|%%structured-data%%|%%msg%%\n")
ruleset(name="keep") { action(type="omfile" file=%[5]q template="all") }
input(type="imudp" address="127.0.0.1" port="%[6]s" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="%[7]s" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="%[8]s" ruleset="keep" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
`, dir, ca, certificate, key, log, udp, tcp, secure)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	channeltest.Program(t, exec.Command(program, "-n", "-f", file, "-i", filepath.Join(dir, "pid")), "127.0.0.1:"+tcp, "127.0.0.1:"+secure)

	lines := func() []string {
		text, err := os.ReadFile(log)
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	await := func(n int) []string {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for late := time.Now().Add(2 * time.Minute); ; <-tick.C {
			if got := lines(); len(got) >= n {
				return got
			}
			if time.Now().After(late) {
				t.Fatalf("%d of %d records arrive:\n%s", len(lines()), n, strings.Join(lines(), "\n"))
			}
		}
	}
	world := channeltest.NewWorld(t, channeltest.Subject{})
	send := func(o *Options, m *channel.Message) error {
		t.Helper()
		c, err := Kind().New(world, o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Send(t.Context(), m)
	}
	m := template.Samples()["firing, many"]
	for i, protocol := range []string{"udp", "tcp", "tls"} {
		o := good("127.0.0.1:"+map[string]string{"udp": udp, "tcp": tcp, "tls": secure}[protocol], protocol)
		if protocol == "tls" {
			o.TLS.CA = ca
		}
		if err := send(o, m); err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		got := await(3 * (i + 1))[3*i]
		if !strings.HasPrefix(got, "grove|26|grove|grove|firing|[alarm resource=\"/shop/web1/Connections/Active\"") ||
			!strings.HasSuffix(got, "/shop/web1/Connections/Active is red: 1200 connections, which is > 1000") {
			t.Errorf("%s: %s", protocol, got)
		}
	}
	o := good("127.0.0.1:"+secure, "tls")
	if err := send(o, m); err == nil || !strings.Contains(err.Error(), "certificate") || channel.IsPermanent(err) {
		t.Errorf("a stranger is told: %v", err)
	}
	hostile := channeltest.HostileMessage()
	o = good("127.0.0.1:"+tcp, "tcp")
	if err := send(o, hostile); err != nil {
		t.Fatal(err)
	}
	if got := await(10); len(got) != 10 || !strings.Contains(got[9], "X-Injected: yes") {
		t.Errorf("a hostile message makes %d lines: %q", len(got)-9, got[9:])
	}
}
