package otlp

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/receive"
	"grove/tree"
)

// Bounds of the options.
const (
	maxMatches    = 50
	maxExpression = 2000 // bytes
	maxFields     = 50
)

// LogOptions are what a definition says of a probe of kind "otlp_logs".
type LogOptions struct {
	Match           map[string]string `yaml:"match,omitempty" jsonschema:"description=Regular expressions (RE2) by attribute of the record or its resource\\, such as service.name: ^shop$. A record must fit all of them whole."`
	Severity        string            `yaml:"severity,omitempty" jsonschema:"enum=trace,enum=debug,enum=info,enum=warn,enum=error,enum=fatal,description=The least severity that is taken."`
	Fields          []string          `yaml:"fields,omitempty" jsonschema:"description=Attributes that the texts of events may use\\, by their names in braces; dots are written as underscores."`
	pattern.Options `yaml:",inline"`
}

// severities are the first numbers of OpenTelemetry's ranges of severities.
var severities = map[string]plog.SeverityNumber{
	"": plog.SeverityNumberUnspecified, "trace": plog.SeverityNumberTrace, "debug": plog.SeverityNumberDebug, "info": plog.SeverityNumberInfo,
	"warn": plog.SeverityNumberWarn, "error": plog.SeverityNumberError, "fatal": plog.SeverityNumberFatal,
}

// reader is a probe: a feed with what it looks for in log records.
type reader struct {
	*receive.Feed
	match  map[string]*regexp.Regexp
	least  plog.SeverityNumber
	fields map[string]string // by the name that texts use

	mu      sync.Mutex // guards the rest
	matcher *pattern.Matcher
}

var plainField = regexp.MustCompile(`[^A-Za-z0-9_]`)

func newReader(h *Hub, o *LogOptions) (*reader, error) {
	least, ok := severities[o.Severity]
	if !ok {
		return nil, probe.BadOption("severity", "%q is none of trace, debug, info, warn, error, fatal", o.Severity)
	}
	if len(o.Match) > maxMatches {
		return nil, probe.BadOption("match", "has %d attributes, more than %d", len(o.Match), maxMatches)
	}
	if len(o.Fields) > maxFields {
		return nil, probe.BadOption("fields", "are %d, more than %d", len(o.Fields), maxFields)
	}
	r := &reader{match: map[string]*regexp.Regexp{}, least: least, fields: map[string]string{"severity": "severity"}}
	for name, text := range o.Match {
		if len(text) > maxExpression {
			return nil, probe.BadOption("match."+name, "has %d bytes, more than %d", len(text), maxExpression)
		}
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return nil, probe.BadOption("match."+name, "%w", err)
		}
		r.match[name] = re
	}
	names := []string{"severity"}
	for _, name := range o.Fields {
		plain := plainField.ReplaceAllString(name, "_")
		if name == "" || r.fields[plain] != "" {
			return nil, probe.BadOption("fields", "%q is empty or given twice", name)
		}
		r.fields[plain] = name
		names = append(names, plain)
	}
	set, err := o.Compile(names...)
	if err != nil {
		return nil, err
	}
	r.matcher = set.NewMatcher()
	r.Feed = receive.NewFeed(set.Attributes(), func(instance, name string) (func(), error) { return h.logs.Join(instance, name, r), nil })
	return r, nil
}

// record is one log record with its resource.
type record struct {
	resource pcommon.Map
	plog.LogRecord
}

// attribute is what the record, or else its resource, says; empty when neither does.
func (r *record) attribute(name string) string {
	if v, ok := r.Attributes().Get(name); ok {
		return v.AsString()
	}
	return textOf(r.resource, name)
}

// wants says whether a record is for the probe.
func (r *reader) wants(x *record) bool {
	if r.least != plog.SeverityNumberUnspecified && x.SeverityNumber() < r.least {
		return false
	}
	for name, re := range r.match {
		if !re.MatchString(x.attribute(name)) {
			return false
		}
	}
	return true
}

// take looks at the records of one request.
func (r *reader) take(list []*record, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range list {
		at := x.Timestamp()
		if at == 0 {
			at = x.ObservedTimestamp()
		}
		line := pattern.Record{Text: []byte(pattern.Clean([]byte(x.Body().AsString()))), Status: statusOf(x.SeverityNumber()), Field: r.field(x)}
		if at != 0 && at.AsTime().Before(now.Add(time.Minute)) {
			line.Time = at.AsTime()
		}
		r.matcher.Record(line)
	}
	res := probe.Result{Time: now}
	r.matcher.Add(&res)
	r.PostMany(uint64(len(list)), res)
}

func (r *reader) field(x *record) func(string) string {
	return func(name string) string {
		if name == "severity" {
			if text := x.SeverityText(); text != "" {
				return text
			}
			return x.SeverityNumber().String()
		}
		return pattern.Clean([]byte(x.attribute(r.fields[name])))
	}
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

// applyLogs gives log records to the probes that want them, and says how many could be
// given to none of those since the sender may not.
func (h *Hub) applyLogs(ctx context.Context, all plog.Logs) (denied int, err error) {
	probes := h.logs.All()
	may := make([]error, len(probes))
	for k, p := range probes {
		if h.options.May != nil {
			may[k] = h.options.May(ctx, p.Instance)
		}
	}
	given := make([][]*record, len(probes))
	applied, nobody := 0, 0
	for _, resource := range all.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, one := range scope.LogRecords().All() {
				x := &record{resource: resource.Resource().Attributes(), LogRecord: one}
				wanted, taken := false, false
				for k, p := range probes {
					if !p.Probe.wants(x) {
						continue
					}
					wanted = true
					if may[k] != nil {
						err = may[k]
						continue
					}
					taken = true
					given[k] = append(given[k], x)
				}
				switch {
				case taken:
					applied++
				case wanted:
					denied++
				default:
					nobody++
				}
			}
		}
	}
	now := h.options.Now()
	for k, p := range probes {
		if len(given[k]) > 0 {
			p.Probe.take(slices.Clip(given[k]), now)
		}
	}
	h.records.Applied(applied)
	h.records.Refused(receive.NoNode, nobody)
	h.records.Refused(receive.Denied, denied)
	return denied, err
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
			return newReader(h, o)
		},
	}
}

//go:embed logs.md
var logDoc string

//go:embed logs.yaml
var logExample string
