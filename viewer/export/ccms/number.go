package ccms

import (
	"math"
	"strconv"
	"strings"

	"grove/tree"
)

// units are those of four characters for units that have more.
var units = map[string]string{
	"ms": "msec", "percent": "%", "seconds": "s", "milliseconds": "msec", "minutes": "min", "hours": "h", "days": "d",
	"bytes": "B", "bytes/s": "B/s", "bit/s": "b/s", "Mbit/s": "Mb/s", "bits/s": "b/s",
	"connections": "conn", "connections/s": "/s", "requests": "req", "requests/s": "/s", "packets": "pkt", "packets/s": "/s",
	"processes": "proc", "threads": "thrd", "files": "file", "sessions": "sess", "users": "user", "entries": "entr",
	"errors": "err", "errors/s": "/s", "nodes": "node", "messages": "msg", "messages/s": "/s", "celsius": "°C", "threads/s": "/s",
}

// unit makes a unit fit into field VALUNIT. One that has to be cut loses letters; the
// whole one is given beside it.
func unit(text string) string {
	if short, ok := units[text]; ok {
		return short
	}
	return strings.TrimSpace(clip(text, MaxUnit))
}

// places is how many digits after the point the values of a unit have, where nothing
// else says.
var places = map[string]int{
	"s": 3, "seconds": 3, "h": 2, "d": 2, "days": 2, "ratio": 4, "%": 2, "percent": 2, "ms": 3, "V": 3, "A": 3, "°C": 1,
	"bytes": 0, "B": 0, "connections": 0, "requests": 0, "processes": 0, "nodes": 0, "files": 0, "sessions": 0,
}

const (
	defaultPlaces = 2
	maxPlaces     = 6
)

// decimals is how many digits after the point an attribute has: those of its unit, and
// more where a border of its thresholds needs them.
func decimals(unit string, th *Threshold) int {
	n, ok := places[unit]
	if !ok {
		n = defaultPlaces
		if strings.HasSuffix(unit, "/s") {
			n = 3
		}
	}
	if th != nil {
		for _, border := range []*float64{th.GreenToYellow, th.YellowToRed, th.RedToYellow, th.YellowToGreen} {
			if border != nil {
				n = max(n, digitsAfter(*border))
			}
		}
	}
	return n
}

// digitsAfter counts the digits after the point that a number needs.
func digitsAfter(v float64) int {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	_, after, _ := strings.Cut(text, ".")
	return min(len(after), maxPlaces)
}

// stored is a value as CCMS stores it: value * 10^decimals, without a fraction. In SAP's
// tables it has four bytes; here it has eight, and what goes beyond ends at the border.
func stored(v float64, decimals int) int64 {
	scaled := math.Round(v * math.Pow10(decimals))
	switch {
	case math.IsNaN(scaled):
		return 0
	case scaled >= math.MaxInt64:
		return math.MaxInt64
	case scaled <= math.MinInt64:
		return math.MinInt64
	}
	return int64(scaled)
}

// Direction says on which side of its borders an attribute is bad: field THRESHDIR.
type Direction int

// The directions. Other is grove's own: CCMS has no borders on both sides.
const (
	Other Direction = iota
	Above
	Below
)

// Threshold is what turns a performance attribute yellow and red. Borders are crossed
// strictly: a value on a border changes nothing. SAP says "exceeds" and "falls below",
// and nothing more exact is known.
type Threshold struct {
	Direction Direction `json:"THRESHDIR"` // 1 above, 2 below, 0 another form: see Yellow and Red
	// The four borders, where the attribute has them and the direction is 1 or 2. From
	// green a value that goes beyond YellowToRed leads to red at once.
	GreenToYellow *float64 `json:"THRESHG2Y,omitempty"`
	YellowToRed   *float64 `json:"THRESHY2R,omitempty"`
	RedToYellow   *float64 `json:"THRESHR2Y,omitempty"`
	YellowToGreen *float64 `json:"THRESHY2G,omitempty"`
	// Yellow and Red are the levels as a definition writes them, with their hold
	// times: "> 500 for 30s", "outside 10..20".
	Yellow string `json:"yellow,omitempty"`
	Red    string `json:"red,omitempty"`
	// States are what the texts of a status attribute come to.
	States map[string]string `json:"states,omitempty"`
	// ClearAfter and StaleAfter are durations, "30s"; empty is none.
	ClearAfter string `json:"clear,omitempty"`
	StaleAfter string `json:"stale,omitempty"`
}

// thresholdOf shows the threshold of an attribute; nil when it colours nothing.
func thresholdOf(th *tree.Threshold) *Threshold {
	if th == nil {
		return nil
	}
	out := &Threshold{Yellow: th.Yellow.String(), Red: th.Red.String()}
	if th.ClearAfter > 0 {
		out.ClearAfter = tree.FormatDuration(th.ClearAfter)
	}
	if th.StaleAfter > 0 {
		out.StaleAfter = tree.FormatDuration(th.StaleAfter)
	}
	if len(th.States) > 0 {
		out.States = make(map[string]string, len(th.States))
		for text, s := range th.States {
			out.States[text] = s.String()
		}
	}
	y, r := th.Yellow, th.Red
	one := func(form tree.LevelForm) bool {
		return (y.Form == form || y.Form == tree.Never) && (r.Form == form || r.Form == tree.Never) && y.Form != r.Form || y.Form == form && r.Form == form
	}
	switch {
	case one(tree.Above):
		out.Direction = Above
		out.GreenToYellow, out.YellowToGreen = borders(y, y.High, y.OffHigh)
		out.YellowToRed, out.RedToYellow = borders(r, r.High, r.OffHigh)
	case one(tree.Below):
		out.Direction = Below
		out.GreenToYellow, out.YellowToGreen = borders(y, y.Low, y.OffLow)
		out.YellowToRed, out.RedToYellow = borders(r, r.Low, r.OffLow)
	}
	if out.Direction == Other && out.Yellow == "" && out.Red == "" && out.States == nil && out.ClearAfter == "" && out.StaleAfter == "" {
		return nil
	}
	return out
}

func borders(l tree.Level, on, off float64) (enter, leave *float64) {
	if l.Form == tree.Never {
		return nil, nil
	}
	return &on, &off
}
