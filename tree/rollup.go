package tree

import (
	"errors"
	"fmt"
)

// ErrRollup is wrapped by every error about a roll-up rule.
var ErrRollup = errors.New("invalid roll-up")

// Rollup says how the status of a group follows from its children. The zero value
// is the worst of them. A Rollup is not changed once a group has it.
//
// A child contributes what its Edge makes of its status. A child that turned white
// contributes the last status it had before (White policy Keep), so that silence
// never makes a group look better; a child that never had one contributes nothing.
// A group without any child that is not white is itself white, unless its policy
// gives them a status. It then keeps what its silent children come to.
type Rollup struct {
	Rule RollupRule
	// Yellow, Red and Green are the parameters of the rule:
	//  AtLeast: yellow when at least Yellow children are yellow or worse, red when
	//   at least Red children are red (0: never).
	//  Need: green when at least Green children are green, yellow when that many
	//   are green or yellow, else red.
	//  Percent: as AtLeast, in percent of the contributing children.
	//  Weighted: the weights of the red children count whole, of the yellow ones
	//   half; yellow and red when their share of all weights, in percent, reaches
	//   Yellow and Red.
	Yellow, Red, Green float64
	// Cap is the worst status that the group takes; White means no cap.
	Cap Status
	// White says what a white child contributes.
	White WhitePolicy
}

// RollupRule is a way to make one status of many.
type RollupRule uint8

// The roll-up rules.
const (
	Worst    RollupRule = iota // the worst contribution
	Best                       // the best contribution
	AtLeast                    // so many bad children make the group bad
	Need                       // so many good children keep the group good
	Percent                    // AtLeast in percent
	Weighted                   // by the weights of the edges
)

var rollupRuleNames = [...]string{"worst", "best", "at_least", "need", "percent", "weighted"}

// String returns the rule's name as definitions write it.
func (r RollupRule) String() string {
	if int(r) < len(rollupRuleNames) {
		return rollupRuleNames[r]
	}
	return fmt.Sprintf("RollupRule(%d)", uint8(r))
}

// WhitePolicy says what a white child contributes to its group.
type WhitePolicy uint8

// The policies for white children.
const (
	KeepWhite   WhitePolicy = iota // its last status that was not white, if it had one
	IgnoreWhite                    // nothing
	GreenWhite                     // green
	YellowWhite                    // yellow
	RedWhite                       // red
)

var whitePolicyNames = [...]string{"keep", "ignore", "green", "yellow", "red"}

// String returns the policy's name as definitions write it.
func (w WhitePolicy) String() string {
	if int(w) < len(whitePolicyNames) {
		return whitePolicyNames[w]
	}
	return fmt.Sprintf("WhitePolicy(%d)", uint8(w))
}

// Edge says how a child counts in the roll-up of its parent. The zero value passes
// the status on as it is, with weight 1.
type Edge struct {
	Map    EdgeMap
	Fixed  Status // for FixedStatus: what a child that is not green contributes
	Weight uint16 // for Weighted; 0 counts as 1
}

// EdgeMap is what an edge makes of a status.
type EdgeMap uint8

// The edge maps.
const (
	AsIs        EdgeMap = iota
	OneUp               // yellow counts as red
	OneDown             // red counts as yellow, yellow as green
	Ignore              // contributes nothing
	FixedStatus         // yellow and red count as Edge.Fixed
)

var edgeMapNames = [...]string{"as_is", "one_up", "one_down", "ignore", "fixed"}

// String returns the map's name as definitions write it.
func (m EdgeMap) String() string {
	if int(m) < len(edgeMapNames) {
		return edgeMapNames[m]
	}
	return fmt.Sprintf("EdgeMap(%d)", uint8(m))
}

// apply maps a status that is not white.
func (e Edge) apply(s Status) Status {
	switch {
	case e.Map == Ignore:
		return White
	case e.Map == OneUp && s == Yellow:
		return Red
	case e.Map == OneDown && s > Green:
		return s - 1
	case e.Map == FixedStatus && s > Green:
		return e.Fixed
	}
	return s
}

// Check says whether the rule makes sense.
func (r *Rollup) Check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %w", ErrRollup, r.Rule, fmt.Errorf(format, args...))
	}
	if r.Rule > Weighted || r.White > RedWhite || r.Cap > Red {
		return fail("unknown rule, white policy or cap")
	}
	switch r.Rule {
	case Need:
		if !(r.Green >= 1) {
			return fail("needs at least 1 green child, not %v", r.Green)
		}
	case AtLeast, Percent, Weighted:
		if r.Yellow == 0 && r.Red == 0 {
			return fail("needs yellow or red")
		}
		if !(r.Yellow >= 0) || !(r.Red >= 0) {
			return fail("yellow and red must not be negative")
		}
		if r.Rule != AtLeast && (r.Yellow > 100 || r.Red > 100) {
			return fail("more than 100 percent")
		}
	}
	return nil
}
