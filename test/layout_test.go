package test

import (
	"io/fs"
	"os"
	"os/user"
	slash "path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestTopLevelIsTheHouse holds the top of the repository to the rooms that README.md
// explains. Dot files are free.
func TestTopLevelIsTheHouse(t *testing.T) {
	house := []string{
		"beans", "cmd", "definitions", "notify", "runtime", "test", "tree", "viewer",
		"Dockerfile", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
	}
	walk(t, func(name string, _ fs.DirEntry) {
		if !strings.Contains(name, "/") && !strings.HasPrefix(name, ".") && !slices.Contains(house, name) && name != "coverage.out" {
			t.Errorf("%s: the top level is fixed; a new thing belongs in one of the rooms %s", name, strings.Join(house[:8], ", "))
		}
	})
	for _, name := range house {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestRoomsAreNouns refuses the names under which things without a place collect.
func TestRoomsAreNouns(t *testing.T) {
	for _, file := range goFiles(t) {
		switch base := slash.Base(slash.Dir(file.name)); base {
		case "util", "utils", "common", "helper", "helpers", "misc", "shared", "types", "base", "internal":
			t.Errorf("%s: a package is named after what it is, not %s", file.name, base)
		}
	}
}

// TestFilesNameNoPlaceOfTheirAuthor refuses paths that exist on one machine only. Tests
// and examples use /shop, /srv and the like.
func TestFilesNameNoPlaceOfTheirAuthor(t *testing.T) {
	places := []string{"/" + "work/", "/" + "root/", "/" + "Users/"}
	if top, err := filepath.Abs(root); err == nil && strings.Count(top, "/") > 1 {
		places = append(places, top+"/")
	}
	if me, err := user.Current(); err == nil && strings.HasPrefix(me.HomeDir, "/home/") {
		places = append(places, me.HomeDir+"/")
	}
	walk(t, func(name string, e fs.DirEntry) {
		if e.IsDir() {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(text) {
			return // a picture, or a test's bad text
		}
		for _, place := range places {
			if at := strings.Index(string(text), place); at >= 0 {
				line := 1 + strings.Count(string(text[:at]), "\n")
				t.Errorf("%s:%d: names %s, which is a place on one machine", name, line, place)
			}
		}
	})
}

// TestGoFilesStaySmall holds that a file is one thing that a person reads at once.
func TestGoFilesStaySmall(t *testing.T) {
	const limit = 800 // lines
	walk(t, func(name string, e fs.DirEntry) {
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines > limit {
			t.Errorf("%s has %d lines; split it before it passes %d", name, lines, limit)
		}
	})
}
