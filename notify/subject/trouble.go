package subject

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/quantity"
)

// Bounds of texts in alerts: what is longer is cut.
const (
	maxValueBytes  = 256
	maxCauses      = 3 // that a message about a group names
	significant    = 6 // digits of a number
	maxWholeNumber = 1e15
)

// Trouble is what is wrong with a node, in words.
type Trouble struct {
	Message                string
	Value, Unit, Threshold string
}

// Of says what is wrong with a node that is yellow or red. Causes are those of a group, see
// tree.Tree.Cause.
func Of(n *tree.Node, status tree.Status, causes []tree.Path) Trouble {
	t := Trouble{Value: Value(n.Value), Unit: n.Spec.Unit}
	said := n.Path.String() + " is " + status.String()
	if n.Kind == tree.Group {
		t.Value = ""
		t.Message = said
		for i, c := range causes {
			switch {
			case i == maxCauses:
				t.Message += " and more"
				return t
			case i == 0:
				t.Message += " because of " + c.String()
			default:
				t.Message += ", " + c.String()
			}
		}
		return t
	}
	if _, isNumber := n.Value.Number(); isNumber && n.Threshold != nil && n.Threshold.States == nil {
		level := n.Threshold.Yellow
		if status == tree.Red {
			level = n.Threshold.Red
		}
		t.Threshold = level.String()
	}
	t.Message = said
	if t.Value != "" {
		value, threshold := inWords(n, &t)
		t.Message += ": " + value
		if threshold != "" {
			t.Message += ", which is " + threshold
		}
	}
	return t
}

// inWords writes value and threshold for a sentence: bytes in KiB and larger, in plain
// characters, since not every channel has others.
func inWords(n *tree.Node, t *Trouble) (value, threshold string) {
	value, threshold = t.Value, t.Threshold
	if t.Unit != "" {
		value += " " + t.Unit
	}
	switch unit, _, _ := strings.Cut(t.Unit, "/"); unit {
	case "bytes", "byte", "B":
	default:
		return value, threshold
	}
	show := func(v float64) string { return plain.Replace(quantity.Show(tree.Number(v), t.Unit)) }
	if v, ok := n.Value.Number(); ok {
		value = show(v)
	}
	if sign, border, ok := strings.Cut(t.Threshold, " "); ok {
		border, rest, _ := strings.Cut(border, " ")
		if v, err := strconv.ParseFloat(border, 64); err == nil {
			threshold = strings.TrimSpace(sign + " " + show(v) + " " + rest)
		}
	}
	return value, threshold
}

// plain replaces what typesetters like and terminals of old do not know.
var plain = strings.NewReplacer("\u202f", " ", "\u2212", "-")

// Silent says that nothing is known of a node any more.
func Silent(n *tree.Node) Trouble {
	reason := Line(n.Reason)
	if reason == "" {
		reason = "nothing is known of it any more"
	}
	return Trouble{Message: n.Path.String() + " is silent: " + reason}
}

// Missing says that a child is not there which its group should have.
func Missing(p tree.Path) Trouble {
	return Trouble{Message: p.String() + " is missing: " + p.Parent().String() + " should have it"}
}

// TooFew says that a group has too few children.
func TooFew(p tree.Path, have, want int) Trouble {
	return Trouble{
		Message: p.String() + " has " + strconv.Itoa(have) + " of the " + strconv.Itoa(want) + " nodes that it should have at least",
		Value:   strconv.Itoa(have), Unit: "nodes", Threshold: "< " + strconv.Itoa(want),
	}
}

// Value writes a value as people read it: six significant digits of a fraction, and one line
// of a text.
func Value(v tree.Value) string {
	n, isNumber := v.Number()
	switch {
	case !isNumber:
		return Line(v.String())
	case n == math.Trunc(n) && math.Abs(n) < maxWholeNumber:
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', significant, 64)
}

// Line makes one short line of a text that came from outside: nothing in it garbles a
// terminal, a log or a mail.
func Line(text string) string {
	if len(text) > maxValueBytes {
		text = strings.ToValidUTF8(text[:maxValueBytes], "") + "…"
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.TrimSpace(text)
}

// keyBytes of a sum tell alerts apart: 128 bits.
const keyBytes = 16

// Key is the key of the alerts of one kind of one node of one manager, in hexadecimal.
func Key(manager string, kind alert.Kind, p tree.Path) string {
	sum := sha256.Sum256([]byte(manager + "\x00" + string(kind) + "\x00" + p.String()))
	return hex.EncodeToString(sum[:keyBytes])
}
