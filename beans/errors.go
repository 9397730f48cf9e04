package beans

import (
	"errors"
	"fmt"
)

// The errors of a bean server; the comment names the JMX exception that each
// stands for. They come wrapped in a [NameError] or with further words: compare
// with errors.Is.
var (
	ErrMalformedName     = errors.New("malformed name")              // MalformedObjectNameException
	ErrPatternName       = errors.New("name is a pattern")           // RuntimeOperationsException(IllegalArgumentException)
	ErrNotFound          = errors.New("no such bean")                // InstanceNotFoundException
	ErrExists            = errors.New("bean exists already")         // InstanceAlreadyExistsException
	ErrRefused           = errors.New("registration refused")        // MBeanRegistrationException
	ErrAttributeNotFound = errors.New("no such attribute")           // AttributeNotFoundException
	ErrReadOnly          = errors.New("read-only attribute")         // AttributeNotFoundException "Read-only attribute: X"
	ErrInvalidValue      = errors.New("invalid value")               // InvalidAttributeValueException
	ErrOperationNotFound = errors.New("no such operation")           // ReflectionException(NoSuchMethodException)
	ErrNoNotifications   = errors.New("bean emits no notifications") // RuntimeOperationsException
	ErrListenerNotFound  = errors.New("no such listener")            // ListenerNotFoundException
)

// NameError says which operation failed on which name.
type NameError struct {
	Op   string // "register", "get", "set", "invoke", …
	Name string // canonical name or the text that was no name
	Err  error
}

// Error implements error: "get grove:type=Node: no such bean".
func (e *NameError) Error() string { return e.Op + " " + e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NameError) Unwrap() error { return e.Err }

// PanicError is the error of a call in which a bean, or a hook of one, panicked.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where, as runtime/debug.Stack writes it
}

// Error implements error; the stack is left out.
func (e *PanicError) Error() string { return fmt.Sprintf("the bean panicked: %v", e.Value) }

// Unwrap returns the value of the panic if that was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// NoAttribute is the error of a bean that is asked for an attribute it has not.
func NoAttribute(name string) error {
	return fmt.Errorf("%w %q", ErrAttributeNotFound, clip(name))
}

// ReadOnly is the error of a bean that is to set an attribute it only shows.
func ReadOnly(name string) error {
	return fmt.Errorf("%w %q", ErrReadOnly, clip(name))
}

// NoOperation is the error of a bean that is to run an operation it has not.
func NoOperation(name string) error {
	return fmt.Errorf("%w %q", ErrOperationNotFound, clip(name))
}

// Invalid is the error of a bean that refuses a value; why may wrap
// ErrInvalidValue already, as the errors of Convert do.
func Invalid(attribute string, why error) error {
	if errors.Is(why, ErrInvalidValue) {
		return fmt.Errorf("attribute %q: %w", clip(attribute), why)
	}
	return fmt.Errorf("attribute %q: %w: %w", clip(attribute), ErrInvalidValue, why)
}
