package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/beans"
	"grove/tree"
)

// bean is the monitor bean of one node, made for one access.
type bean struct {
	d   *Directory
	ref tree.Ref
}

var _ beans.Emitter = (*bean)(nil)

// attribute is one attribute of monitor beans.
type attribute struct {
	info  beans.AttributeInfo
	shown func(n *tree.Node) bool // nil: on every node
	get   func(n *tree.Node) beans.Value
	set   func(th *tree.Threshold, v beans.Value) // v is of info.Type; nil: read-only
}

func isLeaf(n *tree.Node) bool  { return n.Kind != tree.Group }
func isGroup(n *tree.Node) bool { return n.Kind == tree.Group }

// fixed are the attributes that do not depend on the form of a threshold.
var fixed = []attribute{
	text("Path", "place in the tree", func(n *tree.Node) string { return n.Path.String() }),
	text("Name", "last name of the path", func(n *tree.Node) string { return n.Name }),
	text("Kind", "group, performance, status, log or text", func(n *tree.Node) string { return n.Kind.String() }),
	text("Description", "what the node shows", func(n *tree.Node) string { return n.Spec.Description }),
	text("Status", "green, yellow, red or white", func(n *tree.Node) string { return n.Status.String() }),
	text("LastStatus", "the last status that was not white", func(n *tree.Node) string { return n.Last.String() }),
	text("Reason", "why the node is white", func(n *tree.Node) string { return n.Reason }),
	text("Owner", "instance that grew the node", func(n *tree.Node) string { return n.Spec.Owner }),
	{info: info("StatusSince", beans.TypeTime, "when the status began"), get: func(n *tree.Node) beans.Value { return n.Since }},
	{info: info("Created", beans.TypeTime, "when the node was made"), get: func(n *tree.Node) beans.Value { return n.Created }},
	{info: info("Value", beans.TypeAny, "the last reading: a number, a text or null"), shown: isLeaf, get: func(n *tree.Node) beans.Value { return n.Value.Any() }},
	{info: info("LastReading", beans.TypeTime, "when the last reading was observed; null before the first"), shown: isLeaf, get: func(n *tree.Node) beans.Value {
		if n.Time.IsZero() {
			return nil
		}
		return n.Time
	}},
	leafText("Unit", "unit of the value", func(n *tree.Node) string { return n.Spec.Unit }),
	leafText("Mode", "how the node gets its readings: timer, push, request or notification", func(n *tree.Node) string { return n.Spec.Mode.String() }),
	leafText("Source", "runtime bean that feeds the node", func(n *tree.Node) string { return n.Spec.Source }),
	leafText("Metric", "name of the value in exporters", func(n *tree.Node) string { return n.Spec.Metric }),
	{info: info("Flapping", beans.TypeBool, "the status changes too often and keeps the worst"), shown: isLeaf, get: func(n *tree.Node) beans.Value { return n.Flapping }},
	{info: info("Pending", beans.TypeBool, "a hold time runs towards another status"), shown: isLeaf, get: func(n *tree.Node) beans.Value { return n.Pending }},
	{info: info("Tuned", beans.TypeBool, "the thresholds are not those of the definition"), shown: isLeaf, get: func(n *tree.Node) beans.Value { return n.Tuned }},
	{info: info("Children", beans.TypeInt, "nodes directly below"), shown: isGroup, get: func(n *tree.Node) beans.Value { return int64(n.Children) }},
	{info: info("Rollup", beans.TypeString, "rule that makes the status of the group"), shown: isGroup, get: func(n *tree.Node) beans.Value {
		if n.Spec.Rollup == nil {
			return tree.Worst.String()
		}
		return n.Spec.Rollup.Rule.String()
	}},
	{info: info("Counts", beans.TypeMap, "attributes anywhere below, by status"), shown: isGroup, get: func(n *tree.Node) beans.Value {
		counts := map[string]beans.Value{}
		for _, s := range tree.Statuses {
			counts[s.String()] = int64(n.Counts[s])
		}
		return counts
	}},
	{info: info("States", beans.TypeMap, "status of each state; the key * is for every other"), shown: func(n *tree.Node) bool {
		return isLeaf(n) && n.Threshold.States != nil
	}, get: func(n *tree.Node) beans.Value {
		states := map[string]beans.Value{}
		for text, s := range n.Threshold.States {
			states[text] = s.String()
		}
		return states
	}},
	duration("ClearAfter", "how long readings must allow a better status", func(th *tree.Threshold) *time.Duration { return &th.ClearAfter }),
	duration("StaleAfter", "silence after which the node is white; 0 is never", func(th *tree.Threshold) *time.Duration { return &th.StaleAfter }),
}

// byName finds the fixed attributes.
var byName = func() map[string]*attribute {
	m := make(map[string]*attribute, len(fixed))
	for i := range fixed {
		m[fixed[i].info.Name] = &fixed[i]
	}
	return m
}()

// attributeOf returns the attribute of a node with that name: one of those that
// attributesOf lists. Clients read a few attributes of many nodes, so that it makes
// no others on the way, and none at all for a fixed one.
func attributeOf(n *tree.Node, name string) (attribute, bool) {
	if a := byName[name]; a != nil {
		return *a, a.shown == nil || a.shown(n)
	}
	if !isLeaf(n) {
		return attribute{}, false
	}
	list := redBorders
	if strings.HasPrefix(name, "GreenToYellow") || strings.HasPrefix(name, "YellowToGreen") {
		list = yellowBorders
	}
	for _, a := range list(n) {
		if a.info.Name == name {
			return a, true
		}
	}
	return attribute{}, false
}

// attributesOf lists the attributes of a node: the fixed ones and the borders of
// its thresholds, by CCMS's names for the four levels. GreenToYellow and YellowToRed
// are the borders of entering (red is entered from green, too), RedToYellow and
// YellowToGreen those of leaving. A level that is a range has a Low and a High of
// each; a level that the node does not use has none.
func attributesOf(n *tree.Node) (list []attribute) {
	for _, a := range fixed {
		if a.shown == nil || a.shown(n) {
			list = append(list, a)
		}
	}
	if isLeaf(n) {
		list = append(list, yellowBorders(n)...)
		list = append(list, redBorders(n)...)
	}
	return list
}

// yellowBorders are the attributes of the yellow level of a node.
func yellowBorders(n *tree.Node) []attribute {
	return borders("GreenToYellow", "YellowToGreen", n.Threshold.Yellow.Form, n.Spec.Unit, func(th *tree.Threshold) *tree.Level { return &th.Yellow })
}

// redBorders are the attributes of the red level of a node.
func redBorders(n *tree.Node) []attribute {
	return borders("YellowToRed", "RedToYellow", n.Threshold.Red.Form, n.Spec.Unit, func(th *tree.Threshold) *tree.Level { return &th.Red })
}

// borders are the attributes of one level.
func borders(enter, leave string, form tree.LevelForm, unit string, level func(*tree.Threshold) *tree.Level) (list []attribute) {
	if form == tree.Never {
		return nil
	}
	add := func(name, doc string, field func(*tree.Level) *float64) {
		i := info(name, beans.TypeFloat, doc)
		i.Unit, i.Writable = unit, true
		list = append(list, attribute{
			info: i,
			get:  func(n *tree.Node) beans.Value { return *field(level(n.Threshold)) },
			set:  func(th *tree.Threshold, v beans.Value) { *field(level(th)) = v.(float64) },
		})
	}
	low, high := func(l *tree.Level) *float64 { return &l.Low }, func(l *tree.Level) *float64 { return &l.High }
	offLow, offHigh := func(l *tree.Level) *float64 { return &l.OffLow }, func(l *tree.Level) *float64 { return &l.OffHigh }
	switch form {
	case tree.Above:
		add(enter, "entered by readings above", high)
		add(leave, "left by readings below", offHigh)
	case tree.Below:
		add(enter, "entered by readings below", low)
		add(leave, "left by readings above", offLow)
	default:
		add(enter+"Low", "lower border, "+form.String(), low)
		add(enter+"High", "upper border, "+form.String(), high)
		add(leave+"Low", "lower border of leaving", offLow)
		add(leave+"High", "upper border of leaving", offHigh)
	}
	list = append(list, duration(enter+"After", "how long readings must be beyond the level", func(th *tree.Threshold) *time.Duration { return &level(th).After }))
	return list
}

func info(name string, t beans.Type, doc string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: t, Description: doc, Readable: true}
}

func text(name, doc string, get func(*tree.Node) string) attribute {
	return attribute{info: info(name, beans.TypeString, doc), get: func(n *tree.Node) beans.Value { return get(n) }}
}

func leafText(name, doc string, get func(*tree.Node) string) attribute {
	a := text(name, doc, get)
	a.shown = isLeaf
	return a
}

func duration(name, doc string, field func(*tree.Threshold) *time.Duration) attribute {
	i := info(name, beans.TypeDuration, doc)
	i.Writable = true
	return attribute{
		info: i, shown: isLeaf,
		get: func(n *tree.Node) beans.Value { return *field(n.Threshold) },
		set: func(th *tree.Threshold, v beans.Value) { *field(th) = v.(time.Duration) },
	}
}

// Info implements beans.Bean. The bean of a node that is gone says that it is.
func (b *bean) Info() beans.Info {
	i := beans.Info{
		ClassName:   "grove.tree.Node",
		Description: "monitor bean",
		Operations: []beans.OperationInfo{
			{Name: "refresh", Description: "asks the runtime bean behind the node now", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
			{Name: "reset", Description: "forgets value, status, events and tuned thresholds, of everything below too", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
			{Name: "causes", Description: "paths of the attributes that give the node its yellow or red", Returns: beans.TypeStrings, Impact: beans.ImpactInfo},
			{Name: "events", Description: "events of a log attribute, oldest first: time, status, text", Returns: beans.TypeTable, Impact: beans.ImpactInfo},
		},
		Notifications: []beans.NotificationInfo{{
			Types: []string{TypeStatusChanged}, Name: "grove.tree.StatusChange", Description: "the node took another status",
		}},
	}
	n, err := b.d.tree.NodeAt(b.ref)
	if err != nil {
		i.Description = "monitor bean of a node that was removed"
		return i
	}
	if n.Spec.Description != "" {
		i.Description = n.Spec.Description
	}
	for _, a := range attributesOf(&n) {
		i.Attributes = append(i.Attributes, a.info)
	}
	return i
}

// find returns an attribute of the bean and the node as it is now.
func (b *bean) find(name string) (attribute, tree.Node, error) {
	n, err := b.d.tree.NodeAt(b.ref)
	if err != nil {
		return attribute{}, n, fmt.Errorf("%w: %w", beans.ErrNotFound, err)
	}
	a, ok := attributeOf(&n, name)
	if !ok {
		return attribute{}, n, fmt.Errorf("%w: %q", beans.ErrAttributeNotFound, name)
	}
	return a, n, nil
}

// Attribute implements beans.Bean. Reading the value of a node in request mode
// makes the tree ask for it.
func (b *bean) Attribute(_ context.Context, name string) (beans.Value, error) {
	a, n, err := b.find(name)
	if err != nil {
		return nil, err
	}
	if name == "Value" && n.Spec.Mode == tree.Request {
		b.d.tree.Look(n.Path)
	}
	return a.get(&n), nil
}

// SetAttribute implements beans.Bean: it tunes the thresholds of the node, which
// are checked as a whole each time. What does not fit those that are there is
// refused and changes nothing, so the order matters: to lower the levels of a node
// that turns red above them, set YellowToGreen, GreenToYellow, RedToYellow,
// YellowToRed; to raise them, the same backwards.
func (b *bean) SetAttribute(_ context.Context, name string, value beans.Value) error {
	a, _, err := b.find(name)
	if err != nil {
		return err
	}
	if a.set == nil {
		return fmt.Errorf("%w: %s", beans.ErrReadOnly, name)
	}
	v, err := beans.Convert(value, a.info.Type)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", beans.ErrInvalidValue, name, err)
	}
	switch err := b.d.tree.Tune(b.ref, func(th *tree.Threshold) { a.set(th, v) }); {
	case errors.Is(err, tree.ErrThreshold):
		return fmt.Errorf("%w: %s: %w", beans.ErrInvalidValue, name, err)
	case errors.Is(err, tree.ErrNoNode):
		return fmt.Errorf("%w: %w", beans.ErrNotFound, err)
	default:
		return err
	}
}

// Invoke implements beans.Bean.
func (b *bean) Invoke(ctx context.Context, operation string, args []beans.Value) (beans.Value, error) {
	n, err := b.d.tree.NodeAt(b.ref)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", beans.ErrNotFound, err)
	}
	if known := slices.ContainsFunc(b.Info().Operations, func(o beans.OperationInfo) bool { return o.Name == operation }); !known {
		return nil, fmt.Errorf("%w: %q", beans.ErrOperationNotFound, operation)
	}
	if len(args) != 0 {
		return nil, fmt.Errorf("%w: %s takes no arguments", beans.ErrOperationNotFound, operation)
	}
	switch operation {
	case "reset":
		return nil, b.d.tree.Reset(n.Path)
	case "causes":
		causes, err := b.d.tree.Cause(n.Path)
		texts := make([]string, len(causes))
		for i, p := range causes {
			texts[i] = p.String()
		}
		return texts, err
	case "events":
		events, err := b.d.tree.Events(n.Path)
		rows := make(beans.Table, len(events))
		for i, e := range events {
			rows[i] = map[string]beans.Value{"time": e.Time, "status": e.Status.String(), "text": e.Text}
		}
		return rows, err
	}
	if b.d.refresh == nil {
		b.d.tree.Look(n.Path)
		return nil, nil
	}
	return nil, b.d.refresh(ctx, b.ref)
}

// Subscribe implements beans.Emitter.
func (b *bean) Subscribe(listener beans.Listener, filter beans.Filter) (cancel func()) {
	return b.d.subscribe(b.ref, listener, filter)
}
