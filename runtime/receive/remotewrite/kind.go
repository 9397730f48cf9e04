package remotewrite

import (
	_ "embed"

	"grove/runtime/probe"
	"grove/runtime/receive/sample"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// KindName is the name of the kind.
const KindName = "remote_write"

// ProbeOptions are what a definition says of a probe of this kind.
type ProbeOptions = sample.ProbeOptions

// Kind returns the kind "remote_write": probes that take part in what a hub gets.
func Kind(h *Hub) probe.Kind {
	return sample.Kind(h.samples, probe.Kind{Name: KindName, Title: "Samples that Prometheus sends by remote write", Doc: doc, Example: example})
}
