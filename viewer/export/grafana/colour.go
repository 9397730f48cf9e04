package grafana

import (
	"fmt"
	"math"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"grove/tree"
	"grove/tree/metric"
)

// colours are those of grove's page, by status. They keep apart for every kind of colour
// vision; white is grey here, since panels are white or black.
var colours = [...]string{tree.White: "#9aa0a6", tree.Green: "#2a9d8f", tree.Yellow: "#ffcc33", tree.Red: "#b00020"}

// statusMappings show a status, which is a number in the series, by word and colour.
func statusMappings() []dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i, s := range tree.Statuses {
		options[fmt.Sprint(i)] = dashboard.ValueMappingResult{Text: cog.ToPtr(s.String()), Color: cog.ToPtr(colours[s]), Index: cog.ToPtr(int32(i))}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

// steps cut the numbers where a threshold changes the colour, in the unit of the series;
// the first step has no border. They say what a reading means that comes alone: not for
// how long it must stay, and not where hysteresis keeps a status.
func steps(t *tree.Threshold, scale *metric.Scale) []dashboard.Threshold {
	out := []dashboard.Threshold{{Color: colours[tree.Green]}}
	if t == nil {
		return out
	}
	var borders []float64
	for _, l := range []tree.Level{t.Yellow, t.Red} {
		switch l.Form {
		case tree.Above:
			borders = append(borders, l.High)
		case tree.Below:
			borders = append(borders, l.Low)
		case tree.Outside, tree.Inside:
			borders = append(borders, l.Low, l.High)
		}
	}
	slices.Sort(borders)
	borders = slices.Compact(borders)
	if len(borders) == 0 {
		return out
	}
	out[0].Color = colours[at(t, math.Inf(-1))]
	for i, b := range borders {
		middle := math.Inf(1)
		if i+1 < len(borders) {
			middle = b + (borders[i+1]-b)/2
		}
		if c := colours[at(t, middle)]; c != out[len(out)-1].Color {
			out = append(out, dashboard.Threshold{Value: cog.ToPtr(scale.Of(b)), Color: c})
		}
	}
	return out
}

// at is the status that a number has by its value alone.
func at(t *tree.Threshold, v float64) tree.Status {
	switch {
	case beyond(t.Red, v):
		return tree.Red
	case beyond(t.Yellow, v):
		return tree.Yellow
	}
	return tree.Green
}

func beyond(l tree.Level, v float64) bool {
	switch l.Form {
	case tree.Above:
		return v > l.High
	case tree.Below:
		return v < l.Low
	case tree.Outside:
		return v < l.Low || v > l.High
	case tree.Inside:
		return l.Low <= v && v <= l.High
	}
	return false
}
