// Package terminal is the full-screen viewer of a live tree, for people on a terminal:
// what `grove tree --watch` shows there.
//
// It subscribes to what it shows alone, so that a tree of 100,000 nodes costs no more
// than the screen: groups are opened at the server, and a filter is the server's work. The
// mirror of what shows belongs to the feed; the model (Elm's way, as Bubble Tea has it)
// keeps the order of the rows, the cursor and the scroll, and draws only the rows that are
// on the screen. Colours are the sixteen of the terminal's own theme, and a status is told
// by a shape and a word, too.
//
// When the connection is lost the last that was seen stays, faint, while the feed is
// dialled again; groups that were open are opened again.
package terminal
