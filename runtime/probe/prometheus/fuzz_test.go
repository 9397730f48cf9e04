package prometheus

import (
	"testing"

	"grove/runtime/probe"
	"grove/runtime/probe/series"
)

// FuzzExposition: no answer does harm, whatever its format.
func FuzzExposition(f *testing.F) {
	types := []string{"text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"}
	f.Add([]byte("jobs{a=\"b\"} 1 1000\n{\"http.x\",a=\"c\"} NaN\n"), 0)
	f.Add([]byte("# TYPE jobs counter\njobs_total 1 # {a=\"b\"} 1\n# EOF\n"), 1)
	f.Add([]byte("\x17\n\x04jobs\x18\x00\"\r\n\x06\n\x01a\x12\x01b\x1a\x03"), 2)
	o := series.Options{
		Values: map[string]string{"q": "histogram_quantile(0.9, jobs)", "s": `sum({__name__=~".+"})`},
		Tables: map[string]series.Table{"t": {Key: []string{"a"}, Columns: map[string]string{"n": "count(jobs)"}}},
	}
	plan, err := o.Plan()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, body []byte, kind int) {
		set := plan.NewSet()
		for at := int64(1); at < 3; at++ {
			e := exposition{body: body, contentType: types[uint(kind)%uint(len(types))], at: at, now: 1000, maxAge: 1000}
			if err := e.take(set); err == nil {
				var r probe.Result
				_ = set.Read(&r, false)
			}
		}
	})
}

func TestNameOf(t *testing.T) {
	for key, want := range map[string]string{
		"up": "up", "up{": "up", `up {a="b"}`: "up", "up\xffa\xffb": "up", `{"http.x",a="b"}`: "http.x", `{ "x" }`: "x", `{"a"="b","x"}`: "", `{a="b","x"}`: "", `{"a\"b"}`: "", "": "",
	} {
		if got := string(nameOf([]byte(key))); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
