package series

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// op is what is made of the series that fit.
type op uint8

const (
	one op = iota // there is only one
	sum
	smallest
	largest
	average
	count
	quantile // of the observations since the sample before
	histogramAverage
	histogramCount
	histogramSum
	label // the text of a label
)

var aggregations = map[parser.ItemType]op{parser.SUM: sum, parser.MIN: smallest, parser.MAX: largest, parser.AVG: average, parser.COUNT: count}

var functions = map[string]op{"histogram_quantile": quantile, "histogram_avg": histogramAverage, "histogram_count": histogramCount, "histogram_sum": histogramSum}

// query is a parsed expression.
type query struct {
	op       op
	phi      float64           // of a quantile, 0 to 1
	name     string            // of the metric; of a histogram without a suffix; empty: the matchers say it
	matchers []*labels.Matcher // all others
}

// parse reads one of
//
//	selector                              the one series
//	sum|min|max|avg|count(selector)
//	histogram_quantile(φ, selector)
//	histogram_avg|count|sum(selector)
//
// as Prometheus defines them (prometheus.io/docs/prometheus/latest/querying/basics,
// "Instant vector selectors"). A histogram is named without _bucket; with it, it is the
// same.
func parse(text string) (query, error) {
	var q query
	if strings.TrimSpace(text) == "" {
		return q, errors.New("is empty: name a series, such as go_goroutines")
	}
	if len(text) > maxExpression {
		return q, fmt.Errorf("has %d bytes, more than %d", len(text), maxExpression)
	}
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return q, fmt.Errorf("%q: %w", clip(text), err)
	}
	var inner parser.Expr
	switch e := plain(expression).(type) {
	case *parser.AggregateExpr:
		o, ok := aggregations[e.Op]
		switch {
		case !ok:
			return q, fmt.Errorf("%q: %s is not known, only sum, min, max, avg, count", clip(text), e.Op)
		case len(e.Grouping) > 0 || e.Without:
			return q, fmt.Errorf("%q: leave out by and without: a value is one number, and a table groups by its key", clip(text))
		}
		q.op, inner = o, e.Expr
	case *parser.Call:
		if q, inner, err = call(text, e); err != nil {
			return q, err
		}
	default:
		inner = e
	}
	selector, ok := plain(inner).(*parser.VectorSelector)
	switch {
	case !ok:
		return q, fmt.Errorf("%q: a selector, sum, min, max, avg, count or a function of a histogram around one, is all that is known here; "+
			"calculate in the node's value, and rates by its change: rate", clip(text))
	case selector.OriginalOffset != 0 || selector.Timestamp != nil || selector.StartOrEnd != 0 || selector.Anchored || selector.Smoothed:
		return q, fmt.Errorf("%q: only what is there now can be read: leave out offset and @", clip(text))
	}
	for _, m := range selector.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual && q.name == "" {
			q.name = m.Value
			continue
		}
		q.matchers = append(q.matchers, m)
	}
	if q.op.isHistogram() {
		if q.name == "" {
			return q, fmt.Errorf("%q: a histogram is given by its name", clip(text))
		}
		q.name = strings.TrimSuffix(q.name, "_bucket")
	}
	return q, nil
}

func call(text string, e *parser.Call) (q query, inner parser.Expr, err error) {
	o, ok := functions[e.Func.Name]
	if !ok {
		hint := "only histogram_quantile, histogram_avg, histogram_count, histogram_sum"
		if e.Func.Name == "rate" || e.Func.Name == "irate" || e.Func.Name == "increase" {
			hint = "a node makes it by change: rate"
		}
		return q, nil, fmt.Errorf("%q: %s is not known here: %s", clip(text), e.Func.Name, hint)
	}
	q.op = o
	if o != quantile {
		return q, e.Args[0], nil
	}
	phi, ok := plain(e.Args[0]).(*parser.NumberLiteral)
	if !ok || !(phi.Val >= 0 && phi.Val <= 1) {
		return q, nil, fmt.Errorf("%q: a quantile is a number from 0 to 1, such as 0.99", clip(text))
	}
	q.phi = phi.Val
	return q, e.Args[1], nil
}

// plain takes away parentheses.
func plain(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

func (o op) isHistogram() bool { return o >= quantile && o <= histogramSum }

// clip makes a text of a definition short enough for a message.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
