// Package schema makes the JSON Schema (draft 2020-12) of definition and instance
// files, by which editors complete and check them while they are written. It is made
// of the structs that decode the files and of the options of the kinds of probes.
package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/invopop/jsonschema"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// ID names the schema. Nothing is served there.
const ID = "https://grove.invalid/schema/definition-1.json"

// Of returns the schema, as indented JSON.
func Of(kinds definition.Kinds) ([]byte, error) {
	b := builder{kinds: kinds, defs: jsonschema.Definitions{}}
	b.define("definition", file.Definition{})
	b.define("instance", file.Instance{})
	b.define("choice", file.Choice{})
	b.define("discovery_test", file.DiscoveryTest{})
	b.define("parameter", file.Parameter{})
	b.define("test", file.Test{})
	b.define("step", file.Step{})
	b.define("monitor", file.Monitor{})
	b.node()
	b.template()
	b.probe()
	b.defs["definition"].Required = []string{"grove"}
	top := &jsonschema.Schema{
		Version: jsonschema.Version, ID: ID,
		Title:       "Grove definition or instance",
		Type:        "object",
		If:          &jsonschema.Schema{Required: []string{"use"}},
		Then:        ref("instance"),
		Else:        ref("definition"),
		Definitions: b.defs,
	}
	out, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

type builder struct {
	kinds definition.Kinds
	defs  jsonschema.Definitions
}

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

func anyOf(s ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{AnyOf: s} }

func pattern(p string, examples ...any) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: p, Examples: examples}
}

func typed(t string) *jsonschema.Schema { return &jsonschema.Schema{Type: t} }

func words(w ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	for _, x := range w {
		s.Enum = append(s.Enum, x)
	}
	return s
}

func mapOf(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", AdditionalProperties: s}
}

func listOf(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: s}
}

// variableText is a text that takes in a variable: it may stand for anything.
const variableText = `\$\{`

// open also takes a text with a variable.
func open(s ...*jsonschema.Schema) *jsonschema.Schema {
	return anyOf(append(s, pattern(variableText))...)
}

func scalar() *jsonschema.Schema { return anyOf(typed("string"), typed("number"), typed("boolean")) }

func status() *jsonschema.Schema { return words("green", "yellow", "red", "white") }

// durationPattern is the form of a duration such as "1h30m"; 0 needs no unit.
const durationPattern = `^\s*[+-]?(0|([0-9_.]+\s*(ns|us|µs|ms|s|m|h|d|w)\s*)+)$`

func duration() *jsonschema.Schema {
	return open(pattern(durationPattern, "30s", "5m"), &jsonschema.Schema{Const: 0})
}

// forms gives the values of files their schemas, by the type of the struct's field.
func forms() map[reflect.Type]*jsonschema.Schema {
	borders := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	borders.Properties.Set("yellow", open(typed("number")))
	borders.Properties.Set("red", open(typed("number")))
	rollup := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	rollup.Properties.Set("rule", open(words("worst", "best")))
	for _, key := range []string{"at_least", "percent", "weighted"} {
		rollup.Properties.Set(key, borders)
	}
	rollup.Properties.Set("need", open(typed("integer")))
	rollup.Properties.Set("cap", open(status()))
	rollup.Properties.Set("white", open(words("keep", "ignore", "green", "yellow", "red")))
	fixed := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties(), Required: []string{"fixed"}}
	fixed.Properties.Set("fixed", open(status()))
	amount := anyOf(typed("number"), pattern(`^\s*[0-9._]+\s*(%|([kKMGT]i?)?B)?\s*$`, "10%"))
	back := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	back.Properties.Set("yellow", open(amount))
	back.Properties.Set("red", open(amount))
	history := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	history.Properties.Set("every", duration())
	history.Properties.Set("keep", duration())
	alert := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	alert.Properties.Set("rule", open(words(rule.AlertRules...)))
	alert.Properties.Set("yellow", open(words(rule.SeverityNames...)))
	alert.Properties.Set("red", open(words(rule.SeverityNames...)))
	alert.Properties.Set("silence", anyOf(words("never"), duration()))
	alert.Properties.Set("event_type", open(words(tree.EventTypes[:]...)))
	alert.Properties.Set("probable_cause", scalar())
	alert.Properties.Set("repair", scalar())
	expect := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	expect.Properties.Set("children", anyOf(scalar(), listOf(scalar())))
	expect.Properties.Set("at_least", open(typed("integer")))
	children := mapOf(anyOf(ref("node"), typed("null")))
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[file.Any]():        jsonschema.TrueSchema,
		reflect.TypeFor[file.Text]():       scalar(),
		reflect.TypeFor[file.Duration]():   duration(),
		reflect.TypeFor[file.Mode]():       open(words("timer", "push", "request", "notification")),
		reflect.TypeFor[file.NodeKind]():   open(words("performance", "status", "log", "text")),
		reflect.TypeFor[file.Level]():      open(pattern(rule.LevelPattern, "> 500", "> 500 for 30s", "< 5", "outside 10..20")),
		reflect.TypeFor[file.BackRule]():   open(amount, back),
		reflect.TypeFor[file.White]():      open(pattern(`^\s*(never|no\s+reading\s+for\s+\S+)\s*$`, "no reading for 60s")),
		reflect.TypeFor[file.States]():     mapOf(open(status())),
		reflect.TypeFor[file.Flap]():       open(pattern(`^\s*(never|[0-9]+\s+changes\s+in\s+\S+)\s*$`, "5 changes in 10m")),
		reflect.TypeFor[file.From]():       open(pattern(`^[A-Za-z_][A-Za-z0-9_]*\..+$`, "status.active")),
		reflect.TypeFor[file.MetricName](): open(pattern(file.MetricPattern)),
		reflect.TypeFor[file.Labels](): {Type: "object", AdditionalProperties: jsonschema.FalseSchema,
			PatternProperties: map[string]*jsonschema.Schema{file.LabelPattern: scalar()}},
		reflect.TypeFor[file.History](): open(words("on", "off"), typed("boolean"), pattern(durationPattern, "1m"), history),
		reflect.TypeFor[file.Properties](): {Type: "object", AdditionalProperties: jsonschema.FalseSchema,
			PatternProperties: map[string]*jsonschema.Schema{rule.PropertyPattern: scalar()}},
		reflect.TypeFor[file.Alert]():          open(words(rule.AlertRules...), alert),
		reflect.TypeFor[file.Vital]():          scalar(),
		reflect.TypeFor[file.Expect]():         anyOf(scalar(), listOf(scalar()), expect),
		reflect.TypeFor[file.MonitorKind]():    open(words("gauge", "counter", "string")),
		reflect.TypeFor[file.Texts]():          anyOf(scalar(), listOf(scalar())),
		reflect.TypeFor[file.Change]():         open(words("rate", "delta")),
		reflect.TypeFor[file.Rollup]():         open(words("worst", "best"), rollup),
		reflect.TypeFor[file.Edge]():           open(words("as_is", "one_up", "one_down", "ignore"), fixed),
		reflect.TypeFor[file.Each]():           anyOf(typed("string"), listOf(jsonschema.TrueSchema)),
		reflect.TypeFor[file.Nodes]():          children,
		reflect.TypeFor[file.Tree]():           ref("node"),
		reflect.TypeFor[file.Included]():       anyOf(typed("string"), listOf(typed("string"))),
		reflect.TypeFor[file.Tests]():          listOf(ref("test")),
		reflect.TypeFor[file.Steps]():          listOf(ref("step")),
		reflect.TypeFor[file.Use]():            anyOf(scalar(), ref("choice")),
		reflect.TypeFor[file.Choices]():        mapOf(typed("string")),
		reflect.TypeFor[file.Finder]():         ref("probe"),
		reflect.TypeFor[file.Profile]():        mapOf(anyOf(scalar(), listOf(scalar()))),
		reflect.TypeFor[file.DiscoveryTests](): listOf(ref("discovery_test")),
		reflect.TypeFor[source.Value]():        jsonschema.TrueSchema,
		reflect.TypeFor[time.Duration]():       duration(),
	}
}

// Duration is the schema of a duration such as "1h30m", without variables.
func Duration() *jsonschema.Schema {
	return anyOf(pattern(durationPattern, "30s", "5m"), &jsonschema.Schema{Const: 0})
}

// Options is the schema of a struct of options, by its yaml tags, for files that have no
// variables: with the defaults that the struct holds, and with numbers wherever a text may
// be. Forms are the schemas of types whose values are not written as Go has them.
func Options(options any, forms map[reflect.Type]*jsonschema.Schema) *jsonschema.Schema {
	s := reflector(forms).Reflect(options)
	s.Version = ""
	if s.Properties == nil {
		s.Properties = jsonschema.NewProperties()
	}
	defaults(s, options)
	texts(s)
	s.AdditionalProperties = jsonschema.FalseSchema
	return s
}

// reflector turns structs into schemas: by their yaml tags, every struct in place.
func reflector(known map[reflect.Type]*jsonschema.Schema) *jsonschema.Reflector {
	textual := reflect.TypeFor[encoding.TextUnmarshaler]()
	custom := reflect.TypeFor[source.Unmarshaler]()
	return &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, DoNotReference: true, Anonymous: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if s, ok := known[t]; ok {
				fresh := *s // the caller adds a description to it
				return &fresh
			}
			switch {
			case reflect.PointerTo(t).Implements(custom):
				return &jsonschema.Schema{}
			case reflect.PointerTo(t).Implements(textual):
				return typed("string")
			}
			return nil
		},
	}
}

func (b *builder) define(name string, of any) *jsonschema.Schema {
	s := reflector(forms()).Reflect(of)
	s.Version = ""
	b.defs[name] = s
	if name == "definition" {
		b.named(s, "parameters", "parameter")
		b.named(s, "templates", "template")
		b.named(s, "probes", "probe")
		b.named(s, "monitors", "monitor")
	}
	if name == "parameter" {
		t := words(variable.Types...)
		t.Description = "Type of the parameter. Default: string"
		s.Properties.Set("type", t)
		if choices, ok := s.Properties.Get("choices"); ok {
			choices.Items = scalar() // 80 is a choice as well as "80"
		}
	}
	return s
}

// named makes a key of the definition a map by name.
func (b *builder) named(s *jsonschema.Schema, key, of string) {
	old, _ := s.Properties.Get(key)
	m := mapOf(ref(of))
	if of == "parameter" {
		m.AdditionalProperties = anyOf(ref(of), typed("null"))
	}
	m.Description = old.Description
	s.Properties.Set(key, m)
}

// node is recursive: every key that is no setting is a child.
func (b *builder) node() {
	s := b.define("node", file.Node{})
	s.AdditionalProperties = anyOf(ref("node"), typed("null"))
	s.Description = "A group or an attribute: lower-case keywords are settings, every other key is a child"
}

func (b *builder) template() {
	s := b.define("template", file.Node{})
	s.AdditionalProperties = anyOf(ref("node"), typed("null"))
	parameters := mapOf(anyOf(ref("parameter"), typed("null")))
	parameters.Description = "What a use of the template may set"
	s.Properties.Set("parameters", parameters)
}

// probe has the options of its kind beside its own keys.
func (b *builder) probe() {
	base := b.define("probe", file.Probe{})
	kinds := b.kinds.KindNames()
	kind := words(kinds...)
	kind.Description = "Kind of the probe"
	base.Properties.Set("kind", kind)
	base.AdditionalProperties = nil // each kind says which there are
	for _, name := range kinds {
		options, ok := b.kinds.NewOptions(name)
		if !ok {
			continue
		}
		s := reflector(forms()).Reflect(options)
		s.Version = ""
		if s.Properties == nil {
			s.Properties = jsonschema.NewProperties()
		}
		defaults(s, options)
		loosen(s, true)
		for pair := base.Properties.Oldest(); pair != nil; pair = pair.Next() {
			if _, taken := s.Properties.Get(pair.Key); !taken {
				s.Properties.Set(pair.Key, jsonschema.TrueSchema)
			}
		}
		s.AdditionalProperties = jsonschema.FalseSchema
		b.defs["probe_"+name] = s
		is := &jsonschema.Schema{Properties: jsonschema.NewProperties(), Required: []string{"kind"}}
		is.Properties.Set("kind", &jsonschema.Schema{Const: name})
		base.AllOf = append(base.AllOf, &jsonschema.Schema{If: is, Then: ref("probe_" + name)})
	}
}

// defaults tells editors what an option is when it is left out.
func defaults(s *jsonschema.Schema, options any) {
	v := reflect.ValueOf(options)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		p, ok := s.Properties.Get(yamlName(f))
		if !ok || p.Default != nil {
			continue
		}
		switch x := v.Field(i).Interface().(type) {
		case time.Duration:
			p.Default = x.String()
		case string, bool, int, int64, uint16, float64:
			p.Default = x
		}
	}
}

func yamlName(f reflect.StructField) string {
	tag := f.Tag.Get("yaml")
	for i := range len(tag) {
		if tag[i] == ',' {
			return tag[:i]
		}
	}
	return tag
}

// loosen lets texts with variables stand for numbers, truth values, lists and words:
// what they come to is not known while a file is written.
func loosen(s *jsonschema.Schema, top bool) {
	if s == nil {
		return
	}
	if s.Properties != nil {
		for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
			loosen(pair.Value, false)
		}
	}
	loosen(s.Items, false)
	if s.AdditionalProperties != nil && s.AdditionalProperties != jsonschema.FalseSchema {
		loosen(s.AdditionalProperties, false)
	}
	s.Format = "" // "uri" and the like do not know "${url}"
	if top || s.AnyOf != nil {
		return
	}
	if !slices.Contains([]string{"integer", "number", "boolean", "array"}, s.Type) && s.Enum == nil && s.Pattern == "" {
		text(s)
		return
	}
	inner := *s
	text(&inner)
	inner.Description, inner.Default, inner.Title = "", nil, ""
	*s = jsonschema.Schema{Description: s.Description, Default: s.Default, Title: s.Title, AnyOf: []*jsonschema.Schema{&inner, pattern(variableText)}}
}

// texts lets numbers and truth values stand for texts, in a schema and in all parts of it.
func texts(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if s.Properties != nil {
		for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
			texts(pair.Value)
		}
	}
	texts(s.Items)
	if s.AdditionalProperties != nil && s.AdditionalProperties != jsonschema.FalseSchema {
		texts(s.AdditionalProperties)
	}
	text(s)
}

// text lets numbers and truth values stand for a text: version: 3 is a number in YAML, and
// means "3".
func text(s *jsonschema.Schema) {
	for _, word := range s.Enum {
		if w, ok := word.(string); ok {
			if n, err := strconv.Atoi(w); err == nil {
				s.Type, s.Enum = "", append(slices.Clip(s.Enum), n)
			}
		}
	}
	if s.Type == "string" && s.Enum == nil && s.Pattern == "" && s.AnyOf == nil {
		s.AnyOf, s.Type = []*jsonschema.Schema{typed("string"), typed("number"), typed("boolean")}, ""
	}
}
