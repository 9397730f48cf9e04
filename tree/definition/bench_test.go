package definition_test

import (
	"testing"

	"grove/tree"
)

// hundredThousand yields 101,001 nodes: 1,000 switches of 25 ports of 3 attributes.
const hundredThousand = `grove: 1
application: campus
at: /campus
probes:
  web: { kind: http, url: "http://127.0.0.1/", every: 10s, extract: { regex: "(?P<in>a)(?P<out>b)" } }
templates:
  port:
    parameters: { number: { type: int } }
    description: Port of a switch
    In:  { from: web.in, change: rate, unit: bytes/s, yellow: "> 5e6", red: "> 9e6 for 30s", back: 10% }
    Out: { from: web.out, change: rate, unit: bytes/s, yellow: "> 5e6", red: "> 9e6 for 30s", back: 10% }
    Load: { value: (web.in + web.out) / 1e7, yellow: "> 0.8", red: "> 0.9" }
tree:
  "Switch ${item}":
    each: "1..1000"
    rollup: { percent: { yellow: 10, red: 50 } }
    "Port ${item}": { each: "1..25", use: port, with: { number: "${item}" } }
`

// BenchmarkPlan100k reads, checks and expands a definition that yields 101,001 nodes.
func BenchmarkPlan100k(b *testing.B) {
	for b.Loop() {
		plan, errs := load(b, "campus.yaml", hundredThousand)
		if err := errs.Err(); err != nil {
			b.Fatal(err)
		}
		if n := len(plan.Instances[0].Nodes); n != 101_001 {
			b.Fatalf("%d nodes", n)
		}
	}
}

// BenchmarkPlanAndTree100k also builds the tree.
func BenchmarkPlanAndTree100k(b *testing.B) {
	for b.Loop() {
		plan, errs := load(b, "campus.yaml", hundredThousand)
		if err := errs.Err(); err != nil {
			b.Fatal(err)
		}
		nodes := plan.Instances[0].Nodes
		ops := make([]tree.Op, len(nodes))
		for i, n := range nodes {
			ops[i] = tree.Add(n.Path, n.Spec)
		}
		if err := tree.New(tree.Options{}).Change(ops...); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAlikeNodesShareTheirSpec holds the promise that makes large loops cheap.
func TestAlikeNodesShareTheirSpec(t *testing.T) {
	i := good(t, hundredThousand)
	specs, sources := map[*tree.Spec]bool{}, map[any]bool{}
	for _, n := range i.Nodes {
		specs[n.Spec] = true
		if n.Source != nil {
			sources[n.Source] = true
		}
	}
	if len(specs) != 6 || len(sources) != 3 {
		t.Errorf("%d specs and %d sources, want 6 and 3", len(specs), len(sources))
	}
}
