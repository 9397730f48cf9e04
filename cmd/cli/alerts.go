package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// alertsCommand prints alerts, the worst first.
type alertsCommand struct {
	remote
	Path     string   `arg:"" optional:"" default:"/" help:"The node, with everything below it; or the number of one alert, which is printed whole."`
	State    []string `help:"Only in these states: open, acknowledged, suppressed, resolved, or all. Default: open and acknowledged." placeholder:"STATE"`
	Status   []string `help:"Only with one of these statuses." placeholder:"STATUS"`
	Severity []string `help:"Only as grave as one of these." placeholder:"SEVERITY"`
	Customer string   `help:"Only of what is this customer's." placeholder:"NAME"`
	Cause    string   `help:"Only what is suppressed because of the alert with this number." placeholder:"ID"`
	Text     string   `help:"Only with this text." placeholder:"TEXT"`
	From     string   `help:"Only what had not ended so long ago, such as 24h or 7d, or at a time." placeholder:"TIME"`
	Limit    int      `help:"At most so many." default:"100" placeholder:"N"`
	Here     bool     `help:"Of a node of another manager: the alerts of this manager, if it has any about it; else that one is asked for its own."`
	Watch    bool     `short:"w" help:"Go on, and print them again when they change."`
	JSON     bool     `name:"json" help:"Print JSON, as the server answers."`
}

const alertsPath = "/api/v1/alerts"

// Run implements the command.
func (c *alertsCommand) Run(ctx context.Context, p *Process, all *commands) error {
	if c.JSON && c.Watch {
		return exit(Usage, "--json and --watch do not go together: programs follow "+alertsPath+"/stream")
	}
	if id, err := alert.ParseID(c.Path); err == nil {
		return c.one(ctx, p, all, id)
	}
	query, err := c.query(p)
	if err != nil {
		return err
	}
	if c.JSON {
		body, _, err := c.alertsOf(ctx, c.Here, query)
		if err != nil {
			return err
		}
		_, err = p.Stdout.Write(body)
		return err
	}
	show := func() (string, error) {
		body, _, err := c.alertsOf(ctx, c.Here, query)
		if err != nil {
			return "", err
		}
		var page alert.Page
		if err := json.Unmarshal(body, &page); err != nil {
			return "", exit(NoReply, "the answer of %s has no alerts: %w", c.Server, err)
		}
		columns, _ := screen(p.Stdout)
		s := alertSheet{drawing: drawing{color: all.colored(p.Stdout)}, width: columns, now: p.now(), all: c.all()}
		var text strings.Builder
		s.print(&text, &page)
		return text.String(), nil
	}
	if c.Watch {
		return c.watch(ctx, p, show)
	}
	text, err := show()
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.Stdout, text)
	return err
}

// alertsOf asks for alerts; those of a node of another manager's tree are told by that one,
// unless those of here are wanted, and have the numbers that they have there.
func (r *remote) alertsOf(ctx context.Context, here bool, query []string) (body []byte, theirs bool, err error) {
	if slices.Contains(query, "under") && !here {
		body, why, err := r.ask(ctx, http.MethodGet, alertsPath, nil, append(slices.Clone(query), "at", "owner")...)
		switch {
		case why == nil:
			return body, err == nil, err
		case why.Status != http.StatusConflict: // It is of the manager itself.
			return nil, true, why.exit()
		}
	}
	body, err = r.get(ctx, alertsPath, query...)
	return body, false, err
}

// all says whether nothing narrows what is listed.
func (c *alertsCommand) all() bool {
	path, err := tree.ParsePath(c.Path)
	return err == nil && path.IsRoot() && len(c.State)+len(c.Status)+len(c.Severity) == 0 && c.Customer+c.Cause+c.Text+c.From == ""
}

func (c *alertsCommand) query(p *Process) ([]string, error) {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return nil, exit(Usage, "%w", err)
	}
	states := c.State
	if len(states) == 0 && c.Cause == "" {
		states = []string{string(alert.Open), string(alert.Acknowledged)}
	}
	query := []string{"limit", strconv.Itoa(c.Limit)}
	if !path.IsRoot() {
		query = append(query, "under", path.String())
	}
	if c.From != "" {
		from, err := ago(p.now(), c.From)
		if err != nil {
			return nil, exit(Usage, "--from: %w", err)
		}
		query = append(query, "from", from.UTC().Format(time.RFC3339))
		if len(c.State) == 0 {
			states = []string{"all"}
		}
	}
	for _, one := range [][2]string{
		{"state", strings.Join(states, ",")}, {"status", strings.Join(c.Status, ",")}, {"severity", strings.Join(c.Severity, ",")},
		{"customer", c.Customer}, {"cause", c.Cause}, {"text", c.Text},
	} {
		if one[1] != "" {
			query = append(query, one[0], one[1])
		}
	}
	return query, nil
}

// ago reads how long ago something was, or a time.
func ago(now time.Time, text string) (time.Time, error) {
	var d days
	if d.UnmarshalText([]byte(text)) == nil {
		return now.Add(-time.Duration(d)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%.40q is neither how long ago, such as 24h or 7d, nor a time such as 2026-03-01T12:00:00Z", text)
	}
	return at, nil
}

// alertSheet prints alerts for a terminal that is so many columns wide; 0 is a pipe.
type alertSheet struct {
	drawing
	width int
	now   time.Time
	all   bool // nothing narrows what is listed

	path, age int // widths of columns
}

// indent is what stands below the shape and the word of an alert.
const indent = 10

// wide is from how many columns on an alert has what is known of it beside its path.
const wide = 100

// print prints a page: first how many there are.
func (s *alertSheet) print(w io.Writer, page *alert.Page) {
	line := func(text string) { fmt.Fprintln(w, strings.Join(wrapped(text, s.width), "\n")) }
	line(s.counts(page.Counts))
	for i := range page.Alerts {
		a := &page.Alerts[i]
		s.path = min(max(s.path, len([]rune(plain(a.Path.String())))), 48)
		s.age = max(s.age, len(s.since(a)))
	}
	for i := range page.Alerts {
		s.alert(w, &page.Alerts[i])
	}
	if page.Next != "" {
		line("… there are more: --limit lists more of them, a path, --status or --text fewer")
	}
}

// counts says how many alerts there are.
func (s *alertSheet) counts(counts map[alert.State]int) string {
	var parts []string
	for _, c := range []struct {
		state alert.State
		words string
	}{{alert.Open, "open"}, {alert.Acknowledged, "acknowledged"}, {alert.Suppressed, "held back"}} {
		if n := counts[c.state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.words))
		}
	}
	switch {
	case len(parts) == 0 && s.all:
		return s.paint("●", marks["green"].color) + " no alerts"
	case len(parts) == 0:
		return "altogether no alerts"
	case !s.all:
		return "altogether " + strings.Join(parts, ", ")
	}
	text := strings.Join(parts, ", ")
	if counts[alert.Suppressed] > 0 {
		text += " (--state suppressed lists them)"
	}
	return text
}

// alert prints one: shape and word, path, since when, what is wrong; and below it who knows,
// and what follows from it.
func (s *alertSheet) alert(w io.Writer, a *alert.Alert) {
	status := a.Status
	if a.Ended() {
		status = a.Worst
	}
	m := marks[status.String()]
	head := s.paint(m.shape, m.color) + " " + s.paint(fmt.Sprintf("%-*s", indent-2, status), m.color)
	path := plain(a.Path.String())
	since := s.since(a)
	what := wrong(a) + ", " + a.Severity.String()
	if s.width == 0 || s.width >= wide {
		line := fmt.Sprintf("%-*s  %-*s  ", s.path, path, s.age, since)
		room := s.width - indent - len([]rune(line))
		if s.width > 0 && len([]rune(what)) > room {
			fmt.Fprintf(w, "%s%s\n", head, strings.TrimRight(line, " "))
			s.below(w, what, "")
		} else {
			fmt.Fprintf(w, "%s%s%s\n", head, line, what)
		}
	} else {
		fmt.Fprintf(w, "%s%s\n", head, path)
		s.below(w, what+", "+since, "")
	}
	for _, note := range s.notes(a) {
		s.below(w, note, "2")
	}
}

// below writes a text below an alert, on as many lines as it needs.
func (s *alertSheet) below(w io.Writer, text, color string) {
	for _, line := range wrapped(text, s.width-indent) {
		fmt.Fprintf(w, "%*s%s\n", indent, "", s.paint(line, color))
	}
}

// since says since when an alert is there, or when it was.
func (s *alertSheet) since(a *alert.Alert) string {
	if a.Resolved != nil {
		return fmt.Sprintf("%s for %s", s.clock(a.Opened), brief(a.Resolved.Sub(a.Opened)))
	}
	return fmt.Sprintf("since %s (%s)", s.clock(a.Opened), brief(s.now.Sub(a.Opened)))
}

// clock is a time in the zone of the reader, with the day unless that is today.
func (s *alertSheet) clock(at time.Time) string {
	at, now := at.Local(), s.now.Local()
	switch {
	case at.YearDay() == now.YearDay() && at.Year() == now.Year():
		return at.Format("15:04")
	case at.Year() == now.Year():
		return at.Format("2 Jan 15:04")
	}
	return at.Format("2 Jan 2006")
}

// brief is a duration as people say it: "40s", "47m", "3h12m", "2d3h".
func brief(d time.Duration) string {
	d = max(d, 0)
	join := func(large time.Duration, of string, small time.Duration, rest string) string {
		text := fmt.Sprintf("%d%s", d/large, of)
		if n := d % large / small; n > 0 {
			text += fmt.Sprintf("%d%s", n, rest)
		}
		return text
	}
	switch day := 24 * time.Hour; {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return join(time.Hour, "h", time.Minute, "m")
	default:
		return join(day, "d", time.Hour, "h")
	}
}

// wrong says what is wrong: the value and the border, or else the message without the path
// that it begins with.
func wrong(a *alert.Alert) string {
	if a.Value == "" {
		return cell(strings.TrimPrefix(strings.TrimPrefix(a.Message, a.Path.String()+" "), "is "+a.Status.String()+": "))
	}
	text := a.Value
	if a.Unit != "" {
		text += " " + a.Unit
	}
	if a.Threshold != "" {
		text += " (" + a.Threshold + ")"
	}
	return cell(text)
}

// notes say what else is to be known of an alert, each on its own.
func (s *alertSheet) notes(a *alert.Alert) (notes []string) {
	if n := a.Consequences; n > 0 {
		word := "consequences"
		if n == 1 {
			word = "consequence"
		}
		notes = append(notes, fmt.Sprintf("and %d %s (--cause %s)", n, word, a.ID))
	}
	if k := a.Ack; k != nil {
		text := fmt.Sprintf("acknowledged by %s at %s", k.By, s.clock(k.At))
		if k.Until != nil {
			text += ", until " + s.clock(*k.Until)
		} else if k.Sticky {
			text += ", until it is over"
		}
		if k.Comment != "" {
			text += ": " + k.Comment
		}
		notes = append(notes, cell(text))
	}
	if why := a.Suppression; why != nil {
		notes = append(notes, cell("held back: "+why.Text))
	}
	switch {
	case a.Flapping:
		notes = append(notes, fmt.Sprintf("flapping: it turned bad %d times", a.Count))
	case a.Count > 1:
		notes = append(notes, fmt.Sprintf("it turned bad %d times", a.Count))
	}
	return notes
}

// wrapped cuts a text into lines of at most so many characters, between words where it can;
// a width below 20 does not cut.
func wrapped(text string, width int) (lines []string) {
	if width < 20 {
		return []string{text}
	}
	line, length := "", 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		if length > 0 && length+1+n > width {
			lines, line, length = append(lines, line), "", 0
		}
		if length > 0 {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	return append(lines, line)
}

// one prints one alert with all that is known of it.
func (c *alertsCommand) one(ctx context.Context, p *Process, all *commands, id alert.ID) error {
	body, err := c.get(ctx, alertsPath+"/"+id.String())
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var a alert.Alert
	if err := json.Unmarshal(body, &a); err != nil {
		return exit(NoReply, "the answer of %s is no alert: %w", c.Server, err)
	}
	s := alertSheet{drawing: drawing{color: all.colored(p.Stdout)}, now: p.now()}
	return s.whole(p.Stdout, &a)
}

// whole prints all that is known of an alert.
func (s *alertSheet) whole(w io.Writer, a *alert.Alert) error {
	m := marks[a.Status.String()]
	fmt.Fprintf(w, "%s %s\n", s.paint(m.shape, m.color), plain(a.Message))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "  %s\t%s\n", name, cell(value))
		}
	}
	line("number", a.ID.String())
	line("path", a.Path.String())
	line("state", string(a.State)+", "+s.since(a))
	line("status", a.Status.String())
	line("severity", a.Severity.String())
	if a.Value != "" {
		line("value", wrong(a))
	}
	for _, note := range s.notes(a) {
		line("note", note)
	}
	line("instance", a.Instance)
	line("customers", strings.Join(a.Customers, ", "))
	for _, of := range []struct {
		name string
		all  map[string]string
	}{{"labels", a.Labels}, {"properties", a.Properties}} {
		var list []string
		for name, value := range of.all {
			list = append(list, name+"="+value)
		}
		slices.Sort(list)
		line(of.name, strings.Join(list, ", "))
	}
	line("event type", a.EventType)
	line("probable cause", a.ProbableCause)
	line("what to do", a.Repair)
	for i := range a.History {
		step := &a.History[i]
		text := localTime(step.Time.Format(time.RFC3339)) + " " + string(step.What)
		if step.What == alert.Opened || step.What == alert.Worsened || step.What == alert.Eased || step.What == alert.Reopened {
			text += ", " + step.Status.String()
		}
		if step.By != "" {
			text += " by " + step.By
		}
		if step.Text != "" {
			text += ": " + step.Text
		}
		line("step", text)
	}
	return t.Flush()
}
