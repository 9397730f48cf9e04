package extract

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// MaxRows bounds the rows of a table.
const MaxRows = 10_000

// Table is a table that a definition declares.
type Table struct {
	Name string
	Key  string // name of the column that tells rows apart
	// Columns are the declared fields, sorted by name, the key among them.
	Columns     []Field
	Description string
}

// NewTable checks the columns that a definition declares under an option. The key is a
// text unless its column is declared as something else.
func NewTable(option, name, key string, declared map[string]Attribute) (*Table, error) {
	if key == "" {
		return nil, probe.BadOption(option+".key", "is missing: the column that tells rows apart")
	}
	all := maps.Clone(declared)
	if all == nil {
		all = map[string]Attribute{}
	}
	if _, there := all[key]; !there {
		all[key] = Attribute{Type: "text", Description: "What tells the rows apart."}
	}
	fields, err := Fields(option+".attributes", all)
	if err != nil {
		return nil, err
	}
	return &Table{Name: name, Key: key, Columns: fields, Description: "Rows by " + key + "."}, nil
}

// Info describes the table as an attribute.
func (t *Table) Info() beans.AttributeInfo {
	return beans.AttributeInfo{Name: t.Name, Type: beans.TypeTable, Readable: true, Description: t.Description, Key: t.Key, Columns: Infos(t.Columns)}
}

// Rows makes the rows of one run of a Table.
type Rows struct {
	table *Table
	key   int
	keys  map[string]bool
	rows  [][]tree.Value
	errs  []error
	lost  int
}

// Rows begins a reading of the table.
func (t *Table) Rows() *Rows {
	return &Rows{table: t, keys: map[string]bool{}, key: slices.IndexFunc(t.Columns, func(f Field) bool { return f.Name == t.Key })}
}

// maxProblems is how many faulty rows are told one by one.
const maxProblems = 3

// Add appends a row: find returns what is found for a column, nil for nothing. A cell
// that cannot be read is empty, a row without a key of its own is left out, and both are
// errors of Result. It returns an error when the table is full.
func (r *Rows) Add(find func(Field) any) error {
	if len(r.rows) >= MaxRows {
		return fmt.Errorf("has more than %d rows", MaxRows)
	}
	row := make([]tree.Value, len(r.table.Columns))
	for i, f := range r.table.Columns {
		v, err := f.Value(find(f))
		if err != nil {
			r.problem(fmt.Errorf("row %d: %s: %w", len(r.rows)+1, f.Name, err))
			continue
		}
		row[i] = v
	}
	key := row[r.key].String()
	switch {
	case row[r.key].IsNone() || key == "":
		r.problem(fmt.Errorf("row %d: its key %s is empty", len(r.rows)+1, r.table.Key))
	case r.keys[key]:
		r.problem(fmt.Errorf("row %d: the key %q was there before", len(r.rows)+1, Clean(key, 100)))
	default:
		r.keys[key] = true
		r.rows = append(r.rows, row)
	}
	return nil
}

func (r *Rows) problem(err error) {
	if len(r.errs) >= maxProblems {
		r.lost++
		return
	}
	r.errs = append(r.errs, err)
}

// Result adds the table to a result. The error tells of what was left out.
func (r *Rows) Result(into *probe.Result) error {
	columns := make([]string, len(r.table.Columns))
	for i, f := range r.table.Columns {
		columns[i] = f.Name
	}
	into.Tables = append(into.Tables, probe.Table{Attribute: r.table.Name, Columns: columns, Rows: r.rows})
	if r.lost > 0 {
		r.errs = append(r.errs, fmt.Errorf("and %d more", r.lost))
	}
	return errors.Join(r.errs...)
}
