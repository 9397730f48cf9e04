package branch

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"grove/notify/peer/branch/frame"
	"grove/tree"
)

// spec is a tree.Spec on its way to another manager: JSON with the names that definitions
// use. Durations are nanoseconds. What a program does not know it leaves out, and what it
// cannot use it does without: a kind that is unknown is a text.
type spec struct {
	Kind        string            `json:"kind"`
	Description string            `json:"description,omitempty"`
	Unit        string            `json:"unit,omitempty"`
	Threshold   *threshold        `json:"threshold,omitempty"`
	Rollup      *rollup           `json:"rollup,omitempty"`
	Edge        tree.EdgeMap      `json:"edge,omitempty"`
	Fixed       string            `json:"fixed,omitempty"`
	Weight      uint16            `json:"weight,omitempty"`
	Keep        int               `json:"keep,omitempty"`
	Mode        string            `json:"mode,omitempty"`
	Source      string            `json:"source,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Metric      string            `json:"metric,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
	History     *history          `json:"history,omitempty"`
	Alerting    *alerting         `json:"alerting,omitempty"`
}

type threshold struct {
	Yellow      *level            `json:"yellow,omitempty"`
	Red         *level            `json:"red,omitempty"`
	States      map[string]string `json:"states,omitempty"`
	ClearAfter  time.Duration     `json:"clear_after,omitempty"`
	FlapChanges int               `json:"flap_changes,omitempty"`
	FlapWindow  time.Duration     `json:"flap_window,omitempty"`
	StaleAfter  time.Duration     `json:"stale_after,omitempty"`
}

type level struct {
	Form    string        `json:"form"`
	Low     float64       `json:"low,omitempty"`
	High    float64       `json:"high,omitempty"`
	OffLow  float64       `json:"off_low,omitempty"`
	OffHigh float64       `json:"off_high,omitempty"`
	After   time.Duration `json:"after,omitempty"`
}

type rollup struct {
	Rule   tree.RollupRule  `json:"rule,omitempty"`
	Yellow float64          `json:"yellow,omitempty"`
	Red    float64          `json:"red,omitempty"`
	Green  float64          `json:"green,omitempty"`
	Cap    string           `json:"cap,omitempty"`
	White  tree.WhitePolicy `json:"white,omitempty"`
}

type history struct {
	Off   bool          `json:"off,omitempty"`
	Every time.Duration `json:"every,omitempty"`
	Keep  time.Duration `json:"keep,omitempty"`
}

type alerting struct {
	Rule          string        `json:"rule,omitempty"`
	Vital         uint8         `json:"vital,omitempty"`
	DependsOn     []string      `json:"depends_on,omitempty"`
	Expect        []string      `json:"expect,omitempty"`
	AtLeast       int           `json:"at_least,omitempty"`
	Yellow        string        `json:"yellow,omitempty"`
	Red           string        `json:"red,omitempty"`
	Silence       time.Duration `json:"silence,omitempty"`
	EventType     string        `json:"event_type,omitempty"`
	ProbableCause string        `json:"probable_cause,omitempty"`
	Repair        string        `json:"repair,omitempty"`
}

// writeSpec writes what is said of a node, with the threshold that is in force. What is too
// long to be sent is sent without what only people and documents need.
func writeSpec(s *tree.Spec, inForce *tree.Threshold) []byte {
	w := spec{
		Kind: s.Kind.String(), Description: s.Description, Unit: s.Unit, Edge: s.Edge.Map, Weight: s.Edge.Weight, Keep: s.Keep,
		Mode: s.Mode.String(), Source: s.Source, Owner: s.Owner, Metric: s.Metric, Labels: s.Labels, Properties: s.Properties,
	}
	if s.Edge.Fixed != tree.White {
		w.Fixed = s.Edge.Fixed.String()
	}
	if th := inForce; s.Kind != tree.Group && th != nil {
		w.Threshold = &threshold{
			Yellow: writeLevel(th.Yellow), Red: writeLevel(th.Red), ClearAfter: th.ClearAfter, FlapChanges: th.Flap.Changes,
			FlapWindow: th.Flap.Window, StaleAfter: th.StaleAfter,
		}
		if th.States != nil {
			w.Threshold.States = make(map[string]string, len(th.States))
			for text, status := range th.States {
				w.Threshold.States[text] = status.String()
			}
		}
	}
	if r := s.Rollup; r != nil {
		w.Rollup = &rollup{Rule: r.Rule, Yellow: r.Yellow, Red: r.Red, Green: r.Green, White: r.White}
		if r.Cap != tree.White {
			w.Rollup.Cap = r.Cap.String()
		}
	}
	if h := s.History; h != nil {
		w.History = &history{h.Off, h.Every, h.Keep}
	}
	if a := s.Alerting; a != nil {
		w.Alerting = &alerting{
			Vital: a.Vital, Expect: a.Expect, AtLeast: a.AtLeast, Silence: a.Silence, EventType: a.EventType,
			ProbableCause: a.ProbableCause, Repair: a.Repair,
		}
		if a.Rule != tree.AlertInherit {
			w.Alerting.Rule = a.Rule.String()
		}
		if a.Yellow != tree.Cleared {
			w.Alerting.Yellow = a.Yellow.String()
		}
		if a.Red != tree.Cleared {
			w.Alerting.Red = a.Red.String()
		}
		for _, p := range a.DependsOn {
			w.Alerting.DependsOn = append(w.Alerting.DependsOn, p.String())
		}
	}
	text, err := json.Marshal(w)
	if err == nil && len(text) > frame.MaxSpec {
		w.Description, w.Properties, w.Alerting = "", nil, nil
		text, err = json.Marshal(w)
	}
	if err != nil || len(text) > frame.MaxSpec {
		text, _ = json.Marshal(spec{Kind: w.Kind, Unit: w.Unit})
	}
	return text
}

func writeLevel(l tree.Level) *level {
	if l.Form == tree.Never {
		return nil
	}
	return &level{Form: l.Form.String(), Low: l.Low, High: l.High, OffLow: l.OffLow, OffHigh: l.OffHigh, After: l.After}
}

// readSpec reads what writeSpec writes, of this program or a later one. The result passes
// its Check; paths in it are those of the other tree.
func readSpec(text []byte) (*tree.Spec, error) {
	var w spec
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("a spec: %w", err)
	}
	kind := tree.TextKind
	for k := tree.Group; k <= tree.TextKind; k++ {
		if k.String() == w.Kind {
			kind = k
		}
	}
	s := &tree.Spec{
		Kind: kind, Description: clip(w.Description), Unit: clip(w.Unit), Given: true, Source: clip(w.Source), Owner: clip(w.Owner),
		Metric: clip(w.Metric), Labels: bounded(w.Labels), Properties: bounded(w.Properties),
		Edge: tree.Edge{Map: w.Edge, Fixed: status(w.Fixed), Weight: w.Weight}, Keep: min(max(w.Keep, 0), tree.MaxKeep),
	}
	if s.Edge.Map > tree.FixedStatus {
		s.Edge.Map = tree.AsIs
	}
	// A node that is asked for when somebody looks is asked for by its owner.
	if s.Mode, _ = tree.ParseMode(w.Mode); s.Mode == tree.Request {
		s.Mode = tree.Push
	}
	if w.Threshold != nil && kind != tree.Group {
		s.Threshold = w.Threshold.read()
	}
	if r := w.Rollup; r != nil && kind == tree.Group {
		s.Rollup = &tree.Rollup{Rule: r.Rule, Yellow: r.Yellow, Red: r.Red, Green: r.Green, Cap: status(r.Cap), White: r.White}
		if s.Rollup.Check() != nil {
			s.Rollup = nil
		}
	}
	if h := w.History; h != nil {
		s.History = &tree.History{Off: h.Off, Every: max(h.Every, 0), Keep: max(h.Keep, 0)}
	}
	if w.Alerting != nil {
		if s.Alerting = w.Alerting.read(); s.Alerting.Check(kind) != nil {
			s.Alerting = nil
		}
	}
	return s, s.Check()
}

func (w *threshold) read() *tree.Threshold {
	th := &tree.Threshold{
		Yellow: w.Yellow.read(), Red: w.Red.read(), ClearAfter: w.ClearAfter,
		Flap: tree.Flap{Changes: w.FlapChanges, Window: w.FlapWindow}, StaleAfter: w.StaleAfter,
	}
	if w.States != nil {
		th.States = make(map[string]tree.Status, len(w.States))
		for text, name := range w.States {
			th.States[text] = status(name)
		}
	}
	if th.Check() != nil {
		return nil // It judges nothing here, so it is only not shown.
	}
	return th
}

func (w *level) read() (l tree.Level) {
	if w == nil {
		return l
	}
	for f := tree.Above; f <= tree.Inside; f++ {
		if f.String() == w.Form {
			return tree.Level{Form: f, Low: w.Low, High: w.High, OffLow: w.OffLow, OffHigh: w.OffHigh, After: w.After}
		}
	}
	return l
}

func (w *alerting) read() *tree.Alerting {
	a := &tree.Alerting{
		Vital: w.Vital, Expect: w.Expect, AtLeast: w.AtLeast, Silence: w.Silence, EventType: w.EventType,
		ProbableCause: clip(w.ProbableCause), Repair: clip(w.Repair),
	}
	a.Rule, _ = tree.ParseAlertRule(w.Rule)
	a.Yellow, _ = tree.ParseSeverity(w.Yellow)
	a.Red, _ = tree.ParseSeverity(w.Red)
	if !tree.IsEventType(a.EventType) {
		a.EventType = ""
	}
	for _, text := range w.DependsOn {
		if p, err := tree.ParsePath(text); err == nil {
			a.DependsOn = append(a.DependsOn, p)
		}
	}
	return a
}

// status reads the name of a status; what is unknown is white.
func status(name string) tree.Status {
	s, _ := tree.ParseStatus(name)
	return s
}

// maxNames bounds labels and properties.
const maxNames = 64

func bounded(m map[string]string) map[string]string {
	if len(m) > maxNames {
		kept := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(m))[:maxNames] {
			kept[name] = m[name]
		}
		m = kept
	}
	for name, text := range m {
		m[name] = clip(text)
	}
	return m
}

func clip(s string) string {
	if len(s) > tree.MaxTextBytes {
		return strings.ToValidUTF8(s[:tree.MaxTextBytes-len("…")], "") + "…"
	}
	return s
}

// hungSpec is the spec of a node of another tree as it hangs here: with whose it is, and
// with paths and rules of alerts that hold here. Mount says that the node is the one at
// which the tree hangs.
func (p *place) hungSpec(s *tree.Spec, mount bool) *tree.Spec {
	h := *s
	h.Labels = with(s.Labels, LabelManager, p.name)
	if h.Owner != "" {
		h.Owner = p.name + ":" + s.Owner // an instance of that manager, not of this one
	}
	if s.Alerting != nil {
		a := *s.Alerting
		a.DependsOn = nil
		for _, other := range s.Alerting.DependsOn {
			if below, ok := p.under.Below(other); ok {
				if here, err := p.at.Join(below); err == nil {
					a.DependsOn = append(a.DependsOn, here)
				}
			}
		}
		if !p.ours {
			a.Rule = tree.AlertInherit // as the group says at which the tree hangs
		}
		h.Alerting = &a
	}
	if !mount {
		return &h
	}
	h.Properties = with(s.Properties, PropertyManager, string(p.peer))
	if h.Alerting == nil {
		h.Alerting = &tree.Alerting{}
	}
	if !p.ours {
		h.Alerting.Rule = tree.AlertNever
	}
	if link, err := LinkPath(p.name); err == nil && len(h.Alerting.DependsOn) < tree.MaxAlerting {
		h.Alerting.DependsOn = append(h.Alerting.DependsOn, link)
	}
	return &h
}

// with returns m with one more name, unless it has that.
func with(m map[string]string, name, text string) map[string]string {
	if _, ok := m[name]; ok {
		return m
	}
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	m[name] = text
	return m
}
