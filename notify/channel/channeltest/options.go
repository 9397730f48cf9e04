package channeltest

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/notify/channel"
	"grove/tree/definition/source"
)

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Texts holds that the texts of a kind are whole, as Run does.
func Texts(t *testing.T, k channel.Kind) {
	t.Helper()
	checkTexts(t, Subject{Kind: k})
}

// checkTexts holds that the operator finds every option in the documentation, and that its
// example works.
func checkTexts(t *testing.T, s Subject) {
	k := s.Kind
	if !keyPattern.MatchString(k.Name) || k.Doc == "" || k.Example == "" {
		t.Fatalf("%q: a name of lower-case letters, digits and underscores, Doc and Example are all that an operator has", k.Name)
	}
	typ := reflect.TypeOf(k.Options())
	if typ.Kind() != reflect.Pointer || typ.Elem().Kind() != reflect.Struct {
		t.Fatalf("Options returns a %v, not a pointer to a struct", typ)
	}
	walk(t, k.Doc, "", typ.Elem())
	a, b := k.Options(), k.Options()
	if diff := cmp.Diff(a, b, cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Options returns different defaults (-first +second):\n%s", diff)
	}

	documents, errs := source.ReadYAML("example.yaml", []byte(k.Example))
	if len(errs) > 0 || len(documents) != 1 {
		t.Fatalf("Example is not one document of YAML: %v", errs)
	}
	options := k.Options()
	if errs := documents[0].Value.Decode(options, source.DecodeOptions{What: "the example", Allow: []string{"kind"}}); len(errs) > 0 {
		t.Fatalf("Example: %v", errs)
	}
	w := newWorld(t, s)
	w.closed.Store(true)
	c, err := k.New(w.World, options)
	if err != nil {
		t.Fatalf("Example: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// walk looks at the options of a struct and of those in it.
func walk(t *testing.T, doc, prefix string, typ reflect.Type) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		key, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if strings.Contains(rest, "inline") {
			walk(t, doc, prefix, inner)
			continue
		}
		description := description(f.Tag.Get("jsonschema"))
		switch {
		case !keyPattern.MatchString(key):
			t.Errorf("%s%s: the yaml key %q is not made of lower-case letters, digits and underscores", prefix, f.Name, key)
		case key == "kind" && prefix == "":
			t.Errorf("the option %q is what every channel has", key)
		case !strings.Contains(doc, "`"+key+"`") && !strings.Contains(doc, "`"+prefix+key+"`"):
			t.Errorf("Doc does not mention the option `%s%s` (between backquotes)", prefix, key)
		case !strings.HasSuffix(description, ".") && !strings.HasSuffix(description, ")"):
			t.Errorf("%s%s: the description %q in the jsonschema tag does not end in a full stop: is there a comma that is not escaped (\\\\,)?", prefix, key, description)
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[channel.TLS]() && inner.PkgPath() != "time" {
			walk(t, doc, prefix+key+".", inner)
		}
	}
}

// description returns that of a jsonschema tag, whose parts stand between commas.
func description(tag string) string {
	for _, part := range strings.Split(strings.ReplaceAll(tag, `\,`, "\x00"), ",") {
		if d, ok := strings.CutPrefix(part, "description="); ok {
			return strings.ReplaceAll(d, "\x00", ",")
		}
	}
	return ""
}
