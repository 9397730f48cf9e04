package document

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The bounds of what is read.
const (
	defaultSize = 1 << 20  // bytes
	maxSize     = 16 << 20 // bytes
	maxDepth    = 200      // of elements within elements
	maxLeaves   = 200_000  // values of one document
)

// The formats.
const (
	formatJSON       = "json"
	formatXML        = "xml"
	formatCSV        = "csv"
	formatINI        = "ini"
	formatProperties = "properties"
)

var formats = []string{formatJSON, formatXML, formatCSV, formatINI, formatProperties}

// keyColumn is the column of a table that is made of what a row is found by: the name in
// an object or a section's, else its number from 1.
const keyColumn = "@key"

// document is one that was parsed.
type document interface {
	// find returns what is at a place: nil for null, an error when there is not one value.
	find(place) (any, error)
	// rows returns what is at the place of a table's rows.
	rows(place) ([]row, error)
	// leaves calls yield for every single value until it returns false: its path, and the
	// value as text.
	leaves(yield func(path, value string) bool)
}

// row is one row of a table.
type row interface {
	// find returns the cell at a place in the row; nil where there is none.
	find(place) any
}

// place is where something is found, read from a definition for one format.
type place struct {
	text string
	json jsonPath
	xml  xmlPath
}

// newPlace reads a place in a document, or in a row of one.
func newPlace(format, text string) (place, error) {
	p := place{text: text}
	if text == keyColumn {
		return p, nil
	}
	var err error
	switch format {
	case formatJSON:
		p.json, err = newJSONPath(text)
	case formatXML:
		p.xml, err = newXMLPath(text)
	}
	return p, err
}

// guess tells the format by the end of a name.
func guess(name string) (string, error) {
	switch ext := strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")); {
	case slices.Contains(formats, ext):
		return ext, nil
	case ext == "tsv":
		return formatCSV, nil
	case ext == "conf" || ext == "cnf" || ext == "cfg" || ext == "service":
		return formatINI, nil
	}
	return "", fmt.Errorf("is missing: the name does not tell it; one of %s", strings.Join(formats, ", "))
}

// parse reads a document of a format.
func (o *plan) parse(b []byte, contentType string) (document, error) {
	text, labelled, err := o.decode(b, contentType)
	if err != nil {
		return nil, err
	}
	switch o.format {
	case formatJSON:
		return parseJSON(text)
	case formatXML:
		return parseXML(text, labelled)
	case formatCSV:
		return parseCSV(text, o.csv)
	case formatINI:
		return parseINI(text)
	}
	return parseProperties(text)
}

var errMany = fmt.Errorf("has more than %d values", maxLeaves)

// errNothing is what is found where nothing is.
var errNothing = errors.New("finds nothing")
