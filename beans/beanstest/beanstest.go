// Package beanstest holds what every bean and every directory promises. A test
// of an implementation makes one and hands it over:
//
//	beanstest.Bean(t, func(t *testing.T) beans.Bean { return newFan() })
//
// The suite reads every attribute, writes back what it read to the writable
// ones, and invokes no operation that the bean describes.
package beanstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"grove/beans"
)

// unknown is a name that no attribute and no operation has.
const unknown = "no such name \x00"

// Bean is the contract of [beans.Bean]. Each case says the rule that it checks;
// make is called once for each and returns a fresh bean.
func Bean(t *testing.T, make func(t *testing.T) beans.Bean) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, violation := range c.check(t.Context(), make(t)) {
				t.Errorf("%s\nthe rule: %s", violation, c.rule)
			}
		})
	}
}

// Check returns what is wrong with a bean, each with the name of the case.
func Check(ctx context.Context, b beans.Bean) []error {
	var all []error
	for _, c := range cases {
		for _, violation := range c.check(ctx, b) {
			all = append(all, fmt.Errorf("%s: %w", c.name, violation))
		}
	}
	return all
}

type testCase struct {
	name, rule string
	check      func(context.Context, beans.Bean) []error
}

var cases = []testCase{
	{"description", "Info names the class, every attribute once and every operation once with the same types of parameters, all of known types.", description},
	{"attributes", "Every readable attribute can be read, and its value has the type that Info states.", attributes},
	{"unknown attribute", "An attribute that Info does not name is ErrAttributeNotFound, for reading and for writing.", unknownAttribute},
	{"read-only", "Setting an attribute that is not writable is ErrReadOnly.", readOnly},
	{"write back", "A writable attribute takes the value that it has.", writeBack},
	{"wrong type", "A writable attribute refuses a value of a type that cannot be converted with ErrInvalidValue, and keeps its value.", wrongType},
	{"unknown operation", "An operation that Info does not name is ErrOperationNotFound.", unknownOperation},
	{"names are exact", "The names of attributes are case-sensitive.", exactNames},
	{"readers", "Many goroutines may read at once; run the suite with -race.", readers},
	{"subscriptions", "A subscription of an emitter can be cancelled more than once.", subscriptions},
}

var types = map[beans.Type]bool{
	beans.TypeBool: true, beans.TypeInt: true, beans.TypeFloat: true, beans.TypeString: true, beans.TypeTime: true,
	beans.TypeDuration: true, beans.TypeName: true, beans.TypeStrings: true, beans.TypeFloats: true, beans.TypeInts: true,
	beans.TypeList: true, beans.TypeMap: true, beans.TypeTable: true, beans.TypeAny: true,
}

func description(_ context.Context, b beans.Bean) (wrong []error) {
	info := b.Info()
	if info.ClassName == "" {
		wrong = append(wrong, errors.New("the class has no name"))
	}
	seen := map[string]bool{}
	for _, a := range info.Attributes {
		switch {
		case a.Name == "":
			wrong = append(wrong, errors.New("an attribute has no name"))
		case seen[a.Name]:
			wrong = append(wrong, fmt.Errorf("attribute %q is there twice", a.Name))
		case !types[a.Type]:
			wrong = append(wrong, fmt.Errorf("attribute %q has the unknown type %q", a.Name, a.Type))
		case !a.Readable && !a.Writable:
			wrong = append(wrong, fmt.Errorf("attribute %q can be neither read nor written", a.Name))
		}
		seen[a.Name] = true
	}
	clear(seen)
	for _, o := range info.Operations {
		switch {
		case o.Name == "":
			wrong = append(wrong, errors.New("an operation has no name"))
		case seen[o.Signature()]:
			wrong = append(wrong, fmt.Errorf("operation %q is there twice", o.Signature()))
		case o.Returns != beans.TypeVoid && !types[o.Returns]:
			wrong = append(wrong, fmt.Errorf("operation %q returns the unknown type %q", o.Name, o.Returns))
		case o.Impact < beans.ImpactInfo || o.Impact > beans.ImpactUnknown:
			wrong = append(wrong, fmt.Errorf("operation %q has the unknown impact %d", o.Name, o.Impact))
		}
		seen[o.Signature()] = true
		for _, p := range o.Parameters {
			if p.Name == "" || !types[p.Type] {
				wrong = append(wrong, fmt.Errorf("operation %q has the parameter %q of the type %q", o.Name, p.Name, p.Type))
			}
		}
	}
	return wrong
}

func attributes(ctx context.Context, b beans.Bean) (wrong []error) {
	for _, a := range b.Info().Attributes {
		if !a.Readable {
			continue
		}
		v, err := b.Attribute(ctx, a.Name)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("attribute %q: %w", a.Name, err))
			continue
		}
		if v == nil {
			continue // nothing is known at present
		}
		if _, err := beans.Convert(v, a.Type); err != nil {
			wrong = append(wrong, fmt.Errorf("attribute %q of type %s: %w", a.Name, a.Type, err))
		}
	}
	return wrong
}

func unknownAttribute(ctx context.Context, b beans.Bean) (wrong []error) {
	if v, err := b.Attribute(ctx, unknown); !errors.Is(err, beans.ErrAttributeNotFound) || v != nil {
		wrong = append(wrong, fmt.Errorf("reading gave %v, %v", v, err))
	}
	if err := b.SetAttribute(ctx, unknown, "x"); !errors.Is(err, beans.ErrAttributeNotFound) {
		wrong = append(wrong, fmt.Errorf("writing gave %v", err))
	}
	return wrong
}

func readOnly(ctx context.Context, b beans.Bean) (wrong []error) {
	for _, a := range b.Info().Attributes {
		if a.Writable {
			continue
		}
		v, err := b.Attribute(ctx, a.Name)
		if err != nil {
			continue // told elsewhere
		}
		if err := b.SetAttribute(ctx, a.Name, v); !errors.Is(err, beans.ErrReadOnly) {
			wrong = append(wrong, fmt.Errorf("attribute %q: %v", a.Name, err))
		}
	}
	return wrong
}

func writeBack(ctx context.Context, b beans.Bean) (wrong []error) {
	for _, a := range b.Info().Attributes {
		if !a.Writable || !a.Readable {
			continue
		}
		v, err := b.Attribute(ctx, a.Name)
		if err != nil || v == nil {
			continue
		}
		if err := b.SetAttribute(ctx, a.Name, v); err != nil {
			wrong = append(wrong, fmt.Errorf("attribute %q does not take %v: %w", a.Name, v, err))
		}
	}
	return wrong
}

func wrongType(ctx context.Context, b beans.Bean) (wrong []error) {
	for _, a := range b.Info().Attributes {
		if !a.Writable {
			continue
		}
		before, readErr := b.Attribute(ctx, a.Name)
		// A channel is no value of any type.
		if err := b.SetAttribute(ctx, a.Name, make(chan int)); !errors.Is(err, beans.ErrInvalidValue) {
			wrong = append(wrong, fmt.Errorf("attribute %q takes a channel: %v", a.Name, err))
		}
		if after, err := b.Attribute(ctx, a.Name); readErr == nil && (err != nil || fmt.Sprint(after) != fmt.Sprint(before)) {
			wrong = append(wrong, fmt.Errorf("attribute %q became %v, %v", a.Name, after, err))
		}
	}
	return wrong
}

func unknownOperation(ctx context.Context, b beans.Bean) (wrong []error) {
	if v, err := b.Invoke(ctx, unknown, nil); !errors.Is(err, beans.ErrOperationNotFound) || v != nil {
		wrong = append(wrong, fmt.Errorf("it gave %v, %v", v, err))
	}
	return wrong
}

func exactNames(ctx context.Context, b beans.Bean) (wrong []error) {
	info, known := b.Info(), map[string]bool{}
	for _, a := range info.Attributes {
		known[a.Name] = true
	}
	for _, a := range info.Attributes {
		other := swapCase(a.Name)
		if known[other] {
			continue
		}
		if _, err := b.Attribute(ctx, other); !errors.Is(err, beans.ErrAttributeNotFound) {
			wrong = append(wrong, fmt.Errorf("attribute %q answers to %q: %v", a.Name, other, err))
		}
	}
	return wrong
}

// swapCase changes the case of the ASCII letters, or adds one if there is none.
func swapCase(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			b[i] = c ^ 0x20
		}
	}
	if string(b) == name {
		return name + "x"
	}
	return string(b)
}

func readers(ctx context.Context, b beans.Bean) []error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards wrong
		wrong []error
	)
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if found := append(attributes(ctx, b), unknownOperation(ctx, b)...); len(found) > 0 {
					mu.Lock()
					wrong = append(wrong, found[0])
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return wrong
}

func subscriptions(_ context.Context, b beans.Bean) []error {
	e, ok := b.(beans.Emitter)
	if !ok {
		return nil
	}
	cancel := e.Subscribe(func(beans.Notification) {}, nil)
	if cancel == nil {
		return []error{errors.New("subscribing returned no function to cancel")}
	}
	cancel()
	cancel()
	return nil
}
