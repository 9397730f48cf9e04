package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"grove/tree"
	"grove/tree/grant"
)

func get(e *Exporter, target string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", target, nil).WithContext(grant.With(context.Background(), grant.Anonymous))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result()
}

// unpack reads an answer and undoes its coding.
func unpack(t *testing.T, res *http.Response) string {
	t.Helper()
	var r io.Reader = res.Body
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCodingIsNegotiated(t *testing.T) {
	for header, want := range map[string]coding{
		"":                        identity,
		"identity":                identity,
		"gzip":                    gzipped,
		"GZIP":                    gzipped,
		"x-gzip":                  gzipped,
		"zstd":                    zstded,
		"gzip, deflate, br, zstd": gzipped,
		"zstd, gzip":              gzipped,
		"zstd;q=1, gzip;q=0.5":    zstded,
		"gzip;q=0":                identity,
		"gzip;q=0, *":             identity,
		"*":                       gzipped,
		"*;q=0":                   identity,
		"br, zstd;q=0":            identity,
		"gzip;q=2":                identity,
	} {
		if got := negotiateCoding(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestEveryCodingSaysTheSame(t *testing.T) {
	// The tree is large enough for many chunks, and has a line longer than one.
	tr := newTree(t)
	long := strings.Repeat("long ", 3*chunkBytes/5)
	spec := &tree.Spec{Kind: tree.Performance, Metric: "odd_metric", Labels: map[string]string{"note": long}}
	for i := range 3000 {
		s := &tree.Spec{Kind: tree.Performance}
		if i == 1000 {
			s = spec
		}
		ref, err := tr.Add(tree.MustPath(fmt.Sprintf("/many/of/%d", i)), s)
		if err != nil {
			t.Fatal(err)
		}
		tr.Report(tree.Report{Node: ref, Value: tree.Number(float64(i)), Time: start})
	}
	tr.Flush()
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	want := write(t, e, Text, "/")
	if !strings.Contains(want, long) || len(want) < 4*chunkBytes {
		t.Fatal("the text is too short for the test")
	}
	for _, c := range []string{"identity", "gzip", "zstd"} {
		res := get(e, "/metrics", "Accept-Encoding", c)
		if got := strings.TrimPrefix(c, "identity"); res.Header.Get("Content-Encoding") != got {
			t.Errorf("%s: coding %q", c, res.Header.Get("Content-Encoding"))
		}
		if fmt.Sprint(res.ContentLength) != res.Header.Get("Content-Length") && res.ContentLength >= 0 {
			t.Errorf("%s: length %s, not %d", c, res.Header.Get("Content-Length"), res.ContentLength)
		}
		if unpack(t, res) != want {
			t.Errorf("%s: another text", c)
		}
	}
}

func TestFamiliesAreLeftOut(t *testing.T) {
	e := newExporter(t, newTree(t))
	whole := unpack(t, get(e, "/metrics", "Accept", string(OpenMetrics)))
	part := unpack(t, get(e, "/metrics?exclude[]=grove_node_state&exclude[]=http_requests_total&exclude[]=grove_test_seconds", "Accept", string(OpenMetrics)))
	var want []string
	for line := range strings.Lines(whole) {
		if !strings.Contains(line, "grove_node_state") && !strings.Contains(line, "http_requests") && !strings.Contains(line, "grove_test_seconds") {
			want = append(want, line)
		}
	}
	if d := cmp.Diff(strings.Join(want, ""), part); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := get(e, "/metrics?"+strings.Repeat("exclude[]=x&", maxExclude+1)).StatusCode; got != http.StatusBadRequest {
		t.Errorf("too many families: %d", got)
	}
}

func TestScrapesWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := guarded(tree.New(tree.Options{}))
		o.Concurrent = 1
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		answers := make(chan int)
		ask := func(ctx context.Context) {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil).WithContext(grant.With(ctx, grant.Anonymous)))
			answers <- w.Code
		}
		e.slots <- struct{}{}
		go ask(t.Context())
		synctest.Wait()
		<-e.slots
		if got := <-answers; got != http.StatusOK {
			t.Errorf("after waiting: %d", got)
		}

		e.slots <- struct{}{}
		begin := time.Now()
		go ask(t.Context())
		if got := <-answers; got != http.StatusServiceUnavailable || time.Since(begin) != maxWait {
			t.Errorf("when no turn comes: %d after %s", got, time.Since(begin))
		}
		gone, cancel := context.WithCancel(t.Context())
		go ask(gone)
		synctest.Wait()
		cancel()
		if got := <-answers; got != http.StatusServiceUnavailable {
			t.Errorf("a scraper that went: %d", got)
		}

		begin = time.Now()
		for range maxWaiting {
			go ask(t.Context())
		}
		synctest.Wait()
		go ask(t.Context())
		if got := <-answers; got != http.StatusServiceUnavailable || time.Since(begin) != 0 {
			t.Errorf("beyond the bound: %d after %s", got, time.Since(begin))
		}
		for range maxWaiting {
			<-answers
		}
	})
}

// TestManyScrapersSeeOneTree scrapes from many sides while the tree changes: each
// answer must be whole, and must say of each node what it was at some moment.
func TestManyScrapersSeeOneTree(t *testing.T) {
	tr := tree.New(tree.Options{})
	var refs []tree.Ref
	for i := range 200 {
		ref, err := tr.Add(tree.MustPath(fmt.Sprintf("/a/n%d", i)), &tree.Spec{Kind: tree.Performance})
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	set := func(v float64) {
		var batch []tree.Reading
		for _, r := range refs {
			batch = append(batch, tree.Reading{Node: r, Value: v})
		}
		tr.Apply(batch)
		tr.Flush()
	}
	set(1)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr, Concurrent: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				accept := []Format{Text, OpenMetrics}[i%2]
				res := get(e, []string{"/metrics", "/metrics?path=/a"}[i/2%2], "Accept", string(accept), "Accept-Encoding", []string{"gzip", ""}[i/4])
				text := unpack(t, res)
				values := map[string]int{}
				for line := range strings.Lines(text) {
					if strings.HasPrefix(line, "grove_node_value{") {
						values[line[strings.LastIndexByte(line, ' ')+1:]]++
					}
				}
				if len(values) != 1 {
					t.Errorf("values of different moments in one answer: %v", values)
				}
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			set(float64(i + 2))
			if err := tr.Change(tree.Add(tree.MustPath(fmt.Sprintf("/a/x%d", i)), &tree.Spec{Kind: tree.State})); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}

// TestUnchangedTextIsKept changes what a row remembers of how its value is written: a
// scrape must use it while the value stays, and write it anew when it changes.
func TestUnchangedTextIsKept(t *testing.T) {
	tr := tree.New(tree.Options{})
	ref, err := tr.Add(tree.MustPath("/a"), &tree.Spec{Kind: tree.Performance})
	if err != nil {
		t.Fatal(err)
	}
	report := func(v float64) {
		tr.Report(tree.Report{Node: ref, Value: tree.Number(v)})
		tr.Flush()
	}
	report(0.125)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	has := func(want string) {
		t.Helper()
		if text := write(t, e, Text, "/"); !strings.Contains(text, "grove_node_value{path=\"/a\"} "+want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	has("0.125")
	copy(e.table.rows[1].text[:], "9.125")
	report(0.125)
	has("9.125")
	report(0.25)
	has("0.25")
}

func TestLongestNumberFits(t *testing.T) {
	for _, v := range []float64{-2.2250738585072014e-308, -1.7976931348623157e+308, -5e-324, -1.2345678901234567e-300} {
		if b := appendNumber(nil, v); len(b) > maxNumber {
			t.Errorf("%s has %d bytes", b, len(b))
		}
	}
}

func TestChunksAreWritten(t *testing.T) {
	var out bytes.Buffer
	page := &kept{}
	w := newWriter(page, &table{}, Text)
	want := ""
	for i := range 40_000 {
		line := fmt.Sprintf("line %d\n", i)
		want += line
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	w.end()
	if page.bytes != len(want) || len(page.chunks) < 5 {
		t.Errorf("%d bytes in %d chunks", page.bytes, len(page.chunks))
	}
	if err := page.send(&out); err != nil || out.String() != want {
		t.Errorf("another text, %v", err)
	}
}
