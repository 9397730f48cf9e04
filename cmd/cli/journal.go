package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/record"
)

// journalCommand prints what happened.
type journalCommand struct {
	remote
	Path   string   `arg:"" optional:"" default:"/" help:"The node, with everything below it."`
	From   string   `help:"Beginning: how long ago, such as 24h or 7d, or a time such as 2026-03-01T12:00:00Z." default:"24h" placeholder:"TIME"`
	To     string   `help:"End, in the same forms, or now." default:"now" placeholder:"TIME"`
	Kind   []string `help:"Only these kinds: status, event, definition, tuning, manager." placeholder:"KIND"`
	Status []string `help:"Only changes to one of these statuses." placeholder:"STATUS"`
	Text   string   `help:"Only with this text." placeholder:"TEXT"`
	Limit  int      `help:"At most so many, the newest." default:"50" placeholder:"N"`
	JSON   bool     `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command: the oldest first, as logs are read.
func (c *journalCommand) Run(ctx context.Context, p *Process, all *commands) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	query := []string{"path", path.String(), "from", moment(c.From), "to", moment(c.To), "limit", strconv.Itoa(c.Limit)}
	for name, value := range map[string]string{"kind": strings.Join(c.Kind, ","), "status": strings.Join(c.Status, ","), "text": c.Text} {
		if value != "" {
			query = append(query, name, value)
		}
	}
	body, err := c.get(ctx, "/api/v1/journal", query...)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var found record.Journaled
	if err := json.Unmarshal(body, &found); err != nil {
		return exit(NoReply, "the answer of %s is no journal: %w", c.Server, err)
	}
	if found.Next != "" {
		fmt.Fprintf(p.Stdout, "… there is more before: ask for it with --limit, --from and --to\n")
	}
	slices.Reverse(found.Entries)
	for i := range found.Entries {
		printEntry(p.Stdout, &found.Entries[i], drawing{color: all.colored(p.Stdout)})
	}
	if len(found.Entries) == 0 {
		fmt.Fprintln(p.Stdout, "nothing happened")
	}
	return nil
}

// printEntry prints one line of the journal.
func printEntry(w io.Writer, e *record.Entry, d drawing) {
	m := marks[e.To]
	fmt.Fprintf(w, "%s  %s  %s", localTime(e.Time), d.paint(m.shape, m.color), plain(e.Path))
	if e.Kind == "status" {
		fmt.Fprintf(w, "  %s to %s", plain(e.From), d.paint(plain(e.To), m.color))
		if e.Value != nil {
			text := valueText(&viewer.Node{Value: e.Value, Unit: e.Unit})
			fmt.Fprintf(w, " at %s", plain(text))
		}
	} else {
		fmt.Fprintf(w, "  %s", plain(e.Kind))
	}
	if e.Text != "" {
		fmt.Fprintf(w, ": %s", plain(strings.ReplaceAll(e.Text, "\n", " ")))
	}
	fmt.Fprintln(w)
}
