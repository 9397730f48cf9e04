package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"grove/tree"
	"grove/viewer/live/frame"
)

// Lines above and below the tree.
const (
	headLines = 2
	footLines = 1
)

// beside says whether the panel stands beside the tree; else it stands below.
func (m *model) beside() bool { return m.width >= 110 }

// panelSize is how much of the screen the panel takes: columns beside, lines below.
func (m *model) panelSize() int {
	switch {
	case !m.panel.open:
		return 0
	case m.beside():
		return min(max(m.width*2/5, 44), 72)
	}
	return min(max(m.height/2, 6), 16)
}

// treeLines and treeWidth are the room of the tree.
func (m *model) treeLines() int {
	lines := m.height - headLines - footLines
	if !m.beside() {
		lines -= m.panelSize()
	}
	return max(lines, 1)
}

func (m *model) treeWidth() int {
	if m.beside() {
		return m.width - m.panelSize()
	}
	return m.width
}

// View implements tea.Model.
func (m *model) View() tea.View {
	if m.feed != nil && m.link.structural.Swap(false) {
		m.arrange() // The rows are those of what shows by now.
	}
	v := tea.NewView(m.screen())
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "grove " + safe(m.o.Path.String(), false)
	return v
}

// screen draws everything.
func (m *model) screen() string {
	if m.width < 20 || m.height < 5 {
		return cut("the terminal is too small", m.width, "")
	}
	lines := make([]string, 0, m.height)
	if m.help {
		return strings.Join(m.helpLines(), "\n")
	}
	lines = append(lines, m.head(), m.titles())
	body := m.treeDrawn()
	panel := m.panelDrawn()
	switch {
	case panel == nil:
	case m.beside():
		for i := range body {
			body[i] += faintStyle.Render(m.glyphs.down) + " " + panel[i]
		}
	default:
		body = append(body, faintStyle.Render(strings.Repeat(m.glyphs.across, m.width)))
		body = append(body, panel...)
	}
	lines = append(append(lines, body...), m.foot())
	return strings.Join(lines, "\n")
}

// head says which tree of which server this is, and how it is.
func (m *model) head() string {
	state, look := "connecting", faintStyle
	switch {
	case m.gone != nil:
		state, look = "connection lost "+age(m.now().Sub(m.goneAt))+" ago", styleOf[tree.Red]
	case m.feed != nil:
		state, look = "live "+m.present().Format("15:04:05"), plainStyle
	}
	counts, plainCounts := "", ""
	if len(m.rows) > 0 {
		if n, _ := m.node(m.rows[0].index); n != nil && n.Counts != nil {
			for _, s := range worstToBest {
				if n.Counts[s] > 0 {
					text := m.glyphs.marks[s] + " " + counted(int(n.Counts[s])) + " " + s.String()
					counts += "  " + styleOf[s].Render(text)
					plainCounts += "  " + text
				}
			}
		}
	}
	title := "grove " + safe(m.o.Path.String(), m.glyphs.ascii)
	if m.width >= 100 {
		title += "  " + safe(m.o.Server, m.glyphs.ascii)
	}
	room := m.width - width(plainCounts) - width(state) - 4
	if room < 8 {
		counts, room = "", m.width-width(state)-4
	}
	title = left(" "+title, max(room, 0), m.glyphs.more)
	return boldStyle.Render(title) + counts + strings.Repeat(" ", max(m.width-width(title)-lipgloss.Width(counts)-width(state)-1, 0)) + look.Render(state)
}

// worstToBest are the statuses as people count them.
var worstToBest = [...]tree.Status{tree.Red, tree.Yellow, tree.White, tree.Green}

// present is now by the server's clock.
func (m *model) present() time.Time { return m.now().Add(time.Duration(m.link.skew.Load())) }

// columns are the widths of what stands right of the names.
type columns struct{ name, value, status, age int }

func columnsOf(width int) columns {
	c := columns{value: 20, status: 6, age: 4}
	switch {
	case width < 60:
		c = columns{value: 13, status: 6}
	case width >= 100:
		c.value, c.status = 24, min(width-74, 40)
	}
	c.name = width - c.value - c.status - 4
	if c.age > 0 {
		c.name -= c.age + 2
	}
	return c
}

// titles are the heads of the columns.
func (m *model) titles() string {
	c := columnsOf(m.treeWidth())
	line := left(" Name", c.name, "") + "  " + right("Value", c.value, "") + "  " + left("Status", c.status, "")
	if c.age > 0 {
		line += "  " + right("For", c.age, "")
	}
	if m.panel.open && m.beside() {
		line = left(line, m.treeWidth(), "") + faintStyle.Render(m.glyphs.down) + " Details"
	}
	return faintStyle.Render(line)
}

// treeDrawn draws the rows that are on the screen.
func (m *model) treeDrawn() []string {
	lines, c := make([]string, 0, m.treeLines()), columnsOf(m.treeWidth())
	if m.feed != nil {
		m.feed.Read(func(mirror *frame.Mirror) {
			for i := m.top; i < len(m.rows) && len(lines) < m.treeLines(); i++ {
				if n := mirror.Node(m.rows[i].index); n != nil {
					lines = append(lines, m.line(&m.rows[i], n, c, i == m.at))
				} else { // It went since the rows were made.
					lines = append(lines, strings.Repeat(" ", m.treeWidth()))
				}
			}
		})
	}
	if len(m.rows) <= 1 && m.filtered() && m.feed != nil && len(lines) < m.treeLines() {
		lines = append(lines, left("   nothing matches the filter", m.treeWidth(), ""))
	}
	for len(lines) < m.treeLines() {
		lines = append(lines, strings.Repeat(" ", m.treeWidth()))
	}
	return lines
}

// line draws one row.
func (m *model) line(r *row, n *frame.Mirrored, c columns, chosen bool) string {
	sign := " "
	switch {
	case r.open:
		sign = m.glyphs.open
	case r.group && r.more:
		sign = m.glyphs.closed
	}
	name := n.Name
	if r.parent < 0 {
		name = m.o.Path.String()
	}
	status := min(n.Status, tree.Red)
	look := func(s lipgloss.Style) lipgloss.Style {
		if m.gone != nil {
			s = faintStyle
		}
		return s.Reverse(chosen)
	}
	indent := " " + strings.Repeat("  ", min(int(r.depth), max(c.name/2-6, 0)))
	if room := c.name - width(indent) - 4; room > 0 {
		name = left(safe(name, m.glyphs.ascii), room, m.glyphs.more)
	}
	word, since := status.String(), m.present().Sub(n.Since)
	if n.Flapping {
		word += ", flapping"
	}
	if n.Hidden {
		word += ", some hidden"
	}
	if reason := safe(n.Reason, m.glyphs.ascii); reason != "" && width(word)+2+width(reason) <= c.status {
		word += ": " + reason
	}
	worded := styleOf[status]
	if !n.Since.IsZero() && since < freshFor {
		worded = worded.Bold(true).Underline(true)
	}
	var b strings.Builder
	b.WriteString(look(plainStyle).Render(indent + sign + " "))
	b.WriteString(look(styleOf[status]).Render(m.glyphs.marks[status]))
	b.WriteString(look(plainStyle).Render(" " + name + "  "))
	b.WriteString(m.value(n, c.value, look))
	b.WriteString(look(plainStyle).Render("  "))
	b.WriteString(look(worded).Render(left(word, c.status, m.glyphs.more)))
	if c.age > 0 {
		old := ""
		if !n.Since.IsZero() {
			old = age(since)
		}
		b.WriteString(look(faintStyle).Render("  " + right(old, c.age, "")))
	}
	return b.String()
}

// value draws the value of an attribute, or how many of which status are below a group.
func (m *model) value(n *frame.Mirrored, columns int, look func(lipgloss.Style) lipgloss.Style) string {
	if n.Counts == nil {
		text := m.valueText(n)
		if text == "" {
			return look(faintStyle).Render(right(safe(n.Reason, m.glyphs.ascii), columns, m.glyphs.more))
		}
		return look(plainStyle).Render(right(text, columns, m.glyphs.more))
	}
	var parts []string
	used := 0
	for _, s := range worstToBest {
		if n.Counts[s] == 0 {
			continue
		}
		text := m.glyphs.marks[s] + fmt.Sprint(n.Counts[s])
		if used+width(text)+1 > columns {
			break
		}
		used += width(text) + 1
		parts = append(parts, look(styleOf[s]).Render(text))
	}
	gap := look(plainStyle).Render(" ")
	return look(plainStyle).Render(strings.Repeat(" ", max(columns-used+min(len(parts), 1), 0))) + strings.Join(parts, gap)
}

// valueText writes the value of an attribute with its unit, on one line.
func (m *model) valueText(n *frame.Mirrored) string {
	if f, ok := n.Value.Number(); ok {
		if n.Kind == tree.State && (f == 0 || f == 1) {
			return map[float64]string{0: "no", 1: "yes"}[f]
		}
		return safe(m.o.Quantity(f, n.Unit), m.glyphs.ascii)
	}
	text, _ := n.Value.Text()
	text, _, _ = strings.Cut(text, "\n")
	return safe(text, m.glyphs.ascii)
}

// foot is the last line: a filter, a note, or what keys there are.
func (m *model) foot() string {
	var parts []string
	if m.typing || m.filtered() {
		text := "filter /" + safe(m.shape.Text, m.glyphs.ascii)
		if m.typing {
			text += "_"
		}
		for _, s := range worstToBest {
			if slices.Contains(m.shape.Statuses, s) {
				text += " " + m.glyphs.marks[s] + s.String()
			}
		}
		if m.feed != nil && m.filtered() {
			if hits, shown := m.feed.Matches(); hits > shown {
				text += fmt.Sprintf("  %s matches, %s shown", counted(hits), counted(shown))
			} else if hits == 1 {
				text += "  1 match"
			} else {
				text += "  " + counted(hits) + " matches"
			}
		}
		parts = append(parts, boldStyle.Render(text))
	}
	switch {
	case m.gone != nil:
		text := safe(m.gone.Error(), m.glyphs.ascii) + "; trying again"
		if wait := m.again.Sub(m.now()).Round(time.Second); wait > 0 {
			text += " in " + age(wait)
		}
		parts = append(parts, styleOf[tree.Red].Render(text))
	case m.now().Before(m.noteEnd):
		parts = append(parts, safe(m.note, m.glyphs.ascii))
	case m.typing:
		parts = append(parts, faintStyle.Render("Enter keeps it, Esc ends it"))
	default:
		parts = append(parts, m.keys())
	}
	line := " " + strings.Join(parts, "   ")
	if lipgloss.Width(line) > m.width {
		return lipgloss.NewStyle().MaxWidth(m.width).Render(line)
	}
	return line
}

// keys names the most useful keys, as many as there is room for.
func (m *model) keys() string {
	arrows, sides := "↑↓", "←→"
	if m.glyphs.ascii {
		arrows, sides = "up/down", "left/right"
	}
	var b strings.Builder
	used := 1
	if m.filtered() {
		used += 40
	}
	for _, k := range [][2]string{{arrows, "move"}, {sides, "open"}, {"Enter", "details"}, {"/", "filter"}, {"p", "problems"}, {"?", "help"}, {"q", "quit"}, {"c", "cause"}, {"s", "sort"}} {
		if used += width(k[0]) + width(k[1]) + 3; used > m.width {
			break
		}
		b.WriteString(keyStyle.Render(k[0]) + " " + faintStyle.Render(k[1]) + "  ")
	}
	return b.String()
}
