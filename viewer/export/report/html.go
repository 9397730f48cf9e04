package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/quantity"
	"grove/viewer/export/document/markup"
	"grove/viewer/export/document/page"
)

// words are the statuses as people say them.
var words = [...]string{tree.White: "no data", tree.Green: "normal", tree.Yellow: "warning", tree.Red: "fault"}

// WriteHTML writes the report as a page.
func (r *Report) WriteHTML(w io.Writer) error {
	x := page.Begin(w, r.title())
	x.Start("header").Element("h1", r.title())
	x.Start("p", "class", "meta")
	r.moment(x, r.From)
	x.Text(" to ")
	r.moment(x, r.To)
	x.Text(" (" + quantity.Duration(r.To.Sub(r.From)) + ", " + r.From.Location().String() + ")")
	x.End().End().Line()
	x.Start("main").Line()
	r.htmlWhole(x)
	r.htmlElements(x)
	r.htmlWorst(x)
	r.htmlOutages(x)
	r.htmlGaps(x)
	x.End().Line()
	x.Start("footer")
	x.Element("p", "A node is up while it is green or yellow, and down while it is red. Availability is the time up of the time up and down; "+
		"time without data and time of which there is no record count as neither. MTBF is the time up for each failure, MTTR the time down for each outage that ended "+
		"(IEC 60050-192).")
	x.Start("p").Text("Made ")
	r.moment(x, r.Created.In(r.From.Location()))
	x.Text(" by " + r.Generator).End()
	return x.Finish()
}

func (r *Report) title() string {
	of := ""
	switch {
	case r.Query.Customer != "":
		of = " for " + r.Query.Customer
	case !r.Query.Path.IsRoot():
		of = " of " + r.Query.Path.String()
	}
	return "Availability" + of
}

func (r *Report) moment(x *markup.Writer, t time.Time) {
	x.Element("time", t.Format("2006-01-02 15:04:05"), "datetime", t.Format(time.RFC3339))
}

func (r *Report) htmlWhole(x *markup.Writer) {
	x.Start("section", "class", "panel")
	x.Element("h2", "The whole")
	if n := r.Whole; n != nil {
		x.Start("div", "class", "scroll")
		bar(x, n)
		x.End().Line()
	}
	x.Start("dl", "class", "facts")
	fact := func(name, value string) {
		if value != "" {
			x.Start("div").Element("dt", name).Element("dd", value).End()
		}
	}
	if n := r.Whole; n != nil {
		fact("Availability", percent(n.Availability()))
		fact("Known", percent(n.Known(), true))
		fact("Failures", strconv.Itoa(n.Failures))
		fact("MTBF", length(n.MTBF()))
		fact("MTTR", length(n.MTTR()))
	}
	fact("Nodes", strconv.Itoa(r.Nodes))
	fact("Changes of status", strconv.Itoa(r.Changes))
	x.Start("div").Element("dt", "Alerts").Start("dd").Start("span", "class", "counts")
	page.Count(x, tree.Red, words[tree.Red], r.Became[tree.Red])
	page.Count(x, tree.Yellow, words[tree.Yellow], r.Became[tree.Yellow])
	x.End().End().End()
	if r.Events != [4]int{} {
		x.Start("div").Element("dt", "Lines of logs").Start("dd").Start("span", "class", "counts")
		for _, s := range [...]tree.Status{tree.Red, tree.Yellow, tree.White, tree.Green} {
			if r.Events[s] > 0 {
				page.Count(x, s, words[s], r.Events[s])
			}
		}
		x.End().End().End()
	}
	x.End().Line()
	x.Start("p", "class", "legend soft").Start("span", "class", "counts")
	for _, p := range parts(&Node{}) {
		x.Start("span", "class", "state").Start("svg", "class", "bar swatch", "viewBox", "0 0 12 12", "aria-hidden", "true")
		x.Start("rect", "class", p.class, "width", "12", "height", "12").End().End()
		x.Text(p.word).End()
	}
	x.End().End().End().Line()
}

// part is the share of one status in a time, as a bar shows it.
type part struct {
	class, word string
	d           time.Duration
}

func parts(n *Node) []part {
	return []part{
		{"green", words[tree.Green], n.For[tree.Green]}, {"yellow", words[tree.Yellow], n.For[tree.Yellow]}, {"red", words[tree.Red], n.For[tree.Red]},
		{"white", words[tree.White], n.For[tree.White]}, {"unknown", "no record", n.Unknown},
	}
}

// bar draws which share of the time a node had each status. The text says the same.
func bar(x *markup.Writer, n *Node) {
	whole := n.whole()
	if whole == 0 {
		return
	}
	var said []string
	for _, p := range parts(n) {
		if p.d > 0 {
			said = append(said, p.word+" "+percent(float64(p.d)/float64(whole), true))
		}
	}
	x.Start("svg", "class", "bar", "viewBox", "0 0 1000 12", "preserveAspectRatio", "none", "role", "img", "aria-label", strings.Join(said, ", "))
	at := 0.0
	for _, p := range parts(n) {
		if p.d == 0 {
			continue
		}
		width := 1000 * float64(p.d) / float64(whole)
		// What is there is seen, however short: three thousandths are a pixel or two.
		shown := math.Max(width, 3)
		x.Start("rect", "class", p.class, "x", decimal(math.Min(at, 1000-shown)), "y", "0", "width", decimal(shown), "height", "12")
		x.Element("title", p.word+" "+percent(float64(p.d)/float64(whole), true)+", "+quantity.Duration(p.d))
		x.End()
		at += width
	}
	x.End()
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// percent writes a share. One that is not whole never looks whole: 99.9995 % is not 100 %.
func percent(s float64, ok bool) string {
	if !ok {
		return ""
	}
	p := s * 100
	for digits := 1; digits <= 4; digits++ {
		text := strconv.FormatFloat(p, 'f', digits, 64)
		if rounded, _ := strconv.ParseFloat(text, 64); (rounded < 100 || s >= 1) && (rounded > 0 || s <= 0) || digits == 4 {
			if text = strings.TrimSuffix(text, ".0"); digits == 4 && rounded >= 100 && s < 1 {
				text = "99.9999"
			}
			return text + "\u202f%"
		}
	}
	return ""
}

func length(d time.Duration, ok bool) string {
	if !ok {
		return ""
	}
	return quantity.Duration(d)
}

func table(x *markup.Writer, caption string, figures int, names ...string) {
	x.Start("div", "class", "scroll").Start("table", "class", "cards").Line()
	x.Element("caption", caption, "class", "hidden")
	x.Start("thead").Start("tr")
	for i, n := range names {
		class := ""
		if i >= len(names)-figures {
			class = "figure"
		}
		x.Element("th", n, "scope", "col", "class", class)
	}
	x.End().End().Line().Start("tbody").Line()
}

func endTable(x *markup.Writer) { x.End().End().End().Line() }

// figure writes a cell with the name of its column, which a phone shows.
func figure(x *markup.Writer, label, value string) {
	if value == "" {
		x.Element("td", "", "class", "figure")
		return
	}
	x.Element("td", value, "class", "figure", "data-label", label)
}

func (r *Report) htmlElements(x *markup.Writer) {
	if len(r.Elements) == 0 {
		return
	}
	x.Start("section", "class", "panel").Element("h2", "Hosts, devices and services")
	table(x, "Availability of hosts, devices and services", 5, "Name", "", "Statuses", "Availability", "Known", "Failures", "MTBF", "MTTR")
	for _, n := range r.Elements {
		x.Start("tr")
		x.Start("td").Element("strong", n.Name).Element("span", " "+n.Path.String(), "class", "soft").End()
		x.Element("td", n.Role, "class", "when")
		x.Start("td", "class", "wide bars")
		bar(x, n)
		x.End()
		available, ok := n.Availability()
		figure(x, "Availability", percent(available, ok))
		figure(x, "Known", percent(n.Known(), true))
		figure(x, "Failures", strconv.Itoa(n.Failures))
		figure(x, "MTBF", length(n.MTBF()))
		figure(x, "MTTR", length(n.MTTR()))
		x.End().Line()
	}
	endTable(x)
	x.End().Line()
}

func (r *Report) htmlWorst(x *markup.Writer) {
	x.Start("section", "class", "panel").Element("h2", "Worst attributes")
	if len(r.Worst) == 0 {
		x.Element("p", "None was yellow or red.", "class", "soft").End().Line()
		return
	}
	table(x, "Attributes that were yellow or red, the worst first", 4, "Attribute", "Statuses", "Red", "Yellow", "Changes", "Failures")
	for _, n := range r.Worst {
		x.Start("tr").Element("td", n.Path.String(), "class", "wide")
		x.Start("td", "class", "wide bars")
		bar(x, n)
		x.End()
		figure(x, "Red", nonzero(n.Down()))
		figure(x, "Yellow", nonzero(n.For[tree.Yellow]))
		figure(x, "Changes", strconv.Itoa(n.Changes))
		figure(x, "Failures", strconv.Itoa(n.Failures))
		x.End().Line()
	}
	endTable(x)
	x.End().Line()
}

func nonzero(d time.Duration) string { return length(d, d > 0) }

func (r *Report) htmlOutages(x *markup.Writer) {
	x.Start("section", "class", "panel").Element("h2", "Longest outages")
	if len(r.Outages) == 0 {
		x.Element("p", "There was none.", "class", "soft").End().Line()
		return
	}
	table(x, "Longest outages", 1, "Node", "From", "To", "Down")
	for _, o := range r.Outages {
		x.Start("tr").Element("td", o.Path.String(), "class", "wide")
		x.Start("td", "class", "when")
		if o.Before {
			x.Text("before ")
		}
		r.moment(x, o.From.In(r.From.Location()))
		x.End()
		x.Start("td", "class", "when")
		if o.Open {
			x.Text("still at ")
		}
		r.moment(x, o.To.In(r.From.Location()))
		x.End()
		figure(x, "Down", quantity.Duration(o.Down))
		x.End().Line()
	}
	endTable(x)
	x.End().Line()
}

func (r *Report) htmlGaps(x *markup.Writer) {
	if len(r.Gaps) == 0 {
		return
	}
	var sum time.Duration
	for _, g := range r.Gaps {
		sum += g.To.Sub(g.From)
	}
	x.Start("section", "class", "panel").Element("h2", "Without a record")
	x.Element("p", fmt.Sprintf("Nothing is known of %s of the time.", quantity.Duration(sum)), "class", "soft")
	table(x, "Times without a record", 1, "From", "To", "Why", "Length")
	for i, g := range r.Gaps {
		if i == 100 {
			break
		}
		x.Start("tr").Start("td", "class", "when")
		r.moment(x, g.From.In(r.From.Location()))
		x.End().Start("td", "class", "when")
		r.moment(x, g.To.In(r.From.Location()))
		x.End().Element("td", g.Reason, "class", "wide")
		figure(x, "Length", quantity.Duration(g.To.Sub(g.From)))
		x.End().Line()
	}
	endTable(x)
	if len(r.Gaps) > 100 {
		x.Element("p", fmt.Sprintf("… and %d more.", len(r.Gaps)-100), "class", "soft")
	}
	x.End().Line()
}
