package beans

import (
	"context"
	"errors"
	"sync/atomic"
)

// The values of the attribute state of a [Standard] bean.
const (
	StateStopped  = "stopped"
	StateStarting = "starting"
	StateRunning  = "running"
	StateStopping = "stopping"
	StateFailed   = "failed" // the last start or stop ended with an error
)

// state holds one of the constants; it is read while a start is under way.
type state struct{ v atomic.Pointer[string] }

func (s *state) get() string {
	if p := s.v.Load(); p != nil {
		return *p
	}
	return StateStopped
}

func (s *state) set(to string) { s.v.Store(&to) }

// readLifecycle adds start, stop and state if the component has Start and Stop.
func (s *Standard) readLifecycle(v any) error {
	start, stop := lifecycle(v, true), lifecycle(v, false)
	if start == nil && stop == nil {
		return nil
	}
	if start == nil || stop == nil {
		return errors.New("it has one of Start and Stop, and not the other, as a func(context.Context) error, func() error or func()")
	}
	own, knows := v.(interface{ State() string })
	read := s.state.get
	if knows {
		read = own.State
	}
	if s.attributes["state"] != nil {
		return errors.New("the attribute \"state\" stands for the lifecycle")
	}
	s.attributes["state"] = &attribute{typ: TypeString, get: func() (Value, error) { return read(), nil }}
	s.info.Attributes = append(s.info.Attributes, AttributeInfo{
		Name: "state", Type: TypeString, Description: "Whether the component runs: stopped, starting, running, stopping or failed.", Readable: true,
	})
	add := func(name, description, during, after string, call func(context.Context) error) {
		s.addOperation(Operation{
			OperationInfo: OperationInfo{Name: name, Description: description, Returns: TypeVoid, Impact: ImpactAction},
			Call: func(ctx context.Context, _ []Value) (Value, error) {
				old, now, err := s.change(ctx, during, after, read, knows, call)
				if old != now {
					s.Emit(Notification{
						Type:    TypeAttributeChange,
						Message: "the component is " + now,
						Data:    AttributeChange{Attribute: "state", Type: TypeString, Old: old, New: now},
					})
				}
				return nil, err
			},
		})
	}
	add("start", "Starts the component.", StateStarting, StateRunning, start)
	add("stop", "Stops the component.", StateStopping, StateStopped, stop)
	return nil
}

// change starts or stops the component, one call at a time, and returns its
// state before and after.
func (s *Standard) change(ctx context.Context, during, after string, read func() string, knows bool, call func(context.Context) error) (old, now string, err error) {
	s.life.Lock()
	defer s.life.Unlock()
	if !knows && s.state.get() == after {
		return after, after, nil
	}
	old = read()
	s.state.set(during)
	if err = guard(func() error { return call(ctx) }); err != nil {
		s.state.set(StateFailed)
	} else {
		s.state.set(after)
	}
	return old, read(), err
}

// lifecycle returns the method Start or Stop of v in whichever form it has.
func lifecycle(v any, start bool) func(context.Context) error {
	if start {
		switch c := v.(type) {
		case interface{ Start(context.Context) error }:
			return c.Start
		case interface{ Start() error }:
			return func(context.Context) error { return c.Start() }
		case interface{ Start() }:
			return func(context.Context) error { c.Start(); return nil }
		}
		return nil
	}
	switch c := v.(type) {
	case interface{ Stop(context.Context) error }:
		return c.Stop
	case interface{ Stop() error }:
		return func(context.Context) error { return c.Stop() }
	case interface{ Stop() }:
		return func(context.Context) error { c.Stop(); return nil }
	}
	return nil
}
