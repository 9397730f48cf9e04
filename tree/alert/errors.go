package alert

import "errors"

// ErrNone is wrapped by the errors of an alert that is not there.
var ErrNone = errors.New("no such alert")

// ErrState is wrapped by the errors of what cannot be done with an alert as it stands.
var ErrState = errors.New("not in this state")

// ErrQuery is wrapped by the errors of a Query that cannot be: an After that is of another
// query, a Limit beyond the bound.
var ErrQuery = errors.New("malformed query of alerts")
