package form

import (
	"bufio"
	"encoding/json"
	"io"

	"grove/tree"
	"grove/viewer/export/document"
	"grove/viewer/export/document/markup"
)

// WriteJSON writes the document as JSON. Schema is the address of the JSON Schema; empty
// leaves it out.
func WriteJSON(w io.Writer, d *document.Document, schema string) error {
	j := &jsonSink{w: bufio.NewWriterSize(w, 32<<10)}
	j.begin("")
	j.field("$schema", schema)
	tell(j, d)
	j.end()
	j.raw("\n")
	return j.w.Flush()
}

// jsonSink tells in JSON.
type jsonSink struct {
	w     *bufio.Writer
	open  []byte // "}" or "]" for each object and list that is open
	begun bool   // the innermost has a member
}

// raw writes what is JSON already. The buffer keeps the error for Flush.
func (j *jsonSink) raw(s string) { _, _ = j.w.WriteString(s) }

// member begins a member of an object, or an item of a list, whose name stands for all.
func (j *jsonSink) member(name string) {
	if j.begun {
		j.raw(",")
	}
	j.begun = true
	if last := len(j.open) - 1; last >= 0 {
		j.raw(spaces[:1+min(2*len(j.open), len(spaces)-1)])
		if j.open[last] == '}' {
			j.quote(name)
			j.raw(": ")
		}
	}
}

const spaces = "\n                                "

func (j *jsonSink) quote(s string) {
	if isPlain(s) {
		_ = j.w.WriteByte('"')
		j.raw(s)
		_ = j.w.WriteByte('"')
		return
	}
	text, err := json.Marshal(markup.Clean(s))
	if err != nil {
		text = []byte(`""`) // Cannot be: every text has a form.
	}
	_, _ = j.w.Write(text)
}

// isPlain holds for texts that stand in JSON as they are, which nearly all do.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func (j *jsonSink) push(begin string, end byte) {
	j.raw(begin)
	j.open = append(j.open, end)
	j.begun = false
}

func (j *jsonSink) begin(name string) {
	j.member(name)
	j.push("{", '}')
}

func (j *jsonSink) list(name string) {
	j.member(name)
	j.push("[", ']')
}

func (j *jsonSink) end() {
	last := len(j.open) - 1
	if j.begun {
		j.raw(spaces[:1+min(2*last, len(spaces)-1)])
	}
	_ = j.w.WriteByte(j.open[last])
	j.open, j.begun = j.open[:last], true
}

func (j *jsonSink) field(name, value string) {
	if value != "" {
		j.member(name)
		j.quote(value)
	}
}

func (j *jsonSink) number(name string, n int) {
	j.member(name)
	j.raw(itoa(n))
}

func (j *jsonSink) truth(name string, is bool) {
	j.member(name)
	if is {
		j.raw("true")
	} else {
		j.raw("false")
	}
}

func (j *jsonSink) value(name string, v tree.Value) {
	if v.IsNone() {
		return
	}
	j.member(name)
	if s, isText := v.Text(); isText {
		j.quote(s)
		return
	}
	text, err := v.MarshalJSON()
	if err != nil {
		text = []byte("null") // Cannot be: every number has a form.
	}
	_, _ = j.w.Write(text)
}

func (j *jsonSink) text(name, value string) { j.field(name, value) }
