package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/maintenance"
	view "grove/viewer/maintenance"
)

// maintenanceCommand is about the times in which nobody is to be alerted.
type maintenanceCommand struct {
	List   maintenanceListCommand   `cmd:"" default:"withargs" help:"List maintenance windows: those that hold now, those to come, those that are over."`
	Add    maintenanceAddCommand    `cmd:"" help:"Plan one: grove maintenance add /shop/db --for 2h --at 22:00 --weekly sun --zone Europe/Berlin"`
	End    maintenanceEndCommand    `cmd:"" help:"End one now; one that repeats comes again."`
	Remove maintenanceRemoveCommand `cmd:"" help:"Remove one."`
}

const maintenancePath = "/api/v1/maintenance"

// maintenanceListCommand lists windows.
type maintenanceListCommand struct {
	remote
	Path string `arg:"" optional:"" default:"/" help:"Only what holds at this node, above it or below it."`
	Over bool   `help:"What is over, too."`
	JSON bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *maintenanceListCommand) Run(ctx context.Context, p *Process) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	body, err := c.get(ctx, maintenancePath)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var list view.PlannedWindows
	if err := json.Unmarshal(body, &list); err != nil {
		return exit(NoReply, "the answer of %s has no maintenance windows: %w", c.Server, err)
	}
	shown := 0
	for i := range list.Windows {
		w := &list.Windows[i]
		about := false
		for _, at := range w.At {
			about = about || at.Contains(path) || path.Contains(at)
		}
		if about && (c.Over || w.Now != nil || w.Next != nil) {
			shown++
			printWindow(p.Stdout, w, p.now())
		}
	}
	if shown == 0 {
		fmt.Fprintln(p.Stdout, "no maintenance is planned")
	}
	return nil
}

// printWindow prints a window: when, what for, where, and how it is named to end it.
func printWindow(w io.Writer, m *view.PlannedWindow, now time.Time) {
	zone := time.Local
	if at, err := time.LoadLocation(m.Zone); err == nil && m.Zone != "" {
		zone = at
	}
	at := func(t time.Time) string { return t.In(zone).Format("Mon 2 Jan 15:04 MST") }
	when := "over"
	switch {
	case m.Now != nil:
		when = fmt.Sprintf("now, until %s (%s more)", at(m.Now.End), brief(m.Now.End.Sub(now)))
	case m.Next != nil:
		when = fmt.Sprintf("%s for %s (in %s)", at(m.Next.Start), m.For, brief(m.Next.Start.Sub(now)))
	}
	fmt.Fprintf(w, "%s: %s\n", cell(m.Name), when)
	line := func(format string, args ...any) { fmt.Fprintf(w, "  %s\n", cell(fmt.Sprintf(format, args...))) }
	var paths []string
	for _, p := range m.At {
		paths = append(paths, p.String())
	}
	line("at %s", strings.Join(paths, ", "))
	if m.Rule != "" {
		text := "repeats " + repeats(m.Rule)
		if m.Now != nil && m.Next != nil {
			text += ", next " + at(m.Next.Start)
		}
		line("%s", text)
	}
	if m.Announce > 0 {
		line("announced %s ahead", m.Announce)
	}
	switch {
	case m.Comment != "" && m.By != "":
		line("%s: %s", m.By, m.Comment)
	case cmp.Or(m.Comment, m.By) != "":
		line("%s", cmp.Or(m.Comment, "by "+m.By))
	}
	switch {
	case m.Hidden:
		line("it is also about nodes that you may not see")
	case m.Source == maintenance.FromFile:
		line("stands in the file of alerts")
	default:
		line("id %s", m.ID)
	}
}

// repeats says a rule as people do, where it is one of those that they say.
func repeats(rule string) string {
	parts := map[string]string{}
	for part := range strings.SplitSeq(rule, ";") {
		name, value, _ := strings.Cut(part, "=")
		parts[name] = value
	}
	switch days, ok := parts["BYDAY"]; {
	case len(parts) == 1 && parts["FREQ"] == "DAILY":
		return "daily"
	case len(parts) == 2 && parts["FREQ"] == "WEEKLY" && ok:
		return "weekly on " + strings.NewReplacer("MO", "Mon", "TU", "Tue", "WE", "Wed", "TH", "Thu", "FR", "Fri", "SA", "Sat", "SU", "Sun", ",", ", ").Replace(days)
	case len(parts) == 2 && parts["FREQ"] == "MONTHLY" && parts["BYMONTHDAY"] != "":
		return "monthly on " + parts["BYMONTHDAY"]
	}
	return rule
}

// maintenanceAddCommand plans one.
type maintenanceAddCommand struct {
	remote
	Path     []string `arg:"" help:"Nodes, with everything below them."`
	For      days     `required:"" help:"How long it lasts, each time." placeholder:"TIME"`
	At       string   `help:"When it begins: 22:00, \"2026-11-22 22:00\" or a time such as 2026-11-22T22:00:00Z. Default: now." placeholder:"TIME"`
	Daily    bool     `help:"It repeats each day." xor:"rule"`
	Weekly   string   `help:"It repeats each week on these days: sat,sun." xor:"rule" placeholder:"DAYS"`
	Monthly  string   `help:"It repeats each month on this day: 15, -1 for the last one, or \"first sun\"." xor:"rule" placeholder:"DAY"`
	Rule     string   `help:"It repeats as RFC 5545 says it: FREQ=WEEKLY;INTERVAL=2;BYDAY=TU" xor:"rule" placeholder:"RRULE"`
	Zone     string   `help:"Time zone by whose clock it begins: Europe/Berlin. Default: that of this machine, or UTC when it repeats." placeholder:"ZONE"`
	Name     string   `help:"What it is called. Default: the paths." placeholder:"TEXT"`
	Comment  string   `short:"m" help:"What is done, for whoever reads it." placeholder:"TEXT"`
	Announce days     `help:"How long ahead the routes announce it. Default: not at all." placeholder:"TIME"`
	JSON     bool     `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *maintenanceAddCommand) Run(ctx context.Context, p *Process) error {
	for i, text := range c.Path {
		path, err := tree.ParsePath(text)
		if err != nil {
			return exit(Usage, "%w", err)
		}
		c.Path[i] = path.String()
	}
	asked := view.NewMaintenance{
		Name: cmp.Or(c.Name, short("maintenance of "+strings.Join(c.Path, ", "), 100)), At: c.Path, For: maintenance.Duration(c.For), Rule: c.rule(), Zone: c.Zone, Comment: c.Comment, Announce: maintenance.Duration(c.Announce),
	}
	if c.At != "" {
		start, err := c.start(p.now(), asked.Rule != "")
		if err != nil {
			return exit(Usage, "--at: %w", err)
		}
		asked.Start = &start
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, http.MethodPost, maintenancePath, text)
	if err != nil {
		return err
	}
	return c.print(p, body, c.JSON)
}

// print prints the window that the server answers with.
func (r *remote) print(p *Process, body []byte, asJSON bool) error {
	if asJSON {
		_, err := p.Stdout.Write(body)
		return err
	}
	var w view.PlannedWindow
	if err := json.Unmarshal(body, &w); err != nil {
		return exit(NoReply, "the answer of %s is no maintenance window: %w", r.Server, err)
	}
	printWindow(p.Stdout, &w, p.now())
	return nil
}

// rule is how it repeats.
func (c *maintenanceAddCommand) rule() string {
	switch {
	case c.Daily:
		return "daily"
	case c.Weekly != "":
		return "weekly on " + c.Weekly
	case c.Monthly != "":
		return "monthly on " + c.Monthly
	}
	return c.Rule
}

// start reads when it begins. A time of day alone, of one that does not repeat, is the next
// by the clock of the zone.
func (c *maintenanceAddCommand) start(now time.Time, repeating bool) (time.Time, error) {
	zone := time.Local
	if c.Zone != "" || repeating {
		at, err := time.LoadLocation(c.Zone)
		if err != nil {
			return now, fmt.Errorf("%.40q is no time zone, such as Europe/Berlin", c.Zone)
		}
		zone = at
	}
	if at, err := time.Parse("15:04", c.At); err == nil {
		now = now.In(zone)
		start := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, zone)
		if start.Before(now.Truncate(time.Minute)) && !repeating {
			start = time.Date(now.Year(), now.Month(), now.Day()+1, at.Hour(), at.Minute(), 0, 0, zone)
		}
		return start, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, c.At, zone); err == nil {
			return at, nil
		}
	}
	at, err := time.Parse(time.RFC3339, c.At)
	if err != nil {
		return at, fmt.Errorf("%.40q is no time such as 22:00 or \"2026-11-22 22:00\"", c.At)
	}
	return at, nil
}

// short is the beginning of a text that is longer than so many bytes.
func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// namedWindow is the argument that names a window.
type namedWindow struct {
	Window string `arg:"" name:"id-or-name" help:"Its id, or its name when no other is called so."`
}

// find returns the window that is named.
func (n *namedWindow) find(ctx context.Context, r *remote) (found *view.PlannedWindow, err error) {
	body, err := r.get(ctx, maintenancePath)
	if err != nil {
		return nil, err
	}
	var list view.PlannedWindows
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, exit(NoReply, "the answer of %s has no maintenance windows: %w", r.Server, err)
	}
	for i := range list.Windows {
		switch w := &list.Windows[i]; {
		case w.ID == n.Window:
			return w, nil
		case w.Name != n.Window || w.Hidden:
		case found != nil:
			return nil, exit(Wrong, "several are called %q: name one by its id, which grove maintenance list prints", n.Window)
		default:
			found = w
		}
	}
	if found == nil {
		return nil, exit(Wrong, "there is no maintenance window %q: grove maintenance list --over lists them", n.Window)
	}
	return found, nil
}

// maintenanceEndCommand ends one.
type maintenanceEndCommand struct {
	remote
	namedWindow
	JSON bool `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *maintenanceEndCommand) Run(ctx context.Context, p *Process) error {
	w, err := c.find(ctx, &c.remote)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, http.MethodPost, maintenancePath+"/"+url.PathEscape(w.ID)+"/end", nil)
	if err != nil {
		return err
	}
	return c.print(p, body, c.JSON)
}

// maintenanceRemoveCommand removes one.
type maintenanceRemoveCommand struct {
	remote
	namedWindow
}

// Run implements the command.
func (c *maintenanceRemoveCommand) Run(ctx context.Context, p *Process) error {
	w, err := c.find(ctx, &c.remote)
	if err != nil {
		return err
	}
	if _, err := c.do(ctx, http.MethodDelete, maintenancePath+"/"+url.PathEscape(w.ID), nil); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s is removed\n", cell(w.Name))
	return nil
}
