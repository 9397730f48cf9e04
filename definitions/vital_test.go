package definitions_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/definition"
)

// vitals says of each attribute of a definition that is vital which group fails with it:
// with the defaults of the definition, and with the parameters of each of its tests. A
// dot is the whole instance.
func vitals(t *testing.T, d *definition.Definition) []string {
	t.Helper()
	lines := map[string]bool{}
	for n := range len(d.Tests) + 1 {
		test := &definition.Test{Pos: d.Pos}
		if n > 0 {
			test = &d.Tests[n-1]
		}
		i, errs := d.ForTest(test)
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		nodes := slices.Clone(i.Nodes)
		for _, step := range test.Steps {
			for _, rows := range step.Rows {
				for _, l := range i.Loops {
					for _, row := range rows.Rows {
						if l.Probe == rows.Probe && l.Table == rows.Table {
							more, _ := l.Expand(row) // What a row cannot make is for its own test.
							nodes = append(nodes, more...)
						}
					}
				}
			}
		}
		for _, node := range nodes {
			if a := node.Spec.Alerting; a != nil && a.Vital > 0 {
				group := node.Path
				for range a.Vital {
					group = group.Parent()
				}
				below := func(p tree.Path) string {
					b, _ := i.At.Below(p)
					return "." + strings.TrimSuffix(b.String(), "/")
				}
				lines[fmt.Sprintf("%s: with %s fails %s", d.Application, below(node.Path), below(group))] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(lines))
}

// TestWhatFailsWithWhat compares what is vital in the catalogue with a list that people
// have looked at: run with -update to write it.
func TestWhatFailsWithWhat(t *testing.T) {
	const file = "testdata/vital.txt"
	var got []string
	for _, app := range applications(t) {
		plan := load(t, app+".yaml", read(t, app+"/"+app+".yaml"))
		for _, d := range plan.Definitions {
			got = append(got, vitals(t, d)...)
		}
	}
	slices.Sort(got)
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		if app, _, _ := strings.Cut(line, ":"); slices.Contains(applications(t), app) {
			want = append(want, strings.TrimSuffix(line, "\n"))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
