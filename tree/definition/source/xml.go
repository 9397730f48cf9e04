package source

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// xmlSpace is the namespace of Grove's own attributes and, where one is declared, of
// the elements. The prefix "grove" stands for it without being declared.
const xmlSpace = "urn:grove"

// collection says how the entries of an element are written.
type collection struct {
	entry  string // the element of one entry
	list   bool   // the entries make a list; otherwise a map, keyed by their attribute name
	scalar bool   // an entry with no other attribute than value is that scalar
}

// collections has an entry for every element whose entries have an element of their
// own; `entry` and `item` serve in all others.
var collections = map[string]collection{
	"parameters": {entry: "parameter"},
	"templates":  {entry: "template"},
	"monitors":   {entry: "monitor"},
	"probes":     {entry: "probe"},
	"tree":       {entry: "node"},
	"node":       {entry: "node"},
	"nodes":      {entry: "node"},
	"template":   {entry: "node"},
	"rows":       {entry: "table"},
	"with":       {entry: "parameter", scalar: true},
	"labels":     {entry: "label", scalar: true},
	"properties": {entry: "property", scalar: true},
	"states":     {entry: "state", scalar: true},
	"given":      {entry: "node", scalar: true},
	"expect":     {entry: "node", scalar: true},
	"readings":   {entry: "reading", scalar: true},
	"headers":    {entry: "header", scalar: true},
	"tests":      {entry: "test", list: true},
	"steps":      {entry: "step", list: true},
	"table":      {entry: "row", list: true},
	"choices":    {entry: "choice", list: true},
	"choose":     {entry: "application", scalar: true},
	"include":    {entry: "file", list: true},
}

// ReadXML reads an XML file into the same values that ReadYAML makes of YAML. It
// yields documents or errors, never both. The mapping:
//
//   - The root is <grove version="1" …>, a definition, whose version becomes the key
//     "grove"; <instance …>, one instance; or <instances>, one document for each
//     <instance> in it.
//   - An element is a map: its attributes are fields with scalars, then its child
//     elements are fields named like them.
//   - An element without attributes and child elements is the scalar of its text,
//     without the white space around it (kept with xml:space="preserve"), and null
//     when there is none. An attribute that is empty is an empty text.
//   - Keys that are names go into the attribute name of an entry: <tree> and <node>
//     hold <node name="Active" …>, <parameters> and <with> hold <parameter name=…>,
//     <probes> <probe>, <monitors> <monitor>, <templates> <template>, <labels> <label>, <properties>
//     <property>, <states> <state>,
//     <given> and <expect> <node>, <readings> <reading>, <rows> <table>, <headers>
//     <header>, <choose> <application>. <entry name=…> does it in every element.
//   - In <with>, <labels>, <properties>, <states>, <given>, <expect>, <readings>, <headers>, <choose> and for
//     <entry>, an entry whose only other attribute is value is that scalar.
//   - <tests> with <test>, <steps> with <step>, <table> with <row>, <choices> with
//     <choice> and <include> with <file> are lists, and so is every element that
//     holds <item>.
//   - The attribute grove:as settles the rest: "list" and "map" for an empty element,
//     "text" for text that is a text whatever it looks like.
//
// Document types, processing instructions, entities other than XML's own five, text
// beside attributes or elements and encodings other than UTF-8 are errors.
func ReadXML(file string, text []byte) ([]Document, Errors) {
	text, bad := checkText(file, text)
	if bad != nil {
		return nil, Errors{bad}
	}
	// Every element begins with <, so that too many are refused before any is made.
	if bytes.Count(text, []byte("<"))-bytes.Count(text, []byte("</")) > MaxValues {
		return nil, Errors{tooManyValues(Pos{File: file})}
	}
	r := xmlReader{file: file, text: text, line: 1, column: 1}
	r.dec = xml.NewDecoder(bytes.NewReader(text))
	r.dec.CharsetReader = func(label string, _ io.Reader) (io.Reader, error) {
		return nil, errEncoding{label}
	}
	docs := r.documents()
	if len(r.errs) > 0 {
		r.errs.Sort()
		return nil, r.errs
	}
	return docs, nil
}

// errEncoding is an encoding that a file declares and that is not UTF-8.
type errEncoding struct{ label string }

func (e errEncoding) Error() string { return "the encoding is " + cut(e.label) + ", want UTF-8" }

// errStop ends reading after an error that leaves nothing to go on with; it has
// been recorded already.
var errStop = errors.New("stop")

// xmlReader reads elements recursively; its recursion is bounded by MaxDepth.
type xmlReader struct {
	file  string
	text  []byte
	dec   *xml.Decoder
	errs  Errors
	count int // of values so far
	open  []openElement

	// A cursor over text: offset stands in line and column. It only moves on.
	offset, line, column int
}

// openElement is an element that was begun and not closed yet.
type openElement struct {
	name string
	line int
}

// at returns the position of an offset that is not before any asked for earlier.
func (r *xmlReader) at(offset int) Pos {
	for r.offset < offset && r.offset < len(r.text) {
		c, n := utf8.DecodeRune(r.text[r.offset:])
		r.offset += n
		r.column++
		if c == '\n' || c == '\r' && (r.offset == len(r.text) || r.text[r.offset] != '\n') {
			r.line, r.column = r.line+1, 1
		}
	}
	return Pos{r.file, r.line, r.column}
}

// token returns the next token and where it begins.
func (r *xmlReader) token() (xml.Token, int, error) {
	start := int(r.dec.InputOffset())
	tok, err := r.dec.Token()
	if err == nil {
		return tok, start, nil
	}
	if errors.Is(err, io.EOF) {
		return nil, start, io.EOF
	}
	pos := r.at(int(r.dec.InputOffset()))
	var syntax *xml.SyntaxError
	var encoding errEncoding
	switch {
	case errors.As(err, &syntax):
		bad := &Error{Pos: pos, Msg: "not XML: " + syntax.Msg, Err: err}
		switch {
		case syntax.Msg == "unexpected EOF" && len(r.open) > 0:
			last := r.open[len(r.open)-1]
			bad.Msg = fmt.Sprintf("the file ends before <%s> of line %d is closed", last.name, last.line)
		case syntax.Msg == "unexpected EOF":
			bad.Msg = "the file ends in the middle of an element"
		case strings.HasPrefix(syntax.Msg, "invalid character entity"):
			bad.Hint = "write &amp; for &"
		case strings.HasPrefix(syntax.Msg, "expected element name after <"):
			bad.Hint = "write &lt; for <"
		}
		r.errs.Append(bad)
	case errors.As(err, &encoding):
		r.errs.Append(&Error{Pos: pos, Msg: encoding.Error(), Err: err})
	default:
		r.errs.Append(&Error{Pos: pos, Msg: "not XML: " + strings.TrimPrefix(err.Error(), "xml: "), Err: err})
	}
	return nil, start, errStop
}

// misplaced complains about tokens that may stand nowhere. It returns errStop after
// a document type, since what follows may use what that declares.
func (r *xmlReader) misplaced(tok xml.Token, start int) error {
	switch tok := tok.(type) {
	case xml.Directive:
		r.errs.Add(r.at(start), "document types and other <!…> directives are not allowed")
		return errStop
	case xml.ProcInst:
		if tok.Target != "xml" || start != 0 {
			r.errs.Add(r.at(start), "processing instructions are not allowed, except <?xml …?> at the very beginning")
		}
	}
	return nil
}

// documents reads the whole file: one root and nothing beside it but comments.
func (r *xmlReader) documents() []Document {
	var docs []Document
	seen := false
	for {
		tok, start, err := r.token()
		if errors.Is(err, io.EOF) {
			if !seen && len(r.errs) == 0 {
				r.errs.Add(r.at(start), "the file has no element").WithHint(`begin with <grove version="1" application="…">`)
			}
			return docs
		}
		if err != nil {
			return nil
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			pos := r.at(start)
			if seen {
				r.errs.Add(pos, "a second root element <%s>", tok.Name.Local)
				return nil
			}
			seen = true
			if docs, err = r.root(tok, start, pos); err != nil {
				return nil
			}
		case xml.CharData:
			if text := bytes.TrimSpace(tok); len(text) > 0 {
				r.errs.Add(r.at(r.textStart(start)), "text outside of the root element")
			}
		default:
			if r.misplaced(tok, start) != nil {
				return nil
			}
		}
	}
}

func (r *xmlReader) root(tok xml.StartElement, start int, pos Pos) ([]Document, error) {
	switch name := tok.Name.Local; name {
	case "grove":
		v, err := r.element(tok, start, pos, element{name: name, root: true})
		return []Document{{Pos: pos, Value: v}}, err
	case "instance":
		v, err := r.element(tok, start, pos, element{name: name})
		return []Document{{Pos: pos, Value: v}}, err
	case "instances":
		v, err := r.element(tok, start, pos, element{name: name, entries: collection{entry: "instance", list: true}})
		if err == nil && v.Kind != List && !v.Null {
			r.errs.Add(pos, "<instances> holds nothing but <instance>")
		}
		docs := make([]Document, 0, len(v.Items))
		for i := range v.Items {
			docs = append(docs, Document{Pos: v.Items[i].Pos, Value: v.Items[i]})
		}
		return docs, err
	default:
		bad := r.errs.Add(pos, "unknown root element <%s>", name)
		if hint := DidYouMean(name, []string{"grove", "instance", "instances"}); hint != "" {
			bad.WithHint("%s", hint)
		} else {
			bad.WithHint("a file begins with <grove>, <instance> or <instances>")
		}
		return nil, errStop
	}
}

// element is what is known of an element before it is read.
type element struct {
	name    string
	root    bool // <grove>: its version is called grove
	named   bool // an entry: the attribute name is its key, which key receives
	scalar  bool // an entry that is a scalar when it has only a value
	depth   int
	entries collection
	key     *Field
}

// content gathers what an element holds.
type content struct {
	fields  []Field
	items   []Value
	attrs   int // how many of the fields are attributes
	text    []byte
	textPos Pos
	as      string
	asPos   Pos
	keep    bool // white space
}

// element reads an element whose start was just read up to its end.
func (r *xmlReader) element(tok xml.StartElement, start int, pos Pos, e element) (Value, error) {
	null := Value{Pos: pos, Null: true}
	if r.count++; r.count > MaxValues {
		r.errs.Append(tooManyValues(pos))
		return null, errStop
	}
	if e.depth >= MaxDepth {
		r.errs.Append(tooDeep(pos))
		return null, errStop
	}
	if !ownSpace(tok.Name.Space) {
		r.errs.Add(pos, "unknown namespace %q of <%s>", tok.Name.Space, tok.Name.Local)
	}
	if e.entries.entry == "" {
		e.entries = collections[e.name]
	}
	r.open = append(r.open, openElement{e.name, pos.Line})
	defer func() { r.open = r.open[:len(r.open)-1] }()
	var c content
	if err := r.attributes(tok, start, pos, e, &c); err != nil {
		return null, err
	}
	for {
		tok, start, err := r.token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errStop
			}
			return null, err
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			return r.finish(pos, e, &c), nil
		case xml.StartElement:
			if err := r.child(tok, start, e, &c); err != nil {
				return null, err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 && c.textPos.Line == 0 {
				c.textPos = r.at(r.textStart(start))
			}
			c.text = append(c.text, tok...)
		default:
			if err := r.misplaced(tok, start); err != nil {
				return null, err
			}
		}
	}
}

// child reads one child element into a field or an item.
func (r *xmlReader) child(tok xml.StartElement, start int, e element, c *content) error {
	pos := r.at(start)
	name := tok.Name.Local
	inner := element{name: name, depth: e.depth + 1}
	switch {
	case name == "item" || e.entries.list && name == e.entries.entry:
		v, err := r.element(tok, start, pos, inner)
		c.items = append(c.items, v)
		return err
	case name == "entry" || name == e.entries.entry:
		field := Field{Pos: pos}
		inner.named, inner.key = true, &field
		inner.scalar = name == "entry" || e.entries.scalar
		v, err := r.element(tok, start, pos, inner)
		field.Value = v
		c.fields = append(c.fields, field)
		return err
	}
	v, err := r.element(tok, start, pos, inner)
	c.fields = append(c.fields, Field{Key: name, Pos: pos, Value: v})
	return err
}

// attributes reads the attributes of an element into fields.
func (r *xmlReader) attributes(tok xml.StartElement, start int, pos Pos, e element, c *content) error {
	if r.count += len(tok.Attr); r.count > MaxValues {
		r.errs.Append(tooManyValues(pos))
		return errStop
	}
	c.fields = make([]Field, 0, len(tok.Attr))
	places := attributePlaces(r.text[start:r.dec.InputOffset()])
	named := false
	for i, a := range tok.Attr {
		keyPos, valuePos := pos, pos
		if i < len(places) {
			keyPos, valuePos = r.at(start+places[i].key), r.at(start+places[i].value)
		}
		switch space, name := a.Name.Space, a.Name.Local; {
		case name == "xmlns" && space == "" || space == "xmlns":
			continue
		case name == "space" && strings.HasSuffix(space, "/namespace"), name == "space" && space == "xml":
			c.keep = a.Value == "preserve"
			continue
		case name == "as" && (space == "grove" || space == xmlSpace):
			c.as, c.asPos = a.Value, valuePos
			continue
		case space != "":
			r.errs.Add(keyPos, "unknown attribute %s:%s", space, name)
			continue
		case name == "name" && e.named && !named:
			named = true
			e.key.Key, e.key.Pos = a.Value, valuePos
			continue
		}
		key := a.Name.Local
		if e.root && key == "version" {
			key = "grove"
		}
		v := Value{Kind: Scalar, Pos: valuePos, Text: a.Value, Quoted: a.Value == ""}
		c.fields = append(c.fields, Field{Key: key, Pos: keyPos, Value: v})
	}
	c.attrs = len(c.fields)
	if e.named && !named {
		r.errs.Add(pos, "<%s> needs a name", e.name).WithHint(`<%s name="…">`, e.name)
	}
	return nil
}

// finish makes the value of what was read.
func (r *xmlReader) finish(pos Pos, e element, c *content) Value {
	hasText := c.textPos.Line > 0 || c.keep && len(c.text) > 0
	switch {
	case len(c.items) > 0 && len(c.fields) > 0:
		r.errs.Add(pos, "<%s> is a list and cannot have attributes or other elements too", e.name)
	case hasText && len(c.items) > 0, hasText && len(c.fields) > c.attrs:
		r.errs.Add(c.textPos, "text beside elements in <%s>", e.name)
	case hasText && len(c.fields) > 0:
		r.errs.Add(c.textPos, "text in <%s>, which has attributes already", e.name).
			WithHint("make the text an attribute or an element of its own")
	}
	v := Value{Pos: pos}
	switch {
	case len(c.items) > 0:
		v.Kind, v.Items = List, c.items
	case len(c.fields) == 1 && c.attrs == 1 && e.scalar && c.fields[0].Key == "value":
		v = c.fields[0].Value
	case len(c.fields) > 0:
		v.Kind, v.Fields = Map, c.fields
		checkKeys(v.Fields, &r.errs)
	case hasText:
		if c.keep {
			v.Text = string(c.text)
		} else {
			v.Text = string(bytes.TrimSpace(c.text))
		}
		if c.textPos.Line > 0 {
			v.Pos = c.textPos
		}
	default:
		v.Null = true
	}
	r.coerce(&v, c)
	return v
}

// coerce applies the attribute grove:as.
func (r *xmlReader) coerce(v *Value, c *content) {
	fits := true
	switch c.as {
	case "":
		return
	case "text":
		fits = v.Kind == Scalar
		v.Quoted, v.Null = true, false
	case "list":
		fits = v.Null || v.Kind == List
		v.Kind, v.Null = List, false
	case "map":
		fits = v.Null || v.Kind == Map
		v.Kind, v.Null = Map, false
	default:
		r.errs.Add(c.asPos, `grove:as is "list", "map" or "text", not %q`, cut(c.as))
		return
	}
	if !fits {
		r.errs.Add(c.asPos, "grove:as=%q does not fit what the element holds", c.as)
	}
}

func ownSpace(space string) bool { return space == "" || space == xmlSpace || space == "grove" }

// textStart returns the offset of the first character of a text token that is not
// white space.
func (r *xmlReader) textStart(start int) int {
	rest := bytes.TrimPrefix(r.text[start:], []byte("<![CDATA["))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(r.text) - len(rest)
}

// place is where an attribute stands in its start tag, in bytes: its name, and the
// first character between its quotes.
type place struct{ key, value int }

// attributePlaces finds the attributes in a start tag that the decoder has accepted.
func attributePlaces(tag []byte) []place {
	const space = " \t\r\n"
	var out []place
	i := bytes.IndexAny(tag, space)
	for i >= 0 {
		i = len(tag) - len(bytes.TrimLeft(tag[i:], space))
		equal := bytes.IndexByte(tag[i:], '=')
		if equal < 0 {
			return out
		}
		quote := i + equal + 1
		quote = len(tag) - len(bytes.TrimLeft(tag[quote:], space))
		if quote >= len(tag) {
			return out
		}
		end := bytes.IndexByte(tag[quote+1:], tag[quote])
		if end < 0 {
			return out
		}
		out = append(out, place{key: i, value: quote + 1})
		i = quote + 1 + end + 1
	}
	return out
}
