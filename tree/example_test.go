package tree_test

import (
	"fmt"
	"time"

	"grove/tree"
)

// A program builds a tree and reports values without any file: the monitor API.
func Example() {
	t := tree.New(tree.Options{})

	// Two nodes; the groups above them are made as needed.
	active, err := t.Add(tree.MustPath("/shop/web1/Connections/Active"), &tree.Spec{
		Kind:        tree.Performance,
		Description: "open connections",
		Unit:        "connections",
		Threshold: &tree.Threshold{
			Yellow:     tree.AboveLevel(500, 450), // left again below 450
			Red:        tree.AboveLevel(1000, 900),
			StaleAfter: time.Minute,
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	state, err := t.Add(tree.MustPath("/shop/web1/State"), &tree.Spec{
		Kind:      tree.State,
		Threshold: &tree.Threshold{States: map[string]tree.Status{"running": tree.Green, "*": tree.Red}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Numbers go in batches, everything else as reports.
	t.Apply([]tree.Reading{{Node: active, Value: 612}})
	t.Report(tree.Report{Node: state, Value: tree.Text("running")})

	// The tree changes while it runs.
	if err := t.Change(tree.Move(tree.MustPath("/shop/web1"), tree.MustPath("/shop/front"))); err != nil {
		fmt.Println(err)
		return
	}
	_ = t.Walk(tree.Root, -1, func(n *tree.Node) bool {
		fmt.Printf("%-32s %-6s %v\n", n.Path, n.Status, n.Value.Any())
		return true
	})
	causes, _ := t.Cause(tree.Root)
	fmt.Println("because of", causes)
	// Output:
	// /                                yellow <nil>
	// /shop                            yellow <nil>
	// /shop/front                      yellow <nil>
	// /shop/front/Connections          yellow <nil>
	// /shop/front/Connections/Active   yellow 612
	// /shop/front/State                green  running
	// because of [/shop/front/Connections/Active]
}
