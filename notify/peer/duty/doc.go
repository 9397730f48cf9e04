// Package duty decides who watches which device: it moves devices from one manager to
// another when somebody asks for it, when a manager is about to stop, and when one has died.
//
// # Who decides
//
// Each device has an owner, whose definitions have it, and a keeper, who alone decides who
// watches it: the home of its owner, or the owner itself when that has no home. The keeper
// has one row about it ([book.Row]): the place (who ought to watch it), the watcher, and an
// epoch that rises with each move. Whoever has the device has a hold ([book.Hold]). Everything
// is on disk before anybody is told of it, and every message can be sent twice: a keeper
// looks at its rows again and again, and does what they ask for.
//
//	watched ── place is another one, or the watcher is about to stop ──> offered
//	offered ── the heir has the parcel on disk, and has loaded it as a trial ──> prepared
//	prepared ── the watcher has let go, and says how the device was in the end ──> taking
//	any state ── the watcher is dead: a stand-in is chosen ──> taking, under a new epoch
//	taking ── the watcher watches, and says so ──> watched
//	taking ── it refuses, or is dead ──> taking by another one, or orphaned when nobody can
//
// What a manager holds it leaves with its home, again when it changes, so that home can hand
// it on when the manager is dead. One that starts asks home first what of it still is its
// own ([Duty.Start]); one that was cut off asks when it hears its home again.
//
// # Why never two, and in the end one
//
// A manager watches with right while it watches under a hold and its lease from the keeper
// runs, of which it knows that the keeper has found it dead at no time since it last compared
// what it holds. Messages of alerts go out only then, see [Duty.Held].
//
//   - A keeper tells somebody to take a device only in the state taking, and comes to it only
//     when the watcher before (a) has answered that it let go, (b) was found dead, which
//     needs its lease to be over, or (c) has refused to watch, or never had what it was told
//     to take and its lease is over. In (a) the one before does not watch until it is told
//     to take or to go on, which only its keeper says. In (b) and (c) it has no lease; it
//     gets one again with another token, under which it is fenced until it has compared.
//   - An heir watches without its keeper's word only when the one before says so, which does
//     that after it let go, with the epoch that the keeper promised to that heir alone. The
//     keeper gives another one that device only when the heir's lease is over, and under a
//     higher epoch; and no epoch is promised twice, since Next never falls.
//   - Whoever is told of a device under an epoch that is not higher than the highest it knows
//     of does nothing and says so. Thus what is repeated, or late, moves nothing.
//
// That somebody watches it in the end: in each state the keeper repeats one question until it
// is answered or the one that is asked is dead, and each answer leads to a state that is
// further in the order above; a death leads to taking under a higher epoch. So once nobody
// dies any more and links last for long enough a row comes to watched or orphaned. When the
// keeper itself is away, one that has let go gives the device to its heir (package-internal
// help), and when that cannot be heard either and its own lease is over it watches the
// device again, fenced: what two then watch is settled by the epochs when they compare.
//
// # Homes come and go
//
// Devices are left with all homes of a manager; one of them acts, in a term of its own for
// that owner, which begins its epochs above all of the ones before, see package registry.
// Another that begins to act asks the one before for its book, if that can be reached, which
// cedes the owner with its answer; else it listens for settleTime to what managers say that
// they hold, and takes over what is newer than its own rows. Of a device of another owner a
// manager needs the lease of the home that gave it; one whose home of now does not decide
// about the device is fenced, and asks the home that gave it what is to become of it.
//
// While homes are cut from each other only one of them decides about an owner (package
// registry says which). When they meet again two may both tell of a device for some seconds,
// until each knows what the other has decided.
//
// # Who may say what
//
// See guard.go: a manager is believed about its own devices; about those of others if it has
// a part in the row, or if their owner has named it as a stand-in. Orders come from home.
//
// # Rooms
//
// parcel is a device on its way; book is what is on disk; stand chooses stand-ins. Here,
// decide.go says what follows from a row and holds no state; keeper.go asks accordingly;
// holder.go obeys; live.go compares what both know; run.go is the loop, what is left with
// home, and help; commit.go writes what many devices want at once; people.go is what people
// ask for; fence.go is what has to wait.
//
// Locks: keys (one per device that is held) before mu, which is held while the disk is
// written; wantedMu and the lock of pieces are leaves. No other manager is asked while mu is
// held.
package duty
