package otlp

import (
	_ "embed"

	"grove/runtime/probe"
	"grove/runtime/receive/sample"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// ProbeOptions are what a definition says of a probe of kind "otlp".
type ProbeOptions = sample.ProbeOptions

// Kind returns the kind "otlp": probes that take part in the metrics that a hub gets.
func Kind(h *Hub) probe.Kind {
	return sample.Kind(h.samples, probe.Kind{Name: "otlp", Title: "Metrics that programs send by OpenTelemetry", Doc: doc, Example: example})
}
