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

// threshold reads everything that colours the node, but for its silence.
func (x *expansion) threshold(n *file.Node, b *built) {
	given := func(r *file.Raw) *source.Value {
		if r.Given() {
			return &r.Value
		}
		return nil
	}
	colours := rule.Colours{
		Yellow: given(&n.Yellow.Raw), Red: given(&n.Red.Raw), Back: given(&n.Back.Raw),
		Clear: given(&n.Clear.Raw), States: given(&n.States.Raw), Flap: given(&n.Flap.Raw),
	}
	th, errs := colours.Threshold(rule.Reading{Kind: b.spec.Kind, Text: b.isText(), Truth: b.isTruth()})
	x.errs.Append(errs...)
	if th != nil {
		if b.spec.Threshold != nil {
			th.StaleAfter = b.spec.Threshold.StaleAfter
		}
		b.spec.Threshold = th
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
