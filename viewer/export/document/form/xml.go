package form

import (
	"io"
	"strconv"

	"grove/tree"
	"grove/viewer/export/document"
	"grove/viewer/export/document/markup"
	"grove/viewer/export/document/static"
)

// XMLOptions say what an XML document refers to.
type XMLOptions struct {
	// Static is the address below which the schema and the style sheets are, without a
	// slash at its end: "/documents/static". Empty leaves the references out.
	Static string
}

// WriteXML writes the document as XML.
func WriteXML(w io.Writer, d *document.Document, o XMLOptions) error {
	x := markup.XML(w)
	if o.Static != "" {
		// Browsers are giving up XSLT, and warn of it above every page that it makes, so
		// they are told to show the document by CSS. What transforms knows the type of the
		// second (XSLT 2.0, appendix B.1), which they do not take.
		x.Instruction("xml-stylesheet", `type="text/css" href="`+o.Static+"/"+static.StyleSheetCSS+`"`)
		x.Instruction("xml-stylesheet", `type="application/xslt+xml" href="`+o.Static+"/"+static.StyleSheetXSL+`"`)
	}
	x.Start("document", "xmlns", document.Namespace)
	if o.Static != "" {
		x.Attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
		x.Attr("xsi:schemaLocation", document.Namespace+" "+o.Static+"/"+static.SchemaXSD)
	}
	tell((*xmlSink)(x), d)
	return x.Finish()
}

// xmlSink tells in XML: an object and a list are elements, fields are attributes.
type xmlSink markup.Writer

func (x *xmlSink) w() *markup.Writer { return (*markup.Writer)(x) }

func (x *xmlSink) begin(name string) { x.w().Start(name) }
func (x *xmlSink) list(name string)  { x.w().Start(name) }
func (x *xmlSink) end()              { x.w().End() }

func (x *xmlSink) field(name, value string) {
	if value != "" {
		x.w().Attr(name, value)
	}
}

func (x *xmlSink) number(name string, n int)       { x.w().Attr(name, itoa(n)) }
func (x *xmlSink) truth(name string, is bool)      { x.w().Attr(name, strconv.FormatBool(is)) }
func (x *xmlSink) value(name string, v tree.Value) { x.field(name, v.String()) }

func (x *xmlSink) text(name, value string) {
	if value != "" {
		x.w().Element(name, value)
	}
}
