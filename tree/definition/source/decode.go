package source

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// Unmarshaler is implemented by types that read themselves from a value. An error
// that is an *Error or Errors keeps its positions, any other is put at the value.
type Unmarshaler interface {
	UnmarshalSource(v *Value) error
}

// DecodeOptions says how Decode words its complaints and what it leaves alone.
type DecodeOptions struct {
	// What is being decoded, for messages: `probe "status"`. Empty: "this map".
	What string
	// Allow lists keys of the outermost map that somebody else reads.
	Allow []string
}

// Decode fills what into points to, a struct, map or slice, from the value, and
// returns everything that does not fit; what fits is filled in nevertheless.
//
// Fields of structs go by their `yaml` tags as in package yaml ("name", "-",
// ",inline"), those without one by their name in lower case. Decoding is strict:
// a key without a field is an error. A null changes nothing, so that defaults which
// the struct holds already are kept; a list replaces the default, a map adds to it.
// What a default points to is copied before it is changed.
//
// Besides the basic kinds it knows time.Duration, encoding.TextUnmarshaler,
// Unmarshaler, Value (kept with its positions) and any, which becomes a nil, bool,
// int64, float64, string, []any or map[string]any.
func (v *Value) Decode(into any, o DecodeOptions) Errors {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return Errors{Errorf(v.Pos, "cannot decode into %T, only through a pointer", into)}
	}
	if o.What == "" {
		o.What = "this map"
	}
	d := decoder{allow: o.Allow}
	d.value(v, target.Elem(), o.What, true)
	return d.errs
}

var (
	typeDuration        = reflect.TypeFor[time.Duration]()
	typeValue           = reflect.TypeFor[Value]()
	typeUnmarshaler     = reflect.TypeFor[Unmarshaler]()
	typeTextUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

type decoder struct {
	errs  Errors
	allow []string
}

// value decodes one value; what names it in messages, top is true for the value that
// Decode was called with.
func (d *decoder) value(v *Value, out reflect.Value, what string, top bool) {
	if out.Type() == typeValue {
		out.Set(reflect.ValueOf(*v))
		return
	}
	if v.Null && v.Kind == Scalar {
		return
	}
	if out.Kind() == reflect.Pointer {
		fresh := reflect.New(out.Type().Elem())
		if !out.IsNil() {
			fresh.Elem().Set(out.Elem())
		}
		d.value(v, fresh.Elem(), what, top)
		out.Set(fresh)
		return
	}
	if out.CanAddr() {
		if out.Addr().Type().Implements(typeUnmarshaler) {
			d.fail(v, out.Addr().Interface().(Unmarshaler).UnmarshalSource(v))
			return
		}
		if out.Addr().Type().Implements(typeTextUnmarshaler) {
			text, bad := v.Str()
			if bad != nil {
				d.errs.Append(bad)
				return
			}
			d.fail(v, out.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)))
			return
		}
	}
	if out.Type() == typeDuration {
		n, bad := v.Duration()
		d.set(bad, func() { out.SetInt(int64(n)) })
		return
	}
	switch out.Kind() {
	case reflect.String:
		text, bad := v.Str()
		d.set(bad, func() { out.SetString(text) })
	case reflect.Bool:
		b, bad := v.Bool()
		d.set(bad, func() { out.SetBool(b) })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.integer(v, out)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.unsigned(v, out)
	case reflect.Float32, reflect.Float64:
		f, bad := v.Float()
		if bad == nil && out.OverflowFloat(f) {
			bad = Errorf(v.Pos, "%s is out of range", v.Describe())
		}
		d.set(bad, func() { out.SetFloat(f) })
	case reflect.Slice:
		d.slice(v, out, what)
	case reflect.Array:
		d.array(v, out, what)
	case reflect.Map:
		d.mapping(v, out, what)
	case reflect.Struct:
		d.structure(v, out, what, top)
	case reflect.Interface:
		if out.NumMethod() == 0 {
			if a := v.Any(); a != nil {
				out.Set(reflect.ValueOf(a))
			}
			return
		}
		fallthrough
	default:
		d.errs.Add(v.Pos, "%s cannot be set: there is no way to decode a %s", what, out.Type())
	}
}

// set calls do unless something was wrong.
func (d *decoder) set(bad *Error, do func()) {
	if bad != nil {
		d.errs.Append(bad)
		return
	}
	do()
}

// fail records what a type that reads itself said.
func (d *decoder) fail(v *Value, err error) {
	if err == nil {
		return
	}
	var list Errors
	var one *Error
	switch {
	case errors.As(err, &list):
		d.errs.Append(list...)
	case errors.As(err, &one):
		d.errs.Append(one)
	default:
		d.errs.Add(v.Pos, "%w", err)
	}
}

func (d *decoder) integer(v *Value, out reflect.Value) {
	n, bad := v.Int()
	if bad == nil && out.OverflowInt(n) {
		bits := out.Type().Bits()
		bad = Errorf(v.Pos, "want a whole number from %d to %d, not %s", -1<<(bits-1), 1<<(bits-1)-1, v.Describe())
	}
	d.set(bad, func() { out.SetInt(n) })
}

func (d *decoder) unsigned(v *Value, out reflect.Value) {
	n, bad := v.Int()
	if bad == nil && (n < 0 || out.OverflowUint(uint64(n))) {
		most := uint64(math.MaxInt64)
		if bits := out.Type().Bits(); bits < 64 {
			most = 1<<bits - 1
		}
		bad = Errorf(v.Pos, "want a whole number from 0 to %d, not %s", most, v.Describe())
	}
	d.set(bad, func() { out.SetUint(uint64(n)) })
}

func (d *decoder) slice(v *Value, out reflect.Value, what string) {
	if out.Type().Elem().Kind() == reflect.Uint8 && v.Kind == Scalar {
		out.SetBytes([]byte(v.Text))
		return
	}
	if v.Kind != List {
		bad := v.wrong("a list")
		if v.Kind == Scalar {
			bad.WithHint("write [%s]", v.Text)
		}
		d.errs.Append(bad)
		return
	}
	list := reflect.MakeSlice(out.Type(), len(v.Items), len(v.Items))
	for i := range v.Items {
		d.item(&v.Items[i], list.Index(i), what, i)
	}
	out.Set(list)
}

func (d *decoder) array(v *Value, out reflect.Value, what string) {
	if v.Kind != List {
		d.errs.Append(v.wrong(fmt.Sprintf("a list of %d", out.Len())))
		return
	}
	if len(v.Items) != out.Len() {
		d.errs.Add(v.Pos, "want a list of %d, not of %d", out.Len(), len(v.Items))
		return
	}
	for i := range v.Items {
		d.item(&v.Items[i], out.Index(i), what, i)
	}
}

// item decodes one item of a list. Nothing is no item, where nil could not say so.
func (d *decoder) item(v *Value, out reflect.Value, what string, i int) {
	switch out.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
	default:
		if v.Null && out.Type() != typeValue {
			d.errs.Add(v.Pos, "item %d of %s is empty", i+1, what)
			return
		}
	}
	d.value(v, out, fmt.Sprintf("item %d of %s", i+1, what), false)
}

func (d *decoder) mapping(v *Value, out reflect.Value, what string) {
	if v.Kind != Map {
		d.errs.Append(v.wrong("a map"))
		return
	}
	m := reflect.MakeMapWithSize(out.Type(), out.Len()+len(v.Fields))
	for it := out.MapRange(); it.Next(); {
		m.SetMapIndex(it.Key(), it.Value())
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		key := reflect.New(out.Type().Key()).Elem()
		before := len(d.errs)
		// A key is a scalar like any other, except that it never is null.
		d.value(&Value{Kind: Scalar, Pos: f.Pos, Text: f.Key}, key, "the key", false)
		if len(d.errs) > before {
			continue
		}
		elem := reflect.New(out.Type().Elem()).Elem()
		d.value(&f.Value, elem, f.Key+" of "+what, false)
		m.SetMapIndex(key, elem)
	}
	out.Set(m)
}

func (d *decoder) structure(v *Value, out reflect.Value, what string, top bool) {
	if v.Kind != Map {
		d.errs.Append(v.wrong("a map"))
		return
	}
	fields := structFields(out.Type())
	var rest []Field
	for i := range v.Fields {
		f := &v.Fields[i]
		if top && slices.Contains(d.allow, f.Key) {
			continue
		}
		if at, ok := fields.find(f.Key); ok {
			d.value(&f.Value, fieldByIndex(out, at), f.Key+" of "+what, false)
			continue
		}
		rest = append(rest, *f)
	}
	if fields.rest != nil {
		if len(rest) == 0 {
			return
		}
		d.mapping(&Value{Kind: Map, Pos: v.Pos, Fields: rest}, fieldByIndex(out, fields.rest), what)
		return
	}
	if len(rest) == 0 {
		return
	}
	var known []string
	for _, f := range fields.list {
		known = append(known, f.name)
	}
	if top {
		known = append(known, d.allow...)
	}
	for i := range rest {
		d.errs.Append(unknownKey(&rest[i], known, what))
	}
}

// unknownKey complains about a key and says which one was meant, or which there are.
func unknownKey(f *Field, known []string, what string) *Error {
	bad := Errorf(f.Pos, "unknown key %q in %s", f.Key, what)
	if hint := DidYouMean(f.Key, known); hint != "" {
		return bad.WithHint("%s", hint)
	}
	const most = 12
	if n := len(known); n > 0 && n <= most {
		return bad.WithHint("known keys: %s", strings.Join(known, ", "))
	}
	return bad
}

// fieldByIndex returns a field, making the embedded structs on the way that are
// behind nil pointers.
func fieldByIndex(v reflect.Value, index []int) reflect.Value {
	for i, x := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v
}

// structInfo is what Decode knows of a struct type.
type structInfo struct {
	list []structField // in the order of the type
	rest []int         // index of the inline map that takes every other key, or nil
}

type structField struct {
	name  string
	index []int
}

func (s *structInfo) find(name string) ([]int, bool) {
	for i := range s.list {
		if s.list[i].name == name {
			return s.list[i].index, true
		}
	}
	return nil, false
}

// structInfos keeps what is known of each type: files of thousands of instances have the
// same few over and over.
var structInfos sync.Map // reflect.Type -> *structInfo, which is not changed any more

func structFields(t reflect.Type) *structInfo {
	if known, ok := structInfos.Load(t); ok {
		return known.(*structInfo)
	}
	s := &structInfo{}
	s.add(t, nil)
	known, _ := structInfos.LoadOrStore(t, s)
	return known.(*structInfo)
}

// maxInline bounds structs that are inline in each other, should one hold itself.
const maxInline = 16

func (s *structInfo) add(t reflect.Type, prefix []int) {
	if len(prefix) > maxInline {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("yaml")
		name, flags, _ := strings.Cut(tag, ",")
		if name == "-" {
			continue
		}
		inline := slices.Contains(strings.Split(flags, ","), "inline")
		if !f.IsExported() && !(f.Anonymous && inline && f.Type.Kind() == reflect.Struct) {
			continue
		}
		index := append(slices.Clone(prefix), i)
		if inline {
			switch inner := f.Type; {
			case inner.Kind() == reflect.Struct:
				s.add(inner, index)
			case inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct:
				s.add(inner.Elem(), index)
			case inner.Kind() == reflect.Map:
				s.rest = index
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		s.list = append(s.list, structField{name, index})
	}
}

// Any returns the value as plain Go: nil, bool, int64, float64, string, []any or
// map[string]any. A scalar that was quoted is a string.
func (v *Value) Any() any {
	switch v.Kind {
	case List:
		out := make([]any, len(v.Items))
		for i := range v.Items {
			out[i] = v.Items[i].Any()
		}
		return out
	case Map:
		out := make(map[string]any, len(v.Fields))
		for i := range v.Fields {
			out[v.Fields[i].Key] = v.Fields[i].Value.Any()
		}
		return out
	}
	if v.Null {
		return nil
	}
	if v.Quoted {
		return v.Text
	}
	switch v.Text {
	case "true":
		return true
	case "false":
		return false
	}
	if n, err := parseInt(v.Text); err == nil {
		return n
	}
	if f, ok := parseFloat(v.Text); ok {
		return f
	}
	return v.Text
}
