package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree/metric"
)

func xSeconds(path string) metric.Series {
	return metric.Series{Name: "x_seconds", Labels: []metric.Label{{Name: "path", Value: path}}}
}

// TestRealStoresAreReadBack holds the points that are read from a store to those that
// the ledger's samples make.
func TestRealStoresAreReadBack(t *testing.T) {
	for name, s := range realStores(t) {
		t.Run(name, func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("%s is not installed", name)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s.t, s.program, s.dir, s.address = t, program, filepath.Join(t.TempDir(), "data"), l.Addr().String()
			_ = l.Close()
			s.start()
			defer func() { s.kill() }()
			h := newHistory(t, nil)
			h.next += 137 // Samples between the borders of the points.
			begin := time.UnixMilli(h.next - 137)
			h.write(200, 2)
			h.next += 300_000 // A gap of five minutes.
			h.write(200, 2)
			h.run(h.options(Target{Name: "store", URL: "http://" + s.address + s.write})).idle(t, 800)

			r, err := NewReader(Source{URL: "http://" + s.address, Labels: map[string]string{"grove_manager": "m1"}}, nil, "test")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			end := begin.Add(700*time.Second + 500*time.Millisecond)
			step := 7005 * time.Millisecond
			want := merged(h.wrote[path(1)], begin, end, step)
			var got []Point
			until(t, "the store shows everything", func() bool {
				if _, err := ask(t, "http://"+s.address, end); err != nil {
					t.Fatal(err)
				}
				if got, err = r.Points(t.Context(), xSeconds(path(1)), begin, end, 100); err != nil {
					t.Fatal(err)
				}
				return len(got) == len(want) && got[len(got)-1].Count == want[len(want)-1].Count
			})
			if d := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9*math.Abs(a) })); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if got, err := r.Points(t.Context(), xSeconds("/nowhere"), begin, end, 10); err != nil || len(got) != 0 {
				t.Errorf("of nothing: %v, %v", got, err)
			}
		})
	}
}

// merged makes points of samples.
func merged(samples map[int64]float64, from, to time.Time, step time.Duration) []Point {
	var all []Point
	for t := from; t.Before(to); t = t.Add(step) {
		p := Point{Time: t.UTC(), Min: math.Inf(1), Max: math.Inf(-1)}
		newest := int64(0)
		for at, v := range samples {
			if at < t.UnixMilli() || at >= t.Add(step).UnixMilli() {
				continue
			}
			p.Min, p.Max, p.Avg, p.Count = min(p.Min, v), max(p.Max, v), p.Avg+v, p.Count+1
			if at > newest {
				newest, p.Last = at, v
			}
		}
		if p.Count > 0 {
			p.Avg /= float64(p.Count)
			all = append(all, p)
		}
	}
	return all
}

func TestReadingIsBounded(t *testing.T) {
	var asked []string
	answer := func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = append(asked, r.URL.Path+" "+r.Form.Get("query")+" "+r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": []any{}}})
	}
	from := time.UnixMilli(1_000_000)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		change  func(*Source)
		to      time.Time
		buckets int
		want    string // a part of the error; empty: none
	}{
		"fine":            {answer, func(*Source) {}, from.Add(time.Hour), 10, ""},
		"backwards":       {answer, func(*Source) {}, from, 10, "read from the store: the end is not after the beginning"},
		"too many points": {answer, func(*Source) {}, from.Add(time.Hour), MaxBuckets + 1, "read from the store: 1 to 10000 points, not 10001"},
		"too long":        {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 2000)) }, func(s *Source) { s.MaxBytes = 1000 }, from.Add(time.Hour), 10, "the answer has more than 1000 bytes, which is the bound"},
		"too late": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // Else the server does not see that the client goes.
			<-r.Context().Done()
		}, func(s *Source) { s.Timeout = 10 * time.Millisecond }, from.Add(time.Hour), 10, "context deadline exceeded"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, func(*Source) {}, from.Add(time.Hour), 10, "302"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, func(*Source) {}, from.Add(time.Hour), 10, "read from the store: "},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(422)
			fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"too much"}`)
		}, func(*Source) {}, from.Add(time.Hour), 10, "read from the store: execution: too much"},
		"another form": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`)
		}, func(*Source) {}, from.Add(time.Hour), 10, "read from the store: it answers with a scalar of another form than was asked for"},
		"no secret is had": {answer, func(s *Source) { s.Bearer = "env:NONE" }, from.Add(time.Hour), 10, "bearer: nothing reads secrets here"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			s := Source{URL: server.URL + "/base"}
			c.change(&s)
			r, err := NewReader(s, nil, "test")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			_, err = r.Points(t.Context(), xSeconds(`/a"b`), from, c.to, c.buckets)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if want := `/base/api/v1/query_range min(min_over_time(x_seconds{path="/a\"b"}[360000ms])) `; len(asked) == 0 || asked[0] != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
}
