package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/test/witness"
	"grove/tree"
)

// target is what managers watch and tell alerts to, in a namespace of its own. Who asks is an
// address.
type target struct {
	testing.TB
	*witness.Target

	mu   sync.Mutex
	told []channel.Message
	keys map[string]bool // of messages
	bad  error
}

// newTarget starts one.
func newTarget(t testing.TB, n *network) *target {
	t.Helper()
	w, s := &target{TB: t, keys: map[string]bool{}}, n.add(t)
	var l net.Listener
	if err := s.in(func() (err error) {
		l, err = net.Listen("tcp", s.address.String()+":80")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.bad != nil {
			t.Error(w.bad)
		}
	})
	w.Target = witness.NewTarget(t, l, asker, w.hear)
	return w
}

// asker is the address that a request comes from.
func asker(r *http.Request) (string, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return host, err
}

// url is the address of a page.
func (w *target) url(page string) string { return w.URL + "/" + page }

// hear takes a message about alerts.
func (w *target) hear(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // Who sent it is gone.
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	from, err := asker(r)
	if err != nil {
		w.bad = err
	}
	var m channel.Message
	if err := json.Unmarshal(body, &m); err != nil {
		w.bad = fmt.Errorf("%.200s: %w", body, err)
	}
	if !w.keys[m.Key] { // A repeated one has the same key, and counts once.
		w.keys[m.Key] = true
		w.told = append(w.told, m)
		w.Logf("%s of %s (%s): %s", m.Purpose, m.Manager, from, m.Title)
	}
}

// askers are who asked for a page since a time, in the order of their questions.
func (w *target) askers(page string, since time.Time) (list []witness.Question) {
	for _, q := range w.Asked(page) {
		if q.At.After(since) {
			list = append(list, q)
		}
	}
	return list
}

// messages are the purposes of what was told about a page, with who told it.
func (w *target) messages(page string) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	path := tree.MustPath("/web/" + page + "/Status")
	for _, m := range w.told {
		for _, a := range m.Alerts {
			if a.Path == path {
				list = append(list, string(m.Purpose)+" by "+m.Manager)
				break
			}
		}
	}
	return list
}

// says waits until people were told these things of a page, each once and in this order, by
// what a manager watches now.
func (w *target) says(page string, m *manager, want ...string) {
	m.Helper()
	m.Eventually(func() error {
		if told := w.messages(page); !slices.Equal(told, want) {
			return fmt.Errorf("told of %s was %q, not %q", page, told, want)
		}
		return nil
	})
}

// settled is how many questions in a row have to come from one manager alone.
const settled = 4

// watchedBy waits until a page is asked for by one manager and by nobody else, and returns
// when it asked first after a time.
func (w *target) watchedBy(page string, m *manager, since time.Time) (first time.Time) {
	m.Helper()
	m.Eventually(func() error {
		list := w.askers(page, since)
		last := list[max(0, len(list)-settled):]
		if len(last) < settled {
			return fmt.Errorf("%s is asked for %d times", page, len(list))
		}
		for _, q := range last {
			if q.By != m.space.address.String() {
				return fmt.Errorf("%s is asked for by %s, not by %s at %s", page, q.By, m.Name, m.space.address)
			}
		}
		first = list[slices.IndexFunc(list, func(q witness.Question) bool { return q.By == m.space.address.String() })].At
		return nil
	})
	return first
}
