package mail

import (
	"slices"
	"strings"
	"sync"
)

// marks are those of the messages that runs of a manager wait for. Probes with the same
// options, which use the same mailbox, leave each other's messages alone by them.
type marks struct {
	mu   sync.Mutex
	list []string
}

// begin notes a mark before its message is sent; the end of the run calls what it returns.
func (m *marks) begin(mark string) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, mark)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if i := slices.Index(m.list, mark); i >= 0 {
			m.list = slices.Delete(m.list, i, i+1)
		}
	}
}

// of returns the marks of a series.
func (m *marks) of(series string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, mark := range m.list {
		if strings.HasPrefix(mark, series) {
			list = append(list, mark)
		}
	}
	return list
}
