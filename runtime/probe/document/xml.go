package document

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"

	"grove/runtime/probe/extract"
)

type xmlPath = *xpath.Expr

// newXMLPath reads an XPath. The library panics over some that make no sense.
func newXMLPath(text string) (path xmlPath, err error) {
	defer guard(&err)
	if text == "" || len(text) > extract.MaxFrom {
		return nil, fmt.Errorf("the XPath has %d bytes: there must be from 1 to %d", len(text), extract.MaxFrom)
	}
	path, err = xpath.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no XPath: %w", text, err)
	}
	return path, nil
}

// guard makes an error of a panic of the library, which uses panics for mistakes in
// paths, and of a walker that went too far.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the XPath cannot be followed: %v", r)
	}
}

type xmlDocument struct{ root *xmlquery.Node }

// parseXML reads XML. Entities of a document type are not known to the decoder, so that
// none is expanded; a document that uses one is malformed.
func parseXML(b []byte, labelled bool) (document, error) {
	reader := charsetReader(labelled)
	if err := checkDepth(b, reader); err != nil {
		return nil, err
	}
	root, err := xmlquery.ParseWithOptions(bytes.NewReader(b), xmlquery.ParserOptions{Decoder: &xmlquery.DecoderOptions{Strict: true, CharsetReader: reader}})
	if err != nil {
		return nil, fmt.Errorf("is not XML: %w", err)
	}
	return xmlDocument{root}, nil
}

// checkDepth refuses what the library would follow too deep, or make too much of.
func checkDepth(b []byte, reader func(string, io.Reader) (io.Reader, error)) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = reader
	depth, nodes := 0, 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is not XML: %w", err)
		}
		nodes++
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			nodes += len(t.Attr)
		case xml.EndElement:
			depth--
		}
		switch {
		case depth > maxDepth:
			return fmt.Errorf("has elements within elements more than %d deep", maxDepth)
		case nodes > 2*maxLeaves:
			return errMany
		}
	}
}

// evaluate returns what a path finds below a node: a number, a truth value, a text, or the
// texts of nodes.
func evaluate(n *xmlquery.Node, path xmlPath) (found any, texts []string, err error) {
	defer guard(&err)
	// An expression keeps state while it is evaluated; a probe does that in one goroutine.
	switch v := path.Evaluate(newWalker(n)).(type) {
	case *xpath.NodeIterator:
		for v.MoveNext() {
			if len(texts) >= extract.MaxRows {
				return nil, nil, fmt.Errorf("finds more than %d nodes", extract.MaxRows)
			}
			texts = append(texts, strings.TrimSpace(v.Current().Value()))
		}
		return nil, texts, nil
	default:
		return v, nil, nil
	}
}

func (d xmlDocument) find(p place) (any, error) {
	found, texts, err := evaluate(d.root, p.xml)
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		return found, nil
	case len(texts) == 1:
		return texts[0], nil
	case len(texts) == 0:
		return nil, errNothing
	}
	return nil, fmt.Errorf("finds %d nodes, want one", len(texts))
}

// xmlRow is a node.
type xmlRow struct {
	number int
	node   *xmlquery.Node
}

func (r xmlRow) find(p place) any {
	if p.text == keyColumn {
		return strconv.Itoa(r.number)
	}
	found, texts, err := evaluate(r.node, p.xml)
	if err == nil && found == nil && len(texts) > 0 {
		return texts[0]
	}
	return found
}

func (d xmlDocument) rows(p place) (rows []row, err error) {
	defer guard(&err)
	nodes, ok := p.xml.Evaluate(newWalker(d.root)).(*xpath.NodeIterator)
	if !ok {
		return nil, errors.New("finds no elements")
	}
	for nodes.MoveNext() {
		if len(rows) > extract.MaxRows {
			break // The table says that there are too many.
		}
		rows = append(rows, xmlRow{len(rows) + 1, nodes.Current().(*walker).Current()})
	}
	if len(rows) == 0 {
		return nil, errNothing
	}
	return rows, nil
}

func (d xmlDocument) leaves(yield func(path, value string) bool) { xmlLeaves("", d.root, yield) }

// xmlLeaves goes through attributes and the texts of elements without elements. Siblings
// of one name are told apart by their number.
func xmlLeaves(at string, n *xmlquery.Node, yield func(path, value string) bool) bool {
	for _, a := range n.Attr {
		if n.Type == xmlquery.ElementNode && !yield(at+"/@"+a.Name.Local, a.Value) {
			return false
		}
	}
	counts := map[string]int{}
	elements := 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != xmlquery.ElementNode {
			continue
		}
		elements++
		counts[c.Data]++
		path := at + "/" + c.Data
		if counts[c.Data] > 1 {
			path += "[" + strconv.Itoa(counts[c.Data]) + "]"
		}
		if !xmlLeaves(path, c, yield) {
			return false
		}
	}
	if elements > 0 || n.Type != xmlquery.ElementNode {
		return true
	}
	return yield(at, strings.TrimSpace(n.InnerText()))
}
