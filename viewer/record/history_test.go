package record_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store/journal"
	"grove/viewer/record"
)

// shop is a world with a node that had a minute of readings, turned yellow and red, and
// was silent since.
func shop(t *testing.T) *world {
	w := grow(t)
	level := w.add(t, "/shop/Level", tree.Spec{Kind: tree.Performance, Unit: "%", Threshold: &tree.Threshold{Yellow: tree.AboveLevel(10, 10), Red: tree.AboveLevel(20, 20)}})
	for i, v := range []float64{1, 3, 12, 25} {
		w.read(level, time.Duration(i)*15*time.Second, v)
	}
	w.sync(t)
	w.at.Store(noon.Add(time.Minute).UnixMilli())
	return w
}

func TestHistoryOfANode(t *testing.T) {
	w := shop(t)
	w.says(t, "GET", "/api/v1/history?path=/shop/Level&from=2026-03-02T12:00:00Z&to=2026-03-02T12:01:00Z&points=3", nil, 200,
		`{"path":"/shop/Level","kind":"performance","unit":"%","from":"2026-03-02T12:00:00.000Z","to":"2026-03-02T12:01:00.000Z","step_seconds":30,`+
			`"points":[{"time":"2026-03-02T12:00:00.000Z","min":1,"max":3,"avg":2,"last":3,"count":2},{"time":"2026-03-02T12:00:30.000Z","min":12,"max":25,"avg":18.5,"last":25,"count":2}],`+
			`"statuses":[{"from":"2026-03-02T12:00:00.000Z","to":"2026-03-02T12:00:30.000Z","status":"green"},{"from":"2026-03-02T12:00:30.000Z","to":"2026-03-02T12:00:45.000Z","status":"yellow"},`+
			`{"from":"2026-03-02T12:00:45.000Z","to":"2026-03-02T12:01:00.000Z","status":"red"}]}`)
	status, text, header := w.ask(t, "GET", "/api/v1/history?path=/shop/Level&from=-1m&to=2026-03-02T12:01:00Z&points=3&format=csv", nil)
	want := "time,min,max,avg,last,count\n2026-03-02T12:00:00.000Z,1,3,2,3,2\n2026-03-02T12:00:30.000Z,12,25,18.5,25,2"
	if status != 200 || text != want || header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || header.Get("Content-Disposition") != `attachment; filename="history.csv"` || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s\n%v", status, text, header)
	}
	// A node that is gone has its past, without what only it could tell.
	if err := w.tree.Change(tree.Remove(tree.MustPath("/shop"))); err != nil {
		t.Fatal(err)
	}
	s := decode[record.Series](t, w, "GET", "/api/v1/history?path=/shop/Level&from=-1m&to=2026-03-02T12:01:00Z", nil)
	if s.Kind != "" || s.Unit != "" || len(s.Statuses) == 0 || len(s.Points) == 0 {
		t.Errorf("%+v", s)
	}
}

func TestHistoryRefuses(t *testing.T) {
	w := shop(t)
	for name, c := range map[string]struct {
		query  string
		status int
		detail string
	}{
		"unknown node":        {"path=/shop/Nothing", 404, `no such node: /shop has no "Nothing"`},
		"bad path":            {"path=/a~9", 400, `malformed path "/a~9": "~" must be followed by 0 or 1`},
		"no path":             {"", 422, "validation failed"},
		"from no time":        {"path=/shop/Level&from=yesterday", 400, `from: "yesterday" is neither a time such as 2026-03-01T12:00:00Z, nor how long ago, such as -24h, nor now`},
		"to no duration":      {"path=/shop/Level&to=-3w3", 400, `to: "3w3" is no duration, such as 30m, 24h or 7d`},
		"the wrong way round": {"path=/shop/Level&from=now&to=-1h", 400, "from 2026-03-02T12:01:00.000Z is not before to 2026-03-02T11:01:00.000Z"},
		"too many points":     {"path=/shop/Level&points=5001", 422, "validation failed"},
		"no points":           {"path=/shop/Level&points=0", 422, "validation failed"},
		"another format":      {"path=/shop/Level&format=xml", 422, "validation failed"},
		"unknown parameter":   {"path=/shop/Level&pionts=1", 422, "validation failed"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text, header := w.ask(t, "GET", "/api/v1/history?"+c.query, nil)
			if status != c.status || detail(text) != c.detail || header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", status, text)
			}
		})
	}
}

func TestHistoryThatIsNotReady(t *testing.T) {
	w := shop(t)
	if err := w.samples.Close(); err != nil {
		t.Fatal(err)
	}
	status, text, header := w.ask(t, "GET", "/api/v1/history?path=/shop/Level", nil)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("%d %s %v", status, text, header)
	}
}

func TestJournalIsSearched(t *testing.T) {
	w := shop(t)
	entries := []journal.Entry{
		{Time: noon.Add(50 * time.Second), Path: tree.MustPath("/shop/Log"), Kind: journal.Event, To: tree.Red, Text: "Out of memory"},
		{Time: noon.Add(51 * time.Second), Path: tree.Root, Kind: journal.Manager, From: tree.Green, To: tree.White, Text: "grove stops"},
		{Time: noon.Add(50 * time.Second), Path: tree.Root, Kind: journal.Manager, From: tree.Green, To: tree.Green},
	}
	if err := w.journal.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	status, text, _ := w.ask(t, "GET", "/api/v1/journal?path=/shop/Level&status=red", nil)
	var found record.Journaled
	if err := json.Unmarshal([]byte(text), &found); err != nil || status != 200 || len(found.Entries) != 1 {
		t.Fatalf("%d %s", status, text)
	}
	found.Entries[0].ID = ""
	one, err := json.Marshal(found.Entries[0])
	want := `{"id":"","time":"2026-03-02T12:00:45.000Z","kind":"status","path":"/shop/Level","from":"yellow","to":"red","value":25,"unit":"%"}`
	if err != nil || string(one) != want {
		t.Errorf("got  %s\nwant %s", one, want)
	}
	list := func(query string) (lines []string) {
		for _, e := range decode[record.Journaled](t, w, "GET", "/api/v1/journal?"+query, nil).Entries {
			lines = append(lines, e.Kind+" "+e.Path+" "+e.To+" "+e.Text)
		}
		return lines
	}
	for query, want := range map[string][]string{
		"kind=event,manager":            {"manager / white grove stops", "event /shop/Log red Out of memory"},
		"kind=event&kind=manager":       {"event /shop/Log red Out of memory"}, // Lists are separated by commas.
		"text=OUT+OF":                   {"event /shop/Log red Out of memory"},
		"path=/shop/Level&order=oldest": {"status /shop/Level green ", "status /shop/Level yellow ", "status /shop/Level red "},
		"path=/shop&only=true&limit=1":  {"status /shop red "},
		"from=-5s":                      nil,
		"from=-10s&to=-9s":              {"event /shop/Log red Out of memory"},
	} {
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestJournalIsPaged(t *testing.T) {
	w := shop(t)
	whole := decode[record.Journaled](t, w, "GET", "/api/v1/journal?order=oldest", nil)
	var got []record.Entry
	pages, next := 0, ""
	for {
		page := decode[record.Journaled](t, w, "GET", "/api/v1/journal?order=oldest&limit=2&after="+url.QueryEscape(next), nil)
		got = append(got, page.Entries...)
		pages++
		w.at.Add(1000) // "-24h" is another time for each page
		if next = page.Next; next == "" {
			break
		}
	}
	if pages != (len(whole.Entries)+1)/2 && pages != len(whole.Entries)/2+1 || len(whole.Entries) < 5 {
		t.Errorf("%d pages of %d entries", pages, len(whole.Entries))
	}
	same := cmp.Comparer(func(a, b tree.Value) bool { return a.String() == b.String() })
	if diff := cmp.Diff(whole.Entries, got, same); diff != "" {
		t.Error(diff)
	}
}

func TestJournalRefuses(t *testing.T) {
	w := grow(t)
	for query, want := range map[string]string{
		"path=/a~9":   `malformed path "/a~9": "~" must be followed by 0 or 1`,
		"from=x":      `from: "x" is neither a time such as 2026-03-01T12:00:00Z, nor how long ago, such as -24h, nor now`,
		"kind=death":  "validation failed",
		"status=blue": "validation failed",
		"limit=0":     "validation failed",
		"limit=10001": "validation failed",
		"after=%00x":  "after: that is no next of a page before",
		"after=1.2.x": "",
	} {
		status, text, _ := w.ask(t, "GET", "/api/v1/journal?"+query, nil)
		if status != 400 && status != 422 || want != "" && detail(text) != want {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
}
