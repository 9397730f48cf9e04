package probetest

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"grove/runtime/probe"
)

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// reserved are the keys that a definition gives a probe of any kind; an option of
// the same name could never be set.
var reserved = []string{"kind", "every", "timeout", "mode"}

func checkTexts(t *testing.T, kind probe.Kind) {
	if !keyPattern.MatchString(kind.Name) {
		t.Errorf("the name %q is not made of lower-case letters, digits and underscores", kind.Name)
	}
	if kind.Title == "" || kind.Doc == "" || kind.Example == "" {
		t.Fatal("Title, Doc and Example are all that the writer of a definition has: none may be empty")
	}
	for key := range optionKeys(reflect.TypeOf(kind.NewOptions())) {
		if !strings.Contains(kind.Doc, "`"+key+"`") {
			t.Errorf("Doc does not mention the option `%s` (between backquotes)", key)
		}
	}

	var example struct {
		Grove  int                       `yaml:"grove"`
		Probes map[string]map[string]any `yaml:"probes"`
	}
	if err := yaml.Load([]byte(kind.Example), &example); err != nil {
		t.Fatalf("Example is not YAML: %v", err)
	}
	if example.Grove != 1 {
		t.Error("Example is not a definition: it lacks `grove: 1`")
	}
	keys, used := optionKeys(reflect.TypeOf(kind.NewOptions())), false
	for name, p := range example.Probes {
		if p["kind"] != kind.Name {
			continue
		}
		used = true
		for key := range p {
			if !keys[key] && !slices.Contains(reserved, key) {
				t.Errorf("Example: the probe %s has %q, which is no option of the kind", name, key)
			}
		}
	}
	if !used {
		t.Errorf("Example has no probe of kind %q", kind.Name)
	}
}

// optionKeys returns the yaml keys of an options struct's own level, inlined structs
// included.
func optionKeys(typ reflect.Type) map[string]bool {
	keys := map[string]bool{}
	for _, f := range optionFields(typ) {
		keys[f.key] = true
	}
	return keys
}

type optionField struct {
	key   string
	field reflect.StructField
}

func optionFields(typ reflect.Type) []optionField {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	var out []optionField
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		key, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if slices.Contains(strings.Split(rest, ","), "inline") {
			out = append(out, optionFields(f.Type)...)
			continue
		}
		out = append(out, optionField{key, f})
	}
	return out
}

func topKey(option string) string {
	if i := strings.IndexAny(option, ".["); i >= 0 {
		return option[:i]
	}
	return option
}

// checkTags wants of each option a key and a description: the schema that editors use
// is made of them.
func checkTags(t *testing.T, kind probe.Kind) {
	typ := reflect.TypeOf(kind.NewOptions())
	if typ == nil || typ.Kind() != reflect.Pointer || typ.Elem().Kind() != reflect.Struct {
		t.Fatalf("NewOptions returns a %v, not a pointer to a struct", typ)
	}
	for _, f := range optionFields(typ) {
		if slices.Contains(reserved, f.key) {
			t.Errorf("the option %q has the name of a setting that every probe has", f.key)
		}
	}
	walkTags(t, typ, "", map[reflect.Type]bool{})

	// A comma in a description ends it unless it is escaped: look at what came of the tags.
	reflector := jsonschema.Reflector{FieldNameTag: "yaml", DoNotReference: true}
	schema := reflector.Reflect(kind.NewOptions())
	walkSchema(t, schema, "")
}

func walkTags(t *testing.T, typ reflect.Type, prefix string, seen map[reflect.Type]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || seen[typ] || isText(typ) {
		return
	}
	seen[typ] = true
	for _, f := range optionFields(typ) {
		name := prefix + f.field.Name
		if !keyPattern.MatchString(f.key) {
			t.Errorf("%s: the yaml key %q is not made of lower-case letters, digits and underscores", name, f.key)
		}
		if !strings.Contains(f.field.Tag.Get("jsonschema"), "description=") && f.field.Tag.Get("jsonschema_description") == "" {
			t.Errorf("%s: no jsonschema description", name)
		}
		walkTags(t, f.field.Type, name+".", seen)
	}
}

// isText says whether values of a type are written as one text.
func isText(typ reflect.Type) bool {
	if typ == reflect.TypeFor[time.Time]() {
		return true
	}
	return reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func walkSchema(t *testing.T, s *jsonschema.Schema, prefix string) {
	if s == nil || s.Properties == nil {
		return
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		d := p.Value.Description
		switch {
		case d == "":
			t.Errorf("%s%s: its schema has no description", prefix, p.Key)
		case !strings.HasSuffix(d, ".") && !strings.HasSuffix(d, ")"):
			t.Errorf("%s%s: the description %q does not end in a full stop: was it cut at a comma that is not escaped (\\\\,)?", prefix, p.Key, d)
		}
		walkSchema(t, p.Value, prefix+p.Key+".")
		walkSchema(t, p.Value.Items, prefix+p.Key+"[].")
	}
}

// checkFresh wants two sets of defaults to be equal and to share nothing: decoding a
// definition writes into them.
func checkFresh(t *testing.T, kind probe.Kind) {
	a, b := kind.NewOptions(), kind.NewOptions()
	if diff := cmp.Diff(a, b, everything); diff != "" {
		t.Errorf("NewOptions returns different defaults (-first +second):\n%s", diff)
	}
	shared := map[uintptr]string{}
	walkPointers(reflect.ValueOf(a), "options", func(p uintptr, where string) { shared[p] = where })
	walkPointers(reflect.ValueOf(b), "options", func(p uintptr, where string) {
		if _, ok := shared[p]; ok {
			t.Errorf("%s: two calls of NewOptions share it", where)
		}
	})
}

var everything = cmp.Options{cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty()}

func walkPointers(v reflect.Value, where string, visit func(uintptr, string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().Size() == 0 {
			return
		}
		visit(v.Pointer(), where)
		walkPointers(v.Elem(), where, visit)
	case reflect.Slice:
		if v.Cap() == 0 {
			return
		}
		visit(v.Pointer(), where)
		for i := range v.Len() {
			walkPointers(v.Index(i), fmt.Sprintf("%s[%d]", where, i), visit)
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		visit(v.Pointer(), where)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				walkPointers(v.Field(i), where+"."+f.Name, visit)
			}
		}
	}
}

// checkRoundTrip writes options as YAML and reads them again: every option can be set
// from a file, and means the same there.
func checkRoundTrip(t *testing.T, kind probe.Kind, options any) {
	text := dump(t, options)
	again := kind.NewOptions()
	if err := yaml.Load([]byte(text), again, yaml.WithKnownFields()); err != nil {
		t.Fatalf("the options do not read back: %v\n%s", err, text)
	}
	if diff := cmp.Diff(text, dump(t, again)); diff != "" {
		t.Errorf("the options read back differently (-written +read):\n%s", diff)
	}
}

func dump(t *testing.T, options any) string {
	t.Helper()
	text, err := yaml.Dump(options)
	if err != nil {
		t.Fatalf("the options cannot be written as YAML: %v", err)
	}
	return string(text)
}
