package cloudevents

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/tree/grant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var moment = time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)

func statusChanged(k int64, path, to string) beans.Notification {
	return beans.Notification{
		Type: "grove.status.changed", Source: beans.MustName("grove:type=Tree"), Sequence: k, Time: moment,
		Message: path + " went to " + to, Data: map[string]beans.Value{"path": path, "to": to, "value": math.NaN()},
	}
}

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		n    beans.Notification
		want string
	}{
		"a change of status": {statusChanged(7, "/shop/web 1", "red"), `{"specversion":"1.0","id":"run-7","source":"grove://web1/beans/grove:type=Tree",` +
			`"type":"grove.status.changed","subject":"/shop/web 1","datacontenttype":"application/json","time":"2026-03-01T12:00:00.005Z",` +
			`"data":{"message":"/shop/web 1 went to red","sequence":7,"data":{"path":"/shop/web 1","to":"red","value":"NaN"}},"severitynumber":17,"severitytext":"ERROR"}`},
		"of a node's own bean": {beans.Notification{Type: "jmx.attribute.change", Source: beans.MustName(`grove:type=Node,path="/a/b"`), Sequence: 1, Time: moment,
			Data: beans.AttributeChange{Attribute: "Value", Type: beans.TypeFloat, Old: 1.5, New: math.Inf(1)}},
			`{"specversion":"1.0","id":"run-1","source":"grove://web1/beans/grove:type=Node%2Cpath=%22%2Fa%2Fb%22","type":"jmx.attribute.change","subject":"/a/b",` +
				`"datacontenttype":"application/json","time":"2026-03-01T12:00:00.005Z","data":{"message":"","sequence":1,"data":{"attribute":"Value","new":"+Inf","old":1.5,"type":"` + string(beans.TypeFloat) + `"}}}`},
		"of texts that are none": {beans.Notification{Type: "a", Source: beans.MustName("grove:type=X"), Sequence: 2, Time: moment, Message: "\xff<script>",
			Data: beans.Table{{"e": errors.New("bad"), "n": beans.MustName("a:b=c"), "l": []beans.Value{int64(1), nil}}}},
			`{"specversion":"1.0","id":"run-2","source":"grove://web1/beans/grove:type=X","type":"a","datacontenttype":"application/json","time":"2026-03-01T12:00:00.005Z",` +
				`"data":{"message":"�\u003cscript\u003e","sequence":2,"data":[{"e":"bad","l":[1,null],"n":"a:b=c"}]}}`},
	} {
		e, err := Of(&c.n, "web1", "run")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(indented(t, []byte(c.want)), indented(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func indented(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, _ := json.MarshalIndent(v, "", " ")
	return string(out)
}

func TestLargeDataIsLeftOut(t *testing.T) {
	n := beans.Notification{Type: "a", Source: beans.MustName("grove:type=X"), Time: moment, Message: strings.Repeat("é", MaxDataBytes), Data: "x"}
	e, err := Of(&n, "web1", "run")
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Data()) > MaxDataBytes || e.Extensions()["datatruncated"] != true {
		t.Errorf("%d bytes of data, extensions %v", len(e.Data()), e.Extensions())
	}
}

// listener reads a stream as HTML says ("9.2.6 Interpreting an event stream").
type listener struct {
	t      *testing.T
	body   io.ReadCloser
	lines  *bufio.Scanner
	lastID string
}

func listen(t *testing.T, url, lastID string) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(a.Body)
		t.Fatalf("%s %s: %s", a.Status, a.Header.Get("Content-Type"), text)
	}
	l := &listener{t: t, body: a.Body, lines: bufio.NewScanner(a.Body), lastID: lastID}
	l.next() // the id at the beginning
	return l
}

// next returns the event's name and data; both are empty for a block without data.
func (l *listener) next() (name, data string) {
	l.t.Helper()
	for l.lines.Scan() {
		line := l.lines.Text()
		if line == "" {
			return name, data
		}
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "id":
			l.lastID = value
		case "event":
			name = value
		case "data":
			data = value
		}
	}
	return "end", ""
}

// message returns the message of the next event.
func (l *listener) message() string {
	l.t.Helper()
	name, data := l.next()
	if name != "" {
		return name + " " + data
	}
	var e event.Event
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		l.t.Fatalf("%s: %v", data, err)
	}
	if err := e.Validate(); err != nil {
		l.t.Fatal(err)
	}
	var p payload
	if err := e.DataAs(&p); err != nil {
		l.t.Fatal(err)
	}
	return p.Message
}

func TestStream(t *testing.T) {
	s := newStream(t, Options{Manager: "web1", Ring: 8})
	server := httptest.NewServer(as(s, grant.Anonymous))
	defer server.Close()
	defer s.Close(context.Background()) // else the server would wait for those who listen
	all := listen(t, server.URL, "")
	some := listen(t, server.URL+"?path=/shop&type=grove.status&type=x", "")
	for k, path := range []string{"/shopping", "/shop", "/other", "/shop/web"} {
		s.Publish(statusChanged(int64(k), path, "green"))
		if got, want := all.message(), path+" went to green"; got != want {
			t.Errorf("all: %q, want %q", got, want)
		}
	}
	s.Publish(beans.Notification{Type: "timer", Source: beans.MustName("grove:type=Timer"), Message: "tick"})
	for _, want := range []string{"/shop went to green", "/shop/web went to green"} {
		if got := some.message(); got != want {
			t.Errorf("some: %q, want %q", got, want)
		}
	}
	again := listen(t, server.URL, all.lastID)
	if got := again.message(); got != "tick" {
		t.Errorf("who comes back gets %q first, want the one that it missed", got)
	}
	for k := range 10 {
		s.Publish(statusChanged(int64(k), "/late", "red"))
	}
	late := listen(t, server.URL, all.lastID)
	if got := late.message(); got != `lost {"lost":3}` {
		t.Errorf("who was away for too long is told %q", got)
	}
	if got := late.message(); got != "/late went to red" {
		t.Errorf("and then gets %q", got)
	}
	stranger := listen(t, server.URL, "another.5")
	if got := stranger.message(); got != `lost {"lost":0,"restarted":true}` {
		t.Errorf("who comes from another life of the manager is told %q first", got)
	}
	if got := stranger.message(); got != `lost {"lost":7}` {
		t.Errorf("who comes from another life of the manager is told %q", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		if name, _ := all.next(); name == "end" {
			break
		}
	}
}

func TestRefused(t *testing.T) {
	s := newStream(t, Options{Clients: 1})
	server := httptest.NewServer(as(s, grant.Anonymous))
	defer server.Close()
	defer s.Close(context.Background()) // else the server would wait for those who listen
	for query, want := range map[string]string{
		"?path=/a//b": `400 malformed path "/a//b": empty name`,
		"?nodes=1":    `400 unknown parameter "nodes": type and path are known`,
		"?" + strings.Repeat("type=a&", MaxTypes+1): "400 33 prefixes of types, and the bound is 32",
	} {
		if got := get(t, server.URL+query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	listen(t, server.URL, "")
	if got, want := get(t, server.URL), "503 1 clients listen to events, which is the bound"; got != want {
		t.Errorf("one too many: %q, want %q", got, want)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, _ := io.ReadAll(a.Body)
	return fmt.Sprint(a.StatusCode, " ", strings.TrimSpace(string(text)))
}

// TestKeepAlive sees that proxies have something to pass on while nothing happens.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t, Options{})
		w := &flushed{ResponseRecorder: httptest.NewRecorder()}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.ServeHTTP(w, httptest.NewRequestWithContext(grant.With(ctx, grant.Anonymous), http.MethodGet, "/", nil))
		}()
		time.Sleep(2*keepAlive + time.Second)
		cancel()
		<-done
		if got := strings.Count(w.Body.String(), "\n:\n"); got != 2 {
			t.Errorf("%d comments in two periods: %q", got, w.Body)
		}
	})
}

// flushed is a ResponseRecorder of one client.
type flushed struct{ *httptest.ResponseRecorder }

// FlushError implements what http.ResponseController looks for.
func (f *flushed) FlushError() error { return nil }
