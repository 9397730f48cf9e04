package form

import (
	"strconv"
	"time"

	"grove/tree"
	"grove/viewer/export/document"
)

// sink takes what a document says. XML and JSON are two sinks of the same telling, so
// that they cannot say different things. Fields of an object come before its texts,
// objects and lists. What is empty is left out.
type sink interface {
	begin(name string)        // an object: a member, or an item of the list that is open
	list(name string)         // a list of objects or of texts
	end()                     // of the object or list
	field(name, value string) // a short text: an attribute of XML
	number(name string, n int)
	truth(name string, is bool)
	value(name string, v tree.Value)
	text(name, value string) // a longer text: an element of XML, or an item of a list
}

// timeFormat is RFC 3339 with milliseconds, which is an xs:dateTime, too.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// tell says everything but the outermost object, which each form begins in its own way.
func tell(s sink, d *document.Document) {
	s.field("version", document.Version)
	s.field("created", stamp(d.Created))
	s.field("generator", d.Generator)
	s.field("scope", d.Scope)
	s.field("path", d.Query.Path.String())
	s.field("customer", d.Query.Customer)
	s.list("managers")
	for _, p := range d.Managers {
		tellManager(s, d, p)
	}
	s.end()
}

func tellManager(s sink, d *document.Document, p *document.Part) {
	s.begin("manager")
	s.field("id", p.Anchor)
	s.field("key", p.ID)
	s.field("name", p.Name)
	s.field("role", p.Role())
	s.field("version", p.Version)
	s.field("top", p.Top.String())
	s.field("failover", p.Failover)
	tellStatus(s, &p.Status)
	s.text("description", p.Description)
	s.begin("machine")
	s.field("dnsname", p.Host)
	s.field("server", p.Address)
	s.end()
	s.text("portal", p.Door())
	s.text("location", p.Location)
	tellTexts(s, "contacts", "contact", p.Contacts)
	tellCounts(s, p.Counts)
	tellAlerts(s, p.Counts, p.Worst)
	for role, list := range p.Elements {
		if len(list) == 0 {
			continue
		}
		s.list(document.Role(role).String() + "s")
		for _, e := range list {
			tellElement(s, d, e)
		}
		s.end()
	}
	if len(p.Customers) > 0 {
		s.list("customers")
		for _, c := range p.Customers {
			s.begin("customer")
			s.field("name", c.Name)
			s.field("status", c.Status.String())
			s.field("word", document.Word(c.Status))
			s.number("elements", c.Total())
			for status, n := range c.Elements {
				s.number(tree.Status(status).String(), n)
			}
			s.end()
		}
		s.end()
	}
	tellAttributes(s, d, p.Leaves)
	s.end()
}

func tellElement(s sink, d *document.Document, e *document.Element) {
	s.begin(e.Role.String())
	s.field("id", e.ID)
	s.field("name", e.Name)
	s.field("label", e.Label)
	s.field("type", e.Type)
	s.field("path", e.Places[0].String())
	s.field("application", e.Application)
	s.field("instance", e.Instance)
	s.field("dnsname", e.DNSName)
	tellReference(s, "host", e.Host, e.HostElement)
	tellReference(s, "device", e.Device, e.DeviceElement)
	tellReference(s, "service", e.Service, e.ServiceElement)
	if e.Parent != nil {
		s.field("parentId", e.Parent.ID)
	}
	tellStatus(s, &e.Status)
	s.text("description", e.Description)
	s.text("address", e.Address)
	s.text("portal", e.Portal)
	s.text("location", e.Location)
	tellTexts(s, "contacts", "contact", e.Contacts)
	tellTexts(s, "customers", "customer", e.Customers)
	if len(e.Properties) > 0 {
		s.list("properties")
		for _, p := range e.Properties {
			s.begin("property")
			s.field("name", p[0])
			s.field("value", p[1])
			s.end()
		}
		s.end()
	}
	if len(e.Places) > 1 {
		s.list("places")
		for _, p := range e.Places {
			s.text("place", p.String())
		}
		s.end()
	}
	tellTexts(s, "problems", "problem", e.Problems)
	tellCounts(s, e.Counts)
	tellAlerts(s, e.Counts, e.Worst)
	tellAttributes(s, d, e.Leaves)
	s.end()
}

func tellReference(s sink, name, value string, e *document.Element) {
	s.field(name, value)
	if e != nil {
		s.field(name+"Id", e.ID)
	}
}

func tellStatus(s sink, st *document.Status) {
	s.begin("status")
	s.field("colour", st.Status.String())
	s.field("word", document.Word(st.Status))
	s.field("since", stamp(st.Since))
	if st.Status == tree.White && st.Last != tree.White {
		s.field("last", st.Last.String())
	}
	s.text("reason", st.Reason)
	s.end()
}

func tellTexts(s sink, list, item string, texts []string) {
	if len(texts) == 0 {
		return
	}
	s.list(list)
	for _, t := range texts {
		s.text(item, t)
	}
	s.end()
}

func tellCounts(s sink, counts [4]int) {
	s.begin("counts")
	for status, n := range counts {
		s.number(tree.Status(status).String(), n)
	}
	s.end()
}

func tellAlerts(s sink, counts [4]int, worst []*document.Record) {
	s.begin("alerts")
	s.number("yellow", counts[tree.Yellow])
	s.number("red", counts[tree.Red])
	if len(worst) > 0 {
		s.list("worst")
		for _, r := range worst {
			s.begin("alert")
			s.field("path", r.Path.String())
			s.field("name", r.Name())
			s.field("status", r.Status.String())
			s.field("word", document.Word(r.Status))
			s.field("since", stamp(r.Since()))
			s.field("shown", r.Describe())
			s.end()
		}
		s.end()
	}
	s.end()
}

func tellAttributes(s sink, d *document.Document, leaves []*document.Record) {
	if len(leaves) == 0 {
		return
	}
	s.list("attributes")
	for _, r := range leaves {
		tellAttribute(s, d, r)
	}
	s.end()
}

func tellAttribute(s sink, d *document.Document, r *document.Record) {
	s.begin("attribute")
	s.field("name", r.Name())
	s.field("path", r.Path.String())
	s.field("kind", r.Kind.String())
	s.field("status", r.Status.String())
	s.field("word", document.Word(r.Status))
	s.value("value", r.Value)
	s.field("unit", r.Unit())
	s.field("shown", r.Shown())
	s.field("time", stamp(r.Time()))
	s.field("since", stamp(r.Since()))
	if r.Status == tree.White && r.Last != tree.White {
		s.field("last", r.Last.String())
	}
	if r.Flapping {
		s.truth("flapping", true)
	}
	s.text("reason", r.Reason)
	if r.Spec != nil {
		s.text("description", r.Spec.Description)
	}
	if l := d.Levels(r); l != nil {
		tellLevels(s, l, r.Tuned)
	}
	s.end()
}

func tellLevels(s sink, l *document.Levels, tuned bool) {
	s.begin("thresholds")
	s.field("yellow", l.Yellow)
	s.field("red", l.Red)
	s.field("yellowOff", l.YellowOff)
	s.field("redOff", l.RedOff)
	s.field("clear", l.Clear)
	s.field("stale", l.Stale)
	if tuned {
		s.truth("tuned", true)
	}
	if len(l.States) > 0 {
		s.list("states")
		for _, state := range l.States {
			s.begin("state")
			s.field("text", state[0])
			s.field("status", state[1])
			s.end()
		}
		s.end()
	}
	s.end()
}

func itoa(n int) string { return strconv.Itoa(n) }
