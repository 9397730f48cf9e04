package center

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/maintenance"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// world is a manager with one node, and a server to which its channels post.
type world struct {
	*testing.T
	c      *Center
	tree   *tree.Tree
	file   string
	server *httptest.Server

	mu   sync.Mutex
	got  []string // "/path: title" of each message
	news chan struct{}
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, file: filepath.Join(t.TempDir(), "alerts.yaml"), news: make(chan struct{}, 1)}
	w.server = httptest.NewServer(http.HandlerFunc(w.take))
	t.Cleanup(w.server.Close)
	facts := storetest.SQLite(t).Open(t)
	j := journal.New(journal.Options{Store: facts})
	var c *Center
	w.tree = tree.New(tree.Options{
		Statuses: func(changes []tree.StatusChange) { c.Book.Statuses(changes) },
		Names:    func(changes []tree.NameChange) { c.Book.Names(changes) },
	})
	dialer := &net.Dialer{}
	c = New(Options{
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)),
		Tree: w.tree, Store: facts, Journal: j, File: w.file,
		World: &channel.World{
			Manager: "test", URL: "http://grove.example", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Dial: dialer.DialContext,
			Secret: func(ref string) (string, error) { return "", errors.New("there are no secrets here") }, CheckSecret: func(string) error { return errors.New("it is no reference") },
		},
	})
	w.c = c
	if err := w.tree.Change(tree.Add(tree.MustPath("/shop/load"), &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(10, 10)}})); err != nil {
		t.Fatal(err)
	}
	return w
}

// take notes what a channel posts.
func (w *world) take(_ http.ResponseWriter, r *http.Request) {
	var m struct{ Title string }
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.Error(err)
	}
	w.mu.Lock()
	w.got = append(w.got, r.URL.Path+": "+m.Title)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// says writes the file; HOOK is the address of the server.
func (w *world) says(text string) {
	w.Helper()
	if err := os.WriteFile(w.file, []byte(strings.ReplaceAll(text, "HOOK", w.server.URL)), 0o600); err != nil {
		w.Fatal(err)
	}
}

// begin runs the center until the test ends.
func (w *world) begin() {
	w.Helper()
	if err := w.c.Begin(w.Context()); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.c.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
}

// reads gives the node a reading.
func (w *world) reads(v float64) {
	w.Helper()
	ref, _ := w.tree.Lookup(tree.MustPath("/shop/load"))
	if w.tree.Report(tree.Report{Node: ref, Value: tree.Number(v)}) != 1 {
		w.Fatal("no report")
	}
	w.tree.Flush()
}

// posted waits for a message whose path and title begin so.
func (w *world) posted(begin string) {
	w.Helper()
	limit := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		for _, line := range w.got {
			if strings.HasPrefix(line, begin) {
				w.mu.Unlock()
				return
			}
		}
		all := strings.Join(w.got, "\n")
		w.mu.Unlock()
		select {
		case <-w.news:
		case <-limit:
			w.Fatalf("no message %q; there are:\n%s", begin, all)
		}
	}
}

const good = `
channels:
  hook: { kind: webhook, url: "HOOK/one" }
  ada: { kind: webhook, url: "HOOK/ada" }
people: { ada: { channels: [ada] } }
on_call: { dba: { otherwise: [ada] } }
routes: [ { name: all, to: [hook, dba], group: { wait: 0s } } ]
alerts: { settle: 1ms, recover: 1ms }
`

// From the file over the tree, the book, the routes and the outbox to what a server gets;
// a file that is wrong changes nothing, and one that is mended counts at once.
func TestFromTheFileToTheMessage(t *testing.T) {
	w := newWorld(t)
	w.says(good)
	w.begin()
	w.reads(20)
	w.posted("/one: ")
	w.posted("/ada: ")
	w.says(strings.Replace(good, "to: [hook, dba]", "to: [hock]", 1))
	if err := w.c.Reload(); err == nil || !strings.Contains(err.Error(), "hock") {
		t.Errorf("a wrong file is taken: %v", err)
	}
	if s := w.c.State(); len(s.Errors) == 0 || !s.There || len(w.c.Settings().Routes) != 1 || w.c.Settings().Routes[0].To[0] != "hook" {
		t.Errorf("with a wrong file: %+v", s)
	}
	w.says(strings.Replace(good, "HOOK/one", "HOOK/two", 1))
	if err := w.c.Reload(); err != nil {
		t.Fatal(err)
	}
	w.reads(1)
	w.posted("/two: ") // that it is over, by the channel as it is now
	if err := w.c.Test(t.Context(), "hook", "ada"); err != nil {
		t.Error(err)
	}
	w.posted("/two: Test of channel hook")
	if err := w.c.Test(t.Context(), "hock", "ada"); !channel.IsPermanent(err) {
		t.Errorf("a channel that is not there: %v", err)
	}
}

// The watch sees a change of the file by itself.
func TestTheFileIsWatched(t *testing.T) {
	w := newWorld(t)
	w.begin() // no file: nothing is said
	if s := w.c.State(); s.There || len(s.Errors) > 0 {
		t.Errorf("without a file: %+v", s)
	}
	w.says(good)
	for limit := time.Now().Add(2 * time.Minute); len(w.c.Settings().Routes) == 0; {
		if time.Now().After(limit) {
			t.Fatal("the file is not read")
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

func TestMaintenanceHoldsBack(t *testing.T) {
	w := newWorld(t)
	w.says(good)
	w.begin()
	now := time.Now()
	made, err := w.c.Calendar.Add(t.Context(), maintenance.Window{
		Name: "move", At: []tree.Path{tree.MustPath("/shop")}, Start: now.Add(-time.Minute), For: maintenance.Duration(time.Hour), Announce: maintenance.Duration(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.posted("/one: Maintenance of /shop begins: move")
	w.reads(20)
	if err := w.c.Book.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := w.c.Book.Search(t.Context(), alert.Query{})
	if err != nil || len(page.Alerts) != 1 || page.Alerts[0].State != alert.Suppressed || page.Alerts[0].Suppression.Reason != alert.ByMaintenance ||
		!strings.HasPrefix(page.Alerts[0].Suppression.Text, `maintenance "move" until `) {
		t.Fatalf("%+v, %v", page.Alerts, err)
	}
	if err := w.c.Calendar.End(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	w.posted("/one: Maintenance of /shop is over: move")
	w.posted("/one: RED")
}

// What waits for a channel that left the file becomes a dead letter rather than waiting
// for ever.
func TestAChannelThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.says(good)
	w.begin()
	if err := w.c.Outbox.Stop(t.Context(), "hook"); err != nil {
		t.Fatal(err)
	}
	w.reads(20)
	w.posted("/ada: ")
	w.says(strings.NewReplacer("  hook: { kind: webhook, url: \"HOOK/one\" }\n", "", "[hook, dba]", "[dba]").Replace(good))
	if err := w.c.Reload(); err != nil {
		t.Fatal(err)
	}
	page, err := w.c.Outbox.List(t.Context(), outbox.Query{State: outbox.Dead})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Channel != "hook" {
		t.Errorf("%+v, %v", page.Messages, err)
	}
}

// A file that is wrong when grove starts, or that is away for a while, makes no dead
// letters of what waits for its channels.
func TestWhatWaitsOutlivesTheFile(t *testing.T) {
	w := newWorld(t)
	body := []byte(`{"title":"owed"}`)
	if err := w.c.Outbox.Add(t.Context(), outbox.Message{Key: "owed", Channel: "hook", Persistent: true, Title: "owed", Body: body}); err != nil {
		t.Fatal(err)
	}
	w.says("channels: [")
	w.begin()
	dead := func() {
		t.Helper()
		page, err := w.c.Outbox.List(t.Context(), outbox.Query{State: outbox.Dead})
		if err != nil || len(page.Messages) > 0 {
			t.Errorf("dead letters: %+v, %v", page.Messages, err)
		}
	}
	dead()
	w.says(good)
	if err := w.c.Reload(); err != nil {
		t.Fatal(err)
	}
	w.posted("/one: owed")
	dead()

	if err := os.Remove(w.file); err != nil {
		t.Fatal(err)
	}
	for range 2 { // however often it is looked for
		if err := w.c.Reload(); !errors.Is(err, errVanished) {
			t.Errorf("a file that is gone: %v", err)
		}
	}
	if s := w.c.State(); s.There || len(w.c.Settings().Routes) != 1 {
		t.Errorf("without the file: %+v", s)
	}
	w.reads(20)
	w.posted("/one: RED")
	dead()
	w.says("")
	if err := w.c.Reload(); err != nil || len(w.c.Settings().Routes) > 0 {
		t.Errorf("an empty file: %v", err)
	}
}

// The file is read again and again while statuses change and people test channels: what is
// told last is that all is over.
func TestReloadsInAStorm(t *testing.T) {
	w := newWorld(t)
	w.says(good)
	w.begin()
	var others sync.WaitGroup
	others.Go(func() {
		for i := range 30 {
			text := good
			if i%2 == 0 {
				text = strings.NewReplacer("  hook: { kind", "  more: { kind: webhook, url: \"HOOK/more\" }\n  hook: { title: \"{{ .Title }} again\", kind", "to: [hook, dba]", "to: [hook, more]").Replace(good) +
					"maintenance: [ { name: w, at: [/other], start: \"22:00\", for: 1h, repeat: daily } ]\n"
			}
			w.says(text)
			if err := w.c.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	others.Go(func() {
		for range 30 {
			_ = w.c.Test(t.Context(), "hook", "ada") // It may be changed at this moment.
			w.c.Outbox.Stats()
			w.c.Router.Explain(alert.Alert{Path: tree.MustPath("/shop/load"), Status: tree.Red, State: alert.Open}, time.Now())
		}
	})
	for i := range 60 {
		w.reads(float64(1 + i%2*20))
	}
	others.Wait()
	w.reads(1)
	if err := w.c.Book.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.c.Book.Counts(nil)[alert.Open]; n > 1 { // The one that flaps may stay open for a while.
		t.Errorf("%d alerts are open", n)
	}
}

// until waits until a condition holds.
func (w *world) until(what string, holds func() bool) {
	w.Helper()
	limit := time.After(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			w.Fatalf("not within two minutes: %s", what)
		}
	}
}

// What people were told is known, by kind and node, and what was told to be over, too.
func TestSaid(t *testing.T) {
	w := newWorld(t)
	w.says("channels: { hook: { kind: webhook, url: \"HOOK/hook\" } }\nroutes: [ { name: all, to: [hook], group: { wait: 0s } } ]\nalerts: { settle: 10ms }\n")
	w.begin()
	said := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range w.c.Said() {
			text := s.Path.String() + " " + string(s.Kind) + " " + s.Status.String()
			if s.Over {
				text += " over"
			}
			got = append(got, text)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("people were told %q, not %q", got, want)
		}
	}
	w.reads(5)
	said()
	w.reads(50)
	w.posted("/hook: RED")
	w.until("it is known that people were told", func() bool { return len(w.c.Said()) == 1 })
	said("/shop/load status red")
	w.reads(5)
	w.posted("/hook: RESOLVED")
	w.until("it is known that they were told the end", func() bool { s := w.c.Said(); return len(s) == 1 && s[0].Over })
	said("/shop/load status red over")
}
