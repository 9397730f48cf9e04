// Package past has the past of a device follow it from one manager to another: the entries of
// the journal and the readings. An owner gets, once its device is back, what was written about
// it elsewhere meanwhile, at the times when it happened; who takes a device on gets what was
// written about it before.
//
// # Stays
//
// A manager writes down what it watches itself of devices that move, from when to when and
// where in its tree ([Stay]); one of its own that was never away has no row. When a stay is
// over nothing of it changes any more, so that others can ask for it piece by piece, today or
// after an outage: "record.stays" for the stays, "record.entries" for the journal of one,
// "record.readings" for its readings. Only entries of the device itself are told, never of
// another one that hangs within it, and only to who is a party to a move of that device: its
// owner, those from and to whom it was moved here, and whom home knows as one to whom it was
// moved ([Local].Party).
//
// # Debts
//
// Who comes to watch a device owes itself the past of whoever watched it before: a row, which
// outlives kills and lost links. Each stay is fetched once: its entries some at a time, each
// time together with the number up to which they are here in one transaction; then its
// readings, some nodes at a time, which the history keeps once however often they come. A stay
// says from whom the device had come, and so the next debt follows until the chain ends. An
// own device is owed everything; of another's, as much of the past as Options.Entries and
// Options.Readings say. Readings that are older than the history takes are lost; those of an
// own device that was let go for another manager therefore come every hour while it is away.
//
// # Each change once
//
// Stays of a planned move follow each other. A manager that was cut off watches beside its
// stand-in until it hears of it; of that time it has its own entries, and takes none of the
// stand-in's. And a change of a status to the one that a node has already, which comes of a
// stand-in that began with a state of some seconds before, is none.
//
// All of it goes over the connection for bulk, by one goroutine for each manager that is
// asked. Watched and Left only queue: nobody who moves a device waits for this package.
package past
