package definition_test

import (
	"math"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/definition"
)

func TestConvert(t *testing.T) {
	type step struct {
		value float64
		after time.Duration
		want  float64
		ok    bool
	}
	tests := []struct {
		name   string
		source definition.Source
		steps  []step
	}{
		{"as it is", definition.Source{}, []step{{5, 0, 5, true}, {5, 0, 5, true}}},
		{"scale", definition.Source{Scale: 0.5}, []step{{5, 0, 2.5, true}}},
		{"rate", definition.Source{Change: definition.Rate}, []step{{5, 0, 0, false}, {25, 10 * time.Second, 2, true}, {25, time.Second, 0, true}}},
		{"rate of a count that fell", definition.Source{Change: definition.Rate}, []step{{5, 0, 0, false}, {1, time.Second, 0, false}, {4, time.Second, 3, true}}},
		{"rate without time", definition.Source{Change: definition.Rate}, []step{{5, 0, 0, false}, {7, 0, 0, false}, {15, time.Second, 10, true}}},
		{"delta and scale", definition.Source{Change: definition.Delta, Scale: 2}, []step{{5, 0, 0, false}, {2, time.Second, -6, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c definition.Convert
			now := time.Unix(1, 0)
			for i, s := range tt.steps {
				now = now.Add(s.after)
				v, ok, err := c.Reading(&tt.source, tree.Number(s.value), now)
				n, _ := v.Number()
				if err != nil || ok != s.ok || ok && n != s.want {
					t.Errorf("step %d: %v %v %v", i, v, ok, err)
				}
			}
		})
	}
	var c definition.Convert
	if _, _, err := c.Reading(&definition.Source{Scale: 2}, tree.Text("x"), time.Unix(1, 0)); err == nil || err.Error() != `"x" is not a number` {
		t.Errorf("a text: %v", err)
	}
	if _, _, err := c.Reading(&definition.Source{Scale: 2}, tree.Number(math.MaxFloat64), time.Unix(1, 0)); err == nil {
		t.Error("an overflow was taken")
	}
}
