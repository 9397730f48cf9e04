package frame

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"grove/tree"
)

// The JSON form has the same parts under words; times are RFC 3339 with
// milliseconds in UTC, and what is not known is left out.
type jsonFrame struct {
	Type    string       `json:"type"` // "snapshot" or "delta"
	ID      uint32       `json:"id"`
	From    *uint64      `json:"from,omitempty"`
	Seq     uint64       `json:"seq"`
	Time    string       `json:"time,omitempty"`
	Nodes   []jsonNode   `json:"nodes,omitempty"`
	Removed []uint32     `json:"removed,omitempty"`
	Placed  []jsonNode   `json:"placed,omitempty"`
	Changes []jsonChange `json:"changes,omitempty"`
}

type jsonNode struct {
	Index       uint32 `json:"index"`
	Parent      uint32 `json:"parent"`
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	Unit        string `json:"unit,omitempty"`
	Description string `json:"description,omitempty"`
	Since       string `json:"since,omitempty"`
	Children    int    `json:"children,omitempty"`
	Hidden      bool   `json:"hidden,omitempty"`
	jsonState
}

type jsonChange struct {
	Index uint32 `json:"index"`
	Since string `json:"since,omitempty"`
	Time  string `json:"time,omitempty"`
	jsonState
}

type jsonState struct {
	Status   string          `json:"status"`
	Value    json.RawMessage `json:"value,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Flapping bool            `json:"flapping,omitempty"`
	Pending  bool            `json:"pending,omitempty"`
	Counts   *jsonCounts     `json:"counts,omitempty"`
}

type jsonCounts struct {
	White  int32 `json:"white"`
	Green  int32 `json:"green"`
	Yellow int32 `json:"yellow"`
	Red    int32 `json:"red"`
}

// MarshalJSON writes the JSON form.
func (f *Frame) MarshalJSON() ([]byte, error) {
	j := jsonFrame{Type: "snapshot", ID: f.ID, Seq: f.Seq, Time: formatTime(f.Time), Removed: f.Removed}
	nodes := make([]jsonNode, len(f.Nodes))
	for i := range f.Nodes {
		n := &f.Nodes[i]
		nodes[i] = jsonNode{Index: n.Index, Parent: n.Parent, Name: n.Name, Kind: n.Kind.String(), Unit: n.Unit,
			Description: n.Description, Since: formatTime(n.Since), Children: n.Children, Hidden: n.Hidden, jsonState: writeState(&n.State)}
	}
	if f.Type == TypeSnapshot {
		j.Nodes = nodes
		return json.Marshal(j)
	}
	j.Type, j.From, j.Placed = "delta", &f.From, nodes
	j.Changes = make([]jsonChange, len(f.Changes))
	for i := range f.Changes {
		c := &f.Changes[i]
		j.Changes[i] = jsonChange{Index: c.Index, Since: formatTime(c.Since), Time: formatTime(c.Time), jsonState: writeState(&c.State)}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the JSON form. Every change it reads is full.
func (f *Frame) UnmarshalJSON(data []byte) error {
	var j jsonFrame
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	r := jsonReader{}
	*f = Frame{ID: j.ID, Seq: j.Seq, Time: r.time(j.Time), Removed: j.Removed}
	nodes := j.Nodes
	switch j.Type {
	case "snapshot":
		f.Type = TypeSnapshot
	case "delta":
		f.Type, nodes = TypeDelta, j.Placed
		if j.From == nil {
			return fmt.Errorf("%w: a delta without from", ErrFrame)
		}
		f.From = *j.From
	default:
		return fmt.Errorf("%w: unknown type %q", ErrFrame, j.Type)
	}
	for i := range nodes {
		n := &nodes[i]
		f.Nodes = append(f.Nodes, Node{Index: n.Index, Parent: n.Parent, Kind: r.kind(n.Kind), Name: n.Name, Unit: n.Unit,
			Description: n.Description, Since: r.time(n.Since), Children: n.Children, Hidden: n.Hidden, State: r.state(&n.jsonState)})
	}
	for i := range j.Changes {
		c := &j.Changes[i]
		f.Changes = append(f.Changes, Change{Index: c.Index, Full: true, Since: r.time(c.Since), Time: r.time(c.Time), State: r.state(&c.jsonState)})
	}
	if r.err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, r.err)
	}
	return nil
}

const timeFormat = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

func writeState(s *State) jsonState {
	j := jsonState{Status: s.Status.String(), Reason: s.Reason, Flapping: s.Flapping, Pending: s.Pending}
	if !s.Value.IsNone() {
		j.Value, _ = s.Value.MarshalJSON() // Its texts and numbers always have a form.
	}
	if c := s.Counts; c != nil {
		j.Counts = &jsonCounts{White: c[tree.White], Green: c[tree.Green], Yellow: c[tree.Yellow], Red: c[tree.Red]}
	}
	return j
}

// jsonReader keeps the first error.
type jsonReader struct{ err error }

func (r *jsonReader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *jsonReader) time(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		r.note(err)
	}
	return t
}

func (r *jsonReader) kind(s string) tree.Kind {
	if s == tree.Group.String() {
		return tree.Group
	}
	k, err := tree.ParseKind(s)
	if err != nil {
		r.note(err)
	}
	return k
}

func (r *jsonReader) state(j *jsonState) State {
	status, err := tree.ParseStatus(j.Status)
	if err != nil {
		r.note(err)
	}
	s := State{Status: status, Reason: j.Reason, Flapping: j.Flapping, Pending: j.Pending, Value: r.value(j.Value)}
	if c := j.Counts; c != nil {
		s.Counts = &[4]int32{tree.White: c.White, tree.Green: c.Green, tree.Yellow: c.Yellow, tree.Red: c.Red}
	}
	return s
}

// value reads null, a number or a string. A string stays a text: only the kind of
// the node could say that "NaN" is a number.
func (r *jsonReader) value(raw json.RawMessage) tree.Value {
	if len(raw) == 0 || string(raw) == "null" {
		return tree.Value{}
	}
	if raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			r.note(err)
		}
		return tree.Text(s)
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(v, 0) {
		r.note(fmt.Errorf("value %.40q is neither a number nor a string", raw))
		return tree.Value{}
	}
	return tree.Number(v)
}
