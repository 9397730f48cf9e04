package usm

// Fault is why a message is not taken.
type Fault uint8

// The faults.
const (
	Malformed     Fault = iota // it is no trap or inform
	UnknownEngine              // it is for another engine, or looks for one
	UnknownUser                // it is of a user whom nobody takes
	WeakSecurity               // it is not protected as the user's messages are to be
	WrongDigest                // it is not authentic
	NotDecrypted               // it cannot be decrypted
	NotInTime                  // it is too old, or an inform by another clock
)

// Error is a fault of a message.
type Error struct {
	Fault  Fault
	Report string // object that tells the sender so: RFC 3414 section 5; empty for none
	Err    error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
