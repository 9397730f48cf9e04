// Package act holds the operations of the REST interface by which people do something
// with a node: they tune its thresholds, or undo that, and ask what feeds it for a
// reading now.
//
// Thresholds are written as in a definition and read by the definition language's own
// parser, so that one rule holds for both; what is wrong is told at the field where it
// is. A tuned threshold is in force at once, is kept across restarts by whoever the tree
// tells (tree.Options.Tuned), and lasts until it is undone or the definition says
// something else.
package act
