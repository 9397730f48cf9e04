package source

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A slip is a complaint of the YAML parser in words that help who writes a
// definition. The first entry of slips whose parts are all in the complaint counts.
type slip struct {
	in      string // what the parser says
	context string // while doing what; empty: whatever it is
	msg     string
	of      string // what it is missing of, where that begins in another line
	hint    string
	atStart bool // the start of the context is the place to point at
}

var slips = []slip{
	{in: "cannot start any token", msg: "a text cannot begin with this character", hint: "quote it"},
	{in: "tab character", msg: "a tab is used for indentation", hint: "indent with spaces"},
	{in: "spaces and tabs", msg: "a tab is used for indentation", hint: "indent with spaces"},
	{in: "unexpected end of stream", context: "quoted scalar", msg: "the closing quote is missing", atStart: true},
	{in: "unexpected document indicator", context: "quoted scalar", msg: "the closing quote is missing", atStart: true},
	{in: "unknown escape character", msg: "unknown escape in a text in double quotes", hint: `write \\ for a backslash, or use single quotes`},
	{in: "expected comment or line break", context: "block scalar", msg: "a text after > or | must begin in the next line",
		hint: `quote a comparison: "> 500"`, atStart: true},
	{in: "mapping values are not allowed", msg: "unexpected colon", hint: `quote a text that holds ": ", and indent keys alike`},
	{in: "alphabetic or numeric character", context: "alias", msg: "a text that begins with * must be quoted", atStart: true},
	{in: "alphabetic or numeric character", context: "anchor", msg: "a text that begins with & must be quoted", atStart: true},
	{in: "did not find expected key", msg: "want a key", of: "map",
		hint: "keys of one map stand below each other, and nothing may follow a quoted text"},
	{in: "expected '-' indicator", msg: "want an item with - before it", of: "list"},
	{in: "expected ',' or '}'", msg: "want a comma or }", of: "map",
		hint: "between { and } a text that holds { } [ ] or a comma must be quoted"},
	{in: "expected ',' or ']'", msg: "want a comma or ]", of: "list",
		hint: "between [ and ] a text that holds { } [ ] or a comma must be quoted"},
	{in: "could not find expected ':'", msg: "want a colon after this key", atStart: true},
	{in: "expected node content", msg: "want a value here"},
	{in: "block sequence entries are not allowed", msg: "a list cannot begin here", hint: "begin it in the next line, or quote a text that begins with -"},
	{in: "incompatible YAML document", msg: "want YAML version 1.1 or 1.2"},
	{in: "expected <document start>", msg: "unexpected text after the end of the document", hint: "separate documents by a line ---"},
	{in: "unknown anchor", msg: "no anchor of this name stands before its alias", hint: "a text that begins with * must be quoted"},
}

// syntax records what the parser complained about.
func (r *yamlReader) syntax(err error) {
	var list *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &one):
		r.loadError(one)
	case errors.As(err, &list):
		for _, e := range list.Errors {
			r.loadError(e)
		}
	default:
		r.errs.Add(Pos{File: r.file}, "cannot read YAML: %w", err)
	}
}

func (r *yamlReader) loadError(e *yaml.LoadError) {
	pos := Pos{r.file, e.Mark.Line, e.Mark.Column}
	if strings.Contains(e.Message, errDeep.Error()) {
		r.errs.Append(tooDeep(pos))
		return
	}
	for _, s := range slips {
		if !strings.Contains(e.Message, s.in) || !strings.Contains(e.ContextMsg, s.context) {
			continue
		}
		if strings.Contains(s.in, "any token") && r.charAt(pos) == '\t' {
			s.msg, s.hint = "a tab is used for indentation", "indent with spaces"
		}
		if s.atStart && e.ContextMark.Line > 0 {
			pos.Line, pos.Column = e.ContextMark.Line, e.ContextMark.Column
		}
		if s.of != "" && e.ContextMark.Line > 0 && e.ContextMark.Line != e.Mark.Line {
			s.msg += fmt.Sprintf(" of the %s that begins in line %d", s.of, e.ContextMark.Line)
		}
		r.errs.Append(&Error{Pos: pos, Msg: s.msg, Hint: s.hint, Err: e})
		return
	}
	msg := "not YAML: " + e.Message
	if e.ContextMsg != "" {
		msg += ", " + e.ContextMsg
	}
	r.errs.Append(&Error{Pos: pos, Msg: msg, Err: e})
}

// charAt returns the character at a position, 0 behind the end of its line.
func (r *yamlReader) charAt(pos Pos) rune {
	column := 1
	for _, c := range lineOf(r.text, pos.Line) {
		if column == pos.Column {
			return c
		}
		column++
	}
	return 0
}
