package value

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"grove/beans"
)

// deepest is how deep values may nest, whatever was asked for.
const deepest = 64

// ErrNoChild is the error of a Tree that has no child of that key.
var ErrNoChild = errors.New("no such child")

// errFiltered says that the inner path does not apply to a value.
var errFiltered = errors.New("the path does not apply")

// TooLargeError is the error of an answer that is larger than its bound.
type TooLargeError struct{ Bytes int }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than the bound of %d bytes", e.Bytes)
}

// Budget bounds the size of an answer while it is made. One that is shared bounds the
// sum.
type Budget struct{ Bytes, used int }

// Take counts bytes that the answer will have.
func (b *Budget) Take(n int) error {
	if b == nil {
		return nil
	}
	if b.used += n; b.used > b.Bytes {
		return &TooLargeError{b.Bytes}
	}
	return nil
}

// Tree is a container whose children are made when they are asked for, so that an
// answer that becomes too large is given up before all of it was read, and what the
// path leaves out is not read at all. The errors of yield are passed on.
type Tree interface {
	Each(yield func(key string, child any) error) error
	// Child returns one child, or ErrNoChild.
	Child(key string) (any, error)
}

// Tabular is a table whose rows the column Key tells apart.
type Tabular struct {
	Key  string
	Rows beans.Table
}

// Step is one step of an inner path: a key or index, or Any for the wildcard.
type Step struct {
	Name string
	Any  bool
}

// Options are how values are to be shown. Zero is without limit.
type Options struct {
	MaxDepth          int // containers in each other; what is deeper becomes its text
	MaxCollectionSize int // elements of a list; the others are left out
	MaxObjects        int // containers in all; what is beyond becomes a remark
	LongAsText        bool
	Budget            *Budget // nil: no bound
}

// Serialize returns what Append writes for a value of a bean, an Object or []any of
// such, a Tree or a Tabular, or the part of it that the path leads to. An error is
// that of a Tree or a TooLargeError.
func (o Options) Serialize(v any, path []Step) (any, error) {
	s := serializer{Options: o}
	out, err := s.value(v, path)
	if errors.Is(err, errFiltered) {
		return nil, nil
	}
	return out, err
}

type serializer struct {
	Options
	depth, objects int
}

// value serializes v. Of the limits, depth goes by the containers around v.
func (s *serializer) value(v any, path []Step) (any, error) {
	if v == nil {
		if len(path) > 0 {
			return nil, errFiltered
		}
		return nil, s.Budget.Take(4)
	}
	switch {
	case s.depth >= deepest:
		return s.text("[Depth limit exceeded]")
	case s.MaxDepth > 0 && s.depth >= s.MaxDepth:
		return s.text(Text(v))
	case s.MaxObjects > 0 && s.objects > s.MaxObjects:
		return s.text("[Object limit exceeded]")
	}
	if c := containerOf(v); c != nil {
		s.depth++
		s.objects++
		out, err := c(s, path)
		s.depth--
		return out, err
	}
	return s.scalar(v, path)
}

func (s *serializer) text(t string) (any, error) { return t, s.Budget.Take(len(t) + 3) }

func (s *serializer) scalar(v any, path []Step) (any, error) {
	switch x := v.(type) {
	case time.Time:
		if len(path) == 1 && path[0].Name == "time" {
			return s.scalar(x.UnixMilli(), nil)
		}
		v = timeText(x)
	case time.Duration:
		v = x.Seconds()
	case beans.Type:
		v = JavaType(x)
	case encoding.TextMarshaler:
		v = Text(x)
	default:
		v = plain(v)
	}
	if len(path) > 0 {
		return nil, errFiltered
	}
	switch x := v.(type) {
	case int64:
		if s.LongAsText {
			return s.text(strconv.FormatInt(x, 10))
		}
		return x, s.Budget.Take(8)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, s.Budget.Take(4)
		}
		return x, s.Budget.Take(12)
	case bool:
		return x, s.Budget.Take(5)
	default:
		return s.text(Text(x))
	}
}

// container serializes one container.
type container func(s *serializer, path []Step) (any, error)

// containerOf returns how to serialize v if it contains values.
func containerOf(v any) container {
	switch x := v.(type) {
	case string, bool, int64, float64, time.Time, time.Duration, beans.Type:
		return nil
	case beans.Name:
		return func(s *serializer, path []Step) (any, error) {
			return s.tree(object{{"objectName", x.Canonical()}}, path)
		}
	case Tree:
		return func(s *serializer, path []Step) (any, error) { return s.tree(x, path) }
	case Object:
		return func(s *serializer, path []Step) (any, error) { return s.tree(object(x), path) }
	case Tabular:
		return x.serialize
	case map[string]any:
		return func(s *serializer, path []Step) (any, error) { return s.tree(sorted(x), path) }
	case []any:
		return listOf(x)
	case []string:
		return listOf(x)
	case []float64:
		return listOf(x)
	case []int64:
		return listOf(x)
	case beans.Table:
		return listOf(x)
	case encoding.TextMarshaler:
		return nil
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Struct:
		return func(s *serializer, path []Step) (any, error) { return s.tree(Fields(v), path) }
	case reflect.Slice, reflect.Array:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = r.Index(i).Interface()
		}
		return listOf(list)
	case reflect.Map:
		m := sorted{}
		for it := r.MapRange(); it.Next(); {
			m[fmt.Sprint(it.Key())] = it.Value().Interface()
		}
		return func(s *serializer, path []Step) (any, error) { return s.tree(m, path) }
	}
	return nil
}

// tree serializes the children of a container, or those that the path leads to.
func (s *serializer) tree(t Tree, path []Step) (any, error) {
	if len(path) > 0 && !path[0].Any {
		child, err := t.Child(path[0].Name)
		if errors.Is(err, ErrNoChild) {
			return nil, errFiltered
		}
		if err != nil {
			return nil, err
		}
		return s.value(child, path[1:])
	}
	if len(path) > 0 {
		path = path[1:]
	}
	out, filtered := Object{}, false
	err := t.Each(func(key string, child any) error {
		v, err := s.value(child, path)
		if errors.Is(err, errFiltered) {
			filtered = true
			return nil
		}
		if err == nil {
			err = s.Budget.Take(len(key) + 4)
		}
		out = append(out, Member{key, v})
		return err
	})
	if err != nil {
		return nil, err
	}
	if filtered && len(out) == 0 {
		return nil, errFiltered
	}
	return out, nil
}

// listOf serializes a list.
func listOf[T any](list []T) container {
	return func(s *serializer, path []Step) (any, error) {
		if len(path) > 0 && !path[0].Any {
			i, err := strconv.Atoi(path[0].Name)
			if err != nil || i < 0 || i >= len(list) {
				return nil, errFiltered
			}
			return s.value(any(list[i]), path[1:])
		}
		if len(path) > 0 {
			path = path[1:]
		}
		if s.MaxCollectionSize > 0 && len(list) > s.MaxCollectionSize {
			list = list[:s.MaxCollectionSize]
		}
		out := make([]any, 0, len(list))
		for _, e := range list {
			v, err := s.value(any(e), path)
			if errors.Is(err, errFiltered) {
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		if len(out) == 0 && len(list) > 0 {
			return nil, errFiltered
		}
		return out, s.Budget.Take(2)
	}
}

// serialize shows the rows by their key. Where two have the same, which no tabular
// data of JMX may, it shows all of them with the name of the key.
func (t Tabular) serialize(s *serializer, path []Step) (any, error) {
	rows := make(object, 0, len(t.Rows))
	seen := map[string]bool{}
	for _, row := range t.Rows {
		key := Text(row[t.Key])
		if seen[key] {
			return s.tree(object{{"indexNames", []any{t.Key}}, {"values", t.Rows}}, path)
		}
		seen[key] = true
		rows = append(rows, Member{key, row})
	}
	return s.tree(rows, path)
}

// object is the Tree of an Object.
type object Object

// Each implements Tree.
func (o object) Each(yield func(string, any) error) error {
	for _, m := range o {
		if err := yield(m.Key, m.Value); err != nil {
			return err
		}
	}
	return nil
}

// Child implements Tree.
func (o object) Child(key string) (any, error) {
	for _, m := range o {
		if m.Key == key {
			return m.Value, nil
		}
	}
	return nil, ErrNoChild
}

// sorted is the Tree of a map.
type sorted map[string]any

// Each implements Tree.
func (m sorted) Each(yield func(string, any) error) error {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if err := yield(k, m[k]); err != nil {
			return err
		}
	}
	return nil
}

// Child implements Tree.
func (m sorted) Child(key string) (any, error) {
	if v, ok := m[key]; ok {
		return v, nil
	}
	return nil, ErrNoChild
}

// Fields is a Tree of the exported fields of a struct under their names in Java's
// manner: ObservedObject is observedObject, ID is id.
func Fields(v any) Tree {
	r := reflect.Indirect(reflect.ValueOf(v))
	var o object
	if r.Kind() != reflect.Struct {
		return o
	}
	for i := range r.NumField() {
		if f := r.Type().Field(i); f.IsExported() {
			o = append(o, Member{lowerFirst(f.Name), r.Field(i).Interface()})
		}
	}
	return o
}

func lowerFirst(name string) string {
	if strings.ToUpper(name) == name {
		return strings.ToLower(name)
	}
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[size:]
}

// plain turns numbers of all types and named types of plain ones into bool, int64,
// float64 and string.
func plain(v any) any {
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Pointer && !r.IsNil():
		return plain(r.Elem().Interface())
	case r.Kind() == reflect.Bool:
		return r.Bool()
	case r.CanInt():
		return r.Int()
	case r.CanUint():
		if u := r.Uint(); u <= math.MaxInt64 {
			return int64(u)
		}
		return float64(r.Uint())
	case r.CanFloat():
		return r.Float()
	case r.Kind() == reflect.String:
		return r.String()
	}
	return fmt.Sprintf("%T", v) // nothing of it but the type may be shown
}

// timeText is the format yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX of Java.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") }

// longestText bounds what Text writes for a container.
const longestText = 10_000

// Text is the text of a value, of containers in the manner of Java:
// "{a=1, b=[x, y]}".
func Text(v any) string {
	var b strings.Builder
	writeText(&b, v, 0)
	return b.String()
}

func writeText(b *strings.Builder, v any, depth int) {
	if b.Len() > longestText || depth > deepest {
		b.WriteString("…")
		return
	}
	var t Tree
	switch x := v.(type) {
	case nil:
		b.WriteString("null")
		return
	case string:
		b.WriteString(x)
		return
	case time.Time:
		b.WriteString(timeText(x))
		return
	case time.Duration:
		b.Write(appendFloat(nil, x.Seconds()))
		return
	case beans.Name:
		b.WriteString(x.Canonical())
		return
	case encoding.TextMarshaler:
		if text, err := x.MarshalText(); err == nil {
			b.Write(text)
		}
		return
	case Tree:
		t = x
	case Object:
		t = object(x)
	case map[string]any:
		t = sorted(x)
	case Tabular:
		writeText(b, x.Rows, depth)
		return
	}
	if t == nil {
		r := reflect.ValueOf(v)
		switch r.Kind() {
		case reflect.Slice, reflect.Array:
			b.WriteByte('[')
			for i := range r.Len() {
				if i > 0 {
					b.WriteString(", ")
				}
				if b.Len() > longestText {
					b.WriteString("…")
					break
				}
				writeText(b, r.Index(i).Interface(), depth+1)
			}
			b.WriteByte(']')
			return
		case reflect.Struct:
			t = Fields(v)
		default:
			switch x := plain(v).(type) {
			case float64:
				b.Write(appendFloat(nil, x))
			default:
				fmt.Fprint(b, x)
			}
			return
		}
	}
	b.WriteByte('{')
	first := true
	// The error of a child shows where the text ends.
	_ = t.Each(func(key string, child any) error {
		if !first {
			b.WriteString(", ")
		}
		first = false
		if b.Len() > longestText {
			b.WriteString("…")
			return errFiltered
		}
		b.WriteString(key)
		b.WriteByte('=')
		writeText(b, child, depth+1)
		return nil
	})
	b.WriteByte('}')
}
