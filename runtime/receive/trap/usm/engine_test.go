package usm

import (
	"testing"
	"time"
)

// TestEngineTime holds old messages back: RFC 3414 section 3.2 point 7.
func TestEngineTime(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := NewEngine([]byte("\x80\x00\x00\x00\x01engine"), start)
	if later := NewEngine([]byte("\x80\x00\x00\x00\x01engine"), start.Add(time.Second)); later.boots <= e.boots {
		t.Error("a later start has not a higher number")
	}
	own := e.id
	for _, tt := range []struct {
		name        string
		engine      string
		boots, time uint32
		after       time.Duration
		want        bool
	}{
		{"own", own, e.boots, 1000, 1000 * time.Second, true},
		{"own, at the border", own, e.boots, 850, 1000 * time.Second, true},
		{"own, too old", own, e.boots, 849, 1000 * time.Second, false},
		{"own, too far ahead", own, e.boots, 1151, 1000 * time.Second, false},
		{"own, of another start", own, e.boots - 1, 1000, 1000 * time.Second, false},
		{"a stranger", "other", 5, 1000, 0, true},
		{"a little later", "other", 5, 1010, 10 * time.Second, true},
		{"delayed", "other", 5, 900, 20 * time.Second, true},
		{"played again", "other", 5, 1000, 161 * time.Second, false},
		{"after it started anew", "other", 6, 1, 170 * time.Second, true},
		{"from before that", "other", 5, 1180, 180 * time.Second, false},
		{"a number of starts at its end", "other", maxInt31, 1, 190 * time.Second, false},
	} {
		if got := e.timely(&Secured{engine: tt.engine, boots: tt.boots, time: tt.time}, start.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
