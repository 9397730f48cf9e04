package terminal

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"grove/tree"
	"grove/viewer/live/frame"
)

// Lengths of time of the model.
const (
	paced      = 80 * time.Millisecond  // between two looks at what is new
	settled    = 150 * time.Millisecond // after the last key of a filter, and before a node is asked for
	noteFor    = 5 * time.Second
	tickEvery  = time.Second
	freshFor   = 3 * time.Second // a change of status stands out so long
	focusFor   = 3 * time.Second // a focus that the server does not find is given up
	detailsAge = 5 * time.Second // details are asked for again
)

// model is the state of the viewer.
type model struct {
	o      *Options
	ctx    context.Context
	link   *link
	feed   Feed
	glyphs *glyphs
	now    func() time.Time
	after  func(time.Duration, tea.Msg) tea.Cmd // sends a message later

	width, height int

	rows   []row
	spare  []row
	order  order
	cursor uint32 // index of the node
	at     int    // its row
	top    int    // first row on the screen
	shape  Shape
	before []tree.Path // groups that were open before there was a filter
	typing bool        // the filter is being typed
	asked  int         // counts filters

	gone    error         // why there is no connection
	goneAt  time.Time     // since when
	again   time.Time     // when it is tried again
	seek    string        // path of the node that the cursor was on when the connection was lost
	focus   time.Time     // until when the focus of the server is waited for; zero: it is not
	looked  time.Time     // when what is new was looked at
	sorted  time.Time     // when the rows were put in order
	cost    time.Duration // of that
	due     bool          // it will be
	note    string        // to be said in the last line
	noteEnd time.Time
	help    bool
	failed  error // ends the program

	panel panel
}

// newModel returns the model of options, without a feed.
func newModel(ctx context.Context, o *Options, l *link) *model {
	m := &model{o: o, ctx: ctx, link: l, glyphs: &unicodeGlyphs, now: o.Now, shape: Shape{Path: o.Path, Statuses: o.Statuses}, width: 80, height: 24}
	if o.ASCII {
		m.glyphs = &asciiGlyphs
	}
	// Bubble Tea's own ticks would outlive the program.
	m.after = func(d time.Duration, msg tea.Msg) tea.Cmd {
		return func() tea.Msg {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				return msg
			case <-ctx.Done():
				return nil
			}
		}
	}
	return m
}

type (
	tick     struct{}
	look     struct{}
	askShape struct{ number int }
	revealed struct {
		path tree.Path
		err  error
	}
)

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.after(tickEvery, tick{}) }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.keepInView()
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.MouseWheelMsg:
		m.wheel(msg)
	case tea.MouseClickMsg:
		return m, m.click(msg)
	case tea.PasteMsg:
		if m.typing {
			return m, m.filter(m.shape.Text + safe(msg.Content, false))
		}
	case connected:
		m.connect(msg.feed)
	case changed:
		return m, m.pace()
	case look:
		m.due = false
		m.refresh()
		return m, m.follow()
	case lost:
		m.lose(msg)
	case over:
		m.failed = msg.err
		return m, tea.Quit
	case tick:
		m.refresh()
		return m, tea.Batch(m.after(tickEvery, tick{}), m.follow())
	case askShape:
		if msg.number == m.asked {
			m.ask()
		}
	case revealed:
		m.reveal(msg)
	case told:
		m.panel.take(msg)
	}
	return m, nil
}

// say shows a note for a while.
func (m *model) say(text string) { m.note, m.noteEnd = text, m.now().Add(noteFor) }

// do says what went wrong when something did.
func (m *model) do(err error) bool {
	if err != nil {
		m.say(err.Error())
	}
	return err == nil
}

// connect takes a new feed, which has its first snapshot.
func (m *model) connect(f Feed) {
	m.feed, m.gone = f, nil
	m.link.structural.Store(true)
	m.refresh()
}

// lose keeps what was seen, and says what is to be shown when there is a feed again.
func (m *model) lose(msg lost) {
	if m.gone == nil {
		m.goneAt = m.now()
		if n, names := m.node(m.cursor); n != nil {
			m.seek = strings.Join(names, "\x00")
		}
		shape := m.shape
		if !m.filtered() {
			shape.Open = append(m.opened(), m.o.Path)
		}
		select {
		case m.link.shapes <- shape:
		default:
		}
	}
	m.gone, m.again = msg.err, msg.again
}

// pace looks at what is new, but not too often.
func (m *model) pace() tea.Cmd {
	if m.due {
		return nil
	}
	if wait := paced - m.now().Sub(m.looked); wait > 0 {
		m.due = true
		return m.after(wait, look{})
	}
	m.refresh()
	return m.follow()
}

// refresh takes up what is new in the feed.
func (m *model) refresh() {
	if m.feed == nil {
		return
	}
	m.looked = m.now()
	m.link.waiting.Store(false)
	// Very many rows are not sorted anew with every change of a status.
	resort := m.order == worstFirst && m.now().Sub(m.sorted) > max(3*paced, 10*m.cost)
	if m.link.structural.Swap(false) || resort {
		m.arrange()
	}
	if m.focus.IsZero() {
		return
	}
	if index, ok := m.feed.Focus(); ok && m.find(index) {
		m.focus = time.Time{}
	} else if m.now().After(m.focus) {
		m.focus = time.Time{}
	}
}

// arrange makes the rows anew. The cursor stays with its node, and its row where it is
// on the screen.
func (m *model) arrange() {
	before, line := m.at, m.at-m.top
	m.sorted = m.now()
	defer func() { m.cost = m.now().Sub(m.sorted) }()
	m.feed.Read(func(mirror *frame.Mirror) {
		m.rows, m.spare = rows(m.spare, mirror, m.order), m.rows
		if m.seek != "" {
			for i := range m.rows {
				if strings.Join(mirror.Names(m.rows[i].index), "\x00") == m.seek {
					m.cursor, m.seek = m.rows[i].index, ""
					break
				}
			}
			m.seek = ""
		}
	})
	m.at = slices.IndexFunc(m.rows, func(r row) bool { return r.index == m.cursor })
	if m.at < 0 { // It is gone: what came in its place is next.
		m.at = min(before, len(m.rows)-1)
	}
	m.at = max(m.at, 0)
	if len(m.rows) > 0 {
		m.cursor = m.rows[m.at].index
	}
	m.top = m.at - line
	m.keepInView()
}

// find puts the cursor on a node, if it shows.
func (m *model) find(index uint32) bool {
	i := slices.IndexFunc(m.rows, func(r row) bool { return r.index == index })
	if i < 0 {
		return false
	}
	m.move(i)
	return true
}

// move puts the cursor on a row.
func (m *model) move(to int) {
	if len(m.rows) == 0 {
		return
	}
	m.at = min(max(to, 0), len(m.rows)-1)
	m.cursor = m.rows[m.at].index
	m.keepInView()
}

// keepInView scrolls as little as the cursor needs.
func (m *model) keepInView() {
	lines := m.treeLines()
	m.top = min(max(m.top, m.at-lines+1), m.at)
	m.top = max(min(m.top, len(m.rows)-lines), 0)
}

// node returns what shows of a node, and its names from the root of the view.
func (m *model) node(index uint32) (n *frame.Mirrored, names []string) {
	if m.feed == nil {
		return nil, nil
	}
	m.feed.Read(func(mirror *frame.Mirror) {
		if found := mirror.Node(index); found != nil {
			copied := *found
			n, names = &copied, mirror.Names(index)
		}
	})
	return n, names
}

// path is that of a node; ok is false when it does not show.
func (m *model) path(index uint32) (tree.Path, bool) {
	n, names := m.node(index)
	if n == nil {
		return tree.Root, false
	}
	p := m.o.Path
	for _, name := range names {
		var err error
		if p, err = p.Child(name); err != nil {
			return tree.Root, false
		}
	}
	return p, true
}

// maxOpen bounds the text of the groups that are asked to be opened by name: a message
// has 16 kB.
const maxOpen = 12 << 10

// opened lists the groups that are open, as many as can be asked for.
func (m *model) opened() (open []tree.Path) {
	size := 0
	for i := range m.rows {
		if !m.rows[i].open {
			continue
		}
		p, ok := m.path(m.rows[i].index)
		if size += len(p.String()) + 3; size > maxOpen {
			break
		}
		if ok {
			open = append(open, p)
		}
	}
	return open
}

// filtered says whether there is a filter.
func (m *model) filtered() bool { return m.shape.Text != "" || len(m.shape.Statuses) > 0 }

// filter changes the text of the filter, and asks for it when no other key follows.
func (m *model) filter(text string) tea.Cmd {
	m.shape.Text = cut(text, maxFilter, "")
	m.asked++
	return m.after(settled, askShape{m.asked})
}

// maxFilter bounds the text of a filter.
const maxFilter = 200

// statusFilter adds a status to the filter, or takes it out.
func (m *model) statusFilter(s tree.Status) {
	if i := slices.Index(m.shape.Statuses, s); i >= 0 {
		m.shape.Statuses = slices.Delete(slices.Clone(m.shape.Statuses), i, i+1)
	} else {
		m.shape.Statuses = append(slices.Clone(m.shape.Statuses), s)
	}
	m.asked++
	m.ask()
}

// ask asks for what is to be shown.
func (m *model) ask() {
	if m.feed == nil || m.gone != nil {
		return // It is asked for when there is a connection.
	}
	if m.filtered() && m.before == nil {
		m.before = append(m.opened(), m.o.Path)
	}
	shape := m.shape
	if !m.filtered() {
		shape.Open, m.before = append(m.before, m.o.Path), nil
	}
	if path, ok := m.path(m.cursor); ok && !m.filtered() {
		shape.Open = append(slices.Clone(shape.Open), path.Parent())
	}
	shape.Open = slices.DeleteFunc(shape.Open, func(p tree.Path) bool { return !m.o.Path.Contains(p) })
	m.do(m.feed.Ask(shape))
}

// reveal opens the way to the cause of a status.
func (m *model) reveal(r revealed) {
	switch {
	case r.err != nil:
		m.say(r.err.Error())
	case r.path.IsRoot():
		m.say("nothing below is yellow or red")
	case m.feed != nil && m.do(m.feed.Reveal(r.path)):
		m.focus = m.now().Add(focusFor)
	}
}
