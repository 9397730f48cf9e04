package beans

import "errors"

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
