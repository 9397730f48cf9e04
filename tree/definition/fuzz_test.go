package definition_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"grove/tree"
	"grove/tree/definition/rolluptest"
)

// FuzzLoad feeds the loader with any text. Beyond not panicking: what is wrong has a
// position, a file with errors is named as broken, and a plan that is right makes a
// tree and runs its tests.
func FuzzLoad(f *testing.F) {
	for _, glob := range []string{"testdata/good/*", "testdata/bad/*"} {
		files, _ := filepath.Glob(glob)
		for _, name := range files {
			if ext := filepath.Ext(name); ext != ".yaml" && ext != ".xml" {
				continue
			}
			if text, err := os.ReadFile(name); err == nil && !strings.Contains(name, "bomb") {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		for _, ranges := range strings.Split(string(text), "..")[1:] { // keep loops small: time is not the promise here
			digits := 0
			for digits < len(ranges) && strings.ContainsRune("0123456789 ", rune(ranges[digits])) {
				digits++
			}
			if digits > 2 {
				return
			}
		}
		plan, errs := loader().FS(fstest.MapFS{"a.yaml": {Data: text}}, "")
		for _, e := range errs {
			if e.Pos.File == "" || e.Msg == "" {
				t.Errorf("error without a place or a message: %q", e.Error())
			}
		}
		if len(errs) > 0 && len(plan.Broken) == 0 {
			t.Errorf("errors, but nothing is broken: %s", printed(errs))
		}
		live := tree.New(tree.Options{})
		for _, i := range plan.Instances {
			ops := make([]tree.Op, 0, len(i.Nodes))
			for _, n := range i.Nodes {
				ops = append(ops, tree.Add(n.Path, n.Spec))
			}
			if err := live.Change(ops...); err != nil && len(errs) == 0 {
				t.Errorf("the plan makes no tree: %v", err)
			}
		}
		for _, d := range plan.Definitions {
			rolluptest.All(d)
		}
	})
}
