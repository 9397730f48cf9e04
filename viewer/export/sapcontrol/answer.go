package sapcontrol

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"time"

	"grove/tree"
	"grove/viewer/export/ccms"
)

// fault is an error that the client is told: SOAP 1.1, section 4.4.
type fault struct {
	code string // "Client", "Server", "VersionMismatch", "MustUnderstand"
	text string
}

// Error implements error.
func (f *fault) Error() string { return f.text }

// clientFault is a fault of the client's, which sending the same again does not mend.
func clientFault(format string, args ...any) *fault {
	return &fault{code: "Client", text: fmt.Sprintf(format, args...)}
}

const (
	head = xml.Header + `<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soapNamespace + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="` +
		schemaNamespace + `" xmlns:SAPControl="` + namespace + `"><SOAP-ENV:Body>`
	tail = "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
)

// message writes a fault.
func (f *fault) message() []byte {
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("<SOAP-ENV:Fault><faultcode>SOAP-ENV:" + f.code + "</faultcode><faultstring>")
	_ = xml.EscapeText(&b, []byte(f.text)) // A Buffer takes everything.
	b.WriteString("</faultstring></SOAP-ENV:Fault>")
	b.WriteString(tail)
	return b.Bytes()
}

// colours are the values of STATE-COLOR by the number of a status: white is gray.
var colours = enumerations[0].values

// levels are the values of VISIBLE-LEVEL by the number of a level.
var levels = enumerations[1].values

// put writes the element of a field. A value that does not go with the type of the
// field is a mistake in the program.
func put(b *bytes.Buffer, f field, value any) {
	b.WriteByte('<')
	b.WriteString(f.name)
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
			put(b, field{name: "item"}, item)
		}
	case []int:
		for _, item := range v {
			put(b, field{name: "item"}, item)
		}
	case list:
		r := recordOf[f.typ]
		for i := range v.n {
			b.WriteString("<item>")
			row := v.row(i)
			for k, inner := range r.fields {
				put(b, inner, row[k])
			}
			b.WriteString("</item>")
		}
	}
	b.WriteString("</")
	b.WriteString(f.name)
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

// list is an array of records: n of them, row i with the values of all fields in order.
// The row may be used again for the next.
type list struct {
	n   int
	row func(i int) []any
}

// timeFormat is that of all times: "2026 03 01 12:05:09".
const timeFormat = "2006 01 02 15:04:05"

// stamp writes a time, and nothing for none.
func (s *Service) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(s.opts.Location).Format(timeFormat)
}

// elapsed writes a duration as "H:MM:SS".
func elapsed(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
