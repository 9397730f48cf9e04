package bean_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer/bean"
)

// stream is a client of notifications.
type stream struct {
	status int
	lines  *bufio.Reader
}

// listen begins a stream, which the test's end ends.
func (w *world) listen(t *testing.T, name string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+about(bean.NotificationsPath, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); answer.Body.Close() })
	s := &stream{answer.StatusCode, bufio.NewReader(answer.Body)}
	if s.status != 200 {
		cancel()
		answer.Body.Close()
		return s
	}
	for range 3 { // retry, a comment, and the line between
		if _, err := s.lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// next returns the next event as "event data".
func (s *stream) next(t *testing.T) string {
	t.Helper()
	event := "message"
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch field, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "event":
			event = rest
		case "data":
			return event + " " + rest
		}
	}
}

// told is the next event as an Event.
func (s *stream) told(t *testing.T) (e bean.Event) {
	t.Helper()
	text := s.next(t)
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "message ")), &e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func TestNotificationsOfOneBean(t *testing.T) {
	w := grow(t)
	s := w.listen(t, "test:type=Fan")
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w.fan.Emit(beans.Notification{Type: "test.turned", Time: at, Message: "once round", Data: beans.AttributeChange{Attribute: "Speed", Type: beans.TypeInt, Old: int64(1), New: int64(2)}})
	want := bean.Event{
		Type: "test.turned", Source: "test:type=Fan", Sequence: 1, Time: "2026-03-02T12:00:00.000Z", Message: "once round",
		Data: map[string]any{"attributeName": "Speed", "attributeType": "int64", "oldValue": 1.0, "newValue": 2.0},
	}
	if diff := cmp.Diff(want, s.told(t)); diff != "" {
		t.Error(diff)
	}
}

// TestDropsAreTold emits more than the queue of a client holds while nobody takes any.
func TestDropsAreTold(t *testing.T) {
	w := grow(t)
	s := w.listen(t, "test:type=Fan")
	for range 200 { // A burst each time, until one was too much.
		for i := range 5000 {
			w.fan.Emit(beans.Notification{Type: "test.turned", Message: fmt.Sprint(i)})
		}
		for {
			text := s.next(t)
			var lost struct{ Lost uint64 }
			if strings.HasPrefix(text, "lost ") {
				if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "lost ")), &lost); err != nil || lost.Lost == 0 {
					t.Errorf("%s: %v", text, err)
				}
				return
			}
			if strings.Contains(text, `"message":"4999"`) {
				break
			}
		}
	}
	t.Error("nothing was lost in a million")
}

// TestPatternFollowsRights listens to everything as somebody who sees a part.
func TestPatternFollowsRights(t *testing.T) {
	w := grow(t)
	w.as(t, "viewer /shop/a")
	s := w.listen(t, "*:*")
	change := func(path string) beans.Notification {
		return beans.Notification{Type: monitor.TypeStatusChanged, Source: treeName, Sequence: 9, Message: path, Data: map[string]beans.Value{"path": path}}
	}
	w.bus.publish(beans.Notification{Type: "test.turned", Source: beans.MustName("test:type=Fan")}, 0)
	w.bus.publish(change("/bank/cpu"), 0)
	w.bus.publish(change("/shop/a/cpu"), 7)
	if got := s.next(t); got != "lost {}" {
		t.Errorf("got %s", got)
	}
	want := bean.Event{Type: monitor.TypeStatusChanged, Source: nodeName("/shop/a/cpu"), Path: "/shop/a/cpu", Message: "/shop/a/cpu", Data: map[string]any{"path": "/shop/a/cpu"}}
	if diff := cmp.Diff(want, s.told(t)); diff != "" {
		t.Error(diff)
	}

	w.as(t)
	s = w.listen(t, `grove:type=Node,path="/bank*"`)
	w.bus.publish(change("/shop/a/cpu"), 0)
	w.bus.publish(change("/bank/cpu"), 7)
	if got := s.next(t); got != `lost {"lost":7}` {
		t.Errorf("got %s", got)
	}
	if e := s.told(t); e.Path != "/bank/cpu" {
		t.Errorf("got %v", e)
	}
}

// TestGroupsOfTheirOwn hears the change of a group, of which the bus does not tell.
func TestGroupsOfTheirOwn(t *testing.T) {
	w := grow(t)
	s := w.listen(t, nodeName("/shop"))
	ref, _ := w.tree.Lookup(tree.MustPath("/shop"))
	w.nodes.Publish([]tree.StatusChange{{Ref: ref, Path: tree.MustPath("/shop"), From: tree.Green, To: tree.Red}})
	if e := s.told(t); e.Path != "/shop" || e.Source != nodeName("/shop") {
		t.Errorf("got %v", e)
	}
}

// TestLoggedOutHearsNothing ends the stream of somebody who is not who he was.
func TestLoggedOutHearsNothing(t *testing.T) {
	w := grow(t)
	var out atomic.Bool
	w.asks = &grant.Subject{Name: "ada", Grants: []grant.Grant{grant.Everything}, Valid: func() bool { return !out.Load() }}
	s := w.listen(t, "test:type=Fan")
	w.fan.Emit(beans.Notification{Type: "test.turned"})
	s.told(t)
	out.Store(true)
	w.fan.Emit(beans.Notification{Type: "test.turned", Message: "secret"})
	if line, err := s.lines.ReadString(0); err == nil || strings.Contains(line, "secret") {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestStreamsAreRefused(t *testing.T) {
	w := grow(t, func(o *bean.Options) { o.Listeners = 2 })
	for address, want := range map[string]int{
		about(bean.NotificationsPath, "test:type=Fax"):                        404,
		about(bean.NotificationsPath, "x"):                                    400,
		bean.NotificationsPath:                                                400,
		about(bean.NotificationsPath, "test:type=Fan") + "&name=b:type=Other": 400,
		about(bean.NotificationsPath, "test:type=Fan") + "&kind=x":            400,
	} {
		if status, text := w.ask(t, "GET", address, nil, nil); status != want || !strings.Contains(text, `"detail"`) {
			t.Errorf("%s: %d, want %d: %s", address, status, want, text)
		}
	}
	if status, _ := w.ask(t, "POST", about(bean.NotificationsPath, "test:type=Fan"), nil, nil); status != 405 {
		t.Errorf("POST: %d", status)
	}
	if _, err := w.beans.Register(silent{}, beans.MustName("test:type=Silent")); err != nil {
		t.Fatal(err)
	}
	if status, text := w.ask(t, "GET", about(bean.NotificationsPath, "test:type=Silent"), nil, nil); status != 409 || !strings.Contains(text, "emits no notifications") {
		t.Errorf("a silent bean: %d %s", status, text)
	}
	w.listen(t, "test:type=Fan")
	w.listen(t, "*:*")
	if status, text := w.ask(t, "GET", about(bean.NotificationsPath, "*:*"), nil, nil); status != 503 || !strings.Contains(text, "2 clients listen to beans, which is the bound") {
		t.Errorf("the third: %d %s", status, text)
	}
	w.asks = grant.Nobody
	if status, _ := w.ask(t, "GET", about(bean.NotificationsPath, "*:*"), nil, nil); status < 400 {
		t.Errorf("nobody: %d", status)
	}
}

// silent is a bean that emits nothing.
type silent struct{ beans.Bean }

func (silent) Info() beans.Info { return beans.Info{ClassName: "test.Silent"} }

// TestGoneIsTold unregisters the bean that somebody listens to.
func TestGoneIsTold(t *testing.T) {
	w := grow(t)
	s := w.listen(t, "test:type=Fan")
	if err := w.beans.Unregister(beans.MustName("test:type=Fan")); err != nil {
		t.Fatal(err)
	}
	if got := s.next(t); got != "gone {}" {
		t.Errorf("got %s", got)
	}
}
