package snmp

import (
	"runtime"
	"sync"
	"weak"
)

// alike keeps one of each value that many probes have alike, as long as one uses it: the
// devices of a fleet are of few kinds.
type alike[T any] struct {
	mu   sync.Mutex
	made map[string]weak.Pointer[T]
}

// share returns the value of a key, which it makes when there is none.
func (a *alike[T]) share(key string, make func() (*T, error)) (*T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if have := a.made[key].Value(); have != nil {
		return have, nil
	}
	v, err := make()
	if err != nil {
		return nil, err
	}
	if a.made == nil {
		a.made = map[string]weak.Pointer[T]{}
	}
	a.made[key] = weak.Make(v)
	runtime.AddCleanup(v, a.forget, key)
	return v, nil
}

// forget drops what nobody uses, unless it was made again meanwhile.
func (a *alike[T]) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made[key].Value() == nil {
		delete(a.made, key)
	}
}
