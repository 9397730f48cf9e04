package document

import (
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/quantity"
)

// Record is the copy of one node: what can change while the document is written.
type Record struct {
	Path      tree.Path
	Reason    string
	Value     tree.Value
	Spec      *tree.Spec
	Threshold *tree.Threshold
	Kind      tree.Kind
	Status    tree.Status
	Last      tree.Status // that was not white
	Flapping  bool
	Tuned     bool  // the threshold is not that of the spec
	time      int64 // of the last reading, Unix nanoseconds; 0: none
	since     int64
	depth     uint8
	way       bool  // it is on the way to what is seen: more is not told of it
	hidden    bool  // something below it is hidden
	place     uint8 // depth of the place of the element that it is told of with
}

func (r *Record) fill(n *tree.Node) {
	*r = Record{
		Path: n.Path, Reason: n.Reason, Value: n.Value, Spec: n.Spec, Threshold: n.Threshold, since: n.Since.UnixNano(),
		Kind: n.Kind, Status: n.Status, Last: n.Last, depth: uint8(n.Depth), Flapping: n.Flapping, Tuned: n.Tuned,
	}
	if !n.Time.IsZero() {
		r.time = n.Time.UnixNano()
	}
}

func (r *Record) property(key string) string {
	if r.Spec == nil {
		return ""
	}
	return r.Spec.Properties[key]
}

// Name is how people call an attribute in its element: "CPU › Used".
func (r *Record) Name() string {
	names := r.Path.Names()
	if below := names[min(int(r.place), len(names)):]; len(below) > 0 {
		return strings.Join(below, " › ")
	}
	return r.Path.Name()
}

// Since is when it took its status.
func (r *Record) Since() time.Time { return time.Unix(0, r.since) }

// Time is when it was last read; zero is never.
func (r *Record) Time() time.Time {
	if r.time == 0 {
		return time.Time{}
	}
	return time.Unix(0, r.time)
}

// Describe says what it holds, for people.
func (r *Record) Describe() string {
	if r.Status == tree.White && r.Reason != "" {
		return r.Reason
	}
	if shown := r.Shown(); shown != "" {
		return shown
	}
	if text, ok := r.Value.Text(); ok && text != "" {
		return text
	}
	return Word(r.Status)
}

// Unit is that of the value.
func (r *Record) Unit() string {
	if r.Spec == nil {
		return ""
	}
	return r.Spec.Unit
}

// Shown is the value for people; empty for a text, which is so already.
func (r *Record) Shown() string {
	n, isNumber := r.Value.Number()
	switch {
	case !isNumber:
		return ""
	case r.Kind == tree.State && r.Unit() == "" && (n == 0 || n == 1):
		return strconv.FormatBool(n == 1) // A truth value is the number 1 or 0.
	}
	return quantity.Show(r.Value, r.Unit())
}

// above lists the paths above p, the root first.
func above(p tree.Path) []tree.Path {
	list := make([]tree.Path, p.Depth())
	for i := len(list) - 1; i >= 0; i-- {
		p = p.Parent()
		list[i] = p
	}
	return list
}
