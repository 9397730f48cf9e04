package soap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Bounds of a request.
const (
	MaxBody  = 1 << 20 // bytes
	maxDepth = 16      // elements within each other
	maxItems = 1000    // in an array
	maxText  = 4096    // bytes of one parameter
)

// Request is what the body of a SOAP message asks for.
type Request struct {
	Function string
	Args     map[string]string   // parameters by their local names
	Items    map[string][]string // of the arrays among them
}

// Integer reads a parameter of type int; one that is missing is 0, since there are clients
// that leave out what is 0.
func (r *Request) Integer(name string) (int, error) {
	text := strings.TrimSpace(r.Args[name])
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, ClientFault("%s: %q is no whole number of 32 bits", name, Clip(text))
	}
	return int(n), nil
}

// Read reads one SOAP 1.1 message. Every error is a *Fault.
func Read(body io.Reader) (*Request, error) {
	r := &reader{d: xml.NewDecoder(body)}
	req, err := r.envelope()
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, asFault(err)
	}
	return req, nil
}

// asFault says in the client's words what was wrong with a message.
func asFault(err error) *Fault {
	var f *Fault
	var syntax *xml.SyntaxError
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &long):
		return ClientFault("the body has more than %d bytes", long.Limit)
	case errors.As(err, &syntax):
		return ClientFault("the body is not well-formed XML: line %d: %s", syntax.Line, syntax.Msg)
	case errors.Is(err, io.EOF):
		return ClientFault("the body ends within the message")
	}
	return ClientFault("the body cannot be read: %s", Clip(err.Error()))
}

// reader reads XML with a bound on its depth and without what no SOAP message has.
type reader struct {
	d     *xml.Decoder
	depth int
}

// token returns the next start, end or text.
func (r *reader) token() (xml.Token, error) {
	for {
		tok, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if r.depth++; r.depth > maxDepth {
				return nil, ClientFault("elements are deeper than %d", maxDepth)
			}
			return tok, nil
		case xml.EndElement:
			r.depth--
			return tok, nil
		case xml.CharData:
			return tok, nil
		case xml.Directive:
			return nil, ClientFault("a SOAP message has no document type declaration")
		case xml.ProcInst:
			if tok.Target != "xml" {
				return nil, ClientFault("a SOAP message has no processing instructions")
			}
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
		case xml.CharData:
			if strings.TrimSpace(string(tok)) != "" {
				return e, false, ClientFault("the text %q stands where an element is expected", Clip(strings.TrimSpace(string(tok))))
			}
		}
	}
}

// skip reads to the end of the present element.
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

func (r *reader) envelope() (*Request, error) {
	e, ok, err := r.start()
	switch {
	case err != nil:
		return nil, err
	case !ok || e.Name.Local != "Envelope":
		return nil, ClientFault("the body is no SOAP envelope")
	case e.Name.Space == soap12Namespace:
		return nil, &Fault{Code: "VersionMismatch", Text: "the service speaks SOAP 1.1, not 1.2"}
	case e.Name.Space != soapNamespace:
		return nil, &Fault{Code: "VersionMismatch", Text: "the envelope is not one of SOAP 1.1"}
	}
	e, ok, err = r.start()
	if err == nil && ok && e.Name == (xml.Name{Space: soapNamespace, Local: "Header"}) {
		if err = r.header(); err == nil {
			e, ok, err = r.start()
		}
	}
	if err != nil {
		return nil, err
	}
	if !ok || e.Name != (xml.Name{Space: soapNamespace, Local: "Body"}) {
		return nil, ClientFault("the envelope has no body")
	}
	req, err := r.body()
	if err != nil {
		return nil, err
	}
	// Elements may follow the body in SOAP 1.1, section 4; nothing here knows any.
	for ok := true; ok; {
		if _, ok, err = r.start(); err == nil && ok {
			err = r.skip()
		}
		if err != nil {
			return nil, err
		}
	}
	return req, nil
}

// header refuses what must be understood: nothing in a header is (SOAP 1.1, section
// 4.2.3).
func (r *reader) header() error {
	for {
		e, ok, err := r.start()
		if err != nil || !ok {
			return err
		}
		for _, a := range e.Attr {
			if a.Name == (xml.Name{Space: soapNamespace, Local: "mustUnderstand"}) && a.Value != "0" {
				return &Fault{Code: "MustUnderstand", Text: fmt.Sprintf("the header %q is not understood", Clip(e.Name.Local))}
			}
		}
		if err := r.skip(); err != nil {
			return err
		}
	}
}

func (r *reader) body() (*Request, error) {
	e, ok, err := r.start()
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, ClientFault("the body of the envelope is empty")
	case e.Name.Space != Namespace:
		// In the words of gSOAP, by which clients know it.
		return nil, ClientFault("Method '%s' not implemented: method name or namespace not recognized", Clip(e.Name.Local))
	}
	req := &Request{Function: e.Name.Local, Args: map[string]string{}, Items: map[string][]string{}}
	if err := r.arguments(req); err != nil {
		return nil, err
	}
	switch _, more, err := r.start(); {
	case err != nil:
		return nil, err
	case more:
		return nil, ClientFault("the body of the envelope has more than one element")
	}
	return req, nil
}

// arguments reads the parameters. Their namespace is not looked at: the WSDL says that
// they have none, and widespread clients give them the function's.
func (r *reader) arguments(req *Request) error {
	for {
		e, ok, err := r.start()
		if err != nil || !ok {
			return err
		}
		name := e.Name.Local
		if _, twice := req.Args[name]; twice {
			return ClientFault("the parameter %q is there twice", Clip(name))
		}
		if len(req.Args) == maxItems {
			return ClientFault("there are more than %d parameters", maxItems)
		}
		text, items, err := r.argument(name)
		if err != nil {
			return err
		}
		req.Args[name] = text
		if items != nil {
			req.Items[name] = items
		}
	}
}

// argument reads one parameter: a text, or items each with a text.
func (r *reader) argument(name string) (text string, items []string, err error) {
	var b strings.Builder
	for {
		tok, err := r.token()
		if err != nil {
			return "", nil, err
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			return b.String(), items, nil
		case xml.CharData:
			if b.Len()+len(tok) > maxText {
				return "", nil, ClientFault("%s has more than %d bytes", Clip(name), maxText)
			}
			b.Write(tok)
		case xml.StartElement:
			if len(items) == maxItems {
				return "", nil, ClientFault("%s has more than %d items", Clip(name), maxItems)
			}
			item, inner, err := r.argument(name)
			if err != nil {
				return "", nil, err
			}
			if inner != nil {
				return "", nil, ClientFault("%s has elements within its items", Clip(name))
			}
			items = append(items, item)
		}
	}
}

// end refuses what follows the envelope.
func (r *reader) end() error {
	for {
		switch tok, err := r.token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			if text, isText := tok.(xml.CharData); isText && strings.TrimSpace(string(text)) == "" {
				continue
			}
			return ClientFault("something follows the envelope")
		}
	}
}

// Clip shortens a client's text for an error message.
func Clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
