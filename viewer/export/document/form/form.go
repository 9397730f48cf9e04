// Package form writes documents as XML, as JSON and as a page. XML and JSON are two sinks of
// one telling, so that they cannot say different things.
package form

import (
	"io"

	"grove/viewer/export/document"
	"grove/viewer/export/document/reply"
	"grove/viewer/export/document/static"
)

// Formats are the forms of a document; the first is for those who take any.
var Formats = []reply.Format{
	{Name: "xml", Type: "application/xml; charset=utf-8", Takes: []string{"application/xml", "text/xml"}},
	{Name: "json", Type: "application/json", Takes: []string{"application/json"}},
	{Name: "html", Type: "text/html; charset=utf-8", Takes: []string{"text/html", "application/xhtml+xml"}},
}

// Write writes the document in one of the Formats, by its name. Files is where the
// schemas and style sheets are; empty leaves references to them out.
func Write(w io.Writer, d *document.Document, format, files string) error {
	switch format {
	case "json":
		schema := ""
		if files != "" {
			schema = files + "/" + static.SchemaJSON
		}
		return WriteJSON(w, d, schema)
	case "html":
		return WriteHTML(w, d)
	default:
		return WriteXML(w, d, XMLOptions{Static: files})
	}
}
