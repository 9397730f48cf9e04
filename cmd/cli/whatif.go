package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"grove/tree"
	"grove/tree/alert"
	view "grove/viewer/whatif"
)

// whatIfCommand prints what would happen.
type whatIfCommand struct {
	remote
	Set  []string `arg:"" name:"path=status" help:"What is supposed: /shop/web1/Up=red"`
	JSON bool     `name:"json" help:"Print JSON, as the server answers."`
}

// maxSupposed bounds the lines about each: nodes, alerts, messages.
const maxSupposed = 50

// Run implements the command.
func (c *whatIfCommand) Run(ctx context.Context, p *Process, all *commands) error {
	asked := view.Supposition{Set: map[string]string{}}
	for _, one := range c.Set {
		at := strings.LastIndexByte(one, '=')
		if at < 0 {
			return exit(Usage, "%.80q is no supposition: PATH=STATUS is wanted, such as /shop/web1/Up=red", one)
		}
		path, err := tree.ParsePath(one[:at])
		if err != nil {
			return exit(Usage, "%w", err)
		}
		if _, err := tree.ParseStatus(one[at+1:]); err != nil {
			return exit(Usage, "%.80q: %w", one, err)
		}
		asked.Set[path.String()] = one[at+1:]
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, http.MethodPost, "/api/v1/what-if", text)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var s view.Supposed
	if err := json.Unmarshal(body, &s); err != nil {
		return exit(NoReply, "the answer of %s does not say what would be: %w", c.Server, err)
	}
	drawing{color: all.colored(p.Stdout)}.supposed(p.Stdout, &s)
	return nil
}

// supposed prints what would be: the tree, the alerts, the messages.
func (d drawing) supposed(w io.Writer, s *view.Supposed) {
	if len(s.Changes) == 0 {
		fmt.Fprintln(w, "The tree would stay as it is.")
	} else {
		fmt.Fprintln(w, "The tree would change:")
	}
	for i, c := range s.Changes {
		if i == maxSupposed {
			d.more(w, len(s.Changes)-i)
			break
		}
		from, to := marks[c.From], marks[c.To]
		fmt.Fprintf(w, "  %s %s %s  %s  %s", d.paint(from.shape, from.color), "→", d.paint(to.shape, to.color), cell(c.Path), d.paint(cell(c.To), to.color))
		if c.Set {
			fmt.Fprint(w, ", as supposed")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	if len(s.Alerts) == 0 {
		fmt.Fprintln(w, "No alert would open.")
	} else {
		d.wouldOpen(w, s.Alerts)
	}
	fmt.Fprintln(w)
	if len(s.Messages) == 0 {
		fmt.Fprintln(w, "Nobody would be told.")
	} else {
		fmt.Fprintln(w, "Told would be:")
	}
	for i := range s.Messages {
		if i == maxSupposed {
			d.more(w, len(s.Messages)-i)
			break
		}
		m := &s.Messages[i]
		fmt.Fprintf(w, "  %-12s %s", after(m.After), cell(m.Channel))
		if m.To != "" && m.To != m.Channel {
			fmt.Fprintf(w, " of %s", cell(m.To))
		}
		fmt.Fprintf(w, ", %s by route %s: %s\n", cell(m.Purpose), cell(m.Route), cell(m.Title))
	}
	if s.Truncated {
		fmt.Fprintln(w, "\nThere is more than the server tells.")
	}
}

// wouldOpen prints the alerts; those that are consequences are counted with their cause.
func (d drawing) wouldOpen(w io.Writer, list []alert.Explanation) {
	held := map[string][]*alert.Alert{}
	var order []string
	fmt.Fprintln(w, "Alerts would open:")
	shown := 0
	for i := range list {
		a := &list[i].Alert
		if s := a.Suppression; s != nil {
			if held[s.Text] == nil {
				order = append(order, s.Text)
			}
			held[s.Text] = append(held[s.Text], a)
			continue
		}
		if shown++; shown <= maxSupposed {
			m := marks[a.Status.String()]
			fmt.Fprintf(w, "  %s %s (%s)\n", d.paint(m.shape, m.color), cell(a.Message), a.Severity)
		}
	}
	if shown > maxSupposed {
		d.more(w, shown-maxSupposed)
	}
	for _, why := range order {
		of := held[why]
		which := cell(of[0].Path.String())
		if len(of) > 1 {
			which = fmt.Sprintf("%d, such as %s", len(of), which)
		}
		fmt.Fprintf(w, "  held back: %s, since %s\n", which, cell(why))
	}
}

func (d drawing) more(w io.Writer, n int) { fmt.Fprintf(w, "  … and %d more: --json has them\n", n) }
