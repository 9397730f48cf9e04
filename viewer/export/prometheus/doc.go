// Package prometheus serves the tree and grove's own metrics to Prometheus, in the
// text format 0.0.4 and in OpenMetrics 1.0, whichever the scraper asks for.
//
// # Families
//
//	<metric>{path,…}                            values of nodes whose definition names a metric
//	grove_node_value{path,unit}                 values of all other nodes that hold a number
//	grove_node_status{path}                     0 white, 1 green, 2 yellow, 3 red; in OpenMetrics
//	                                            a state set with the label grove_node_status
//	grove_node_reading_timestamp_seconds{path}  when the last reading was taken
//	grove_group_nodes{path,status}              attributes anywhere below a group
//	grove_export_conflicts                      nodes whose metric name or labels cannot be used
//
// A white node has no value: the series ends, as Prometheus expects of what is not
// known any more. A metric whose name ends in _total is a counter, any other a
// gauge. Values under a metric's name are in the base unit that the name says, whatever
// the definition shows people: 42 % of a metric x_ratio is 0.42. A node whose metric name is malformed, belongs to another family, or stands
// elsewhere with another unit is given under grove_node_value instead, and
// [Exporter.Conflicts] says why.
//
// # Cost
//
// The structure of the tree is kept between scrapes with the text that stays the
// same; a scrape asks the tree for what changed since the one before, then writes
// numbers between prepared pieces.
package prometheus
