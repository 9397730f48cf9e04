package test

import (
	"encoding/json"
	"testing"
	"time"

	"grove/runtime/receive/push"
)

// TestAcceptedIsKept pushes readings of all ages: what the answer calls accepted is in the
// history, and what is not kept is refused.
func TestAcceptedIsKept(t *testing.T) {
	t.Parallel()
	m := serve(t)
	m.write("other.yaml", other)
	m.loaded("other")
	now := time.Now().Truncate(time.Millisecond)
	m.push(reading{"path": "/other/Level", "value": 1, "time": now.UnixMilli()})
	for _, c := range []struct {
		name  string
		at    time.Time
		value float64
	}{
		{"an hour old", now.Add(-time.Hour), 2}, {"a day old", now.Add(-23 * time.Hour), 3}, {"two days old", now.Add(-48 * time.Hour), 4},
		{"a month old", now.Add(-30 * 24 * time.Hour), 5}, {"a year old", now.Add(-365 * 24 * time.Hour), 6},
		{"another value of the same time", now, 7}, {"the same again", now, 1},
	} {
		_, body := m.post(reading{"path": "/other/Level", "value": c.value, "time": c.at.UnixMilli()})
		var out push.Outcome
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatal(err)
		}
		kept := false
		from := c.at.Add(-time.Minute).UTC().Format(time.RFC3339)
		to := c.at.Add(time.Minute).UTC().Format(time.RFC3339)
		var series struct {
			Points []struct{ Min, Max *float64 }
		}
		m.ask("/api/v1/history?path=/other/Level&points=5000&from="+from+"&to="+to, &series)
		for _, p := range series.Points {
			kept = kept || p.Min != nil && p.Max != nil && *p.Min <= c.value && c.value <= *p.Max
		}
		if accepted := out.Accepted == 1; accepted != kept {
			t.Errorf("%s: accepted is %t (%s), kept is %t", c.name, accepted, body, kept)
		}
	}
}
