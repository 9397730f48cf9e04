package outbox

import (
	"grove/notify/outbox/message"
	"grove/notify/outbox/queue"
	"grove/notify/outbox/throttle"
)

// The words of the rooms behind this one, so that whoever puts messages or sets
// bounds needs this one alone.
type (
	Message    = message.Message
	Precedence = message.Precedence
	State      = message.State
	Size       = message.Size
	Room       = queue.Room
	Limits     = queue.Limits
	FullError  = queue.FullError
	Refusal    = queue.Refusal
	Throttle   = throttle.Throttle
	Throttles  = throttle.Throttles
)

// The precedences, and the states.
const (
	Normal = message.Normal
	Urgent = message.Urgent
	Bulk   = message.Bulk

	Waiting = message.Waiting
	Sent    = message.Sent
	Dead    = message.Dead
)

// ErrMessage is wrapped by the errors of a message that cannot be put, whatever the room.
var ErrMessage = message.ErrMessage

// ParsePrecedence reads what Precedence.String writes.
func ParsePrecedence(text string) (Precedence, error) { return message.ParsePrecedence(text) }
