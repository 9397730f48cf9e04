package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/alert"
	view "grove/viewer/route"
)

// routeCommand prints routes, or what they would do with an alert.
type routeCommand struct {
	remote
	Explain string `help:"Explain who would be told of an alert of this node, without sending anything." placeholder:"PATH"`
	Status  string `help:"With --explain: the status that the node would have. Default: as it is, or red when it is well." enum:"white,yellow,red," default:"" placeholder:"STATUS"`
	At      string `help:"With --explain: when the alert would open, such as 2026-03-01T02:00:00Z. Default: now." placeholder:"TIME"`
	JSON    bool   `name:"json" help:"Print JSON, as the server answers."`
}

const routesPath = "/api/v1/routes"

// Run implements the command.
func (c *routeCommand) Run(ctx context.Context, p *Process, all *commands) error {
	if c.Explain != "" {
		return c.explain(ctx, p, all)
	}
	if c.Status+c.At != "" {
		return exit(Usage, "--status and --at belong to --explain PATH")
	}
	body, err := c.get(ctx, routesPath)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var list view.Configuration
	if err := json.Unmarshal(body, &list); err != nil {
		return exit(NoReply, "the answer of %s has no routes: %w", c.Server, err)
	}
	printRoutes(p.Stdout, &list)
	return nil
}

// printRoutes prints what routes there are.
func printRoutes(w io.Writer, list *view.Configuration) {
	if list.Error != "" {
		fmt.Fprintf(w, "the file is not in force as it is now: %s\n\n", plain(list.Error))
	}
	if len(list.Routes) == 0 {
		fmt.Fprintf(w, "no routes: nobody is told of alerts. They are written in %s\n", cell(orElse(list.File, "the file of alerts")))
	}
	for i := range list.Routes {
		r := &list.Routes[i]
		var when []string
		for _, c := range r.When {
			when = append(when, c.Name+" "+c.Want)
		}
		fmt.Fprintf(w, "%s: %s\n", cell(r.Name), cell(orElse(strings.Join(when, ", "), "every alert")))
		line := func(text string) {
			if text != "" {
				fmt.Fprintf(w, "  %s\n", cell(text))
			}
		}
		line("tells " + orElse(strings.Join(r.To, ", "), "nobody"))
		var how []string
		for _, one := range [][2]string{{"together by ", strings.Join(r.Group, ", ")}, {"waits ", r.Wait}, {"at most every ", r.Interval}, {"again every ", r.Repeat}, {"precedence ", r.Precedence}} {
			if one[1] != "" {
				how = append(how, one[0]+one[1])
			}
		}
		line(strings.Join(how, "; "))
		for _, e := range r.Escalate {
			line("after " + e.After + " without acknowledgement: " + strings.Join(e.To, ", "))
		}
		if r.Continue {
			line("goes on to the next routes")
		}
	}
	if len(list.Channels) > 0 {
		var names []string
		for _, c := range list.Channels {
			names = append(names, c.Name+" ("+c.Kind+")")
		}
		fmt.Fprintf(w, "\nchannels: %s\n", cell(strings.Join(names, ", ")))
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// explain asks what would become of an alert.
func (c *routeCommand) explain(ctx context.Context, p *Process, all *commands) error {
	path, err := tree.ParsePath(c.Explain)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	asked := view.Question{Path: path.String(), Status: c.Status}
	if c.At != "" {
		at, err := time.Parse(time.RFC3339, c.At)
		if err != nil {
			if at, err = time.ParseInLocation("2006-01-02 15:04", c.At, time.Local); err != nil {
				return exit(Usage, "--at: %.40q is no time such as 2026-03-01T02:00:00Z or \"2026-03-01 02:00\"", c.At)
			}
		}
		asked.At = &at
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, http.MethodPost, routesPath+"/explain", text)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var x alert.Explanation
	if err := json.Unmarshal(body, &x); err != nil {
		return exit(NoReply, "the answer of %s is no explanation: %w", c.Server, err)
	}
	drawing{color: all.colored(p.Stdout)}.explanation(p.Stdout, &x)
	return nil
}

// explanation prints the alert, each route with its conditions, and who is told when.
func (d drawing) explanation(w io.Writer, x *alert.Explanation) {
	a := &x.Alert
	m := marks[a.Status.String()]
	fmt.Fprintf(w, "%s %s (%s)\n", d.paint(m.shape, m.color), cell(a.Message), a.Severity)
	if s := a.Suppression; s != nil {
		fmt.Fprintf(w, "  held back: %s\n", cell(s.Text))
	}
	taken := false
	for _, r := range x.Routes {
		taken = taken || r.Takes
		if r.Route == "" { // There are none.
			fmt.Fprintf(w, "\n%s\n", cell(r.Text))
			continue
		}
		fmt.Fprintf(w, "\n%s route %s", d.tick(r.Takes), cell(r.Route))
		if r.Takes && r.Group != "" {
			fmt.Fprintf(w, ", together with %s", cell(r.Group))
		}
		fmt.Fprintln(w)
		for _, c := range r.Conditions {
			fmt.Fprintf(w, "    %s %s %s", d.tick(c.OK), cell(c.Name), cell(c.Want))
			if c.Have != "" && c.Have != c.Want {
				fmt.Fprintf(w, ": %s", cell(c.Have))
			}
			fmt.Fprintln(w)
		}
		if len(r.Conditions) == 0 && r.Takes {
			fmt.Fprintln(w, "      it takes every alert")
		}
		if r.Text != "" {
			fmt.Fprintf(w, "      %s\n", cell(r.Text))
		}
	}
	fmt.Fprintln(w)
	switch {
	case len(x.Told) > 0:
		d.told(w, x.Told)
	case a.Suppression != nil:
		fmt.Fprintln(w, "nobody is told, since it is held back")
	case taken:
		fmt.Fprintln(w, "nobody is told, for the reasons that the routes have")
	default:
		fmt.Fprintln(w, "nobody is told: no route takes it")
	}
}

// tick says whether something holds.
func (d drawing) tick(ok bool) string {
	if ok {
		return d.paint("✓", "32")
	}
	return d.paint("✗", "31")
}

// told prints who is told when.
func (d drawing) told(w io.Writer, list []alert.Telling) {
	for _, t := range list {
		fmt.Fprintf(w, "%-12s %s", after(t.After), cell(t.Channel))
		if t.To != "" && t.To != t.Channel {
			fmt.Fprintf(w, " of %s", cell(t.To))
		}
		fmt.Fprintf(w, ", %s by route %s", cell(t.Purpose), cell(t.Route))
		if t.Every > 0 {
			fmt.Fprintf(w, ", again every %s", tree.FormatDuration(time.Duration(t.Every)))
		}
		fmt.Fprintln(w)
	}
}

// after says how long after the opening something is told.
func after(d alert.Duration) string {
	if d == 0 {
		return "at once"
	}
	return "after " + tree.FormatDuration(time.Duration(d))
}
