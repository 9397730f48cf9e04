package test

import (
	"maps"
	slash "path"
	"slices"
	"strings"
	"testing"
)

// TestEachPackageHasOneComment holds that every package says what it is, in one place,
// in the form that go doc shows well.
func TestEachPackageHasOneComment(t *testing.T) {
	comments := map[string][]string{} // files with a comment, by package folder
	for _, file := range goFiles(t) {
		folder := slash.Dir(file.name)
		if strings.HasSuffix(file.name, "_test.go") {
			if doc := file.syntax.Doc; doc != nil {
				t.Errorf("%s: a test file has a package comment; it shows in no documentation", file.name)
			}
			continue
		}
		if _, ok := comments[folder]; !ok {
			comments[folder] = nil
		}
		doc := file.syntax.Doc
		if doc == nil {
			continue
		}
		comments[folder] = append(comments[folder], file.name)
		want := "Package " + file.syntax.Name.Name + " "
		if file.syntax.Name.Name == "main" {
			want = "Command " + slash.Base(folder) + " "
		}
		if text := doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins with %.40q, want %q", file.name, text, want)
		} else if !strings.HasSuffix(strings.TrimSpace(text), ".") && !strings.Contains(text, "\n\t") {
			t.Errorf("%s: the package comment does not end in a period", file.name)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(comments)) {
		switch files := comments[folder]; {
		case len(files) == 0:
			t.Errorf("%s: no file has a package comment", folder)
		case len(files) > 1:
			t.Errorf("%s: %s each have a package comment; one is enough", folder, strings.Join(files, " and "))
		}
	}
}
