package document

import (
	"fmt"
	"slices"
	"strings"

	"grove/tree"
)

// Levels are a threshold in words.
type Levels struct {
	Yellow, Red       string // "> 85 for 5m"
	YellowOff, RedOff string // where it is left, when that is not where it is entered
	Stale, Clear      string // durations as definitions write them
	States            [][2]string
}

func (l *Levels) empty() bool {
	return l.Yellow == "" && l.Red == "" && l.Stale == "" && l.Clear == "" && len(l.States) == 0
}

// levelsOf puts a threshold into words, once for all nodes that share it.
func (d *Document) levelsOf(t *tree.Threshold) *Levels {
	if t == nil {
		return &Levels{}
	}
	if l := d.levels[t]; l != nil {
		return l
	}
	l := &Levels{Yellow: t.Yellow.String(), Red: t.Red.String(), YellowOff: leaving(t.Yellow), RedOff: leaving(t.Red)}
	if t.StaleAfter > 0 {
		l.Stale = tree.FormatDuration(t.StaleAfter)
	}
	if t.ClearAfter > 0 {
		l.Clear = tree.FormatDuration(t.ClearAfter)
	}
	for text, s := range t.States {
		l.States = append(l.States, [2]string{text, s.String()})
	}
	slices.SortFunc(l.States, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	d.levels[t] = l
	return l
}

// Levels returns the threshold of an attribute in words; nil when it has none.
func (d *Document) Levels(r *Record) *Levels {
	if l := d.levels[r.Threshold]; l != nil && !l.empty() {
		return l
	}
	return nil
}

func leaving(l tree.Level) string {
	switch {
	case l.Form == tree.Above && l.OffHigh != l.High:
		return fmt.Sprintf("< %v", l.OffHigh)
	case l.Form == tree.Below && l.OffLow != l.Low:
		return fmt.Sprintf("> %v", l.OffLow)
	case (l.Form == tree.Outside || l.Form == tree.Inside) && (l.OffLow != l.Low || l.OffHigh != l.High):
		return fmt.Sprintf("%v..%v", l.OffLow, l.OffHigh)
	}
	return ""
}
