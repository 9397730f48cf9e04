package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/notify/peer/duty"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition"
	"grove/tree/definition/portable"
	"grove/tree/maintenance"
	"grove/tree/store/memory"
)

// Pack implements duty.Local.
func (d *Devices) Pack(_ context.Context, k duty.Key) (*parcel.Parcel, error) {
	i := d.running(k)
	d.mu.Lock()
	begun := d.begun
	d.mu.Unlock()
	if i == nil && !begun {
		return nil, fmt.Errorf("%s: %w", k.Name, duty.ErrNotYet)
	}
	if i == nil {
		return nil, fmt.Errorf("%s is not watched here", k.Name)
	}
	def, err := d.pack(i.Defined())
	if err != nil {
		return nil, err
	}
	with, err := portable.Parameters(i)
	if err != nil {
		return nil, err
	}
	p := &parcel.Parcel{
		Key: k, Packed: time.Now(), By: d.o.Self,
		Instance: parcel.Instance{
			Application: i.Application, At: i.At, With: with, Properties: properties(i), Kinds: kinds(i), Identity: identity(i, d.o.Settings().Identity),
		},
		Definition: parcel.Definition{Application: def.definition.Application, Alias: def.definition.Alias, Sum: def.definition.Sum},
	}
	for _, f := range def.definition.Files {
		p.Definition.Files = append(p.Definition.Files, parcel.NewFile(f.Name, f.Text))
	}
	if err := d.states(i, p); err != nil {
		return nil, err
	}
	for n := range i.Probes {
		name := i.Name + "/" + i.Probes[n].Name + "/" + i.Probes[n].Kind
		if kept := d.o.Memories.Recall(name); len(kept) > 0 && len(kept) <= parcel.MaxMemoryBytes {
			p.Memories = append(p.Memories, parcel.Memory{Name: name, Data: kept})
		}
	}
	var open []alert.Alert
	for a := range d.o.Alerts.Live {
		if i.At.Contains(a.Path) {
			open = append(open, *a)
		}
	}
	p.Alerts = alerts(i.At, open)
	d.mu.Lock()
	p.Told = slices.Clone(d.told[k])
	d.mu.Unlock()
	if p.Windows, err = d.windows(i.At); err != nil {
		return nil, err
	}
	return p, nil
}

// properties are those of the top of an instance.
func properties(i *definition.Instance) map[string]string {
	if len(i.Nodes) == 0 {
		return nil
	}
	return i.Nodes[0].Spec.Properties
}

// states puts what is known of the nodes into a parcel, and the thresholds that were tuned.
func (d *Devices) states(i *definition.Instance, p *parcel.Parcel) error {
	var errs []error
	var logs []int
	err := d.o.Tree.Walk(i.At, -1, func(n *tree.Node) bool {
		below, ok := i.At.Below(n.Path)
		if !ok || n.Kind == tree.Group || n.Spec.Owner != i.Name {
			return true
		}
		if n.Tuned && len(p.Thresholds) < parcel.MaxNodes {
			text, err := memory.Encode(n.Threshold)
			errs = append(errs, err)
			p.Thresholds = append(p.Thresholds, parcel.Threshold{Path: below, Threshold: json.RawMessage(text)})
		}
		if len(p.States) < parcel.MaxNodes && (!n.Time.IsZero() || n.Last != tree.White || n.Kind == tree.Log) {
			m := tree.Memory{Value: n.Value, Time: n.Time, Status: n.Last, Since: n.Since}
			if n.Kind == tree.Log {
				logs = append(logs, len(p.States))
			}
			p.States = append(p.States, parcel.NewState(below, &m))
		}
		return true
	})
	for _, k := range logs {
		s := &p.States[k]
		path, err := i.At.Join(s.Path)
		if err == nil {
			s.Events, err = d.o.Tree.Events(path)
		}
		if len(s.Events) > parcel.MaxEvents {
			s.Events = s.Events[len(s.Events)-parcel.MaxEvents:]
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, err)...)
}

// alerts are those of a device as they travel.
func alerts(top tree.Path, open []alert.Alert) (out []parcel.Alert) {
	for k := range open {
		a := open[k]
		below, ok := top.Below(a.Path)
		if !ok || len(out) == parcel.MaxAlerts {
			continue
		}
		a.Path = below
		text, err := json.Marshal(&a)
		if err != nil {
			continue // An alert can always be written.
		}
		out = append(out, parcel.Alert{Path: below, Kind: string(a.Kind), Status: a.Status, Opened: a.Opened, Document: text})
	}
	return out
}

// windows are the maintenance windows of a device: those that are about it, or about a part of
// it, and about nothing else.
func (d *Devices) windows(top tree.Path) (out []json.RawMessage, err error) {
	for _, planned := range d.o.Calendar.List() {
		w := planned.Window
		if len(w.At) == 0 || w.Over(time.Now()) || len(out) == parcel.MaxWindows {
			continue
		}
		w.At = slices.Clone(w.At)
		inside := true
		for k := range w.At {
			below, ok := top.Below(w.At[k])
			w.At[k], inside = below, inside && ok
		}
		if !inside {
			continue
		}
		w.ID, w.Source = "", ""
		text, err := json.Marshal(&w)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// remember gives the nodes of a device what a parcel knows of them.
func (d *Devices) remember(ctx context.Context, i *definition.Instance, p *parcel.Parcel) error {
	if p == nil {
		return nil
	}
	var errs []error
	if !d.recalled.forget(p) {
		errs = append(errs, d.recall(i, p))
	}
	for _, text := range p.Windows {
		errs = append(errs, d.plan(ctx, i, text))
	}
	return errors.Join(errs...)
}

// adopt goes on with the alerts of a device, in place of those that were open here when it is an
// own one that was away.
func (d *Devices) adopt(ctx context.Context, k duty.Key, top tree.Path, p *parcel.Parcel, away bool) error {
	if p == nil {
		return nil
	}
	var errs []error
	adopted := make([]alert.Alert, 0, len(p.Alerts))
	for n := range p.Alerts {
		var a alert.Alert
		err := json.Unmarshal(p.Alerts[n].Document, &a)
		if err == nil {
			a.Path, err = top.Join(p.Alerts[n].Path)
		}
		if errs = append(errs, err); err == nil {
			a.Instance = d.Name(k)
			adopted = append(adopted, a)
		}
	}
	if away {
		return errors.Join(append(errs, d.takeBack(ctx, k, top, adopted))...)
	}
	return errors.Join(append(errs, d.o.Alerts.Adopt(ctx, adopted))...)
}

// plan adds a maintenance window, unless there is the same already.
func (d *Devices) plan(ctx context.Context, i *definition.Instance, text json.RawMessage) error {
	var w maintenance.Window
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("maintenance window: %w", err)
	}
	for k := range w.At {
		path, err := i.At.Join(w.At[k])
		if err != nil {
			return err
		}
		w.At[k] = path
	}
	for _, there := range d.o.Calendar.List() {
		if t := there.Window; t.Name == w.Name && t.Start.Equal(w.Start) && t.For == w.For && t.Rule == w.Rule && slices.Equal(t.At, w.At) {
			return nil
		}
	}
	_, err := d.o.Calendar.Add(ctx, w)
	return err
}

// kinds are those of the probes of an instance, sorted.
func kinds(i *definition.Instance) (list []string) {
	for n := range i.Probes {
		list = append(list, i.Probes[n].Kind)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// identity is by which things an instance is known to be the same device as another.
func identity(i *definition.Instance, names []string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		value, _ := i.Parameter(name)
		if text, ok := value.(string); ok && text != "" {
			out[name] = text
		} else if text := properties(i)[name]; text != "" {
			out[name] = text
		} else if len(i.Nodes) > 0 && i.Nodes[0].Spec.Labels[name] != "" {
			out[name] = i.Nodes[0].Spec.Labels[name]
		}
	}
	return out
}

// The kinds of probes that watch the machine on which the manager runs, and those to which
// others send: elsewhere they would watch something else, or nothing.
var (
	machine  = []string{"host", "process", "go", "cgroup", "journal", "logfile", "command", "postfix_queue", "targets"}
	receives = []string{"push", "otlp", "otlp_logs", "remote_write", "statsd", "graphite", "syslog", "traps", "alertmanager", "cloudevents"}
)

// fixed says why no other manager can watch an instance; empty: others can.
func fixed(i *definition.Instance, loopback bool) string {
	if i.Discovery != "" && i.Row == "" {
		return "it finds devices for this manager"
	}
	for n := range i.Probes {
		p := &i.Probes[n]
		switch {
		case slices.Contains(machine, p.Kind):
			return fmt.Sprintf("it watches this machine itself: probe %q of kind %s", p.Name, p.Kind)
		case slices.Contains(receives, p.Kind):
			return fmt.Sprintf("others send to this manager: probe %q of kind %s", p.Name, p.Kind)
		}
		if text, what := local(reflect.ValueOf(p.Options), loopback); text != "" {
			return fmt.Sprintf("probe %q %s on this machine: %s", p.Name, what, text)
		}
	}
	return ""
}

// near finds the host of an address that is this machine.
var near = regexp.MustCompile(`(?:^|[/@\[])(localhost|127\.\d+\.\d+\.\d+|::1)(?:[:/\]?]|$)`)

// local finds an option of a probe that is another thing on another machine: an address of
// loopback, or the path of a file or a socket.
func local(v reflect.Value, loopback bool) (text, what string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return local(v.Elem(), loopback)
		}
	case reflect.Struct:
		for k := range v.NumField() {
			if !v.Type().Field(k).IsExported() {
				continue
			}
			name := strings.ToLower(v.Type().Field(k).Name)
			if f := v.Field(k); (name == "file" || name == "socket") && f.Kind() == reflect.String && f.String() != "" {
				return f.String(), "reads a file"
			}
			if text, what = local(v.Field(k), loopback); text != "" {
				return text, what
			}
		}
	case reflect.Slice, reflect.Array:
		for k := range v.Len() {
			if text, what = local(v.Index(k), loopback); text != "" {
				return text, what
			}
		}
	case reflect.String:
		if s := v.String(); !loopback && near.MatchString(s) {
			return s, "asks an address"
		}
	}
	return "", ""
}
