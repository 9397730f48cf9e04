// Package past shows the whole tree as it stood at a moment that the history still holds.
//
// What is put together comes from three places. The history says which nodes there were,
// which status each had, groups too, and the last number of each. The journal says since
// when, why a node was white, the text of a status and the lines of a log. The tree of
// today lends descriptions, units and thresholds to the nodes that are still there with
// the same kind; what is gone has what its records tell, and no more.
//
// Statuses are those that were recorded: neither a threshold nor a roll-up of today is
// held against what was then. What was not recorded is left out, with the reason where a
// node has no value. Where samples are merged already (history.Resolution), the changes
// of the journal are taken within a step; a node that came or went within one is there
// for all of it, and a number is the mean of its step.
package past
