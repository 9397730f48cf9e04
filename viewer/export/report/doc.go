// Package report tells how a part of the tree fared over a time: how much of it nodes
// were available, which were the worst, how often their statuses changed, and the longest
// outages; as a page, as CSV and as JSON.
//
// # What is counted
//
// A node is up while it is green or yellow, and down while it is red. White is time in
// which the manager ran and knew nothing of the node; unknown is time of which there is
// no record: the manager did not run, planned or not, or the journal does not reach so
// far back. Neither counts as up nor as down, and each is told, so that nobody takes
// silence for health.
//
//	availability  = up / (up + down)
//	known         = (up + down) / the whole time
//	failures      = how often the node came to be red from another known status
//	MTBF          = up / failures, the mean operating time between failures
//	MTTR          = the time down of the outages that ended / how many ended, the mean time to restoration
//
// These are the measures of IEC 60050-192:2015 (mean operating time between failures,
// 192-05-13; mean time to restoration, 192-07-23; steady state availability is up time over
// up time and down time, 192-08). A measure that nothing was observed for is left out,
// never zero: without a failure there is no mean time between failures.
//
// An outage lasts from red until the node is green or yellow again. White and unknown
// time within it does not end it, and is not part of its length. An outage that began
// before the time of the report, or that had not ended at its end, is marked so; the
// first is no failure of this time, and the second has no time of restoration.
//
// # Where it comes from
//
// The statuses come from the journal. Its entries of kind manager say when the manager
// did not run: one to the status white says that it stops, one from another status to
// the same that it still runs, every other that it started. A start without a stop before it
// follows a crash, which was after the last entry of any kind before it; so the more often
// the manager says that it still runs, the less is unknown.
package report
