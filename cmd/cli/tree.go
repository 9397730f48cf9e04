package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/live/client"
)

// treeCommand prints the tree.
type treeCommand struct {
	remote
	Path   string `arg:"" optional:"" default:"/" help:"Where to begin."`
	Depth  int    `short:"d" default:"-1" help:"How many levels; negative is all."`
	Status string `help:"Only what has one of these statuses, with the way to it: yellow,red." placeholder:"LIST"`
	Watch  bool   `short:"w" help:"Go on. On a terminal: look at the live tree, ? for help; elsewhere: print it again when it changes."`
	JSON   bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *treeCommand) Run(ctx context.Context, p *Process, all *commands) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	query := []string{"path", path.String()}
	if c.Depth >= 0 {
		query = append(query, "depth", fmt.Sprint(c.Depth))
	}
	if c.Status != "" {
		query = append(query, "status", c.Status)
	}
	if c.JSON && c.Watch {
		return exit(Usage, "--json and --watch do not go together: programs follow the live feed at /api/v1/live")
	}
	fetch := func() ([]byte, error) { return c.get(ctx, "/api/v1/tree", query...) }
	if c.JSON {
		body, err := fetch()
		if err != nil {
			return err
		}
		_, err = p.Stdout.Write(body)
		return err
	}
	draw := drawing{color: all.colored(p.Stdout)}
	show := func(again bool) error {
		body, err := fetch()
		if err != nil {
			return err
		}
		var answer viewer.Tree
		if err := json.Unmarshal(body, &answer); err != nil || answer.Root == nil {
			return exit(NoReply, "the answer of %s is no tree: %w", c.Server, err)
		}
		var text strings.Builder
		draw.branch(&text, answer.Root, "", "")
		if answer.Truncated {
			fmt.Fprintf(&text, "(the first %d nodes: name a path, a depth or a status to see the others)\n", answer.Count)
		}
		if !again {
			_, err = io.WriteString(p.Stdout, text.String())
			return err
		}
		columns, rows := screen(p.Stdout)
		_, err = io.WriteString(p.Stdout, fit(text.String(), columns, rows))
		return err
	}
	if !c.Watch {
		return show(false)
	}
	if atTerminal(p) {
		return c.view(ctx, p, all, path)
	}
	return c.watch(ctx, path, func() error { return show(true) })
}

// watch draws the tree whenever the live feed says that something changed, at most
// five times a second.
func (c *treeCommand) watch(ctx context.Context, path tree.Path, show func() error) error {
	feed, err := client.Dial(ctx, c.address(), path)
	if err != nil {
		return exit(NoReply, "%w", err)
	}
	defer feed.Close()
	changed := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			_, err := feed.Next()
			select {
			case changed <- err:
			case <-watching.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		stop()
		_ = feed.Close()
		<-ended
	}()
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-changed:
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, client.ErrNoNode):
				return exit(Wrong, "%w", err)
			case err != nil:
				return exit(NoReply, "%w", err)
			}
		}
		if err := show(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
}

// drawing draws nodes for a terminal: shape, name, value, and the word of every
// status that is not green.
type drawing struct{ color bool }

var marks = map[string]struct{ shape, color string }{
	"green":  {"●", "32"},
	"yellow": {"▲", "33"},
	"red":    {"■", "31"},
	"white":  {"◇", "2"},
}

func (d drawing) paint(text, color string) string {
	if !d.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (d drawing) branch(w io.Writer, n *viewer.Branch, first, rest string) {
	m := marks[n.Status]
	name := n.Name
	if name == "" {
		name = "/"
	}
	line := first + d.paint(m.shape, m.color) + " " + plain(name)
	if v := d.value(n); v != "" {
		line += "  " + v
	}
	if n.Status != "green" && !d.counted(n) {
		word := n.Status
		if n.Reason != "" {
			word += ": " + n.Reason
		}
		line += "  " + d.paint(plain(word), m.color)
	}
	if n.Flapping {
		line += "  " + d.paint("flapping", "33")
	}
	fmt.Fprintln(w, line)
	for i, child := range n.Nodes {
		if i == len(n.Nodes)-1 {
			d.branch(w, child, rest+"└─ ", rest+"   ")
		} else {
			d.branch(w, child, rest+"├─ ", rest+"│  ")
		}
	}
}

// counted says whether the counts of a group tell its status already.
func (d drawing) counted(n *viewer.Branch) bool {
	return n.Counts != nil && (n.Status == "red" && n.Counts.Red > 0 || n.Status == "yellow" && n.Counts.Yellow > 0 && n.Counts.Red == 0)
}

// value writes the value of an attribute, or the counts of a group.
func (d drawing) value(n *viewer.Branch) string {
	if n.Counts != nil {
		var parts []string
		for _, c := range [...]struct {
			n    int32
			word string
		}{{n.Counts.Red, "red"}, {n.Counts.Yellow, "yellow"}, {n.Counts.White, "white"}} {
			if c.n > 0 {
				parts = append(parts, d.paint(fmt.Sprintf("%d %s", c.n, c.word), marks[c.word].color))
			}
		}
		return strings.Join(parts, ", ")
	}
	return valueText(&n.Node)
}

// valueText writes the value of a node with its unit, on one line that is not long.
func valueText(n *viewer.Node) string {
	text := wholeValue(n)
	if r := []rune(text); len(r) > 60 {
		text = string(r[:59]) + "…"
	}
	return text
}

// wholeValue writes the value of a node with its unit, of a text the first line. A
// status that is 1 or 0 is a yes or a no.
func wholeValue(n *viewer.Node) string {
	v := n.Value
	if v == nil {
		return ""
	}
	if f, ok := v.Number(); ok {
		if n.Kind == tree.State.String() && (f == 0 || f == 1) {
			return map[float64]string{0: "no", 1: "yes"}[f]
		}
		return quantity(f, n.Unit)
	}
	text, _ := v.Text()
	text, _, _ = strings.Cut(text, "\n")
	return plain(text)
}
