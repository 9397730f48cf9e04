package channel

import (
	"errors"
	"fmt"
	"time"
)

// OptionError says which option of a channel is wrong. Option is the path of the option,
// "tls.ca", "to[1]".
type OptionError struct {
	Option string
	Err    error
}

// Error implements error: "to[1]: is no address".
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// BadOption makes an OptionError; format and args as of fmt.Errorf.
func BadOption(option, format string, args ...any) error {
	return &OptionError{option, fmt.Errorf(format, args...)}
}

// permanent is an error that trying again does not mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent says that delivering the same again is of no use.
func Permanent(err error) error { return permanent{err} }

// IsPermanent says whether Permanent made the error.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// later is an error with the time after which to try again.
type later struct {
	error
	after time.Duration
}

func (l later) Unwrap() error { return l.error }

// RetryAfter says when the other side wants to be asked again.
func RetryAfter(err error, after time.Duration) error { return later{err, after} }

// Wait is what RetryAfter was given; ok is false for other errors.
func Wait(err error) (after time.Duration, ok bool) {
	var l later
	if errors.As(err, &l) {
		return l.after, true
	}
	return 0, false
}

// aside is an error of a message that must not go yet, with the time after which to ask again.
type aside struct {
	error
	after time.Duration
}

func (a aside) Unwrap() error { return a.error }

// Aside says that this message must not go yet, though its channel is well: others go before
// it, and it is no attempt. It is asked about again after so long.
func Aside(err error, after time.Duration) error { return aside{err, after} }

// IsAside is what Aside was given; ok is false for other errors.
func IsAside(err error) (after time.Duration, ok bool) {
	var a aside
	if errors.As(err, &a) {
		return a.after, true
	}
	return 0, false
}
