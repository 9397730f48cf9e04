// Package promql serves Prometheus' HTTP interface (prometheus.io/docs/prometheus/latest/querying/api)
// as far as readers use it, so that Grafana takes grove as a data source of the type
// Prometheus with nothing in between:
//
//	/api/v1/query, query_range, series, labels, format_query, query_exemplars  GET, or POST of a form
//	/api/v1/label/<name>/values, metadata, status/buildinfo, rules, alerts     GET
//	/-/healthy, /-/ready                                                       GET
//
// There are no exemplars, and rules are Prometheus' own business: those answers are
// empty. The parameter path, which may stand several times, narrows any question to
// subtrees; in Grafana it is a custom query parameter of the data source. Errors have
// the shape that Prometheus gives them, and its classes. What is hidden from whoever asks
// is left out below the engine, see package grove/tree/history/promql.
package promql
