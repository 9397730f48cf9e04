package beans

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

var (
	contextType     = reflect.TypeFor[context.Context]()
	errorType       = reflect.TypeFor[error]()
	marshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// read fills the bean with what the struct behind v says of itself.
func (s *Standard) read(v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Struct {
		return errors.New("it is no pointer to a struct")
	}
	if s.info.ClassName == "" {
		s.info.ClassName = p.Elem().Type().String()
	}
	if err := s.readFields(p, p.Elem()); err != nil {
		return err
	}
	return s.readLifecycle(v)
}

func (s *Standard) readFields(owner, structure reflect.Value) error {
	for i := range structure.NumField() {
		f := structure.Type().Field(i)
		tag, ok := f.Tag.Lookup("bean")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				if err := s.readFields(owner, structure.Field(i)); err != nil {
					return err
				}
			}
			continue
		}
		if !f.IsExported() {
			return fmt.Errorf("field %s has a bean tag but is not exported", f.Name)
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		var err error
		if f.Type.Kind() == reflect.Func {
			err = s.readOperation(name, options, f, structure.Field(i))
		} else {
			err = s.readAttribute(name, options, f, owner, structure.Field(i))
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return nil
}

func (s *Standard) readAttribute(name, options string, f reflect.StructField, owner, field reflect.Value) error {
	writable := false
	switch options {
	case "", "r":
	case "rw":
		writable = true
	default:
		return fmt.Errorf("unknown option %q of an attribute; r and rw are known", options)
	}
	if s.attributes[name] != nil {
		return fmt.Errorf("a second attribute %q", name)
	}
	a := &attribute{}
	source := f.Type
	if load, typ := atomicLoad(field); load.IsValid() {
		source = typ
		a.get = func() (Value, error) { return toValue(load.Call(nil)[0]), nil }
	} else {
		a.get = func() (Value, error) {
			s.lock.Lock()
			defer s.lock.Unlock()
			return toValue(field), nil
		}
	}
	var ok bool
	if a.typ, ok = typeOf(source); !ok {
		return fmt.Errorf("type %s cannot be an attribute", f.Type)
	}
	if err := s.readAccessors(a, f.Name, source, owner); err != nil {
		return err
	}
	switch {
	case !writable:
		if a.set != nil {
			return fmt.Errorf("method Set%s without the option rw", f.Name)
		}
	case a.set == nil && source != f.Type:
		return fmt.Errorf("type %s cannot be set without a method Set%s", f.Type, f.Name)
	case a.set == nil:
		if !settable(f.Type) {
			return fmt.Errorf("type %s cannot be set: it has no method UnmarshalText", f.Type)
		}
		a.set = func(v Value) (old, now Value, err error) {
			next := reflect.New(field.Type()).Elem()
			if err := assign(next, v); err != nil {
				return nil, nil, err
			}
			s.lock.Lock()
			defer s.lock.Unlock()
			old = toValue(field)
			field.Set(next)
			return old, toValue(field), nil
		}
	}
	s.attributes[name] = a
	s.info.Attributes = append(s.info.Attributes, AttributeInfo{
		Name: name, Type: a.typ, Description: f.Tag.Get("doc"), Unit: f.Tag.Get("unit"), Readable: true, Writable: writable,
	})
	return nil
}

// readAccessors looks for the methods that stand in for the field.
func (s *Standard) readAccessors(a *attribute, field string, source reflect.Type, owner reflect.Value) error {
	if m := owner.MethodByName("Get" + field); m.IsValid() {
		t := m.Type()
		if t.NumIn() > 0 || t.NumOut() == 0 || t.Out(0) != source || t.NumOut() > 2 || t.NumOut() == 2 && t.Out(1) != errorType {
			return fmt.Errorf("method Get%s must be func() %s or func() (%[2]s, error)", field, source)
		}
		a.get = func() (Value, error) {
			out := m.Call(nil)
			if err := lastError(out); err != nil {
				return nil, err
			}
			return toValue(out[0]), nil
		}
	}
	argument := func(m reflect.Value, v Value) ([]reflect.Value, error) {
		in := reflect.New(source).Elem()
		return []reflect.Value{in}, assign(in, v)
	}
	if m := owner.MethodByName("Check" + field); m.IsValid() {
		if t := m.Type(); t.NumIn() != 1 || t.In(0) != source || t.NumOut() != 1 || t.Out(0) != errorType {
			return fmt.Errorf("method Check%s must be func(%s) error", field, source)
		}
		a.checks = append(a.checks, func(v Value) error {
			in, err := argument(m, v)
			if err != nil {
				return err
			}
			return lastError(m.Call(in))
		})
	}
	if m := owner.MethodByName("Set" + field); m.IsValid() {
		if t := m.Type(); t.NumIn() != 1 || t.In(0) != source || t.NumOut() > 1 || t.NumOut() == 1 && t.Out(0) != errorType {
			return fmt.Errorf("method Set%s must be func(%s) or func(%[2]s) error", field, source)
		}
		if !settable(source) {
			return fmt.Errorf("type %s cannot be set: it has no method UnmarshalText", source)
		}
		a.set = func(v Value) (old, now Value, err error) {
			in, err := argument(m, v)
			if err != nil {
				return nil, nil, err
			}
			// What the old value was is worth a notification, not an error.
			old, _ = a.get()
			if err := lastError(m.Call(in)); err != nil {
				return nil, nil, err
			}
			if now, err = a.get(); err != nil {
				now = v
			}
			return old, now, nil
		}
	}
	return nil
}

func (s *Standard) readOperation(name, options string, f reflect.StructField, field reflect.Value) error {
	if field.IsNil() {
		return nil
	}
	if _, ok := s.operations[name]; ok {
		return fmt.Errorf("a second operation %q", name)
	}
	op := Operation{OperationInfo: OperationInfo{Name: name, Description: f.Tag.Get("doc"), Returns: TypeVoid, Impact: ImpactAction}}
	var params []string
	for option := range strings.SplitSeq(options, ",") {
		if list, ok := strings.CutPrefix(option, "params="); ok {
			params = strings.Split(list, ";")
		} else if option == "info" {
			op.Impact = ImpactInfo
		} else if option != "" {
			return fmt.Errorf("unknown option %q of an operation; info and params= are known", option)
		}
	}
	t := f.Type
	if t.IsVariadic() {
		return fmt.Errorf("a variadic function cannot be an operation")
	}
	first := 0
	if t.NumIn() > 0 && t.In(0) == contextType {
		first = 1
	}
	for i := first; i < t.NumIn(); i++ {
		typ, ok := typeOf(t.In(i))
		if !ok || !settable(t.In(i)) {
			return fmt.Errorf("type %s cannot be a parameter", t.In(i))
		}
		p := ParameterInfo{Name: fmt.Sprintf("p%d", i-first+1), Type: typ}
		if i-first < len(params) {
			p.Name = params[i-first]
		}
		op.Parameters = append(op.Parameters, p)
	}
	if len(params) > len(op.Parameters) {
		return fmt.Errorf("names for %d parameters, but it has %d", len(params), len(op.Parameters))
	}
	results := t.NumOut()
	if results > 0 && t.Out(results-1) == errorType {
		results--
	}
	if results > 1 {
		return fmt.Errorf("an operation has at most one result besides the error")
	}
	if results == 1 {
		var ok bool
		if op.Returns, ok = typeOf(t.Out(0)); !ok {
			return fmt.Errorf("type %s cannot be a result", t.Out(0))
		}
	}
	op.Call = func(ctx context.Context, args []Value) (Value, error) {
		in := make([]reflect.Value, t.NumIn())
		if first == 1 {
			in[0] = reflect.ValueOf(&ctx).Elem()
		}
		for i, v := range args {
			in[first+i] = reflect.New(t.In(first + i)).Elem()
			if err := assign(in[first+i], v); err != nil {
				return nil, fmt.Errorf("operation %q: parameter %q: %w: %w", name, op.Parameters[i].Name, ErrInvalidValue, err)
			}
		}
		out := field.Call(in)
		if err := lastError(out); err != nil || results == 0 {
			return nil, err
		}
		return toValue(out[0]), nil
	}
	s.addOperation(op)
	return nil
}

// lastError returns the error at the end of the results of a call, if any.
func lastError(out []reflect.Value) error {
	if len(out) == 0 || out[len(out)-1].Type() != errorType {
		return nil
	}
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// atomicLoad returns the method Load of a field of type atomic.Int64 and its
// like, with what it returns.
func atomicLoad(field reflect.Value) (reflect.Value, reflect.Type) {
	if field.Type().PkgPath() != "sync/atomic" || field.Kind() != reflect.Struct {
		return reflect.Value{}, nil
	}
	m := field.Addr().MethodByName("Load")
	if !m.IsValid() || m.Type().NumOut() != 1 {
		return reflect.Value{}, nil
	}
	return m, m.Type().Out(0)
}

// typeOf returns the type of values that toValue makes of a Go type.
func typeOf(t reflect.Type) (Type, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return TypeTime, true
	case reflect.TypeFor[time.Duration]():
		return TypeDuration, true
	case reflect.TypeFor[Name]():
		return TypeName, true
	case reflect.TypeFor[Table]():
		return TypeTable, true
	case reflect.TypeFor[any]():
		return TypeAny, true
	}
	if t.Implements(marshalerType) {
		return TypeString, true
	}
	switch t.Kind() {
	case reflect.Bool:
		return TypeBool, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return TypeInt, true
	case reflect.Float32, reflect.Float64:
		return TypeFloat, true
	case reflect.String:
		return TypeString, true
	case reflect.Slice:
		switch of, ok := typeOf(t.Elem()); {
		case !ok:
			return "", false
		case of == TypeString:
			return TypeStrings, true
		case of == TypeFloat:
			return TypeFloats, true
		case of == TypeInt:
			return TypeInts, true
		default:
			return TypeList, true
		}
	case reflect.Map:
		if _, ok := typeOf(t.Elem()); ok && t.Key().Kind() == reflect.String {
			return TypeMap, true
		}
	}
	return "", false
}

// settable reports whether assign can fill a value of the type.
func settable(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[Name]() {
		return true
	}
	if t.Implements(marshalerType) {
		return reflect.PointerTo(t).Implements(unmarshalerType)
	}
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		return t == reflect.TypeFor[Table]() || settable(t.Elem())
	}
	return true
}

// toValue copies a Go value of a type that typeOf knows into a Value.
func toValue(v reflect.Value) Value {
	switch x := v.Interface().(type) {
	case time.Time, time.Duration, Name:
		return x
	case encoding.TextMarshaler:
		if text, ok := asText(x); ok {
			return text
		}
		return ""
	case []string:
		return slices.Clone(x)
	case []float64:
		return slices.Clone(x)
	case []int64:
		return slices.Clone(x)
	case Table:
		table := make(Table, len(x))
		for i, row := range x {
			table[i], _ = toValue(reflect.ValueOf(row)).(map[string]Value)
		}
		return table
	case uint64:
		return clampUint(x)
	case uint:
		return clampUint(uint64(x))
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return toValue(v.Elem())
	case reflect.Slice:
		typ, _ := typeOf(v.Type())
		list := make([]Value, v.Len())
		for i := range list {
			list[i] = toValue(v.Index(i))
		}
		if typ == TypeStrings || typ == TypeFloats || typ == TypeInts {
			if out, err := Convert(list, typ); err == nil {
				return out
			}
		}
		return list
	case reflect.Map:
		m := make(map[string]Value, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = toValue(it.Value())
		}
		return m
	case reflect.Uint, reflect.Uint64:
		return clampUint(v.Uint())
	}
	return widen(v.Interface())
}

// clampUint keeps the type of an attribute: the few numbers beyond int64 show as
// its greatest.
func clampUint(u uint64) int64 {
	if u > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(u)
}

// assign fills target, of a type that settable allows, with a value that was
// converted to its Type.
func assign(target reflect.Value, v Value) error {
	if v == nil {
		target.SetZero()
		return nil
	}
	r := reflect.ValueOf(v)
	if target.CanAddr() && target.Type() != r.Type() && target.Type().Implements(marshalerType) {
		text, ok := asText(v)
		u, can := target.Addr().Interface().(encoding.TextUnmarshaler)
		if !ok || !can {
			return fmt.Errorf("%s cannot be read as %s", describe(v), target.Type())
		}
		return u.UnmarshalText([]byte(text))
	}
	switch x := v.(type) {
	case int64:
		switch {
		case target.CanInt():
			if target.OverflowInt(x) {
				return fmt.Errorf("%d is out of the range of %s", x, target.Kind())
			}
			target.SetInt(x)
			return nil
		case target.CanUint():
			if x < 0 || target.OverflowUint(uint64(x)) {
				return fmt.Errorf("%d is out of the range of %s", x, target.Kind())
			}
			target.SetUint(uint64(x))
			return nil
		}
	case float64:
		if target.CanFloat() {
			if target.OverflowFloat(x) {
				return fmt.Errorf("%g is out of the range of %s", x, target.Kind())
			}
			target.SetFloat(x)
			return nil
		}
	}
	if r.Type().AssignableTo(target.Type()) {
		target.Set(clone(r))
		return nil
	}
	switch {
	case target.Kind() == reflect.Slice && r.Kind() == reflect.Slice:
		out := reflect.MakeSlice(target.Type(), r.Len(), r.Len())
		for i := range r.Len() {
			if err := assignElement(out.Index(i), r.Index(i).Interface()); err != nil {
				return fmt.Errorf("element %d: %w", i+1, err)
			}
		}
		target.Set(out)
		return nil
	case target.Kind() == reflect.Map && r.Kind() == reflect.Map:
		out := reflect.MakeMapWithSize(target.Type(), r.Len())
		for it := r.MapRange(); it.Next(); {
			e := reflect.New(target.Type().Elem()).Elem()
			if err := assignElement(e, it.Value().Interface()); err != nil {
				return fmt.Errorf("key %q: %w", clip(it.Key().String()), err)
			}
			out.SetMapIndex(it.Key().Convert(target.Type().Key()), e)
		}
		target.Set(out)
		return nil
	case r.Kind() == target.Kind() && r.CanConvert(target.Type()):
		target.Set(r.Convert(target.Type()))
		return nil
	}
	return fmt.Errorf("%s cannot be read as %s", describe(v), target.Type())
}

// assignElement converts first, because the elements of lists and maps have any
// type.
func assignElement(target reflect.Value, v Value) error {
	typ, _ := typeOf(target.Type())
	converted, err := Convert(v, typ)
	if err != nil {
		return err
	}
	return assign(target, converted)
}

// clone copies slices and maps one level deep, so that the caller's and the
// component's do not share elements.
func clone(r reflect.Value) reflect.Value {
	switch r.Kind() {
	case reflect.Slice:
		out := reflect.MakeSlice(r.Type(), r.Len(), r.Len())
		reflect.Copy(out, r)
		return out
	case reflect.Map:
		out := reflect.MakeMapWithSize(r.Type(), r.Len())
		for it := r.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), it.Value())
		}
		return out
	}
	return r
}
