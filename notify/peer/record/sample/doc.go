// Package sample fetches the readings of other managers that were missed while the link to
// them was lost, or that are from before their trees were joined, and puts them into the
// history here.
//
// A Filler is told when a joined tree is live and when it is lost (Live, Lost). It writes
// down up to when it was live, so that it knows after a restart too, and with that the spans
// of time that are owed by each manager. For those it asks the owner ("record.samples"), some
// nodes at a time, in the order of their paths and slowly enough for everything else; up to
// which node it has them is on the disk after the history has them there. What is asked
// twice is the same readings of the same times, which the history takes once.
package sample
