// Package tree is the live monitor tree: groups and nodes with a value and a
// status, thresholds that colour them, and the roll-up that carries colours to
// the root.
//
// # Concurrency
//
// One RWMutex guards the whole tree. A producer applies a batch of readings
// under it in its own goroutine ([Tree.Apply]): there is one writer at a time,
// nothing is handed over, and no queue can grow. Readers copy what they want
// under the read lock. Functions that the tree calls (Options) run without it.
//
// # Sequence numbers
//
// Every change of a node is stamped with the number of the flush that will
// publish it. [Tree.Flush] publishes by raising that number, which costs the
// same for one change and for a million; a reader that has seen number n asks
// for everything stamped later ([View.Since]) whenever it likes, so a slow
// reader never holds a queue and a returning one resumes where it was.
package tree
