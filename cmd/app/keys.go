package app

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"grove/tree/definition/source"
)

// fit says where a value of a file does not have the shape of a Go type with yaml tags:
// keys that are unknown, lists that are none. What the texts themselves say is for the
// decoder.
func fit(v *source.Value, t reflect.Type, errs *source.Errors) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	wrong := func(what string) { errs.Add(v.Pos, "%s is wanted here", what) }
	switch {
	case v.Null:
	case t == reflect.TypeFor[time.Duration]() || t.Kind() != reflect.Struct && t.Kind() != reflect.Slice && t.Kind() != reflect.Map:
		if v.Kind != source.Scalar {
			wrong("a text or a number")
		}
	case t.Kind() == reflect.Slice:
		if v.Kind != source.List {
			wrong("a list, each element with a dash before it,")
			return
		}
		for i := range v.Items {
			fit(&v.Items[i], t.Elem(), errs)
		}
	case v.Kind != source.Map:
		wrong("a map of keys and values")
	default:
		keys := map[string]reflect.Type{}
		if t.Kind() == reflect.Struct {
			collectKeys(t, keys)
		}
		for i := range v.Fields {
			f := &v.Fields[i]
			of, known := keys[f.Key]
			if t.Kind() == reflect.Map {
				of, known = t.Elem(), true
			}
			if !known {
				e := source.Errorf(f.Pos, "unknown key %q", f.Key)
				e.Hint = source.DidYouMean(f.Key, slices.Sorted(maps.Keys(keys)))
				errs.Append(e)
				continue
			}
			fit(&f.Value, of, errs)
		}
	}
}

// collectKeys finds the keys of a struct, those of inlined ones among them.
func collectKeys(t reflect.Type, keys map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			collectKeys(f.Type, keys)
		case name != "" && name != "-":
			keys[name] = f.Type
		}
	}
}

// misfits says of a YAML file what does not have the shape of a Go type, and whether
// there is anything in it. Texts are repeated nowhere, since one may be a secret in the
// wrong place.
func misfits(name string, text []byte, t reflect.Type) (empty bool, err error) {
	docs, errs := source.ReadYAML(name, text)
	for i := range docs {
		fit(&docs[i].Value, t, &errs)
	}
	if len(docs) > 1 {
		errs.Add(docs[1].Value.Pos, "one document is wanted")
	}
	if len(errs) == 0 {
		return len(docs) == 0 || docs[0].Value.Null, nil
	}
	lines := make([]string, len(errs))
	for i, e := range errs.Sorted() {
		lines[i] = fmt.Sprintf("%s: %s", e.Pos, message(e))
	}
	return false, errors.New(strings.Join(lines, "\n"))
}
