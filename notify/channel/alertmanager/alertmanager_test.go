package alertmanager

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/labelled"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func good(urls ...string) *Options {
	o, _ := Kind().Options().(*Options)
	o.Servers = urls
	return o
}

// read makes a delivery of a request: the last alert of it.
func read(r channeltest.Request) (channeltest.Delivery, bool) {
	var all []labelled.Alert
	if json.Unmarshal(r.Body, &all) != nil || len(all) == 0 || r.Path != "/api/v2/alerts" {
		return channeltest.Delivery{}, false
	}
	a := all[len(all)-1]
	d := channeltest.Delivery{Key: a.Annotations["grove_message"], Group: a.Annotations["grove_group"]}
	for _, m := range []map[string]string{a.Labels, a.Annotations} {
		for k, v := range m {
			d.Text += k + "=" + v + "\n"
		}
	}
	return d, true
}

func TestContractRecordingServer(t *testing.T) {
	bad := func(option string, change func(*Options)) channeltest.Bad {
		o := good("http://a:9093")
		change(o)
		return channeltest.Bad{Options: o, Option: option}
	}
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(),
		Start: channeltest.HTTP(func(url string) any {
			o := good(url)
			o.User, o.Password, o.Labels = "me", "env:PASSWORD", map[string]string{"site": "berlin"}
			return o
		}, read, nil),
		Bad: []channeltest.Bad{
			bad("servers", func(o *Options) { o.Servers = nil }),
			bad("servers", func(o *Options) { o.Servers = make([]string, 17) }),
			bad("servers[1]", func(o *Options) { o.Servers = append(o.Servers, "a:9093") }),
			bad("password", func(o *Options) { o.User = "me" }),
			bad("password", func(o *Options) { o.User, o.Password = "me", "open-sesame" }),
			bad("user", func(o *Options) { o.Password = "env:X" }),
			bad("bearer", func(o *Options) { o.Bearer = "open-sesame" }),
			bad("bearer", func(o *Options) { o.User, o.Password, o.Bearer = "me", "env:X", "env:X" }),
			bad("expire", func(o *Options) { o.Expire = time.Second }),
			bad("resend", func(o *Options) { o.Resend = time.Millisecond }),
			bad("labels", func(o *Options) { o.Labels = map[string]string{"a-b": "x"} }),
			bad("labels", func(o *Options) { o.Labels = map[string]string{"a": "x\ny"} }),
			bad("timeout", func(o *Options) { o.Timeout = 0 }),
			bad("title", func(o *Options) { o.Title = "{{.Foo}}" }),
		},
	})
}

// open1 opens a channel that the end of the test closes.
func open1(t *testing.T, o *Options) *feeder {
	t.Helper()
	c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{}), o)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := c.(*feeder)
	if !ok {
		t.Fatalf("%T", c)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// TestSeveralRecordingServers has one of two servers fail.
func TestSeveralRecordingServers(t *testing.T) {
	m := template.Samples()["firing"]
	for _, tt := range []struct {
		a, b      channeltest.Mood
		delivered bool
		permanent bool
		pause     time.Duration
	}{
		{channeltest.Well, channeltest.Well, true, false, 0},
		{channeltest.Broken, channeltest.Well, true, false, 0},
		{channeltest.Well, channeltest.Refusing, true, false, 0},
		{channeltest.Refusing, channeltest.Broken, false, false, 0},
		{channeltest.Refusing, channeltest.Busy, false, false, channeltest.Pause},
		{channeltest.Refusing, channeltest.Refusing, false, true, 0},
	} {
		a, b := channeltest.NewServer(t, channeltest.Moody(tt.a, nil)), channeltest.NewServer(t, channeltest.Moody(tt.b, nil))
		err := open1(t, good(a.URL, b.URL+"/prefix/")).Send(t.Context(), m)
		wait, _ := channel.Wait(err)
		if (err == nil) != tt.delivered || channel.IsPermanent(err) != tt.permanent || wait != tt.pause {
			t.Errorf("%s, %s: %v", tt.a, tt.b, err)
		}
		if len(a.Requests()) != 1 || len(b.Requests()) != 1 || b.Requests()[0].Path != "/prefix/api/v2/alerts" {
			t.Errorf("%s, %s: %d and %d requests", tt.a, tt.b, len(a.Requests()), len(b.Requests()))
		}
	}
}

// TestSeverityChangesRecordingServer holds that the alert before a change of its labels ends,
// also when the message of the change has to be sent twice.
func TestSeverityChangesRecordingServer(t *testing.T) {
	s := channeltest.NewServer(t, nil)
	f := open1(t, good(s.URL))
	send := func(m *channel.Message) []labelled.Alert {
		t.Helper()
		if err := f.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		all := s.Requests()
		var alerts []labelled.Alert
		if err := json.Unmarshal(all[len(all)-1].Body, &alerts); err != nil {
			t.Fatal(err)
		}
		return alerts
	}
	m := template.Samples()["firing"]
	if got := send(m); len(got) != 1 || time.Until(got[0].EndsAt) < 23*time.Hour {
		t.Errorf("%+v", got)
	}
	m.Alerts[0].Severity = tree.Warning
	s.Answer(channeltest.Moody(channeltest.Broken, nil))
	if err := f.Send(t.Context(), m); err == nil {
		t.Error("a failure is none")
	}
	s.Answer(nil)
	for range 2 {
		got := send(m)
		last := got[len(got)-1]
		if last.Labels["severity"] != "warning" || time.Until(last.EndsAt) < 23*time.Hour {
			t.Errorf("%+v", got)
		}
		if len(got) == 2 && (got[0].Labels["severity"] != "critical" || time.Until(got[0].EndsAt) > 0) {
			t.Errorf("%+v", got)
		}
	}
	if got := send(m); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	over := template.Samples()["resolved"]
	over.Alerts[0].Severity = tree.Warning
	if got := send(over); len(got) != 1 || !got[0].EndsAt.Equal(*over.Alerts[0].Resolved) {
		t.Errorf("%+v", got)
	}
}

func TestToldIsBounded(t *testing.T) {
	told, now := newTold(), time.Now()
	for i := range maxTold + 10 {
		told.put(entry{key: fmt.Sprint(i), alert: labelled.Alert{EndsAt: now.Add(time.Hour)}, over: i%2 == 0}, now)
	}
	count := func(now time.Time) (n int) {
		for _, p := range told.pieces(now) {
			n += len(p)
		}
		return n
	}
	if n := count(now); n != maxTold {
		t.Errorf("%d are kept", n)
	}
	if n := count(now.Add(retain)); n != maxTold/2 {
		t.Errorf("%d are kept of what is not over", n)
	}
	if n := count(now.Add(time.Hour)); n != 0 || len(told.byKey) != 0 {
		t.Errorf("%d, %d are kept for ever", n, len(told.byKey))
	}
}

// got is an alert as Alertmanager shows it.
type got struct {
	Labels      map[string]string
	Annotations map[string]string
	EndsAt      time.Time
	Status      struct{ State string }
}

// TestAlertmanager hands alerts to Debian's Alertmanager and asks it what it knows.
func TestAlertmanager(t *testing.T) {
	const program = "/usr/bin/prometheus-alertmanager"
	if _, err := os.Stat(program); err != nil {
		t.Skip("prometheus-alertmanager is not installed")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(config, []byte("route: { receiver: none }\nreceivers: [ { name: none } ]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + channeltest.FreePort(t)
	var server *exec.Cmd
	start := func() {
		server = exec.Command(program, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
		channeltest.Program(t, server, address)
	}
	start()
	active := func() map[string]got {
		t.Helper()
		answer, err := http.Get("http://" + address + "/api/v2/alerts?filter=" + url.QueryEscape(`manager="grove"`))
		if err != nil {
			return nil // It is being started.
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		var all []got
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		byPath := map[string]got{}
		for _, a := range all {
			byPath[a.Labels["path"]+a.Labels["group"]] = a
		}
		return byPath
	}
	await := func(what string, done func(map[string]got) bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for late := time.Now().Add(2 * time.Minute); !done(active()); <-tick.C {
			if time.Now().After(late) {
				t.Fatalf("%s: %+v", what, active())
			}
		}
	}
	o := good("http://" + address)
	o.Resend = time.Second
	f := open1(t, o)
	samples := template.Samples()
	m := samples["firing, many"]
	opened := time.Now().Add(-time.Minute)
	m.Alerts = m.Alerts[:2]
	m.Alerts[1].Key = "a3b1"
	for i := range m.Alerts {
		m.Alerts[i].Opened = opened
	}
	send := func(m *channel.Message) {
		t.Helper()
		if err := f.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	const first, second = "/shop/web1/Connections/Active", "/shop/web1/Answer"
	send(m)
	await("firing", func(all map[string]got) bool {
		return len(all) == 2 && all[first].Status.State == "active" && all[first].Annotations["value"] == "1200" &&
			all[second].Annotations["acknowledged_by"] == "ada" && time.Until(all[first].EndsAt) > 23*time.Hour
	})
	// The severity rises: still one alert of the node.
	m.Alerts[1].Severity = tree.Critical
	send(m)
	await("a change of severity", func(all map[string]got) bool { return len(all) == 2 && all[second].Labels["severity"] == "critical" })
	// What forgets everything is told again.
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	await("the end of the server", func(all map[string]got) bool { return all == nil })
	start()
	await("a restart", func(all map[string]got) bool { return len(all) == 2 })
	over := time.Now()
	for i := range m.Alerts {
		m.Alerts[i].State, m.Alerts[i].Status, m.Alerts[i].Resolved = alert.Resolved, tree.Green, &over
	}
	m.Purpose = channel.Resolution
	send(m)
	await("resolved", func(all map[string]got) bool { return all != nil && len(all) == 0 })

	announced := samples["announcement"]
	announced.Time = time.Now()
	send(announced)
	await("an announcement", func(all map[string]got) bool {
		return len(all) == 1 && strings.HasPrefix(all[announced.Group].Annotations["summary"], "maintenance")
	})
	send(channeltest.HostileMessage())
}
