package app

import (
	"testing"
	"time"

	"grove/tree"
)

func TestTuningText(t *testing.T) {
	for want, th := range map[string]*tree.Threshold{
		"the threshold is that of the definition again":                              nil,
		"the threshold is tuned: it says nothing of numbers":                         {},
		"the threshold is tuned: yellow > 5, red > 10 for 30s":                       {Yellow: tree.Level{Form: tree.Above, High: 5}, Red: tree.Level{Form: tree.Above, High: 10, After: 30 * time.Second}},
		"the threshold is tuned: red outside 1..2, white after 1m without a reading": {Red: tree.Level{Form: tree.Outside, Low: 1, High: 2}, StaleAfter: time.Minute},
	} {
		if got := tuningText(th); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
