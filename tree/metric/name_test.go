package metric

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

func TestSeriesOf(t *testing.T) {
	path := tree.MustPath("/shop/web1")
	for name, c := range map[string]struct {
		spec *tree.Spec
		want Series
	}{
		"without a spec": {nil, Series{Value, []Label{{"path", "/shop/web1"}}, "", Identity}},
		"generic":        {&tree.Spec{Unit: "ms", Labels: map[string]string{"a": "b"}}, Series{Value, []Label{{"path", "/shop/web1"}, {"unit", "ms"}}, "ms", Identity}},
		"named": {&tree.Spec{Metric: "answer_seconds", Unit: "ms", Labels: map[string]string{"zone": "b", "app": "x", "__a": "", "path": ""}},
			Series{"answer_seconds", []Label{{"app", "x"}, {"path", "/shop/web1"}, {"zone", "b"}}, "seconds", over(1e3)}},
		"with a name that cannot be": {&tree.Spec{Metric: "a-b", Unit: "ms"}, Series{Value, []Label{{"path", "/shop/web1"}, {"unit", "ms"}}, "ms", Identity}},
	} {
		if diff := cmp.Diff(c.want, SeriesOf(path, c.spec), cmp.AllowUnexported(Scale{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
