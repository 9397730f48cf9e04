package beans

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// forward is one subscription that was made through the server.
type forward struct {
	mu     sync.Mutex // guards both; the emitter may call before Subscribe returned
	cancel func()
	ended  bool
}

// begin takes the function that ends the subscription at the emitter.
func (f *forward) begin(cancel func()) {
	f.mu.Lock()
	f.cancel = cancel
	ended := f.ended
	f.mu.Unlock()
	if ended {
		cancel()
	}
}

func (f *forward) end() {
	f.mu.Lock()
	cancel := f.cancel
	f.ended, f.cancel = true, nil
	f.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

func (f *forward) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// Subscribe has the listener called with the notifications of a bean, which
// must be an [Emitter], that pass the filter. Both see the name of the bean as
// the Source. The subscription ends when cancel is called or the bean is
// unregistered.
func (s *Server) Subscribe(name Name, listener Listener, filter Filter) (cancel func(), err error) {
	name, bean, e, err := s.find("subscribe to", name)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (func(), error) {
		return nil, &NameError{Op: "subscribe to", Name: name.Canonical(), Err: err}
	}
	emitter, ok := bean.(Emitter)
	if !ok {
		return fail(ErrNoNotifications)
	}
	f := &forward{}
	key := name.Canonical()
	s.mu.Lock()
	if e != nil && s.domains[name.Domain()][key] != e {
		s.mu.Unlock()
		return fail(ErrNotFound) // unregistered meanwhile
	}
	if s.subscriptions[key] == nil {
		s.subscriptions[key] = map[*forward]struct{}{}
	}
	s.subscriptions[key][f] = struct{}{}
	s.mu.Unlock()
	cancel = func() {
		s.mu.Lock()
		delete(s.subscriptions[key], f)
		if len(s.subscriptions[key]) == 0 {
			delete(s.subscriptions, key)
		}
		s.mu.Unlock()
		f.end()
	}
	err = guard(func() error {
		f.begin(emitter.Subscribe(func(n Notification) {
			n.Source = name
			if !f.over() && (filter == nil || filter(n)) {
				listener(n)
			}
		}, nil))
		return nil
	})
	if err != nil {
		cancel()
		return fail(err)
	}
	// A bean of a directory may have gone before f was entered.
	if e == nil && !s.IsRegistered(name) {
		cancel()
		return fail(ErrNotFound)
	}
	return cancel, nil
}

// takeSubscriptionsLocked empties the list of subscriptions to a bean that
// goes. The caller ends them without the lock.
func (s *Server) takeSubscriptionsLocked(name Name) []*forward {
	forwards := slices.Collect(maps.Keys(s.subscriptions[name.Canonical()]))
	delete(s.subscriptions, name.Canonical())
	return forwards
}

// about adds the name of the attribute or operation to an error that does not
// say it.
func about(kind, name string, err error) error {
	if err == nil {
		return nil
	}
	for _, says := range []error{ErrAttributeNotFound, ErrReadOnly, ErrInvalidValue, ErrOperationNotFound} {
		if errors.Is(err, says) {
			return err
		}
	}
	return fmt.Errorf("%s %q: %w", kind, clip(name), err)
}
