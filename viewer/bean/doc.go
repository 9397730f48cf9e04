// Package bean is the browser of the bean server over REST: which beans there are, what
// one has and can do, its attributes set and its operations run, and what beans emit, as
// it comes.
//
// The beans of nodes are for those who see the nodes: a viewer of a node reads its bean,
// an operator runs its operations, an editor changes its thresholds, which are its
// writable attributes. The same roles at the place of an instance are good for the beans
// that run it. All other beans belong to no part of the tree: the role viewer on / reads
// them, admin on / changes them.
//
// A change is told to the audit log before it is made and after. What cannot be told is
// not done. Setting an attribute is a change, and so is every operation but those that
// their bean describes as ones that only read.
package bean
