package otlp

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/receive/record"
	"grove/tree"
)

// LogOptions are what a definition says of a probe of kind "otlp_logs".
type LogOptions struct {
	Severity       string `yaml:"severity,omitempty" jsonschema:"enum=trace,enum=debug,enum=info,enum=warn,enum=error,enum=fatal,description=The least severity that is taken."`
	record.Options `yaml:",inline"`
}

// severities are the first numbers of OpenTelemetry's ranges of severities.
var severities = map[string]plog.SeverityNumber{
	"": plog.SeverityNumberUnspecified, "trace": plog.SeverityNumberTrace, "debug": plog.SeverityNumberDebug, "info": plog.SeverityNumberInfo,
	"warn": plog.SeverityNumberWarn, "error": plog.SeverityNumberError, "fatal": plog.SeverityNumberFatal,
}

// statusOf is how bad a severity is: 17 and above are errors, 13 to 16 warnings, 0 says
// nothing (opentelemetry.io/docs/specs/otel/logs/data-model, SeverityNumber).
func statusOf(n plog.SeverityNumber) tree.Status {
	switch {
	case n >= plog.SeverityNumberError:
		return tree.Red
	case n >= plog.SeverityNumberWarn:
		return tree.Yellow
	case n == plog.SeverityNumberUnspecified:
		return tree.White
	}
	return tree.Green
}

// The fields that a record has beside its attributes and those of its resource.
const (
	severityField = "severity"
	numberField   = "severity_number"
)

// recordOf makes a record of a log record with its resource.
func recordOf(resource pcommon.Map, x plog.LogRecord) record.Record {
	at := x.Timestamp()
	if at == 0 {
		at = x.ObservedTimestamp()
	}
	r := record.Record{Text: []byte(x.Body().AsString()), Status: statusOf(x.SeverityNumber()), Field: func(name string) string {
		switch name {
		case severityField:
			if text := x.SeverityText(); text != "" {
				return text
			}
			return x.SeverityNumber().String()
		case numberField:
			return strconv.Itoa(int(x.SeverityNumber()))
		}
		if v, ok := x.Attributes().Get(name); ok {
			return v.AsString()
		}
		return textOf(resource, name)
	}}
	if at != 0 {
		r.Time = at.AsTime()
	}
	return r
}

// applyLogs gives log records to the probes that want them, and says how many could be
// given to none of those since the sender may not.
func (h *Hub) applyLogs(ctx context.Context, all plog.Logs) (denied int, err error) {
	var list []record.Record
	for _, resource := range all.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, x := range scope.LogRecords().All() {
				list = append(list, recordOf(resource.Resource().Attributes(), x))
			}
		}
	}
	return h.records.Take(ctx, list, h.options.Now())
}

// atLeast leaves out what is less severe.
func atLeast(least plog.SeverityNumber) func(*record.Record) bool {
	if least == plog.SeverityNumberUnspecified {
		return nil
	}
	return func(r *record.Record) bool {
		n, err := strconv.Atoi(r.Field(numberField))
		return err == nil && n >= int(least)
	}
}

// LogKind returns the kind "otlp_logs": probes that take part in the logs that a hub gets.
func LogKind(h *Hub) probe.Kind {
	return probe.Kind{
		Name: "otlp_logs", Title: "Log records that programs send by OpenTelemetry", Doc: logDoc + "\n" + pattern.Doc, Example: logExample, Pushes: true,
		NewOptions: func() any { return new(LogOptions) },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*LogOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			least, ok := severities[o.Severity]
			if !ok {
				return nil, probe.BadOption("severity", "%q is none of trace, debug, info, warn, error, fatal", o.Severity)
			}
			return h.records.New(&o.Options, atLeast(least), severityField)
		},
	}
}

//go:embed logs.md
var logDoc string

//go:embed logs.yaml
var logExample string
