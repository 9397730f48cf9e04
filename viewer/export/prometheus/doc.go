// Package prometheus serves the tree and grove's own metrics to Prometheus, in the
// text format 0.0.4 and in OpenMetrics 1.0, whichever the scraper asks for.
//
// # Families
//
//	<metric>{path,…}                            values of nodes whose definition names a metric
//	grove_node_value{path,unit}                 values of all other nodes that hold a number
//	grove_node_status{path}                     0 white, 1 green, 2 yellow, 3 red
//	grove_node_state{path,grove_node_state}     the same as a state set, in OpenMetrics
//	grove_node_reading_timestamp_seconds{path}  when the last reading was taken
//	grove_group_nodes{path,status}              attributes anywhere below a group
//	grove_group_hidden{path}                    1 where something hidden contributes
//	grove_export_conflicts                      nodes whose metric name or labels cannot be used
//
// A white node has no value: the series ends, as Prometheus expects of what is not
// known any more. A metric whose name ends in _total is a counter, any other a
// gauge. Values under a metric's name are in the base unit that the name says, whatever
// the definition shows people: 42 % of a metric x_ratio is 0.42. A node whose metric
// name is malformed, belongs to another family, or stands elsewhere with another unit is
// given under grove_node_value instead, and [Exporter.Conflicts] says why.
//
// The status is a number in both formats, so that queries, dashboards and rules need not
// know which of them a Prometheus has negotiated. The state set costs four series a
// node: a scrape that has no use for it says exclude[]=grove_node_state.
//
// # Who sees what
//
// Who does not see the whole manager gets the lines of what he sees, without grove's own
// metrics: of a group on the way to it the status and the counts alone. The status is the
// true one, counts are of what is seen, and grove_group_hidden marks the groups of whose
// attributes some are hidden. Names of metrics are shared by all: a definition whose
// metric has the unit of another's gets the generic name, whoever sees the other.
//
// # Cost
//
// The structure of the tree is kept between scrapes with the text that stays the
// same, and the text of each number until the number changes. A scrape asks the tree for
// what changed since the one before, then puts pieces together in chunks, which are
// compressed while they are in the processor's cache. Scrapers share the table, so that
// one that takes long keeps no other waiting; an answer is in memory before it is sent,
// so that a slow client holds up nobody.
//
// BenchmarkScrape measures it: when all of 100,000 numbers have changed a scrape takes
// about 1.8 times as long as when one in a hundred has. What somebody sees of the tree is
// found out anew for each scrape of one who does not see all of it.
package prometheus
