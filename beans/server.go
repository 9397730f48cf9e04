package beans

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
)

// Server holds beans by name: the MBean server. All its methods may be called
// from many goroutines at once, also from beans, hooks and listeners: the server
// never holds a lock while it calls one. A bean that panics fails the one call
// with a [PanicError].
//
// Every error is a [NameError]. Errors of a bean are passed on inside it.
type Server struct {
	domain   string
	delegate *delegate

	mu      sync.RWMutex // guards all below; taken before the delegate's
	domains map[string]map[string]*entry
	count   int
	mounts  map[space]*mount
	keys    map[string]*keyMount // by the property
	// subscriptions made through the server, by canonical name.
	subscriptions map[string]map[*forward]struct{}
}

type entry struct {
	name Name
	bean Bean
}

// ServerOptions are the facts of a server.
type ServerOptions struct {
	DefaultDomain string // stands for an empty domain in names; "DefaultDomain" if empty
	ID            string // attribute MBeanServerId; host name and time of start if empty
	// What implements the server, as the delegate shows it.
	ImplementationName    string // "grove" if empty
	ImplementationVersion string
	ImplementationVendor  string
}

// A bean may implement any of the following to take part in its own
// registration (javax.management.MBeanRegistration).
type (
	// PreRegisterer is asked before the bean is registered and may choose
	// another name. The name is zero if Register was given none. An error keeps
	// the bean out, with ErrRefused.
	PreRegisterer interface {
		PreRegister(s *Server, name Name) (Name, error)
	}
	// PostRegisterer is told how the registration ended. If it panics on true,
	// the bean is taken out again.
	PostRegisterer interface{ PostRegister(done bool) }
	// PreDeregisterer is asked before the bean is unregistered. An error keeps
	// it registered, with ErrRefused.
	PreDeregisterer interface{ PreDeregister() error }
	// PostDeregisterer is told that the bean was unregistered.
	PostDeregisterer interface{ PostDeregister() }
)

// AttributeValue is one attribute and its value, for the calls that read or
// write several.
type AttributeValue struct {
	Name  string
	Value Value
}

// NewServer returns a server with its delegate as the only bean. It fails when
// the default domain can be none.
func NewServer(o ServerOptions) (*Server, error) {
	if o.DefaultDomain == "" {
		o.DefaultDomain = "DefaultDomain"
	}
	if probe, err := NewName(o.DefaultDomain, "k", "v"); err != nil {
		return nil, err
	} else if probe.IsPattern() || o.DefaultDomain == delegateDomain {
		return nil, &NameError{Op: "make server with default domain", Name: o.DefaultDomain, Err: ErrRefused}
	}
	s := &Server{
		domain:        o.DefaultDomain,
		domains:       map[string]map[string]*entry{},
		mounts:        map[space]*mount{},
		keys:          map[string]*keyMount{},
		subscriptions: map[string]map[*forward]struct{}{},
	}
	s.delegate = newDelegate(o)
	s.insertLocked(&entry{DelegateName, s.delegate})
	return s, nil
}

// DefaultDomain returns the domain that stands for an empty one.
func (s *Server) DefaultDomain() string { return s.domain }

// Register makes the bean known under the name and returns the final name: with
// the default domain in place of an empty one, or what the bean chose if it is a
// [PreRegisterer].
func (s *Server) Register(bean Bean, name Name) (final Name, err error) {
	asked := name
	fail := func(err error) (Name, error) {
		return Name{}, &NameError{Op: "register", Name: asked.Canonical(), Err: err}
	}
	if bean == nil {
		return fail(fmt.Errorf("%w: the bean is nil", ErrRefused))
	}
	if pre, ok := bean.(PreRegisterer); ok {
		err := guard(func() (err error) {
			name, err = pre.PreRegister(s, name)
			return err
		})
		if err != nil {
			return fail(fmt.Errorf("%w: %w", ErrRefused, err))
		}
		asked = name
	}
	e, err := s.insert(bean, name)
	if err != nil {
		if post, ok := bean.(PostRegisterer); ok {
			// The reason for the failure is what the caller needs to know.
			_ = guard(func() error { post.PostRegister(false); return nil })
		}
		return fail(err)
	}
	s.delegate.deliver()
	if post, ok := bean.(PostRegisterer); ok {
		if err := guard(func() error { post.PostRegister(true); return nil }); err != nil {
			s.remove(e)
			return fail(fmt.Errorf("%w: %w", ErrRefused, err))
		}
	}
	return e.name, nil
}

// insert checks and enters the bean; delivering the notification is left to the
// caller.
func (s *Server) insert(bean Bean, name Name) (*entry, error) {
	if name.IsZero() {
		return nil, fmt.Errorf("%w: the bean has no name", ErrMalformedName)
	}
	name, err := name.InDomain(s.domain)
	if err != nil {
		return nil, err
	}
	if name.IsPattern() {
		return nil, ErrPatternName
	}
	if name.Domain() == delegateDomain {
		return nil, fmt.Errorf("%w: the domain is reserved", ErrRefused)
	}
	if err := guard(func() error { return checkInfo(bean.Info()) }); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	e := &entry{name, bean}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.holderOfLocked(name); m != nil {
		return nil, fmt.Errorf("%w: a directory has the names %s", ErrExists, m)
	}
	if s.domains[name.Domain()][name.Canonical()] != nil {
		return nil, ErrExists
	}
	s.insertLocked(e)
	// Under the lock, so that the order of notifications is that of changes.
	s.delegate.enqueue(registration(TypeRegistered, name))
	return e, nil
}

func (s *Server) insertLocked(e *entry) {
	in := s.domains[e.name.Domain()]
	if in == nil {
		in = map[string]*entry{}
		s.domains[e.name.Domain()] = in
	}
	in[e.name.Canonical()] = e
	s.count++
}

// checkInfo refuses what no client could address.
func checkInfo(info Info) error {
	seen := make(map[string]bool, len(info.Attributes))
	for _, a := range info.Attributes {
		if a.Name == "" {
			return fmt.Errorf("an attribute without a name")
		}
		if seen[a.Name] {
			return fmt.Errorf("two attributes are named %q", a.Name)
		}
		seen[a.Name] = true
	}
	clear(seen)
	for _, o := range info.Operations {
		if o.Name == "" {
			return fmt.Errorf("an operation without a name")
		}
		if seen[o.Signature()] {
			return fmt.Errorf("two operations are named %q", o.Name)
		}
		seen[o.Signature()] = true
	}
	return nil
}

// Unregister takes the bean with this name out and ends the subscriptions to it
// that were made through the server. The delegate and the beans of directories
// stay, with ErrRefused.
func (s *Server) Unregister(name Name) error {
	name, _, e, err := s.find("unregister", name)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		return &NameError{Op: "unregister", Name: name.Canonical(), Err: err}
	}
	if name.Domain() == delegateDomain {
		return fail(fmt.Errorf("%w: the domain is reserved", ErrRefused))
	}
	if e == nil {
		return fail(fmt.Errorf("%w: a directory has it", ErrRefused))
	}
	if pre, ok := e.bean.(PreDeregisterer); ok {
		if err := guard(pre.PreDeregister); err != nil {
			return fail(fmt.Errorf("%w: %w", ErrRefused, err))
		}
	}
	if !s.remove(e) {
		return fail(ErrNotFound) // another was faster
	}
	if post, ok := e.bean.(PostDeregisterer); ok {
		if err := guard(func() error { post.PostDeregister(); return nil }); err != nil {
			return fail(err)
		}
	}
	return nil
}

// remove takes out the entry if it is still there, and tells the listeners.
func (s *Server) remove(e *entry) bool {
	domain, key := e.name.Domain(), e.name.Canonical()
	s.mu.Lock()
	in := s.domains[domain]
	if in[key] != e {
		s.mu.Unlock()
		return false
	}
	delete(in, key)
	if len(in) == 0 {
		delete(s.domains, domain)
	}
	s.count--
	forwards := s.takeSubscriptionsLocked(e.name)
	s.delegate.enqueue(registration(TypeUnregistered, e.name))
	s.mu.Unlock()
	for _, f := range forwards {
		f.end()
	}
	s.delegate.deliver()
	return true
}

// IsRegistered reports whether a bean has this name.
func (s *Server) IsRegistered(name Name) bool {
	_, _, _, err := s.find("find", name)
	return err == nil
}

// Bean returns the bean with this name.
func (s *Server) Bean(name Name) (Bean, error) {
	_, bean, _, err := s.find("find", name)
	return bean, err
}

// Info returns the description of a bean.
func (s *Server) Info(name Name) (info Info, err error) {
	err = s.with("describe", name, func(b Bean) error {
		info = b.Info()
		return nil
	})
	return info, err
}

// IsInstanceOf reports whether a bean is of the class: its class name or the
// interfaceClassName in its descriptor.
func (s *Server) IsInstanceOf(name Name, class string) (is bool, err error) {
	err = s.with("describe", name, func(b Bean) error {
		is = instanceOf(b.Info(), class)
		return nil
	})
	return is, err
}

func instanceOf(info Info, class string) bool {
	return class != "" && (info.ClassName == class || info.Descriptor["interfaceClassName"] == class)
}

// Attribute returns the value of one attribute.
func (s *Server) Attribute(ctx context.Context, name Name, attribute string) (value Value, err error) {
	err = s.with("get", name, func(b Bean) (err error) {
		value, err = b.Attribute(ctx, attribute)
		return about("attribute", attribute, err)
	})
	return value, err
}

// Attributes returns the values of several attributes, or of all readable ones
// if none is named, in order. Those that cannot be read are left out; the error
// is about the bean or the context as a whole.
func (s *Server) Attributes(ctx context.Context, name Name, attributes ...string) ([]AttributeValue, error) {
	var values []AttributeValue
	err := s.with("get", name, func(b Bean) error {
		if len(attributes) == 0 {
			for _, a := range b.Info().Attributes {
				if a.Readable {
					attributes = append(attributes, a.Name)
				}
			}
		}
		for _, a := range attributes {
			if err := ctx.Err(); err != nil {
				return err
			}
			var value Value
			err := guard(func() (err error) {
				value, err = b.Attribute(ctx, a)
				return err
			})
			if err == nil { // else it is absent, as in JMX
				values = append(values, AttributeValue{a, value})
			}
		}
		return nil
	})
	return values, err
}

// SetAttribute changes one attribute.
func (s *Server) SetAttribute(ctx context.Context, name Name, attribute string, value Value) error {
	return s.with("set", name, func(b Bean) error {
		return about("attribute", attribute, b.SetAttribute(ctx, attribute, value))
	})
}

// SetAttributes changes several attributes in order and returns those that were
// set, with the values given. The error is about the bean or the context as a
// whole.
func (s *Server) SetAttributes(ctx context.Context, name Name, values ...AttributeValue) ([]AttributeValue, error) {
	var done []AttributeValue
	err := s.with("set", name, func(b Bean) error {
		for _, v := range values {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := guard(func() error { return b.SetAttribute(ctx, v.Name, v.Value) }); err == nil {
				done = append(done, v)
			}
		}
		return nil
	})
	return done, err
}

// Invoke runs one operation of a bean.
func (s *Server) Invoke(ctx context.Context, name Name, operation string, args ...Value) (result Value, err error) {
	err = s.with("invoke", name, func(b Bean) (err error) {
		result, err = b.Invoke(ctx, operation, args)
		return about("operation", operation, err)
	})
	return result, err
}

// Count returns the number of beans, the delegate and those of directories
// included.
func (s *Server) Count() int {
	s.mu.RLock()
	count, mounts := s.count, s.holdersLocked()
	s.mu.RUnlock()
	for _, m := range mounts {
		count += m.Count()
	}
	return count
}

// Domains returns the domains that have a bean, sorted.
func (s *Server) Domains() []string {
	s.mu.RLock()
	domains := slices.Collect(maps.Keys(s.domains))
	mounts, keys := slices.Collect(maps.Values(s.mounts)), slices.Collect(maps.Values(s.keys))
	s.mu.RUnlock()
	for _, m := range mounts {
		if m.Count() > 0 {
			domains = append(domains, m.domain)
		}
	}
	for _, m := range keys {
		domains = append(domains, m.Domains()...)
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}

// Query returns the names of the beans that the pattern matches and for which
// the query holds, sorted by canonical text. The zero Name matches all, a nil
// query holds for all. A bean for which the query cannot be answered is left
// out; the error is that of the context.
func (s *Server) Query(ctx context.Context, pattern Name, query Query) ([]Name, error) {
	var err error
	if pattern, err = pattern.InDomain(s.domain); err != nil {
		return nil, err
	}
	if !pattern.IsZero() && !pattern.IsPattern() {
		name, bean, _, err := s.find("query", pattern)
		if err != nil || !holds(ctx, query, name, bean) {
			return nil, ctx.Err()
		}
		return []Name{name}, ctx.Err()
	}
	var found []entry
	s.mu.RLock()
	mounts := s.holdersLocked()
	for domain, in := range s.domains {
		if !pattern.IsZero() && !pattern.IsDomainPattern() && pattern.Domain() != domain {
			continue
		}
		for _, e := range in {
			if pattern.IsZero() || pattern.Matches(e.name) {
				found = append(found, *e)
			}
		}
	}
	s.mu.RUnlock()

	names := make([]Name, 0, len(found))
	for _, e := range found {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if holds(ctx, query, e.name, e.bean) {
			names = append(names, e.name)
		}
	}
	for _, m := range mounts {
		if !m.covered(pattern) {
			continue
		}
		m.Names(pattern, func(name Name) bool {
			if query == nil {
				names = append(names, name)
			} else if bean, ok := m.Bean(name); ok && holds(ctx, query, name, bean) {
				names = append(names, name)
			}
			return ctx.Err() == nil
		})
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(names, Name.Compare)
	return names, nil
}

// Registered returns the names of the beans that were registered one by one, or are of
// a directory that is mounted by a property, and that the pattern matches, sorted by
// canonical text; the zero Name matches all. Those of other directories are left out:
// whoever mounted one can tell of them without their names being made.
func (s *Server) Registered(pattern Name) ([]Name, error) {
	pattern, err := pattern.InDomain(s.domain)
	if err != nil {
		return nil, err
	}
	var names []Name
	s.mu.RLock()
	for domain, in := range s.domains {
		if !pattern.IsZero() && !pattern.IsDomainPattern() && pattern.Domain() != domain {
			continue
		}
		for _, e := range in {
			if pattern.IsZero() || pattern.Matches(e.name) {
				names = append(names, e.name)
			}
		}
	}
	keys := slices.Collect(maps.Values(s.keys))
	s.mu.RUnlock()
	for _, m := range keys {
		if m.covered(pattern) {
			m.Names(pattern, func(name Name) bool {
				names = append(names, name)
				return true
			})
		}
	}
	slices.SortFunc(names, Name.Compare)
	return names, nil
}

// resolve reads an empty domain as the default one.
func (s *Server) resolve(op string, name Name) (Name, error) {
	if name.IsZero() {
		return name, &NameError{Op: op, Name: `""`, Err: ErrNotFound}
	}
	full, err := name.InDomain(s.domain)
	if err != nil {
		return name, &NameError{Op: op, Name: name.Canonical(), Err: err}
	}
	return full, nil
}

// find returns the bean with the name, and the name as it was registered. The
// entry is nil if the bean is of a directory.
func (s *Server) find(op string, name Name) (Name, Bean, *entry, error) {
	name, err := s.resolve(op, name)
	if err != nil {
		return name, nil, nil, err
	}
	if name.IsPattern() {
		return name, nil, nil, &NameError{Op: op, Name: name.Canonical(), Err: ErrPatternName}
	}
	s.mu.RLock()
	e, m := s.domains[name.Domain()][name.Canonical()], holder(nil)
	if e == nil {
		m = s.holderOfLocked(name)
	}
	s.mu.RUnlock()
	if e != nil {
		return e.name, e.bean, e, nil
	}
	if m != nil {
		if bean, ok := m.Bean(name); ok {
			return name, bean, nil, nil
		}
	}
	return name, nil, nil, &NameError{Op: op, Name: name.Canonical(), Err: ErrNotFound}
}

// with calls a function with the bean, and turns a panic into its error.
func (s *Server) with(op string, name Name, call func(Bean) error) error {
	name, bean, _, err := s.find(op, name)
	if err != nil {
		return err
	}
	if err := guard(func() error { return call(bean) }); err != nil {
		return &NameError{Op: op, Name: name.Canonical(), Err: err}
	}
	return nil
}

func guard(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return call()
}
