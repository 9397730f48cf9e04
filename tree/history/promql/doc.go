// Package promql answers PromQL over a store of samples: instant and range queries,
// and what series, labels and metadata there are.
//
// It is the engine of Prometheus 3.13, kept behind plain types, so that nobody else
// has to follow a library that promises no compatibility. Everything that a question
// may cost is bounded: points of a series, samples in memory, time, questions at
// once, the length of a query. A [Scope] narrows a question to subtrees of the tree,
// by matchers that are given to the store rather than by changing the query's text,
// so that no query can reach around them.
package promql
