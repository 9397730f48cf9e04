package form

import (
	"io"
	"strings"

	"grove/tree"
	"grove/viewer/export/document"
	"grove/viewer/export/document/markup"
	"grove/viewer/export/document/page"
)

// WriteHTML writes the document as a page. The style sheet for XML, document-1.xsl,
// writes the same page, so what changes here changes there.
func WriteHTML(w io.Writer, d *document.Document) error {
	x := page.Begin(w, title(d))
	x.Start("header")
	x.Element("h1", title(d))
	x.Start("p", "class", "meta").Text("As of ")
	moment(x, stamp(d.Created))
	x.Text(", by " + d.Generator)
	x.End()
	x.End().Line()
	x.Start("main").Line()
	for _, p := range d.Managers {
		htmlManager(x, d, p)
	}
	return x.Finish()
}

// title names what the document tells of.
func title(d *document.Document) string {
	switch {
	case d.Query.Customer != "":
		return "Status for " + d.Query.Customer
	case !d.Query.Path.IsRoot():
		return "Status of " + d.Query.Path.String()
	}
	return "Status"
}

// moment writes a time to the second; RFC 3339 in UTC is given.
func moment(x *markup.Writer, t string) {
	if len(t) < 19 {
		return
	}
	x.Element("time", t[:10]+" "+t[11:19]+" UTC", "datetime", t)
}

func htmlManager(x *markup.Writer, d *document.Document, p *document.Part) {
	x.Start("section", "class", "panel", "id", p.Anchor, "aria-labelledby", p.Anchor+"-name")
	x.Start("h2").Element("span", p.Name, "id", p.Anchor+"-name")
	page.State(x, p.Status.Status, document.Word(p.Status.Status))
	x.End().Line()
	htmlWhy(x, &p.Status)
	htmlParagraph(x, p.Description)
	x.Start("dl", "class", "facts")
	f := facting{x}
	f.text("Role", strings.ReplaceAll(p.Role(), "-", " "))
	f.text("Machine", p.Host)
	f.link("Portal", p.Door())
	f.text("Location", p.Location)
	f.texts("Contacts", p.Contacts)
	f.text("Takes over", p.Failover)
	f.text("Version", p.Version)
	x.Start("div").Element("dt", "Attributes").Start("dd")
	htmlCounts(x, p.Counts)
	x.End().End()
	x.End().Line()
	htmlAlerts(x, p.Worst)
	for role, list := range p.Elements {
		if len(list) == 0 {
			continue
		}
		x.Start("h3").Text([...]string{"Hosts", "Devices", "Services"}[role]).Element("span", itoa(len(list)), "class", "number").End().Line()
		for _, e := range list {
			htmlElement(x, d, e)
		}
	}
	htmlCustomers(x, p.Customers)
	if len(p.Leaves) > 0 {
		x.Start("h3").Text("Other attributes").Element("span", itoa(len(p.Leaves)), "class", "number").End().Line()
		htmlAttributes(x, d, p.Leaves, p.Name)
	}
	x.End().Line()
}

func htmlWhy(x *markup.Writer, s *document.Status) {
	x.Start("p", "class", "why "+s.Status.String())
	if s.Reason != "" {
		x.Text(s.Reason)
	}
	if !s.Since.IsZero() {
		x.Start("span", "class", "soft").Text(" since ")
		moment(x, stamp(s.Since))
		x.End()
	}
	if s.Status == tree.White && s.Last != tree.White {
		x.Element("span", ", "+document.Word(s.Last)+" before", "class", "soft")
	}
	x.End().Line()
}

func htmlParagraph(x *markup.Writer, text string) {
	if text != "" {
		x.Element("p", text, "class", "soft").Line()
	}
}

// facting writes the facts of a list of definitions; what is empty is left out.
type facting struct{ x *markup.Writer }

func (f facting) text(name, value string) {
	if value != "" {
		f.x.Start("div").Element("dt", name).Element("dd", value).End()
	}
}

func (f facting) texts(name string, values []string) { f.text(name, strings.Join(values, ", ")) }

// link makes a link of what is one; another text is only shown.
func (f facting) link(name, address string) {
	href, ok := markup.Link(address)
	if !ok {
		f.text(name, address)
		return
	}
	f.x.Start("div").Element("dt", name).Start("dd").Element("a", address, "href", href, "rel", "noreferrer").End().End()
}

func (f facting) reference(name, value string, e *document.Element) {
	if e == nil {
		f.text(name, value)
		return
	}
	f.x.Start("div").Element("dt", name).Start("dd").Element("a", value, "href", "#"+e.ID).End().End()
}

func htmlCounts(x *markup.Writer, counts [4]int) {
	x.Start("span", "class", "counts")
	for _, s := range [...]tree.Status{tree.Red, tree.Yellow, tree.White, tree.Green} {
		if counts[s] > 0 {
			page.Count(x, s, document.Word(s), counts[s])
		}
	}
	x.End()
}

func htmlAlerts(x *markup.Writer, worst []*document.Record) {
	if len(worst) == 0 {
		return
	}
	x.Element("h3", "Worst now").Line()
	x.Start("div", "class", "scroll").Start("table", "class", "cards").Line()
	htmlHead(x, "Status", "Attribute", "Value", "Since")
	x.Start("tbody").Line()
	for _, r := range worst {
		x.Start("tr").Start("td")
		page.State(x, r.Status, document.Word(r.Status))
		x.End()
		x.Element("td", r.Path.String(), "class", "wide")
		x.Element("td", r.Describe())
		x.Start("td", "class", "when")
		moment(x, stamp(r.Since()))
		x.End().End().Line()
	}
	x.End().End().End().Line()
}

func htmlHead(x *markup.Writer, names ...string) {
	x.Start("thead").Start("tr")
	for _, n := range names {
		x.Element("th", n, "scope", "col")
	}
	x.End().End().Line()
}

func htmlElement(x *markup.Writer, d *document.Document, e *document.Element) {
	x.Start("details", "id", e.ID)
	if e.Status.Status >= tree.Yellow {
		x.Attr("open", "open")
	}
	x.Start("summary")
	page.State(x, e.Status.Status, document.Word(e.Status.Status))
	x.Start("span", "class", "name").Text(e.Name)
	if e.Label != "" {
		x.Element("span", " "+e.Label, "class", "label")
	}
	x.End()
	x.Element("span", e.Type, "class", "type").Element("span", e.Location, "class", "where")
	htmlCounts(x, e.Counts)
	x.End().Line()
	x.Start("div", "class", "body")
	htmlWhy(x, &e.Status)
	htmlParagraph(x, e.Description)
	x.Start("dl", "class", "facts")
	f := facting{x}
	f.text("Address", e.Address)
	f.link("Portal", e.Portal)
	f.reference("Runs on host", e.Host, e.HostElement)
	f.reference("Runs on device", e.Device, e.DeviceElement)
	f.reference("Part of service", e.Service, e.ServiceElement)
	f.texts("Customers", e.Customers)
	f.texts("Contacts", e.Contacts)
	for _, p := range e.Properties {
		f.text(p[0], p[1])
	}
	for _, p := range e.Places {
		f.text("Place", p.String())
	}
	for _, p := range e.Problems {
		f.text("Problem", p)
	}
	x.End().Line()
	if len(e.Leaves) > 0 {
		htmlAttributes(x, d, e.Leaves, e.Name)
	}
	x.End().End().Line()
}

func htmlAttributes(x *markup.Writer, d *document.Document, leaves []*document.Record, of string) {
	x.Start("div", "class", "scroll").Start("table", "class", "cards").Line()
	x.Element("caption", "Attributes of "+of, "class", "hidden")
	htmlHead(x, "Status", "Attribute", "Value", "Thresholds", "Since")
	x.Start("tbody").Line()
	for _, r := range leaves {
		htmlAttribute(x, d, r)
	}
	x.End().End().End().Line()
}

func htmlAttribute(x *markup.Writer, d *document.Document, r *document.Record) {
	x.Start("tr").Start("td")
	page.State(x, r.Status, document.Word(r.Status))
	x.End()
	x.Element("td", r.Name(), "class", "wide")
	x.Start("td")
	if shown := r.Shown(); shown != "" {
		x.Text(shown)
	} else if !r.Value.IsNone() {
		x.Text(r.Value.String())
	}
	if r.Reason != "" {
		x.Element("span", " "+r.Reason, "class", "soft")
	}
	x.End()
	x.Start("td", "class", "wide soft")
	if l := d.Levels(r); l != nil {
		for _, level := range [...][2]string{{"yellow", l.Yellow}, {"red", l.Red}} {
			if level[1] != "" {
				x.Element("span", level[0]+" "+level[1]+" ", "class", "level")
			}
		}
	}
	x.End()
	x.Start("td", "class", "when")
	moment(x, stamp(r.Since()))
	x.End().End().Line()
}

func htmlCustomers(x *markup.Writer, customers []*document.Customer) {
	if len(customers) == 0 {
		return
	}
	x.Start("h3").Text("Customers").Element("span", itoa(len(customers)), "class", "number").End().Line()
	x.Start("div", "class", "scroll").Start("table", "class", "cards").Line()
	htmlHead(x, "Status", "Customer", "Hosts, devices and services")
	x.Start("tbody").Line()
	for _, c := range customers {
		x.Start("tr").Start("td")
		page.State(x, c.Status, document.Word(c.Status))
		x.End()
		x.Element("td", c.Name).Start("td")
		htmlCounts(x, c.Elements)
		x.End().End().Line()
	}
	x.End().End().End().Line()
}
