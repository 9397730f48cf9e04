package document

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/magiconair/properties"
	"gopkg.in/ini.v1"
)

// flat is a document of keys and values: INI, properties and CSV. What is in a section or
// a row has the name of that before it: "section.key".
type flat struct {
	keys     []string // in the order of the document
	values   map[string]string
	sections []flatRow
}

// flatRow is a section, or a row.
type flatRow struct {
	name   string
	values map[string]string
}

func (r flatRow) find(p place) any {
	if p.text == keyColumn {
		return r.name
	}
	if v, ok := r.values[p.text]; ok {
		return v
	}
	return nil
}

func (f *flat) add(key, value string) error {
	if len(f.keys) >= maxLeaves {
		return errMany
	}
	if _, twice := f.values[key]; !twice {
		f.keys = append(f.keys, key)
	}
	f.values[key] = value
	return nil
}

func (f *flat) find(p place) (any, error) {
	if v, ok := f.values[p.text]; ok {
		return v, nil
	}
	return nil, errNothing
}

func (f *flat) rows(place) ([]row, error) {
	rows := make([]row, len(f.sections))
	for i, s := range f.sections {
		rows[i] = s
	}
	return rows, nil
}

func (f *flat) leaves(yield func(path, value string) bool) {
	for _, key := range f.keys {
		if !yield(key, f.values[key]) {
			return
		}
	}
}

// parseINI takes values as they stand: nothing in them is expanded.
func parseINI(b []byte) (document, error) {
	file, err := ini.LoadSources(ini.LoadOptions{AllowBooleanKeys: true, KeyValueDelimiters: "="}, b)
	if err != nil {
		return nil, fmt.Errorf("is not INI: %w", err)
	}
	f := &flat{values: map[string]string{}}
	for _, s := range file.Sections() {
		r := flatRow{name: s.Name(), values: map[string]string{}}
		prefix := s.Name() + "."
		if s.Name() == ini.DefaultSection {
			prefix = "" // what stands before the first section
		}
		for _, k := range s.Keys() {
			r.values[k.Name()] = k.Value()
			if err := f.add(prefix+k.Name(), k.Value()); err != nil {
				return nil, err
			}
		}
		if prefix != "" {
			f.sections = append(f.sections, r)
		}
	}
	return f, nil
}

// parseProperties takes values as they stand: ${…} would else be filled in from the
// environment of the manager, where secrets are.
func parseProperties(b []byte) (document, error) {
	loader := &properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	p, err := loader.LoadBytes(b)
	if err != nil {
		return nil, fmt.Errorf("is no file of properties: %w", err)
	}
	f := &flat{values: map[string]string{}}
	for _, key := range p.Keys() {
		v, _ := p.Get(key)
		if err := f.add(key, v); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// CSV says how a document of separated values is written.
type CSV struct {
	Delimiter string `yaml:"delimiter,omitempty" jsonschema:"description=What separates values: one character; a comma when empty. A tab is written \\\\t."`
	Comment   string `yaml:"comment,omitempty" jsonschema:"description=Character with which lines begin that are no rows."`
	NoHeader  bool   `yaml:"no_header,omitempty" jsonschema:"description=Whether the first line is a row already and not the names of the columns\\, which are 1\\, 2\\, 3 then."`
	Key       string `yaml:"key,omitempty" jsonschema:"description=Column by whose values rows are named in places such as web1.state and in what changed; the number of the row when empty."`
}

// check says which option is wrong.
func (c CSV) separators() (delimiter, comment rune, err error) {
	one := func(s string, otherwise rune) (rune, error) {
		runes := []rune(strings.ReplaceAll(s, `\t`, "\t"))
		switch len(runes) {
		case 0:
			return otherwise, nil
		case 1:
			if runes[0] != '"' && runes[0] != '\n' && runes[0] != '\r' && runes[0] != '�' {
				return runes[0], nil
			}
		}
		return 0, fmt.Errorf("%q is not one character that separates", s)
	}
	if delimiter, err = one(c.Delimiter, ','); err != nil {
		return 0, 0, fmt.Errorf("delimiter: %w", err)
	}
	if comment, err = one(c.Comment, 0); err != nil || comment == delimiter {
		return 0, 0, errors.New("comment: is not one character, or the delimiter")
	}
	return delimiter, comment, nil
}

// parseCSV reads rows by RFC 4180, of any number of values each.
func parseCSV(b []byte, o CSV) (document, error) {
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = -1, true, true
	var err error
	if r.Comma, r.Comment, err = o.separators(); err != nil {
		return nil, err
	}
	f := &flat{values: map[string]string{}}
	var header []string
	for number := 1; ; {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, fmt.Errorf("is not CSV: %w", err)
		}
		if header == nil && !o.NoHeader {
			for _, name := range record {
				header = append(header, strings.TrimSpace(name))
			}
			continue
		}
		row := flatRow{name: strconv.Itoa(number), values: make(map[string]string, len(record))}
		for i, v := range record {
			column := strconv.Itoa(i + 1)
			if !o.NoHeader {
				if i >= len(header) {
					break
				}
				column = header[i]
			}
			row.values[column] = strings.TrimSpace(v)
		}
		if name := row.values[o.Key]; o.Key != "" && name != "" {
			row.name = name
		}
		f.sections = append(f.sections, row)
		for _, column := range sortedKeys(row.values) {
			if err := f.add(row.name+"."+column, row.values[column]); err != nil {
				return nil, err
			}
		}
		number++
	}
}
