package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	nethttp "net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ohler55/ojg/jp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

const (
	// maxText bounds the text of an attribute, in bytes.
	maxText = 1000
	// maxDescents bounds the ".." of one JSONPath: each multiplies the work.
	maxDescents = 2
)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// extractor reads attributes from answers.
type extractor struct {
	items []item // sorted by name
	regex *regexp.Regexp
	json  bool // whether any item is found by JSONPath
}

// item is one extracted attribute: exactly one of group, path and header is set.
type item struct {
	name   string
	option string
	group  int
	path   jp.Expr
	header string
	text   bool
	info   beans.AttributeInfo
}

func newExtractor(o Extract) (*extractor, error) {
	e := &extractor{json: len(o.JSON) > 0}
	var err error
	if e.regex, err = compile("extract.regex", o.Regex); err != nil {
		return nil, err
	}
	if e.regex != nil {
		for i, name := range e.regex.SubexpNames() {
			if name != "" {
				e.items = append(e.items, item{name: name, option: "extract.regex", group: i})
			}
		}
		if len(e.items) == 0 {
			return nil, probe.BadOption("extract.regex", "has no named group: write (?P<name>…) around what the attribute is")
		}
	}
	for _, name := range sortedKeys(o.JSON) {
		option := "extract.json." + name
		path, err := parsePath(o.JSON[name])
		if err != nil {
			return nil, probe.BadOption(option, "%w", err)
		}
		e.items = append(e.items, item{name: name, option: option, path: path})
	}
	for _, name := range sortedKeys(o.Header) {
		option := "extract.header." + name
		if !isToken(o.Header[name]) {
			return nil, probe.BadOption(option, "%q is no name of a header", o.Header[name])
		}
		e.items = append(e.items, item{name: name, option: option, header: o.Header[name], text: true})
	}
	if len(e.items) > maxExtracts {
		return nil, probe.BadOption("extract", "%d attributes are more than the %d that are allowed", len(e.items), maxExtracts)
	}
	if err := e.describe(o.Attributes); err != nil {
		return nil, err
	}
	return e, nil
}

// describe checks the names and fills in what the definition says of the attributes.
func (e *extractor) describe(described map[string]Extracted) error {
	seen := map[string]bool{}
	for i := range e.items {
		it := &e.items[i]
		switch {
		case !identifier.MatchString(it.name):
			return probe.BadOption(it.option, "%q is no name of an attribute: letters, digits and underscores", it.name)
		case slices.ContainsFunc(fixedAttributes, func(a beans.AttributeInfo) bool { return a.Name == it.name }) || it.name == matchedAttribute.Name:
			return probe.BadOption(it.option, "%q is an attribute that every probe of the kind has", it.name)
		case seen[it.name]:
			return probe.BadOption(it.option, "%q is extracted twice", it.name)
		}
		seen[it.name] = true
		it.info = beans.AttributeInfo{Name: it.name, Type: beans.TypeFloat, Readable: true, Description: "Read from the answer by " + it.option + "."}
		d := described[it.name]
		option := "extract.attributes." + it.name
		switch d.Type {
		case "":
		case "number":
			it.text = false
		case "counter":
			it.text = false
			it.info.Descriptor = map[string]string{"metricType": "counter"}
		case "text":
			it.text = true
		default:
			return probe.BadOption(option+".type", "%q is none of number, counter, text", d.Type)
		}
		if it.text {
			it.info.Type = beans.TypeString
			if d.Unit != "" {
				return probe.BadOption(option+".unit", "a text has no unit")
			}
		}
		it.info.Unit = d.Unit
		if d.Description != "" {
			it.info.Description = d.Description
		}
	}
	for _, name := range sortedKeys(described) {
		if !seen[name] {
			return probe.BadOption("extract.attributes", "%q is extracted by none of regex, json and header", name)
		}
	}
	return nil
}

func parsePath(text string) (jp.Expr, error) {
	if text == "" {
		return nil, errors.New("the JSONPath is missing")
	}
	if len(text) > maxExpression {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(text), maxExpression)
	}
	path, err := jp.ParseString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no JSONPath: %w", text, err)
	}
	descents := 0
	for _, fragment := range path {
		switch fragment.(type) {
		case jp.Descent:
			descents++
		case *jp.Proc:
			return nil, fmt.Errorf("%q is no JSONPath: procedures are not supported", text)
		}
	}
	if descents > maxDescents {
		return nil, fmt.Errorf("%q descends by .. %d times, more than %d", text, descents, maxDescents)
	}
	return path, nil
}

// extract reads all attributes that the answer has; the error names the others.
func (e *extractor) extract(header nethttp.Header, body []byte, into *probe.Result) error {
	var errs []error
	var groups []string
	if e.regex != nil {
		m := e.regex.FindSubmatchIndex(body)
		if m == nil {
			errs = append(errs, errors.New("extract.regex: the body does not match"))
		} else {
			groups = make([]string, len(m)/2)
			for i := range groups {
				if m[2*i] >= 0 {
					groups[i] = string(body[m[2*i]:m[2*i+1]])
				}
			}
		}
	}
	var document any
	if e.json {
		if err := json.Unmarshal(body, &document); err != nil {
			errs = append(errs, fmt.Errorf("extract.json: the body is not JSON: %w", err))
			document = nil
		}
	}
	for _, it := range e.items {
		var found any
		switch {
		case it.path != nil:
			if document == nil {
				continue
			}
			values := it.path.Get(document)
			if len(values) != 1 {
				errs = append(errs, fmt.Errorf("%s: %s finds %d values, want one", it.option, it.path, len(values)))
				continue
			}
			found = values[0]
		case it.header != "":
			v := header.Get(it.header)
			if v == "" {
				errs = append(errs, fmt.Errorf("%s: the answer has no header %s", it.option, it.header))
				continue
			}
			found = v
		default:
			if groups == nil {
				continue
			}
			found = groups[it.group]
		}
		v, err := it.value(found)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", it.option, it.name, err))
			continue
		}
		into.Add(it.name, v)
	}
	return errors.Join(errs...)
}

// value makes of what was found a number or a text, as the attribute is.
func (it *item) value(found any) (tree.Value, error) {
	if it.text {
		switch v := found.(type) {
		case string:
			return tree.Text(clean(v, maxText)), nil
		case nil:
			return tree.Value{}, errors.New("is null")
		}
		b, err := json.Marshal(found)
		if err != nil {
			return tree.Value{}, err
		}
		return tree.Text(clean(string(b), maxText)), nil
	}
	switch v := found.(type) {
	case float64:
		return tree.Number(v), nil
	case bool:
		return tree.Bool(v), nil
	case nil:
		return tree.Value{}, errors.New("is null")
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return tree.Value{}, fmt.Errorf("%q is not a number", clean(v, 100))
		}
		return tree.Number(n), nil
	}
	return tree.Value{}, errors.New("is a list or an object, not a number")
}

// clean makes a text of the network fit to be shown: valid, in one line, bounded.
func clean(s string, most int) string {
	if len(s) > most {
		// Cut before looking at all of it; a rune that is cut in two goes with the next line.
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '�'
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return ' '
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069: // writing direction
			return ' '
		}
		return r
	}, s)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
