package registry

import (
	"time"

	"grove/notify/peer"
)

// LeaseTime is how long a manager counts as there after its home has heard it: it carries
// on as itself for so long without an answer, and its home judges nobody sooner.
const LeaseTime = 5 * time.Second

// Standing says how it is with a manager.
type Standing string

// The standings.
const (
	// Live was heard less than peer.Suspect ago, by this manager or by one that this manager
	// hears.
	Live Standing = "live"
	// Suspect was not heard for longer, and nobody has judged it yet.
	Suspect Standing = "suspect"
	// CutOff lives, but the integration manager that judges it does not hear it: others do.
	CutOff Standing = "cut off"
	// Dead was heard by nobody for longer than its lease: an integration manager says so.
	Dead Standing = "dead"
	// Gone said goodbye.
	Gone Standing = "gone"
	// Known was never heard: others know of it.
	Known Standing = "known"
)

// State is what is known of another manager.
type State struct {
	peer.Manager
	State Standing `json:"state"`
	// Since is when it came to stand so, Heard when it was heard last, by whomever: zero
	// never. Both are of the clock of this manager.
	Since time.Time `json:"since,omitzero"`
	Heard time.Time `json:"heard,omitzero"`
	// Direct says that this manager hears it itself; By is who says how it stands.
	Direct bool    `json:"direct"`
	By     peer.ID `json:"by,omitempty"`
	Why    string  `json:"why,omitempty"` // in words, when it does not live
	// Home is the integration manager that it says is its home; none: it has none.
	Home peer.ID `json:"home,omitempty"`
	// Registered says that it is registered with this manager, which integrates. Mine says
	// that this manager has to act for it when it dies: it is its home, or its home is no
	// more and this one is the first of those that integrate.
	Registered bool `json:"registered"`
	Mine       bool `json:"mine"`
	// Token is that of its registration with this manager. It rises when it is judged dead,
	// and when it comes back: who shows a smaller one was dead meanwhile.
	Token int64 `json:"token,omitempty"`
	// RoundTrip is that of the last heartbeat, Offset how far its clock is ahead of this
	// manager's; both are zero when it is not heard itself.
	RoundTrip time.Duration `json:"roundTrip"`
	Offset    time.Duration `json:"offset"`
	Load
}

// Load is how busy a manager is with messages of others, see package meter.
type Load struct {
	PerSecond  float64 `json:"messagesPerSecond"`
	Saturation float64 `json:"saturation"` // 0..1
}

// Registration is what a manager has of its home.
type Registration struct {
	Home peer.ID `json:"home,omitempty"` // none: no integration manager is known
	// Token is that of the registration with this home. When it or the home has changed,
	// what this manager watched may have been taken over: a home raises it with its verdict.
	// Tokens of different homes cannot be compared.
	Token int64 `json:"token,omitempty"`
	// Left is how long it may still act as itself; zero or less: the lease is over. It
	// stays zero until the home has answered for the first time.
	Left time.Duration `json:"left"`
	// Relayed says that a neighbour passes the renewals on.
	Relayed bool `json:"relayed,omitempty"`
}

// Held says whether the lease runs, or nobody gives one.
func (r Registration) Held() bool { return r.Home == "" || r.Left > 0 }

// Need is what a device asks of who is to watch it. Zero fields ask nothing.
type Need struct {
	Kinds        []string  `json:"kinds,omitempty"`        // of probes, all of which it must run
	Applications []string  `json:"applications,omitempty"` // definitions, all of which it must know
	Room         int       `json:"room,omitempty"`         // devices that it must have room for
	Not          []peer.ID `json:"not,omitempty"`          // who is out of the question
}

// Candidate is a manager that says that it can.
type Candidate struct {
	peer.Manager
	Free int `json:"free"` // devices that it has room for
}

// Receipt says what became of a message to one manager.
type Receipt struct {
	ID   peer.ID `json:"id"`
	Name string  `json:"name"`
	Err  string  `json:"error,omitempty"` // empty: it has it
}

// Note is a message of another manager for people and programs.
type Note struct {
	From peer.Manager
	By   string // who wrote it there, as "anna@berlin"; may be empty
	Text string
}
