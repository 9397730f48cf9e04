package terminal

import (
	"strings"

	"charm.land/lipgloss/v2"

	"grove/tree"
)

// glyphs are the characters that a terminal can show.
type glyphs struct {
	marks               [4]string // by status
	closed, open        string
	across, down, blank string // lines between panes, and what fills a bar
	more                string // where a text was cut
	bars                []string
	ascii               bool
}

var unicodeGlyphs = glyphs{
	marks: [4]string{"◆", "●", "▲", "■"}, closed: "▸", open: "▾", across: "─", down: "│", blank: "·", more: "…",
	bars: []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
}

var asciiGlyphs = glyphs{
	marks: [4]string{"?", "o", "^", "#"}, closed: "+", open: "-", across: "-", down: "|", blank: ".", more: "~",
	bars: []string{" ", ".", ":", "#"}, ascii: true,
}

// speaksUTF8 says whether a locale can show more than ASCII: the first of these that is
// set counts (POSIX.1-2017, XBD 8.2, "Internationalization Variables").
func speaksUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// styles are the looks of things, in the sixteen colours that every theme has.
var (
	styleOf = [4]lipgloss.Style{
		tree.White:  lipgloss.NewStyle().Faint(true),
		tree.Green:  lipgloss.NewStyle().Foreground(lipgloss.Color("2")),
		tree.Yellow: lipgloss.NewStyle().Foreground(lipgloss.Color("3")),
		tree.Red:    lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true),
	}
	plainStyle = lipgloss.NewStyle()
	faintStyle = lipgloss.NewStyle().Faint(true)
	boldStyle  = lipgloss.NewStyle().Bold(true)
	keyStyle   = lipgloss.NewStyle().Foreground(lipgloss.Color("6"))
)
