package terminal

import "strings"

// helpKeys are all keys with what they do; an empty key begins a part.
var helpKeys = [][2]string{
	{"", "Moving"},
	{"Up Down", "a row up or down (k j)"},
	{"PgUp PgDn", "a screen up or down"},
	{"Home End", "the first, the last row"},
	{"wheel, click", "scroll; choose a row, open or close a group"},
	{"", "Opening"},
	{"Right", "open the group, then go into it (l)"},
	{"Left", "close the group, then go up (h)"},
	{"Space", "open or close the group"},
	{"*", "open all groups beside the cursor"},
	{"e  E", "open everything; close everything"},
	{"p", "open the ways to what is yellow and red, and go to the worst"},
	{"c", "go to the attribute that makes the node yellow or red"},
	{"", "Looking"},
	{"Enter", "details of the node: value, thresholds, cause, history"},
	{"/", "filter by text as you type: words of the path and the name"},
	{"1 2 3 4", "only red, yellow, green, white ones; again: no more"},
	{"s", "sort: as defined, worst first, by name"},
	{"Esc", "close the details, end the filter"},
	{"?  q", "this help; quit"},
}

// helpLines draws the help in place of everything else.
func (m *model) helpLines() []string {
	lines := []string{boldStyle.Render(cut(" Keys of grove tree --watch", m.width, "")), ""}
	for _, k := range helpKeys {
		if k[0] == "" {
			lines = append(lines, boldStyle.Render(cut(" "+k[1], m.width, "")))
			continue
		}
		lines = append(lines, keyStyle.Render(cut(left("   "+k[0], 17, ""), m.width, ""))+cut(k[1], max(m.width-17, 0), m.glyphs.more))
	}
	marks := " "
	for s, word := range [...]string{"white: nothing is known", "green: as it should be", "yellow: a warning", "red: a fault"} {
		marks += " " + m.glyphs.marks[s] + " " + word + "  "
	}
	lines = append(lines, cut(strings.TrimRight(marks, " "), m.width, m.glyphs.more))
	for len(lines) < m.height {
		lines = append(lines, "")
	}
	if len(lines) > m.height {
		lines = lines[:m.height]
	}
	lines[m.height-1] = faintStyle.Render(cut(" any key goes back", m.width, ""))
	return lines
}
