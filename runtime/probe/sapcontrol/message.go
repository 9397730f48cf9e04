package sapcontrol

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	soapNamespace = "http://schemas.xmlsoap.org/soap/envelope/" // SOAP 1.1
	namespace     = "urn:SAPControl"
	maxDepth      = 16      // elements within each other
	maxItems      = 200_000 // in one answer
	maxText       = 4096    // bytes of one value; what is longer is cut
)

// question writes the message that asks for a function.
func question(name string, parameters ...[2]string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soapNamespace + `"><SOAP-ENV:Body><n:` + name + ` xmlns:n="` + namespace + `">`)
	for _, p := range parameters { // numbers and names of this program's
		b.WriteString("<" + p[0] + ">" + p[1] + "</" + p[0] + ">")
	}
	b.WriteString(`</n:` + name + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`)
	return b.String()
}

// record is one item of an array, or the plain values of an answer, by the names of
// their elements.
type record map[string]string

// answer is what came back: plain values and the items of arrays.
type answer struct {
	plain record
	items []record
}

// faultError is what the system says of a question that it does not answer.
type faultError struct{ text string }

// Error implements error.
func (e *faultError) Error() string { return e.text }

// readAnswer reads a message whose body holds an element of the given name. A fault is a
// *faultError.
func readAnswer(body io.Reader, name string) (*answer, error) {
	r := &reader{d: xml.NewDecoder(body)}
	for _, want := range []string{"Envelope", "Body"} {
		e, ok, err := r.start()
		for err == nil && ok && want == "Body" && e.Name.Local == "Header" {
			if err = r.skip(); err == nil {
				e, ok, err = r.start()
			}
		}
		if err != nil {
			return nil, r.explain(err)
		}
		if !ok || e.Name != (xml.Name{Space: soapNamespace, Local: want}) {
			return nil, errors.New("the answer is no SOAP message")
		}
	}
	e, ok, err := r.start()
	switch {
	case err != nil:
		return nil, r.explain(err)
	case !ok:
		return nil, errors.New("the answer is empty")
	case e.Name == (xml.Name{Space: soapNamespace, Local: "Fault"}):
		a, err := r.values()
		if err != nil {
			return nil, r.explain(err)
		}
		text := clean(a.plain["faultstring"], maxError)
		if text == "" {
			text = "a fault without a text"
		}
		return nil, &faultError{text}
	case e.Name != (xml.Name{Space: namespace, Local: name}):
		return nil, fmt.Errorf("the answer is %q, not %s", clean(e.Name.Local, 80), name)
	}
	a, err := r.values()
	if err != nil {
		return nil, r.explain(err)
	}
	return a, nil
}

// reader reads XML with bounds and without what no SOAP message has.
type reader struct {
	d     *xml.Decoder
	depth int
	count int // items so far
}

var errStrange = errors.New("the answer has a document type declaration")

func (r *reader) explain(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("the answer is not well-formed XML: line %d: %s", syntax.Line, clean(syntax.Msg, 200))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the answer breaks off")
	}
	return err
}

func (r *reader) token() (xml.Token, error) {
	for {
		tok, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		switch tok.(type) {
		case xml.StartElement:
			if r.depth++; r.depth > maxDepth {
				return nil, fmt.Errorf("the answer has elements deeper than %d", maxDepth)
			}
			return tok, nil
		case xml.EndElement:
			r.depth--
			return tok, nil
		case xml.CharData:
			return tok, nil
		case xml.Directive:
			return nil, errStrange
		}
	}
}

// start returns the next element; ok is false when the surrounding one ends.
func (r *reader) start() (e xml.StartElement, ok bool, err error) {
	for {
		tok, err := r.token()
		if err != nil {
			return e, false, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			return tok, true, nil
		case xml.EndElement:
			return e, false, nil
		}
	}
}

func (r *reader) skip() error {
	for depth := 1; depth > 0; {
		tok, err := r.token()
		if err != nil {
			return err
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// values reads the children of the present element: plain ones, and items one level
// below.
func (r *reader) values() (*answer, error) {
	a := &answer{plain: record{}}
	for {
		e, ok, err := r.start()
		if err != nil || !ok {
			return a, err
		}
		text, items, err := r.value(true)
		if err != nil {
			return nil, err
		}
		if items == nil {
			a.plain[e.Name.Local] = text
		}
		a.items = append(a.items, items...)
	}
}

// value reads what is in the present element: a text, or where an array may be its items.
func (r *reader) value(array bool) (text string, items []record, err error) {
	var b strings.Builder
	for {
		tok, err := r.token()
		if err != nil {
			return "", nil, err
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			return strings.ToValidUTF8(b.String(), ""), items, nil
		case xml.CharData:
			if room := maxText - b.Len(); room > 0 {
				b.Write(tok[:min(room, len(tok))])
			}
		case xml.StartElement:
			if !array {
				if err := r.skip(); err != nil {
					return "", nil, err
				}
				continue
			}
			if r.count++; r.count > maxItems {
				return "", nil, fmt.Errorf("the answer has more than %d items", maxItems)
			}
			item, err := r.item()
			if err != nil {
				return "", nil, err
			}
			items = append(items, item)
		}
	}
}

func (r *reader) item() (record, error) {
	item := record{}
	for {
		e, ok, err := r.start()
		if err != nil || !ok {
			return item, err
		}
		text, _, err := r.value(false)
		if err != nil {
			return nil, err
		}
		item[e.Name.Local] = text
	}
}
