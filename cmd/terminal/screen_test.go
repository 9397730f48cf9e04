package terminal

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
)

var update = flag.Bool("update", false, "write the golden screens anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScreens presses keys and compares what is drawn with testdata/NAME.txt.
func TestScreens(t *testing.T) {
	for _, c := range []struct {
		name           string
		columns, lines int
		keys           string
		change         func(*show)
	}{
		{"start", 80, 12, "", nil},
		{"opened", 80, 24, "down right down right down", nil},
		{"everything", 80, 24, "e", nil},
		{"scrolled", 80, 12, "e end", nil},
		{"details-below", 80, 24, "e down down down enter", nil},
		{"details-beside", 130, 24, "down c enter", nil},
		{"details-of-group", 130, 16, "down enter", nil},
		{"problems", 80, 24, "p", nil},
		{"filter", 80, 16, "/ w e b 1", nil},
		{"filter-by-status", 80, 16, "1 4", nil},
		{"filter-finds-nothing", 80, 12, "/ x y z enter", nil},
		{"sorted", 80, 24, "e s", nil},
		{"help", 80, 24, "?", nil},
		{"ascii", 80, 24, "e", func(s *show) { s.m.glyphs = &asciiGlyphs }},
		{"narrow", 40, 12, "e", nil},
		{"lost", 80, 12, "", func(s *show) {
			s.send(lost{errors.New("read tcp: connection reset by peer"), noon.Add(4 * time.Second)})
			s.clock = s.clock.Add(2 * time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, shop(t), c.columns, c.lines)
			s.press(strings.Fields(c.keys)...)
			s.clock = s.clock.Add(noteFor + time.Second) // What was said is gone.
			s.m.link.skew.Store(int64(-noteFor - time.Second))
			if c.change != nil {
				c.change(s)
			}
			got := s.screen() + "\n"
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// names lists the rows, indented, with a mark at the cursor.
func (s *show) names() string {
	var b strings.Builder
	for i, r := range s.m.rows {
		mark := " "
		if i == s.m.at {
			mark = ">"
		}
		n, _ := s.m.node(r.index)
		fmt.Fprintf(&b, "%s%s%s ", mark, strings.Repeat("-", int(r.depth)), n.Name)
	}
	return strings.TrimSpace(b.String())
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ name, keys, want string }{
		{"move", "down up down down", "-shop >-büro"},
		{"stop at the end", "down down down down", "-shop >-büro"},
		{"open", "down right", ">-shop  --web9  --web10  --web11  --db  -büro"},
		{"go into", "down right right", "-shop >--web9  --web10  --web11  --db  -büro"},
		{"close", "down right left", ">-shop  -büro"},
		{"go up", "down right right left", ">-shop  --web9  --web10  --web11  --db  -büro"},
		{"space", "down space space space", ">-shop  --web9  --web10  --web11  --db  -büro"},
		{"siblings", "down right down * ", "-shop >--web9  ---Connections  ---Disk  --web10  ---Connections  ---Disk  --web11  ---Connections  ---Disk  --db  ---State  ---Lag  -büro"},
		{"home and end", "end home", ">"},
		{"collapse keeps the way", "down right right right right E", "-shop"},
		{"cause", "down c", ">---Connections"},
		{"cause of what is well", "e end up up up c", ""},
		{"problems", "p", ">---Connections"},
		{"sort", "e s s", "-büro  --Drucker  -shop  --db  ---Lag  ---State  --web9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, shop(t), 80, 24)
			s.press(strings.Fields(c.keys)...)
			if got := s.names(); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFilterComesAndGoes opens afterwards what was open before.
func TestFilterComesAndGoes(t *testing.T) {
	s := play(t, shop(t), 80, 24)
	s.press("down", "right", "down", "right")
	rows := func() string { return strings.ReplaceAll(s.names(), ">", " ") } // The cursor goes along.
	before := rows()
	s.press("/", "L", "a", "g")
	if got, want := rows(), "-shop  --db  ---Lag"; !strings.Contains(got, want) {
		t.Errorf("filtered: %s, want %s", got, want)
	}
	s.press("backspace", "backspace", "backspace")
	if got := rows(); got != before {
		t.Errorf("got  %s\nwant %s", got, before)
	}
	s.press("w", "q", "?")
	if s.m.shape.Text != "wq?" || s.m.help {
		t.Errorf("what is typed is a command: %q", s.m.shape.Text)
	}
	s.press("esc", "2")
	if got, want := s.names(), "--web10  ---Connections"; !strings.Contains(got, want) || strings.Contains(got, "web11") {
		t.Errorf("yellow: %s, want %s", got, want)
	}
	s.press("esc")
	if s.m.filtered() || s.m.typing {
		t.Error("Esc leaves the filter")
	}
	s.send(tea.PasteMsg{Content: "x"})
	s.press("/")
	s.send(tea.PasteMsg{Content: "a\x1b]0;b\x07\n"})
	if s.m.shape.Text != `a\u001b]0;b\u0007 ` {
		t.Errorf("%q was pasted", s.m.shape.Text)
	}
}

// TestNothingJumps keeps the cursor on its node, and that where it is on the screen.
func TestNothingJumps(t *testing.T) {
	tr := shop(t)
	s := play(t, tr, 80, 10)
	s.press("e", "end", "up", "up", "up", "up", "up")
	cursor, line := s.m.cursor, s.m.at-s.m.top
	for i := range 20 {
		if _, err := tr.Add(tree.MustPath(fmt.Sprintf("/shop/web9/new%d", i)), &tree.Spec{Kind: tree.State}); err != nil {
			t.Fatal(err)
		}
		s.stage.renew()
		s.m.link.structural.Store(true)
		s.clock = s.clock.Add(time.Second)
		s.send(changed{})
		if s.m.cursor != cursor || s.m.rows[s.m.at].index != cursor || s.m.at-s.m.top != line {
			t.Fatalf("the cursor is on row %d of the screen, on another node %t", s.m.at-s.m.top, s.m.cursor != cursor)
		}
	}
	// What comes in the place of what is gone is next.
	path, _ := s.m.path(cursor)
	if err := tr.Change(tree.Remove(path)); err != nil {
		t.Fatal(err)
	}
	s.stage.renew()
	s.m.link.structural.Store(true)
	s.clock = s.clock.Add(time.Second)
	s.send(changed{})
	if s.m.cursor == cursor || s.m.rows[s.m.at].index != s.m.cursor {
		t.Error("the cursor stays on a node that is gone")
	}
}

func TestMouse(t *testing.T) {
	s := play(t, shop(t), 80, 10)
	s.send(tea.MouseClickMsg{X: 30, Y: headLines + 1, Button: tea.MouseLeft})
	if got := s.names(); got != "  >-shop  -büro" && got != ">-shop  -büro" {
		t.Errorf("a click: %q", got)
	}
	s.send(tea.MouseClickMsg{X: 3, Y: headLines + 1, Button: tea.MouseLeft})
	if !s.m.rows[1].open {
		t.Error("a click on the sign of a group does not open it")
	}
	s.press("e")
	for range 3 {
		s.send(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	}
	if s.m.top != 9 || s.m.at < s.m.top {
		t.Errorf("after the wheel the top is %d, the cursor %d", s.m.top, s.m.at)
	}
	for range 30 {
		s.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	}
	if s.m.top != 0 || s.m.at >= s.m.treeLines() {
		t.Errorf("after the wheel the top is %d, the cursor %d", s.m.top, s.m.at)
	}
}

// TestLostAndFound shows what was open again, and the cursor where it was, though the
// server counts its nodes anew.
func TestLostAndFound(t *testing.T) {
	s := play(t, shop(t), 80, 24)
	s.press("down", "right", "down", "down", "right", "down")
	before := s.names()
	s.send(lost{errors.New("gone"), noon})
	shape := <-s.m.link.shapes
	if got := fmt.Sprint(shape.Open); got != "[/ /shop /shop/web10 /]" {
		t.Errorf("open are %s", got)
	}
	s.press("p", "right", "e")
	if s.m.note != errNoFeed.Error() || s.names() != before {
		t.Errorf("without a connection: %q, %s", s.m.note, s.names())
	}
	// Another process makes the same nodes in another order.
	other := tree.New(tree.Options{Now: func() time.Time { return noon }})
	for _, path := range []string{"/büro/Drucker", "/shop/web9/x", "/shop/web10/Connections", "/shop/web10/Disk/x", "/shop/web11/x", "/shop/db/x"} {
		if _, err := other.Add(tree.MustPath(path), &tree.Spec{Kind: tree.State}); err != nil {
			t.Fatal(err)
		}
	}
	again := &stage{tree: other, open: map[tree.Path]bool{}}
	for _, p := range shape.Open {
		again.open[p] = true
	}
	again.renew()
	s.send(connected{again})
	if got, want := s.names(), "-shop  --web9  --web10 >---Connections  ---Disk  --web11"; !strings.Contains(got, want) || s.m.gone != nil {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTooSmall(t *testing.T) {
	s := play(t, shop(t), 80, 24)
	for _, size := range [][2]int{{1, 1}, {19, 4}, {0, 0}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		if got := s.m.screen(); width(got) > size[0] || strings.Contains(got, "\n") {
			t.Errorf("%v: %q", size, got)
		}
	}
}

func TestSpeaksUTF8(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8"}, true},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, true},
	} {
		if got := SpeaksUTF8(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %t", c.env, got)
		}
	}
}

func TestNatural(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"web2", "web10", -1}, {"web10", "web2", 1}, {"a", "b", -1}, {"a", "a", 0}, {"a1b2", "a1b10", -1}, {"007", "7", 1}, {"", "a", -1}, {"disk", "disk1", -1},
	} {
		if got := natural(c.a, c.b); got != c.want {
			t.Errorf("natural(%q, %q) = %d", c.a, c.b, got)
		}
	}
}

// FuzzText holds that what is cut and wrapped has room, and that nothing unsafe gets
// through.
func FuzzText(f *testing.F) {
	f.Add("hello wörld 日本語 \x1b[31m", 7)
	f.Fuzz(func(t *testing.T, s string, columns int) {
		columns = min(max(columns, 0), 200)
		for _, ascii := range []bool{false, true} {
			clean := safe(s, ascii)
			for _, r := range clean {
				if r < ' ' || r == 0x7f || ascii && r > 0x7f {
					t.Fatalf("%q keeps %q", clean, r)
				}
			}
			if got := width(cut(clean, columns, "~")); got > columns {
				t.Errorf("%q takes %d columns of %d", clean, got, columns)
			}
			for _, line := range wrap(clean, columns) {
				if width(line) > columns {
					t.Errorf("%q takes %d columns of %d", line, width(line), columns)
				}
			}
		}
	})
}
