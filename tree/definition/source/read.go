package source

import (
	"bytes"
	"path"
	"strings"
)

// Read reads a file as XML when its name ends in .xml or, with no known ending, when
// its text begins like XML; as YAML (of which JSON is a part) otherwise.
func Read(file string, text []byte) ([]Document, Errors) {
	switch strings.ToLower(path.Ext(file)) {
	case ".xml":
		return ReadXML(file, text)
	case ".yaml", ".yml", ".json":
		return ReadYAML(file, text)
	}
	if start := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n"); bytes.HasPrefix(start, []byte("<")) {
		return ReadXML(file, text)
	}
	return ReadYAML(file, text)
}
