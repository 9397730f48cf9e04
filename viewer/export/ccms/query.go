package ccms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/name"
)

// Errors of questions, besides tree.ErrNoNode.
var (
	ErrNoElement = errors.New("no such element")
	ErrNoLog     = errors.New("not a log attribute")
)

// Tree lists the elements at and below a path that whoever asks sees, parents first, down to so many levels
// (negative: all). When they would be more than limit it returns a *TooManyError.
func (e *Exporter) Tree(ctx context.Context, p tree.Path, depth, limit int) ([]Row, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return nil, err
	}
	g := e.sight(ctx)
	from, err := e.table.at(p)
	if err != nil {
		return nil, err
	}
	if g.at(from) == grant.Hidden {
		return nil, noNode(p)
	}
	if have := e.count(g, from, depth); have > limit {
		return nil, &TooManyError{"elements", have, limit}
	}
	return e.list(g, from, depth), nil
}

func (e *Exporter) count(g *sight, from int32, depth int) int {
	rows := e.table.rows[from:e.table.rows[from].end]
	if depth < 0 && g == nil {
		return len(rows)
	}
	n, top := 0, rows[0].path.Depth()
	for i := range rows {
		if (depth < 0 || rows[i].path.Depth()-top <= depth) && g.at(from+int32(i)) != grant.Hidden {
			n++
		}
	}
	return n
}

// Element returns everything about the element with a full name or TID, or at a path,
// which begins with "/".
func (e *Exporter) Element(ctx context.Context, text string) (Element, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return Element{}, err
	}
	g := e.sight(ctx)
	i, err := e.resolve(g, text)
	if err != nil {
		return Element{}, err
	}
	return e.element(g, i), nil
}

// Resolve returns the path of the element with a full name or TID, or at a path.
func (e *Exporter) Resolve(ctx context.Context, text string) (tree.Path, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return tree.Root, err
	}
	i, err := e.resolve(e.sight(ctx), text)
	if err != nil {
		return tree.Root, err
	}
	return e.table.rows[i].path, nil
}

// resolve finds what is seen: what is hidden is not there.
func (e *Exporter) resolve(g *sight, text string) (int32, error) {
	if strings.HasPrefix(text, "/") {
		p, err := tree.ParsePath(text)
		if err != nil {
			return 0, err
		}
		i, err := e.table.at(p)
		if err == nil && g.at(i) == grant.Hidden {
			err = noNode(p)
		}
		return i, err
	}
	if n, ok := e.scheme.ParseTID(text); ok {
		if i, ok := e.table.numbered(n); ok && g.at(i) != grant.Hidden {
			return i, nil
		}
		return 0, fmt.Errorf("%w: the element of this TID is not there any more", ErrNoElement)
	}
	if i, ok := e.table.named(text, e.opts.System); ok && g.at(i) != grant.Hidden {
		return i, nil
	}
	return 0, fmt.Errorf(`%w: %q: a full name is such as %s\shop\web1\Up, a TID has %d characters`, ErrNoElement, name.Clip(text, 80), e.opts.System, name.TIDLength)
}

// Alerts lists alerts, red first, then by severity, then the newest first; total is how
// many there are without the limit.
func (e *Exporter) Alerts(ctx context.Context, f alert.Filter) (alerts []alert.Alert, total int, err error) {
	e.mu.Lock()
	err = e.refresh()
	e.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	f.Sees = e.remembers(ctx)
	alerts, total = e.book.List(f)
	return alerts, total, nil
}

// Dropped counts the alerts that fell out of the list since the start. Who does not see
// the whole manager is told none: they may be others'.
func (e *Exporter) Dropped(ctx context.Context) uint64 {
	if !grant.Of(ctx).Whole(grant.Viewer) {
		return 0
	}
	return e.book.Dropped()
}

// Acknowledge completes alerts of which whoever asks is an operator, each by its AID, and
// says of each what came of it. By is who it is said to be: whoever asks, when it is empty.
// The shelf has kept them when it returns, if it can at present. The error wraps
// grant.ErrDenied: whoever asks is operator of nothing.
func (e *Exporter) Acknowledge(ctx context.Context, aids []string, by, comment string) ([]alert.Result, error) {
	asks := grant.Of(ctx)
	if err := operates(asks); err != nil {
		return nil, err
	}
	results, done := e.book.Acknowledge(aids, cmp.Or(by, asks.Name), comment, e.opts.Now(), e.mayAcknowledge(ctx))
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	e.keep(within)
	if e.opts.Audit != nil {
		for _, d := range done {
			e.opts.Audit(context.WithoutCancel(ctx), d)
		}
	}
	return results, nil
}

// LogFile is what is known of one log attribute.
type LogFile struct {
	Path tree.Path
	Time time.Time // of the newest line
	Size int       // bytes of the texts that are held
}

// Logs lists the log attributes below a path.
func (e *Exporter) Logs(ctx context.Context, below tree.Path) ([]LogFile, error) {
	e.mu.Lock()
	err := e.refresh()
	var logs []LogFile
	if err == nil {
		g := e.sight(ctx)
		for i := range e.table.rows {
			if r := &e.table.rows[i]; r.kind == tree.Log && below.Contains(r.path) && g.at(int32(i)) == grant.Seen {
				logs = append(logs, LogFile{Path: r.path, Time: r.time})
			}
		}
	}
	e.mu.Unlock()
	for i := range logs {
		events, _ := e.opts.Tree.Events(logs[i].Path) // One that went meanwhile is empty.
		for _, v := range events {
			logs[i].Size += len(v.Text) + 1
		}
	}
	return logs, err
}

// Line is one line of a log attribute.
type Line struct {
	tree.Event
	Path tree.Path
}

// Lines returns the newest lines of the log attributes at or below a path, oldest first.
func (e *Exporter) Lines(ctx context.Context, below tree.Path, limit int) ([]Line, error) {
	logs, err := e.Logs(ctx, below)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, l := range logs {
		events, err := e.opts.Tree.Events(l.Path)
		if errors.Is(err, tree.ErrNoNode) {
			continue
		}
		for _, v := range events {
			lines = append(lines, Line{v, l.Path})
		}
		// What cannot be among the newest is let go before it becomes much.
		if len(lines) > 4*limit {
			lines = newest(lines, limit)
		}
	}
	return newest(lines, limit), nil
}

func newest(lines []Line, limit int) []Line {
	slices.SortStableFunc(lines, func(a, b Line) int { return a.Time.Compare(b.Time) })
	return lines[max(0, len(lines)-limit):]
}

// Instances lists the top element of each instance of a definition, in the order of
// the tree: those whose owner is not the owner of the element above. Parent is -1.
func (e *Exporter) Instances(ctx context.Context) ([]Row, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return nil, err
	}
	g := e.sight(ctx)
	var rows []Row
	for i := range e.table.rows {
		r := &e.table.rows[i]
		if r.owner == "" || r.parent >= 0 && e.table.rows[r.parent].owner == r.owner || g.at(int32(i)) != grant.Seen {
			continue
		}
		row := e.row(g, int32(i))
		row.Parent = -1
		rows = append(rows, row)
	}
	return rows, nil
}
