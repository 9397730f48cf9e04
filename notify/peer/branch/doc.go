// Package branch joins trees: the tree of another manager, or a part of it, hangs live in
// the tree of this one, and this one's tree is there for those that join it.
//
// # The way of a value
//
// The manager whose tree it is shares it as a feed: a snapshot in pieces of 1,000 nodes,
// and after it deltas, each with a number that is one more than that of the one before. One
// feed serves all who follow the same part of the tree and may see the same of it. It ends
// when nobody has renewed it for a while.
//
// Who joins follows the stream of deltas first, then asks for the snapshot, which says up to
// which number it goes, leaves out the deltas that it covers and applies the rest. A number
// that is missing is asked for again; when the other side does not have it any more, a new
// snapshot is taken, and only what differs is changed: nodes that are still there keep
// their handles, their tuned thresholds and their history.
//
// Attributes get value and status from their owner (tree.Tree.Give); groups roll up by their
// own rule. When the link is lost every attribute turns white, with the reason, and keeps
// the last status that it had, and every group counts those, whatever its policy for white
// children is, so that silence makes nothing look better.
//
// # Loops
//
// The group at which the tree of a manager hangs has a property, PropertyManager, that says
// whose tree it is, and keeps it on its way through other managers. What is asked for by a
// manager never has the trees of itself and of those that it joins itself in it. So the
// trees of managers that join each other are finite, whatever joins whom: on the way down
// from a tree no manager is met twice.
package branch
