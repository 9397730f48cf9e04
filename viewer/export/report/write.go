package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/viewer/export/document/markup"
	"grove/viewer/export/document/reply"
)

// Formats are the forms of a report; the first is for those who take any.
var Formats = []reply.Format{
	{Name: "html", Type: "text/html; charset=utf-8", Takes: []string{"text/html", "application/xhtml+xml"}},
	{Name: "csv", Type: "text/csv; charset=utf-8; header=present", Takes: []string{"text/csv"}},
	{Name: "json", Type: "application/json", Takes: []string{"application/json"}},
}

// Write writes the report in one of the Formats, by its name.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "csv":
		return r.WriteCSV(w)
	case "json":
		return r.WriteJSON(w)
	default:
		return r.WriteHTML(w)
	}
}

// csvHeader names the columns of CSV. Times are RFC 3339, lengths of time are seconds,
// shares are between 0 and 1; what was not observed is empty.
var csvHeader = []string{
	"section", "path", "name", "role", "from", "to", "status", "availability", "known", "green_s", "yellow_s", "red_s", "white_s", "unknown_s",
	"changes", "to_yellow", "to_red", "failures", "mtbf_s", "mttr_s", "down_s", "began_before", "not_ended", "reason",
}

// WriteCSV writes the report as CSV (RFC 4180): rows of the sections whole, element,
// worst, outage and gap, under one header.
func (r *Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	// The writer keeps the first error for the end.
	_ = c.Write(csvHeader)
	node := func(section string, n *Node) {
		if n == nil {
			return
		}
		_ = c.Write([]string{
			section, defuse(n.Path.String()), defuse(n.Name), n.Role, rfc(r.From), rfc(r.To), n.Status.String(), share(n.Availability()), share(n.Known(), true),
			seconds(n.For[tree.Green]), seconds(n.For[tree.Yellow]), seconds(n.For[tree.Red]), seconds(n.For[tree.White]), seconds(n.Unknown),
			strconv.Itoa(n.Changes), strconv.Itoa(n.Became[tree.Yellow]), strconv.Itoa(n.Became[tree.Red]), strconv.Itoa(n.Failures),
			optional(n.MTBF()), optional(n.MTTR()), "", "", "", "",
		})
	}
	node("whole", r.Whole)
	for _, n := range r.Elements {
		node("element", n)
	}
	for _, n := range r.Worst {
		node("worst", n)
	}
	row := func(section, path string, from, to time.Time, status, down, before, open, reason string) {
		cells := make([]string, len(csvHeader))
		cells[0], cells[1], cells[4], cells[5], cells[6] = section, path, rfc(from), rfc(to), status
		copy(cells[len(cells)-4:], []string{down, before, open, reason})
		_ = c.Write(cells)
	}
	for _, o := range r.Outages {
		row("outage", defuse(o.Path.String()), o.From, o.To, "red", seconds(o.Down), strconv.FormatBool(o.Before), strconv.FormatBool(o.Open), "")
	}
	for _, g := range r.Gaps {
		row("gap", "", g.From, g.To, "unknown", "", "", "", defuse(g.Reason))
	}
	c.Flush()
	return c.Error()
}

// defuse keeps a spreadsheet from taking a text for a formula: one that begins with = +
// - @, a tab or a line end gets an apostrophe before it, which spreadsheets do not show.
func defuse(s string) string {
	s = markup.Clean(s)
	if trimmed := strings.TrimLeft(s, " \u00a0"); trimmed != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(trimmed)[0]) {
		return "'" + s
	}
	return s
}

func rfc(t time.Time) string { return t.Format(time.RFC3339) }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func optional(d time.Duration, ok bool) string {
	if !ok {
		return ""
	}
	return seconds(d)
}

func share(s float64, ok bool) string {
	if !ok {
		return ""
	}
	return strconv.FormatFloat(s, 'f', 6, 64)
}

// The shapes of JSON. Lengths of time are seconds.
type (
	jsonReport struct {
		Version   string        `json:"version"`
		Created   time.Time     `json:"created"`
		Generator string        `json:"generator"`
		Path      string        `json:"path"`
		Customer  string        `json:"customer,omitempty"`
		From      time.Time     `json:"from"`
		To        time.Time     `json:"to"`
		Nodes     int           `json:"nodes"`
		Changes   int           `json:"changes"`
		Alerts    jsonAlerts    `json:"alerts"`
		Events    jsonEvents    `json:"events"`
		Whole     *jsonNode     `json:"whole,omitempty"`
		Elements  []*jsonNode   `json:"elements"`
		Worst     []*jsonNode   `json:"worst"`
		Outages   []*jsonOutage `json:"outages"`
		Gaps      []*jsonGap    `json:"gaps"`
	}
	jsonAlerts struct {
		Yellow int `json:"yellow"`
		Red    int `json:"red"`
	}
	jsonEvents struct {
		White  int `json:"white"`
		Green  int `json:"green"`
		Yellow int `json:"yellow"`
		Red    int `json:"red"`
	}
	jsonNode struct {
		Path         string             `json:"path"`
		Name         string             `json:"name"`
		Role         string             `json:"role,omitempty"`
		Status       tree.Status        `json:"status"`
		Availability *float64           `json:"availability,omitempty"`
		Known        float64            `json:"known"`
		Seconds      map[string]float64 `json:"seconds"`
		Changes      int                `json:"changes"`
		ToYellow     int                `json:"to_yellow"`
		ToRed        int                `json:"to_red"`
		Failures     int                `json:"failures"`
		MTBF         *float64           `json:"mtbf,omitempty"`
		MTTR         *float64           `json:"mttr,omitempty"`
	}
	jsonOutage struct {
		Path   string    `json:"path"`
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Down   float64   `json:"down"`
		Before bool      `json:"began_before"`
		Open   bool      `json:"not_ended"`
	}
	jsonGap struct {
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
		Planned bool      `json:"planned"`
		Reason  string    `json:"reason"`
	}
)

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	j := jsonReport{
		Version: "1", Created: r.Created, Generator: r.Generator, Path: r.Query.Path.String(), Customer: markup.Clean(r.Query.Customer), From: r.From, To: r.To,
		Nodes: r.Nodes, Changes: r.Changes, Alerts: jsonAlerts{r.Became[tree.Yellow], r.Became[tree.Red]},
		Events:   jsonEvents{r.Events[tree.White], r.Events[tree.Green], r.Events[tree.Yellow], r.Events[tree.Red]},
		Elements: []*jsonNode{}, Worst: []*jsonNode{}, Outages: []*jsonOutage{}, Gaps: []*jsonGap{},
	}
	if r.Whole != nil {
		j.Whole = jsonOf(r.Whole)
	}
	for _, n := range r.Elements {
		j.Elements = append(j.Elements, jsonOf(n))
	}
	for _, n := range r.Worst {
		j.Worst = append(j.Worst, jsonOf(n))
	}
	for _, o := range r.Outages {
		j.Outages = append(j.Outages, &jsonOutage{o.Path.String(), o.From, o.To, o.Down.Seconds(), o.Before, o.Open})
	}
	for _, g := range r.Gaps {
		j.Gaps = append(j.Gaps, &jsonGap{g.From, g.To, g.Planned, g.Reason})
	}
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(j); err != nil {
		return err
	}
	return b.Flush()
}

func jsonOf(n *Node) *jsonNode {
	j := &jsonNode{
		Path: n.Path.String(), Name: markup.Clean(n.Name), Role: n.Role, Status: n.Status, Known: n.Known(),
		Seconds: map[string]float64{"unknown": n.Unknown.Seconds()}, Changes: n.Changes, ToYellow: n.Became[tree.Yellow], ToRed: n.Became[tree.Red], Failures: n.Failures,
	}
	for s, d := range n.For {
		j.Seconds[tree.Status(s).String()] = d.Seconds()
	}
	if a, ok := n.Availability(); ok {
		j.Availability = &a
	}
	if d, ok := n.MTBF(); ok {
		s := d.Seconds()
		j.MTBF = &s
	}
	if d, ok := n.MTTR(); ok {
		s := d.Seconds()
		j.MTTR = &s
	}
	return j
}
