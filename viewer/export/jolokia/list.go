package jolokia

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"grove/beans"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// deepestList is the greatest depth of a list: a parameter of an overloaded operation
// below domains, domain, properties, op, name, form, args and index.
const deepestList = 9

// groups are the parts of the description of a bean.
var groups = []string{"op", "attr", "notif", "ctor", "class", "desc"}

// list describes the beans, or the part of them that the path leads to.
func (s *Server) list(c *call, r *request.Request) (any, error) {
	if err := s.modified(c, r); err != nil {
		return nil, err
	}
	l, err := newLister(r)
	if err != nil {
		return nil, err
	}
	if l.exact() {
		info, err := c.sight.info(l.pattern)
		if err != nil {
			return nil, err
		}
		return l.one(c, info)
	}
	names, err := c.sight.query(c, l.pattern)
	if err != nil {
		return nil, err
	}
	if l.params.MaxDepth == 1 || l.params.MaxDepth == 2 {
		return l.shallow(c, names)
	}
	raw, err := l.all(c, s, names)
	if err != nil {
		return nil, err
	}
	return l.shown(c, raw)
}

// lister makes one list.
type lister struct {
	params  *request.Params
	pattern beans.Name // zero: all
	group   string     // the only one that is asked for
	within  bool       // the domain is given, so the list begins below it

	buf []byte // of one description
}

// newLister reads the path: domain, properties and group.
func newLister(r *request.Request) (*lister, error) {
	l := &lister{params: &r.Params}
	if len(r.Path) > 3 {
		return nil, &request.BadRequest{Text: "List operation supports only 3 path segments for MBean domain, canonical list of ObjectName properties and " +
			"updater to use. Remaining path: " + request.Join(r.Path[3:])}
	}
	text := func(i int) string {
		if i >= len(r.Path) || r.Path[i].Any {
			return "*"
		}
		return r.Path[i].Name
	}
	if domain, properties := text(0), text(1); domain != "*" || properties != "*" {
		var err error
		if l.pattern, err = beans.ParseName(domain + ":" + properties); err != nil {
			return nil, &request.BadRequest{Text: "Invalid path within the MBean part given. (Path: " + request.Join(r.Path) + ")"}
		}
		l.within = !l.pattern.IsDomainPattern()
	}
	if len(r.Path) > 2 {
		l.group = text(2)
		known := slices.Contains(groups, l.group) || l.group == "keys" && l.params.ListKeys || l.group == "interfaces" && l.params.ListInterfaces
		if !known {
			return nil, &request.IllegalArgument{Text: "Illegal path element for updater selection: " + l.group}
		}
	}
	return l, nil
}

func (l *lister) exact() bool { return !l.pattern.IsZero() && !l.pattern.IsPattern() }

// one describes the one bean that is asked for.
func (l *lister) one(c *call, info beans.Info) (any, error) {
	if l.params.MaxDepth == 1 || l.params.MaxDepth == 2 {
		return 1, nil
	}
	raw := l.describe(nil, l.pattern, &info)
	if l.group != "" {
		var part map[string]json.RawMessage
		if err := json.Unmarshal(raw, &part); err != nil {
			return nil, err
		}
		if raw = []byte(part[l.group]); raw == nil {
			raw = []byte("{}")
		}
	}
	if err := c.budget.Take(len(raw)); err != nil {
		return nil, err
	}
	return l.shown(c, raw)
}

// shallow is the list with a depth of one or two, of which no bean is asked.
func (l *lister) shallow(c *call, names []beans.Name) (any, error) {
	domains := value.Object{}
	for _, n := range names { // sorted, so those of a domain stand together
		if len(domains) == 0 || domains[len(domains)-1].Key != n.Domain() {
			domains = append(domains, value.Member{Key: n.Domain(), Value: value.Object{}})
		}
		if last := &domains[len(domains)-1]; l.params.MaxDepth == 1 {
			last.Value = 1
		} else {
			last.Value = append(last.Value.(value.Object), value.Member{Key: properties(n, l.params.CanonicalNaming), Value: 1})
		}
	}
	var v any = domains
	if l.within && len(domains) > 0 {
		v = domains[0].Value
	}
	return c.options(l.params).Serialize(v, nil)
}

// properties is the text of a name after the domain.
func properties(n beans.Name, canonical bool) string {
	_, text, _ := strings.Cut(request.NameText(n, canonical), ":")
	return text
}

// all describes the beans with these names, as JSON. With the list cache, descriptions
// that are alike are written once.
func (l *lister) all(c *call, s *Server, names []beans.Name) ([]byte, error) {
	var out, cache []byte
	keys := map[string]string{}         // of descriptions in the cache
	domain, open, start := "", false, 0 // of the first domain
	for _, n := range names {
		if err := c.Err(); err != nil {
			return nil, err
		}
		info, err := c.sight.info(n)
		if errors.Is(err, beans.ErrNotFound) {
			continue // it has gone meanwhile
		}
		size := len(out) + len(cache)
		if !open || n.Domain() != domain {
			if open {
				out = append(out, '}', ',')
			}
			domain, open = n.Domain(), true
			out = value.AppendString(out, domain)
			out = append(out, ':', '{')
			if start == 0 {
				start = len(out) - 1
			}
		} else {
			out = append(out, ',')
		}
		out = value.AppendString(out, properties(n, l.params.CanonicalNaming))
		out = append(out, ':')
		l.buf = l.buf[:0]
		if err != nil {
			l.buf = value.Append(l.buf, s.failureOf(nil, err).members())
		} else {
			l.buf = l.describe(l.buf, n, &info)
		}
		if l.params.ListCache {
			key, known := keys[string(l.buf)]
			if !known {
				key = info.ClassName + "#" + strconv.Itoa(len(keys)+1)
				keys[string(l.buf)] = key
				if len(cache) > 0 {
					cache = append(cache, ',')
				}
				cache = value.AppendString(cache, key)
				cache = append(cache, ':')
				cache = append(cache, l.buf...)
			}
			out = value.AppendString(out, key)
		} else {
			out = append(out, l.buf...)
		}
		if err := c.budget.Take(len(out) + len(cache) - size); err != nil {
			return nil, err
		}
	}
	if open {
		out = append(out, '}')
	}
	if l.params.ListCache {
		out = append(append([]byte(`{"domains":{`), out...), `},"cache":{`...)
		return append(append(out, cache...), '}', '}'), nil
	}
	if l.within {
		if !open {
			return []byte("{}"), nil
		}
		return out[start:], nil // without the domain, which is the only one
	}
	return append(append([]byte{'{'}, out...), '}'), nil
}

// shown applies the limits, if they matter, to a list that is ready.
func (l *lister) shown(c *call, raw []byte) (any, error) {
	p := l.params
	if (p.MaxDepth == 0 || p.MaxDepth >= deepestList) && p.MaxCollectionSize == 0 && p.MaxObjects == 0 {
		return value.Raw(raw), nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if p.MaxDepth > 0 && !p.OpenTypes {
		v = truncate(v, p.MaxDepth)
	}
	o := c.options(p)
	o.Budget = nil // it is counted already
	return o.Serialize(v, nil)
}

// truncate puts 1 in the place of the objects that are deeper.
func truncate(v any, depth int) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	if depth == 0 {
		return 1
	}
	for k, e := range m {
		m[k] = truncate(e, depth-1)
	}
	return m
}

// describe appends what is to be known of a bean.
func (l *lister) describe(dst []byte, name beans.Name, info *beans.Info) []byte {
	w := writer{dst: dst, openTypes: l.params.OpenTypes}
	w.open('{')
	begin := func(group string, there bool) bool {
		if !there || l.group != "" && l.group != group {
			return false
		}
		w.key(group)
		return true
	}
	if begin("op", len(info.Operations) > 0) {
		w.operations(info.Operations)
	}
	if begin("attr", len(info.Attributes) > 0) {
		w.open('{')
		for i := range info.Attributes {
			w.attribute(&info.Attributes[i])
		}
		w.close('}')
	}
	if begin("notif", len(info.Notifications) > 0) {
		w.open('{')
		for i := range info.Notifications {
			w.notification(&info.Notifications[i])
		}
		w.close('}')
	}
	if begin("class", true) {
		w.string(info.ClassName)
	}
	if begin("desc", true) {
		w.string(info.Description)
	}
	if begin("keys", l.params.ListKeys) {
		w.open('{')
		for _, p := range name.Properties() {
			w.key(p.Key)
			w.string(p.Value)
		}
		w.close('}')
	}
	if begin("interfaces", l.params.ListInterfaces) {
		w.open('[')
		for _, class := range interfaces(info) {
			w.item()
			w.string(class)
		}
		w.close(']')
	}
	w.close('}')
	return w.dst
}

// interfaces are the Java interfaces that a bean can be said to have.
func interfaces(info *beans.Info) []string {
	list := []string{"javax.management.DynamicMBean"}
	if len(info.Notifications) > 0 {
		list = append(list, "javax.management.NotificationBroadcaster", "javax.management.NotificationEmitter")
	}
	if own := info.Descriptor["interfaceClassName"]; own != "" {
		list = append(list, own)
	}
	return list
}

// writer appends JSON piece by piece: descriptions are too many to build them first.
type writer struct {
	dst       []byte
	openTypes bool
}

func (w *writer) open(c byte)  { w.dst = append(w.dst, c) }
func (w *writer) close(c byte) { w.dst = append(w.dst, c) }

// item puts a comma before all but the first of a container.
func (w *writer) item() {
	if last := w.dst[len(w.dst)-1]; last != '{' && last != '[' {
		w.dst = append(w.dst, ',')
	}
}

func (w *writer) key(k string) {
	w.item()
	w.string(k)
	w.dst = append(w.dst, ':')
}

func (w *writer) string(s string) { w.dst = value.AppendString(w.dst, s) }

func (w *writer) text(key, s string) {
	w.key(key)
	w.string(s)
}

func (w *writer) flag(key string, b bool) {
	w.key(key)
	w.dst = strconv.AppendBool(w.dst, b)
}

// openType adds an open type, if there is one and none of Java's is given.
func (w *writer) openType(key string, t any, descriptor map[string]string) {
	if t != nil && descriptor[beans.FieldOriginalType] == "" {
		w.key(key)
		w.dst = value.Append(w.dst, t)
	}
}

func (w *writer) attribute(a *beans.AttributeInfo) {
	w.key(a.Name)
	w.open('{')
	w.text("type", value.AttributeType(*a))
	w.text("desc", withUnit(a.Description, a.Unit))
	w.flag("r", a.Readable)
	w.flag("w", a.Writable)
	w.flag("rw", a.Readable && a.Writable)
	w.flag("is", false)
	if w.openTypes {
		w.openType("openType", value.AttributeOpenType(*a), a.Descriptor)
	}
	w.close('}')
}

// withUnit adds the unit to a description: the protocol has no place of its own for it.
func withUnit(description, unit string) string {
	if unit == "" {
		return description
	}
	return strings.TrimSpace(fmt.Sprintf("%s [%s]", description, unit))
}

// operations writes operations by name: one, or an array of those that share it.
func (w *writer) operations(all []beans.OperationInfo) {
	w.open('{')
	for i := range all {
		first := slices.IndexFunc(all, func(o beans.OperationInfo) bool { return o.Name == all[i].Name })
		if first < i {
			continue // it stands with the first of that name
		}
		w.key(all[i].Name)
		shared := 0
		for k := i + 1; k < len(all); k++ {
			if all[k].Name != all[i].Name {
				continue
			}
			if shared++; shared == 1 {
				w.open('[')
				w.operation(&all[i])
			}
			w.item()
			w.operation(&all[k])
		}
		if shared == 0 {
			w.operation(&all[i])
		} else {
			w.close(']')
		}
	}
	w.close('}')
}

func (w *writer) operation(o *beans.OperationInfo) {
	w.open('{')
	w.key("args")
	w.open('[')
	for _, p := range o.Parameters {
		w.item()
		w.open('{')
		w.text("name", p.Name)
		w.text("type", value.ParameterType(p))
		w.text("desc", withUnit(p.Description, p.Unit))
		if w.openTypes {
			w.openType("openType", value.OpenType(p.Type), p.Descriptor)
		}
		w.close('}')
	}
	w.close(']')
	w.text("ret", value.ReturnType(*o))
	w.text("desc", o.Description)
	if w.openTypes {
		w.openType("openRet", value.OpenType(o.Returns), o.Descriptor)
	}
	w.close('}')
}

func (w *writer) notification(n *beans.NotificationInfo) {
	w.key(n.Name)
	w.open('{')
	w.text("name", n.Name)
	w.text("desc", n.Description)
	w.key("types")
	w.open('[')
	for _, t := range n.Types {
		w.item()
		w.string(t)
	}
	w.close(']')
	w.close('}')
}
