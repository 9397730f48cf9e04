package bind

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// Types of the notifications that a runtime bean emits.
const (
	TypeAvailable = "grove.runtime.available" // there is something to be read
	TypeFailed    = "grove.runtime.failed"    // a run failed; not repeated until one succeeded
)

// The values of the attribute State.
const (
	stateStarted = "started"
	stateStopped = "stopped"
)

// runtimeBean shows a probe in the bean server: what the probe yields, by its own
// names, and how its runs went.
type runtimeBean struct {
	beans.Broadcaster
	r          *runner
	attributes []beans.AttributeInfo // ownAttributes, and what the probe yields
}

// ownAttributes are those that every runtime bean has; the names of attributes of
// probes begin with a lower-case letter.
var ownAttributes = []beans.AttributeInfo{
	{Name: "State", Type: beans.TypeString, Description: "Whether the probe runs: started or stopped.", Readable: true},
	{Name: "Every", Type: beans.TypeDuration, Unit: "s", Description: "How often the timer runs the probe; 0: it runs only when asked to. A change holds until the definition changes the probe; when nodes turn stale stays as defined.", Readable: true, Writable: true},
	{Name: "Timeout", Type: beans.TypeDuration, Unit: "s", Description: "How long a run may take; shorter than Every.", Readable: true, Writable: true},
	{Name: "LastRun", Type: beans.TypeTime, Description: "When the last run started.", Readable: true},
	{Name: "LastDuration", Type: beans.TypeDuration, Unit: "s", Description: "How long the last run took.", Readable: true},
	{Name: "LastError", Type: beans.TypeString, Description: "Why the last run failed, or what it says of a resource that is down; empty when all is well.", Readable: true},
	{Name: "Runs", Type: beans.TypeInt, Unit: "runs", Description: "Runs that ended.", Readable: true, Descriptor: counter},
	{Name: "Failures", Type: beans.TypeInt, Unit: "runs", Description: "Runs that ended with an error.", Readable: true, Descriptor: counter},
	{Name: "Missed", Type: beans.TypeInt, Unit: "runs", Description: "Due runs that were skipped because the run before was not over.", Readable: true, Descriptor: counter},
	{Name: "Late", Type: beans.TypeDuration, Unit: "s", Description: "How late the runs started, all together.", Readable: true, Descriptor: counter},
}

var counter = map[string]string{"metricType": "counter"}

var runtimeOperations = []beans.OperationInfo{
	{Name: "start", Description: "Starts the probe.", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
	{Name: "stop", Description: "Stops the probe and waits for the run under way. Its nodes turn white as they grow stale.", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
	{Name: "run", Description: "Runs the probe now, out of turn.", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
	{Name: "announce", Description: "Says that the probe has something to be read: it is run, and everybody who listens is told.", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
}

var runtimeNotifications = []beans.NotificationInfo{
	{Types: []string{TypeAvailable}, Name: "grove.runtime.Available", Description: "The probe has something to be read."},
	{Types: []string{TypeFailed}, Name: "grove.runtime.Failed", Description: "A run failed after one that had not; the message says why."},
	{Types: []string{beans.TypeAttributeChange}, Name: "javax.management.AttributeChangeNotification", Description: "An attribute was set."},
}

// yields is what the probe yields, as the bean shows it.
func (b *runtimeBean) yields() []beans.AttributeInfo { return b.attributes[len(ownAttributes):] }

// described returns what a bean has for a probe that yields so much. Probes of one kind
// that were made one after the other often yield the very same, and so share this, too.
// It is called by Apply.
func (b *Binder) described(yields []beans.AttributeInfo) []beans.AttributeInfo {
	if len(yields) > 0 && len(yields) == len(b.yields) && &yields[0] == &b.yields[0] {
		return b.attributes
	}
	all := make([]beans.AttributeInfo, 0, len(ownAttributes)+len(yields))
	all = append(all, ownAttributes...)
	for _, a := range yields {
		a.Readable, a.Writable = true, false
		all = append(all, a)
	}
	b.yields, b.attributes = yields, all
	return all
}

// Info implements beans.Bean.
func (b *runtimeBean) Info() beans.Info {
	return beans.Info{
		ClassName:     "grove.runtime.RuntimeBean",
		Description:   fmt.Sprintf("The probe %s of kind %s.", b.r.plan.Name, b.r.plan.Kind),
		Attributes:    b.attributes,
		Operations:    runtimeOperations,
		Notifications: runtimeNotifications,
	}
}

// Attribute implements beans.Bean. What the probe has not yielded yet is nil.
func (b *runtimeBean) Attribute(_ context.Context, name string) (beans.Value, error) {
	runs, every, timeout, running := b.r.notes()
	switch name {
	case "State":
		if running {
			return stateStarted, nil
		}
		return stateStopped, nil
	case "Every":
		return every, nil
	case "Timeout":
		return timeout, nil
	case "LastRun":
		if runs.lastRun.IsZero() {
			return nil, nil
		}
		return runs.lastRun, nil
	case "LastDuration":
		return runs.lastDuration, nil
	case "LastError":
		return cmp.Or(runs.lastError, runs.down), nil
	case "Runs":
		return int64(runs.runs), nil
	case "Failures":
		return int64(runs.failures), nil
	case "Missed":
		return int64(runs.missed), nil
	case "Late":
		return runs.late, nil
	}
	yields := b.yields()
	for k := range yields {
		if yields[k].Name == name {
			return b.r.latest(&yields[k]), nil
		}
	}
	return nil, beans.NoAttribute(name)
}

// latest is the last reading of an attribute as the bean server shows it.
func (r *runner) latest(info *beans.AttributeInfo) beans.Value {
	r.mu.Lock()
	var last tree.Value
	if at := r.attribute(info.Name); at >= 0 {
		last = r.last[at]
	}
	events, table := r.lines[info.Name], r.table(info.Name)
	r.mu.Unlock()
	switch {
	case info.Type == beans.TypeTable && table == nil:
		return nil
	case info.Type == beans.TypeTable:
		return tableValue(info, table)
	case len(events) > 0:
		lines := make([]string, len(events))
		for k, e := range events {
			lines[k] = e.Text
		}
		if info.Type == beans.TypeString {
			return strings.Join(lines, "\n")
		}
		return lines
	}
	return plainValue(info.Type, last)
}

func tableValue(info *beans.AttributeInfo, t *probe.Kept) beans.Table {
	types := make([]beans.Type, len(t.Columns))
	for k, name := range t.Columns {
		for _, c := range info.Columns {
			if c.Name == name {
				types[k] = c.Type
			}
		}
	}
	out := make(beans.Table, 0, t.Rows())
	for r := range t.Rows() {
		row := make(map[string]beans.Value, len(t.Columns))
		for k, name := range t.Columns {
			row[name] = plainValue(types[k], t.Cell(r, k))
		}
		out = append(out, row)
	}
	return out
}

// plainValue gives a reading the Go type that its description promises; readings of
// durations are in seconds.
func plainValue(typ beans.Type, v tree.Value) beans.Value {
	n, isNumber := v.Number()
	if isNumber && typ == beans.TypeDuration {
		return time.Duration(n * float64(time.Second))
	}
	if isNumber && typ == beans.TypeBool {
		return n != 0
	}
	if isNumber && typ == beans.TypeInt && n == float64(int64(n)) {
		return int64(n)
	}
	return v.Any()
}

// SetAttribute implements beans.Bean: Every and Timeout take effect at once.
func (b *runtimeBean) SetAttribute(_ context.Context, name string, value beans.Value) error {
	if name != "Every" && name != "Timeout" {
		for _, a := range b.attributes {
			if a.Name == name {
				return beans.ReadOnly(name)
			}
		}
		return beans.NoAttribute(name)
	}
	converted, err := beans.Convert(value, beans.TypeDuration)
	if err != nil {
		return beans.Invalid(name, err)
	}
	d, ok := converted.(time.Duration)
	if !ok {
		return beans.Invalid(name, fmt.Errorf("a duration, not %v", converted))
	}
	_, every, timeout, _ := b.r.notes()
	old := every
	if name == "Every" {
		every = d
	} else {
		old, timeout = timeout, d
	}
	if err := b.r.setTimes(every, timeout); err != nil {
		return beans.Invalid(name, err)
	}
	b.Emit(beans.Notification{
		Type: beans.TypeAttributeChange, Source: b.r.beanName,
		Message: fmt.Sprintf("%s of probe %s of instance %s was set from %v to %v", name, b.r.plan.Name, b.r.inst.name, old, d),
		Data:    beans.AttributeChange{Attribute: name, Type: beans.TypeDuration, Old: old, New: d},
	})
	return nil
}

// Invoke implements beans.Bean.
func (b *runtimeBean) Invoke(_ context.Context, operation string, args []beans.Value) (beans.Value, error) {
	var call func() error
	switch operation {
	case "start":
		call = b.r.start
	case "stop":
		call = func() error { b.r.stop(); return nil }
	case "run":
		call = func() error { b.r.trigger(); return nil }
	case "announce":
		call = func() error { b.r.announce(); return nil }
	default:
		return nil, beans.NoOperation(operation)
	}
	if len(args) != 0 {
		return nil, fmt.Errorf("operation %q: %w: %d arguments for 0 parameters", operation, beans.ErrInvalidValue, len(args))
	}
	return nil, call()
}
