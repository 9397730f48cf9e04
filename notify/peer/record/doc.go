// Package record brings the journals of other managers into the journal here: each entry
// once, in the order in which it was written there, whoever is killed and whatever link is
// cut meanwhile. The rooms below it fetch the readings that were missed (package sample),
// and pass on questions about the past (package question).
//
// # The sender
//
// A Sender is a hook of the journal (journal.Options.Also): while somebody follows, each
// entry gets a number in the transaction that writes it, so that the numbers are in the order
// of commits, those of entries that come late too. Nothing is copied: a row says which entry
// has a number. Who begins to follow is told of the past first, as far as the bounds go; the
// entries of that have the numbers before those of the journal's present end. The sender
// forgets what all that follow have, and what is beyond its bounds. What a follower missed by
// that is told to it as a count.
//
// # The receiver
//
// A Receiver asks "record.after" for entries with the numbers after one that it has, and
// commits them together with the range of numbers that they cover, so that it is asked for
// again when anything goes wrong before, and never when it is on the disk. Entries that
// arrive after an outage do not wait for those of the outage: the receiver goes on with the
// present at once, and fills the hole from its beginning beside that, over the connection for
// bulk. The sender's "record.news" wakes it; since a message may be lost it asks by itself,
// too.
//
// Who follows, and up to where, is in the databases of both. When they do not fit any more,
// since one was restored from a backup or the follower was away for too long, the receiver
// begins anew after the newest entry that it has.
//
// The order of entries is that of the sender's journal: by time, and within a millisecond
// as they were numbered. Entries that their own manager wrote late while the receiver was
// filling a hole may stand otherwise among those of their millisecond.
package record
