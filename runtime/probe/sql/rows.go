package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/extract"
)

// read does a query and makes of its rows what it declares.
func read(ctx context.Context, tx *sql.Tx, q *query) (probe.Result, error) {
	var r probe.Result
	rows, err := tx.QueryContext(ctx, q.sql)
	if err != nil {
		return r, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return r, err
	}
	if len(columns) > maxColumns {
		return r, fmt.Errorf("the result has %d columns, more than %d", len(columns), maxColumns)
	}
	s := &scanner{rows: rows, columns: columns, cells: make([]any, len(columns)), at: map[string]int{}}
	for i, c := range columns {
		if _, twice := s.at[strings.ToLower(c)]; !twice {
			s.at[strings.ToLower(c)] = i
		}
	}
	switch {
	case q.table != nil:
		err = s.table(q.table, &r)
	case q.named:
		err = s.names(q.fields, &r)
	default:
		err = s.row(q.fields, &r)
	}
	return r, err
}

// scanner reads the rows of one result.
type scanner struct {
	rows    *sql.Rows
	columns []string
	at      map[string]int // index of a column by its name in lower case
	cells   []any
}

// next reads the next row into the cells.
func (s *scanner) next() (bool, error) {
	if !s.rows.Next() {
		return false, s.rows.Err()
	}
	into := make([]any, len(s.cells))
	for i := range s.cells {
		s.cells[i] = nil
		into[i] = &s.cells[i]
	}
	return true, s.rows.Scan(into...)
}

// find returns the cell of a field in the row; ok is false when there is no such column.
func (s *scanner) find(f extract.Field) (cell any, ok bool) {
	for from := range strings.SplitSeq(f.From, "|") {
		if i, there := s.at[strings.ToLower(from)]; there {
			return s.cells[i], true
		}
	}
	return nil, false
}

func (s *scanner) missing(f extract.Field) error {
	return fmt.Errorf("%s: the result has no column %s, only %s", f.Name, f.From, extract.Clean(strings.Join(s.columns, ", "), 200))
}

// row makes attributes of the columns of the first row; without any row there are none.
func (s *scanner) row(fields []extract.Field, r *probe.Result) error {
	more, err := s.next()
	if err != nil || !more {
		return err
	}
	var errs []error
	for _, f := range fields {
		cell, ok := s.find(f)
		if !ok {
			errs = append(errs, s.missing(f))
			continue
		}
		errs = append(errs, add(r, f, cell))
	}
	// More rows than one are none of the query's intent: say so.
	if more, err := s.next(); err != nil {
		errs = append(errs, err)
	} else if more {
		errs = append(errs, errors.New("the result has more than one row: ask for one, or let it be a table"))
	}
	return errors.Join(errs...)
}

func add(r *probe.Result, f extract.Field, found any) error {
	v, err := f.Value(found)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	if !v.IsNone() {
		r.Add(f.Name, v)
	}
	return nil
}

// names makes an attribute of each row whose first column names it.
func (s *scanner) names(fields []extract.Field, r *probe.Result) error {
	if len(s.columns) < 2 {
		return fmt.Errorf("the result has %d column, and a result of names has two: name and value", len(s.columns))
	}
	found := map[string]any{}
	for {
		more, err := s.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if len(found) >= maxNames {
			return fmt.Errorf("the result has more than %d rows", maxNames)
		}
		name, err := extract.Value(beans.TypeString, s.cells[0])
		if err != nil {
			return err
		}
		found[strings.ToLower(name.String())] = s.cells[1]
	}
	var errs []error
	for _, f := range fields {
		cell, ok := any(nil), false
		for from := range strings.SplitSeq(f.From, "|") {
			if cell, ok = found[strings.ToLower(from)]; ok {
				break
			}
		}
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no row of the result has the name %s", f.Name, f.From))
			continue
		}
		errs = append(errs, add(r, f, cell))
	}
	return errors.Join(errs...)
}

// table makes rows of a table.
func (s *scanner) table(t *extract.Table, r *probe.Result) error {
	for _, f := range t.Columns {
		if _, ok := s.find(f); !ok {
			return s.missing(f)
		}
	}
	rows := t.Rows()
	for {
		more, err := s.next()
		if err != nil {
			return err
		}
		if !more {
			return rows.Result(r)
		}
		if err := rows.Add(func(f extract.Field) any { cell, _ := s.find(f); return cell }); err != nil {
			return err
		}
	}
}
