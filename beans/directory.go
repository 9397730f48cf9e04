package beans

import "fmt"

// Directory answers for many beans that need not be registered one by one,
// because something else holds them already: a tree of a million nodes is a
// Directory that makes the bean of a node when it is asked for one.
//
// A Directory answers for the names of one domain and one value of the property
// type; see [Server.Mount]. The server calls it from many goroutines at once and
// holds no lock of its own meanwhile.
type Directory interface {
	// Bean returns the bean with this name. It is called for every access by
	// name and must be cheap. The name is no pattern, and its domain and type
	// are those of the mount.
	Bean(name Name) (Bean, bool)
	// Names yields the name of each bean that the pattern matches, in any order,
	// until yield returns false. The zero pattern matches all. Any two names
	// differ in their canonical text.
	Names(pattern Name, yield func(Name) bool)
	// Count returns the number of beans.
	Count() int
}

// KeyDirectory is a Directory whose beans share no domain and no type, but a property:
// see [Server.MountKey].
type KeyDirectory interface {
	Directory
	// Domains returns the domains that have a bean, in any order.
	Domains() []string
}

// space is what a directory is mounted on: the value is as it stands in names.
type space struct{ domain, kind string }

func (sp space) String() string { return sp.domain + ":type=" + sp.kind + ",*" }

// covered reports whether names of the space may match the pattern.
func (sp space) covered(pattern Name) bool {
	if pattern.IsZero() {
		return true
	}
	if pattern.IsDomainPattern() {
		if !glob(pattern.Domain(), sp.domain) {
			return false
		}
	} else if pattern.Domain() != sp.domain {
		return false
	}
	kind, ok := pattern.Get("type")
	if !ok {
		return pattern.IsListPattern()
	}
	return kind == sp.kind || pattern.IsValuePattern() && globValue(kind, sp.kind)
}

// Mount makes the beans of a directory visible as if each were registered. The
// directory owns every name of the domain (empty: the default domain) whose
// property type has the given value, as it stands in names: Mount fails with
// [ErrExists] if another directory or a registered bean has such a name, and
// Register refuses them afterwards. Mounting announces nothing; the owner of the directory calls
// [Server.Announce] as it sees fit. The function that Mount returns takes the
// directory away; it may be called more than once.
func (s *Server) Mount(domain, kind string, d Directory) (unmount func(), err error) {
	if domain == "" {
		domain = s.domain
	}
	fail := func(err error) (func(), error) {
		return nil, &NameError{Op: "mount", Name: space{domain, kind}.String(), Err: err}
	}
	probe, err := NewName(domain, "type", kind)
	if err != nil {
		return fail(err)
	}
	if probe.IsPattern() {
		return fail(ErrPatternName)
	}
	if d == nil {
		return fail(fmt.Errorf("%w: the directory is nil", ErrRefused))
	}
	if domain == delegateDomain {
		return fail(fmt.Errorf("%w: the domain is reserved", ErrRefused))
	}
	sp := space{domain, kind}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.mounts[sp]; taken {
		return fail(fmt.Errorf("%w: another directory has these names", ErrExists))
	}
	for _, e := range s.domains[domain] {
		if v, ok := e.name.Get("type"); ok && v == kind {
			return fail(fmt.Errorf("%w: %s", ErrExists, e.name.Canonical()))
		}
	}
	m := &mount{sp, d}
	s.mounts[sp] = m
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.mounts[sp] == m {
			delete(s.mounts, sp)
		}
	}, nil
}

type mount struct {
	space
	Directory
}

// MountKey makes the beans of a directory visible that it holds under names of any domain
// with a certain property, whatever its value: those of other managers under names with
// the property "manager". It is like [Server.Mount] otherwise, but the directory goes
// before those of that method where a name is of both, and it is taken for small:
// [Server.Registered] tells of its beans, too.
func (s *Server) MountKey(key string, d KeyDirectory) (unmount func(), err error) {
	fail := func(err error) (func(), error) {
		return nil, &NameError{Op: "mount", Name: keyed(key), Err: err}
	}
	if _, err := NewName(s.domain, key, "v"); err != nil {
		return fail(err)
	}
	if d == nil {
		return fail(fmt.Errorf("%w: the directory is nil", ErrRefused))
	}
	if key == "type" {
		return fail(fmt.Errorf("%w: the property says of every bean what it is", ErrRefused))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[key] != nil {
		return fail(fmt.Errorf("%w: another directory has these names", ErrExists))
	}
	for _, in := range s.domains {
		for _, e := range in {
			if _, has := e.name.Get(key); has {
				return fail(fmt.Errorf("%w: %s", ErrExists, e.name.Canonical()))
			}
		}
	}
	m := &keyMount{key, d}
	s.keys[key] = m
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys[key] == m {
			delete(s.keys, key)
		}
	}, nil
}

type keyMount struct {
	key string
	KeyDirectory
}

func (m *keyMount) String() string { return keyed(m.key) }

// keyed is the pattern of all names that have a property.
func keyed(key string) string { return "*:" + key + "=*,*" }

// covered reports whether names of the directory may match the pattern.
func (m *keyMount) covered(pattern Name) bool {
	if pattern.IsZero() || pattern.IsListPattern() {
		return true
	}
	_, ok := pattern.Get(m.key)
	return ok
}

// holder is a directory that is mounted in one way or the other.
type holder interface {
	Directory
	fmt.Stringer
	covered(pattern Name) bool
}

// Announce emits from the delegate that the bean of a mounted directory came
// (registered) or went. When it went, what subscribed to it through the server
// is let go. The owner calls it after the directory answers accordingly, and in
// the order in which things happened. A name of no mounted directory is
// [ErrNotFound].
func (s *Server) Announce(registered bool, name Name) error {
	name, err := s.resolve("announce", name)
	if err != nil {
		return err
	}
	s.mu.RLock()
	m := s.holderOfLocked(name)
	s.mu.RUnlock()
	if m == nil {
		return &NameError{Op: "announce", Name: name.Canonical(), Err: fmt.Errorf("%w: no directory has such names", ErrNotFound)}
	}
	kind := TypeRegistered
	if !registered {
		kind = TypeUnregistered
		s.mu.Lock()
		forwards := s.takeSubscriptionsLocked(name)
		s.mu.Unlock()
		for _, f := range forwards {
			f.end()
		}
	}
	s.delegate.Emit(registration(kind, name))
	return nil
}

// holderOfLocked returns the directory that owns the name, or nil.
func (s *Server) holderOfLocked(name Name) holder {
	for key, m := range s.keys {
		if _, ok := name.Get(key); ok {
			return m
		}
	}
	if len(s.mounts) == 0 {
		return nil
	}
	if kind, ok := name.Get("type"); ok {
		if m := s.mounts[space{name.Domain(), kind}]; m != nil {
			return m
		}
	}
	return nil
}

// holdersLocked returns all directories.
func (s *Server) holdersLocked() []holder {
	all := make([]holder, 0, len(s.mounts)+len(s.keys))
	for _, m := range s.mounts {
		all = append(all, m)
	}
	for _, m := range s.keys {
		all = append(all, m)
	}
	return all
}
