package jolokia

import (
	"errors"

	"grove/beans"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// read answers a read of one attribute, of several, or of those of many beans.
func (s *Server) read(c *call, r *request.Request) (any, error) {
	o := c.options(&r.Params)
	if r.Name.IsPattern() {
		return s.readPattern(c, r, o)
	}
	if !r.Several {
		v, err := s.attribute(c, r.Name, r.Attribute)
		if err != nil {
			return nil, err
		}
		return o.Serialize(v, r.Path)
	}
	values, err := s.attributes(c, r, r.Name, wanted(r, r.Path), len(r.Attributes) == 0)
	if err != nil {
		return nil, err
	}
	return o.Serialize(values, r.Path)
}

// wanted are the attributes that a read of several asks for, none for all. An inner path
// that begins with one leaves out the others, which need not be read then.
func wanted(r *request.Request, path []value.Step) []string {
	if r.Several && len(r.Attributes) == 0 && len(path) > 0 && !path[0].Any {
		return []string{path[0].Name}
	}
	if !r.Several {
		return []string{r.Attribute}
	}
	return r.Attributes
}

// attribute reads one attribute.
func (s *Server) attribute(c *call, name beans.Name, attribute string) (any, error) {
	v, err := c.sight.attributeOf(c, name, attribute)
	if err != nil {
		return nil, err
	}
	table, ok := v.(beans.Table)
	if !ok {
		return v, nil
	}
	info, err := c.sight.info(name)
	if err != nil {
		return nil, err
	}
	for _, a := range info.Attributes {
		if a.Name == attribute && a.Key != "" {
			return value.Tabular{Key: a.Key, Rows: table}, nil
		}
	}
	return v, nil
}

// attributes reads several attributes of a bean, or all if none is named. With lenient
// those that the bean has not are left out.
func (s *Server) attributes(c *call, r *request.Request, name beans.Name, names []string, lenient bool) (value.Object, error) {
	if len(names) == 0 {
		info, err := c.sight.info(name)
		if err != nil {
			return nil, err
		}
		for _, a := range info.Attributes {
			if a.Readable {
				names = append(names, a.Name)
			}
		}
	}
	values := make(value.Object, 0, len(names))
	for _, attribute := range names {
		if err := c.Err(); err != nil {
			return nil, err
		}
		v, err := s.attribute(c, name, attribute)
		switch {
		case err == nil:
		case errors.Is(err, beans.ErrNotFound):
			return nil, err
		case lenient && errors.Is(err, beans.ErrAttributeNotFound):
			continue
		case r.Params.IgnoreErrors:
			v = s.failureOf(&request.Request{Type: request.Read, Attribute: attribute}, err).members()
		case errors.Is(err, beans.ErrAttributeNotFound):
			return nil, &attributeError{"No such attribute: " + attribute}
		default:
			return nil, err
		}
		values = append(values, value.Member{Key: attribute, Value: v})
	}
	return values, nil
}

// attributeError is beans.ErrAttributeNotFound in Java's words.
type attributeError struct{ text string }

// Error implements error.
func (e *attributeError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *attributeError) Unwrap() error { return beans.ErrAttributeNotFound }

func (s *Server) readPattern(c *call, r *request.Request, o value.Options) (any, error) {
	pattern, err := r.Name.InDomain(s.opts.Beans.DefaultDomain())
	if err != nil {
		return nil, err
	}
	names, err := c.sight.query(c, pattern)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, &beans.NameError{Op: "read", Name: "No MBean with pattern " + r.Name.Canonical() + " found for READ request", Err: beans.ErrNotFound}
	}
	var inner []value.Step
	if len(r.Path) > 0 {
		inner = r.Path[1:]
	}
	many := &matched{server: s, call: c, request: r, pattern: pattern, names: names, attributes: wanted(r, inner)}
	v, err := o.Serialize(many, r.Path)
	if err == nil && !many.any {
		err = &attributeError{"No attribute found for any MBean matching " + r.Name.Canonical() + " pattern"}
	}
	return v, err
}

// matched are the beans that a pattern matches with their attributes; those that have
// none of the attributes are left out, and so are those that have gone meanwhile.
type matched struct {
	server     *Server
	call       *call
	request    *request.Request
	pattern    beans.Name
	names      []beans.Name
	attributes []string
	any        bool // one was there
}

// Each implements value.Tree.
func (m *matched) Each(yield func(string, any) error) error {
	for _, name := range m.names {
		values, err := m.read(name)
		if err != nil {
			return err
		}
		if len(values) == 0 {
			continue
		}
		if err := yield(request.NameText(name, m.request.Params.CanonicalNaming), values); err != nil {
			return err
		}
	}
	return nil
}

// Child implements value.Tree.
func (m *matched) Child(key string) (any, error) {
	name, err := beans.ParseName(key)
	if err != nil || !m.pattern.Matches(name) {
		m.any = true // which is no reason to say that no bean has attributes
		return nil, value.ErrNoChild
	}
	values, err := m.read(name)
	if err != nil {
		return nil, err
	}
	m.any = true
	if len(values) == 0 {
		return nil, value.ErrNoChild
	}
	return values, nil
}

func (m *matched) read(name beans.Name) (value.Object, error) {
	values, err := m.server.attributes(m.call, m.request, name, m.attributes, true)
	if errors.Is(err, beans.ErrNotFound) {
		return nil, nil
	}
	m.any = m.any || len(values) > 0
	return values, err
}

// search answers with the names of the beans that a pattern matches.
func (s *Server) search(c *call, r *request.Request) (any, error) {
	if err := s.modified(c, r); err != nil {
		return nil, err
	}
	names, err := c.sight.query(c, r.Name)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(names))
	for i, n := range names {
		text := request.NameText(n, r.Params.CanonicalNaming)
		if err := c.budget.Take(len(text) + 3); err != nil {
			return nil, err
		}
		list[i] = text
	}
	return list, nil
}

// modified is errNotModified if no bean has come or gone since the client asked. Who does
// not see all beans does not hear of the others so.
func (s *Server) modified(c *call, r *request.Request) error {
	if since := int64(r.Params.IfModifiedSince); since > 0 && c.sight.whole && s.changed.Load() < since {
		return errNotModified
	}
	return nil
}
