package viewer

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
)

// Node is one node in the REST interface. What is not known is left out.
type Node struct {
	Path        string            `json:"path" doc:"Canonical path; inside a name ~ is written ~0 and / is written ~1."`
	Name        string            `json:"name" doc:"Last name of the path, as it is; empty for the root."`
	Index       uint32            `json:"index" doc:"Number of the node in the live feed; it may be given again once the node is gone."`
	Parent      uint32            `json:"parent" doc:"Index of the parent; the root's is its own."`
	Kind        string            `json:"kind" enum:"group,performance,status,log,text"`
	Description string            `json:"description,omitempty"`
	Unit        string            `json:"unit,omitempty" doc:"Unit of the value."`
	Status      string            `json:"status" enum:"white,green,yellow,red"`
	Last        string            `json:"last,omitempty" enum:"green,yellow,red" doc:"Last status that was not white."`
	Since       string            `json:"since,omitempty" format:"date-time" doc:"When the status began."`
	Value       *Value            `json:"value,omitempty"`
	Time        string            `json:"time,omitempty" format:"date-time" doc:"When the last reading was taken."`
	Reason      string            `json:"reason,omitempty" doc:"Why the node is white."`
	Mode        string            `json:"mode,omitempty" enum:"timer,push,request,notification" doc:"How the node gets its readings."`
	Source      string            `json:"source,omitempty" doc:"The runtime bean that feeds the node."`
	Owner       string            `json:"owner,omitempty" doc:"The instance whose definition grew the node."`
	Metric      string            `json:"metric,omitempty" doc:"Name under which exporters give the node."`
	Labels      map[string]string `json:"labels,omitempty"`
	Flapping    bool              `json:"flapping,omitempty"`
	Pending     bool              `json:"pending,omitempty" doc:"A hold time runs towards another status."`
	Counts      *Counts           `json:"counts,omitempty" doc:"Of a group: the attributes anywhere below, by status."`
	Children    int               `json:"children" doc:"How many children the node has, also when they are not shown."`
}

// Details is everything about one node.
type Details struct {
	Node
	Thresholds *Thresholds `json:"thresholds,omitempty"`
	Rollup     *Rollup     `json:"rollup,omitempty" doc:"How the status of a group follows from its children."`
	Edge       *Edge       `json:"edge,omitempty" doc:"How the node counts in its parent."`
	Events     []Event     `json:"events,omitempty" doc:"Of a log attribute: what it holds, oldest first."`
	Cause      []string    `json:"cause,omitempty" doc:"Paths of the attributes that give the node its yellow or red."`
	Created    string      `json:"created,omitempty" format:"date-time"`
}

// Branch is a node with the nodes below it.
type Branch struct {
	Node
	Nodes []*Branch `json:"nodes,omitempty"`
}

// Counts are attributes by status.
type Counts struct {
	White  int32 `json:"white"`
	Green  int32 `json:"green"`
	Yellow int32 `json:"yellow"`
	Red    int32 `json:"red"`
}

// Thresholds say which status a reading gives, as a definition writes it.
type Thresholds struct {
	Yellow string            `json:"yellow,omitempty" example:"> 500 for 30s"`
	Red    string            `json:"red,omitempty" example:"outside 10..20"`
	Back   *Back             `json:"back,omitempty" doc:"Where a level is left; absent when that is where it is entered."`
	States map[string]string `json:"states,omitempty" doc:"Status by text; * is for any other."`
	Clear  string            `json:"clear,omitempty" doc:"How long readings must be better before the status is." example:"30s"`
	White  string            `json:"white,omitempty" doc:"How long a reading may be missing before the node is white." example:"1m"`
	Flap   *FlapRule         `json:"flap,omitempty" doc:"When the node is called flapping."`
	Tuned  bool              `json:"tuned,omitempty" doc:"They were set while running and differ from the definition."`
}

// Back holds the borders at which levels are left, as readings.
type Back struct {
	Yellow []float64 `json:"yellow,omitempty"`
	Red    []float64 `json:"red,omitempty"`
}

// FlapRule is so many changes within a time.
type FlapRule struct {
	Changes int    `json:"changes"`
	Window  string `json:"window" example:"10m"`
}

// Rollup is the rule of a group.
type Rollup struct {
	Rule   string  `json:"rule" enum:"worst,best,at_least,need,percent,weighted"`
	Yellow float64 `json:"yellow,omitempty"`
	Red    float64 `json:"red,omitempty"`
	Green  float64 `json:"green,omitempty"`
	Cap    string  `json:"cap,omitempty" enum:"green,yellow,red" doc:"The worst status that the group takes."`
	White  string  `json:"white" enum:"keep,ignore,green,yellow,red" doc:"What a white child contributes."`
}

// Edge is how a node counts in its parent.
type Edge struct {
	As     string `json:"as" enum:"as_is,one_up,one_down,ignore,fixed"`
	Fixed  string `json:"fixed,omitempty" enum:"white,green,yellow,red"`
	Weight uint16 `json:"weight,omitempty"`
}

// Event is one line of a log attribute.
type Event struct {
	Time   string `json:"time" format:"date-time"`
	Status string `json:"status" enum:"white,green,yellow,red"`
	Text   string `json:"text"`
}

// Value is the value of a node: a number or a text. The numbers that JSON lacks are
// the texts Infinity, -Infinity and NaN.
type Value struct{ tree.Value }

// Schema implements huma.SchemaProvider.
func (Value) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "Number or text; the numbers that JSON lacks are the texts Infinity, -Infinity and NaN.",
		OneOf:       []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString}},
	}
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

func nodeOf(n *tree.Node) Node {
	o := Node{
		Path: n.Path.String(), Name: n.Name, Index: n.Index, Parent: n.Parent, Kind: n.Kind.String(),
		Status: n.Status.String(), Since: formatTime(n.Since), Time: formatTime(n.Time), Reason: n.Reason,
		Flapping: n.Flapping, Pending: n.Pending, Children: n.Children,
	}
	if n.Last != tree.White {
		o.Last = n.Last.String()
	}
	if !n.Value.IsNone() {
		o.Value = &Value{n.Value}
	}
	if n.Kind == tree.Group {
		o.Counts = &Counts{n.Counts[tree.White], n.Counts[tree.Green], n.Counts[tree.Yellow], n.Counts[tree.Red]}
	}
	if s := n.Spec; s != nil {
		o.Description, o.Unit, o.Source, o.Owner, o.Metric, o.Labels = s.Description, s.Unit, s.Source, s.Owner, s.Metric, s.Labels
		if n.Kind != tree.Group {
			o.Mode = s.Mode.String()
		}
	}
	return o
}

func detailsOf(n *tree.Node, events []tree.Event, cause []tree.Path) *Details {
	d := &Details{Node: nodeOf(n), Created: formatTime(n.Created)}
	if n.Threshold != nil {
		d.Thresholds = thresholdsOf(n.Threshold, n.Tuned)
	}
	if s := n.Spec; s != nil {
		if n.Kind == tree.Group {
			d.Rollup = rollupOf(s.Rollup)
		}
		if s.Edge != (tree.Edge{}) {
			d.Edge = &Edge{As: s.Edge.Map.String(), Weight: s.Edge.Weight}
			if s.Edge.Map == tree.FixedStatus {
				d.Edge.Fixed = s.Edge.Fixed.String()
			}
		}
	}
	for _, e := range events {
		d.Events = append(d.Events, Event{Time: formatTime(e.Time), Status: e.Status.String(), Text: e.Text})
	}
	for _, p := range cause {
		d.Cause = append(d.Cause, p.String())
	}
	return d
}

func thresholdsOf(t *tree.Threshold, tuned bool) *Thresholds {
	o := &Thresholds{Yellow: t.Yellow.String(), Red: t.Red.String(), Tuned: tuned}
	if y, r := leavingOf(t.Yellow), leavingOf(t.Red); y != nil || r != nil {
		o.Back = &Back{Yellow: y, Red: r}
	}
	if len(t.States) > 0 {
		o.States = make(map[string]string, len(t.States))
		for text, s := range t.States {
			o.States[text] = s.String()
		}
	}
	if t.ClearAfter > 0 {
		o.Clear = tree.FormatDuration(t.ClearAfter)
	}
	if t.StaleAfter > 0 {
		o.White = tree.FormatDuration(t.StaleAfter)
	}
	if t.Flap.Changes > 0 {
		o.Flap = &FlapRule{Changes: t.Flap.Changes, Window: tree.FormatDuration(t.Flap.Window)}
	}
	return o
}

// leavingOf lists the borders at which a level is left, if those are others than
// where it is entered.
func leavingOf(l tree.Level) []float64 {
	switch {
	case l.Form == tree.Above && l.OffHigh != l.High:
		return []float64{l.OffHigh}
	case l.Form == tree.Below && l.OffLow != l.Low:
		return []float64{l.OffLow}
	case (l.Form == tree.Outside || l.Form == tree.Inside) && (l.OffLow != l.Low || l.OffHigh != l.High):
		return []float64{l.OffLow, l.OffHigh}
	}
	return nil
}

func rollupOf(r *tree.Rollup) *Rollup {
	if r == nil {
		r = &tree.Rollup{}
	}
	o := &Rollup{Rule: r.Rule.String(), Yellow: r.Yellow, Red: r.Red, Green: r.Green, White: r.White.String()}
	if r.Cap != tree.White {
		o.Cap = r.Cap.String()
	}
	return o
}
