package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"grove/notify/channel"
	"grove/notify/heartbeat"
	"grove/notify/oncall"
	"grove/notify/route"
	"grove/tree/definition/source"
	"grove/tree/maintenance"
)

// keys are those of the file, in the order in which people write them.
var keys = []string{"grove", "channels", "people", "on_call", "routes", "maintenance", "heartbeats", "outbox", "alerts"}

// reader reads one file.
type reader struct {
	kinds Kinds
	world *channel.World
	got   Settings
	errs  source.Errors
	bad   map[string]bool // channels that are there, and wrong
}

// Is says whether a text is a file of alerts rather than one of definitions: whether it has
// keys of the one that the other has not, and more of them than others.
func Is(file string, text []byte) bool {
	documents, errs := source.Read(file, text)
	if len(errs) > 0 || len(documents) == 0 {
		return false
	}
	ours, others := 0, 0
	for _, f := range documents[0].Value.Fields {
		switch {
		case f.Key == "grove":
		case slices.Contains(keys, f.Key):
			ours++
		default:
			others++
		}
	}
	return ours > others
}

// Read reads a file. Options of channels are checked by their kinds, in the world that
// they would run in. It yields settings or errors, never both.
func Read(file string, text []byte, kinds Kinds, world *channel.World) (*Settings, source.Errors) {
	documents, errs := source.Read(file, text)
	if len(errs) > 0 {
		return nil, errs
	}
	r := &reader{kinds: kinds, world: world, bad: map[string]bool{}}
	r.got.People, r.got.OnCall, r.got.Heartbeats = map[string]Person{}, map[string]oncall.Rota{}, map[string]heartbeat.Options{}
	if len(documents) > 1 {
		r.errs.Add(documents[1].Pos, "a file of alerts is one document")
	}
	if len(documents) > 0 {
		r.document(&documents[0].Value)
	}
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return &r.got, nil
}

func (r *reader) document(v *source.Value) {
	if v.Null {
		return
	}
	if v.Kind != source.Map {
		r.errs.Add(v.Pos, "a file of alerts is a map of %s, not %s", strings.Join(keys, ", "), v.Describe())
		return
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		switch f.Key {
		case "grove":
			if n, err := f.Value.Int(); err != nil || n != 1 {
				r.errs.Add(f.Value.Pos, "the version of this language is 1, not %s", f.Value.Describe())
			}
		case "channels":
			r.named(f, "channel", MaxChannels, r.channel)
		case "people":
			r.named(f, "person", MaxPeople, func(f *source.Field) {
				var p Person
				r.decode(&f.Value, &p, fmt.Sprintf("person %q", f.Key), p.Check)
				r.got.People[f.Key] = p
			})
		case "on_call":
			r.named(f, "rota", MaxPeople, func(f *source.Field) {
				var o oncall.Rota
				r.decode(&f.Value, &o, fmt.Sprintf("rota %q", f.Key), func() error { return o.Check() })
				r.got.OnCall[f.Key] = o
			})
		case "routes":
			r.list(f, MaxRoutes, r.route)
		case "maintenance":
			r.list(f, MaxWindows, r.window)
		case "heartbeats":
			r.named(f, "heartbeat", MaxChannels, func(f *source.Field) {
				var o heartbeat.Options
				r.decode(&f.Value, &o, fmt.Sprintf("heartbeat %q", f.Key), func() error { return o.Check() })
				r.got.Heartbeats[f.Key] = o
			})
		case "outbox":
			r.decode(&f.Value, &r.got.Outbox, "outbox", func() error { return r.got.Outbox.Check() })
		case "alerts":
			r.decode(&f.Value, &r.got.Alerts, "alerts", r.got.Alerts.Check)
		default:
			e := r.errs.Add(f.Pos, "unknown key %q", f.Key)
			hint := source.DidYouMean(f.Key, keys)
			if hint == "" {
				hint = "one of " + strings.Join(keys[1:], ", ")
			}
			e.WithHint("%s", hint)
		}
	}
	r.references(v)
}

// named reads a map of things with names.
func (r *reader) named(f *source.Field, what string, most int, each func(*source.Field)) {
	v := &f.Value
	switch {
	case v.Null:
		return
	case v.Kind != source.Map:
		r.errs.Add(v.Pos, "%s is a map, not %s", f.Key, v.Describe())
		return
	case len(v.Fields) > most:
		r.errs.Add(v.Pos, "%d are more than the bound of %d", len(v.Fields), most)
		return
	}
	for i := range v.Fields {
		if !nameForm.MatchString(v.Fields[i].Key) {
			r.errs.Add(v.Fields[i].Pos, "the name of a %s is 1 to 64 letters, digits, dots, - and _, not %q", what, v.Fields[i].Key)
			continue
		}
		each(&v.Fields[i])
	}
}

// list reads a list.
func (r *reader) list(f *source.Field, most int, each func(*source.Value)) {
	v := &f.Value
	switch {
	case v.Null:
		return
	case v.Kind != source.List:
		r.errs.Add(v.Pos, "%s is a list, not %s", f.Key, v.Describe())
		return
	case len(v.Items) > most:
		r.errs.Add(v.Pos, "%d are more than the bound of %d", len(v.Items), most)
		return
	}
	for i := range v.Items {
		each(&v.Items[i])
	}
}

// decode fills a struct and checks it.
func (r *reader) decode(v *source.Value, into any, what string, check func() error) bool {
	if errs := v.Decode(into, source.DecodeOptions{What: what}); len(errs) > 0 {
		r.errs.Append(errs...)
		return false
	}
	return r.fine(v, what, check())
}

// fine notes the complaint of a room where the option stands.
func (r *reader) fine(v *source.Value, what string, err error) bool {
	if err == nil {
		return true
	}
	var option *channel.OptionError
	if errors.As(err, &option) {
		r.errs.Append(source.Errorf(at(v, option.Option), "%s: %w", what, err))
	} else {
		r.errs.Append(source.Errorf(v.Pos, "%s: %w", what, err))
	}
	return false
}

func (r *reader) channel(f *source.Field) {
	what := fmt.Sprintf("channel %q", f.Key)
	r.bad[f.Key] = true
	v := f.Value.Clone()
	if v.Kind != source.Map {
		r.errs.Add(v.Pos, "%s is a map with a kind and its options, not %s", what, v.Describe())
		return
	}
	name, ok := v.Field("kind")
	if !ok {
		r.errs.Add(f.Pos, "%s has no kind", what).WithHint("one of %s", strings.Join(r.kinds.Names(), ", "))
		return
	}
	kind, ok := r.kinds.Kind(name.Text)
	if !ok {
		hint := source.DidYouMean(name.Text, r.kinds.Names())
		if hint == "" {
			hint = "one of " + strings.Join(r.kinds.Names(), ", ")
		}
		r.errs.Add(name.Pos, "unknown kind %s of %s", name.Describe(), what).WithHint("%s", hint)
		return
	}
	options := kind.Options()
	if errs := v.Decode(options, source.DecodeOptions{What: what, Allow: []string{"kind"}}); len(errs) > 0 {
		r.errs.Append(errs...)
		return
	}
	made, err := kind.New(r.world, options)
	if !r.fine(&v, what, err) {
		return
	}
	if err := made.Close(); err != nil { // It has done nothing yet: this only shows that the options are good.
		r.errs.Append(source.Errorf(v.Pos, "%s: %w", what, err))
		return
	}
	delete(r.bad, f.Key)
	r.got.Channels = append(r.got.Channels, Channel{Name: f.Key, Kind: kind, Options: options, Said: said(&f.Value)})
}

func (r *reader) route(v *source.Value) {
	what := fmt.Sprintf("route %d", len(r.got.Routes)+1)
	if name, ok := v.Field("name"); ok && name.Text != "" {
		what = fmt.Sprintf("route %q", name.Text)
		for i := range r.got.Routes {
			if r.got.Routes[i].Name == name.Text {
				r.errs.Add(name.Pos, "there is another %s", what)
			}
		}
	}
	var rule route.Rule
	r.decode(v, &rule, what, rule.Check)
	r.got.Routes = append(r.got.Routes, rule)
}

func (r *reader) window(v *source.Value) {
	var s maintenance.Setting
	if errs := v.Decode(&s, source.DecodeOptions{What: "maintenance"}); len(errs) > 0 {
		r.errs.Append(errs...)
		return
	}
	w, err := s.Window()
	if err != nil {
		r.errs.Append(ofWindow(v, s.Name, err))
		return
	}
	for i := range r.got.Maintenance {
		if r.got.Maintenance[i].Name == w.Name {
			r.errs.Add(v.PosOf("name"), "there is another maintenance %q", w.Name)
		}
	}
	r.got.Maintenance = append(r.got.Maintenance, w)
}

// ofWindow is an error about a window, where the field stands that it speaks of.
func ofWindow(v *source.Value, name string, err error) *source.Error {
	pos := v.Pos
	var wrong *maintenance.FieldError
	if errors.As(err, &wrong) {
		field := wrong.Field
		if field == "rule" {
			field = "repeat" // as the file has it
		}
		pos, err = at(v, field), fmt.Errorf("%s: %w", field, wrong.Err)
	}
	return source.Errorf(pos, "maintenance %q: %w", name, err)
}
