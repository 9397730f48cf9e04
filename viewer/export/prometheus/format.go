package prometheus

import (
	"strconv"
	"strings"
)

// Format is a form of the metrics, named by its content type.
type Format string

// The formats. Text is the Prometheus text format, OpenMetrics that of the
// OpenMetrics specification 1.0.0.
const (
	Text        Format = "text/plain; version=0.0.4; charset=utf-8"
	OpenMetrics Format = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// negotiate chooses by an Accept header (RFC 9110, 12.5.1). OpenMetrics must be
// asked for by name in its version 1.0.0 (or 0.0.1, which it replaced, or none);
// whoever asks for nothing known gets text, as Prometheus' own servers do.
func negotiate(accept string) Format {
	var text, open float64
	for part := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(part, ";")
		q, version := quality(params), parameter(params, "version")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/openmetrics-text":
			if version == "" || version == "1.0.0" || version == "0.0.1" {
				open = max(open, q)
			}
		case "text/plain":
			if version == "" || version == "0.0.4" {
				text = max(text, q)
			}
		}
	}
	if open > 0 && open >= text {
		return OpenMetrics
	}
	return Text
}

// quality returns the parameter q, which is 1 when it is not there.
func quality(params string) float64 {
	text := parameter(params, "q")
	if text == "" {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

func parameter(params, name string) string {
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}
