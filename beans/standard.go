package beans

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Standard is the bean of a Go struct: tagged fields are attributes, methods and
// functions operations. [NewStandard] makes it. It emits [TypeAttributeChange]
// for every attribute that is set through it.
type Standard struct {
	Broadcaster
	info       Info
	lock       sync.Locker
	attributes map[string]*attribute
	operations map[string][]Operation // by name: those that share one, as they were added

	life  sync.Mutex // held while the component starts or stops
	state state
}

// StandardOptions are what a struct cannot say about itself.
type StandardOptions struct {
	ClassName   string // the Go type, as in "feed.Reader", if empty
	Description string
	// Lock guards the tagged fields: the component holds it where it uses them.
	// Without one the bean makes its own, which is right only if nobody but the
	// bean touches the fields while it is registered.
	Lock sync.Locker
	// Check holds checks by the name of the attribute. It sees the value that is
	// to be set, converted to the type of the attribute, without the lock; its
	// error keeps the value out.
	Check map[string]func(Value) error
	// Operations are further operations, for what a tag cannot describe.
	Operations []Operation
	// Notifications describes what the component emits through the bean.
	Notifications []NotificationInfo
	Descriptor    map[string]string
}

// Operation is an operation of a [Standard] bean. Call gets as many arguments as
// there are parameters, each converted to its type.
type Operation struct {
	OperationInfo
	Call func(ctx context.Context, args []Value) (Value, error)
}

// NewStandard makes a bean of v, a pointer to a struct. The exported fields with
// a tag `bean:"name,options"` count, also those of embedded structs; without a
// name the bean uses that of the field. The tags `unit:"s"` and `doc:"…"` give
// unit and description.
//
// A field of type bool, of any integer or float, string, time.Time,
// time.Duration, [Name], [Table], any, a named type of these kinds, a type with
// a text (encoding.TextMarshaler, and TextUnmarshaler to be set), or a slice or
// map of plain values is an attribute: read-only, or with the option rw writable.
// It is read and written under the lock. An atomic.Int64 and its like are read
// without it. Methods of the struct may stand in for a field F, and are called
// without the lock:
//
//	GetF() T            or GetF() (T, error): reads it
//	SetF(T)             or SetF(T) error: sets it; the field itself is not touched
//	CheckF(T) error     refuses a value
//
// A field of function type is an operation if its parameters and its result are
// of such types; a leading context.Context and a trailing error are allowed and
// nil is no operation. Parameters are named by the option params=a;b, the impact
// by info (default: action).
//
// A struct with the methods Start and Stop, each func(context.Context) error,
// func() error or func(), has the operations start and stop and the attribute
// state: "stopped", "starting", "running", "stopping" or "failed". To start what
// runs and to stop what does not is no error and does nothing. A method State()
// string overrides what the bean knows, and then every start and stop is passed
// on. The context of start ends with the call; what runs on must not use it.
func NewStandard(v any, o StandardOptions) (*Standard, error) {
	s := &Standard{
		lock:       o.Lock,
		attributes: map[string]*attribute{},
		operations: map[string][]Operation{},
	}
	if s.lock == nil {
		s.lock = new(sync.Mutex)
	}
	s.info = Info{ClassName: o.ClassName, Description: o.Description, Descriptor: o.Descriptor}
	s.info.Notifications = append(slices.Clone(o.Notifications), NotificationInfo{
		Types:       []string{TypeAttributeChange},
		Name:        "javax.management.AttributeChangeNotification",
		Description: "An attribute was set.",
	})
	if err := s.read(v); err != nil {
		return nil, fmt.Errorf("standard bean of %T: %w", v, err)
	}
	for _, op := range o.Operations {
		if op.Call == nil {
			return nil, fmt.Errorf("standard bean of %T: operation %q has no function", v, op.Name)
		}
		s.addOperation(op)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Check)) {
		a := s.attributes[name]
		if a == nil {
			return nil, fmt.Errorf("standard bean of %T: a check of %q, which is no attribute", v, name)
		}
		a.checks = append(a.checks, o.Check[name])
	}
	if err := checkInfo(s.info); err != nil {
		return nil, fmt.Errorf("standard bean of %T: %w", v, err)
	}
	return s, nil
}

func (s *Standard) addOperation(op Operation) {
	s.operations[op.Name] = append(s.operations[op.Name], op)
	s.info.Operations = append(s.info.Operations, op.OperationInfo)
}

// Info implements [Bean].
func (s *Standard) Info() Info { return s.info }

// Attribute implements [Bean].
func (s *Standard) Attribute(_ context.Context, name string) (Value, error) {
	a := s.attributes[name]
	if a == nil {
		return nil, NoAttribute(name)
	}
	return a.get()
}

// SetAttribute implements [Bean]. The notification follows when no lock is held
// any more.
func (s *Standard) SetAttribute(_ context.Context, name string, value Value) error {
	a := s.attributes[name]
	if a == nil {
		return NoAttribute(name)
	}
	if a.set == nil {
		return ReadOnly(name)
	}
	v, err := Convert(value, a.typ)
	if err != nil {
		return Invalid(name, err)
	}
	for _, check := range a.checks {
		if err := check(v); err != nil {
			return Invalid(name, err)
		}
	}
	old, now, err := a.set(v)
	if err != nil {
		return Invalid(name, err)
	}
	s.Emit(Notification{
		Type:    TypeAttributeChange,
		Message: fmt.Sprintf("%s was set", name),
		Data:    AttributeChange{Attribute: name, Type: a.typ, Old: old, New: now},
	})
	return nil
}

// Invoke implements [Bean]. Arguments of a wrong number or type are
// [ErrInvalidValue]. Of operations that share the name it runs the first that has
// as many parameters as there are arguments and to which these can be converted.
func (s *Standard) Invoke(ctx context.Context, operation string, args []Value) (Value, error) {
	named, err := s.overloads(operation)
	if err != nil {
		return nil, err
	}
	var first error // of the overloads that have the right number
	var counts []string
	for _, op := range named {
		counts = append(counts, strconv.Itoa(len(op.Parameters)))
		if len(args) != len(op.Parameters) {
			continue
		}
		converted, err := op.convert(args)
		if err == nil {
			return op.Call(ctx, converted)
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = fmt.Errorf("operation %q: %w: %d arguments for %s parameters",
			clip(operation), ErrInvalidValue, len(args), strings.Join(slices.Compact(counts), " or "))
	}
	return nil, first
}

// overloads returns the operations with a name, or the one with a signature.
func (s *Standard) overloads(operation string) ([]Operation, error) {
	if named := s.operations[operation]; len(named) > 0 {
		return named, nil
	}
	if name, _, ok := strings.Cut(operation, "("); ok {
		for _, op := range s.operations[name] {
			if op.Signature() == operation {
				return []Operation{op}, nil
			}
		}
	}
	return nil, NoOperation(operation)
}

// convert returns the arguments as the parameters want them.
func (op *Operation) convert(args []Value) ([]Value, error) {
	converted := make([]Value, len(args))
	for i, p := range op.Parameters {
		v, err := Convert(args[i], p.Type)
		if err != nil {
			return nil, fmt.Errorf("operation %q: parameter %q: %w", op.Name, p.Name, err)
		}
		converted[i] = v
	}
	return converted, nil
}

// attribute is how one attribute is read and set.
type attribute struct {
	typ    Type
	get    func() (Value, error)
	set    func(Value) (old, now Value, err error) // nil: read-only
	checks []func(Value) error
}
