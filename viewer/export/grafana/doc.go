// Package grafana makes dashboards for Grafana: one of each definition, which serves all
// of its instances, and one of the whole tree; and the files that provision them.
//
// The queries name series as package metric does, so that a dashboard works on grove's
// own interface for PromQL as well as on a Prometheus that scrapes grove.
//
// # Variables
//
//	datasource  the data source, of type Prometheus
//	instance    where instances of the definition hang in the tree: path prefixes
//	grove       where grove's page is, for links back
//
// # Form
//
// The JSON is that of the classic dashboard model (schemaVersion 41 and up), which every
// Grafana since 10 imports. It is built with Grafana's foundation SDK, has no time stamp
// and no random name, and is the same for the same definition. [Lint] says what makes a
// dashboard of grove a good one; [Queries] lists what it asks.
package grafana
