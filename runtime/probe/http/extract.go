package http

import (
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"regexp"
	"slices"

	"github.com/ohler55/ojg/jp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/extract"
	"grove/tree"
)

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
	field  extract.Field
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
		path, err := extract.JSONPath(o.JSON[name])
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
		case !extract.IsName(it.name):
			return probe.BadOption(it.option, "%q is no name of an attribute: letters, digits and underscores", it.name)
		case slices.ContainsFunc(fixedAttributes, func(a beans.AttributeInfo) bool { return a.Name == it.name }) || it.name == matchedAttribute.Name:
			return probe.BadOption(it.option, "%q is an attribute that every probe of the kind has", it.name)
		case seen[it.name]:
			return probe.BadOption(it.option, "%q is extracted twice", it.name)
		}
		seen[it.name] = true
		d := described[it.name]
		if d.Type == "" && it.text {
			d.Type = "text"
		}
		if d.Description == "" {
			d.Description = "Read from the answer by " + it.option + "."
		}
		fields, err := extract.Fields("extract.attributes", map[string]extract.Attribute{it.name: {Type: d.Type, Unit: d.Unit, Description: d.Description}})
		if err != nil {
			return err
		}
		it.field = fields[0]
	}
	for _, name := range sortedKeys(described) {
		if !seen[name] {
			return probe.BadOption("extract.attributes", "%q is extracted by none of regex, json and header", name)
		}
	}
	return nil
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

// value makes of what was found a value of the attribute's type.
func (it *item) value(found any) (tree.Value, error) {
	if found == nil {
		return tree.Value{}, errors.New("is null")
	}
	return it.field.Value(found)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
