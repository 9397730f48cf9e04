package definition_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInstancesShare: instances that are alike share what they say, and only that.
func TestInstancesShare(t *testing.T) {
	plan, errs := load(t, "shop.yaml", `
grove: 1
application: shop
parameters:
  url: { type: address, required: true }
  most: { type: int, default: 5 }
probes:
  page: { kind: http, url: "http://${url}/", extract: { regex: "(?P<n>[0-9]+)" } }
tree:
  Answers: { from: page.up, states: { "1": green, "*": red } }
  Duration: { from: page.duration, yellow: "> ${most}", properties: { team: web } }
`, "a.yaml", "grove: 1\nuse: shop\nat: /a\nwith: { url: a }\n",
		"b.yaml", "grove: 1\nuse: shop\nat: /b\nwith: { url: b }\n",
		"c.yaml", "grove: 1\nuse: shop\nat: /c\nwith: { url: c, most: 7 }\n")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	a, b, c := plan.Instances[0], plan.Instances[1], plan.Instances[2]
	for i := 1; i < 3; i++ {
		x, y := a.Nodes[i], b.Nodes[i]
		if x.Spec == y.Spec || x.Spec.Threshold != y.Spec.Threshold || x.Source != y.Source {
			t.Errorf("%s and %s do not share their thresholds and sources", x.Path, y.Path)
		}
		if x.Spec.Owner != "a" || y.Spec.Owner != "b" {
			t.Errorf("owners %q and %q", x.Spec.Owner, y.Spec.Owner)
		}
	}
	if got, want := [2]float64{a.Nodes[2].Spec.Threshold.Yellow.High, c.Nodes[2].Spec.Threshold.Yellow.High}, [2]float64{5, 7}; got != want {
		t.Errorf("yellow above %v, want %v", got, want)
	}
	if diff := cmp.Diff(a.Nodes[2].Spec.Properties, c.Nodes[2].Spec.Properties); diff != "" {
		t.Error(diff)
	}
}
