package prometheus

import (
	"slices"
	"strings"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/series"
)

// Bounds and defaults of the options.
const (
	maxMaxAge     = 24 * time.Hour
	defaultMaxAge = 5 * time.Minute // as long as Prometheus looks back
)

// Options are the options of the kind "prometheus".
type Options struct {
	endpoint.Options `yaml:",inline"`
	Formats          []string       `yaml:"formats,omitempty" jsonschema:"enum=protobuf,enum=openmetrics,enum=text,description=The formats that are asked for\\, the best first. By default all: protobuf\\, which alone has native histograms\\, comes first when something is read from histograms\\, and last otherwise."`
	HonorTimestamps  bool           `yaml:"honor_timestamps" jsonschema:"default=true,description=Heed the times that the exporter gives its samples: old ones are left out\\, and readings have the time of the newest when all samples have one. Otherwise everything counts as of now."`
	MaxAge           time.Duration  `yaml:"max_age" jsonschema:"type=string,default=5m,description=How old a sample may be by its own time."`
	Series           series.Options `yaml:",inline"`
}

// mediaTypes are the formats as an Accept header names them (prometheus.io/docs/instrumenting
// /content_negotiation). UTF-8 names are taken as they are.
var mediaTypes = map[string][]string{
	"protobuf": {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8"},
	"openmetrics": {
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=0.0.1",
	},
	"text": {"text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain;version=0.0.4"},
}

// accept is the Accept header: what comes first is preferred.
func (o *Options) accept(histograms bool) (string, error) {
	formats := o.Formats
	switch {
	case len(formats) > 0:
	case histograms:
		formats = []string{"protobuf", "openmetrics", "text"}
	default:
		formats = []string{"openmetrics", "text", "protobuf"}
	}
	var all []string
	for i, f := range formats {
		types := mediaTypes[f]
		switch {
		case types == nil:
			return "", probe.BadOption("formats", "%q is none of protobuf, openmetrics, text", f)
		case slices.Contains(formats[:i], f):
			return "", probe.BadOption("formats", "%s is there twice", f)
		}
		for _, t := range types {
			all = append(all, t+";q=0."+string(rune('9'-len(all))))
		}
	}
	return strings.Join(all, ","), nil
}

func (o *Options) checkAge() error {
	if o.MaxAge <= 0 || o.MaxAge > maxMaxAge {
		return probe.BadOption("max_age", "%v is not between 0s and %v", o.MaxAge, maxMaxAge)
	}
	return nil
}
