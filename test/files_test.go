package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the repository, where go.mod is: the tests run in test/.
const root = ".."

// walk calls yield for every file and folder of the repository, with its path from the
// top in slashes. It leaves out what is made and not kept: dot folders, node_modules,
// the built page, and at the top bin and data.
func walk(t *testing.T, yield func(name string, e fs.DirEntry)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch base := e.Name(); {
		case name == ".":
			return nil
		case e.IsDir() && (base == ".git" || base == ".tools" || base == "node_modules" || name == "bin" || name == "data" || name == "viewer/web/dist"):
			return fs.SkipDir
		}
		yield(name, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// goFile is a Go source file of ours.
type goFile struct {
	name    string // from the top of the repository
	syntax  *ast.File
	imports []string
}

// goFiles reads all Go files but those in testdata: for every system, tests included.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	walk(t, func(name string, e fs.DirEntry) {
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.Contains(name, "/testdata/") {
			return
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		file := goFile{name: name, syntax: syntax}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			file.imports = append(file.imports, imported)
		}
		files = append(files, file)
	})
	if len(files) < 100 {
		t.Fatalf("only %d Go files: the tests run in the wrong place", len(files))
	}
	return files
}
