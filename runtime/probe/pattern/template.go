package pattern

import (
	"regexp"
	"slices"
	"strings"

	"grove/runtime/probe"
)

// template is the text of an event: pieces of text, groups and fields.
type template struct {
	pieces   []piece // none: the record itself
	captures bool
}

// piece is one of text, group and field.
type piece struct {
	text  string
	group int // of the expression; 0: not a group
	field string
}

// textField stands for the whole record.
const textField = "line"

var placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)\}`)

func parseTemplate(option, text string, re *regexp.Regexp, fields []string) (template, error) {
	var t template
	end := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > end {
			t.pieces = append(t.pieces, piece{text: text[end:m[0]]})
		}
		end = m[1]
		name := text[m[2]:m[3]]
		switch group := re.SubexpIndex(name); {
		case group > 0:
			t.pieces = append(t.pieces, piece{group: group})
			t.captures = true
		case name == textField || slices.Contains(fields, name):
			t.pieces = append(t.pieces, piece{field: name})
		default:
			known := append([]string{textField}, fields...)
			for _, n := range re.SubexpNames() {
				if n != "" {
					known = append(known, n)
				}
			}
			return t, probe.BadOption(option, "{%s} is none of what a text can hold: %s", name, strings.Join(known, ", "))
		}
	}
	if end < len(text) {
		t.pieces = append(t.pieces, piece{text: text[end:]})
	}
	return t, nil
}

// of fills in what was found.
func (t *template) of(r *Record, groups []int) string {
	if len(t.pieces) == 0 {
		return Clean(r.Text)
	}
	var b []byte
	for _, p := range t.pieces {
		switch {
		case p.group > 0:
			if k := 2 * p.group; k+1 < len(groups) && groups[k] >= 0 {
				b = append(b, r.Text[groups[k]:groups[k+1]]...)
			}
		case p.field == textField:
			b = append(b, r.Text...)
		case p.field != "":
			if r.Field != nil {
				b = append(b, r.Field(p.field)...)
			}
		default:
			b = append(b, p.text...)
		}
	}
	return Clean(b)
}
