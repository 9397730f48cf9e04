package grafana

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"grove/tree"
	"grove/tree/metric"
)

// OverviewUID is the stable identity of the dashboard of the whole tree.
const OverviewUID = "grove-overview"

// Overview makes the dashboard of the whole tree: what is wrong, where it is worst, how
// it came, and how grove itself is.
func Overview() ([]byte, error) {
	b := newBoard(OverviewUID, "Grove: the tree", "The whole tree: what is wrong, where it is worst, how it came, and how grove itself is.")
	b.paths("subtree", "Subtree", "Groups to look at; all by default.", "label_values("+metric.GroupNodes+", path)", "", ".*")
	b.page()
	top := metric.GroupNodes + `{path="/"}`
	for _, s := range []tree.Status{tree.Red, tree.Yellow, tree.Green, tree.White} {
		steps := []dashboard.Threshold{{Color: colours[tree.Green]}}
		if s != tree.Green {
			one := 1.0
			steps = append(steps, dashboard.Threshold{Value: &one, Color: colours[s]})
		}
		b.number(title(s.String()), "Attributes in the whole tree that are "+s.String()+" now.",
			fmt.Sprintf(`sum(%s{path="/",status="%s"})`, metric.GroupNodes, s), steps)
	}
	byStatus := map[string]string{}
	for _, s := range tree.Statuses {
		byStatus[s.String()] = colours[s]
	}
	below := "{path=~" + quote("$subtree(/.*)?") + "}"
	// Groups have counts: what is red because of what is below it is left out.
	b.list("Problems", "Attributes that are yellow or red now. A click on a path shows the node in grove.",
		metric.Status+below+" >= 2 unless on (path) "+metric.GroupNodes, "Status", "No problem", true, 12, 10)
	b.list("Worst subtrees", "Groups by how many red attributes they have anywhere below; yellow ones count a hundredth.",
		fmt.Sprintf(`topk(20, sum by (path) (%[1]s{path=~%[2]s,path!="/",status="red"}) + sum by (path) (%[1]s{path=~%[2]s,path!="/",status="yellow"}) / 100)`, metric.GroupNodes, quote("$subtree(/.*)?")),
		"Red", "", false, 12, 10)

	b.row("Over time")
	b.chart(chart{
		title: "Attributes by status", description: "How many attributes of the whole tree have which status.",
		expr: "sum by (status) (" + top + ")", legend: "{{status}}", unit: units.Short, stacked: true, colours: byStatus, width: 12, positive: true,
	})
	b.chart(chart{
		title: "Red attributes of the worst subtrees", description: "Groups with the most red attributes anywhere below.",
		expr:   fmt.Sprintf(`topk(5, %s{path=~%s,path!="/",status="red"})`, metric.GroupNodes, quote("$subtree(/.*)?")),
		legend: "{{path}}", unit: units.Short, width: 12, positive: true,
	})
	b.timeline("Top of the tree", "Status over time of what hangs at the top.", metric.Status+`{path=~"/[^/]*"}`, "", 10)
	b.chart(chart{
		title: "Silent attributes", description: "Groups with the most white attributes anywhere below: nothing is known of them.",
		expr:   fmt.Sprintf(`topk(5, %s{path=~%s,path!="/",status="white"})`, metric.GroupNodes, quote("$subtree(/.*)?")),
		legend: "{{path}}", unit: units.Short, width: 24, positive: true,
	})

	b.row("Grove itself")
	for _, c := range []chart{
		{title: "Response time", description: "Time of one request to grove's own address.", expr: "grove_self_response_seconds", unit: units.Seconds},
		{title: "Processor used", description: "Of the processors that grove may use.", expr: "grove_self_cpu_used_ratio", unit: units.PercentUnit, ratio: true},
		{title: "Memory", description: "Memory that grove holds.", expr: "grove_self_resident_bytes", unit: units.BytesIEC},
	} {
		c.legend, c.width, c.positive = "{{path}}", 8, true
		c.empty = "Grove does not watch itself"
		b.chart(c)
	}
	return b.json()
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
