// Package definitions is the catalogue of definitions that come with grove: one
// folder an application, with the definition, which carries its roll-up tests, and a
// README.md that shows its tree and its parameters.
package definitions

import (
	"embed"
	"io/fs"
)

//go:embed */*.yaml */README.md
var files embed.FS

// Catalogue returns the definitions: <application>/<application>.yaml, and beside it
// <application>/README.md. It is built into the program and never changes.
func Catalogue() fs.FS { return files }
