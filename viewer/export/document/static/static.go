// Package static has the schemas and the style sheets of version 1 of the format of
// documents, which stay as they are in what they promise.
package static

import (
	"embed"
	"path"

	"grove/viewer/export/document/page"
)

// Names of the files, below the address "static".
const (
	SchemaXSD     = "document-1.xsd"
	SchemaJSON    = "document-1.schema.json"
	StyleSheetXSL = "document-1.xsl"
	StyleSheetCSS = "document-1.css"
	PageCSS       = "page.css"
)

//go:embed document-1.*
var files embed.FS

// File returns a schema or a style sheet by its name.
func File(name string) ([]byte, bool) {
	if name == PageCSS {
		return []byte(page.Style), true
	}
	data, err := files.ReadFile(path.Base(name))
	return data, err == nil && path.Base(name) == name
}
