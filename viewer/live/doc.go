// Package live serves the live feed: a websocket on which a client subscribes to
// subtrees and receives a snapshot of each, then what changed with every flush.
//
// # Slow readers
//
// A client acknowledges what it has read. Once [Window] batches of a subscription
// are not acknowledged, nothing more is sent to it; when the acknowledgement comes,
// one delta brings everything that changed meanwhile, or a snapshot when that is
// not known any more. Nothing is queued for a client: the tree knows what changed
// since any number. Socket buffers hide megabytes, so a bound on a queue would not
// notice that a client is slow; the window does.
//
// # Sharing
//
// Clients that look at the same subtree with the same subscription number and are
// equally far are sent the same prepared message, encoded and compressed once.
//
// # Goroutines and locks
//
// Each socket has a reader, the goroutine of its HTTP request, and a writer that
// the reader starts and waits for. The tree calls the server from its flush, and
// Server.mu and view.mu are held while the tree is asked, so neither may be held
// while a flush is waited for. Server.mu, view.mu and conn.mu are never held
// together.
package live
