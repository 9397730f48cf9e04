// Package outbox is the queue through which every message leaves a manager. What was put
// into it in a committed transaction is sent at least once: it waits on disk until its
// channel has accepted it, and what repeats after a crash has the same key.
//
// # Order
//
// Each channel sends for itself, one message at a time, the urgent ones first, then the
// normal ones, then bulk; those of the same precedence in the order in which they were
// put. While one is tried again those behind it wait, unless it is given up as a dead
// letter; those of another precedence do not. One that must not go yet for a reason of its own
// (channel.Aside) stands aside, and those behind it go.
//
// # Room
//
// What waits is in memory too, within [Limits]. When there is no room for a new message,
// others are dropped or it is refused, as [queue.Queue.Reserve] says. A message that is
// refused fails the transaction that it was to be part of, see [FullError].
//
// # Memory and database
//
// The database has a row for every persistent message; memory follows the commits. What
// was sent is marked afterwards, in groups. While the database cannot be written no more
// persistent messages are sent than are marked at a time: they would be sent again after
// a crash. Messages that are not persistent are in memory alone: they go out meanwhile,
// and a restart loses them.
//
// # Rooms
//
// message is one message and its bounds; queue is what waits in memory, and the order in
// which messages are dropped or refused; throttle counts what was sent in a period; shelf
// is the rows. This room brings them together under one lock: it decides on what is put
// (outbox.go), sends it (run.go), has what became of it written (save.go), and takes over
// what the database has (load.go).
package outbox
