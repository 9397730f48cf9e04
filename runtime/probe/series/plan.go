// Package series makes attributes and tables of labelled samples. It is what probes and
// receivers have in common whose resources speak of series, as those of Prometheus,
// OpenTelemetry and StatsD do: a name, labels, and numbers or histograms in the course
// of time.
//
// [Options] are what a definition says, in the syntax of PromQL. [Options.Plan] checks
// them. A [Set] then takes samples, remembers which series go where, and gives readings:
//
//	set := plan.NewSet()
//	x := set.Get(key)          // a series that came before
//	if x == nil {
//		x, err = set.Add(key, labels)
//	}
//	err = set.Put(x, series.Sample{Value: 42, Time: now})
//	err = set.Read(&result, false)
//
// Series are matched once, when they come for the first time; afterwards a sample costs
// a look-up of its key.
package series

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"grove/beans"
)

// Plan is what Options come to. It never changes and may be used by many sets.
type Plan struct {
	values    []item // texts behind numbers
	tables    []table
	infos     []beans.AttributeInfo
	byName    map[string][]use // by the name of the metric
	anyName   []use            // of selectors that give no exact name
	maxSeries int
	histogram bool // whether any item asks for a histogram
}

// item is one value, or one column of a table.
type item struct {
	option   string // "values.active", "tables.queues.columns.messages"
	name     string
	query    query
	label    string   // whose text is shown, for op label
	fallback *float64 // while no series is there
	truth    bool
	info     beans.AttributeInfo
}

type table struct {
	name, option string
	key          []string // labels
	labels       []string // the key's, and others that are columns
	columns      []string // of labels, then of items, then that of the key if it has several labels
	items        []item
	maxRows      int
}

// use is where a series goes that fits.
type use struct {
	table, item int // table is -1 for values
	part        part
	matchers    []*labels.Matcher // beside the name
}

// part is what a series is of what an item asks for.
type part uint8

const (
	whole   part = iota // the number itself, or a native histogram
	bucket              // of a classic histogram, by its label le
	counted             // how many observations
	summed              // their sum
)

// index enters an item under the names of its series.
func (p *Plan) index(table, i int, it *item) {
	q := &it.query
	u := use{table: table, item: i, matchers: q.matchers}
	if q.name == "" {
		p.anyName = append(p.anyName, u)
		return
	}
	add := func(name string, as part) {
		u.part = as
		p.byName[name] = append(p.byName[name], u)
	}
	add(q.name, whole)
	switch q.op {
	case quantile:
		add(q.name+"_bucket", bucket)
	case histogramCount:
		add(q.name+"_count", counted)
	case histogramSum:
		add(q.name+"_sum", summed)
	case histogramAverage:
		add(q.name+"_count", counted)
		add(q.name+"_sum", summed)
	default:
		return
	}
	p.histogram = true
}

// Attributes describes what a Set of the plan yields.
func (p *Plan) Attributes() []beans.AttributeInfo { return p.infos }

// Names are the names of all series that can be of interest; any says that selectors
// without an exact name may take series of other names, too.
func (p *Plan) Names() (names []string, any bool) {
	return slices.Sorted(maps.Keys(p.byName)), len(p.anyName) > 0
}

// Fits says whether any attribute is read from series of these labels.
func (p *Plan) Fits(l labels.Labels) bool {
	fits := func(u use) bool {
		return !slices.ContainsFunc(u.matchers, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) })
	}
	return slices.ContainsFunc(p.byName[l.Get(labels.MetricName)], fits) || slices.ContainsFunc(p.anyName, fits)
}

// Histograms says whether any attribute is read from histograms, so that native ones
// are worth asking for.
func (p *Plan) Histograms() bool { return p.histogram }

func (t *table) info() beans.AttributeInfo {
	info := beans.AttributeInfo{
		Name: t.name, Type: beans.TypeTable, Readable: true, Key: t.columns[0],
		Description: "A row for each " + strings.Join(t.key, ", ") + ".",
	}
	for i, l := range t.labels {
		info.Columns = append(info.Columns, beans.AttributeInfo{Name: t.columns[i], Type: beans.TypeString, Readable: true, Description: "The label " + l + "."})
	}
	for i := range t.items {
		info.Columns = append(info.Columns, t.items[i].info)
	}
	if len(t.key) > 1 {
		info.Key = keyColumn
		info.Columns = append(info.Columns, beans.AttributeInfo{Name: keyColumn, Type: beans.TypeString, Readable: true, Description: "The labels " + strings.Join(t.key, ", ") + " with commas between them."})
	}
	return info
}
