package terminal

import (
	tea "charm.land/bubbletea/v2"

	"grove/tree"
)

// key obeys a key.
func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch name {
	case "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	}
	if m.help {
		m.help = false
		return nil
	}
	if m.typing {
		if cmd, taken := m.typed(k); taken {
			return cmd
		}
	}
	page := max(m.treeLines()-1, 1)
	switch name {
	case "q":
		return tea.Quit
	case "?", "f1":
		m.help = true
	case "up", "k":
		m.move(m.at - 1)
	case "down", "j":
		m.move(m.at + 1)
	case "pgup", "ctrl+b":
		m.move(m.at - page)
	case "pgdown", "ctrl+f":
		m.move(m.at + page)
	case "home", "g":
		m.move(0)
	case "end", "G", "shift+g":
		m.move(len(m.rows) - 1)
	case "right", "l":
		m.right()
	case "left", "h":
		m.left()
	case "space", " ":
		m.toggle(m.at)
	case "*":
		m.siblings()
	case "e":
		m.all(true)
	case "E", "shift+e":
		m.all(false)
	case "p":
		m.problems()
	case "c":
		return m.cause()
	case "s":
		m.order = (m.order + 1) % order(len(orderNames))
		m.say("sorted " + orderNames[m.order])
		if m.feed != nil {
			m.arrange()
		}
	case "1", "2", "3", "4":
		m.statusFilter([...]tree.Status{tree.Red, tree.Yellow, tree.Green, tree.White}[name[0]-'1'])
	case "/":
		m.typing = true
	case "enter":
		m.panel.open = !m.panel.open
		m.keepInView()
	case "esc", "alt+esc":
		switch {
		case m.panel.open:
			m.panel.open = false
		case m.filtered():
			m.shape.Text, m.shape.Statuses = "", nil
			m.asked++
			m.ask()
		}
	}
	return m.follow()
}

// typed takes a key of a filter that is being typed; others move the cursor meanwhile.
func (m *model) typed(k tea.KeyPressMsg) (cmd tea.Cmd, taken bool) {
	switch k.String() {
	case "enter":
		m.typing = false
	case "esc", "alt+esc":
		m.typing = false
		if m.shape.Text != "" {
			return m.filter(""), true
		}
	case "backspace":
		runes := []rune(m.shape.Text)
		if len(runes) == 0 {
			m.typing = false
			return nil, true
		}
		return m.filter(string(runes[:len(runes)-1])), true
	case "ctrl+u":
		return m.filter(""), true
	default:
		if k.Text == "" || k.Mod&^tea.ModShift != 0 {
			return nil, false
		}
		return m.filter(m.shape.Text + safe(k.Text, false)), true
	}
	return nil, true
}

// live is the feed, or nil with a note when there is no connection.
func (m *model) live() Feed {
	if m.feed == nil || m.gone != nil {
		m.do(errNoFeed)
		return nil
	}
	return m.feed
}

// problems opens the ways to what is yellow and red, and goes to the worst.
func (m *model) problems() {
	f := m.live()
	if f == nil || len(m.rows) == 0 {
		return
	}
	if n, _ := m.node(m.rows[0].index); n != nil && n.Counts != nil && n.Counts[tree.Yellow]+n.Counts[tree.Red] == 0 {
		m.say("nothing is yellow or red")
		return
	}
	if m.do(f.Problems()) {
		m.focus = m.now().Add(focusFor)
		m.link.structural.Store(true)
	}
}

// right opens a group, or goes into it.
func (m *model) right() {
	if m.at >= len(m.rows) {
		return
	}
	switch r := m.rows[m.at]; {
	case r.open:
		m.move(m.at + 1)
	case r.group && r.more:
		m.expand(r.index)
	}
}

// left closes a group, or goes to the one above.
func (m *model) left() {
	if m.at >= len(m.rows) {
		return
	}
	switch r := m.rows[m.at]; {
	case r.open:
		m.collapse(r.index)
	case r.parent >= 0:
		m.move(int(r.parent))
	}
}

// toggle opens or closes the group of a row.
func (m *model) toggle(at int) {
	if at >= len(m.rows) {
		return
	}
	switch r := m.rows[at]; {
	case r.open:
		m.collapse(r.index)
	case r.group && r.more:
		m.expand(r.index)
	}
}

func (m *model) expand(groups ...uint32) {
	if f := m.live(); f != nil {
		m.do(f.Expand(groups...))
	}
	m.link.structural.Store(true)
	m.refresh()
}

func (m *model) collapse(groups ...uint32) {
	if f := m.live(); f != nil {
		m.do(f.Collapse(groups...))
	}
	m.link.structural.Store(true)
	m.refresh()
}

// siblings opens all groups beside the cursor.
func (m *model) siblings() {
	if m.at >= len(m.rows) {
		return
	}
	var groups []uint32
	for i := range m.rows {
		if r := &m.rows[i]; r.parent == m.rows[m.at].parent && r.group && r.more && !r.open {
			groups = append(groups, r.index)
		}
	}
	if len(groups) > 0 {
		m.expand(groups...)
	}
}

// all opens everything, or closes everything but the root of the view.
func (m *model) all(open bool) {
	f := m.live()
	if f == nil {
		return
	}
	if open {
		m.do(f.ExpandAll())
		m.link.structural.Store(true)
		m.refresh()
		return
	}
	// The cursor goes to what stays of the way to it.
	for m.at < len(m.rows) && m.rows[m.at].depth > 1 {
		m.move(int(m.rows[m.at].parent))
	}
	m.do(f.CollapseAll())
	m.link.structural.Store(true)
	m.refresh()
}

// cause asks for the cause of the status under the cursor.
func (m *model) cause() tea.Cmd {
	path, ok := m.path(m.cursor)
	if !ok || m.live() == nil {
		return nil
	}
	return func() tea.Msg {
		d, err := m.o.Node(m.ctx, path)
		if err != nil || len(d.Cause) == 0 {
			return revealed{err: err}
		}
		cause, err := tree.ParsePath(d.Cause[0])
		return revealed{cause, err}
	}
}

// wheel scrolls; the cursor stays on the screen.
func (m *model) wheel(w tea.MouseWheelMsg) {
	step := 0
	switch w.Button {
	case tea.MouseWheelUp:
		step = -3
	case tea.MouseWheelDown:
		step = 3
	}
	lines := m.treeLines()
	m.top = max(min(m.top+step, len(m.rows)-lines), 0)
	if at := min(max(m.at, m.top), m.top+lines-1); at != m.at {
		m.move(at)
	}
}

// click puts the cursor on a row; on the sign of a group it opens or closes it.
func (m *model) click(c tea.MouseClickMsg) tea.Cmd {
	at := m.top + c.Y - headLines
	if m.help || c.Button != tea.MouseLeft || c.Y < headLines || c.Y >= headLines+m.treeLines() || at >= len(m.rows) || c.X >= m.treeWidth() {
		m.help = false
		return nil
	}
	m.move(at)
	if sign := 1 + 2*int(m.rows[at].depth); c.X >= sign-1 && c.X <= sign+1 {
		m.toggle(at)
	}
	return m.follow()
}
