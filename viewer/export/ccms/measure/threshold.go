package measure

import "grove/tree"

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

// ThresholdOf shows the threshold of an attribute; nil when it colours nothing.
func ThresholdOf(th *tree.Threshold) *Threshold {
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
