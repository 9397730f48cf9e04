// Package frame is the data of the live feed on the wire: snapshots and deltas of a
// subtree, in the binary form that the page reads and in JSON for other programs.
// The server encodes with it; a Go client decodes with it.
//
// # Binary form
//
// Numbers are unsigned LEB128 (encoding/binary's uvarint), f32 is an IEEE 754
// single, little endian. A string is a uvarint r: zero says that a new string
// follows (uvarint length, then UTF-8) which joins the frame's table; any other r
// stands for entry r-1 of the table.
//
//	snapshot = 'S' id seq time count node*
//	delta    = 'D' id from seq time n removed* n node* n change*
//	node     = index parent kind(u8) flags(u8) children name unit since state
//	change   = gap<<3|full<<2|status, then f32 when full is 0, else since state
//	state    = bits(u8) f32? text? (white green yellow red)? reason?
//
// Bit 0 of the flags of a node says hidden: something below that the reader may not see
// contributes to its status. The other bits are zero. Children counts those that the
// reader may see, whether they show or not.
//
// The bits of a state are: 0-1 status, 2 number, 3 text, 4 counts, 5 reason,
// 6 flapping, 7 pending. Times are Unix milliseconds, zero when not known. The gap is
// the distance from the index before, the first counts from 0. A change that is not
// full says that the node has this status and this number and nothing else.
//
// # Reading
//
// A reader applies removed, then placed, then changes: an index that was removed
// may be given to a placed node in the same frame. Removing a node that the reader has
// not is no error.
//
// When a reader closes a group it forgets what is below, and the server sends no
// removals for that. Frames about it may be on their way: the reader passes over changes
// of nodes that it has not, over placed nodes below a parent that it has not, and over
// placed nodes below a group that it has opened or closed by a message which the server
// has not applied yet. The server counts the open and close messages of a subscription
// and says how many it has applied ({"type":"applied","id":1,"count":7}) before the first
// frame that knows of them.
//
// The frame that answers an open may have from and seq alike, since nothing was
// published meanwhile; it is applied like any other.
package frame

import (
	"time"

	"grove/tree"
)

// Type tells the two frames of the binary form apart; it is their first byte.
type Type byte

// The types of frames.
const (
	TypeSnapshot Type = 'S'
	TypeDelta    Type = 'D'
)

// Bounds of what a decoder accepts. An encoder never reaches them: a tree bounds
// its nodes and the length of its texts.
const (
	MaxNodes      = tree.MaxNodes
	MaxTextBytes  = 64 << 10 // of one string
	MaxFrameBytes = 1 << 30
)

// Frame is a snapshot or a delta.
type Frame struct {
	Type Type
	ID   uint32 // the client's number of the subscription
	From uint64 // of a delta: the sequence number that it continues
	Seq  uint64 // the sequence number that the reader has after it
	Time time.Time

	Nodes   []Node   // of a snapshot: all, in depth-first preorder; of a delta: placed ones, parents first
	Removed []uint32 // of a delta
	Changes []Change // of a delta, by rising index
}

// Node is one node with its present state.
type Node struct {
	Index       uint32
	Parent      uint32 // equal to Index for the root of the view
	Kind        tree.Kind
	Name        string // not escaped; empty for the root of the tree
	Unit        string
	Description string // in JSON only: the page asks for it with the details
	Since       time.Time
	Children    int  // that the reader may see, whether or not they show
	Hidden      bool // something below that the reader may not see contributes to the status
	State
}

// State is what readings change.
type State struct {
	Status            tree.Status
	Value             tree.Value // binary frames carry numbers as float32
	Counts            *[4]int32  // leaves below a group, by status; nil for attributes
	Reason            string     // why the node is white
	Flapping, Pending bool
}

// Change is the new state of one node. Plain changes, those of which Full is
// false, do not carry Since and Time.
type Change struct {
	Index uint32
	Full  bool
	Since time.Time // when the status began
	Time  time.Time // in JSON only: of the last reading
	State
}

// NodeOf makes the node of a frame; top makes it the root of its view.
func NodeOf(n *tree.Node, top bool) Node {
	parent := n.Parent
	if top {
		parent = n.Index
	}
	f := Node{Index: n.Index, Parent: parent, Kind: n.Kind, Name: n.Name, Since: n.Since, Children: n.Children, State: stateOf(&n.Cell)}
	if n.Spec != nil {
		f.Unit, f.Description = n.Spec.Unit, n.Spec.Description
	}
	return f
}

// ChangeOf makes the change of a frame. It is plain when the state fits and the
// status began before quiet, so that the reader knows it already.
func ChangeOf(c *tree.Cell, quiet time.Time) Change {
	f := Change{Index: c.Index, Since: c.Since, Time: c.Time, State: stateOf(c)}
	_, number := c.Value.Number()
	f.Full = !number || c.Kind == tree.Group || c.Reason != "" || c.Flapping || c.Pending || !c.Since.Before(quiet)
	return f
}

func stateOf(c *tree.Cell) State {
	s := State{Status: c.Status, Value: c.Value, Reason: c.Reason, Flapping: c.Flapping, Pending: c.Pending}
	if c.Kind == tree.Group {
		counts := c.Counts
		s.Counts = &counts
	}
	return s
}
