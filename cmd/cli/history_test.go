package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/record"
)

var update = flag.Bool("update", false, "write what commands print into testdata")

// golden compares what was printed with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// stub is a server that gives fixed answers, by method and path, and remembers what it
// was asked.
type stub struct {
	*httptest.Server
	asked []string
}

func serve(t *testing.T, answers map[string]any) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
		switch answer := answers[r.Method+" "+r.URL.Path].(type) {
		case nil:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"status":404,"title":"Not Found","detail":"there is no %s"}`, r.URL.Path)
		case http.HandlerFunc:
			answer(w, r)
		case string:
			fmt.Fprint(w, answer)
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
	}))
	t.Cleanup(func() { s.Close(); http.DefaultClient.CloseIdleConnections() })
	return s
}

// run runs a command that asks the stub.
func (s *stub) run(t *testing.T, args ...string) (Exit, string, string) {
	t.Helper()
	return run(t, append(args, "--server", s.URL)...)
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func stamp(after time.Duration) string {
	return noon.Add(after).Format("2006-01-02T15:04:05.000Z07:00")
}

// waves is an hour of a node in points of a minute: a wave that grows, a gap of ten
// minutes, and statuses that go with it.
func waves(unit string) record.Series {
	s := record.Series{Path: "/shop/web1/Load", Kind: "performance", Unit: unit, From: stamp(0), To: stamp(time.Hour), Step: 60, Statuses: []record.Band{
		{From: stamp(0), To: stamp(30 * time.Minute), Status: "green"}, {From: stamp(30 * time.Minute), To: stamp(40 * time.Minute), Status: "white", Text: "no answer\x1b[2J"},
		{From: stamp(40 * time.Minute), To: stamp(50 * time.Minute), Status: "yellow"}, {From: stamp(50 * time.Minute), To: stamp(time.Hour), Status: "red"},
	}}
	for m := range 60 {
		p := record.Point{Time: stamp(time.Duration(m) * time.Minute)}
		if m < 30 || m >= 40 {
			avg := 50 + float64(m)*0.7*math.Sin(float64(m)/6)
			low, high := avg-5, avg+5
			p.Min, p.Max, p.Avg, p.Last, p.Count = &low, &high, &avg, &avg, 6
		} else if m > 30 {
			continue
		}
		s.Points = append(s.Points, p)
	}
	return s
}

func TestHistoryIsDrawn(t *testing.T) {
	flat := waves("bytes")
	for i := range flat.Points {
		if p := &flat.Points[i]; p.Count > 0 {
			v := 1536.0
			p.Min, p.Max, p.Avg, p.Last = &v, &v, &v, &v
		}
	}
	state := waves("")
	state.Kind, state.Points = "state", []record.Point{}
	silent := waves("")
	silent.Points = []record.Point{}
	merged := waves("s")
	merged.Merged, merged.MergedStep = stamp(20*time.Minute), 300
	endless := waves("")
	endless.Points[3].Max = nil // Infinite readings have no place in JSON.
	long := waves("%")
	long.From, long.To = stamp(-20*24*time.Hour), stamp(time.Hour)
	restless := waves("\x1b[5m")
	for i := range 60 {
		restless.Statuses = append(restless.Statuses, record.Band{From: stamp(time.Duration(i) * time.Minute), To: stamp(time.Duration(i+1) * time.Minute), Status: []string{"green", "red"}[i%2]})
	}
	for name, c := range map[string]struct {
		series record.Series
		args   []string
	}{
		"wave":     {waves("%"), nil},
		"colored":  {waves("%"), []string{"--color", "always"}},
		"flat":     {flat, nil},
		"state":    {state, nil},
		"silent":   {silent, nil},
		"merged":   {merged, nil},
		"infinite": {endless, nil},
		"days":     {long, nil},
		"restless": {restless, nil},
		"table":    {waves("%"), []string{"--table"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, map[string]any{"GET /api/v1/history": c.series})
			code, stdout, stderr := s.run(t, append([]string{"history", "/shop/web1/Load"}, c.args...)...)
			if code != OK || stderr != "" {
				t.Fatalf("exit code %d, %s", code, stderr)
			}
			golden(t, "history-"+name+".txt", stdout)
			if want := "GET /api/v1/history?format=json&from=-1h&path=%2Fshop%2Fweb1%2FLoad&points=83&to=now"; s.asked[0] != want {
				t.Errorf("asked %s", s.asked[0])
			}
		})
	}
}

func TestHistoryAsTheServerAnswers(t *testing.T) {
	s := serve(t, map[string]any{"GET /api/v1/history": "time,min\nx,1\n"})
	code, stdout, _ := s.run(t, "history", "/a", "--csv", "--from", "7d", "--to", "2026-03-01T12:00:00Z", "--points", "7")
	if want := "GET /api/v1/history?format=csv&from=-7d&path=%2Fa&points=7&to=2026-03-01T12%3A00%3A00Z"; code != OK || stdout != "time,min\nx,1\n" || s.asked[0] != want {
		t.Errorf("%d, %q, %s", code, stdout, s.asked)
	}
	for want, args := range map[string][]string{
		"grove: there is no /api/v1/history\n": {"history", "/a", "--server", serve(t, nil).URL},
		"grove: the answer of " + s.URL + " is no history: invalid character 'i' in literal true (expecting 'r')\n": {"history", "/a", "--server", s.URL},
		"grove: malformed path \"/a~9\": \"~\" must be followed by 0 or 1\n":                                        {"history", "/a~9"},
		"grove: no grove answers at http://127.0.0.1:1: start it with grove serve, or name another with --server\n": {"history", "/a", "--server", "http://127.0.0.1:1"},
		"grove: --table and --csv can't be used together\nTry: grove --help\n":                                      {"history", "/a", "--table", "--csv"},
		"grove: address of the server: \"ftp://x\" is not of the form http://host:port\n":                           {"history", "/a", "--server", "ftp://x"},
	} {
		code, stdout, stderr := run(t, args...)
		if code == OK || !strings.HasSuffix(stdout+stderr, want) {
			t.Errorf("%q: %d, %s%s", args, code, stdout, stderr)
		}
	}
}

func TestJournalIsPrinted(t *testing.T) {
	number := func(v float64) *viewer.Value { return &viewer.Value{Value: tree.Number(v)} }
	s := serve(t, map[string]any{"GET /api/v1/journal": record.Journaled{Next: "more", Entries: []record.Entry{
		{ID: "6", Time: stamp(6 * time.Second), Kind: "manager", Path: "/", To: "white", Text: "grove stops"},
		{ID: "5", Time: stamp(5 * time.Second), Kind: "definition", Path: "/grove/Definitions/shop", To: "green", Text: "revision 2 by anonymous: two\nlines"},
		{ID: "4", Time: stamp(4 * time.Second), Kind: "event", Path: "/shop/Log", To: "yellow", Text: "\x1b]0;evil\x07 \u202eout of memory"},
		{ID: "3", Time: stamp(3 * time.Second), Kind: "status", Path: "/shop/Size", From: "yellow", To: "red", Value: number(1 << 30), Unit: "bytes"},
		{ID: "2", Time: stamp(2 * time.Second), Kind: "status", Path: "/shop/State\x1b[31m", From: "green", To: "white", Text: "no answer"},
		{ID: "1", Time: stamp(1 * time.Second), Kind: "status", Path: "/shop", From: "white", To: "green"},
	}}})
	code, stdout, stderr := s.run(t, "journal", "/shop", "--kind", "status,event", "--status", "red", "--text", "a b", "--from", "1h", "--limit", "6")
	if code != OK || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	golden(t, "journal.txt", stdout)
	if want := "GET /api/v1/journal?from=-1h&kind=status%2Cevent&limit=6&path=%2Fshop&status=red&text=a+b&to=now"; s.asked[0] != want {
		t.Errorf("asked %s", s.asked[0])
	}
	_, colored, _ := s.run(t, "journal", "--color", "always")
	golden(t, "journal-colored.txt", colored)
	empty := serve(t, map[string]any{"GET /api/v1/journal": record.Journaled{}})
	if code, stdout, _ := empty.run(t, "journal"); code != OK || stdout != "nothing happened\n" {
		t.Errorf("%d %q", code, stdout)
	}
}
