package definition

import (
	"regexp"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
)

// What one node may say of its numbers, its colours and its name in exporters.

func (b *built) threshold() *tree.Threshold {
	if b.spec.Threshold == nil {
		b.spec.Threshold = &tree.Threshold{}
	}
	return b.spec.Threshold
}

// number reads unit, change and scale.
func (x *expansion) number(n *file.Node, b *built) {
	if n.Change.Given() {
		text, bad := n.Change.Str()
		x.errs.Append(bad)
		c := NoChange
		switch text {
		case "rate":
			c = Rate
		case "delta":
			c = Delta
		default:
			if bad == nil {
				x.errs.Add(n.Change.Pos, "unknown change %q: rate or delta", text).WithHint("%s", source.DidYouMean(text, []string{"rate", "delta"}))
			}
		}
		switch {
		case b.reading == nil:
			x.errs.Add(n.Change.Pos, "change is for nodes with from or value")
		case b.isText() || b.spec.Kind != tree.Performance:
			x.errs.Add(n.Change.Pos, "change is for numbers, but the node is of kind %s", b.spec.Kind)
		default:
			b.reading.source.Change = c
		}
	}
	if n.Scale.Given() {
		f, bad := n.Scale.Float()
		switch {
		case bad != nil:
			x.errs.Append(bad)
		case f == 0:
			x.errs.Add(n.Scale.Pos, "a scale of 0 makes every reading 0")
		case b.reading == nil:
			x.errs.Add(n.Scale.Pos, "scale is for nodes with from or value")
		case b.isText() || b.spec.Kind != tree.Performance:
			x.errs.Add(n.Scale.Pos, "scale is for numbers, but the node is of kind %s", b.spec.Kind)
		default:
			b.reading.source.Scale = f
		}
	}
	switch {
	case n.Unit.Given():
		text, bad := n.Unit.Str()
		x.errs.Append(bad)
		if len(text) > maxUnitBytes {
			x.errs.Add(n.Unit.Pos, "unit is longer than %d bytes", maxUnitBytes)
		}
		if b.spec.Kind != tree.Performance {
			x.errs.Add(n.Unit.Pos, "unit is for numbers, but the node is of kind %s", b.spec.Kind)
		}
		b.spec.Unit = text
	case b.reading != nil && b.reading.info != nil && b.spec.Kind == tree.Performance && !n.Scale.Given():
		b.spec.Unit = b.reading.info.Unit
		if b.spec.Unit == "" && b.reading.info.Type == beans.TypeDuration {
			b.spec.Unit = "s"
		}
		if b.spec.Unit != "" && b.reading.source.Change == Rate {
			b.spec.Unit += "/s"
		}
	}
}

const maxUnitBytes = 32

// threshold reads everything that colours the node.
func (x *expansion) threshold(n *file.Node, b *built) {
	colours := []*file.Raw{&n.Yellow.Raw, &n.Red.Raw, &n.Back.Raw, &n.Clear.Raw, &n.States.Raw, &n.Flap.Raw}
	if b.spec.Kind == tree.TextKind || b.spec.Kind == tree.Log {
		for i, key := range []string{"yellow", "red", "back", "clear", "states", "flap"} {
			if c := colours[i]; c.Given() {
				x.errs.Add(c.Pos, "%s has no meaning for a node of kind %s", key, b.spec.Kind)
			}
		}
		return
	}
	for _, l := range []struct {
		key  string
		v    *file.Level
		into func(*tree.Threshold) *tree.Level
	}{
		{"yellow", &n.Yellow, func(t *tree.Threshold) *tree.Level { return &t.Yellow }},
		{"red", &n.Red, func(t *tree.Threshold) *tree.Level { return &t.Red }},
	} {
		if !l.v.Given() {
			continue
		}
		if b.isText() || b.spec.Kind == tree.State {
			x.errs.Add(l.v.Pos, "%s is a level for numbers, but the node is of kind %s", l.key, b.spec.Kind).WithHint("use states")
			continue
		}
		level, bad := rule.ParseLevel(&l.v.Value)
		if bad != nil {
			x.errs.Append(bad)
			continue
		}
		*l.into(b.threshold()) = level
	}
	x.back(n, b)
	if n.Clear.Given() {
		d, bad := n.Clear.Duration()
		x.errs.Append(bad)
		if bad == nil && d < 0 {
			x.errs.Add(n.Clear.Pos, "clear: negative duration")
		}
		b.threshold().ClearAfter = d
	}
	if n.Flap.Given() {
		f, bad := rule.ParseFlap(&n.Flap.Value)
		x.errs.Append(bad)
		b.threshold().Flap = f
	}
	switch {
	case n.States.Given():
		states, errs := rule.ParseStates(&n.States.Value, b.isTruth())
		x.errs.Append(errs...)
		b.threshold().States = states
	case b.isTruth() && b.spec.Kind == tree.State:
		b.threshold().States = map[string]tree.Status{"1": tree.Green, "0": tree.Red}
	}
}

// back applies the hysteresis to the levels.
func (x *expansion) back(n *file.Node, b *built) {
	if !n.Back.Given() {
		return
	}
	if !n.Yellow.Given() && !n.Red.Given() {
		x.errs.Add(n.Back.Pos, "back has no level to come back from").WithHint("give yellow or red")
		return
	}
	t := b.threshold()
	if n.Back.Kind != source.Map {
		by, bad := rule.ParseBack(&n.Back.Value)
		x.errs.Append(bad)
		by.Apply(&t.Yellow)
		by.Apply(&t.Red)
		return
	}
	for i := range n.Back.Fields {
		f := &n.Back.Fields[i]
		level := &t.Yellow
		switch f.Key {
		case "yellow":
		case "red":
			level = &t.Red
		default:
			x.errs.Add(f.Pos, "unknown key %q in back", f.Key).WithHint("%s", source.DidYouMean(f.Key, []string{"yellow", "red"}))
			continue
		}
		by, bad := rule.ParseBack(&f.Value)
		x.errs.Append(bad)
		by.Apply(level)
	}
}

// The forms of metric and label names are those of the Prometheus text format; the
// names stay ASCII, so that every reader of it knows them.
var (
	metricForm = regexp.MustCompile(file.MetricPattern)
	labelForm  = regexp.MustCompile(file.LabelPattern)
)

// Bounds of labels.
const (
	maxLabels     = 32
	maxLabelBytes = 1024
)

func (x *expansion) exported(n *file.Node, b *built) {
	if n.Metric.Given() {
		text, bad := n.Metric.Str()
		switch {
		case bad != nil:
			x.errs.Append(bad)
		case !metricForm.MatchString(text) || len(text) > 200:
			x.errs.Add(n.Metric.Pos, "metric %q: ASCII letters, digits, underscores and colons, not beginning with a digit, at most 200", text)
		case b.spec.Kind != tree.Performance && b.spec.Kind != tree.State:
			x.errs.Add(n.Metric.Pos, "a node of kind %s has no metric", b.spec.Kind)
		}
		b.spec.Metric = text
	}
	if !n.Labels.Given() {
		return
	}
	if n.Labels.Kind != source.Map {
		x.errs.Add(n.Labels.Pos, "labels is a map of names to texts, not %s", n.Labels.Describe())
		return
	}
	if len(n.Labels.Fields) > maxLabels {
		x.errs.Add(n.Labels.Pos, "more than %d labels", maxLabels)
		return
	}
	b.spec.Labels = make(map[string]string, len(n.Labels.Fields))
	for i := range n.Labels.Fields {
		f := &n.Labels.Fields[i]
		text, bad := f.Value.Str()
		x.errs.Append(bad)
		switch {
		case !labelForm.MatchString(f.Key) || strings.HasPrefix(f.Key, "__") || len(f.Key) > 64:
			x.errs.Add(f.Pos, "label %q: ASCII letters, digits and underscores, beginning with neither a digit nor two underscores, at most 64", f.Key)
		case len(text) > maxLabelBytes:
			x.errs.Add(f.Value.Pos, "label %q is longer than %d bytes", f.Key, maxLabelBytes)
		}
		b.spec.Labels[f.Key] = text
	}
}

func (x *expansion) keep(n *file.Node, b *built) {
	if !n.Keep.Given() {
		return
	}
	k, bad := n.Keep.Int()
	switch {
	case bad != nil:
		x.errs.Append(bad)
	case b.spec.Kind == tree.Group: // its kind was not understood
	case b.spec.Kind != tree.Log:
		x.errs.Add(n.Keep.Pos, "keep is for logs, but the node is of kind %s", b.spec.Kind)
	case k < 1 || k > tree.MaxKeep:
		x.errs.Add(n.Keep.Pos, "a log keeps 1 to %d events, not %d", tree.MaxKeep, k)
	default:
		b.spec.Keep = int(k)
	}
}
