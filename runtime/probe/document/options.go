package document

import (
	"maps"
	"net/url"
	"path"
	"slices"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// maxTables bounds the tables of one document.
const maxTables = 20

// Options are the options of the kind "document".
type Options struct {
	File       string                       `yaml:"file,omitempty" jsonschema:"description=Absolute path of a file on grove's machine; either it or url is given."`
	URL        string                       `yaml:"url,omitempty" jsonschema:"format=uri,description=Address of the document: http:// or https://."`
	Basic      endpoint.Basic               `yaml:"basic,omitempty" jsonschema:"description=Name and password by HTTP basic authentication."`
	Bearer     secret.Ref                   `yaml:"bearer,omitempty" jsonschema:"description=Token that is sent as Authorization: Bearer; a reference such as file:/etc/grove/token or env:TOKEN."`
	TLS        secure.Options               `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
	Format     string                       `yaml:"format,omitempty" jsonschema:"enum=json,enum=xml,enum=csv,enum=ini,enum=properties,description=Format of the document; when empty the end of its name tells it."`
	Charset    string                       `yaml:"charset,omitempty" jsonschema:"description=Charset of the document\\, such as windows-1252; by default what its first bytes\\, the server or XML say\\, else UTF-8."`
	MaxSize    int                          `yaml:"max_size" jsonschema:"minimum=1,maximum=16777216,default=1048576,description=The most bytes that are read."`
	CSV        CSV                          `yaml:"csv,omitempty" jsonschema:"description=How a document of separated values is written."`
	Attributes map[string]extract.Attribute `yaml:"attributes,omitempty" jsonschema:"description=What is read\\, by name. From is a JSONPath\\, an XPath\\, or a key: section.key of INI\\, key of properties\\, row.column of CSV."`
	Tables     map[string]Table             `yaml:"tables,omitempty" jsonschema:"description=Tables that are read\\, by name."`
}

// Table says which rows a document has.
type Table struct {
	Rows       string                       `yaml:"rows,omitempty" jsonschema:"description=Where the rows are: a JSONPath of a list\\, an object or of all rows\\, or an XPath of elements. Of INI every section is a row and of CSV every row."`
	Key        string                       `yaml:"key" jsonschema:"required,description=Column that tells rows apart."`
	Attributes map[string]extract.Attribute `yaml:"attributes,omitempty" jsonschema:"description=Columns by name. From is a JSONPath or XPath within the row\\, or a key; @key is the name of the member or the section\\, or the number of the row."`
}

// plan is what Options come to.
type plan struct {
	file     string
	url      *url.URL // nil for a file
	endpoint endpoint.Options
	format   string
	charset  encoding.Encoding // nil: what the document says
	size     int
	csv      CSV
	fields   []field
	tables   []table
	infos    []beans.AttributeInfo
}

type field struct {
	extract.Field
	place place
}

type table struct {
	*extract.Table
	rows   place
	places map[string]place // by column
}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{file: o.File, format: o.Format, size: o.MaxSize, csv: o.CSV, infos: slices.Clone(own)}
	if err := o.source(p); err != nil {
		return nil, err
	}
	var err error
	name := o.File
	if p.url != nil {
		name = path.Base(p.url.Path)
	}
	switch {
	case o.MaxSize < 1 || o.MaxSize > maxSize:
		return nil, probe.BadOption("max_size", "%d is outside 1..%d", o.MaxSize, maxSize)
	case o.Format == "":
		if p.format, err = guess(name); err != nil {
			return nil, probe.BadOption("format", "%w", err)
		}
	case !slices.Contains(formats, o.Format):
		return nil, probe.BadOption("format", "%q is none of json, xml, csv, ini, properties", o.Format)
	}
	if path.Ext(name) == ".tsv" && p.csv.Delimiter == "" {
		p.csv.Delimiter = "\t"
	}
	if p.format != formatCSV && o.CSV != (CSV{}) {
		return nil, probe.BadOption("csv", "is of no use: the format is %s", p.format)
	}
	if _, _, err := p.csv.separators(); err != nil {
		return nil, probe.BadOption("csv", "%w", err)
	}
	if o.Charset != "" {
		if p.charset, err = htmlindex.Get(o.Charset); err != nil {
			return nil, probe.BadOption("charset", "%q is not known", o.Charset)
		}
	}
	return p, o.places(p)
}

// source checks where the document is.
func (o *Options) source(p *plan) error {
	if (o.File == "") == (o.URL == "") {
		return probe.BadOption("file", "either file or url must be given")
	}
	if o.File != "" {
		switch {
		case o.Basic != endpoint.Basic{}:
			return probe.BadOption("basic", "is of no use for a file")
		case o.Bearer != "":
			return probe.BadOption("bearer", "is of no use for a file")
		case o.TLS != secure.Options{}:
			return probe.BadOption("tls", "is of no use for a file")
		}
		if err := files.CheckPath(o.File); err != nil {
			return probe.BadOption("file", "%w", err)
		}
		return nil
	}
	p.endpoint = endpoint.Options{URL: o.URL, Basic: o.Basic, Bearer: o.Bearer, TLS: o.TLS, MaxBody: max(1, min(o.MaxSize, maxSize))}
	var err error
	p.url, err = p.endpoint.Check()
	return err
}

// places checks what is read.
func (o *Options) places(p *plan) error {
	fields, err := extract.Fields("attributes", o.Attributes, own...)
	if err != nil {
		return err
	}
	for _, f := range fields {
		at, err := newPlace(p.format, f.From)
		if err != nil {
			return probe.BadOption("attributes."+f.Name+".from", "%w", err)
		}
		p.fields = append(p.fields, field{f, at})
	}
	p.infos = append(p.infos, extract.Infos(fields)...)
	if len(o.Tables) > maxTables {
		return probe.BadOption("tables", "are %d, more than %d", len(o.Tables), maxTables)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Tables)) {
		t, err := o.Tables[name].check(p, name)
		if err != nil {
			return err
		}
		p.tables = append(p.tables, t)
		p.infos = append(p.infos, t.Info())
	}
	return nil
}

func (o Table) check(p *plan, name string) (table, error) {
	option := "tables." + name
	t := table{places: map[string]place{}}
	withRows := p.format == formatJSON || p.format == formatXML
	switch {
	case !extract.IsName(name):
		return t, probe.BadOption("tables", "%q is no name: letters, digits and underscores, at most 64", name)
	case slices.ContainsFunc(p.infos, func(a beans.AttributeInfo) bool { return a.Name == name }):
		return t, probe.BadOption(option, "%q is there as an attribute", name)
	case p.format == formatProperties:
		return t, probe.BadOption(option, "properties have no rows")
	case withRows && o.Rows == "":
		return t, probe.BadOption(option+".rows", "is missing: where the rows are")
	case !withRows && o.Rows != "":
		return t, probe.BadOption(option+".rows", "is of no use: of %s every row is one", p.format)
	}
	var err error
	if t.Table, err = extract.NewTable(option, name, o.Key, o.Attributes); err != nil {
		return t, err
	}
	if withRows {
		if t.rows, err = newPlace(p.format, o.Rows); err != nil {
			return t, probe.BadOption(option+".rows", "%w", err)
		}
	}
	for _, c := range t.Columns {
		if t.places[c.Name], err = newPlace(p.format, c.From); err != nil {
			return t, probe.BadOption(option+".attributes."+c.Name+".from", "%w", err)
		}
	}
	return t, nil
}
