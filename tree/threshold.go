package tree

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// ErrThreshold is wrapped by every error about a threshold.
var ErrThreshold = errors.New("invalid threshold")

// Threshold says which status a reading gives its node. The zero value makes every
// reading green. A Threshold is not changed once a node has it: nodes share it.
//
// Numbers are held against Yellow and Red; texts (and numbers, when States is set)
// are looked up in States.
//
// The four levels are those of CCMS: a level is entered when the reading crosses
// On and left when it comes back across Off, both strictly, so that a reading
// between the two keeps what was (hysteresis). A level whose Off is its On has no
// hysteresis: it is left by every reading that would not enter it.
type Threshold struct {
	Yellow, Red Level
	// States maps the text of a reading to a status; the key "*" is for every
	// other text. A text that nothing maps makes the node white. Without States a
	// text that is itself a status's name gives that status and any other is green.
	States map[string]Status
	// ClearAfter is how long readings must allow a better status before the node
	// takes it; zero means at once. A node that comes back from white takes it at
	// once, too.
	ClearAfter time.Duration
	// Flap calls the node flapping when its status changes Changes times within
	// Window: it then keeps the worst of them until fewer than half as many
	// changes fall into a window. Zero Changes turns the detection off.
	Flap Flap
	// StaleAfter turns the node white when no reading came for so long; zero means
	// never.
	StaleAfter time.Duration
}

// Flap is the rule by which a node is called flapping.
type Flap struct {
	Changes int
	Window  time.Duration
}

// MaxFlapChanges bounds Flap.Changes.
const MaxFlapChanges = 64

// Level is one border of a Threshold: the readings for which it is entered.
type Level struct {
	Form LevelForm
	// Low and High are the borders of entering: Above uses High, Below uses Low,
	// Outside and Inside use both.
	Low, High float64
	// OffLow and OffHigh are the borders of leaving, in the unit of the reading.
	// Above: OffHigh <= High. Below: OffLow >= Low. Outside: OffLow >= Low and
	// OffHigh <= High. Inside: OffLow <= Low and OffHigh >= High.
	OffLow, OffHigh float64
	// After is how long readings must be beyond the level before it is entered;
	// zero means at once. A node that comes back from white enters at once what it
	// was in before: a pause of its readings is no improvement.
	After time.Duration
}

// LevelForm says on which side of its borders a level lies.
type LevelForm uint8

// The forms of a level.
const (
	Never   LevelForm = iota // the level is not used
	Above                    // value > High
	Below                    // value < Low
	Outside                  // value < Low or value > High
	Inside                   // Low <= value <= High
)

var levelFormNames = [...]string{"never", "above", "below", "outside", "inside"}

// String returns the form's name.
func (f LevelForm) String() string {
	if int(f) < len(levelFormNames) {
		return levelFormNames[f]
	}
	return fmt.Sprintf("LevelForm(%d)", uint8(f))
}

// AboveLevel is entered by readings over on and left by readings under off.
func AboveLevel(on, off float64) Level { return Level{Form: Above, High: on, OffHigh: off} }

// BelowLevel is entered by readings under on and left by readings over off.
func BelowLevel(on, off float64) Level { return Level{Form: Below, Low: on, OffLow: off} }

// Check says whether the threshold makes sense: finite borders, hysteresis on the
// right side, red not entered before yellow, durations not negative.
func (th *Threshold) Check() error {
	for _, l := range []struct {
		name  string
		level Level
	}{{"yellow", th.Yellow}, {"red", th.Red}} {
		if err := l.level.check(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrThreshold, l.name, err)
		}
	}
	y, r := th.Yellow, th.Red
	switch {
	case y.Form == Above && r.Form == Above && r.High < y.High:
		return fmt.Errorf("%w: red begins at %v, before yellow at %v", ErrThreshold, r.High, y.High)
	case y.Form == Below && r.Form == Below && r.Low > y.Low:
		return fmt.Errorf("%w: red begins at %v, before yellow at %v", ErrThreshold, r.Low, y.Low)
	case y.Form == Outside && r.Form == Outside && (r.Low > y.Low || r.High < y.High):
		return fmt.Errorf("%w: red begins at %v and %v, before yellow at %v and %v", ErrThreshold, r.Low, r.High, y.Low, y.High)
	case th.ClearAfter < 0 || th.StaleAfter < 0 || th.Flap.Window < 0:
		return fmt.Errorf("%w: negative duration", ErrThreshold)
	case th.Flap.Changes < 0 || th.Flap.Changes > MaxFlapChanges || th.Flap.Changes == 1:
		return fmt.Errorf("%w: flapping needs 2 to %d changes, not %d", ErrThreshold, MaxFlapChanges, th.Flap.Changes)
	case th.Flap.Changes > 0 && th.Flap.Window == 0:
		return fmt.Errorf("%w: flapping needs a window", ErrThreshold)
	}
	for _, s := range th.States {
		if s > Red {
			return fmt.Errorf("%w: states: %w %d", ErrThreshold, ErrStatus, s)
		}
	}
	return nil
}

func (l Level) check() error {
	if l.Form > Inside {
		return fmt.Errorf("unknown form %d", l.Form)
	}
	if l.After < 0 {
		return errors.New("negative duration")
	}
	usesLow := l.Form == Below || l.Form == Outside || l.Form == Inside
	usesHigh := l.Form == Above || l.Form == Outside || l.Form == Inside
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	switch {
	case usesLow && !(finite(l.Low) && finite(l.OffLow)) || usesHigh && !(finite(l.High) && finite(l.OffHigh)):
		return errors.New("a border is not a finite number")
	case usesLow && usesHigh && l.Low > l.High:
		return fmt.Errorf("range from %v to %v is empty", l.Low, l.High)
	case l.Form == Above && l.OffHigh > l.High:
		return fmt.Errorf("is left at %v, above where it is entered, %v", l.OffHigh, l.High)
	case l.Form == Below && l.OffLow < l.Low:
		return fmt.Errorf("is left at %v, below where it is entered, %v", l.OffLow, l.Low)
	case l.Form == Outside && (l.OffLow < l.Low || l.OffHigh > l.High || l.OffLow > l.OffHigh):
		return fmt.Errorf("is left at %v and %v, which is not within %v and %v", l.OffLow, l.OffHigh, l.Low, l.High)
	case l.Form == Inside && (l.OffLow > l.Low || l.OffHigh < l.High):
		return fmt.Errorf("is left at %v and %v, which is not around %v and %v", l.OffLow, l.OffHigh, l.Low, l.High)
	}
	return nil
}

// String writes the level as a definition does: "> 500", "outside 10..20 for 30s";
// it is empty for Never.
func (l Level) String() string {
	var s string
	switch l.Form {
	case Never:
		return ""
	case Above:
		s = fmt.Sprintf("> %v", l.High)
	case Below:
		s = fmt.Sprintf("< %v", l.Low)
	default:
		s = fmt.Sprintf("%s %v..%v", l.Form, l.Low, l.High)
	}
	if l.After > 0 {
		s += " for " + FormatDuration(l.After)
	}
	return s
}

// FormatDuration writes a duration as a definition does: "90s" as "1m30s", "1h0m0s" as
// "1h", and whole days, from the second on, as "2d".
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
