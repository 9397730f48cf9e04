package trap

import (
	"fmt"

	"grove/runtime/receive"
	"grove/runtime/receive/trap/usm"
)

// Reason is why a message was not taken.
type Reason uint8

// The reasons.
const (
	Kernel         Reason = iota // it came while the socket's buffer was full: grove never saw it
	Foreign                      // its sender is not among those that are allowed
	RateLimited                  // its sender sends too fast
	QueueFull                    // too many wait to be handed on
	TooLarge                     // longer than MaxMessage
	Malformed                    // it is no trap or inform of SNMP
	UnknownEngine                // version 3: for another engine, or looking for one, which is answered
	UnknownUser                  // version 3: of a user whom nobody takes
	WeakSecurity                 // version 3: not protected as the user's messages are to be
	WrongDigest                  // version 3: not authentic
	NotDecrypted                 // version 3: it cannot be decrypted
	NotInTime                    // version 3: too old, or an inform by another clock, which is answered
	NoSecret                     // version 3: a password of the user cannot be read
	WrongCommunity               // version 1 and 2c: of a community that those who want it do not take
	Unmatched                    // nobody wants it
	reasons
)

var reasonNames = [reasons]string{
	"kernel", "foreign", "rate_limited", "queue_full", "too_large", "malformed", "unknown_engine", "unknown_user",
	"weak_security", "wrong_digest", "not_decrypted", "not_in_time", "no_secret", "wrong_community", "unmatched",
}

// String returns the reason as metrics call it.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Reasons lists all reasons.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// reasonOf is the reason for each fault of a message of version 3.
var reasonOf = [...]Reason{
	usm.Malformed: Malformed, usm.UnknownEngine: UnknownEngine, usm.UnknownUser: UnknownUser, usm.WeakSecurity: WeakSecurity,
	usm.WrongDigest: WrongDigest, usm.NotDecrypted: NotDecrypted, usm.NotInTime: NotInTime,
}

// common is what all receivers call a reason.
func (r Reason) common() receive.Reason {
	switch r {
	case RateLimited, QueueFull, Kernel:
		return receive.RateLimited
	case TooLarge, Malformed:
		return receive.Malformed
	case NotInTime:
		return receive.WrongTime
	case Unmatched:
		return receive.NoNode
	}
	return receive.Denied
}
