// Package history remembers what every node of a tree was: its readings, its status,
// and the counts of the groups, in an embedded Prometheus TSDB.
//
// # Two shelves
//
// Readings are kept as they came for Options.Keep, and merged into five minutes each for
// Options.Long (package rollup). What is read is put together from both, and PromQL sees
// them as one. Values are in base units under the names of package tree/metric; Points,
// Last and Samples answer in the node's own unit.
//
// # From reading to disk
//
// The hooks (Readings, Reports, Statuses) put samples into a bounded buffer, in the
// producer's goroutine; one goroutine takes batches from there to the log of the TSDB.
// While the buffer is full a producer waits. It does not when waiting would not help:
// while the log of a run before is being replayed, while the disk has no room, and while
// it does nothing for longer than ten seconds; then the buffer holds what it can, and what it
// cannot is counted. Statuses never waits, since it is called while the tree publishes:
// the buffer keeps room for it beyond what producers may fill. Sync is the acknowledgement:
// when it returns without an error, everything given before it was called survives a power
// cut. Without it a power cut costs the last seconds.
//
// # Locks
//
// Store.mu guards the recorder and the buffer; it may be held when the tree is asked
// for a node, and never while a shelf is used. Nothing calls the store under the tree's
// lock.
package history
