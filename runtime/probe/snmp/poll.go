package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/mib"
	"grove/tree"
)

// maxPerPacket is how many values one packet asks for: as many as an answer holds
// that is not cut into fragments on an Ethernet.
const maxPerPacket = 50

// poll is one run.
type poll struct {
	agent    agent
	bulk     bool // version 2c and 3 have GETBULK
	names    *mib.Set
	into     *probe.Result
	answered bool
	problems []string
	left     int // problems beyond maxProblems
}

// maxProblems bounds the text of the error attribute.
const maxProblems = 8

func (p *poll) problem(format string, args ...any) {
	if len(p.problems) >= maxProblems {
		p.left++
		return
	}
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// text joins the problems for people.
func (p *poll) text() string {
	s := strings.Join(p.problems, "; ")
	if p.left > 0 {
		s += fmt.Sprintf("; and %d more", p.left)
	}
	return s
}

func (p *poll) ask(ctx context.Context, r request) (answer, error) {
	a, err := p.agent.ask(ctx, r)
	if err == nil {
		p.answered = true
	}
	return a, err
}

// values asks for single instances, many to a packet.
func (p *poll) values(ctx context.Context, items []item) error {
	rest, size := slices.Clone(items), maxPerPacket
	for len(rest) > 0 {
		n := min(size, len(rest))
		oids := make([]string, n)
		for i := range oids {
			oids[i] = rest[i].oid
		}
		a, err := p.ask(ctx, request{kind: gosnmp.GetRequest, oids: oids})
		switch {
		case err != nil:
			return err
		case a.status == gosnmp.NoError:
			p.take(rest[:n], a.variables)
			rest = rest[n:]
		case a.status == gosnmp.TooBig && n > 1:
			size = n / 2
		case a.index >= 1 && a.index <= n:
			// One instance spoils the packet, as a missing one does in version 1.
			p.problem("%s: %s", label(&rest[a.index-1]), statusText(a.status))
			rest = slices.Delete(rest, a.index-1, a.index)
		case n > 1:
			size = n / 2 // to find the one
		default:
			p.problem("%s: %s", label(&rest[0]), statusText(a.status))
			rest = rest[1:]
		}
	}
	return nil
}

// take stores the answers to items. They come in the order of the questions; an
// agent that sends something else is not believed.
func (p *poll) take(items []item, variables []gosnmp.SnmpPDU) {
	for i := range items {
		it := &items[i]
		if i >= len(variables) || variables[i].Name != it.oid {
			p.problem("%s: the answer is about something else", label(it))
			continue
		}
		v := &variables[i]
		if missing(v.Type) {
			p.problem("%s: the agent has no such object", label(it))
			continue
		}
		value := it.convert(p.names, v)
		if value.IsNone() {
			p.problem("%s: %s", label(it), unfit(it, v))
			continue
		}
		p.into.Add(it.attribute, value)
	}
}

// unfit says why a value could not be used.
func unfit(it *item, v *gosnmp.SnmpPDU) string {
	if _, text := v.Value.([]byte); text && it.form == asNumber {
		return fmt.Sprintf("the agent sends text, not a number: write %q behind its name", "text")
	}
	return fmt.Sprintf("the agent sends a value of type %v, which does not fit", v.Type)
}

func label(it *item) string {
	if it.object != nil {
		return it.object.Name + strings.TrimPrefix(it.oid, it.object.OID)
	}
	return it.oid
}

// statusText says what an error-status of RFC 3416 means for somebody who reads.
func statusText(s gosnmp.SNMPError) string {
	switch s {
	case gosnmp.NoSuchName:
		return "the agent has no such object"
	case gosnmp.TooBig:
		return "the answer is too big for a packet"
	case gosnmp.GenErr:
		return "the agent reports a general error"
	case gosnmp.AuthorizationError, gosnmp.NoAccess:
		return "the agent allows no access"
	}
	return fmt.Sprintf("the agent reports the error %v", s)
}

// walker is how far the walk down one column has come.
type walker struct {
	column int
	prefix string // the column's number and a dot
	last   string // the last instance, or the column itself
	rows   int
	done   bool
}

// table walks all columns of a table side by side.
func (p *poll) table(ctx context.Context, t *table, repetitions int) error {
	found := rows{columns: 1 + len(t.columns), at: map[string]int{}}
	walkers := make([]walker, len(t.columns))
	active := make([]*walker, len(t.columns))
	for i := range walkers {
		walkers[i] = walker{column: i, prefix: t.columns[i].oid + ".", last: t.columns[i].oid}
		active[i] = &walkers[i]
	}
	width := maxPerPacket
	for len(active) > 0 {
		group := active[:min(width, len(active))]
		r := request{kind: gosnmp.GetNextRequest, oids: make([]string, len(group))}
		for i, w := range group {
			r.oids[i] = w.last
		}
		if p.bulk {
			r.kind = gosnmp.GetBulkRequest
			r.repetitions = uint32(max(1, min(repetitions, maxPerPacket/len(group))))
		}
		a, err := p.ask(ctx, r)
		if err != nil {
			return err
		}
		switch {
		case a.status == gosnmp.NoError:
			p.advance(t, &found, group, a.variables)
		case a.status == gosnmp.TooBig && r.repetitions > 1:
			repetitions = int(r.repetitions) / 2
		case a.status == gosnmp.TooBig && len(group) > 1:
			width = len(group) / 2
		case a.index >= 1 && a.index <= len(group):
			w := group[a.index-1]
			w.done = true
			if p.bulk || a.status != gosnmp.NoSuchName { // version 1 ends a walk so
				p.problem("%s.%s: %s", t.attribute, t.columns[w.column].attribute, statusText(a.status))
			}
		default:
			for _, w := range group {
				w.done = true
			}
			p.problem("%s: %s", t.attribute, statusText(a.status))
		}
		active = slices.DeleteFunc(active, func(w *walker) bool { return w.done })
	}
	p.into.Tables = append(p.into.Tables, found.table(t))
	return nil
}

// advance takes one answer: the n-th value of the answer belongs to the column that
// was asked for in place n modulo the number of columns (RFC 3416 section 4.2.3).
func (p *poll) advance(t *table, found *rows, group []*walker, variables []gosnmp.SnmpPDU) {
	if len(variables) == 0 {
		p.problem("%s: the agent sends an empty answer", t.attribute)
		for _, w := range group {
			w.done = true
		}
		return
	}
	for i := range variables {
		v, w := &variables[i], group[i%len(group)]
		index, inside := strings.CutPrefix(v.Name, w.prefix)
		it := &t.columns[w.column]
		switch {
		case w.done:
		case v.Type == gosnmp.EndOfMibView || !inside:
			w.done = true
		case mib.CompareOID(v.Name, w.last) <= 0:
			// It would never end.
			p.problem("%s.%s: the agent goes back from %s to %s", t.attribute, it.attribute, w.last, v.Name)
			w.done = true
		case w.rows >= t.maxRows:
			p.problem("%s: more than %d rows, which is max_rows", t.attribute, t.maxRows)
			w.done = true
		default:
			w.last = v.Name
			w.rows++
			found.put(index, 1+w.column, it.convert(p.names, v))
		}
	}
}

// rows joins the cells of columns by the index of the row. Rows that come or go
// while the columns are read have some cells only.
type rows struct {
	columns int
	at      map[string]int
	rows    [][]tree.Value
}

func (r *rows) put(index string, column int, v tree.Value) {
	i, ok := r.at[index]
	if !ok {
		i = len(r.rows)
		r.at[index] = i
		row := make([]tree.Value, r.columns)
		row[0] = tree.Text(index)
		r.rows = append(r.rows, row)
	}
	r.rows[i][column] = v
}

func (r *rows) table(t *table) probe.Table {
	out := probe.Table{Attribute: t.attribute, Columns: []string{indexColumn}, Rows: r.rows}
	for i := range t.columns {
		out.Columns = append(out.Columns, t.columns[i].attribute)
	}
	// Columns may differ by a row that just came: what is beyond the bound goes.
	sortRows(out.Rows, 0)
	if len(out.Rows) > t.maxRows {
		out.Rows = out.Rows[:t.maxRows]
	}
	if t.key >= 0 {
		distinct(out.Rows, 0, 1+t.key)
	}
	return out
}

// run asks for everything.
func (p *poll) run(ctx context.Context, plan *plan, repetitions int) error {
	items := plan.values
	if len(plan.values) == 0 && len(plan.tables) == 0 {
		return p.ping(ctx)
	}
	if err := p.values(ctx, items); err != nil {
		return err
	}
	for i := range plan.tables {
		if err := p.table(ctx, &plan.tables[i], repetitions); err != nil {
			return err
		}
	}
	return nil
}

// ping finds out whether the agent answers, when nothing else is asked: with
// sysUpTime, which every agent has.
func (p *poll) ping(ctx context.Context) error {
	_, err := p.ask(ctx, request{kind: gosnmp.GetRequest, oids: []string{"1.3.6.1.2.1.1.3.0"}})
	return err
}

// isDown says whether an error is a finding about the device.
func isDown(err error) bool {
	var down *downError
	var unreadable *decodeError
	return errors.As(err, &down) || errors.As(err, &unreadable)
}
