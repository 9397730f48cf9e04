// Package book is what is on disk about who watches which device: the rows of the book that
// a home keeps, what a manager holds itself, the parcels of both, and the moves that were.
// It knows how they are kept; what they mean, and what follows from what, package duty
// knows.
package book

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
)

// State says how far a device is on its way.
type State string

// The states of a row.
const (
	Watched  State = "watched"  // the watcher watches it, and nothing else is to be done
	Offered  State = "offered"  // the heir is asked to prepare; the watcher watches
	Prepared State = "prepared" // the heir has it on disk; the watcher is asked to let go
	Taking   State = "taking"   // the watcher is decided, and is told until it says that it watches
	Orphaned State = "orphaned" // nobody watches it, and nobody can: Reason says why
)

// Row is one device in the book of its keeper.
type Row struct {
	parcel.Key
	Application string            `json:"application"`
	At          tree.Path         `json:"at"`
	Kinds       []string          `json:"kinds,omitempty"`
	Identity    map[string]string `json:"identity,omitempty"`
	// Fixed says why no other manager can watch it; empty: others can.
	Fixed string `json:"fixed,omitempty"`
	// Left says that the book has a parcel of it.
	Left bool `json:"left,omitempty"`

	// Place is who ought to watch it while it lives: the owner, or the one to whom somebody
	// gave it; until when, if Until is not zero: then it is the owner again.
	Place peer.ID   `json:"place"`
	Until time.Time `json:"until,omitzero"`
	// Was is the place before somebody asked for another one; Wish is why it was asked for,
	// until the device is there, and WishBy who did.
	Was    peer.ID `json:"was,omitempty"`
	Wish   Why     `json:"wish,omitempty"`
	WishBy string  `json:"wishBy,omitempty"`
	// Watcher is who watches it, under Epoch, which rises with each move.
	Watcher peer.ID `json:"watcher"`
	Epoch   int64   `json:"epoch"`
	State   State   `json:"state"`
	// Heir is who is to watch it next, under Next. Next stays when a move is given up: no
	// epoch is promised twice.
	Heir peer.ID `json:"heir,omitempty"`
	Next int64   `json:"next,omitempty"`

	// Of the move that is under way, or was the last.
	From   peer.ID   `json:"from,omitempty"`
	Why    Why       `json:"why,omitempty"`
	By     string    `json:"by,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"` // why it is orphaned, or does not get on
	// Refused are those who said no in this move.
	Refused []peer.ID `json:"refused,omitempty"`
}

// Clone copies a row.
func (r *Row) Clone() *Row {
	c := *r
	c.Refused = slices.Clone(r.Refused)
	return &c
}

// Why is the reason of a move.
type Why string

// The reasons.
const (
	Given    Why = "given"    // somebody delegated it
	Returned Why = "returned" // the delegation is over
	Handover Why = "handover" // its watcher is about to stop
	Takeover Why = "takeover" // its watcher died
	Back     Why = "back"     // the one in whose place others stood is there again
)

// Step is where a manager stands with a device that it holds.
type Step string

// The steps.
const (
	Watching Step = "watching"
	Ready    Step = "prepared" // it has everything on disk, and waits for the word
	Gone     Step = "gone"     // it has let go
)

// Hold is what a manager has of a device, its own or another's.
type Hold struct {
	parcel.Key
	Keeper peer.ID `json:"keeper"` // who keeps the book about it
	Step   Step    `json:"step"`
	Epoch  int64   `json:"epoch"` // under which it watches, has prepared to, or watched last
	// Heir is for whom it has let go, who watches under Next; Heard says that the heir has
	// said that it does.
	Heir  peer.ID   `json:"heir,omitempty"`
	Next  int64     `json:"next,omitempty"`
	Heard bool      `json:"heard,omitempty"`
	Since time.Time `json:"since"`
	// New says that the manager's own stores may not have yet what the parcel brought.
	New bool `json:"new,omitempty"`
	// From is from whom it came.
	From peer.ID `json:"from,omitempty"`
}

// Member is what a keeper knows of a manager whose devices are in its book.
type Member struct {
	ID       peer.ID   `json:"id"`
	StandIns []string  `json:"standIns,omitempty"`
	Away     bool      `json:"away,omitempty"` // it has said goodbye
	To       string    `json:"to,omitempty"`   // who is to have its devices; empty: its stand-ins
	By       string    `json:"by,omitempty"`   // who asked for that
	Live     time.Time `json:"live,omitzero"`  // when it last said that it is there
	// Acts says that this manager is home to it, as which of all who were.
	Acts bool  `json:"acts,omitempty"`
	Term int64 `json:"term,omitempty"`
}

// Move is one that is over.
type Move struct {
	ID    int64         `json:"id"` // rises
	Time  time.Time     `json:"time"`
	Key   parcel.Key    `json:"key"`
	From  peer.ID       `json:"from"`
	To    peer.ID       `json:"to"`
	Why   Why           `json:"why"`
	By    string        `json:"by,omitempty"`
	State string        `json:"state"` // done or failed
	Took  time.Duration `json:"took"`  // from the decision until the other one watched it
	Epoch int64         `json:"epoch"`
	Error string        `json:"error,omitempty"`
}

// Content is everything but parcels and moves.
type Content struct {
	Rows    []Row
	Holds   []Hold
	Members []Member
}

// Change is what is written together, or not at all.
type Change struct {
	Rows      []*Row
	DropRows  []parcel.Key // with what was left of them
	Holds     []*Hold
	DropHolds []parcel.Key // with their parcels
	Members   []*Member
	Moves     []Move // their IDs are given here
	// Left and Held are parcels as they travel, of rows and of holds.
	Left, Held map[parcel.Key][]byte
}

// IsZero says whether there is nothing to write.
func (c *Change) IsZero() bool {
	return len(c.Rows)+len(c.DropRows)+len(c.Holds)+len(c.DropHolds)+len(c.Members)+len(c.Moves)+len(c.Left)+len(c.Held) == 0
}

// Join adds another change, about other devices, that is to be written together with this one.
// What that says of a manager counts.
func (c *Change) Join(other *Change) {
	c.Rows = append(c.Rows, other.Rows...)
	c.DropRows = append(c.DropRows, other.DropRows...)
	c.Holds = append(c.Holds, other.Holds...)
	c.DropHolds = append(c.DropHolds, other.DropHolds...)
	c.Moves = append(c.Moves, other.Moves...)
	for _, m := range other.Members {
		c.Members = append(slices.DeleteFunc(c.Members, func(was *Member) bool { return was.ID == m.ID }), m)
	}
	maps.Copy(c.Left, other.Left)
	maps.Copy(c.Held, other.Held)
}

// Place is of what a parcel is kept.
type Place string

// The places.
const (
	OfBook Place = "book"
	OfHold Place = "hold"
)

// Compare orders keys.
func Compare(a, b parcel.Key) int {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Name, b.Name))
}
