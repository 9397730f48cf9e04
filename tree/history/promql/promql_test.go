package promql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newStore returns a store with one value a minute for ten minutes in each series.
func newStore(t testing.TB) storage.Queryable {
	t.Helper()
	db, err := tsdb.Open(filepath.Join(t.TempDir(), "db"), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := db.Appender(t.Context())
	for i, l := range []labels.Labels{
		labels.FromStrings("__name__", "a_seconds", "path", "/shop/web1/answer"),
		labels.FromStrings("__name__", "a_seconds", "path", "/shop/web2/answer"),
		labels.FromStrings("__name__", "a_seconds", "path", "/shop"),
		labels.FromStrings("__name__", "b", "path", "/shopping/x", "zone", "é\"\n"),
		labels.FromStrings("__name__", "b", "path", "/a.b/x"),
		labels.FromStrings("__name__", "b", "path", "/aXb/x"),
		labels.FromStrings("__name__", "own"),
	} {
		for m := range 10 {
			if _, err := a.Append(0, l, start.Add(time.Duration(m)*time.Minute).UnixMilli(), float64(100*i+m)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	return db
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.Store == nil {
		o.Store = newStore(t)
	}
	if o.Guard == nil {
		o.Guard = grant.NewGuard(tree.New(tree.Options{}))
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// everyone lets everybody ask.
func everyone(ctx context.Context) context.Context { return grant.With(ctx, grant.Anonymous) }

func at(minutes float64) time.Time {
	return start.Add(time.Duration(minutes * float64(time.Minute)))
}

// text writes a result so that it can be compared.
func text(r *Result, err error) string {
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return "not an *Error: " + err.Error()
		}
		return string(e.Kind) + ": " + e.Error()
	}
	var b strings.Builder
	b.WriteString(string(r.Type))
	for _, s := range r.Series {
		b.WriteString(" {")
		for i, l := range s.Labels {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%s=%q", l.Name, l.Value)
		}
		b.WriteString("}")
		for _, p := range s.Points {
			fmt.Fprintf(&b, " %v@%v", p.Value, time.UnixMilli(p.Time).Sub(start).Minutes())
		}
	}
	if r.Type == Scalar || r.Type == String {
		fmt.Fprintf(&b, " %v@%v %q", r.Scalar.Value, time.UnixMilli(r.Scalar.Time).Sub(start).Minutes(), r.Text)
	}
	for _, w := range r.Warnings {
		b.WriteString(" warning: " + w)
	}
	for _, w := range r.Infos {
		b.WriteString(" info: " + w)
	}
	return b.String()
}

func TestInstant(t *testing.T) {
	e := newEngine(t, Options{})
	path := func(texts ...string) Scope {
		s := Scope{}
		for _, p := range texts {
			s = append(s, tree.MustPath(p))
		}
		return s
	}
	for name, c := range map[string]struct {
		q    Query
		want string
	}{
		"everything":                      {Query{Expr: `count({__name__=~".+"})`}, `vector {} 7@9`},
		"a scalar":                        {Query{Expr: `1/0`}, `scalar +Inf@9 ""`},
		"a text":                          {Query{Expr: `"x"`}, `string 0@9 "x"`},
		"a matrix":                        {Query{Expr: `own[2m]`}, `matrix {__name__="own"} 608@8 609@9`},
		"odd label values":                {Query{Expr: `b{zone!=""}`}, `vector {__name__="b" path="/shopping/x" zone="é\"\n"} 309@9`},
		"nothing":                         {Query{Expr: `nowhere`}, `vector`},
		"a subtree":                       {Query{Expr: `a_seconds or b or own`, Scope: path("/shop/web1")}, `vector {__name__="a_seconds" path="/shop/web1/answer"} 9@9`},
		"a subtree is no prefix of texts": {Query{Expr: `count({__name__=~".+"})`, Scope: path("/shop")}, `vector {} 3@9`},
		"a subtree is no pattern":         {Query{Expr: `b`, Scope: path("/a.b")}, `vector {__name__="b" path="/a.b/x"} 409@9`},
		"two subtrees":                    {Query{Expr: `count({__name__=~".+"})`, Scope: path("/shop/web1", "/shopping")}, `vector {} 2@9`},
		"the root":                        {Query{Expr: `count({__name__=~".+"})`, Scope: path("/nowhere", "/")}, `vector {} 7@9`},
		"outside of the subtree":          {Query{Expr: `a_seconds{path="/shop"}`, Scope: path("/shop/web1")}, `vector`},
		"around the subtree":              {Query{Expr: `a_seconds{path=~".*"} or label_replace(a_seconds, "path", "/x", "", "")`, Scope: path("/aXb")}, `vector`},
		"no subtree at all":               {Query{Expr: `own`, Scope: Scope{}}, `execution: there is nothing that this question may see`},
		"a limit":                         {Query{Expr: `sort(a_seconds)`, Limit: 1}, `vector {__name__="a_seconds" path="/shop/web1/answer"} 9@9 warning: results truncated due to limit`},
		"a short lookback":                {Query{Expr: `own offset -30s`, Lookback: 10 * time.Second}, `vector`},
		"a syntax error":                  {Query{Expr: `sum(`}, `bad_data: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`},
		"no query":                        {Query{}, `bad_data: invalid parameter "query": unknown position: parse error: no expression found in input`},
		"a long query":                    {Query{Expr: strings.Repeat("(", MaxQueryBytes+1)}, `bad_data: invalid parameter "query": 65537 bytes, and 65536 is the bound`},
		"many to many": {Query{Expr: `a_seconds + on() a_seconds`}, `execution: found duplicate series for the match group {} on the right hand-side of the operation: ` +
			`[{__name__="a_seconds", path="/shop/web2/answer"}, {__name__="a_seconds", path="/shop/web1/answer"}];many-to-many matching not allowed: matching labels must be unique on one side`},
		"a doubtful query": {Query{Expr: `rate(own[5m])`}, `vector {} 0.016666666666666666@9 info: PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "own" (1:6)`},
	} {
		t.Run(name, func(t *testing.T) {
			got := text(e.Instant(everyone(t.Context()), c.q, at(9)))
			if name == "many to many" { // The order of the two is that of a map.
				got, c.want = sortedWords(got), sortedWords(c.want)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func sortedWords(s string) string {
	if i, j := strings.Index(s, "web1"), strings.Index(s, "web2"); j < i {
		s = strings.NewReplacer("web1", "web2", "web2", "web1").Replace(s)
	}
	return s
}

func TestRange(t *testing.T) {
	e := newEngine(t, Options{})
	for name, c := range map[string]struct {
		expr     string
		from, to time.Time
		step     time.Duration
		want     string
	}{
		"points":           {`own`, at(8), at(10), time.Minute, `matrix {__name__="own"} 608@8 609@9 609@10`},
		"one point":        {`own`, at(8), at(8), time.Hour, `matrix {__name__="own"} 608@8`},
		"a gap":            {`own > 607 < 609`, at(6), at(9), time.Minute, `matrix {__name__="own"} 608@8`},
		"a scalar":         {`2`, at(0), at(1), time.Minute, `matrix {} 2@0 2@1`},
		"the past":         {`own`, at(-60), at(-30), time.Minute, `matrix`},
		"backwards":        {`own`, at(1), at(0), time.Minute, `bad_data: invalid parameter "end": end timestamp must not be before start time`},
		"no step":          {`own`, at(0), at(1), 0, `bad_data: invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer`},
		"a tiny step":      {`own`, at(0), at(0), time.Microsecond, `bad_data: invalid parameter "step": a step is at least one millisecond`},
		"11,000 points":    {`nowhere`, at(0), at(11000), time.Minute, `matrix`},
		"too many points":  {`own`, at(0), at(11001), time.Minute, `bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)`},
		"a geological age": {`1`, time.Unix(math.MinInt64/1000, 0), time.Unix(math.MaxInt64/1000, 0), 200 * 365 * 24 * time.Hour, `bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)`},
		"no matrix":        {`own[5m]`, at(0), at(1), time.Minute, `bad_data: invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector`},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, text(e.Range(everyone(t.Context()), Query{Expr: c.expr}, c.from, c.to, c.step))); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestStatsAreThereWhenAsked(t *testing.T) {
	e := newEngine(t, Options{})
	r, err := e.Instant(everyone(t.Context()), Query{Expr: `sum_over_time(own[9m])`, Stats: true}, at(9))
	if err != nil {
		t.Fatal(err)
	}
	if r.Stats == nil || r.Stats.SamplesQueried != 9 || r.Stats.SamplesPeak < 9 || r.Stats.Total <= 0 {
		t.Errorf("%+v", r.Stats)
	}
}

func TestSamplesInMemoryAreBounded(t *testing.T) {
	e := newEngine(t, Options{MaxSamples: 20})
	want := `execution: query processing would load too many samples into memory in query execution`
	if d := cmp.Diff(want, text(e.Instant(everyone(t.Context()), Query{Expr: `{__name__=~".+"}[10m]`}, at(9)))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// broken fails, or waits until its question is over.
type broken struct {
	storage.Queryable
	err  error
	wait bool
}

func (b broken) Querier(int64, int64) (storage.Querier, error) {
	if b.wait {
		return waiting{storage.NoopQuerier()}, nil
	}
	return nil, b.err
}

type waiting struct{ storage.Querier }

func (waiting) Select(ctx context.Context, _ bool, _ *storage.SelectHints, _ ...*labels.Matcher) storage.SeriesSet {
	<-ctx.Done()
	return storage.ErrSeriesSet(ctx.Err())
}

func TestErrorsHaveTheirKind(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		store storage.Queryable
		ctx   context.Context
		want  Kind
	}{
		"not ready": {broken{err: fmt.Errorf("replaying: %w", tsdb.ErrNotReady)}, t.Context(), Unavailable},
		"broken":    {broken{err: errors.New("disk on fire")}, t.Context(), Internal},
		"canceled":  {newStore(t), canceled, Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Options{Store: c.store, NotReady: tsdb.ErrNotReady})
			_, err := e.Instant(everyone(c.ctx), Query{Expr: "own"}, at(0))
			var got *Error
			if !errors.As(err, &got) || got.Kind != c.want {
				t.Errorf("%v is not %s", err, c.want)
			}
			_, _, err = e.Series(everyone(c.ctx), Find{Matching: []string{"own"}, From: at(0), To: at(9)})
			if !errors.As(err, &got) || got.Kind != c.want {
				t.Errorf("series: %v is not %s", err, c.want)
			}
		})
	}
	for err, want := range map[error]Kind{
		promql.ErrQueryTimeout("x"):             Timeout,
		promql.ErrStorage{Err: errors.New("x")}: Internal,
		context.DeadlineExceeded:                Timeout,
		&Error{BadData, errors.New("x")}:        BadData,
		errors.New("x"):                         Execution,
	} {
		var got *Error
		if !errors.As(classify(err), &got) || got.Kind != want {
			t.Errorf("%v: %v, want %s", err, got, want)
		}
	}
}

func TestTimeAndPlacesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Options{Guard: grant.NewGuard(tree.New(tree.Options{})), Store: broken{wait: true}, Timeout: time.Minute, Concurrent: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		began := time.Now()
		first := make(chan string)
		go func() {
			first <- text(e.Instant(everyone(t.Context()), Query{Expr: "own"}, at(0)))
		}()
		synctest.Wait()
		want := `timeout: the query waited 10s for 1 others, which is the bound`
		if d := cmp.Diff(want, text(e.Instant(everyone(t.Context()), Query{Expr: "own", Timeout: 10 * time.Second}, at(0)))); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("it waited %s", got)
		}
		if got := <-first; !strings.HasPrefix(got, "timeout: ") {
			t.Errorf("the first: %s", got)
		}
		if got := time.Since(began); got != time.Minute {
			t.Errorf("the first took %s", got)
		}
	})
}

func TestFind(t *testing.T) {
	e := newEngine(t, Options{})
	ctx := everyone(t.Context())
	always := Find{From: at(0), To: at(10)}
	with := func(change func(*Find)) Find {
		f := always
		change(&f)
		return f
	}
	names := func(f Find) string { return list(e.LabelNames(ctx, f)) }
	values := func(name string, f Find) string { return list(e.LabelValues(ctx, name, f)) }
	series := func(f Find) string {
		found, warnings, err := e.Series(ctx, f)
		texts := make([]string, len(found))
		for i, l := range found {
			texts[i] = fmt.Sprint(l)
		}
		return list(texts, warnings, err)
	}
	shop := func(f *Find) { f.Scope = Scope{tree.MustPath("/shop")} }
	several := func(f *Find) { f.Matching = []string{`b{path="/a.b/x"}`, `own`, `b{path=~"/a.*"}`} }
	for name, c := range map[string]struct{ got, want string }{
		"names":                {names(always), `["__name__" "path" "zone"]`},
		"names in a subtree":   {names(with(shop)), `["__name__" "path"]`},
		"names of several":     {names(with(several)), `["__name__" "path"]`},
		"names with a limit":   {names(with(func(f *Find) { f.Limit = 2 })), `["__name__" "path"] warning: results truncated due to limit`},
		"values":               {values("__name__", always), `["a_seconds" "b" "own"]`},
		"values in a subtree":  {values("__name__", with(shop)), `["a_seconds"]`},
		"values of several":    {values("path", with(several)), `["/a.b/x" "/aXb/x"]`},
		"values of none":       {values("none", always), `[]`},
		"values, no name":      {values("", always), `bad_data: invalid label name: ""`},
		"values, no text":      {values("\xff", always), `bad_data: invalid label name: "\xff"`},
		"values, bad selector": {values("path", with(func(f *Find) { f.Matching = []string{"{"} })), `bad_data: 1:2: parse error: unexpected end of input inside braces`},
		"series":               {series(with(several)), `["[{__name__ b} {path /a.b/x}]" "[{__name__ b} {path /aXb/x}]" "[{__name__ own}]"]`},
		"series in a subtree":  {series(with(func(f *Find) { shop(f); f.Matching = []string{`{__name__=~"a.*|b"}`} })), `["[{__name__ a_seconds} {path /shop/web1/answer}]" "[{__name__ a_seconds} {path /shop/web2/answer}]" "[{__name__ a_seconds} {path /shop}]"]`},
		"series with a limit":  {series(with(func(f *Find) { several(f); f.Limit = 1 })), `["[{__name__ b} {path /a.b/x}]"] warning: results truncated due to limit`},
		"series of everything": {series(with(func(f *Find) { f.Matching = []string{`{path=~".*"}`} })), `bad_data: invalid parameter "match[]": match[] must contain at least one non-empty matcher`},
		"series, no selector":  {series(always), `bad_data: no match[] parameter provided`},
		"series, too many":     {series(with(func(f *Find) { f.Matching = make([]string, 300) })), `bad_data: invalid parameter "match[]": 300 selectors, and 256 is the bound`},
		"series, nothing seen": {series(with(func(f *Find) { several(f); f.Scope = Scope{} })), `execution: there is nothing that this question may see`},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

func list(found, warnings []string, err error) string {
	if err != nil {
		return text(nil, err)
	}
	s := fmt.Sprintf("%q", found)
	for _, w := range warnings {
		s += " warning: " + w
	}
	return s
}

func TestMetadata(t *testing.T) {
	gauge, counter := Metadata{"gauge", "How much.", ""}, Metadata{"counter", "So far.", "seconds"}
	e := newEngine(t, Options{Metadata: func(context.Context) map[string][]Metadata {
		return map[string][]Metadata{"b": {gauge}, "a_total": {counter, gauge}}
	}})
	for name, c := range map[string]struct {
		got, want map[string][]Metadata
	}{
		"all":            {e.Metadata(everyone(t.Context()), "", -1, -1), map[string][]Metadata{"b": {gauge}, "a_total": {counter, gauge}}},
		"one":            {e.Metadata(everyone(t.Context()), "b", -1, 0), map[string][]Metadata{"b": {gauge}}},
		"an unknown one": {e.Metadata(everyone(t.Context()), "c", -1, -1), map[string][]Metadata{}},
		"a limit":        {e.Metadata(everyone(t.Context()), "", 1, 1), map[string][]Metadata{"a_total": {counter}}},
		"a limit of 0":   {e.Metadata(everyone(t.Context()), "", 0, -1), map[string][]Metadata{}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

func TestCatalogueFollowsTheTree(t *testing.T) {
	tr := tree.New(tree.Options{})
	c := NewCatalogue(tr, grant.NewGuard(tr))
	if _, ok := c.Of("answer_seconds"); ok || c.All()[metric.Value] == nil {
		t.Errorf("%v", c.All())
	}
	spec := &tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds", Description: "Time until the answer."}
	if _, err := tr.Add(tree.MustPath("/shop/answer"), spec); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	want := Metadata{"gauge", "Time until the answer.", "seconds"}
	if got, ok := c.Of("answer_seconds"); !ok || got != want {
		t.Errorf("%v %+v, want %+v", ok, got, want)
	}
}

// TestVersionIsThatOfTheEngine holds that readers are told the truth.
func TestVersionIsThatOfTheEngine(t *testing.T) {
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	// Prometheus 3.13.5 is the module's v0.313.5.
	want := strings.Replace("v"+Version, "v3.", "v0.3", 1)
	if !strings.Contains(string(text), "\tgithub.com/prometheus/prometheus "+want+"\n") {
		t.Errorf("go.mod has another version than %s", want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"promql: no store":                  {},
		"promql: nobody says who sees what": {Store: broken{}},
		"promql: a bound is negative":       {Store: broken{}, Guard: grant.NewGuard(tree.New(tree.Options{})), Timeout: -1},
	} {
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// FuzzQuery holds that no query breaks the engine, that a malformed one is the
// asker's mistake, and that the usual form of a query means the same.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{`own`, `sum by (path) (rate(a_seconds[5m]))`, `b{zone="é"} offset 5m @ 12`, `-(1 + 2) ^ own`, `{`, `"\xff"`, strings.Repeat("-", 1000) + "1"} {
		f.Add(q)
	}
	e := newEngine(f, Options{MaxSamples: 10_000, Timeout: 5 * time.Second})
	f.Fuzz(func(t *testing.T, q string) {
		r, err := e.Instant(everyone(t.Context()), Query{Expr: q}, at(9))
		var known *Error
		if (r == nil) == (err == nil) || err != nil && (!errors.As(err, &known) || known.Kind == Internal) {
			t.Fatalf("%v, %v", r, err)
		}
		formatted, err := e.Format(q)
		if (err == nil) != (known == nil || known.Kind != BadData) {
			t.Fatalf("format says %v, the query %v", err, known)
		}
		if err != nil || len(formatted) > MaxQueryBytes {
			return
		}
		if again, err := e.Format(formatted); err != nil || again != formatted {
			t.Errorf("%q becomes %q, then %q: %v", q, formatted, again, err)
		}
	})
}
