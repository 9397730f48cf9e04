//go:build !linux

package exchange

// tune has nothing to do where the network's word on single requests is not to be had: a
// device at which nothing listens is silent there.
func tune(int, bool) error { return nil }

func (l *line) refusals() {}
