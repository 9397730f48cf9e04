package record_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
	"grove/tree/store/revision"
	"grove/viewer"
	"grove/viewer/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when tests begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is a manager's past, with a tree in front of it and REST behind it.
type world struct {
	at      atomic.Int64 // the time, Unix milliseconds
	tree    *tree.Tree
	facts   *store.Store
	samples *history.Store
	journal *journal.Journal
	audit   *audit.Log
	backups *stubBackups
	url     string
	asks    atomic.Pointer[grant.Subject]
	site    atomic.Value // of the manager
}

// as lets somebody ask who has these grants; none is everyone.
func (w *world) as(t *testing.T, texts ...string) {
	t.Helper()
	s := &grant.Subject{Name: "ada"}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	w.asks.Store(s)
}

func (w *world) now() time.Time { return time.UnixMilli(w.at.Load()) }

// grow builds a world on a real database and a real history.
func grow(t *testing.T, change ...func(*record.Options)) *world {
	t.Helper()
	w := &world{backups: &stubBackups{}}
	w.at.Store(noon.UnixMilli())
	w.asks.Store(grant.Anonymous)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if w.facts, err = store.Open(t.Context(), store.Options{Address: t.TempDir() + "/facts.db", Manager: "north", Now: w.now, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.facts.Close() })
	if w.samples, err = history.Open(history.Options{Dir: t.TempDir(), Now: w.now, MinFree: 1, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.samples.Close() })
	w.journal = journal.New(journal.Options{Store: w.facts, Now: w.now, Log: log})
	w.tree = tree.New(tree.Options{Now: w.now, Readings: w.samples.Readings, Reports: w.samples.Reports, Statuses: func(c []tree.StatusChange) {
		w.samples.Statuses(c)
		w.journal.Statuses(c)
	}})
	w.journal.Bind(w.tree)
	w.samples.Bind(w.tree)
	w.audit = audit.New(w.facts, "north", w.now)
	w.site.Store("")
	definitions := revision.New(revision.Options{Store: w.facts, Now: w.now, Site: func() string { return w.site.Load().(string) }, Log: log})
	o := record.Options{
		Tree: w.tree, Guard: grant.NewGuard(w.tree), History: w.samples, Journal: w.journal, Audit: w.audit, Backups: w.backups, Spool: t.TempDir() + "/spool",
		Definitions: definitions, ForAll: definitions.ForAll(),
		Check: func(name, text string) (faults []viewer.Fault, err error) {
			if i := strings.Index(text, "bad"); i >= 0 {
				faults = append(faults, viewer.Fault{File: name + ".yaml", Line: 2, Column: i, Message: "bad is bad"})
			}
			return faults, nil
		},
		Now: w.now, Problem: viewer.Problem, Log: log,
	}
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = w.journal.Run(ctx) })
	t.Cleanup(func() { cancel(); all.Wait() })
	mux := http.NewServeMux()
	config := huma.DefaultConfig("grove", "1")
	config.RejectUnknownQueryParameters = true
	config.CreateHooks = nil // No $schema in answers, as the server has it.
	api := humago.New(mux, config)
	records, err := record.New(o)
	if err != nil {
		t.Fatal(err)
	}
	records.Register(api)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(rw, r.WithContext(grant.With(r.Context(), w.asks.Load())))
	}))
	t.Cleanup(func() { server.Close(); http.DefaultClient.CloseIdleConnections() })
	w.url = server.URL
	return w
}

// add makes a node that is told its readings.
func (w *world) add(t *testing.T, path string, spec tree.Spec) tree.Ref {
	t.Helper()
	spec.Mode = tree.Push
	ref, err := w.tree.Add(tree.MustPath(path), &spec)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// read gives a node a reading, so long after noon.
func (w *world) read(ref tree.Ref, after time.Duration, v float64) {
	at := noon.Add(after)
	w.at.Store(at.UnixMilli())
	w.tree.Apply([]tree.Reading{{Node: ref, Value: v, Time: at.UnixNano()}})
	w.tree.Flush()
}

// sync waits until everything is kept.
func (w *world) sync(t *testing.T) {
	t.Helper()
	if err := errors.Join(w.samples.Sync(t.Context()), w.journal.Sync(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and returns status and body; a body that is no []byte is sent as
// JSON.
func (w *world) ask(t *testing.T, method, target string, body any) (int, string, http.Header) {
	t.Helper()
	kind := "application/octet-stream"
	content, isBytes := body.([]byte)
	if !isBytes && body != nil {
		kind = "application/json"
		var err error
		if content, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+target, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if content != nil {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSuffix(string(text), "\n"), res.Header
}

// says compares an answer with what is wanted, word for word.
func (w *world) says(t *testing.T, method, target string, body any, status int, want string) {
	t.Helper()
	got, text, _ := w.ask(t, method, target, body)
	if got != status || text != want {
		t.Errorf("%s %s: %d\n%s\nwant %d\n%s", method, target, got, text, status, want)
	}
}

// decode reads an answer that must be well.
func decode[T any](t *testing.T, w *world, method, target string, body any) (v T) {
	t.Helper()
	status, text, _ := w.ask(t, method, target, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, target, status, text)
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// detail is what a problem says.
func detail(text string) string {
	var p struct{ Detail string }
	_ = json.Unmarshal([]byte(text), &p) // What is none says nothing.
	return p.Detail
}

var hexSum = regexp.MustCompile(`[0-9a-f]{64}`)

// audited lists the audit log, oldest first, a line each.
func (w *world) audited(t *testing.T) (lines []string) {
	t.Helper()
	records, err := w.audit.Read(t.Context(), audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		line := strings.Join([]string{r.Who, r.Action, r.Target, r.Was, r.Became, r.Outcome}, "|")
		lines = append([]string{hexSum.ReplaceAllString(line, "HASH")}, lines...)
		if !strings.HasPrefix(r.Origin, "127.0.0.1:") {
			t.Errorf("record %d is from %q", r.Seq, r.Origin)
		}
	}
	return lines
}
