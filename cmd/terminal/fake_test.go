package terminal

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/live/frame"
	"grove/viewer/record"
)

// noon is when tests begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// stage is a feed of a tree in this process, which answers at once.
type stage struct {
	tree   *tree.Tree
	mirror frame.Mirror
	open   map[tree.Path]bool
	shape  Shape
	focus  tree.Path
	seq    uint64
	hits   int
	calls  []string
}

func (s *stage) Next() (*frame.Frame, error)    { select {} }
func (s *stage) Read(read func(*frame.Mirror))  { read(&s.mirror) }
func (s *stage) Matches() (hits, shown int)     { return s.hits, s.hits }
func (s *stage) End()                           {}
func (s *stage) called(format string, a ...any) { s.calls = append(s.calls, fmt.Sprintf(format, a...)) }

func (s *stage) Ask(shape Shape) error {
	s.called("ask %q %v %v", shape.Text, shape.Statuses, shape.Open)
	s.shape = shape
	s.open = map[tree.Path]bool{s.shape.Path: true}
	for _, p := range shape.Open {
		s.open[p] = true
	}
	s.renew()
	return nil
}

func (s *stage) each(groups []uint32, open bool) error {
	for _, g := range groups {
		p := tree.Root
		for _, name := range s.mirror.Names(g) {
			p, _ = p.Child(name)
		}
		s.called("%s open=%t", p, open)
		s.open[p] = open
	}
	s.renew()
	return nil
}

func (s *stage) Expand(groups ...uint32) error   { return s.each(groups, true) }
func (s *stage) Collapse(groups ...uint32) error { return s.each(groups, false) }

func (s *stage) every(open func(*tree.Node) bool) error {
	_ = s.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		s.open[n.Path] = open(n)
		return true
	})
	s.renew()
	return nil
}

func (s *stage) ExpandAll() error { return s.every(func(*tree.Node) bool { return true }) }
func (s *stage) CollapseAll() error {
	return s.every(func(n *tree.Node) bool { return n.Path.IsRoot() })
}

func (s *stage) Problems() error {
	worst := tree.Green
	_ = s.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		if n.Kind != tree.Group && n.Status > worst {
			worst, s.focus = n.Status, n.Path
		}
		return true
	})
	return s.every(func(n *tree.Node) bool { return n.Status > tree.Green })
}

func (s *stage) Reveal(p tree.Path) error {
	s.called("reveal %s", p)
	s.focus = p
	for up := p.Parent(); ; up = up.Parent() {
		if s.open[up] = true; up.IsRoot() {
			break
		}
	}
	s.renew()
	return nil
}

func (s *stage) Focus() (uint32, bool) {
	ref, ok := s.tree.Lookup(s.focus)
	return ref.Index(), ok && !s.focus.IsRoot()
}

// renew makes a snapshot of what shows.
func (s *stage) renew() {
	s.seq++
	f := &frame.Frame{Type: frame.TypeSnapshot, Seq: s.seq, Time: noon}
	shows := map[tree.Path]bool{}
	s.hits = 0
	filtered := s.shape.Text != "" || len(s.shape.Statuses) > 0
	_ = s.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		hit := n.Kind != tree.Group && strings.Contains(n.Path.String(), s.shape.Text) && (len(s.shape.Statuses) == 0 || slices.Contains(s.shape.Statuses, n.Status))
		if filtered && hit {
			s.hits++
			for up := n.Path; ; up = up.Parent() {
				if shows[up] = true; up.IsRoot() {
					break
				}
			}
		}
		return true
	})
	_ = s.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		show := n.Path.IsRoot() || shows[n.Path]
		if !filtered {
			up := n.Path.Parent()
			show = n.Path.IsRoot() || s.open[up] && shows[up]
			shows[n.Path] = show
		}
		if show {
			one := frame.NodeOf(n, n.Path.IsRoot())
			one.Children = n.Children
			f.Nodes = append(f.Nodes, one)
		}
		return true
	})
	if err := s.mirror.Apply(f); err != nil {
		panic(err)
	}
}

// show is a model in front of a stage, with a clock that stands still.
type show struct {
	t     *testing.T
	m     *model
	stage *stage
	clock time.Time
}

// shop is a tree with a bit of everything.
func shop(t *testing.T) *tree.Tree {
	t.Helper()
	at := noon.Add(-5 * time.Minute)
	tr := tree.New(tree.Options{Now: func() time.Time { return at }})
	red := &tree.Threshold{Yellow: tree.AboveLevel(100, 100), Red: tree.AboveLevel(500, 500)}
	report := func(path string, spec tree.Spec, value tree.Value) {
		t.Helper()
		ref, err := tr.Add(tree.MustPath(path), &spec)
		if err != nil {
			t.Fatal(err)
		}
		if !value.IsNone() {
			tr.Report(tree.Report{Node: ref, Value: value, Time: at})
		}
	}
	for i := range 3 {
		web := fmt.Sprintf("/shop/web%d", i+9)
		report(web+"/Connections", tree.Spec{Kind: tree.Performance, Unit: "connections", Threshold: red}, tree.Number(float64(10+i*250)))
		report(web+"/Disk/~1var", tree.Spec{Kind: tree.Performance, Unit: "%"}, tree.Number(42))
	}
	report("/shop/db/State", tree.Spec{Kind: tree.State}, tree.Text("running"))
	report("/shop/db/Lag", tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: red}, tree.Value{})
	report("/büro/Drucker", tree.Spec{Kind: tree.State}, tree.Text("red"))
	tr.Flush()
	return tr
}

// play shows a tree on a screen of a size.
func play(t *testing.T, tr *tree.Tree, columns, lines int) *show {
	t.Helper()
	s := &show{t: t, clock: noon, stage: &stage{tree: tr}}
	o := &Options{
		Server: "http://127.0.0.1:7440", Now: func() time.Time { return s.clock },
		Quantity: func(v float64, unit string) string { return strings.TrimSpace(fmt.Sprintf("%v %s", v, unit)) },
		Node: func(_ context.Context, p tree.Path) (*viewer.Details, error) {
			n, err := tr.Node(p)
			if err != nil {
				return nil, err
			}
			d := &viewer.Details{Node: viewer.Node{Path: p.String(), Kind: n.Kind.String(), Description: "what it is about", Time: noon.Add(-10 * time.Second).Format(time.RFC3339)}}
			if n.Threshold != nil && n.Threshold.Red.Form != tree.Never {
				d.Thresholds = &viewer.Thresholds{Yellow: n.Threshold.Yellow.String(), Red: n.Threshold.Red.String()}
			}
			causes, err := tr.Cause(p)
			for _, c := range causes {
				d.Cause = append(d.Cause, c.String())
			}
			return d, err
		},
		History: func(_ context.Context, p tree.Path, ago time.Duration, points int) (*record.Series, error) {
			series := &record.Series{From: noon.Add(-ago).Format(time.RFC3339), To: noon.Format(time.RFC3339), Unit: "connections"}
			for i := range 60 {
				v := float64(i * i % 97)
				series.Points = append(series.Points, record.Point{Time: noon.Add(-ago + time.Duration(i)*time.Minute).Format(time.RFC3339), Min: &v, Max: &v, Avg: &v, Count: 1})
			}
			return series, nil
		},
	}
	s.m = newModel(t.Context(), o, &link{shapes: make(chan Shape, 1)})
	s.m.after = func(_ time.Duration, msg tea.Msg) tea.Cmd { return func() tea.Msg { return msg } }
	s.stage.open = map[tree.Path]bool{tree.Root: true}
	s.stage.renew()
	s.send(tea.WindowSizeMsg{Width: columns, Height: lines})
	s.send(connected{s.stage})
	return s
}

// send gives the model a message, and what its commands answer, as far as they are not
// about time.
func (s *show) send(msg tea.Msg) {
	s.t.Helper()
	before := s.stage.seq
	_, cmd := s.m.Update(msg)
	s.obey(cmd)
	if s.stage.seq != before { // As the link does when the feed has something new.
		s.m.link.structural.Store(true)
		s.m.looked = time.Time{}
		s.send(changed{})
	}
}

func (s *show) obey(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			s.obey(c)
		}
	case tick: // It would go on for ever.
	default:
		s.send(msg)
	}
}

// press gives the model keys, by their names.
func (s *show) press(keys ...string) {
	s.t.Helper()
	special := map[string]rune{
		"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd,
		"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "enter": tea.KeyEnter, "esc": tea.KeyEscape, "backspace": tea.KeyBackspace, "space": tea.KeySpace,
	}
	for _, k := range keys {
		if code, ok := special[k]; ok {
			s.send(tea.KeyPressMsg{Code: code})
		} else {
			s.send(tea.KeyPressMsg{Code: []rune(k)[0], Text: k})
		}
	}
}

// screen is what is drawn, without colours and without what is empty at the end of lines.
func (s *show) screen() string {
	s.t.Helper()
	text := s.m.screen()
	lines := strings.Split(text, "\n")
	if len(lines) != s.m.height {
		s.t.Errorf("%d lines are drawn on a screen of %d", len(lines), s.m.height)
	}
	for i, line := range lines {
		if w := lipgloss.Width(line); w > s.m.width {
			s.t.Errorf("line %d takes %d columns of %d: %q", i, w, s.m.width, strip(line))
		}
		lines[i] = strings.TrimRight(strip(line), " ")
	}
	return strings.Join(lines, "\n")
}

var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// strip takes the colours out of a line.
func strip(line string) string { return colors.ReplaceAllString(line, "") }
