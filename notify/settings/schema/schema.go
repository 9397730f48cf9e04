// Package schema makes the JSON Schema of the file of alerts, by which editors complete and
// check it while it is written. It is made of the structs that decode the file and of the
// options of the kinds of channels.
package schema

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"grove/notify/heartbeat"
	"grove/notify/oncall"
	"grove/notify/outbox"
	"grove/notify/route"
	"grove/notify/route/match"
	"grove/notify/settings"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition/schema"
	"grove/tree/maintenance"
)

// ID names the schema. Nothing is served there.
const ID = "https://grove.invalid/schema/alerts-1.json"

// Of returns the schema, as indented JSON. A channel is one of the kinds, by its option
// kind.
func Of(kinds settings.Kinds) ([]byte, error) {
	b := builder{defs: jsonschema.Definitions{}, forms: forms()}
	top := closed()
	top.Version, top.ID, top.Title, top.Definitions = jsonschema.Version, ID, "Grove: who hears of alerts", b.defs
	set := func(key, description string, s *jsonschema.Schema) {
		s.Description = description
		top.Properties.Set(key, &jsonschema.Schema{Description: description, AnyOf: []*jsonschema.Schema{s, {Type: "null"}}})
	}
	top.Properties.Set("grove", &jsonschema.Schema{Const: 1, Description: "Version of this language."})
	set("channels", "Ways to tell people and systems, by name.", named(b.channels(kinds)))
	set("people", "How people are told, by name.", named(b.must(settings.Person{}, "channels")))
	set("on_call", "Rotas of who is told now, by name.", named(b.must(oncall.Rota{})))
	set("routes", "Which alerts go where; an alert takes the first that is for it.", listOf(b.route()))
	set("maintenance", "When nobody is told.", listOf(b.must(maintenance.Setting{}, "name", "at", "start", "for")))
	set("heartbeats", "Regular messages that say that grove lives, by name.", named(b.must(heartbeat.Options{}, "to")))
	set("outbox", "Bounds of what waits to be sent, and of what is sent.", b.must(outbox.Settings{}))
	set("alerts", "What turns a status into an alert.", b.must(settings.Alerts{}))
	out, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

type builder struct {
	defs  jsonschema.Definitions
	forms map[reflect.Type]*jsonschema.Schema
}

func closed() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
}

func listOf(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: s}
}

// named is a map whose keys are names of channels, people and the like.
func named(s *jsonschema.Schema) *jsonschema.Schema {
	form := strings.NewReplacer(`\A`, "^", `\z`, "$").Replace(settings.NamePattern)
	return &jsonschema.Schema{Type: "object", PatternProperties: map[string]*jsonschema.Schema{form: s}, AdditionalProperties: jsonschema.FalseSchema}
}

func words[T ~string](w ...T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, x := range w {
		s.Enum = append(s.Enum, string(x))
	}
	return s
}

// texts is one text or a list of them.
func texts(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, listOf(s)}}
}

func scalar() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
}

// forms are the values that are not written as Go has them.
func forms() map[reflect.Type]*jsonschema.Schema {
	size := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "integer"}, {Type: "string", Pattern: `^\s*[0-9._]+\s*([kKMGT]i?)?B?\s*$`, Examples: []any{"64 MiB"}}}}
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Duration]():  schema.Duration(),
		reflect.TypeFor[route.Span]():     {AnyOf: []*jsonschema.Schema{words("never"), schema.Duration()}},
		reflect.TypeFor[match.Texts]():    texts(scalar()),
		reflect.TypeFor[outbox.Size]():    size,
		reflect.TypeFor[route.Resolved](): {AnyOf: []*jsonschema.Schema{{Type: "boolean"}, words("each", "true", "false")}},
	}
}

// must is the schema of a struct of which some keys must be there.
func (b *builder) must(of any, keys ...string) *jsonschema.Schema {
	s := schema.Options(of, b.forms)
	s.Required = keys
	return s
}

// route is a route, with the words that its settings take.
func (b *builder) route() *jsonschema.Schema {
	s := b.must(route.Rule{}, "name", "to")
	say := func(in *jsonschema.Schema, key string, form *jsonschema.Schema) {
		old, _ := in.Properties.Get(key)
		form.Description = old.Description
		in.Properties.Set(key, form)
	}
	say(s, "precedence", words("urgent", "normal", "bulk"))
	steps, _ := s.Properties.Get("escalate")
	steps.Items.Required = []string{"after", "to"}
	when, _ := s.Properties.Get("when")
	severities := make([]string, 0, int(tree.Critical))
	for v := tree.Indeterminate; v <= tree.Critical; v++ {
		severities = append(severities, v.String())
	}
	one := "(" + strings.Join(severities, "|") + ")"
	say(when, "severity", texts(&jsonschema.Schema{Type: "string", Pattern: "^(" + one + "|" + one + `?\.\.` + one + "?)$", Examples: []any{"major.."}}))
	say(when, "status", texts(words("yellow", "red", "white")))
	say(when, "kind", texts(words(alert.Status, alert.Silence, alert.Missing)))
	return s
}

// channels is one of the kinds, by the option kind.
func (b *builder) channels(kinds settings.Kinds) *jsonschema.Schema {
	is := func(name string) *jsonschema.Schema {
		s := &jsonschema.Schema{Properties: jsonschema.NewProperties(), Required: []string{"kind"}}
		s.Properties.Set("kind", &jsonschema.Schema{Const: name})
		return s
	}
	kind := words(kinds.Names()...)
	kind.Description = "How it tells; grove channel KIND explains one."
	base := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), Required: []string{"kind"}}
	base.Properties.Set("kind", kind)
	for _, name := range kinds.Names() {
		k, ok := kinds.Kind(name)
		if !ok {
			continue
		}
		options := k.Options()
		s := b.must(options, needed(options)...)
		s.Properties.Set("kind", jsonschema.TrueSchema)
		s.Description, _, _ = strings.Cut(strings.TrimSpace(k.Doc), "\n\n")
		b.defs["channel_"+name] = s
		// Not oneOf: editors then say which option is wrong, not that no kind fits.
		base.AllOf = append(base.AllOf, &jsonschema.Schema{If: is(name), Then: &jsonschema.Schema{Ref: "#/$defs/channel_" + name}})
	}
	b.defs["channel"] = base
	return &jsonschema.Schema{Ref: "#/$defs/channel"}
}

// needed are the options that must be given: those that are always written and have no
// default.
func needed(options any) (keys []string) {
	v := reflect.ValueOf(options)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		tag := strings.Split(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case slices.Contains(tag, "inline"):
			keys = append(keys, needed(v.Field(i).Interface())...)
		case tag[0] != "" && tag[0] != "-" && !slices.Contains(tag, "omitempty") && v.Field(i).IsZero():
			keys = append(keys, tag[0])
		}
	}
	return keys
}
