package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/tree"
)

// target is what managers watch and tell alerts to: a web server in a namespace of its own,
// which remembers by itself who asked for what, and when.
type target struct {
	testing.TB
	space *space

	mu    sync.Mutex
	down  map[string]bool // pages that fail
	asked []question
	told  []message
	keys  map[string]bool // of messages
	bad   error
}

// question is one request for a page.
type question struct {
	page, from string // from is an address
	at         time.Time
}

// message is one about alerts.
type message struct {
	channel.Message
	from string // an address
}

// newTarget starts one.
func newTarget(t testing.TB, n *network) *target {
	t.Helper()
	w := &target{TB: t, space: n.add(t), down: map[string]bool{}, keys: map[string]bool{}}
	var l net.Listener
	if err := w.space.in(func() (err error) {
		l, err = net.Listen("tcp", w.space.address.String()+":80")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: w}
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if w.bad != nil {
			t.Error(w.bad)
		}
	})
	return w
}

// url is the address of a page.
func (w *target) url(page string) string { return "http://" + w.space.address.String() + "/" + page }

// ServeHTTP implements http.Handler: POST is a message about alerts.
func (w *target) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // Who sent it is gone.
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		w.bad = err
	}
	if r.Method == http.MethodPost {
		m := message{from: from}
		if err := json.Unmarshal(body, &m.Message); err != nil {
			w.bad = fmt.Errorf("%.200s: %w", body, err)
		}
		if !w.keys[m.Key] { // A repeated one has the same key, and counts once.
			w.keys[m.Key] = true
			w.told = append(w.told, m)
			w.Logf("%s of %s (%s): %s", m.Purpose, m.Manager, from, m.Title)
		}
		return
	}
	page := strings.TrimPrefix(r.URL.Path, "/")
	w.asked = append(w.asked, question{page, from, time.Now()})
	if w.down[page] {
		http.Error(rw, "down", http.StatusInternalServerError)
	}
}

// fails lets a page fail, or be well again.
func (w *target) fails(page string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[page] = down
}

// askers are who asked for a page since a time, in the order of their questions.
func (w *target) askers(page string, since time.Time) (list []question) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.asked {
		if q.page == page && q.at.After(since) {
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
	m.eventually(func() error {
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
	m.eventually(func() error {
		list := w.askers(page, since)
		last := list[max(0, len(list)-settled):]
		if len(last) < settled {
			return fmt.Errorf("%s is asked for %d times", page, len(list))
		}
		for _, q := range last {
			if q.from != m.space.address.String() {
				return fmt.Errorf("%s is asked for by %s, not by %s at %s", page, q.from, m.name, m.space.address)
			}
		}
		first = list[slices.IndexFunc(list, func(q question) bool { return q.from == m.space.address.String() })].at
		return nil
	})
	return first
}
