package settings

import (
	"fmt"

	"grove/tree/definition/source"
)

// references checks that what the file names is in it.
func (r *reader) references(v *source.Value) {
	each := func(section, what, field string, people bool) {
		s, ok := v.Field(section)
		if !ok {
			return
		}
		for i := range s.Fields {
			f := &s.Fields[i]
			r.refers(&f.Value, fmt.Sprintf("%s %q", what, f.Key), field, people)
		}
	}
	each("people", "person", "channels", false)
	each("on_call", "rota", "otherwise", true)
	each("heartbeats", "heartbeat", "to", false)
	if throttles, ok := v.Lookup("outbox.throttles.channels"); ok {
		for i := range throttles.Fields {
			f := &throttles.Fields[i]
			if !r.bad[f.Key] && r.got.Target(f.Key) != ChannelTarget {
				r.errs.Append(r.got.unknown(f.Pos, "throttles", f.Key, false))
			}
		}
	}
	routes, ok := v.Field("routes")
	if !ok {
		return
	}
	for i := range routes.Items {
		rule := &routes.Items[i]
		what := fmt.Sprintf("route %d", i+1)
		if name, ok := rule.Field("name"); ok && name.Text != "" {
			what = fmt.Sprintf("route %q", name.Text)
		}
		r.refers(rule, what, "to", true)
		if steps, ok := rule.Field("escalate"); ok {
			for k := range steps.Items {
				r.refers(&steps.Items[k], fmt.Sprintf("%s, step %d", what, k+1), "to", true)
			}
		}
	}
}

// refers checks the names in a field, a name or a list of names.
func (r *reader) refers(v *source.Value, what, field string, people bool) {
	names, ok := v.Field(field)
	if !ok {
		return
	}
	items := names.Items
	if names.Kind == source.Scalar && !names.Null {
		items = []source.Value{*names}
	}
	for i := range items {
		name := &items[i]
		if name.Kind != source.Scalar || r.bad[name.Text] {
			continue // It has been complained of.
		}
		switch r.got.Target(name.Text) {
		case ChannelTarget:
			continue
		case PersonTarget, RotaTarget:
			if people {
				continue
			}
		}
		r.errs.Append(r.got.unknown(name.Pos, what, name.Text, people))
	}
}
