package document

import (
	"strconv"
	"time"

	"grove/tree"
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

func stampNano(n int64) string {
	if n == 0 {
		return ""
	}
	return stamp(time.Unix(0, n))
}

// tell says everything but the outermost object, which each form begins in its own way.
func (d *Document) tell(s sink) {
	s.field("version", Version)
	s.field("created", stamp(d.Created))
	s.field("generator", d.generator)
	s.field("scope", d.scope)
	s.field("path", d.Query.Path.String())
	s.field("customer", d.Query.Customer)
	s.list("managers")
	for _, p := range d.managers {
		d.tellManager(s, p)
	}
	s.end()
}

func (d *Document) tellManager(s sink, p *managerPart) {
	s.begin("manager")
	s.field("id", p.id)
	s.field("key", p.ID)
	s.field("name", p.Name)
	s.field("role", p.role())
	s.field("version", p.Version)
	s.field("top", p.Top.String())
	s.field("failover", p.Failover)
	tellStatus(s, &p.status)
	s.text("description", p.Description)
	s.begin("machine")
	s.field("dnsname", p.Host)
	s.field("server", p.Address)
	s.end()
	s.text("portal", p.portal())
	s.text("location", p.Location)
	tellTexts(s, "contacts", "contact", p.Contacts)
	tellCounts(s, p.counts)
	d.tellAlerts(s, p.counts, &p.alerts)
	for role, list := range p.elements {
		if len(list) == 0 {
			continue
		}
		s.list(Role(role).String() + "s")
		for _, e := range list {
			d.tellElement(s, e)
		}
		s.end()
	}
	if len(p.customers) > 0 {
		s.list("customers")
		for _, c := range p.customers {
			s.begin("customer")
			s.field("name", c.name)
			s.field("status", c.status.String())
			s.field("word", words[c.status])
			s.number("elements", c.total())
			for status, n := range c.elements {
				s.number(tree.Status(status).String(), n)
			}
			s.end()
		}
		s.end()
	}
	d.tellAttributes(s, p.leaves)
	s.end()
}

func (c *customerPart) total() (n int) {
	for _, k := range c.elements {
		n += k
	}
	return n
}

func (p *managerPart) role() string {
	if p.Integration {
		return "integration-manager"
	}
	return "manager"
}

// portal is where people look at a manager.
func (p *managerPart) portal() string {
	if p.Portal != "" {
		return p.Portal
	}
	return p.Address
}

func (d *Document) tellElement(s sink, e *Element) {
	s.begin(e.Role.String())
	s.field("id", e.ID)
	s.field("name", e.Name)
	s.field("label", e.Label)
	s.field("type", e.Type)
	s.field("path", e.Places[0].String())
	s.field("application", e.Application)
	s.field("instance", e.Instance)
	s.field("dnsname", e.DNSName)
	tellReference(s, "host", e.Host, e.hostElement)
	tellReference(s, "device", e.Device, e.deviceElement)
	tellReference(s, "service", e.Service, e.serviceElement)
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
	d.tellAlerts(s, e.Counts, &e.alerts)
	d.tellAttributes(s, e.leaves)
	s.end()
}

func tellReference(s sink, name, value string, e *Element) {
	s.field(name, value)
	if e != nil {
		s.field(name+"Id", e.ID)
	}
}

func tellStatus(s sink, st *Status) {
	s.begin("status")
	s.field("colour", st.Status.String())
	s.field("word", words[st.Status])
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

func (d *Document) tellAlerts(s sink, counts [4]int, a *alerts) {
	s.begin("alerts")
	s.number("yellow", counts[tree.Yellow])
	s.number("red", counts[tree.Red])
	if len(a.worst) > 0 {
		s.list("worst")
		for _, i := range a.worst {
			r := &d.records[i]
			s.begin("alert")
			s.field("path", r.path.String())
			s.field("name", r.name())
			s.field("status", r.status.String())
			s.field("word", words[r.status])
			s.field("since", stampNano(r.since))
			s.field("shown", describe(r))
			s.end()
		}
		s.end()
	}
	s.end()
}

func (d *Document) tellAttributes(s sink, leaves []int32) {
	if len(leaves) == 0 {
		return
	}
	s.list("attributes")
	for _, i := range leaves {
		d.tellAttribute(s, &d.records[i])
	}
	s.end()
}

func (d *Document) tellAttribute(s sink, r *record) {
	s.begin("attribute")
	s.field("name", r.name())
	s.field("path", r.path.String())
	s.field("kind", r.kind.String())
	s.field("status", r.status.String())
	s.field("word", words[r.status])
	s.value("value", r.value)
	s.field("unit", r.unit())
	s.field("shown", shownOf(r))
	s.field("time", stampNano(r.time))
	s.field("since", stampNano(r.since))
	if r.status == tree.White && r.last != tree.White {
		s.field("last", r.last.String())
	}
	if r.flapping {
		s.truth("flapping", true)
	}
	s.text("reason", r.reason)
	if r.spec != nil {
		s.text("description", r.spec.Description)
	}
	if l := d.levels[r.threshold]; l != nil && !l.empty() {
		tellLevels(s, l, r.tuned)
	}
	s.end()
}

// shownOf is the value of an attribute for people; a text is its value already.
func shownOf(r *record) string {
	n, isNumber := r.value.Number()
	switch {
	case !isNumber:
		return ""
	case r.kind == tree.State && r.unit() == "" && (n == 0 || n == 1):
		return strconv.FormatBool(n == 1) // A truth value is the number 1 or 0.
	}
	return Show(r.value, r.unit())
}

func tellLevels(s sink, l *levels, tuned bool) {
	s.begin("thresholds")
	s.field("yellow", l.yellow)
	s.field("red", l.red)
	s.field("yellowOff", l.yellowOff)
	s.field("redOff", l.redOff)
	s.field("clear", l.clear)
	s.field("stale", l.stale)
	if tuned {
		s.truth("tuned", true)
	}
	if len(l.states) > 0 {
		s.list("states")
		for _, state := range l.states {
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
