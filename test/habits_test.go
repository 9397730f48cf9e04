package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	slash "path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// habits is what a package does that a rule asks something for.
type habits struct {
	goroutine, sleep         string // a place where it does so outside its tests, if any
	testSleep                string // the same in its tests
	leakCheck, ownsTestClock bool
}

// readHabits looks through all packages but this one, whose tests run whole managers.
func readHabits(t *testing.T) map[string]*habits {
	t.Helper()
	packages := map[string]*habits{}
	for _, file := range goFiles(t) {
		folder := slash.Dir(file.name)
		if folder == "test" || strings.HasPrefix(folder, "test/") {
			continue
		}
		if packages[folder] == nil {
			packages[folder] = &habits{}
		}
		h := packages[folder]
		h.leakCheck = h.leakCheck || slices.Contains(file.imports, "go.uber.org/goleak")
		h.ownsTestClock = h.ownsTestClock || slices.Contains(file.imports, "testing/synctest")
		inTest := strings.HasSuffix(file.name, "_test.go")
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, filepath.Join(root, file.name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				if !inTest {
					h.goroutine = set.Position(n.Pos()).String()
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && n.Sel.Name == "Sleep" {
					if inTest {
						h.testSleep = set.Position(n.Pos()).String()
					} else {
						h.sleep = set.Position(n.Pos()).String()
					}
				}
			}
			return true
		})
	}
	return packages
}

// TestWhoStartsGoroutinesLooksForLeaks holds that a package with the word "go" in it has
// a test that fails when one is left behind. What cmd starts is held to it by this package.
func TestWhoStartsGoroutinesLooksForLeaks(t *testing.T) {
	all := readHabits(t)
	for _, folder := range slices.Sorted(maps.Keys(all)) {
		h := all[folder]
		if h.goroutine != "" && !h.leakCheck && !strings.HasPrefix(folder, "cmd/") && !slices.Contains(suites, folder) {
			t.Errorf("%s: a goroutine is started, and no test of %s uses go.uber.org/goleak", h.goroutine, folder)
		}
	}
}

// TestNothingSleeps holds that code waits for what it needs, and that tests own the
// clock that they wait on.
func TestNothingSleeps(t *testing.T) {
	all := readHabits(t)
	for _, folder := range slices.Sorted(maps.Keys(all)) {
		h := all[folder]
		if h.sleep != "" {
			t.Errorf("%s: time.Sleep hears no context: use a timer and select", h.sleep)
		}
		if h.testSleep != "" && !h.ownsTestClock {
			t.Errorf("%s: a test sleeps in real time: use testing/synctest, or wait for the thing itself", h.testSleep)
		}
	}
}
