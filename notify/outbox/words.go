package outbox

import (
	"grove/notify/outbox/message"
	"grove/notify/outbox/queue"
	"grove/notify/outbox/throttle"
)

// Whoever puts messages or sets bounds needs this room alone: these are the words of those
// behind it.
type (
	// Message is one message.
	Message = message.Message
	// Precedence is what goes first.
	Precedence = message.Precedence
	// State is where a message stands.
	State = message.State
	// Size is an amount of bytes.
	Size = message.Size
	// Room is how much may wait.
	Room = queue.Room
	// Limits bound what waits, in total and by precedence.
	Limits = queue.Limits
	// FullError says that there is no room for a message.
	FullError = queue.FullError
	// Refusal is why a message was refused.
	Refusal = queue.Refusal
	// Throttle bounds what is sent in a period.
	Throttle = throttle.Throttle
	// Throttles are those of all channels and of each.
	Throttles = throttle.Throttles
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
