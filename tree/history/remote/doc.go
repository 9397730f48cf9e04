// Package remote lets the history outgrow one machine: a [Writer] sends every sample
// on to other stores by Prometheus' remote write, 1.0 and 2.0, and a [Reader] reads
// merged points back from them by Prometheus' query interface.
//
// # Nothing is missing
//
// The history's own write-ahead log is the buffer. For each target a file holds the
// position in the log up to which the target has taken everything; it moves on when
// an answer says so, and not before. A sample is sent again after a crash, which
// stores take as the one they have, and it is never left out: not when the target is
// down while grove restarts, and not when it arrives late, since the log is in the
// order of arrival. The history cuts its log every few hours; what a target still
// needs is kept by hard links to the log's files (see [spool]), which cost disk
// only once the history has dropped its own.
//
// Prometheus' QueueManager reads the same log, but it begins at the time of its start,
// and leaves out what is older: everything that a restart of grove meets in its queues
// or in the log, and every back-filled reading. It also gives up a whole request of
// 2,000 samples when its target refuses one of them. Here such a request is sent again
// in halves until what was refused stands alone, and only that is counted as failed.
//
// Per target there is one goroutine; requests of different series run at once, those
// of one series one after the other, so that its samples arrive in order.
package remote
