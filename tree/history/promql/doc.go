// Package promql answers PromQL over a store of samples: instant and range queries,
// and what series, labels and metadata there are.
//
// It is the engine of Prometheus 3.13, kept behind plain types, so that nobody else
// has to follow a library that promises no compatibility. Everything that a question
// may cost is bounded: points of a series, samples in memory, time, questions at
// once, the length of a query. A [Scope] narrows a question to subtrees of the tree,
// by matchers that are given to the store rather than by changing the query's text,
// so that no query can reach around them. Whoever asks stands in the context of the
// question (package grant): series of nodes that he does not see, and series without a
// path unless he sees the whole manager, are left out below the engine, in every
// selection, list of names and description of a metric. Counts of groups are only for
// those who see all that ever was below a group: there is no place for a mark that
// something hidden contributes.
package promql
