// Package registry knows which managers there are, and how it is with them.
//
// # Heartbeat
//
// Every second a manager says to each that it is linked to: I am here (registry.here). The
// question carries what it says of itself, unless the other one has that already, and the
// token of its registration; the answer carries the same of the other one and, when that one
// integrates, the lease: a token, and for how long. Who is asked each second, and gets no
// lease from who asks, does not ask itself. Leases are durations, never times, for clocks are apart. The asker counts
// from when it asked, the answerer from when it answered, so that the lease ends sooner with
// who has it than with who gave it, as long as the two clocks run equally fast.
//
// # Words
//
// What a manager hears itself it tells others that ask for its list (registry.neighbours),
// and what it has judged; what it was told it passes on only as far as that somebody is
// known. So nobody lives on by two managers telling each other, and what a manager says of
// another one lasts as long as it lives itself and does not say otherwise.
//
// # Verdicts
//
// Silence of peer.Suspect makes a manager suspect. Only an integration manager judges, and
// only those who are registered with it: it asks all whom it hears whether they hear the one
// that is silent (registry.see), who ask it there and then (registry.there). If one hears it,
// it is cut off. If its lease is over and none has heard it for nearly as long, it is dead:
// that, with a token that is higher than the one it had, is on disk before anybody is told. An
// integration manager that was stopped or suspended itself has heard nobody meanwhile, and
// listens for a whole lease before it judges again; so does one that has just started. One that
// hears nobody of three or more that all fell silent at about the same time takes itself for
// cut off.
//
// A manager that does not hear its home asks neighbours to pass its heartbeat on
// (registry.relay), so that it keeps its lease while there is any way of one step.
//
// # Home
//
// A manager registers with all integration managers that it is linked to, and says with which.
// The first of them that lives is its home: in the order that its settings say, then by ID.
// When another one becomes its home, or has to act for it since its home is dead, a new term
// of that manager begins, which is on disk first and goes round with the lists.
//
// As long as the integration managers that a manager is registered with hear each other, or
// somebody hears both, they agree by that. When they do not, the one decides whom most of
// those have chosen as their home that have the same choice, and these homes themselves: more
// than half for a new home, which waits until the leases of the one before are over; half for
// the one that is home already. So no two decide at the same time. In a part of the network
// that is too small nobody does: no leases are given, so that alerts are held back, and nobody
// takes over. Who is dead for good is to be taken out (Forget), else it is counted. Homes
// should join each other both ways, and all managers should prefer them in the same order.
package registry
