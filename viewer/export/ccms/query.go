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
	if err := e.renew(); err != nil {
		return nil, err
	}
	s, have := grant.Of(ctx), 0
	wanted := picture{top: p, depth: depth, keep: func(n *tree.Node, _, _ *heir, _ grant.Sight) bool {
		if depth >= 0 && n.Depth > p.Depth()+depth {
			return false
		}
		have++
		return have <= limit
	}}
	if depth >= 0 {
		wanted.depth++ // What a group directly holds says what it is.
	} else if s.Whole(grant.Viewer) {
		wanted.room = min(e.size(p), limit)
	}
	rows, err := e.take(s, wanted)
	if err != nil {
		return nil, err
	}
	if have > limit {
		return nil, &TooManyError{"elements", have, limit}
	}
	alerts := e.highest(s, rows, depth)
	list := make([]Row, len(rows))
	for i := range rows {
		list[i] = e.rowOf(&rows[i])
		list[i].Parent, list[i].Alert = int(rows[i].above), alerts[i]
	}
	return list, nil
}

// size is about how many nodes there are at and below a path: somewhat more than the
// attributes, which are counted.
func (e *Exporter) size(p tree.Path) int {
	n, _ := e.opts.Tree.Node(p) // One that is not there has none.
	leaves := int(n.Counts[0] + n.Counts[1] + n.Counts[2] + n.Counts[3])
	return 1 + leaves + leaves/8
}

// Element returns everything about the element with a full name or TID, or at a path,
// which begins with "/".
func (e *Exporter) Element(ctx context.Context, text string) (Element, error) {
	s := grant.Of(ctx)
	p, err := e.resolve(s, text)
	if err != nil {
		return Element{}, err
	}
	whole, depth := s.Whole(grant.Viewer), 1 // What a group directly holds says what it is.
	if !whole {
		depth = -1 // Only what is seen counts.
	}
	var seen [4]int32
	rows, err := e.take(s, picture{top: p, depth: depth, keep: func(n *tree.Node, _, _ *heir, _ grant.Sight) bool {
		if n.Kind != tree.Group {
			seen[n.Status]++
		}
		return n.Depth == p.Depth()
	}})
	if err != nil {
		return Element{}, err
	}
	if !whole {
		rows[0].Counts = seen
	}
	el := e.element(&rows[0])
	el.Alert = e.highest(s, rows, 0)[0]
	return el, nil
}

// Resolve returns the path of the element with a full name or TID, or at a path.
func (e *Exporter) Resolve(ctx context.Context, text string) (tree.Path, error) {
	return e.resolve(grant.Of(ctx), text)
}

// resolve finds what somebody sees: what is hidden is not there.
func (e *Exporter) resolve(s *grant.Subject, text string) (tree.Path, error) {
	if err := e.renew(); err != nil {
		return tree.Root, err
	}
	if strings.HasPrefix(text, "/") {
		p, err := tree.ParsePath(text)
		if err == nil && !e.sees(s, p) {
			err = fmt.Errorf("%s: %w", p, tree.ErrNoNode)
		}
		return p, err
	}
	number, isTID := e.scheme.ParseTID(text)
	var p tree.Path
	var ok bool
	if isTID {
		p, ok = e.numbered(number)
	} else {
		p, ok = e.named(text)
	}
	switch {
	case ok && e.sees(s, p):
		return p, nil
	case isTID:
		return tree.Root, fmt.Errorf("%w: the element of this TID is not there any more", ErrNoElement)
	}
	return tree.Root, fmt.Errorf(`%w: %q: a full name is such as %s\shop\web1\Up, a TID has %d characters`, ErrNoElement, name.Clip(text, 80), e.opts.System, name.TIDLength)
}

// numbered returns the path of the node with the number of an identifier.
func (e *Exporter) numbered(number uint64) (tree.Path, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, ok := e.table.numbered(number)
	return n.Path, ok
}

// named returns the path of the node with a full name.
func (e *Exporter) named(text string) (tree.Path, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, ok := e.table.named(text)
	return n.Path, ok && full(&n, e.opts.System) == text
}

// Alerts lists alerts, red first, then by severity, then the newest first; total is how
// many there are without the limit.
func (e *Exporter) Alerts(ctx context.Context, f alert.Filter) (alerts []alert.Alert, total int, err error) {
	if err := e.renew(); err != nil {
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

// Logs lists the log attributes below a path. Where nothing is there are none.
func (e *Exporter) Logs(ctx context.Context, below tree.Path) ([]LogFile, error) {
	rows, err := e.take(grant.Of(ctx), picture{top: below, depth: -1, keep: func(n *tree.Node, _, _ *heir, _ grant.Sight) bool { return n.Kind == tree.Log }})
	if err != nil && !errors.Is(err, tree.ErrNoNode) {
		return nil, err
	}
	var logs []LogFile
	for i := range rows {
		l := LogFile{Path: rows[i].Path, Time: rows[i].Time}
		events, _ := e.opts.Tree.Events(l.Path) // One that went meanwhile is empty.
		for _, v := range events {
			l.Size += len(v.Text) + 1
		}
		logs = append(logs, l)
	}
	return logs, nil
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
	rows, err := e.take(grant.Of(ctx), picture{depth: -1, keep: func(_ *tree.Node, own, above *heir, sight grant.Sight) bool {
		return own.owner != "" && own.owner != above.owner && sight == grant.Seen
	}})
	var list []Row
	for i := range rows {
		list = append(list, e.rowOf(&rows[i]))
	}
	return list, err
}
