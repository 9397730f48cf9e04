package tree

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Alerting says what a node's status means to people: when it is worth an alert, how
// grave, and what it follows from. What a node does not say holds as those above it say.
type Alerting struct {
	// Rule says which nodes alert.
	Rule AlertRule
	// Vital, of an attribute, says that when it is red the group so many levels above
	// has failed: whatever else is wrong below that group is a consequence. 1 is its
	// parent; zero is none. It is not inherited.
	Vital uint8
	// DependsOn are the nodes without which the node, and all below it, cannot work:
	// when one of them has failed, or is an attribute that is red, what is wrong here is
	// a consequence. Those of the nodes above hold as well.
	DependsOn []Path
	// Expect are the children that a group must have, and AtLeast how many; what is
	// missing is alerted. They are not inherited.
	Expect  []string
	AtLeast int
	// Yellow and Red are how grave an alert of that status is; Cleared, the zero value,
	// leaves it to those above, and at last to Warning and Major.
	Yellow, Red Severity
	// Silence is for how long an attribute may be white, after it had a status, before
	// that is alerted: zero leaves it to those above, and at last to the manager;
	// less than zero is never.
	Silence time.Duration
	// EventType, ProbableCause and Repair are the fields of these names of X.733: an
	// event type such as "communicationsAlarm", a cause such as "linkFailure", and what
	// to do.
	EventType, ProbableCause, Repair string
}

// AlertRule says which nodes alert.
type AlertRule uint8

// The rules.
const (
	AlertInherit AlertRule = iota // as those above say, and at last AlertEach
	AlertEach                     // each attribute for itself
	AlertWhole                    // a group as a whole, by its rolled-up status: what is below is a consequence
	AlertNever                    // nothing here and below
)

var alertRuleNames = [...]string{"inherit", "each", "whole", "never"}

// String returns the rule's name as definitions write it.
func (r AlertRule) String() string {
	if int(r) < len(alertRuleNames) {
		return alertRuleNames[r]
	}
	return fmt.Sprintf("AlertRule(%d)", uint8(r))
}

// ParseAlertRule reads what String writes, but for "inherit".
func ParseAlertRule(text string) (AlertRule, error) {
	for i, n := range alertRuleNames {
		if n == text && i > 0 {
			return AlertRule(i), nil
		}
	}
	return AlertInherit, fmt.Errorf("unknown rule of alerts %q: each, whole or never", clip(text))
}

// MaxAlerting bounds DependsOn and Expect.
const MaxAlerting = 256

var errAlerting = errors.New("invalid alerting")

// Check says whether the settings fit together, for a node of a kind.
func (a *Alerting) Check(k Kind) error {
	switch {
	case a.Rule > AlertNever:
		return fmt.Errorf("%w: unknown rule %d", errAlerting, a.Rule)
	case a.Rule == AlertWhole && k != Group:
		return fmt.Errorf("%w: only a group alerts as a whole", errAlerting)
	case a.Vital > 0 && (k == Group || k == TextKind):
		return fmt.Errorf("%w: only an attribute with a status is vital", errAlerting)
	case k != Group && (len(a.Expect) > 0 || a.AtLeast != 0):
		return fmt.Errorf("%w: only a group expects children", errAlerting)
	case a.AtLeast < 0:
		return fmt.Errorf("%w: %d children cannot be expected", errAlerting, a.AtLeast)
	case len(a.DependsOn) > MaxAlerting || len(a.Expect) > MaxAlerting:
		return fmt.Errorf("%w: more than %d nodes it depends on, or children it expects", errAlerting, MaxAlerting)
	case a.Yellow > Critical || a.Red > Critical:
		return fmt.Errorf("%w: unknown severity", errAlerting)
	case a.EventType != "" && !IsEventType(a.EventType):
		return fmt.Errorf("%w: unknown event type %q", errAlerting, clip(a.EventType))
	}
	return nil
}

// EventTypes are those of ITU-T X.733 and X.736, in the order of their numbers in
// IANA-ITU-ALARM-TC-MIB (IANAItuEventType), which begin with 1.
var EventTypes = [...]string{
	"other", "communicationsAlarm", "qualityOfServiceAlarm", "processingErrorAlarm", "equipmentAlarm", "environmentalAlarm",
	"integrityViolation", "operationalViolation", "physicalViolation", "securityServiceOrMechanismViolation", "timeDomainViolation",
}

// IsEventType says whether X.733 or X.736 have an event type.
func IsEventType(name string) bool { return slices.Contains(EventTypes[:], name) }

func equalAlerting(a, b *Alerting) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	return a.Rule == b.Rule && a.Vital == b.Vital && slices.Equal(a.DependsOn, b.DependsOn) && slices.Equal(a.Expect, b.Expect) &&
		a.AtLeast == b.AtLeast && a.Yellow == b.Yellow && a.Red == b.Red && a.Silence == b.Silence &&
		a.EventType == b.EventType && a.ProbableCause == b.ProbableCause && a.Repair == b.Repair
}

// Severity is how grave an alert is: the perceived severity of ITU-T X.733. The higher
// the graver, other than the numbers that protocols have for them.
type Severity uint8

// The severities.
const (
	Cleared Severity = iota
	Indeterminate
	Warning
	Minor
	Major
	Critical
)

// Severities lists those of alerts in rising order.
var Severities = [...]Severity{Indeterminate, Warning, Minor, Major, Critical}

var severityNames = [...]string{"cleared", "indeterminate", "warning", "minor", "major", "critical"}

// String returns the severity's name as X.733 has it, in lower case.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// ParseSeverity reads what String writes.
func ParseSeverity(text string) (Severity, error) {
	for i, n := range severityNames {
		if n == text {
			return Severity(i), nil
		}
	}
	return Cleared, fmt.Errorf("unknown severity %q: indeterminate, warning, minor, major or critical", clip(text))
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeverity(string(text))
	return err
}
