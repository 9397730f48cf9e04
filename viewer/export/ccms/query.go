package ccms

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/tree"
)

// Errors of questions, besides tree.ErrNoNode.
var (
	ErrNoElement = errors.New("no such element")
	ErrNoAlert   = errors.New("no such alert")
	ErrNoLog     = errors.New("not a log attribute")
)

// Tree lists the elements at and below a path, parents first, down to so many levels
// (negative: all). When they would be more than limit it returns a *TooManyError.
func (e *Exporter) Tree(p tree.Path, depth, limit int) ([]Row, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return nil, err
	}
	from, err := e.table.at(p)
	if err != nil {
		return nil, err
	}
	if have := e.count(from, depth); have > limit {
		return nil, &TooManyError{"elements", have, limit}
	}
	return e.list(from, depth), nil
}

func (e *Exporter) count(from int32, depth int) int {
	rows := e.table.rows[from:e.table.rows[from].end]
	if depth < 0 {
		return len(rows)
	}
	n, top := 0, rows[0].path.Depth()
	for i := range rows {
		if rows[i].path.Depth()-top <= depth {
			n++
		}
	}
	return n
}

// Element returns everything about the element with a full name or TID, or at a path,
// which begins with "/".
func (e *Exporter) Element(text string) (Element, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return Element{}, err
	}
	i, err := e.resolve(text)
	if err != nil {
		return Element{}, err
	}
	return e.element(i), nil
}

// Resolve returns the path of the element with a full name or TID, or at a path.
func (e *Exporter) Resolve(text string) (tree.Path, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return tree.Root, err
	}
	i, err := e.resolve(text)
	if err != nil {
		return tree.Root, err
	}
	return e.table.rows[i].path, nil
}

func (e *Exporter) resolve(text string) (int32, error) {
	if strings.HasPrefix(text, "/") {
		p, err := tree.ParsePath(text)
		if err != nil {
			return 0, err
		}
		return e.table.at(p)
	}
	if n, ok := parseTID(text, e.opts.System, e.opts.Segment); ok {
		if i, ok := e.table.numbered(n); ok {
			return i, nil
		}
		return 0, fmt.Errorf("%w: the element of this TID is not there any more", ErrNoElement)
	}
	if i, ok := e.table.named(text, e.opts.System); ok {
		return i, nil
	}
	return 0, fmt.Errorf(`%w: %q: a full name is such as %s\shop\web1\Up, a TID has %d characters`, ErrNoElement, clip(text, 80), e.opts.System, tidLength)
}

// Filter says which alerts are asked for.
type Filter struct {
	Below tree.Path // the root: all
	State State     // empty: all
	Value Value     // White: all
	Limit int       // 0: all
}

// Alerts lists alerts, red first, then by severity, then the newest first; total is how
// many there are without the limit.
func (e *Exporter) Alerts(f Filter) (alerts []Alert, total int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return nil, 0, err
	}
	for _, a := range e.book.alerts {
		if f.Below.Contains(a.Path) && (f.State == "" || a.State == f.State) && (f.Value == tree.White || a.Value == f.Value) {
			alerts = append(alerts, *a)
		}
	}
	slices.SortFunc(alerts, func(a, b Alert) int { return compare(&a, &b) })
	total = len(alerts)
	if f.Limit > 0 && total > f.Limit {
		alerts = alerts[:f.Limit]
	}
	return alerts, total, nil
}

// Dropped counts the alerts that fell out of the list since the start.
func (e *Exporter) Dropped() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.book.dropped
}

// Result is what came of one acknowledgement.
type Result struct {
	AID          string `json:"AID"`
	Acknowledged bool   `json:"acknowledged"`
	Reason       string `json:"reason,omitempty"` // why not
}

// Acknowledge completes alerts, each by its AID, and says of each what came of it.
func (e *Exporter) Acknowledge(aids []string, by, comment string) []Result {
	results := make([]Result, len(aids))
	var done []Acknowledgement
	now := e.opts.Now()
	e.mu.Lock()
	for i, aid := range aids {
		results[i].AID = aid
		a, err := e.alert(aid)
		switch {
		case err != nil:
			results[i].Reason = err.Error()
		case a.State == Completed:
			results[i].Reason = "it is completed already"
		default:
			a.State, a.By, a.At, a.Comment = Completed, by, &now, comment
			e.book.changed = append(e.book.changed, a.ID)
			results[i].Acknowledged = true
			done = append(done, Acknowledgement{Time: now, By: by, Comment: comment, Alert: *a})
		}
	}
	e.mu.Unlock()
	e.keep()
	if e.opts.Audit != nil {
		for _, d := range done {
			e.opts.Audit(d)
		}
	}
	return results
}

// alert finds an alert by its AID.
func (e *Exporter) alert(aid string) (*Alert, error) {
	id, ok := parseAID(aid, e.opts.System, e.opts.Segment)
	if !ok {
		return nil, fmt.Errorf("%w: an AID has %d characters and is taken from a list of alerts", ErrNoAlert, aidLength)
	}
	a := e.book.alerts[id]
	if a == nil || a.AID != aid {
		return nil, fmt.Errorf("%w: it is not in the list any more", ErrNoAlert)
	}
	return a, nil
}

// LogFile is what is known of one log attribute.
type LogFile struct {
	Path tree.Path
	Time time.Time // of the newest line
	Size int       // bytes of the texts that are held
}

// Logs lists the log attributes below a path.
func (e *Exporter) Logs(below tree.Path) ([]LogFile, error) {
	e.mu.Lock()
	err := e.refresh()
	var logs []LogFile
	if err == nil {
		for i := range e.table.rows {
			if r := &e.table.rows[i]; r.kind == tree.Log && below.Contains(r.path) {
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
func (e *Exporter) Lines(below tree.Path, limit int) ([]Line, error) {
	logs, err := e.Logs(below)
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
func (e *Exporter) Instances() ([]Row, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refresh(); err != nil {
		return nil, err
	}
	var rows []Row
	for i := range e.table.rows {
		r := &e.table.rows[i]
		if r.owner == "" || r.parent >= 0 && e.table.rows[r.parent].owner == r.owner {
			continue
		}
		row := e.row(r)
		row.Parent = -1
		rows = append(rows, row)
	}
	return rows, nil
}
