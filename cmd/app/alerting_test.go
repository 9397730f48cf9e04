package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/cmd/app"
	"grove/tree/alert"
)

// alarm is a manager with one node, whose alerts go to a server of the test.
type alarm struct {
	*testing.T
	app       *app.App
	data, dir string
	hook      *httptest.Server

	mu  sync.Mutex
	got []string // purpose of each message
}

func newAlarm(t *testing.T) *alarm {
	w := &alarm{T: t, data: t.TempDir(), dir: t.TempDir()}
	w.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Purpose string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.got = append(w.got, m.Purpose)
	}))
	t.Cleanup(w.hook.Close)
	for file, text := range map[string]string{
		filepath.Join(w.dir, "shop.yaml"): "grove: 1\napplication: shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push, red: \"> 10\" }\n",
		filepath.Join(w.data, "alerts.yaml"): "channels: { hook: { kind: webhook, url: \"" + w.hook.URL + "\" } }\n" +
			"routes: [ { name: all, when: { under: /shop }, to: hook, group: { wait: 0s } } ]\nalerts: { settle: 1ms }\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *alarm) start() {
	w.Helper()
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: w.data, Definitions: w.dir, NoHost: true})
	if err != nil {
		w.Fatal(err)
	}
	w.app = a
	a.Start()
}

func (w *alarm) stop() {
	w.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := w.app.Stop(context.Background()); err != nil {
		w.Error(err)
	}
}

// call asks the manager, and decodes the answer into something unless that is nil.
func (w *alarm) call(method, path, body string, into any) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://"+w.app.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		w.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			w.Fatalf("%s %s: %s: %v", method, path, text, err)
		}
	}
}

func (w *alarm) push(value string) {
	w.Helper()
	w.call(http.MethodPost, "/api/v1/readings", `{"path": "/shop/Load", "value": `+value+`}`, nil)
}

// until waits for something to become true.
func (w *alarm) until(what string, ok func() bool) {
	w.Helper()
	for limit := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(limit) {
			w.Fatalf("not within two minutes: %s", what)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-w.Context().Done():
		}
	}
}

// alerts are those of the shop.
func (w *alarm) alerts(query string) []alert.Alert {
	w.Helper()
	var page alert.Page
	w.call(http.MethodGet, "/api/v1/alerts?under=/shop"+query, "", &page)
	return page.Alerts
}

func (w *alarm) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.got, " ")
}

// A fault is told once, also over a restart, and its end, also when that comes while
// nobody watches.
func TestAnAlertOverARestart(t *testing.T) {
	w := newAlarm(t)
	w.push("20")
	w.until("it is told", func() bool { return w.told() == "firing" })
	before := w.alerts("")
	if len(before) != 1 || before[0].State != alert.Open || before[0].Threshold != "> 10" {
		t.Fatalf("%+v", before)
	}
	w.stop()
	w.start()
	w.until("the alerts are read", func() bool { return len(w.alerts("")) == 1 })
	if after := w.alerts(""); after[0].ID != before[0].ID || after[0].Key != before[0].Key {
		t.Errorf("another alert after a restart: %+v", after)
	}
	w.push("1")
	w.until("its end is told", func() bool { return w.told() == "firing resolved" })
	if over := w.alerts("&state=resolved"); len(over) != 1 || over[0].ID != before[0].ID {
		t.Errorf("%+v", over)
	}
	var entries struct {
		Entries []struct{ Kind, Path, Text string }
	}
	w.call(http.MethodGet, "/api/v1/journal?kind=alert&path=/shop", "", &entries)
	lines := ""
	for _, e := range entries.Entries {
		lines += e.Path + " " + e.Text + "\n"
	}
	for _, want := range []string{"/shop/Load told hook: firing\n", "/shop/Load told hook: resolved\n"} {
		if !strings.Contains(lines, want) {
			t.Errorf("the journal does not have %q:\n%s", want, lines)
		}
	}
}

// What a client of SAP's monitoring acknowledges is acknowledged for everybody.
func TestAnAcknowledgementByCCMSCounts(t *testing.T) {
	w := newAlarm(t)
	w.push("20")
	w.until("it is an alert", func() bool { return len(w.alerts("")) == 1 })
	var bean struct{ Value any }
	if w.call(http.MethodGet, "/jolokia/read/grove:type=Alerts/Open", "", &bean); bean.Value != 1.0 {
		t.Errorf("the bean counts %v", bean.Value)
	}
	var list struct {
		Alerts []struct{ AID, Path string }
	}
	w.until("CCMS has it", func() bool { w.call(http.MethodGet, "/ccms/v1/alerts", "", &list); return len(list.Alerts) > 0 })
	for _, a := range list.Alerts {
		if a.Path == "/shop/Load" {
			w.call(http.MethodPost, "/ccms/v1/alerts/acknowledge", `{"AID": ["`+a.AID+`"], "by": "erika", "comment": "seen"}`, nil)
		}
	}
	w.until("it is acknowledged", func() bool {
		all := w.alerts("&state=acknowledged")
		return len(all) == 1 && all[0].Ack.By == "anonymous" && all[0].Ack.Comment == "seen"
	})
}

// grove's own tree shows the channels of the file, and lets them go with it.
func TestChannelsAreShown(t *testing.T) {
	w := newAlarm(t)
	w.push("20")
	state := func(path string) string {
		var n struct{ Value any }
		r, err := http.Get("http://" + w.app.Addr().String() + "/api/v1/nodes" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != http.StatusOK {
			return r.Status
		}
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Fatal(err)
		}
		text, _ := n.Value.(string)
		return text
	}
	w.until("the channel works", func() bool { return state("/grove/Outbox/Channels/hook/State") == "working" })
	if err := os.WriteFile(filepath.Join(w.data, "alerts.yaml"), []byte("routes: [ { name: all, to: hock } ]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.until("the file is wrong", func() bool { return strings.Contains(state("/grove/Alerts/File"), `no channel, person or rota "hock"`) })
	if got := state("/grove/Outbox/Channels/hook/State"); got != "working" {
		t.Errorf("while the file is wrong the channel is %q", got)
	}
	if err := os.WriteFile(filepath.Join(w.data, "alerts.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.until("the channel is gone", func() bool { return strings.HasPrefix(state("/grove/Outbox/Channels/hook/State"), "404") })
	w.until("the file is good", func() bool { return state("/grove/Alerts/File") == "working" })
}
