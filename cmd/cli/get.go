package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"grove/tree"
	"grove/viewer"
)

// getCommand prints one node.
type getCommand struct {
	remote
	Path string `arg:"" help:"Path of the node: /shop/web1/Connections/Active."`
	JSON bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *getCommand) Run(ctx context.Context, p *Process, all *commands) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	body, err := c.get(ctx, "/api/v1/nodes"+path.String())
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var n viewer.Details
	if err := json.Unmarshal(body, &n); err != nil {
		return exit(NoReply, "the answer of %s is no node: %w", c.Server, err)
	}
	printNode(p.Stdout, &n, drawing{color: all.colored(p.Stdout)})
	return nil
}

// printNode prints what is known of a node, a line for each thing that is known.
func printNode(w io.Writer, n *viewer.Details, d drawing) {
	m := marks[n.Status]
	fmt.Fprintf(w, "%s %s\n", d.paint(m.shape, m.color), plain(n.Path))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "  %s\t%s\n", name, plain(strings.ReplaceAll(value, "\n", " ")))
		}
	}
	line("description", n.Description)
	status := n.Status
	if n.Since != "" {
		status += " since " + localTime(n.Since)
	}
	if n.Flapping {
		status += ", flapping"
	}
	if n.Pending {
		status += ", a hold time runs"
	}
	line("status", status)
	line("reason", n.Reason)
	line("value", wholeValue(&n.Node))
	line("last reading", localTime(n.Time))
	if th := n.Thresholds; th != nil {
		line("yellow", th.Yellow)
		line("red", th.Red)
		var states []string
		for text, s := range th.States {
			states = append(states, text+" is "+s)
		}
		slices.Sort(states)
		line("states", strings.Join(states, ", "))
		if th.White != "" {
			line("white", "no reading for "+th.White)
		}
		if th.Tuned {
			line("tuned", "the thresholds are not those of the definition")
		}
	}
	if c := n.Counts; c != nil {
		line("below", fmt.Sprintf("%d green, %d yellow, %d red, %d white", c.Green, c.Yellow, c.Red, c.White))
	}
	line("kind", n.Kind)
	line("mode", n.Mode)
	line("source", n.Source)
	line("owner", n.Owner)
	line("metric", n.Metric)
	for _, cause := range n.Cause {
		if cause != n.Path { // an attribute is its own cause
			line("because of", cause)
		}
	}
	for _, e := range n.Events {
		line("event", localTime(e.Time)+" "+e.Status+" "+e.Text)
	}
	_ = t.Flush()
}

// localTime writes a time of the API in the zone of the reader.
func localTime(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return plain(text)
	}
	return at.Local().Format("2006-01-02 15:04:05 MST")
}
