// Package receive holds what the receivers have in common: the runtime beans that
// readings are pushed to, and how receivers account for what they get. One folder
// below it holds each kind of receiver.
//
// A receiver takes readings from outside and hands them on in two ways: straight to
// a node of the tree, by its path, or to a [Mailbox], the runtime bean that a
// definition declares as a probe of a pushing kind. Whoever binds probes to nodes
// attaches the mailbox to the name it has in the definition:
//
//	if m, ok := p.(receive.Attacher); ok {
//		detach, err := m.Attach("shop-web1", "metrics", deliver)
//		…
//		defer detach()
//	}
package receive

import (
	"errors"
	"fmt"
	"sync/atomic"

	"grove/runtime/probe"
)

// ErrHidden is wrapped by the error of an Options.May when the sender may not even see
// where the instance hangs: a receiver then goes on as if its probes were not there.
var ErrHidden = errors.New("there is no such probe")

// Attacher is a probe that readings are pushed to.
type Attacher interface {
	probe.Probe
	probe.Announcer
	// Attach makes the probe known to receivers as one probe of one instance. From
	// then on deliver is called with what arrives, as soon as it arrives and from the
	// goroutine of the receiver: for nodes in push mode. It must not block, and does
	// not keep the result's slices. It may be nil when no node is in push mode. After
	// detach returned, deliver is not called any more: both wait for a call that is
	// under way, so that the caller of Attach and detach holds no lock that deliver takes.
	Attach(instance, name string, deliver func(probe.Result)) (detach func(), err error)
}

// Reason is why a reading was refused.
type Reason uint8

// The reasons.
const (
	Malformed   Reason = iota // it lacks something, or has something unknown or too long
	RateLimited               // its source sends too fast
	NoNode                    // no node, instance, probe or attribute of that name
	WrongTime                 // too far in the future, or no time at all
	Misfit                    // the value or unit is not what the node takes
	Older                     // the node has a newer reading, or one of the same time
	Denied                    // whoever pushes sees the node, and may not push to it
	reasons                   // how many there are
)

var reasonNames = [reasons]string{"malformed", "rate_limited", "no_node", "wrong_time", "misfit", "older", "denied"}

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

// Account counts what became of readings: every reading that was received was either
// applied or refused for one reason. It may be used from many goroutines; the zero
// value is ready.
type Account struct {
	applied atomic.Uint64
	refused [reasons]atomic.Uint64
}

// Applied counts readings that were taken.
func (a *Account) Applied(n int) { a.applied.Add(uint64(n)) }

// Refused counts readings that were refused.
func (a *Account) Refused(r Reason, n int) { a.refused[r].Add(uint64(n)) }

// Counts is an Account at one moment.
type Counts struct {
	// Received is the sum of the others, by how it is made.
	Received, Applied uint64
	Refused           [reasons]uint64 // by Reason
}

// Counts reads the account.
func (a *Account) Counts() Counts {
	c := Counts{Applied: a.applied.Load()}
	c.Received = c.Applied
	for i := range a.refused {
		c.Refused[i] = a.refused[i].Load()
		c.Received += c.Refused[i]
	}
	return c
}
