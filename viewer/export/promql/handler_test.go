package promql

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"grove/tree/history/promql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canned is an engine that answers the same to everything, and notes what it was asked.
type canned struct {
	result *promql.Result
	err    error
	asked  []string
}

func (c *canned) note(format string, args ...any) {
	c.asked = append(c.asked, fmt.Sprintf(format, args...))
}

func (c *canned) Instant(_ context.Context, q promql.Query, at time.Time) (*promql.Result, error) {
	c.note("instant %+v at %s", q, at.Format(time.RFC3339Nano))
	return c.result, c.err
}

func (c *canned) Range(_ context.Context, q promql.Query, from, to time.Time, step time.Duration) (*promql.Result, error) {
	c.note("range %+v from %s to %s step %s", q, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano), step)
	return c.result, c.err
}

func (c *canned) Series(_ context.Context, f promql.Find) ([]promql.Labels, []string, error) {
	c.note("series %q %v", f.Matching, f.Scope)
	return []promql.Labels{{{Name: "__name__", Value: "a\"\x01é\xff"}}}, []string{"cut"}, c.err
}

func (c *canned) LabelNames(_ context.Context, f promql.Find) ([]string, []string, error) {
	c.note("names %d", f.Limit)
	return []string{}, nil, c.err
}

func (c *canned) LabelValues(_ context.Context, name string, f promql.Find) ([]string, []string, error) {
	c.note("values of %s", name)
	return []string{"a", "b"}, nil, c.err
}

func (c *canned) Metadata(_ context.Context, metric string, limit, perMetric int) map[string][]promql.Metadata {
	c.note("metadata of %q %d %d", metric, limit, perMetric)
	return map[string][]promql.Metadata{"b": {{Type: "gauge", Help: "<B>", Unit: ""}}, "a": {}}
}

func (c *canned) Format(q string) (string, error) { return "formatted " + q, c.err }
func (c *canned) Check(string) error              { return c.err }
func (c *canned) Now() time.Time                  { return time.Unix(1000, 0).UTC() }

func newHandler(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func do(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, target, r)
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestAnswersInFull(t *testing.T) {
	vector := &promql.Result{Type: promql.Vector, Series: []promql.Series{
		{Labels: promql.Labels{{Name: "a", Value: "x"}, {Name: "b", Value: "<y>"}}, Points: []promql.Point{{Time: 1234005, Value: math.NaN()}}},
		{Points: []promql.Point{{Time: -1500, Value: math.Inf(-1)}}},
	}, Warnings: []string{"w"}, Infos: []string{"i"}}
	matrix := &promql.Result{Type: promql.Matrix, Series: []promql.Series{{Points: []promql.Point{{Time: 1000, Value: 0.1}, {Time: 2000, Value: 1e21}, {Time: 2010, Value: 1e-7}}}}}
	for name, c := range map[string]struct {
		engine               *canned
		method, target, body string
		status               int
		want, asked          string
	}{
		"vector": {&canned{result: vector}, "GET", "/prometheus/api/v1/query?query=up", "", 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"x","b":"<y>"},"value":[1234.005,"NaN"]},{"metric":{},"value":[-1.500,"-Inf"]}]},"warnings":["w"],"infos":["i"]}`,
			`instant {Expr:up Scope:[] Timeout:0s Lookback:0s Limit:0 Stats:false} at 1970-01-01T00:16:40Z`},
		"matrix, posted": {&canned{result: matrix}, "POST", "/api/v1/query_range", "query=up&start=1.5&end=1970-01-01T00:00:05Z&step=1m30s&timeout=5&limit=3&lookback_delta=2m&stats=all", 200,
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"0.1"],[2,"1e+21"],[2.010,"1e-07"]]}]}}`,
			`range {Expr:up Scope:[] Timeout:5s Lookback:2m0s Limit:3 Stats:true} from 1970-01-01T00:00:01.5Z to 1970-01-01T00:00:05Z step 1m30s`},
		"no series": {&canned{result: &promql.Result{Type: promql.Vector}}, "GET", "/prometheus/api/v1/query?query=up&time=0", "", 200,
			`{"status":"success","data":{"resultType":"vector","result":[]}}`, `instant {Expr:up Scope:[] Timeout:0s Lookback:0s Limit:0 Stats:false} at 1970-01-01T00:00:00Z`},
		"scalar": {&canned{result: &promql.Result{Type: promql.Scalar, Scalar: promql.Point{Time: 5, Value: 2}}}, "GET", "/prometheus/api/v1/query?query=2&timeout=0", "", 200,
			`{"status":"success","data":{"resultType":"scalar","result":[0.005,"2"]}}`, `instant {Expr:2 Scope:[] Timeout:1ns Lookback:0s Limit:0 Stats:false} at 1970-01-01T00:16:40Z`},
		"text with stats": {&canned{result: &promql.Result{Type: promql.String, Text: "x\ny", Stats: &promql.Stats{Total: 0.5, SamplesPeak: 3, SamplesRead: 4, SamplesQueried: 5}}}, "GET", `/prometheus/api/v1/query?query="x"&stats=1`, "", 200,
			`{"status":"success","data":{"resultType":"string","result":[0,"x\ny"],"stats":{"timings":{"evalTotalTime":0,"resultSortTime":0,"queryPreparationTime":0,"innerEvalTime":0,"execQueueTime":0,"execTotalTime":0.5},"samples":{"totalQueryableSamples":5,"samplesRead":4,"peakSamples":3}}}}`,
			`instant {Expr:"x" Scope:[] Timeout:0s Lookback:0s Limit:0 Stats:true} at 1970-01-01T00:16:40Z`},
		"series": {&canned{}, "GET", "/prometheus/api/v1/series?match[]=a&match[]=b&path=/shop&path=/db", "", 200,
			`{"status":"success","data":[{"__name__":"a\"\u0001é\ufffd"}],"warnings":["cut"]}`, `series ["a" "b"] [/shop /db]`},
		"labels":     {&canned{}, "POST", "/prometheus/api/v1/labels", "limit=7", 200, `{"status":"success","data":[]}`, `names 7`},
		"values":     {&canned{}, "GET", "/prometheus/api/v1/label/__name__/values", "", 200, `{"status":"success","data":["a","b"]}`, `values of __name__`},
		"metadata":   {&canned{}, "GET", "/prometheus/api/v1/metadata?metric=m&limit=2&limit_per_metric=1", "", 200, `{"status":"success","data":{"a":[],"b":[{"type":"gauge","help":"<B>","unit":""}]}}`, `metadata of "m" 2 1`},
		"format":     {&canned{}, "GET", "/prometheus/api/v1/format_query?query=x", "", 200, `{"status":"success","data":"formatted x"}`, ``},
		"exemplars":  {&canned{}, "GET", "/prometheus/api/v1/query_exemplars?query=x", "", 200, `{"status":"success","data":[]}`, ``},
		"rules":      {&canned{}, "GET", "/prometheus/api/v1/rules?type=alert", "", 200, `{"status":"success","data":{"groups":[]}}`, ``},
		"alerts":     {&canned{}, "GET", "/prometheus/api/v1/alerts", "", 200, `{"status":"success","data":{"alerts":[]}}`, ``},
		"healthy":    {&canned{}, "GET", "/prometheus/-/healthy", "", 200, "grove is healthy.\n", ``},
		"ready":      {&canned{}, "GET", "/prometheus/-/ready", "", 200, "grove is ready.\n", ``},
		"bad time":   {&canned{}, "GET", "/prometheus/api/v1/query?query=up&time=NaN", "", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": invalid time value for 'time': cannot parse \"NaN\" to a valid timestamp"}`, ``},
		"no start":   {&canned{}, "GET", "/prometheus/api/v1/query_range?query=up", "", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"start\": cannot parse \"\" to a valid timestamp"}`, ``},
		"bad step":   {&canned{}, "GET", "/prometheus/api/v1/query_range?query=up&start=1&end=2&step=1e30", "", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": cannot parse \"1e30\" to a valid duration. It overflows int64"}`, ``},
		"bad limit":  {&canned{}, "GET", "/prometheus/api/v1/labels?limit=-1", "", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": limit must be non-negative"}`, ``},
		"bad path":   {&canned{}, "GET", "/prometheus/api/v1/query?query=up&path=/a//b", "", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"path\": malformed path \"/a//b\": empty name"}`, ``},
		"bad form":   {&canned{}, "GET", "/prometheus/api/v1/query?query=%zz", "", 400, `{"status":"error","errorType":"bad_data","error":"error parsing form values: invalid URL escape \"%zz\""}`, ``},
		"long form":  {&canned{}, "POST", "/prometheus/api/v1/query", "query=" + strings.Repeat("x", MaxFormBytes), 413, `{"status":"error","errorType":"bad_data","error":"the form has more than 262144 bytes, which is the bound"}`, ``},
		"long query": {&canned{}, "GET", "/prometheus/api/v1/query?query=" + strings.Repeat("x", MaxFormBytes), "", 400, `{"status":"error","errorType":"bad_data","error":"the query string has 262150 bytes, and 262144 is the bound"}`, ``},
		"unknown":    {&canned{}, "GET", "/prometheus/api/v1/admin/tsdb/delete_series", "", 404, `{"status":"error","errorType":"not_found","error":"there is nothing at this address of the Prometheus interface"}`, ``},
		"no values":  {&canned{}, "GET", "/prometheus/api/v1/label", "", 404, `{"status":"error","errorType":"not_found","error":"there is nothing at this address of the Prometheus interface"}`, ``},
		"top":        {&canned{}, "GET", "/prometheus", "", 404, `{"status":"error","errorType":"not_found","error":"there is nothing at this address of the Prometheus interface"}`, ``},
		"method":     {&canned{}, "POST", "/prometheus/api/v1/metadata", "x=y", 405, `{"status":"error","errorType":"bad_data","error":"POST is not served here, only GET"}`, ``},
		"options":    {&canned{}, "OPTIONS", "/prometheus/api/v1/query", "", 204, ``, ``},
		"execution":  {&canned{err: &promql.Error{Kind: promql.Execution, Err: errors.New("no")}}, "GET", "/prometheus/api/v1/series?match[]=a", "", 422, `{"status":"error","errorType":"execution","error":"no"}`, `series ["a"] []`},
		"timeout":    {&canned{err: &promql.Error{Kind: promql.Timeout, Err: errors.New("late")}}, "GET", "/prometheus/api/v1/labels", "", 503, `{"status":"error","errorType":"timeout","error":"late"}`, `names 0`},
		"not ready":  {&canned{err: &promql.Error{Kind: promql.Unavailable, Err: errors.New("soon")}}, "GET", "/prometheus/api/v1/labels", "", 503, `{"status":"error","errorType":"unavailable","error":"soon"}`, `names 0`},
		"internal":   {&canned{err: &promql.Error{Kind: promql.Internal, Err: errors.New("disk")}}, "GET", "/prometheus/api/v1/labels", "", 500, `{"status":"error","errorType":"internal","error":"disk"}`, `names 0`},
		"unforeseen": {&canned{err: errors.New("secret")}, "GET", "/prometheus/api/v1/labels", "", 500, `{"status":"error","errorType":"internal","error":"the server made a mistake; its log says more"}`, `names 0`},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(newHandler(t, Options{Engine: c.engine}), c.method, c.target, c.body)
			if d := cmp.Diff(c.want, w.Body.String()); d != "" || w.Code != c.status {
				t.Errorf("status %d, -want +got\n%s", w.Code, d)
			}
			if d := cmp.Diff(c.asked, strings.Join(c.engine.asked, "\n")); d != "" {
				t.Errorf("asked: -want +got\n%s", d)
			}
		})
	}
}

func TestReadersLearnWhatTheyMayAsk(t *testing.T) {
	w := do(newHandler(t, Options{Engine: &canned{}, Revision: "abc"}), "GET", "/prometheus/api/v1/status/buildinfo", "")
	var got struct {
		Status string
		Data   map[string]string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "success" || got.Data["version"] != promql.Version || got.Data["revision"] != "abc" {
		t.Errorf("%+v", got)
	}
}

func TestNotReadySaysWhy(t *testing.T) {
	w := do(newHandler(t, Options{Engine: &canned{}, Ready: func() error { return errors.New("the history is being read") }}), "GET", "/prometheus/-/ready", "")
	if w.Code != 503 || w.Body.String() != "the history is being read\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLongAnswersAreCompressedAndWhole(t *testing.T) {
	r := &promql.Result{Type: promql.Matrix, Series: []promql.Series{{}}}
	for i := range 11000 {
		r.Series[0].Points = append(r.Series[0].Points, promql.Point{Time: int64(i) * 1000, Value: float64(i)})
	}
	h := newHandler(t, Options{Engine: &canned{result: r}})
	target := "/prometheus/api/v1/query?query=up"
	whole := do(h, "GET", target, "").Body.String()
	w := do(h, "GET", target, "", "Accept-Encoding", "br, gzip;q=0.5")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > len(whole)/3 {
		t.Fatalf("%v, %d of %d bytes", w.Header(), w.Body.Len(), len(whole))
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || string(b) != whole || !json.Valid(b) {
		t.Errorf("%v, %d of %d bytes", err, len(b), len(whole))
	}
	if w := do(h, "GET", target, "", "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("gzip was refused and sent")
	}
}

func TestPathsAreTheScope(t *testing.T) {
	for name, c := range map[string]struct{ asked, want string }{
		"nothing said": {"", "[] true"},
		"a part":       {"/shop", "[/shop] false"},
		"two":          {"/shop /db", "[/shop /db] false"},
		"everything":   {"/", "[/] false"},
	} {
		t.Run(name, func(t *testing.T) {
			var got promql.Scope
			engine := &canned{result: &promql.Result{Type: promql.Vector}}
			form := url.Values{"query": {"up"}, "path": strings.Fields(c.asked)}
			if w := do(newHandler(t, Options{Engine: &scoped{engine, &got}}), "GET", "/prometheus/api/v1/query?"+form.Encode(), ""); w.Code != 200 {
				t.Fatal(w.Body)
			}
			if s := fmt.Sprint(got, got == nil); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
}

// scoped notes what a question is about.
type scoped struct {
	*canned
	got *promql.Scope
}

func (s *scoped) Instant(ctx context.Context, q promql.Query, at time.Time) (*promql.Result, error) {
	*s.got = q.Scope
	return s.canned.Instant(ctx, q, at)
}

// FuzzDuration holds durations to Prometheus' own reading of them.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"0", "1h30m", "1.5", "5m1h", "1y1w1d1h1m1s1ms", "292y", "293y", "-1", "1", "", "NaN", "1e300", "1_0s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseDuration(s)
		want, wantErr := model.ParseDuration(s)
		if wantErr == nil && (err != nil || got != time.Duration(want)) {
			t.Errorf("%q: %v, %v, want %v", s, got, err, time.Duration(want))
		}
		if wantErr != nil && err == nil && !strings.ContainsAny(s, "0123456789") {
			t.Errorf("%q is %v", s, got)
		}
	})
}

// FuzzTime holds that a time which is read can be written and read again.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"0", "-1.5", "1772366407.123", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.123+01:00", "NaN", "1e300", "-9223309901257974", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTime(s)
		if err != nil {
			return
		}
		if again, err := parseTime(fmt.Sprintf("%d.%03d", got.Unix(), got.Nanosecond()/1e6)); got.Unix() >= 0 && got.Unix() < 1<<40 && (err != nil || again.UnixMilli() != got.UnixMilli()) {
			t.Errorf("%q: %v, again %v, %v", s, got, again, err)
		}
	})
}

// FuzzForm holds that whatever is asked, the answer is JSON in one of the two shapes.
func FuzzForm(f *testing.F) {
	f.Add("query", "query=up&time=1", true)
	f.Add("query_range", "query=up&start=1&end=2&step=1", false)
	f.Add("series", "match[]=up&path=/x&limit=3", false)
	f.Add("label/x/values", "start=a", false)
	f.Add("metadata", "limit=%zz", false)
	h := newHandler(f, Options{Engine: &canned{result: &promql.Result{Type: promql.Matrix, Series: []promql.Series{{Points: []promql.Point{{Value: 1}}}}}}})
	f.Fuzz(func(t *testing.T, name, form string, post bool) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: "/prometheus/api/v1/" + name, RawQuery: form}
		if post {
			r = httptest.NewRequest("POST", "/", strings.NewReader(form))
			r.URL = &url.URL{Path: "/prometheus/api/v1/" + name}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var got struct{ Status, ErrorType, Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		if (got.Status == "success") != (w.Code == 200) || (got.Status == "error") != (got.ErrorType != "" && got.Error != "") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
