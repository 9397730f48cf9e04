package definition

import (
	"reflect"
	"sync"

	"grove/tree"
)

// alike holds what the instances of one definition have in common, so that many of them
// take little room: each takes what one before it came to, where that is equal. What is
// shared is not changed any more.
type alike struct {
	mu      sync.Mutex // guards what follows
	specs   map[*shape][]*tree.Spec
	sources map[Source]*Source
	options map[string]any // what the last probe of a name had
}

// maxAlike bounds how many specs of one node are held against a new one.
const maxAlike = 4

// spec lets a new spec share what it says with one of another instance that says the same.
func (a *alike) spec(s *shape, spec *tree.Spec) {
	a.mu.Lock()
	defer a.mu.Unlock()
	owner := spec.Owner
	for _, have := range a.specs[s] {
		if spec.Owner = have.Owner; spec.Equal(have) {
			*spec = *have
			spec.Owner = owner
			return
		}
	}
	spec.Owner = owner
	if a.specs == nil {
		a.specs = map[*shape][]*tree.Spec{}
	}
	if len(a.specs[s]) < maxAlike {
		a.specs[s] = append(a.specs[s], spec)
	}
}

// source returns a source that is equal, for one without an expression.
func (a *alike) source(s Source) *Source {
	a.mu.Lock()
	defer a.mu.Unlock()
	if have := a.sources[s]; have != nil {
		return have
	}
	if a.sources == nil {
		a.sources = map[Source]*Source{}
	}
	if len(a.sources) < maxCached {
		a.sources[s] = &s
	}
	return &s
}

// share lets the options of a probe have the maps of those of another instance where they
// are equal. Kinds only read their options.
func (a *alike) share(probe string, options any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, now := reflect.ValueOf(a.options[probe]), reflect.ValueOf(options)
	if a.options == nil {
		a.options = map[string]any{}
	}
	a.options[probe] = options
	if !before.IsValid() || before.Type() != now.Type() || now.Kind() != reflect.Pointer || now.Elem().Kind() != reflect.Struct {
		return
	}
	before, now = before.Elem(), now.Elem()
	for i := range now.NumField() {
		f := now.Field(i)
		if f.Kind() == reflect.Map && f.CanSet() && f.Len() > 0 && reflect.DeepEqual(before.Field(i).Interface(), f.Interface()) {
			f.Set(before.Field(i))
		}
	}
}
