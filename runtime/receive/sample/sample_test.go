package sample_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/sample"
)

// attach makes a probe of a hub that wants some series, and returns its last value.
func attach(t *testing.T, h *sample.Hub, instance, wanted string) (last func() string, detach func()) {
	t.Helper()
	kind := sample.Kind(h, probe.Kind{Name: "samples"})
	p, err := kind.New(&sample.ProbeOptions{StaleAfter: time.Hour, Options: series.Options{Values: map[string]string{"it": wanted}, MaxSeries: 10}})
	if err != nil {
		t.Fatal(err)
	}
	value := ""
	detach, err = p.(receive.Attacher).Attach(instance, "p", func(r probe.Result) {
		for _, v := range r.Values {
			if v.Attribute == "it" {
				value = v.Value.String()
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() string { return value }, detach
}

// one sends a message with one sample.
func one(h *sample.Hub, name string, labels [][2]string, s series.Sample) sample.Outcome {
	d := h.Begin(context.Background())
	key := sample.AppendLabel(nil, "__name__", name)
	for _, l := range labels {
		key = sample.AppendLabel(key, l[0], l[1])
	}
	if wanted, ok := d.Series([]byte(name), key, 1); ok {
		d.Put(wanted, key, s)
	}
	return d.End()
}

// TestEverySampleIsAccountedFor: each is applied or refused, for one reason.
func TestEverySampleIsAccountedFor(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	denied := errors.New("not yours")
	h := sample.NewHub(sample.Options{Now: func() time.Time { return now }, May: func(_ context.Context, instance string) error {
		if instance == "foreign" {
			return denied
		}
		return nil
	}})
	load, detach := attach(t, h, "shop", "load")
	_, foreign := attach(t, h, "foreign", "theirs")
	defer foreign()
	at := now.UnixMilli()
	for _, tt := range []struct {
		name   string
		series string
		labels [][2]string
		sample series.Sample
		want   string // the value afterwards
		reason receive.Reason
		fine   bool
	}{
		{"a sample", "load", nil, series.Sample{Value: 1, Time: at}, "1", 0, true},
		{"the same again", "load", nil, series.Sample{Value: 1, Time: at}, "1", receive.Older, false},
		{"an older one", "load", nil, series.Sample{Value: 2, Time: at - 1}, "1", receive.Older, false},
		{"a newer one", "load", nil, series.Sample{Value: 3, Time: at + 1}, "3", 0, true},
		{"from tomorrow", "load", nil, series.Sample{Value: 4, Time: at + 86_400_000}, "3", receive.WrongTime, false},
		{"nobody's", "other", nil, series.Sample{Value: 5, Time: at}, "3", receive.NoNode, false},
		{"somebody else's", "theirs", nil, series.Sample{Value: 6, Time: at}, "3", receive.Denied, false},
		{"without a name", "", nil, series.Sample{Value: 7, Time: at}, "3", receive.Malformed, false},
		{"labels that are no text", "load", [][2]string{{"a", "\xfe"}}, series.Sample{Value: 8, Time: at}, "3", receive.Malformed, false},
		{"a label twice", "load", [][2]string{{"a", "1"}, {"a", "2"}}, series.Sample{Value: 9, Time: at}, "3", receive.Malformed, false},
		{"no number", "load", nil, series.Sample{Value: math.NaN(), Time: at + 2}, "3", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := h.Account().Counts()
			one(h, tt.series, tt.labels, tt.sample)
			after := h.Account().Counts()
			if got := load(); got != tt.want {
				t.Errorf("the node has %q, want %q", got, tt.want)
			}
			want := before
			want.Received++
			if tt.fine {
				want.Applied++
			} else {
				want.Refused[tt.reason]++
			}
			if diff := cmp.Diff(want, after); diff != "" {
				t.Errorf("counts -want +got:\n%s", diff)
			}
		})
	}
	detach()
	if h.Probes() != 1 {
		t.Errorf("%d probes take part after one left", h.Probes())
	}
	if one(h, "load", nil, series.Sample{Value: 1, Time: at + 9}); h.Account().Counts().Refused[receive.NoNode] != 2 {
		t.Error("a series that nobody wants any more is taken")
	}
}
