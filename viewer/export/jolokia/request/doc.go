// Package request reads the requests of the Jolokia protocol 8.2: paths of GET, bodies
// of POST, and the processing parameters of both.
//
// # Paths
//
//	read/<name>[/<attribute>[,<attribute>…]][/<inner path>]
//	write/<name>/<attribute>/<value>[/<inner path>]
//	exec/<name>/<operation>[/<argument>…]
//	search/<pattern>
//	list[/<domain>[/<properties>[/<group>]]]
//	version
//	config
//	notification/<command>/…
//
// A path is decoded first, then parted at its slashes. After an exclamation mark
// stands a character without its meaning: !/ is a slash, !! an exclamation mark, !" a
// quote. As a value, [null] is null and "" the empty text.
//
// # Errors
//
// What cannot be read is a [*BadRequest], which clients are told with HTTP 400, or an
// [*IllegalArgument], which they are told in the answer.
package request

import "fmt"

// The bounds of a request, beside those of names.
const (
	MaxPath  = 16 << 10 // bytes of a path, or of the parameter p
	MaxBulk  = 1000     // requests in one body
	MaxDepth = 64       // arrays and objects in each other in a body
	MaxSteps = 64       // steps of an inner path
)

// BadRequest is the error of a request that is malformed.
type BadRequest struct{ Text string }

// Error implements error.
func (e *BadRequest) Error() string { return e.Text }

func bad(format string, args ...any) error { return &BadRequest{fmt.Sprintf(format, args...)} }

// IllegalArgument is the error of a request that is well-formed and means nothing.
type IllegalArgument struct{ Text string }

// Error implements error.
func (e *IllegalArgument) Error() string { return e.Text }
