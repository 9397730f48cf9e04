package past

import (
	"strings"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/metric"
)

// Reasons of what is not known.
const (
	noReading  = "no reading is recorded"
	noReason   = "why it was white is not recorded"
	noNumber   = "its value at this moment is not recorded"
	noText     = "its text at this moment is not recorded"
	goneBefore = "This node is gone: what it was is what the history remembers."
)

// record says what is known of a node.
func (z *puzzle) record(x *piece) tree.Record {
	r := tree.Record{Path: x.path, Spec: x.spec, Status: z.status(x), Since: x.status.Since, Last: x.status.Last}
	if n := x.today; n != nil {
		r.Tuned = n.threshold
		if !n.created.After(z.at) {
			r.Created = n.created
		}
	}
	same := x.told && x.change.To == r.Status
	if same {
		r.Since = x.change.Time
		if r.Status == tree.White {
			r.Last = x.change.From
		}
		if x.spec.Kind != tree.Group { // Of a group the tree says it itself.
			r.Reason = x.change.Text
		}
	}
	switch x.spec.Kind {
	case tree.Group:
		return r
	case tree.Log:
	case tree.Performance:
		z.number(x, &r, same)
	default:
		z.text(x, &r, same)
	}
	if r.Status == tree.White && r.Reason == "" {
		if r.Reason = noReading; x.told || !r.Value.IsNone() {
			r.Reason = noReason
		}
	}
	return r
}

// status is what the node had. Within a step of merged samples the journal knows more.
func (z *puzzle) status(x *piece) tree.Status {
	if z.step == 0 {
		return x.status.Status
	}
	step := z.at.UnixMilli() - z.at.UnixMilli()%z.step.Milliseconds()
	if x.told && x.change.Time.UnixMilli() >= step {
		return x.change.To
	}
	return x.status.Before
}

// number gives a record the number that the node had, in the unit of its spec.
func (z *puzzle) number(x *piece, r *tree.Record, same bool) {
	kept, ok := z.reading(x)
	ok = ok && (!kept.Ended || r.Status == tree.White) // What has a status had a reading since.
	told, isNumber := x.change.Value.Number()
	switch {
	case r.Status == tree.White && same && isNumber:
		// It is the value that the node had when it turned white, in its own unit of then.
		r.Value = tree.Number(told)
		if ok && !kept.Time.After(x.change.Time) {
			z.inUnit(x, r, kept)
			r.Time = kept.Time
			return
		}
	case ok:
		r.Time = kept.Time
		z.inUnit(x, r, kept)
	case z.holdsStill(x):
		r.Value, r.Time = x.today.value, x.today.time
	case r.Status != tree.White:
		r.Reason = noNumber
	}
}

// inUnit gives a record a number that was kept, in the unit of today, or with the unit of
// then when it was another quantity.
func (z *puzzle) inUnit(x *piece, r *tree.Record, kept history.ReadingAt) {
	switch {
	case x.today == nil:
		r.Value = tree.Number(kept.Value)
	case kept.Metric == metric.Value && kept.Unit != x.spec.Unit:
		other := *x.spec
		other.Unit, other.Threshold = kept.Unit, nil // Its borders are in another unit.
		r.Spec, r.Tuned = &other, nil
		r.Value = tree.Number(kept.Value)
	case kept.Metric == metric.Value:
		r.Value = tree.Number(kept.Value)
	default:
		_, scale := metric.BaseUnit(kept.Metric, x.spec.Unit)
		r.Value = tree.Number(scale.Back(kept.Value))
	}
}

// holdsStill says whether the node of today has had no reading since.
func (z *puzzle) holdsStill(x *piece) bool {
	n := x.today
	return n != nil && !n.time.IsZero() && !n.time.After(z.at) && !n.value.IsNone()
}

// text gives a record the text that the node had, or the number of a status that is one.
func (z *puzzle) text(x *piece, r *tree.Record, same bool) {
	kept, ok := z.reading(x)
	ok = ok && (!kept.Ended || r.Status == tree.White)
	switch {
	case z.holdsStill(x):
		r.Value, r.Time = x.today.value, x.today.time
	case ok && (!x.told || x.change.Value.IsNone() || !kept.Time.Before(x.change.Time.Add(-time.Minute))):
		r.Time = kept.Time
		z.inUnit(x, r, kept)
	case same && !x.change.Value.IsNone():
		// The text can have changed since without the status, so its time says of when it is.
		r.Value, r.Time = x.change.Value, x.change.Time
	case r.Status == tree.White:
	default:
		r.Reason = noText
	}
}

// lost are the specs of nodes that are gone, one for all that are alike.
type lost map[lostSpec]*tree.Spec

type lostSpec struct {
	kind tree.Kind
	unit string
}

func (l lost) spec(kind tree.Kind, unit string) *tree.Spec {
	key := lostSpec{kind, unit}
	s := l[key]
	if s == nil {
		s = &tree.Spec{Kind: kind, Unit: unit, Description: goneBefore, Mode: tree.Push}
		l[key] = s
	}
	return s
}

// baseUnits are the units that names of metrics say, as definitions write them.
var baseUnits = []string{"s", "B", "V", "A", "W", "J", "Hz", "m", "g", "°C"}

// unitOf is the unit of a number whose node is gone.
func unitOf(r history.ReadingAt) string {
	if r.Metric == metric.Value {
		return r.Unit
	}
	for _, unit := range baseUnits {
		for _, u := range []string{unit, unit + "/s"} {
			if base, scale := metric.BaseUnit(r.Metric, u); scale == metric.Identity && base != u {
				return u
			}
		}
	}
	if strings.HasSuffix(r.Metric, "_percent") {
		return "%"
	}
	return ""
}
