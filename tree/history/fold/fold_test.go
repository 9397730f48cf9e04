package fold

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

func TestWhatIsBesideIsHidden(t *testing.T) {
	db, err := tsdb.Open(t.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	average := labels.FromStrings(labels.MetricName, "v", "path", "/a")
	app := db.Appender(t.Context())
	for _, of := range []labels.Labels{average, Of(average, Min), Of(average, Max), Of(average, Count)} {
		if _, err := app.Append(0, of, 1000, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	q, err := Hide(db).Querier(0, 2000)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	match := func(kind labels.MatchType, name, v string) *labels.Matcher {
		return labels.MustNewMatcher(kind, name, v)
	}
	for name, c := range map[string]struct {
		matchers []*labels.Matcher
		want     []string
	}{
		"by name":      {[]*labels.Matcher{match(labels.MatchEqual, labels.MetricName, "v")}, []string{`{__name__="v", path="/a"}`}},
		"one of them":  {[]*labels.Matcher{match(labels.MatchEqual, Label, Max)}, []string{`{__fold__="max", __name__="v", path="/a"}`}},
		"the averages": {[]*labels.Matcher{match(labels.MatchEqual, Label, ""), match(labels.MatchEqual, "path", "/a")}, []string{`{__name__="v", path="/a"}`}},
		"all of them": {[]*labels.Matcher{match(labels.MatchRegexp, Label, ".*"), match(labels.MatchEqual, "path", "/a")}, []string{
			`{__fold__="count", __name__="v", path="/a"}`, `{__fold__="max", __name__="v", path="/a"}`, `{__fold__="min", __name__="v", path="/a"}`, `{__name__="v", path="/a"}`,
		}},
	} {
		var got []string
		given := len(c.matchers)
		set := q.Select(context.Background(), true, nil, c.matchers...)
		for set.Next() {
			got = append(got, set.At().Labels().String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" || set.Err() != nil || len(c.matchers) != given {
			t.Errorf("%s: %v (-want +got):\n%s", name, set.Err(), diff)
		}
	}
	names, _, err := q.LabelNames(context.Background(), nil)
	if diff := cmp.Diff([]string{labels.MetricName, "path"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if values, _, err := q.LabelValues(context.Background(), Label, nil); err != nil || len(values) != 0 {
		t.Errorf("%v %v", values, err)
	}
	if values, _, err := q.LabelValues(context.Background(), "path", nil); err != nil || len(values) != 1 {
		t.Errorf("%v %v", values, err)
	}
	broken := errors.New("broken")
	if _, err := Hide(storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return nil, broken })).Querier(0, 1); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
