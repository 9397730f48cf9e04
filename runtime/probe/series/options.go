package series

import (
	"maps"
	"regexp"
	"slices"

	"grove/beans"
	"grove/runtime/probe"
)

// Bounds of options and of what they take. Errors name those that a definition can move.
const (
	maxValues     = 1000 // values and texts of a probe
	maxTables     = 32
	maxColumns    = 64 // columns, keys and labels of a table
	maxExpression = 2000
	maxRowsBound  = 100_000
	maxSeries     = 1_000_000
	// MaxLabels bounds what the labels of a series weigh, in bytes.
	MaxLabels = 16 << 10
	// maxText bounds a text that is shown, in bytes.
	maxText = 1000

	// DefaultMaxSeries and defaultMaxRows stand for a bound of 0.
	DefaultMaxSeries = 10_000
	defaultMaxRows   = 1000
)

// keyColumn tells rows apart whose key has several labels.
const keyColumn = "key"

// Options say what a definition wants of labelled samples. A kind of probe has them
// inline, beside its own.
type Options struct {
	Values     map[string]string    `yaml:"values,omitempty" jsonschema:"description=Attributes with one number each: a name of yours to series in PromQL's syntax\\, such as go_goroutines or sum(http_requests_total{code=~\"5..\"})."`
	Texts      map[string]Text      `yaml:"texts,omitempty" jsonschema:"description=Attributes that are the text of a label."`
	Tables     map[string]Table     `yaml:"tables,omitempty" jsonschema:"description=Attributes that are tables: a row for each combination of labels."`
	Attributes map[string]Attribute `yaml:"attributes,omitempty" jsonschema:"description=What values are\\, where their names do not say it."`
	MaxSeries  int                  `yaml:"max_series,omitempty" jsonschema:"minimum=1,maximum=1000000,default=10000,description=How many series may be of interest; more are an error."`
}

// Text is a label whose text is shown.
type Text struct {
	Of          string `yaml:"of" jsonschema:"required,description=Series in PromQL's syntax\\, such as go_info."`
	Label       string `yaml:"label" jsonschema:"required,description=The label\\, such as version. Different texts are joined by commas."`
	Description string `yaml:"description,omitempty" jsonschema:"description=What it tells people."`
}

// Table says what makes up a row.
type Table struct {
	Key        []string             `yaml:"key" jsonschema:"required,description=Labels that tell rows apart. Series without any of them are left out."`
	Columns    map[string]string    `yaml:"columns" jsonschema:"required,description=Columns with numbers: a name of yours to series in PromQL's syntax. Series of the same key make up a row."`
	Labels     []string             `yaml:"labels,omitempty" jsonschema:"description=Further labels that are columns: the text of the row's first series that has it."`
	Attributes map[string]Attribute `yaml:"attributes,omitempty" jsonschema:"description=What columns are\\, where the names of their series do not say it."`
	MaxRows    int                  `yaml:"max_rows,omitempty" jsonschema:"minimum=1,maximum=100000,default=1000,description=How many rows are taken at most; more are an error."`
}

// Attribute describes one number.
type Attribute struct {
	Type        string   `yaml:"type,omitempty" jsonschema:"enum=number,enum=counter,enum=bool,description=number\\, counter (it only rises) or bool (0 is false); by default what the name of the series says."`
	Unit        string   `yaml:"unit,omitempty" jsonschema:"description=Unit; by default what the name of the series says."`
	Description string   `yaml:"description,omitempty" jsonschema:"description=What it tells people."`
	Default     *float64 `yaml:"default,omitempty" jsonschema:"description=Number to show while no series is there\\, such as 0 for an error that never happened."`
}

var identifier = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]{0,63}\z`)

// Plan checks the options. Reserved are names of attributes that the kind itself has.
// An error is an *probe.OptionError.
func (o *Options) Plan(reserved ...string) (*Plan, error) {
	p := &Plan{byName: map[string][]use{}, maxSeries: o.MaxSeries}
	if p.maxSeries == 0 {
		p.maxSeries = DefaultMaxSeries
	}
	switch {
	case p.maxSeries < 0 || p.maxSeries > maxSeries:
		return nil, probe.BadOption("max_series", "%d is not between 1 and %d", o.MaxSeries, maxSeries)
	case len(o.Values)+len(o.Texts)+len(o.Tables) == 0:
		return nil, probe.BadOption("values", "are missing: neither values nor texts nor tables say what is wanted")
	case len(o.Values)+len(o.Texts) > maxValues:
		return nil, probe.BadOption("values", "%d values and texts are more than the %d that are allowed", len(o.Values)+len(o.Texts), maxValues)
	case len(o.Tables) > maxTables:
		return nil, probe.BadOption("tables", "%d are more than the %d that are allowed", len(o.Tables), maxTables)
	}
	taken := map[string]bool{}
	for _, name := range reserved {
		taken[name] = true
	}
	claim := func(option, name string) error {
		switch {
		case !identifier.MatchString(name):
			return probe.BadOption(option, "%q is no name of an attribute: at most 64 letters, digits and underscores", clip(name))
		case taken[name]:
			return probe.BadOption(option, "there is another attribute %q", name)
		}
		taken[name] = true
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(o.Values)) {
		option := "values." + name
		if err := claim(option, name); err != nil {
			return nil, err
		}
		it, err := newItem(option, name, o.Values[name], o.Attributes[name], "attributes."+name)
		if err != nil {
			return nil, err
		}
		p.values = append(p.values, it)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Texts)) {
		option := "texts." + name
		if err := claim(option, name); err != nil {
			return nil, err
		}
		it, err := newText(option, name, o.Texts[name])
		if err != nil {
			return nil, err
		}
		p.values = append(p.values, it)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
		if _, ok := o.Values[name]; !ok {
			return nil, probe.BadOption("attributes", "%q is none of the values", clip(name))
		}
	}
	for i := range p.values {
		p.infos = append(p.infos, p.values[i].info)
		p.index(-1, i, &p.values[i])
	}
	for _, name := range slices.Sorted(maps.Keys(o.Tables)) {
		if err := claim("tables."+name, name); err != nil {
			return nil, err
		}
		t, err := newTable(name, o.Tables[name])
		if err != nil {
			return nil, err
		}
		p.tables = append(p.tables, t)
		p.infos = append(p.infos, t.info())
		for i := range t.items {
			p.index(len(p.tables)-1, i, &t.items[i])
		}
	}
	return p, nil
}

func newItem(option, name, text string, a Attribute, described string) (item, error) {
	it := item{option: option, name: name, fallback: a.Default}
	var err error
	if it.query, err = parse(text); err != nil {
		return it, probe.BadOption(option, "%w", err)
	}
	unit, counter := it.query.unit()
	it.info = beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Readable: true, Unit: unit, Description: "Read from " + text + "."}
	switch a.Type {
	case "":
	case "number":
		counter = false
	case "counter":
		counter = true
	case "bool":
		counter, it.truth = false, true
		it.info.Type, it.info.Unit = beans.TypeBool, ""
		if a.Unit != "" {
			return it, probe.BadOption(described+".unit", "a truth value has no unit")
		}
	default:
		return it, probe.BadOption(described+".type", "%q is none of number, counter, bool", clip(a.Type))
	}
	if counter {
		it.info.Descriptor = map[string]string{"metricType": "counter"}
	}
	if a.Unit != "" {
		it.info.Unit = a.Unit
	}
	if a.Description != "" {
		it.info.Description = a.Description
	}
	if a.Default != nil && !finite(*a.Default) {
		return it, probe.BadOption(described+".default", "is no number")
	}
	return it, nil
}

func newText(option, name string, t Text) (item, error) {
	it := item{option: option, name: name, label: t.Label}
	q, err := parse(t.Of)
	switch {
	case err != nil:
		return it, probe.BadOption(option+".of", "%w", err)
	case q.op != one:
		return it, probe.BadOption(option+".of", "%q: a text is a label of plain series", clip(t.Of))
	case t.Label == "":
		return it, probe.BadOption(option+".label", "is missing")
	}
	q.op = label
	it.query = q
	it.info = beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: t.Description}
	if t.Description == "" {
		it.info.Description = "The label " + t.Label + " of " + t.Of + "."
	}
	return it, nil
}

func newTable(name string, o Table) (table, error) {
	option := "tables." + name
	t := table{name: name, option: option, key: o.Key, maxRows: o.MaxRows}
	if t.maxRows == 0 {
		t.maxRows = defaultMaxRows
	}
	switch n := len(o.Key) + len(o.Columns) + len(o.Labels); {
	case t.maxRows < 0 || t.maxRows > maxRowsBound:
		return t, probe.BadOption(option+".max_rows", "%d is not between 1 and %d", o.MaxRows, maxRowsBound)
	case len(o.Key) == 0:
		return t, probe.BadOption(option+".key", "is missing: which labels tell rows apart?")
	case len(o.Columns) == 0:
		return t, probe.BadOption(option+".columns", "are missing")
	case n > maxColumns:
		return t, probe.BadOption(option+".columns", "%d columns, keys and labels are more than the %d that are allowed", n, maxColumns)
	}
	taken := map[string]bool{keyColumn: len(o.Key) > 1}
	for i, list := range [][]string{o.Key, o.Labels} {
		where := option + [...]string{".key", ".labels"}[i]
		for _, l := range list {
			column := columnOf(l)
			switch {
			case l == "" || len(l) > maxText || !identifier.MatchString(column):
				return t, probe.BadOption(where, "%q is no name of a label", clip(l))
			case taken[column]:
				return t, probe.BadOption(where, "there is another column %q", column)
			}
			taken[column] = true
			t.labels = append(t.labels, l)
			t.columns = append(t.columns, column)
		}
	}
	for _, column := range slices.Sorted(maps.Keys(o.Columns)) {
		where := option + ".columns." + column
		switch {
		case !identifier.MatchString(column):
			return t, probe.BadOption(where, "%q is no name of a column: at most 64 letters, digits and underscores", clip(column))
		case taken[column]:
			return t, probe.BadOption(where, "there is another column %q", column)
		}
		taken[column] = true
		it, err := newItem(where, column, o.Columns[column], o.Attributes[column], option+".attributes."+column)
		if err != nil {
			return t, err
		}
		t.items = append(t.items, it)
		t.columns = append(t.columns, column)
	}
	if len(o.Key) > 1 {
		t.columns = append(t.columns, keyColumn)
	}
	for _, column := range slices.Sorted(maps.Keys(o.Attributes)) {
		if _, ok := o.Columns[column]; !ok {
			return t, probe.BadOption(option+".attributes", "%q is none of the columns", clip(column))
		}
	}
	return t, nil
}

// columnOf is the name of the column of a label: what no expression could name becomes
// an underscore, so that k8s.pod.name is k8s_pod_name.
func columnOf(l string) string {
	b := []byte(l)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0) {
			b[i] = '_'
		}
	}
	return string(b)
}
