// Package shape says which nodes of a subtree a client of the live feed is sent: those
// that show, because every group above them is open and, while a filter is on, because
// they match it or lead to a match.
package shape

import (
	"fmt"

	"grove/tree"
)

// Wish is what a client asks for when it subscribes.
type Wish struct {
	Depth  int         // the groups less than so many levels below the root are open; tree.MaxDepth: all, also those to come
	Open   []tree.Path // further open groups, with those above them
	Some   int         // open level by level while no more rows than this show; 0: do not
	Filter Filter
}

// Key is the same for wishes that are alike.
func (w *Wish) Key() string { return fmt.Sprintf("%d %d %q %q", w.Depth, w.Some, w.Open, w.Filter) }

// Turn is one message of a client that opens or closes groups: those with the indexes
// Nodes, All, or, to open, exactly those on the way to Problems, or those above Path.
type Turn struct {
	Open     bool
	Nodes    []uint32
	All      bool
	Problems bool
	Path     *tree.Path
}
