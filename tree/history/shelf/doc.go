// Package shelf is one directory of the Prometheus TSDB as a history needs it: every
// batch says what became of its samples, what is acknowledged is synced, and a disk that
// is full is a refusal and not the end of the process.
//
// The TSDB's own loop panics when it cannot write chunks to the disk, in a goroutine where
// nobody can recover. So that loop is told to do nothing, and who owns the shelf calls
// Maintain instead, which looks for room first.
package shelf
