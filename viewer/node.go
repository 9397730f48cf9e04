package viewer

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
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
	Counts      *Counts           `json:"counts,omitempty" doc:"Of a group: the attributes anywhere below that you may see, by status."`
	Children    int               `json:"children" doc:"How many children the node has that you may see, also when they are not shown."`
	Hidden      bool              `json:"hidden,omitempty" doc:"Something below that you may not see contributes to the status."`
}

// Details is everything about one node.
type Details struct {
	Node
	Thresholds *Thresholds     `json:"thresholds,omitempty"`
	Rollup     *Rollup         `json:"rollup,omitempty" doc:"How the status of a group follows from its children."`
	Edge       *Edge           `json:"edge,omitempty" doc:"How the node counts in its parent."`
	Events     []Event         `json:"events,omitempty" doc:"Of a log attribute: what it holds, oldest first."`
	Cause      []string        `json:"cause,omitempty" doc:"Paths of the attributes that give the node its yellow or red."`
	Created    string          `json:"created,omitempty" format:"date-time"`
	Properties []NodeProperty  `json:"properties,omitempty" doc:"Facts about what the node stands for, its own and those of the groups above it, by name."`
	Resource   string          `json:"resource,omitempty" doc:"What is watched: host or address." example:"web1.example"`
	Beans      []NodeSource    `json:"beans,omitempty" doc:"The runtime beans that feed the node."`
	Operations []NodeOperation `json:"operations,omitempty" doc:"What you may do with the beans of the node, by POST /api/v1/bean/operation."`
	May        []string        `json:"may,omitempty" enum:"ask,push,operate,thresholds" doc:"What you may do here besides looking."`
	At         string          `json:"at,omitempty" format:"date-time" doc:"The moment that this is about, if it is not the present."`
}

// NodeProperty is a fact about what a node stands for.
type NodeProperty struct {
	Name  string `json:"name" example:"location"`
	Value string `json:"value" example:"Berlin"`
	From  string `json:"from,omitempty" doc:"Path of the group above that it comes from; absent when it is the node's own."`
}

// Beans tells of the beans behind nodes. It is called from many goroutines.
type Beans interface {
	// Sources lists the runtime beans that feed the node.
	Sources(tree.Ref) []NodeSource
	// Operations lists what can be done with the node's monitor bean and with the
	// runtime beans that feed it.
	Operations(tree.Ref) []NodeOperation
}

// NodeSource is a runtime bean behind a node.
type NodeSource struct {
	Source   string  `json:"source" doc:"Name of the probe or receiver in the definition." example:"status"`
	Bean     string  `json:"bean" doc:"Its name in the bean server."`
	Instance string  `json:"instance" doc:"The instance that it belongs to."`
	Kind     string  `json:"kind" example:"http"`
	Resource string  `json:"resource,omitempty" doc:"Host or address that it asks."`
	Mode     string  `json:"mode" enum:"timer,push,request,notification" doc:"How it is asked."`
	Started  bool    `json:"started" doc:"Whether it runs; false: it was stopped."`
	Every    string  `json:"every,omitempty" doc:"How often the timer runs it; absent: it runs when it is asked to." example:"10s"`
	Timeout  string  `json:"timeout,omitempty" doc:"How long a run may take." example:"8s"`
	LastRun  string  `json:"last_run,omitempty" format:"date-time" doc:"When the last run that ended was started."`
	Duration float64 `json:"duration_seconds,omitempty" doc:"How long it took."`
	Error    string  `json:"error,omitempty" doc:"Why it failed."`
	Runs     uint64  `json:"runs" doc:"Runs that ended since grove was started."`
	Failures uint64  `json:"failures" doc:"Those of them that failed."`
	Missed   uint64  `json:"missed" doc:"Due runs that were skipped because the one before was not over."`
	Next     string  `json:"next,omitempty" format:"date-time" doc:"When the next run is due, as far as that is known."`
}

// NodeOperation is something that can be done with a bean of a node.
type NodeOperation struct {
	Bean        string          `json:"bean" doc:"Name of the bean in the bean server."`
	Source      string          `json:"source,omitempty" doc:"Of a runtime bean, its name in the definition; absent for the monitor bean of the node."`
	Name        string          `json:"name" example:"run"`
	Description string          `json:"description,omitempty"`
	Parameters  []NodeParameter `json:"parameters,omitempty"`
	Returns     string          `json:"returns" doc:"Type of what it answers; void is nothing." example:"void"`
	Impact      string          `json:"impact" doc:"info: it only answers; action: it changes something; action-info: both; unknown." example:"action"`

	// Needs is the role that it needs, on what is At.
	Needs grant.Role `json:"-"`
	At    tree.Path  `json:"-"`
}

// NodeParameter is one parameter of an operation.
type NodeParameter struct {
	Name        string `json:"name"`
	Type        string `json:"type" example:"duration"`
	Description string `json:"description,omitempty"`
	Unit        string `json:"unit,omitempty"`
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

// FormatTime writes a time as all of the REST interface does; the zero time is empty.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

func nodeOf(n *tree.Node) Node {
	o := Node{
		Path: n.Path.String(), Name: n.Name, Index: n.Index, Parent: n.Parent, Kind: n.Kind.String(),
		Status: n.Status.String(), Since: FormatTime(n.Since), Time: FormatTime(n.Time), Reason: n.Reason,
		Flapping: n.Flapping, Pending: n.Pending, Children: n.Children,
	}
	if n.Last != tree.White {
		o.Last = n.Last.String()
	}
	if !n.Value.IsNone() {
		o.Value = &Value{n.Value}
	}
	if n.Kind == tree.Group {
		o.Counts = countsOf(n.Counts)
	}
	if s := n.Spec; s != nil {
		o.Description, o.Unit, o.Source, o.Owner, o.Metric, o.Labels = s.Description, s.Unit, s.Source, s.Owner, s.Metric, s.Labels
		if n.Kind != tree.Group {
			o.Mode = s.Mode.String()
		}
	}
	return o
}

func countsOf(c [4]int32) *Counts {
	return &Counts{c[tree.White], c[tree.Green], c[tree.Yellow], c[tree.Red]}
}

// fill adds what is known of a node that is seen as a whole.
func (d *Details) fill(n *tree.Node, events []tree.Event) {
	d.Created = FormatTime(n.Created)
	if n.Threshold != nil {
		d.Thresholds = ThresholdsOf(n.Threshold, n.Tuned)
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
		d.Events = append(d.Events, Event{Time: FormatTime(e.Time), Status: e.Status.String(), Text: e.Text})
	}
}

// ThresholdsOf puts a threshold into words; tuned says that it is not the definition's.
func ThresholdsOf(t *tree.Threshold, tuned bool) *Thresholds {
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
