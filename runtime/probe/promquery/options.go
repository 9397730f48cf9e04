package promquery

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"grove/runtime/probe"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/series"
)

// Bounds of the options.
const (
	maxQueries = 100
	maxQuery   = 10_000 // bytes
)

// Options are the options of the kind "promquery".
type Options struct {
	endpoint.Options `yaml:",inline"`
	Check            bool           `yaml:"check" jsonschema:"default=true,description=Check the queries as PromQL beforehand; false for servers whose language has more."`
	Queries          series.Options `yaml:",inline"`
}

// query is one question.
type query struct {
	option string // "values.errors"
	text   string
	metric string // by which its results are known to the set
}

// plan checks the queries, and makes of them a plan over their results: each query's
// results are the series of a metric of its own.
func (o *Options) plan(reserved []string) ([]query, *series.Plan, error) {
	var queries []query
	add := func(option, text string) (metric string, err error) {
		switch {
		case strings.TrimSpace(text) == "":
			return "", probe.BadOption(option, "is empty: it is a query in PromQL, such as sum(up)")
		case len(text) > maxQuery:
			return "", probe.BadOption(option, "has %d bytes, more than %d", len(text), maxQuery)
		case len(queries) >= maxQueries:
			return "", probe.BadOption(option, "is one more than the %d queries that are allowed", maxQueries)
		}
		if o.Check {
			e, err := parser.NewParser(parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true}).ParseExpr(text)
			if err != nil {
				return "", probe.BadOption(option, "%.200q: %w", text, err)
			}
			if t := e.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
				return "", probe.BadOption(option, "%.200q: is a %s, and a number or a vector is wanted", text, t)
			}
		}
		metric = fmt.Sprint("q", len(queries))
		queries = append(queries, query{option, text, metric})
		return metric, nil
	}
	results := series.Options{
		Values: map[string]string{}, Texts: map[string]series.Text{}, Tables: map[string]series.Table{},
		Attributes: described(o.Queries.Values, o.Queries.Attributes), MaxSeries: o.Queries.MaxSeries,
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(o.Queries.Values)) {
		if results.Values[name], err = add("values."+name, o.Queries.Values[name]); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Queries.Texts)) {
		t := o.Queries.Texts[name]
		if t.Description == "" {
			t.Description = "The label " + t.Label + " in the result of " + t.Of + "."
		}
		if t.Of, err = add("texts."+name+".of", t.Of); err != nil {
			return nil, nil, err
		}
		results.Texts[name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(o.Queries.Tables)) {
		t := o.Queries.Tables[name]
		t.Attributes = described(t.Columns, t.Attributes)
		columns := map[string]string{}
		for _, c := range slices.Sorted(maps.Keys(t.Columns)) {
			if columns[c], err = add("tables."+name+".columns."+c, t.Columns[c]); err != nil {
				return nil, nil, err
			}
		}
		t.Columns = columns
		results.Tables[name] = t
	}
	plan, err := results.Plan(reserved...)
	return queries, plan, err
}

// described says of each number which query it is the result of.
func described(queries map[string]string, attributes map[string]series.Attribute) map[string]series.Attribute {
	all := maps.Clone(attributes)
	if all == nil {
		all = map[string]series.Attribute{}
	}
	for name, text := range queries {
		a := all[name]
		if a.Description == "" {
			a.Description = "The result of " + text + "."
		}
		all[name] = a
	}
	return all
}
