package terminal

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/record"
)

// chartSpan is how much time the small chart of a node shows.
const chartSpan = time.Hour

// panel are the details of the node under the cursor.
type panel struct {
	open    bool
	path    tree.Path // of what follows
	known   bool      // something is known of it
	node    *viewer.Details
	series  *record.Series
	err     error
	asking  tree.Path // what is asked for
	busy    bool
	askedAt time.Time
}

// told is the answer about a node.
type told struct {
	path   tree.Path
	node   *viewer.Details
	series *record.Series
	err    error
	at     time.Time
}

// take takes an answer.
func (p *panel) take(t told) {
	p.busy = false
	p.path, p.known, p.node, p.series, p.err, p.askedAt = t.path, true, t.node, t.series, t.err, t.at
}

// follow asks for the details of the node under the cursor, when they show and are not
// there, or are old.
func (m *model) follow() tea.Cmd {
	p := &m.panel
	if !p.open || p.busy || m.gone != nil || m.feed == nil {
		return nil
	}
	path, ok := m.path(m.cursor)
	if !ok || p.known && p.path == path && m.now().Sub(p.askedAt) < detailsAge {
		return nil
	}
	p.busy, p.asking = true, path
	points := 2 * max(m.panelWidth(), 20)
	ctx, o, now := m.ctx, m.o, m.now
	return func() tea.Msg {
		t := told{path: path}
		if t.node, t.err = o.Node(ctx, path); t.err == nil && t.node.Kind == tree.Performance.String() {
			t.series, t.err = history(ctx, o, path, points)
		}
		t.at = now()
		return t
	}
}

// history asks for the last hour of a node. That there is none is no mistake.
func history(ctx context.Context, o *Options, path tree.Path, points int) (*record.Series, error) {
	if o.History == nil {
		return nil, nil
	}
	s, err := o.History(ctx, path, chartSpan, points)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return s, nil
}

// panelWidth is the room of the panel's text.
func (m *model) panelWidth() int {
	if m.beside() {
		return m.panelSize() - 3
	}
	return m.width - 2
}

// panelDrawn draws the details into lines of the panel's width; nil: it is closed.
func (m *model) panelDrawn() []string {
	if !m.panel.open {
		return nil
	}
	columns, lines := m.panelWidth(), m.panelSize()-1
	if m.beside() {
		lines = m.treeLines()
	}
	drawn := m.panelText(columns, lines)
	if len(drawn) > lines {
		drawn = drawn[:lines]
	}
	for len(drawn) < lines {
		drawn = append(drawn, "")
	}
	for i := range drawn {
		if !m.beside() {
			drawn[i] = " " + drawn[i]
		}
	}
	return drawn
}

// panelText writes the details, most important first.
func (m *model) panelText(columns, lines int) (text []string) {
	say := func(style lipgloss.Style, s string) {
		for _, line := range wrap(safe(s, m.glyphs.ascii), columns) {
			text = append(text, style.Render(line))
		}
	}
	labelled := func(label, s string) {
		if s == "" {
			return
		}
		const indent = 10
		for i, line := range wrap(safe(s, m.glyphs.ascii), max(columns-indent, 10)) {
			head := label
			if i > 0 {
				head = ""
			}
			text = append(text, faintStyle.Render(left(head, indent, ""))+line)
		}
	}
	n, _ := m.node(m.cursor)
	path, _ := m.path(m.cursor)
	if n == nil {
		return nil
	}
	status := min(n.Status, tree.Red)
	state := m.glyphs.marks[status] + " " + status.String()
	if !n.Since.IsZero() {
		state += " for " + age(m.present().Sub(n.Since))
	}
	say(boldStyle, path.String())
	text = append(text, styleOf[status].Render(cut(state, columns, m.glyphs.more)))
	p := &m.panel
	if !p.known || p.path != path {
		labelled("Value", m.valueText(n))
		say(faintStyle, "asking for more")
		return text
	}
	if p.err != nil && p.node == nil {
		say(styleOf[tree.Red], p.err.Error())
		return text
	}
	d := p.node
	labelled("Reason", n.Reason)
	if n.Counts == nil {
		value := m.valueText(n)
		if at := parsed(d.Time); value != "" && !at.IsZero() {
			value += ", " + age(m.present().Sub(at)) + " ago"
		}
		labelled("Value", value)
	} else {
		var below []string
		for _, s := range worstToBest {
			if n.Counts[s] > 0 {
				below = append(below, counted(int(n.Counts[s]))+" "+s.String())
			}
		}
		labelled("Below", strings.Join(below, ", "))
	}
	if t := d.Thresholds; t != nil {
		var borders []string
		for _, b := range [][2]string{{"yellow ", t.Yellow}, {"red ", t.Red}, {"white without a reading for ", t.White}} {
			if b[1] != "" {
				borders = append(borders, b[0]+b[1])
			}
		}
		if t.Tuned && len(borders) > 0 {
			borders = append(borders, "tuned")
		}
		labelled("Borders", strings.Join(borders, ", "))
	}
	if d.Rollup != nil && d.Rollup.Rule != "" {
		labelled("Roll-up", d.Rollup.Rule)
	}
	for _, cause := range d.Cause {
		if cause != path.String() {
			labelled("Cause", cause)
		}
	}
	for _, b := range d.Beans {
		if b.Error != "" {
			labelled("Error", b.Error)
		}
	}
	labelled("About", d.Description)
	if s := p.series; s != nil {
		room := lines - len(text) - 2
		if room >= 2 {
			text = append(text, m.chart(s, columns, min(room, 8))...)
		}
	} else if p.err != nil {
		say(faintStyle, p.err.Error())
	}
	for i := len(d.Events) - 1; i >= 0; i-- {
		e := d.Events[i]
		s, _ := tree.ParseStatus(e.Status) // The server writes no other.
		text = append(text, styleOf[s].Render(m.glyphs.marks[s])+" "+faintStyle.Render(parsed(e.Time).Local().Format("15:04:05"))+" "+
			cut(safe(e.Text, m.glyphs.ascii), max(columns-11, 0), m.glyphs.more))
	}
	for _, b := range d.Beans {
		about := b.Kind + " " + b.Source
		if b.Every != "" {
			about += " every " + b.Every
		}
		if last := parsed(b.LastRun); !last.IsZero() {
			about += fmt.Sprintf(", ran %s ago", age(m.present().Sub(last)))
		}
		labelled("Source", about)
	}
	for _, f := range d.Properties {
		labelled(f.Name, f.Value)
	}
	return text
}

// parsed reads a time as the server writes it.
func parsed(text string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, text) // The server writes no other.
	return at
}
