package match

import (
	"regexp"
	"strings"

	"grove/tree"
)

// glob is a text in which * stands for anything.
type glob struct {
	text    string         // without a star
	pattern *regexp.Regexp // nil when there is none, and case counts
}

func newGlob(text string, fold bool) glob {
	if !fold && !strings.Contains(text, "*") {
		return glob{text: text}
	}
	var b strings.Builder
	b.WriteString(`(?s`)
	if fold {
		b.WriteByte('i')
	}
	b.WriteString(`)\A`)
	for i, piece := range strings.Split(text, "*") {
		if i > 0 {
			b.WriteString(`.*`)
		}
		b.WriteString(regexp.QuoteMeta(strings.ToValidUTF8(piece, "\ufffd")))
	}
	b.WriteString(`\z`)
	return glob{pattern: regexp.MustCompile(b.String())}
}

func (g *glob) matches(text string) bool {
	if g.pattern == nil {
		return g.text == text
	}
	return g.pattern.MatchString(text)
}

// place is a path in whose names * stands for anything.
type place []glob

func newPlace(p tree.Path) place {
	var levels place
	for _, name := range p.Names() {
		levels = append(levels, newGlob(name, false))
	}
	return levels
}

// contains says whether a path, by its names, is such a place or lies below one.
func (p place) contains(names []string) bool { return len(names) >= len(p) && p.agrees(names) }

// below says whether such a place may lie below a path.
func (p place) below(names []string) bool { return len(names) < len(p) && p.agrees(names) }

func (p place) agrees(names []string) bool {
	for i := range min(len(p), len(names)) {
		if !p[i].matches(names[i]) {
			return false
		}
	}
	return true
}
