package soap

import (
	"bytes"
	"encoding/xml"
	"strconv"

	"grove/tree"
	"grove/viewer/export/ccms"
)

const (
	head = xml.Header + `<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soapNamespace + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="` +
		schemaNamespace + `" xmlns:SAPControl="` + Namespace + `"><SOAP-ENV:Body>`
	tail = "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
)

// Answer is the answer to a call of a function, while it is written.
type Answer struct {
	function *Function
	b        *bytes.Buffer
}

// NewAnswer begins an answer.
func NewAnswer(f *Function) *Answer {
	a := &Answer{function: f, b: bytes.NewBufferString(head)}
	a.b.WriteString("<SAPControl:" + f.answerName() + ">")
	return a
}

// Fields are those that the answer has.
func (a *Answer) Fields() []Field { return a.function.Out }

// Grow makes room for so many bytes.
func (a *Answer) Grow(bytes int) { a.b.Grow(bytes) }

// Put writes the values of all fields of the answer, in their order: a string, an int, an
// int64, a float64, a tree.Status, a ccms.Level, a []string, a []int or a List.
func (a *Answer) Put(values ...any) {
	for i, f := range a.function.Out {
		put(a.b, f, values[i])
	}
}

// Message ends the answer and returns the whole message.
func (a *Answer) Message() []byte {
	a.b.WriteString("</SAPControl:" + a.function.answerName() + ">" + tail)
	return a.b.Bytes()
}

// colours are the values of STATE-COLOR by the number of a status: white is gray.
var colours = enumerations[0].values

// levels are the values of VISIBLE-LEVEL by the number of a level.
var levels = enumerations[1].values

// put writes the element of a field. A value that does not go with the type of the
// field is a mistake in the program.
func put(b *bytes.Buffer, f Field, value any) {
	b.WriteByte('<')
	b.WriteString(f.Name)
	b.WriteByte('>')
	switch v := value.(type) {
	case string:
		if isPlain(v) {
			b.WriteString(v)
			break
		}
		_ = xml.EscapeText(b, []byte(v)) // A Buffer takes everything; what XML cannot hold becomes U+FFFD.
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
	case tree.Status:
		b.WriteString(colours[v])
	case ccms.Level:
		b.WriteString(levels[v])
	case []string:
		for _, item := range v {
			put(b, Field{Name: "item"}, item)
		}
	case []int:
		for _, item := range v {
			put(b, Field{Name: "item"}, item)
		}
	case List:
		r := recordOf[f.Type]
		for i := range v.N {
			b.WriteString("<item>")
			row := v.Row(i)
			for k, inner := range r.fields {
				put(b, inner, row[k])
			}
			b.WriteString("</item>")
		}
	}
	b.WriteString("</")
	b.WriteString(f.Name)
	b.WriteByte('>')
}

// isPlain says whether a text needs no escaping, as nearly all do.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' {
			return false
		}
	}
	return true
}

// List is an array of records: N of them, row i with the values of all fields in order.
// The row may be used again for the next.
type List struct {
	N   int
	Row func(i int) []any
}
