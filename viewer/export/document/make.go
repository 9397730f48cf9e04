package document

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/grant"
)

// Document is what was told of the managers at one moment. It does not change.
type Document struct {
	Created time.Time
	Query   Query
	Tag     string // equal for documents that say the same, but for Created

	Generator string // the program that made it
	Scope     string // "tree", "subtree", "manager" or "customer"
	Managers  []*Part

	records []Record
	levels  map[*tree.Threshold]*Levels
}

// Part is what a document tells of one manager.
type Part struct {
	Manager
	Anchor    string // unique in the document, as the ID of an Element
	Status    Status
	Counts    [4]int        // its attributes by status
	Worst     []*Record     // attributes that are yellow or red, those first that matter most
	Elements  [3][]*Element // by role
	Leaves    []*Record     // attributes that lie in no element
	Customers []*Customer

	top        int // record of its top; -1: none was copied
	customerOf map[string]*Customer
	named      map[string]*Element // by role and name that a property gave
	byName     map[string]*Element // by role and name, the first of each
}

// Role says what a manager is, as documents name it.
func (p *Part) Role() string {
	if p.Integration {
		return "integration-manager"
	}
	return "manager"
}

// Door is where people look at a manager.
func (p *Part) Door() string {
	if p.Portal != "" {
		return p.Portal
	}
	return p.Address
}

// Customer sums up what is one customer's.
type Customer struct {
	Name     string
	Elements [4]int // by status
	Status   tree.Status
}

// Total counts the customer's elements.
func (c *Customer) Total() (n int) {
	for _, k := range c.Elements {
		n += k
	}
	return n
}

// Make makes a document of what holds now, as far as whoever asks sees it.
func (m *Maker) Make(ctx context.Context, q Query) (*Document, error) {
	g := m.sight(ctx)
	managers := g.managers(m.opts.Managers.Managers())
	if q.Manager != "" && !slices.ContainsFunc(managers, func(x Manager) bool { return x.ID == q.Manager }) {
		return nil, fmt.Errorf("%w as %q", ErrNoManager, clip(q.Manager))
	}
	if q.Manager != "" && q.Path.IsRoot() {
		for i := range managers {
			if managers[i].ID == q.Manager {
				q.Path = managers[i].Top // The others' nodes need not be copied.
			}
		}
	}
	records, first, err := m.copyTree(&g, q.Path)
	if err != nil {
		return nil, err
	}
	d := &Document{
		Created: m.opts.Now().UTC(), Query: q, Scope: q.scope(), records: records, levels: map[*tree.Threshold]*Levels{},
		Generator: strings.TrimSpace("grove " + m.opts.Version),
	}
	b := builder{d: d, tree: m.opts.Tree, sight: g, query: q, first: first, instances: map[tree.Path]*Instance{}, there: map[tree.Path]bool{}, managers: map[tree.Path]*Part{}}
	for i := range managers {
		part := &Part{
			Manager: managers[i], Anchor: idOf("", "manager", managers[i].ID), top: -1,
			customerOf: map[string]*Customer{}, named: map[string]*Element{}, byName: map[string]*Element{},
		}
		b.managers[part.Top] = part
		if q.Manager == "" || part.ID == q.Manager {
			d.Managers = append(d.Managers, part)
		}
		for k := range part.Instances {
			b.instances[part.Instances[k].Where] = &part.Instances[k]
		}
	}
	b.build()
	for _, part := range d.Managers {
		b.finish(part)
	}
	if q.Customer != "" {
		// A manager that has nothing of the customer's is none of the customer's business.
		d.Managers = slices.DeleteFunc(d.Managers, func(p *Part) bool { return p.isEmpty() })
		if len(d.Managers) == 0 {
			return nil, fmt.Errorf("%w as %q: no node has it as its property \"customer\"", ErrNoCustomer, clip(q.Customer))
		}
	} else if !q.Path.IsRoot() {
		d.Managers = slices.DeleteFunc(d.Managers, func(p *Part) bool {
			return p.isEmpty() && !q.Path.Contains(p.Top) && !p.Top.Contains(q.Path)
		})
	}
	d.Tag = d.tag(first)
	return d, nil
}

func (q *Query) scope() string {
	switch {
	case q.Customer != "":
		return "customer"
	case q.Manager != "":
		return "manager"
	case !q.Path.IsRoot():
		return "subtree"
	}
	return "tree"
}

// isEmpty says whether there is nothing to tell of the manager but itself.
func (p *Part) isEmpty() bool {
	return len(p.Leaves) == 0 && len(p.Elements[Host])+len(p.Elements[Device])+len(p.Elements[Service]) == 0
}

// builder finds the elements among the records of a document.
type builder struct {
	d         *Document
	tree      *tree.Tree
	sight     sight
	query     Query
	first     int // record of the top of what is told; those before only say what holds
	instances map[tree.Path]*Instance
	managers  map[tree.Path]*Part // by their tops, those that are not told among them
	there     map[tree.Path]bool  // instances of which there is a node
	covers    []bool              // by record: an element begins somewhere below
}

// frame is what holds at one level of the path from the root to a record.
type frame struct {
	facts   *facts
	element *Element
	manager *Part
	place   uint8 // depth of the place of the element, or of the manager's top
}

// build goes through the records, which stand in the order parents first.
func (b *builder) build() {
	records := b.d.records
	b.cover()
	var stack [tree.MaxDepth + 2]frame
	stack[0] = frame{facts: noFacts} // above the root
	for i := range records {
		r := &records[i]
		up := &stack[r.depth]
		f := frame{facts: up.facts.below(r.Spec), element: up.element, manager: up.manager, place: up.place}
		if part := b.managers[r.Path]; part != nil {
			f.manager, f.element, f.place, part.top = part, nil, r.depth, i
		}
		if b.instances[r.Path] != nil {
			b.there[r.Path] = true
		}
		if f.manager == nil {
			stack[r.depth+1] = f
			continue // above every manager that is known
		}
		if e := b.begin(i, up, &f); e != nil {
			f.element, f.place = e, r.depth
		}
		stack[r.depth+1] = f
		if i >= b.first && r.Kind != tree.Group {
			r.place = f.place
			b.leaf(r, &f)
		}
	}
}

// cover marks the records below which an element begins for another reason than that
// none does.
func (b *builder) cover() {
	records := b.d.records
	b.covers = make([]bool, len(records))
	var at [tree.MaxDepth + 2]int
	for i := range records {
		r := &records[i]
		at[r.depth] = i
		if i < b.first && i > 0 {
			b.covers[i] = b.coversOthers(r.Path)
		}
		if !b.begins(r.Path, r.Spec) {
			continue
		}
		for d := int(r.depth) - 1; d >= 0 && !b.covers[at[d]]; d-- {
			b.covers[at[d]] = true
		}
	}
}

// begins says whether an element begins at a node for another reason than that there is
// none above and below.
func (b *builder) begins(p tree.Path, s *tree.Spec) bool {
	if b.instances[p] != nil || b.managers[p] != nil {
		return true
	}
	if s == nil {
		return false
	}
	role, _ := parseRole(s.Properties["role"])
	return role <= Service || s.Properties["service"] != "" || s.Properties["device"] != "" || s.Properties["host"] != ""
}

// coversOthers looks for elements below a node above the subtree, so that a document of a
// part finds the same elements as one of the whole.
func (b *builder) coversOthers(p tree.Path) (found bool) {
	for where := range b.instances {
		if p != where && p.Contains(where) {
			return true
		}
	}
	// The node itself may go meanwhile; then nothing is below it.
	_ = b.sight.walk(b.tree, p, func(n *tree.Node, _ grant.Sight, _ bool) bool {
		found = n.Path != p && b.begins(n.Path, n.Spec)
		return !found
	})
	return found
}

// begin returns the element that begins at a record, or nil.
func (b *builder) begin(i int, up, f *frame) *Element {
	r := &b.d.records[i]
	inst := b.instances[r.Path]
	said, ok := parseRole(r.property("role"))
	role := said
	switch {
	case said == part:
		return nil
	case said != noRole:
	case inst != nil:
		role = inst.role()
	default:
		for _, candidate := range [...]Role{Service, Device, Host} {
			key := candidate.String()
			if own := r.property(key); own != "" && (up.facts == nil || up.facts.all[key] != own) {
				role = candidate
				break
			}
		}
		isTop := b.managers[r.Path] != nil
		if role == noRole && f.element == nil && r.Kind == tree.Group && !isTop && !b.covers[i] {
			role = Service
		}
	}
	if role == noRole {
		return nil
	}
	e := b.element(i, role, inst, f)
	if !ok && !r.way {
		e.Problems = append(e.Problems, fmt.Sprintf("the property role of %s is %q; it can be host, device, service or part", r.Path, clip(r.property("role"))))
	}
	return e
}

// element makes the element of a role that begins at a record, or adds a place to the one
// of the same name.
func (b *builder) element(i int, role Role, inst *Instance, f *frame) *Element {
	r := &b.d.records[i]
	key := role.String()
	name := r.property(key)
	if r.way || !f.facts.isFor(b.query.Customer) {
		name = "" // What is said of it elsewhere may be said for the customer, this is not.
	}
	if e := f.manager.named[key+"\x00"+name]; name != "" && e != nil {
		e.Places = append(e.Places, r.Path)
		e.Status = *e.Status.with(statusOf(r))
		if r.hidden && !strings.Contains(e.Status.Reason, HiddenReason) {
			e.Status.conceal()
		}
		if inst != nil {
			e.Problems = append(e.Problems, inst.Errors...)
		}
		return e
	}
	e := &Element{
		Role: role, Name: name, Label: r.property("label"), Type: r.property("type"), Description: r.property("description"),
		Places: []tree.Path{r.Path}, Status: statusOf(r),
		Address: withoutSecrets(f.facts.all["address"]), Portal: portalOf(f.facts.all["portal"]), Location: f.facts.all["location"],
		Contacts: splitList(f.facts.all["contact"]), Customers: f.facts.customers,
		Host: f.facts.all["host"], Device: f.facts.all["device"], Service: f.facts.all["service"],
		Properties: f.facts.others(), Parent: f.element, index: i,
		wanted: i >= b.first && f.facts.isFor(b.query.Customer),
	}
	if name == "" {
		if e.Name = r.property(key); e.Name == "" {
			e.Name = r.Path.Name()
		}
		e.ID = idOf(f.manager.ID, key, r.Path.String())
	} else {
		e.ID = idOf(f.manager.ID, key+"s", name) // never that of a path
		f.manager.named[key+"\x00"+name] = e
	}
	if e.Name == "" {
		e.Name = f.manager.Name // The root has no name of its own.
	}
	if first := f.manager.byName[key+"\x00"+e.Name]; !r.way && (first == nil || name != "") {
		f.manager.byName[key+"\x00"+e.Name] = e
	}
	if e.Description == "" && r.Spec != nil {
		e.Description = r.Spec.Description
	}
	if inst != nil {
		e.takeInstance(inst, f.manager)
	}
	e.DNSName = hostOf(e.Address)
	// What it is itself, it neither runs on nor belongs to.
	switch role {
	case Host:
		e.Host = ""
	case Device:
		e.Device = ""
	case Service:
		e.Service = ""
	}
	e.veil(r)
	// A service inside a host runs on it.
	for p := e.Parent; p != nil; p = p.Parent {
		switch {
		case p.Role == Host && role != Host && e.Host == "":
			e.Host = p.Name
		case p.Role == Device && role != Device && e.Device == "":
			e.Device = p.Name
		}
	}
	f.manager.Elements[role] = append(f.manager.Elements[role], e)
	return e
}

// takeInstance adds what is known of an element by the instance that hangs there.
func (e *Element) takeInstance(inst *Instance, m *Part) {
	e.Instance, e.Application = inst.Name, inst.Application
	e.Problems = append(e.Problems, inst.Errors...)
	if e.Type == "" {
		e.Type = inst.Application
	}
	if e.Description == "" {
		e.Description = inst.Description
	}
	if e.Label == "" && inst.Title != "" && inst.Title != e.Name {
		e.Label = inst.Title
	}
	if e.Address == "" {
		e.Address = inst.address()
	}
	if e.Address == "" && slices.Contains(inst.Kinds, "host") {
		e.Address = m.Host // A probe of this kind looks at the manager's own machine.
	}
}

// leaf counts an attribute where it belongs, and has it told if it is not too deep.
func (b *builder) leaf(r *Record, f *frame) {
	mine := f.facts.isFor(b.query.Customer)
	for e := f.element; e != nil && b.query.Customer != ""; e = e.Parent {
		e.shared = e.shared || !mine
		if mine {
			e.mine = e.mine.with(statusOf(r))
		}
	}
	if !mine {
		return
	}
	b.d.levelsOf(r.Threshold)
	f.manager.Counts[r.Status]++
	f.manager.Worst = addWorst(f.manager.Worst, r)
	e := f.element
	if e == nil {
		f.manager.Leaves = append(f.manager.Leaves, r)
		return
	}
	e.Counts[r.Status]++
	e.Worst = addWorst(e.Worst, r)
	if b.query.Depth < 0 || int(r.depth-r.place) <= b.query.Depth {
		e.Leaves = append(e.Leaves, r)
	}
}

// finish leaves out of a manager what is not asked for, adds what does not run, and sums
// up.
func (b *builder) finish(p *Part) {
	told := map[*Element]bool{}
	for role := range p.Elements {
		p.Elements[role] = slices.DeleteFunc(p.Elements[role], func(e *Element) bool {
			e.narrow(&b.query)
			told[e] = e.wanted || e.Counts != [4]int{}
			return !told[e]
		})
	}
	b.broken(p, told)
	p.Status = b.managerStatus(p)
	for _, list := range p.Elements {
		for _, e := range list {
			e.explain()
			if e.Parent != nil && !told[e.Parent] {
				e.Parent = nil
			}
			e.HostElement, e.DeviceElement, e.ServiceElement = p.find(Host, e.Host, told), p.find(Device, e.Device, told), p.find(Service, e.Service, told)
			for _, c := range e.Customers {
				p.customer(c).add(e.Status.Status)
			}
		}
	}
	slices.SortFunc(p.Customers, func(a, b *Customer) int { return strings.Compare(a.Name, b.Name) })
}

// narrow leaves out of an element what is not the customer's.
func (e *Element) narrow(q *Query) {
	if q.Customer == "" {
		return
	}
	if e.shared {
		e.Status = Status{Reason: "nothing in it has a status"}
		if e.mine != nil {
			e.Status = *e.mine
		}
	}
	own := slices.IndexFunc(e.Customers, func(c string) bool { return grant.SameCustomer(c, q.Customer) })
	if own >= 0 {
		e.Customers = e.Customers[own : own+1]
	} else {
		e.Customers = []string{q.Customer}
	}
	if !e.wanted {
		// What is said of the whole may be said for another customer.
		e.Description, e.Contacts, e.Properties, e.Problems, e.Portal, e.Address, e.DNSName = "", nil, nil, nil, "", "", ""
	}
}

// explain says why an element is yellow or red.
func (e *Element) explain() {
	if e.Status.Reason != "" && e.Status.Reason != HiddenReason || e.Status.Status < tree.Yellow || len(e.Worst) == 0 {
		return
	}
	r := e.Worst[0]
	hidden := e.Status.Reason != ""
	e.Status.Reason = r.Name() + ": " + r.Describe()
	if hidden {
		e.Status.conceal()
	}
}

// broken adds the instances of which no node is there.
func (b *builder) broken(p *Part, told map[*Element]bool) {
	if b.query.Customer != "" {
		return // Whose it is stands in what could not be read.
	}
	for k := range p.Instances {
		inst := &p.Instances[k]
		if len(inst.Errors) == 0 || b.there[inst.Where] || !b.query.Path.Contains(inst.Where) {
			continue
		}
		role := inst.role()
		e := &Element{
			ID: idOf(p.ID, role.String(), inst.Name+"\x00"+inst.Where.String()), Role: role, Name: inst.Where.Name(), Places: []tree.Path{inst.Where}, index: -1, wanted: true,
			Status: Status{Since: time.Time{}, Reason: "it does not run: " + inst.Errors[0]},
		}
		if e.Name == "" {
			e.Name = inst.Name
		}
		e.takeInstance(inst, p)
		e.DNSName = hostOf(e.Address)
		p.Elements[role] = append(p.Elements[role], e)
		told[e] = true
	}
}

// managerStatus is that of the top of what is told of a manager.
func (b *builder) managerStatus(p *Part) Status {
	top := p.top
	if p.Top.Contains(b.query.Path) {
		top = b.first
	}
	if top >= 0 && b.query.Customer == "" {
		r := &b.d.records[top]
		s := statusOf(r)
		if s.Reason == "" && s.Status >= tree.Yellow && len(p.Worst) > 0 {
			worst := p.Worst[0]
			s.Reason = worst.Name() + ": " + worst.Describe()
		}
		if r.hidden {
			s.conceal()
		}
		return s
	}
	var whole *Status
	for _, list := range p.Elements {
		for _, e := range list {
			whole = whole.with(e.Status)
		}
	}
	for _, r := range p.Leaves {
		whole = whole.with(statusOf(r))
	}
	if whole == nil {
		return Status{Reason: "nothing of it has a status"}
	}
	return *whole
}

func (p *Part) find(role Role, name string, told map[*Element]bool) *Element {
	if e := p.byName[role.String()+"\x00"+name]; name != "" && told[e] {
		return e
	}
	return nil
}

func (p *Part) customer(name string) *Customer {
	c := p.customerOf[name]
	if c == nil {
		c = &Customer{Name: name}
		p.customerOf[name] = c
		p.Customers = append(p.Customers, c)
	}
	return c
}

func (c *Customer) add(s tree.Status) {
	c.Elements[s]++
	c.Status = max(c.Status, s)
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
