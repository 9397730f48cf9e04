package memory

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// The forms of a value in the database.
const (
	formNone = iota
	formNumber
	formText
)

var errNoManager = errors.New("the database was opened by a tool, which remembers no tree")

// Restore gives the nodes of the tree back what is remembered of them, tuned thresholds
// first, and returns how many took it. With paths it does so for these alone, such as
// nodes that have just been made. A node that has a reading already keeps it.
func (m *Memory) Restore(ctx context.Context, paths ...tree.Path) (restored int, err error) {
	if err := m.Retune(ctx, paths); err != nil {
		return 0, fmt.Errorf("tuned thresholds: %w", err)
	}
	var groups []tree.Memory
	err = m.each(ctx, "SELECT n.id, n.path, m.status, m.since, m.form, m.value, m.read_at FROM node n CROSS JOIN memory m "+
		"WHERE n.manager = $1 AND m.manager = $1 AND m.node = n.id", paths, func(rows *sql.Rows) (int64, func(), error) {
		var id, status, since, form, readAt int64
		var path, value string
		if err := rows.Scan(&id, &path, &status, &since, &form, &value, &readAt); err != nil {
			return 0, nil, err
		}
		p, err := tree.ParsePath(path)
		if err != nil {
			return 0, nil, err
		}
		remembered := tree.Memory{Path: p, Status: tree.Status(status), Since: time.UnixMilli(since), Value: valueOf(form, value)}
		if readAt != 0 {
			remembered.Time = time.UnixMilli(readAt)
		}
		return id, func() {
			n, err := m.o.Tree.Node(p)
			switch {
			case err != nil:
			case n.Kind == tree.Group:
				groups = append(groups, remembered)
			default:
				restored += m.restore(ctx, &n, remembered)
			}
		}, nil
	})
	// Every attribute leads the groups above through other statuses: they come last.
	return restored + m.o.Tree.Restore(groups...), err
}

// restore gives one attribute back what is remembered of it.
func (m *Memory) restore(ctx context.Context, n *tree.Node, remembered tree.Memory) int {
	if !n.Time.IsZero() {
		return 0
	}
	switch {
	case n.Kind == tree.Log && m.o.Events != nil:
		events, err := m.o.Events(ctx, n.Path, cmp.Or(n.Spec.Keep, tree.DefaultKeep))
		if err != nil {
			m.o.Log.Warn("the events of a node are not back", "node", n.Path, "err", err)
		}
		remembered.Events = events
		// An event that is as bad as the one before changes nothing that is written of the node.
		if last := len(events) - 1; last >= 0 && events[last].Time.After(remembered.Time) {
			remembered.Time = events[last].Time
		}
	case n.Kind == tree.Performance && !remembered.Value.IsNone() && m.o.Last != nil:
		if v, at, ok := m.o.Last(n.Path); ok && !at.Before(remembered.Time) {
			remembered.Value, remembered.Time = tree.Number(v), at
		}
	}
	return m.o.Tree.Restore(remembered)
}

// renewAtOnce is how many numbers are given to the tree at once.
const renewAtOnce = 256

// Renew gives the nodes those numbers that are newer than what they have, and returns how
// many took one: for nodes that were restored before Last knew them.
func (m *Memory) Renew(ctx context.Context) (renewed int) {
	var refs []tree.Ref
	_ = m.o.Tree.Walk(tree.Root, tree.MaxDepth, func(n *tree.Node) bool {
		if n.Kind == tree.Performance {
			refs = append(refs, n.Ref)
		}
		return ctx.Err() == nil
	})
	batch := make([]tree.Reading, 0, renewAtOnce)
	for i, ref := range refs {
		if ctx.Err() != nil {
			break
		}
		if n, err := m.o.Tree.NodeAt(ref); err == nil {
			if v, at, ok := m.o.Last(n.Path); ok && at.After(n.Time) {
				batch = append(batch, tree.Reading{Node: ref, Value: v, Time: at.UnixNano()})
			}
		}
		if len(batch) == renewAtOnce || i == len(refs)-1 {
			renewed += m.o.Tree.Apply(batch)
			batch = batch[:0]
		}
	}
	return renewed
}

func valueOf(form int64, text string) tree.Value {
	switch form {
	case formNumber:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return tree.Number(v)
		}
	case formText:
		return tree.Text(text)
	}
	return tree.Value{}
}

// each reads rows whose first column is the number of a node, in steps, so that the
// database is not held while the tree takes them: row returns that number, and what is to
// be done once the step was read. With paths it reads the rows of these.
func (m *Memory) each(ctx context.Context, query string, paths []tree.Path, row func(*sql.Rows) (int64, func(), error)) error {
	after, some := int64(-1), len(paths) > 0
	for {
		condition := " AND n.id > $2 ORDER BY n.id LIMIT $3"
		if some {
			n := min(len(paths), 500)
			var numbers strings.Builder
			for i, p := range paths[:n] {
				if i > 0 {
					numbers.WriteByte(',')
				}
				numbers.WriteString(strconv.FormatInt(store.NodeNumber(p), 10))
			}
			paths = paths[n:]
			condition = " AND n.id > $2 AND n.id IN (" + numbers.String() + ") ORDER BY n.id LIMIT $3"
			after = -1
		}
		var todo []func()
		err := m.o.Store.Read(ctx, func(tx *store.Tx) error {
			return tx.Each(query+condition, []any{tx.Manager(), after, int64(maxBatch)}, func(rows *sql.Rows) error {
				id, do, err := row(rows)
				after, todo = id, append(todo, do)
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, do := range todo {
			do()
		}
		if some && len(paths) == 0 || !some && len(todo) < maxBatch {
			return nil
		}
	}
}

// Tuned keeps a tuned threshold, and forgets one that is no more; it is for
// tree.Options. It is on disk when Tuned returns.
func (m *Memory) Tuned(tuning tree.Tuning) error {
	number := store.NodeNumber(tuning.Path)
	defined, err := Encode(tuning.Defined)
	if err != nil {
		return err
	}
	wanted := ""
	if tuning.Threshold != nil {
		if wanted, err = Encode(tuning.Threshold); err != nil {
			return err
		}
	}
	ctx := context.Background() // The store has a limit of its own.
	var haveDefined, have string
	err = m.o.Store.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.Row("SELECT defined, threshold FROM tuning WHERE manager = $1 AND node = $2", []any{tx.Manager(), number}, &haveDefined, &have)
		return err
	})
	if err == nil && have == wanted && (have == "" || haveDefined == defined) {
		return nil
	}
	return m.o.Store.Write(ctx, func(tx *store.Tx) error {
		manager := tx.Manager()
		if manager == 0 {
			return errNoManager
		}
		if wanted == "" {
			_, err := tx.Exec("DELETE FROM tuning WHERE manager = $1 AND node = $2", manager, number)
			return err
		}
		if err := tx.Know([]store.Place{{Number: number, Path: tuning.Path}}); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO tuning (manager, node, defined, threshold, tuned_at) VALUES ($1, $2, $3, $4, $5) "+
			"ON CONFLICT (manager, node) DO UPDATE SET defined = excluded.defined, threshold = excluded.threshold, tuned_at = excluded.tuned_at",
			manager, number, defined, wanted, m.o.Now().UnixMilli())
		return err
	})
}

// Retune puts tuned thresholds in force again, as long as the definition says what it said when
// they were tuned: of the nodes at the paths, or of all without any. It is what Restore begins
// with, and all of it for nodes whose values come from elsewhere.
func (m *Memory) Retune(ctx context.Context, paths []tree.Path) error {
	var problems []error
	err := m.each(ctx, "SELECT n.id, n.path, t.defined, t.threshold FROM node n CROSS JOIN tuning t WHERE n.manager = $1 AND t.manager = $1 AND t.node = n.id",
		paths, func(rows *sql.Rows) (int64, func(), error) {
			var id int64
			var path, defined, threshold string
			if err := rows.Scan(&id, &path, &defined, &threshold); err != nil {
				return 0, nil, err
			}
			p, err := tree.ParsePath(path)
			if err != nil {
				return 0, nil, err
			}
			return id, func() {
				if err := m.retuneNode(p, defined, threshold); err != nil {
					problems = append(problems, fmt.Errorf("%s: %w", p, err))
				}
			}, nil
		})
	return errors.Join(append(problems, err)...)
}

func (m *Memory) retuneNode(p tree.Path, defined, threshold string) error {
	n, err := m.o.Tree.Node(p)
	if err != nil {
		return nil // it may come later
	}
	says, err := Encode(n.Spec.Threshold)
	if err != nil {
		return err
	}
	th, err := Decode(threshold)
	if says != defined || th == nil || err != nil || n.Kind == tree.Group {
		m.o.Log.Info("a tuned threshold ends, since the definition has changed", "node", p, "err", err)
		return m.Tuned(tree.Tuning{Path: p, Defined: n.Spec.Threshold})
	}
	if n.Tuned {
		return nil
	}
	return m.o.Tree.SetThreshold(p, th)
}

// forgetStep is how many nodes are looked at in one transaction.
const forgetStep = 1000

// forget removes what is remembered of nodes that are long gone: a turn around all of
// them each time, in small steps.
func (m *Memory) forget(ctx context.Context) error {
	m.forgotten = -1
	for more := true; more; {
		var err error
		if more, err = m.forgetSome(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) forgetSome(ctx context.Context) (more bool, err error) {
	now := m.o.Now()
	type old struct {
		id   int64
		path tree.Path
	}
	var olds []old
	end := int64(-1)
	err = m.o.Store.Read(ctx, func(tx *store.Tx) error {
		olds, end = olds[:0], -1
		return tx.Each("SELECT n.id, n.path, COALESCE(m.seen_at, 0), COALESCE(t.tuned_at, 0) FROM node n "+
			"LEFT JOIN memory m ON m.manager = n.manager AND m.node = n.id LEFT JOIN tuning t ON t.manager = n.manager AND t.node = n.id "+
			"WHERE n.manager = $1 AND n.id > $2 ORDER BY n.id LIMIT $3", []any{tx.Manager(), m.forgotten, int64(forgetStep)}, func(rows *sql.Rows) error {
			var o old
			var path string
			var seen, tuned int64
			if err := rows.Scan(&o.id, &path, &seen, &tuned); err != nil {
				return err
			}
			end, more = o.id, true
			o.path, err = tree.ParsePath(path)
			if max(seen, tuned) < now.Add(-m.o.Keep).UnixMilli() {
				olds = append(olds, o)
			}
			return err
		})
	})
	if err != nil || !more {
		return false, err
	}
	gone, there := "", ""
	for _, o := range olds {
		list := &gone
		if _, ok := m.o.Tree.Lookup(o.path); ok {
			list = &there
		}
		if *list != "" {
			*list += ","
		}
		*list += strconv.FormatInt(o.id, 10)
	}
	err = m.o.Store.Write(ctx, func(tx *store.Tx) error {
		manager := tx.Manager()
		if there != "" {
			if _, err := tx.Exec("UPDATE memory SET seen_at = $1 WHERE manager = $2 AND node IN ("+there+")", now.UnixMilli(), manager); err != nil {
				return err
			}
		}
		if gone == "" {
			return nil
		}
		for _, table := range []string{"memory", "tuning"} {
			if _, err := tx.Exec("DELETE FROM "+table+" WHERE manager = $1 AND node IN ("+gone+")", manager); err != nil {
				return err
			}
		}
		// A path goes with the last that is said of it.
		tx.ForgetKnown()
		_, err := tx.Exec("DELETE FROM node WHERE manager = $1 AND id IN ("+gone+") AND NOT EXISTS "+
			"(SELECT 1 FROM journal j WHERE j.manager = node.manager AND j.node = node.id)", manager)
		return err
	})
	m.forgotten = end
	return true, err
}
