package mbean

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

const (
	// maxErrors bounds the rows of the table errors.
	maxErrors = 100
	// maxProblems bounds the text of problems, in bytes.
	maxProblems = 500
)

// own are the attributes that every plan adds.
var own = []beans.AttributeInfo{
	{Name: "failed", Type: beans.TypeFloat, Unit: "values", Readable: true, Description: "Values that could not be had, from MBeans that are not there or do not tell them."},
	{Name: "problems", Type: beans.TypeString, Readable: true, Description: "Why they could not be had; empty when all could."},
	{Name: "errors", Type: beans.TypeTable, Readable: true, Description: "The same, one by one.", Key: "what", Columns: []beans.AttributeInfo{
		{Name: "what", Type: beans.TypeString, Readable: true, Description: "The MBean or pattern, and the attribute."},
		{Name: "error", Type: beans.TypeString, Readable: true, Description: "Why it could not be had."},
	}},
}

// Attributes describes what Take yields.
func (p *Plan) Attributes() []beans.AttributeInfo { return slices.Concat(own, p.infos) }

// Queries lists what is to be asked; the caller does not change it.
func (p *Plan) Queries() []Query { return p.queries }

// Bean is one MBean as it was read.
type Bean struct {
	Name beans.Name
	// Values are the attributes that it told: nil, bool, string, json.Number, []any and
	// map[string]any, as package encoding/json decodes them with UseNumber.
	Values map[string]any
	// Errors say why it did not tell an attribute.
	Errors map[string]string
}

// Answer is the answer to one Query.
type Answer struct {
	Beans []Bean // none when no MBean has the name or matches the pattern
	Err   error
}

// Problem is something else that a kind could not have.
type Problem struct {
	What string
	Err  error
}

// Take adds to a result what the answers, one for each query and in the same order, come
// to. What could not be had, by the plan or by the kind, is left out and told in errors.
func (p *Plan) Take(answers []Answer, r *probe.Result, others ...Problem) {
	var e failures
	for _, o := range others {
		e.note(o.What, o.Err)
	}
	for i := range answers {
		slices.SortFunc(answers[i].Beans, func(a, b Bean) int { return a.Name.Compare(b.Name) })
	}
	for i := range p.values {
		s := &p.values[i]
		a := answers[s.query]
		switch {
		case a.Err != nil:
			e.add(s, s.pattern, a.Err)
			continue
		case len(a.Beans) == 0 && s.combine != "count":
			e.add(s, s.pattern, errNone(s.pattern))
			continue
		}
		var all []tree.Value
		for k := range a.Beans {
			v, err := s.of(&a.Beans[k])
			if err != nil {
				e.add(s, a.Beans[k].Name, err)
			} else if !v.IsNone() {
				all = append(all, v)
			}
		}
		if v := combine(s.combine, all); !v.IsNone() {
			r.Add(s.name, v)
		}
	}
	for i := range p.tables {
		r.Tables = append(r.Tables, p.tables[i].take(answers, &e))
	}
	e.tell(r)
}

func errNone(pattern beans.Name) error {
	if pattern.IsPattern() {
		return errors.New("no MBean matches")
	}
	return errors.New("no such MBean")
}

// of reads a value from a bean; no value and no error is what is null there.
func (s *source) of(b *Bean) (tree.Value, error) {
	if why, failed := b.Errors[s.attr]; failed {
		return tree.Value{}, errors.New(why)
	}
	v, there := b.Values[s.attr]
	if !there {
		// A pattern matches MBeans of several classes.
		if s.pattern.IsPattern() {
			return tree.Value{}, nil
		}
		return tree.Value{}, errors.New("the MBean has no such attribute")
	}
	v, err := walk(v, s.path)
	switch {
	case err != nil:
		return tree.Value{}, err
	case s.combine == "count" && v != nil:
		return tree.Number(1), nil // whatever it is
	}
	return convert(v, s.typ)
}

// row is a row of a table that is being made.
type row struct {
	key    []string
	values [][]tree.Value // by column, from all MBeans of the row
}

// take makes the rows.
func (t *table) take(answers []Answer, e *failures) probe.Table {
	out := probe.Table{Attribute: t.name, Columns: t.names}
	if t.entries != nil {
		out.Rows = t.takeEntries(answers[t.entries.query], e)
		return out
	}
	rows := map[string]*row{}
	at := func(name beans.Name) *row {
		key := t.key(name)
		if key == nil {
			return nil
		}
		joined := strings.Join(key, "\x00")
		if rows[joined] == nil {
			rows[joined] = &row{key: key, values: make([][]tree.Value, len(t.columns))}
		}
		return rows[joined]
	}
	if t.query >= 0 {
		if err := answers[t.query].Err; err != nil {
			e.note(t.name, err)
		}
		for _, b := range answers[t.query].Beans {
			at(b.Name)
		}
	}
	for c := range t.columns {
		s := &t.columns[c]
		if err := answers[s.query].Err; err != nil {
			e.add(s, s.pattern, err)
		}
		for k := range answers[s.query].Beans {
			b := &answers[s.query].Beans[k]
			row := at(b.Name)
			if row == nil {
				continue
			}
			v, err := s.of(b)
			if err != nil {
				e.add(s, b.Name, err)
			} else if !v.IsNone() {
				row.values[c] = append(row.values[c], v)
			}
		}
	}
	all := make([]*row, 0, len(rows))
	for _, r := range rows {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *row) int { return slices.Compare(a.key, b.key) })
	if len(all) > t.rows {
		e.note(t.name, fmt.Errorf("%d rows, of which the first %d are shown", len(all), t.rows))
		all = all[:t.rows]
	}
	for _, r := range all {
		cells := make([]tree.Value, 0, len(t.names))
		for _, k := range r.key {
			cells = append(cells, tree.Text(k))
		}
		for c := range t.columns {
			cells = append(cells, combine(t.columns[c].combine, r.values[c]))
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

// key returns the cells by which an MBean's row is told apart; nil when its name lacks
// one of the properties.
func (t *table) key(name beans.Name) []string {
	if len(t.by) == 0 {
		return []string{clip(name.Canonical())}
	}
	var key, joined []string
	for _, property := range t.by {
		raw, has := name.Get(property)
		text, _ := name.Text(property)
		if !has {
			return nil
		}
		// A row needs a key: an empty property is told as in a name, by quotes.
		key = append(key, clip(cmp.Or(text, `""`)))
		joined = append(joined, property+"="+raw)
	}
	if t.joined {
		key = append(key, clip(strings.Join(joined, ",")))
	}
	return key
}

func (t *table) takeEntries(a Answer, e *failures) [][]tree.Value {
	s := t.entries
	switch {
	case a.Err != nil:
		e.add(s, s.pattern, a.Err)
		return nil
	case len(a.Beans) == 0:
		e.add(s, s.pattern, errNone(s.pattern))
		return nil
	}
	b := &a.Beans[0]
	if why, failed := b.Errors[s.attr]; failed {
		e.add(s, b.Name, errors.New(why))
		return nil
	}
	v, err := walk(b.Values[s.attr], s.path)
	if err != nil {
		e.add(s, b.Name, err)
		return nil
	}
	entries, err := entriesOf(v)
	if err != nil {
		e.add(s, b.Name, err)
		return nil
	}
	if len(entries) > t.rows {
		e.note(t.name, fmt.Errorf("%d rows, of which the first %d are shown", len(entries), t.rows))
		entries = entries[:t.rows]
	}
	var rows [][]tree.Value
	seen := map[string]bool{}
	for _, entry := range entries {
		key := clip(entry.key)
		if seen[key] || key == "" {
			continue
		}
		seen[key] = true
		cells := []tree.Value{tree.Text(key)}
		for c := range t.columns {
			column := &t.columns[c]
			v, err := walk(entry.value, column.path)
			var cell tree.Value
			if err == nil {
				cell, err = convert(v, column.typ)
			}
			if err != nil {
				e.note(t.name+"["+key+"]."+column.name, err)
			}
			cells = append(cells, cell)
		}
		rows = append(rows, cells)
	}
	return rows
}

// combine makes one value of several.
func combine(how string, all []tree.Value) tree.Value {
	if how == "count" {
		return tree.Number(float64(len(all)))
	}
	if len(all) == 0 {
		return tree.Value{}
	}
	if how == "first" || len(all) == 1 {
		return all[0]
	}
	result, _ := all[0].Number()
	for _, v := range all[1:] {
		n, _ := v.Number()
		switch how {
		case "sum":
			result += n
		case "min":
			result = min(result, n)
		case "max":
			result = max(result, n)
		}
	}
	return number(result)
}

// failures is what could not be had.
type failures struct {
	what  []string
	why   map[string]string
	count int
}

func (e *failures) add(s *source, name beans.Name, err error) {
	what := name.Canonical() + " " + s.attr
	if len(s.path) > 0 {
		what += "/" + strings.Join(s.path, "/")
	}
	e.note(what, err)
}

func (e *failures) note(what string, err error) {
	e.count++
	what = clip(what)
	if _, known := e.why[what]; known || len(e.what) >= maxErrors {
		return
	}
	if e.why == nil {
		e.why = map[string]string{}
	}
	e.what = append(e.what, what)
	e.why[what] = clip(err.Error())
}

func (e *failures) tell(r *probe.Result) {
	r.Number("failed", float64(e.count))
	slices.Sort(e.what)
	t := probe.Table{Attribute: "errors", Columns: []string{"what", "error"}}
	var text strings.Builder
	for i, what := range e.what {
		t.Rows = append(t.Rows, []tree.Value{tree.Text(what), tree.Text(e.why[what])})
		if text.Len() < maxProblems {
			if i > 0 {
				text.WriteString("; ")
			}
			text.WriteString(what + ": " + e.why[what])
		}
	}
	problems := text.String()
	if len(problems) > maxProblems {
		problems = strings.ToValidUTF8(problems[:maxProblems], "") + "… (" + strconv.Itoa(e.count) + " in all)"
	}
	r.Text("problems", problems)
	r.Tables = append(r.Tables, t)
}
