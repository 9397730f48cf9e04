package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// Bounds of what Worst reads.
const (
	MaxMarks  = 1000
	maxRead   = 300_000 // changes; of more, some of each part of the time
	maxNamed  = 500     // nodes that are asked for by number
	someOfAll = 300     // changes of each part
)

// Mark is the worst change of status within a part of a time, the first of those that are
// as bad: red, yellow, white, green.
type Mark struct {
	Time    time.Time
	Path    tree.Path
	To      tree.Status
	Changes int // in the part, as far as they were read
}

// Worst returns the worst change of status at and below a node in each of so many equal
// parts of a time, oldest first; parts without one are left out. Sees says whether a node
// counts; nil counts all. Whole is false when there are so many changes that some of each
// part were read alone.
func (j *Journal) Worst(ctx context.Context, under tree.Path, from, to time.Time, parts int, sees func(tree.Path) bool) (marks []Mark, whole bool, err error) {
	from, to, err = j.span(from, to)
	if err != nil {
		return nil, false, err
	}
	if parts < 1 || parts > MaxMarks {
		return nil, false, fmt.Errorf("%w: 1 to %d parts, not %d", ErrQuery, MaxMarks, parts)
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		w := &worst{tx: tx, most: j.maxRead, from: milliseconds(from), to: milliseconds(to), all: under.IsRoot() && sees == nil}
		w.width = max((w.to-w.from+int64(parts)-1)/int64(parts), 1)
		if !w.all {
			if err := w.find(under, sees); err != nil {
				return err
			}
		}
		var err error
		marks, whole, err = w.read()
		return err
	})
	return marks, whole, err
}

// worst is what is being found.
type worst struct {
	tx        *store.Tx
	from, to  int64 // Unix milliseconds, as width
	width     int64
	most      int                 // changes that are read, before some of each part do
	all       bool                // every node counts
	nodes     map[int64]tree.Path // that count
	condition string              // on few nodes
	parts     []part
}

// part is one part of the time.
type part struct {
	mark Mark
	node int64
}

// find lists the nodes that count.
func (w *worst) find(under tree.Path, sees func(tree.Path) bool) error {
	w.nodes = map[int64]tree.Path{}
	condition, args := "", []any{w.tx.Manager()}
	if !under.IsRoot() {
		low, high := below(under)
		condition = " AND (path = $2 OR path >= $3 AND path < $4)"
		args = append(args, under.String(), low, high)
	}
	err := w.tx.Each("SELECT id, path FROM node WHERE manager = $1"+condition, args, func(rows *sql.Rows) error {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		p, err := tree.ParsePath(text)
		if err != nil {
			return err
		}
		if sees == nil || sees(p) {
			w.nodes[id] = p
		}
		return nil
	})
	if err != nil || len(w.nodes) > maxNamed {
		return err
	}
	var numbers []string
	for id := range w.nodes {
		numbers = append(numbers, strconv.FormatInt(id, 10))
	}
	w.condition = " AND node IN (" + strings.Join(numbers, ",") + ")"
	return nil
}

// read looks at the changes: at all, or at some of each part.
func (w *worst) read() (marks []Mark, whole bool, err error) {
	if !w.all && len(w.nodes) == 0 {
		return nil, true, nil
	}
	count := (w.to-w.from-1)/w.width + 1
	w.parts = make([]part, count)
	n, err := w.some(w.from, w.to, w.most+1)
	if err != nil {
		return nil, false, err
	}
	if whole = n <= w.most; !whole {
		clear(w.parts)
		for i := range count {
			begin := w.from + i*w.width
			if _, err := w.some(begin, min(begin+w.width, w.to), someOfAll); err != nil {
				return nil, false, err
			}
		}
	}
	for i := range w.parts {
		p := &w.parts[i]
		if p.mark.Changes == 0 {
			continue
		}
		if p.mark.Path, err = w.path(p.node); err != nil {
			return nil, false, err
		}
		marks = append(marks, p.mark)
	}
	return marks, whole, nil
}

// some looks at changes from a time on and before another, at most so many, and returns
// how many it read.
func (w *worst) some(from, to int64, most int) (n int, err error) {
	err = w.tx.Each("SELECT id, node, status FROM journal WHERE manager = $1 AND kind = 1 AND id >= $2 AND id < $3"+w.condition+" LIMIT $4",
		[]any{w.tx.Manager(), from << idBits, to << idBits, int64(most)}, func(rows *sql.Rows) error {
			var id, node, status int64
			if err := rows.Scan(&id, &node, &status); err != nil {
				return err
			}
			n++
			if _, ok := w.nodes[node]; !ok && !w.all {
				return nil
			}
			p := &w.parts[(id>>idBits-w.from)/w.width]
			p.mark.Changes++
			at, to := ID(id).Time(), tree.Status(status)
			if bad, worst := severity(to), severity(p.mark.To); p.mark.Changes == 1 || bad > worst || bad == worst && at.Before(p.mark.Time) {
				p.node, p.mark.Time, p.mark.To = node, at, to
			}
			return nil
		})
	return n, err
}

// severity orders statuses for people: that nothing is known is worse than that all is well.
func severity(s tree.Status) int {
	switch s {
	case tree.Green:
		return 0
	case tree.White:
		return 1
	}
	return int(s)
}

// path is that of a node that counts.
func (w *worst) path(node int64) (p tree.Path, err error) {
	if p, ok := w.nodes[node]; ok || !w.all {
		return p, nil
	}
	var text string
	if _, err := w.tx.Row("SELECT path FROM node WHERE manager = $1 AND id = $2", []any{w.tx.Manager(), node}, &text); err != nil {
		return p, err
	}
	return tree.ParsePath(text)
}
