package moment_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/viewer"
	"grove/viewer/moment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// span is a past of two hours, the first of which is merged.
type span struct{ err error }

func (s *span) Range() (from, to time.Time, err error) {
	return noon.Add(-2 * time.Hour), noon, s.err
}
func (*span) Merged() time.Time { return noon.Add(-time.Hour) }

// ask sends GET /api/v1/moments as somebody, and returns status and body.
type ask func(grants string, query ...string) (int, string)

func serve(t *testing.T) (ask, *span) {
	t.Helper()
	facts, err := store.Open(t.Context(), store.Options{Address: t.TempDir() + "/facts.db", Manager: "north"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = facts.Close() })
	now := func() time.Time { return noon }
	j := journal.New(journal.Options{Store: facts, Now: now})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = j.Run(ctx) })
	t.Cleanup(func() { cancel(); all.Wait() })
	live := tree.New(tree.Options{Now: now})
	for path, customer := range map[string]string{"/shop/a": "acme", "/shop/b": "zenith", "/bank/c": ""} {
		spec := &tree.Spec{Kind: tree.Performance, Properties: map[string]string{"customer": customer}}
		if _, err := live.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	at := func(ago time.Duration, path string, to tree.Status) journal.Entry {
		return journal.Entry{Time: noon.Add(-ago), Path: tree.MustPath(path), Kind: journal.Status, To: to}
	}
	if err := j.Append(t.Context(),
		at(3*time.Hour, "/shop/a", tree.Red), // before the history begins
		at(90*time.Minute, "/shop/a", tree.Green), at(90*time.Minute-time.Second, "/shop/b", tree.Red), at(90*time.Minute-2*time.Second, "/shop/a", tree.Yellow),
		at(90*time.Minute-time.Second, "/shop", tree.Red), at(30*time.Minute, "/shop/gone", tree.Red), at(20*time.Minute, "/bank/c", tree.White),
	); err != nil {
		t.Fatal(err)
	}
	past := &span{}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("grove", "1")
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	moment.New(moment.Options{Past: past, Journal: j, Guard: grant.NewGuard(live), Problem: viewer.Problem}).Register(humago.New(mux, config))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := grant.Nobody
		if text := r.Header.Get("Grants"); text != "" {
			who = &grant.Subject{Name: "ada"}
			for one := range strings.SplitSeq(text, ",") {
				g, err := grant.Parse(one)
				if err != nil {
					t.Error(err)
				}
				who.Grants = append(who.Grants, g)
			}
		}
		mux.ServeHTTP(w, r.WithContext(grant.With(r.Context(), who)))
	}))
	t.Cleanup(func() { server.Close(); http.DefaultClient.CloseIdleConnections() })
	return func(grants string, query ...string) (int, string) {
		t.Helper()
		q := url.Values{}
		for i := 0; i < len(query); i += 2 {
			q.Set(query[i], query[i+1])
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/moments?"+q.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Grants", grants)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, strings.TrimSpace(string(body))
	}, past
}

// TestMoments asks as different people, who see the marks of what they see.
func TestMoments(t *testing.T) {
	get, _ := serve(t)
	for name, c := range map[string]struct {
		grants string
		query  []string
		want   []string
	}{
		"everything":           {"viewer", nil, []string{"10:30:01.000 /shop red 4", "11:30:00.000 /shop/gone red 1", "11:40:00.000 /bank/c white 1"}},
		"a subtree":            {"viewer", []string{"path", "/bank"}, []string{"11:40:00.000 /bank/c white 1"}},
		"a time":               {"viewer", []string{"from", "2026-03-02T11:00:00Z", "to", "2026-03-02T11:35:00Z"}, []string{"11:30:00.000 /shop/gone red 1"}},
		"a short time":         {"viewer", []string{"from", "2026-03-02T10:30:00Z", "to", "2026-03-02T10:30:03Z"}, []string{"10:30:00.000 /shop/a green 1", "10:30:01.000 /shop red 2", "10:30:02.000 /shop/a yellow 1"}},
		"outside":              {"viewer", []string{"to", "2026-03-02T09:30:00Z", "from", "2026-03-02T08:30:00Z"}, nil},
		"one's own":            {"viewer /bank", nil, []string{"11:40:00.000 /bank/c white 1"}},
		"one's own, what was":  {"viewer /shop", nil, []string{"10:30:01.000 /shop red 4", "11:30:00.000 /shop/gone red 1"}},
		"a customer's":         {"viewer / customer=acme", nil, []string{"10:30:01.000 /shop red 3"}},
		"another customer's":   {"viewer / customer=zenith", []string{"path", "/shop/b"}, []string{"10:30:01.000 /shop/b red 1"}},
		"of nothing":           {"viewer", []string{"path", "/nowhere"}, nil},
		"the way to something": {"viewer /shop/a", []string{"path", "/shop"}, []string{"10:30:01.000 /shop red 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := get(c.grants, c.query...)
			var m moment.Moments
			if err := json.Unmarshal([]byte(body), &m); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s: %v", status, body, err)
			}
			var got []string
			for _, k := range m.Marks {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(k.Time, "2026-03-02T"), "Z")+" "+k.Path+" "+k.To+" "+string(rune('0'+k.Changes)))
			}
			// Of changes in the same millisecond any is the first.
			for i := range got {
				if name != "another customer's" {
					got[i] = strings.Replace(got[i], "/shop/b red", "/shop red", 1)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if m.From != "2026-03-02T10:00:00.000Z" || m.To != "2026-03-02T12:00:00.000Z" || m.Merged != "2026-03-02T11:00:00.000Z" || m.Some {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestMomentsRefuses(t *testing.T) {
	get, past := serve(t)
	for name, c := range map[string]struct {
		grants string
		query  []string
		status int
		want   string
	}{
		"what is hidden":   {"viewer /bank", []string{"path", "/shop/a"}, http.StatusNotFound, "/shop/a: no such node"},
		"another's past":   {"viewer / customer=acme", []string{"path", "/shop/gone"}, http.StatusNotFound, "/shop/gone: no such node"},
		"a malformed path": {"viewer", []string{"path", "a//b"}, http.StatusBadRequest, `malformed path "a//b": empty name`},
		"no time":          {"viewer", []string{"from", "yesterday"}, http.StatusUnprocessableEntity, "validation failed"},
		"backwards":        {"viewer", []string{"from", "2026-03-02T11:00:00Z", "to", "2026-03-02T11:00:00Z"}, http.StatusBadRequest, "from 2026-03-02T11:00:00.000Z is not before to 2026-03-02T11:00:00.000Z"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := get(c.grants, c.query...)
			var p struct{ Detail string }
			if err := json.Unmarshal([]byte(body), &p); err != nil || status != c.status || p.Detail != c.want {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.want)
			}
		})
	}
	// Nobody sees the root alone, and nothing below it.
	if status, body := get(""); status != http.StatusOK || !strings.Contains(body, `"marks":[]`) {
		t.Errorf("nobody gets %d %s", status, body)
	}
	past.err = errors.New("secret")
	if status, body := get("viewer"); status != http.StatusInternalServerError {
		t.Errorf("%d %s", status, body)
	}
}
