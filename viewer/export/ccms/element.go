package ccms

import (
	"fmt"
	"strings"
	"time"

	"grove/tree"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/measure"
	"grove/viewer/export/ccms/name"
)

// Row is one element in a list of the tree: what GetAlertTree tells of it.
type Row struct {
	Name        string    `json:"name"`   // short name
	Parent      int       `json:"parent"` // position in the list; -1 for the first
	Depth       int       `json:"depth"`  // names in the path of the node
	Class       Class     `json:"class"`
	ClassNumber int       `json:"MTCLASS"`
	TID         string    `json:"TID"`
	Full        string    `json:"MTE"`
	Path        tree.Path `json:"path"`
	Value       Value     `json:"value"`
	Description string    `json:"description"` // value and unit, or the text
	Time        time.Time `json:"time,omitzero"`
	Since       time.Time `json:"since,omitzero"`
	Created     time.Time `json:"-"`
	Tool        string    `json:"tool,omitempty"` // the runtime bean behind it
	Level       Level     `json:"level"`
	Owner       string    `json:"owner,omitempty"`
	Hidden      bool      `json:"hidden,omitempty"` // attributes that are hidden from whoever asks contribute to the value
	// Alert is the open alert at or below the element that matters most.
	Alert *alert.Alert `json:"alert,omitempty"`
}

// Element is everything about one element.
type Element struct {
	Row
	System    string `json:"MTSYSID"`
	Context   string `json:"MTMCNAME"`
	Object    string `json:"OBJECTNAME"`
	Attribute string `json:"ATTRNAME"`

	MTEClass       string `json:"MTECLASS"`
	AttributeGroup string `json:"ATTRGROUP"`
	Severity       uint8  `json:"severity"`
	MaxAlerts      int    `json:"maxAlerts"` // that are kept
	MessageClass   string `json:"messageClass"`
	MessageNumber  string `json:"messageNumber"`
	Comment        string `json:"comment,omitempty"` // the definition's description
	Reason         string `json:"reason,omitempty"`  // why it has no colour
	Flapping       bool   `json:"flapping,omitempty"`

	Performance *Current           `json:"performance,omitempty"`
	Threshold   *measure.Threshold `json:"threshold,omitempty"`
	Log         *LogInfo           `json:"log,omitempty"`
	Counts      *[4]int32          `json:"counts,omitempty"` // of attributes below, by colour 0 to 3
}

// Current is the current value record of a performance attribute. Values are stored
// as integers, value * 10^DECIMALS, beside what they stand for. Average1 and so on are
// left out when no reading came in that time.
type Current struct {
	Decimals int    `json:"DECIMALS"`
	Unit     string `json:"VALUNIT"` // four characters
	FullUnit string `json:"unit"`
	// Relevance is the kind of value that thresholds are held against (RELVALTYPE):
	// always the last reported one. Hold times do in grove what smoothing does in
	// CCMS.
	Relevance string     `json:"RELVALTYPE"`
	Last      *int64     `json:"LASTPERVAL,omitempty"`
	Relevant  *int64     `json:"ALRELEVVAL,omitempty"`
	Value     tree.Value `json:"value"`
	Date      string     `json:"ALRELVDATE,omitempty"` // 20060102, UTC
	Time      string     `json:"ALRELVTIME,omitempty"` // 150405, UTC
	Average1  *Averaged  `json:"AVG01,omitempty"`
	Average5  *Averaged  `json:"AVG05,omitempty"`
	Average15 *Averaged  `json:"AVG15,omitempty"`
	Min       *Marked    `json:"MIN,omitempty"` // since the manager started, or the node was made
	Max       *Marked    `json:"MAX,omitempty"`
	LastState Value      `json:"LASTALSTAT"`
}

// Averaged is an average as CCMS stores it.
type Averaged struct {
	P     int64   `json:"P"` // average
	C     uint32  `json:"C"` // count
	S     int64   `json:"S"` // sum
	Value float64 `json:"value"`
}

// Marked is an extreme as CCMS stores it.
type Marked struct {
	Stored int64     `json:"VALUE"`
	Value  float64   `json:"value"`
	Time   time.Time `json:"time"`
}

// LogInfo is how a log attribute makes its value and what it keeps.
type LogInfo struct {
	// Mode is 1 where the last line gives the colour and 3 where it is the worst line
	// of the last Seconds; grove has no log of mode 2, the highest alert of all.
	Mode    int     `json:"mode"`
	Seconds float64 `json:"seconds,omitempty"`
	Lines   int     `json:"lines"` // kept at most
	// Filter says which lines are kept: as reported, all of them.
	Filter string `json:"filter"`
}

// message is what stands in place of a message class of SAP's: the texts are grove's.
const (
	messageClass  = "GROVE"
	messageNumber = "000"
)

// rowOf makes what a list tells of a row.
func (e *Exporter) rowOf(r *row) Row {
	class := classOf(r)
	out := Row{
		Name: name.Short(r.Path, e.opts.System), Parent: -1, Depth: r.Depth, Class: class, ClassNumber: int(class), TID: e.tid(r),
		Full: full(&r.Node, e.opts.System), Path: r.Path, Value: r.Status,
		Time: r.Time, Since: r.Since, Created: r.Created, Level: r.level, Hidden: r.hidden,
	}
	if r.Spec != nil {
		out.Tool, out.Owner = r.Spec.Source, r.owner
		out.Description = measure.Describe(r.Kind, r.Value, r.Spec.Unit)
	}
	return out
}

// element makes the whole record of a row.
func (e *Exporter) element(r *row) Element {
	parts := name.Of(r.Path, r.Kind == tree.Group)
	el := Element{
		Row: e.rowOf(r), System: e.opts.System, Context: parts.Context, Object: parts.Object, Attribute: parts.Attribute,
		MTEClass: "GROVE_" + strings.ToUpper(r.Kind.String()), Severity: r.severity, MaxAlerts: e.opts.AlertsPerNode,
		MessageClass: messageClass, MessageNumber: messageNumber, Reason: r.Reason, Flapping: r.Flapping,
	}
	if r.Spec != nil {
		el.Comment = r.Spec.Description
		if r.Spec.Metric != "" {
			el.MTEClass = name.Part(r.Spec.Metric)
		}
	}
	el.AttributeGroup = el.MTEClass
	if r.Tuned {
		el.AttributeGroup = "<TID specific>"
	}
	if r.Kind == tree.Group {
		el.Counts = &r.Counts
		return el
	}
	el.Threshold = measure.ThresholdOf(r.Threshold)
	switch r.Kind {
	case tree.Performance:
		el.Performance = e.current(r, el.Threshold)
	case tree.Log:
		el.Log = logInfo(r)
	}
	return el
}

func logInfo(r *row) *LogInfo {
	l := &LogInfo{Mode: 1, Lines: tree.DefaultKeep, Filter: "as reported"}
	if r.Spec.Keep > 0 {
		l.Lines = r.Spec.Keep
	}
	if r.Threshold != nil && r.Threshold.ClearAfter > 0 {
		l.Mode, l.Seconds = 3, r.Threshold.ClearAfter.Seconds()
	}
	return l
}

// current makes the current value record.
func (e *Exporter) current(r *row, th *measure.Threshold) *Current {
	d := measure.Decimals(r.Spec.Unit, th)
	c := &Current{
		Decimals: d, Unit: measure.Unit(r.Spec.Unit), FullUnit: r.Spec.Unit, Relevance: "last reported", Value: r.Value, LastState: r.Status,
	}
	if v, ok := r.Value.Number(); ok {
		last, relevant := measure.Stored(v, d), measure.Stored(v, d)
		c.Last, c.Relevant = &last, &relevant
		c.Date, c.Time = r.Time.UTC().Format("20060102"), r.Time.UTC().Format("150405")
	}
	e.mu.Lock()
	w, ok := e.table.window(r.Ref)
	e.mu.Unlock()
	if !ok {
		return c
	}
	now := e.opts.Now()
	for _, a := range []struct {
		minutes int
		into    **Averaged
	}{{1, &c.Average1}, {5, &c.Average5}, {15, &c.Average15}} {
		if avg, ok := w.Average(now, a.minutes); ok {
			*a.into = &Averaged{P: measure.Stored(avg.Value, d), C: avg.Count, S: measure.Stored(avg.Sum, d), Value: avg.Value}
		}
	}
	least, greatest := w.Extremes()
	c.Min = &Marked{measure.Stored(least.Value, d), least.Value, least.Time}
	c.Max = &Marked{measure.Stored(greatest.Value, d), greatest.Value, greatest.Time}
	return c
}

// TooManyError says that an answer would be too long.
type TooManyError struct {
	What        string // "elements"
	Have, Bound int
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d %s are more than the bound of %d: ask for a smaller part of the tree", e.Have, e.What, e.Bound)
}
