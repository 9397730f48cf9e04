package memory

import (
	"encoding/json"
	"fmt"
	"time"

	"grove/tree"
)

// threshold is a tree.Threshold in the database: JSON with the names that definitions
// use, so that what is kept can be read by people and by later programs.
type threshold struct {
	Yellow     *level                 `json:"yellow,omitempty"`
	Red        *level                 `json:"red,omitempty"`
	States     map[string]tree.Status `json:"states,omitempty"`
	ClearAfter time.Duration          `json:"clear_after_ns,omitempty"`
	Changes    int                    `json:"flap_changes,omitempty"`
	Window     time.Duration          `json:"flap_window_ns,omitempty"`
	StaleAfter time.Duration          `json:"stale_after_ns,omitempty"`
}

type level struct {
	Form    string        `json:"form"`
	Low     float64       `json:"low,omitempty"`
	High    float64       `json:"high,omitempty"`
	OffLow  float64       `json:"off_low,omitempty"`
	OffHigh float64       `json:"off_high,omitempty"`
	After   time.Duration `json:"after_ns,omitempty"`
}

// Encode writes a threshold; nil is "null". Equal ones have equal texts.
func Encode(th *tree.Threshold) (string, error) {
	if th == nil {
		return "null", nil
	}
	text, err := json.Marshal(threshold{
		Yellow: encodeLevel(th.Yellow), Red: encodeLevel(th.Red), States: th.States, ClearAfter: th.ClearAfter,
		Changes: th.Flap.Changes, Window: th.Flap.Window, StaleAfter: th.StaleAfter,
	})
	return string(text), err
}

func encodeLevel(l tree.Level) *level {
	if l.Form == tree.Never {
		return nil
	}
	return &level{Form: l.Form.String(), Low: l.Low, High: l.High, OffLow: l.OffLow, OffHigh: l.OffHigh, After: l.After}
}

// Decode reads what Encode writes.
func Decode(text string) (*tree.Threshold, error) {
	var th *threshold
	if err := json.Unmarshal([]byte(text), &th); err != nil || th == nil {
		return nil, err
	}
	out := &tree.Threshold{States: th.States, ClearAfter: th.ClearAfter, Flap: tree.Flap{Changes: th.Changes, Window: th.Window}, StaleAfter: th.StaleAfter}
	for _, pair := range []struct {
		from *level
		to   *tree.Level
	}{{th.Yellow, &out.Yellow}, {th.Red, &out.Red}} {
		if pair.from == nil {
			continue
		}
		form := tree.Never
		for f := tree.Above; f <= tree.Inside; f++ {
			if f.String() == pair.from.Form {
				form = f
			}
		}
		if form == tree.Never {
			return nil, fmt.Errorf("%w: unknown form %q", tree.ErrThreshold, pair.from.Form)
		}
		l := pair.from
		*pair.to = tree.Level{Form: form, Low: l.Low, High: l.High, OffLow: l.OffLow, OffHigh: l.OffHigh, After: l.After}
	}
	return out, out.Check()
}
