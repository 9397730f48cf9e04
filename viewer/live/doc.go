// Package live serves the live feed: a websocket on which a client subscribes to
// subtrees, opens and closes groups, and receives what shows of each: first a snapshot,
// then what changed with every flush. Which nodes show is said by package shape, how they
// look on the wire by package frame.
//
// # Slow readers
//
// A client acknowledges what it has read, every batch or one for itself and those before
// it. Once [Window] batches of a subscription are not acknowledged, nothing more is sent
// to it; when the acknowledgement comes,
// one delta brings everything that changed meanwhile, or a snapshot when that is
// not known any more. Nothing is queued for a client: the tree knows what changed
// since any number. Socket buffers hide megabytes, so a bound on a queue would not
// notice that a client is slow; the window does.
//
// # Many readers
//
// A flush wakes all sockets, but not sooner after the one before than their number makes
// reasonable: the more there are, the longer it rests, up to a second, and what changed
// meanwhile is told as one. So the feed takes about a fifth of a processor at most,
// however often readings make the tree flush.
//
// # Memory
//
// A subscription keeps which nodes its client has and which groups are open: three sets
// of at most 16 bytes for each 64 nodes of the tree, 75 kB for 100,000 nodes of which all
// are opened by hand, and usually some hundred bytes. Of messages that open or close, 400
// that name 20,000 nodes wait at most. A client that looks at everything keeps no set.
//
// # Sharing
//
// Clients with the same grants that look at the same subtree share one stage. Those that
// have the same picture of it, under the same subscription number, are sent the same
// prepared message, encoded and compressed once; whichever way they came to it, they
// have the same picture as soon as the same shows.
//
// # Grants
//
// A stage sees through the scope of its clients. A scope is about one structure of the
// tree, since an index may be given to another node: one that is not about the structure
// as it stands is never used, and another is asked for.
//
// # Goroutines and locks
//
// Each socket has a reader, the goroutine of its HTTP request, and a writer that
// the reader starts and waits for. The tree calls the server from its flush, and
// Server.mu and stage.mu are held while the tree is asked, so neither may be held
// while a flush is waited for. Server.mu, stage.mu and conn.mu are never held
// together.
package live
