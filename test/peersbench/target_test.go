package peersbench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// target is a web server with a page for each device, which remembers by itself which manager
// asked for which, and when.
type target struct {
	server *httptest.Server

	mu    sync.Mutex
	asked [][]question // by device, in the order in which they came
	bad   error
}

// question is one request for the page of a device.
type question struct {
	by string
	at time.Time
}

// newTarget starts one with so many pages.
func newTarget(t testing.TB, devices int) *target {
	t.Helper()
	w := &target{asked: make([][]question, devices)}
	w.server = httptest.NewServer(w)
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
		if w.bad != nil {
			t.Error(w.bad)
		}
	})
	return w
}

// asks is the header in which a manager says who it is.
const asks = "X-Manager"

// ServeHTTP implements http.Handler.
func (w *target) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	at, by := time.Now(), r.Header.Get(asks)
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || n < 0 || n >= len(w.asked) || by == "" {
		w.bad = fmt.Errorf("%q asked for %s", by, r.URL)
		return
	}
	w.asked[n] = append(w.asked[n], question{by, at})
}

// pages is the definition of a page, and instances ask for all of them.
const pages = `grove: 1
application: bench-page
parameters: { url: { type: url, required: true } }
probes: { page: { kind: http, url: "${url}", every: 1s, headers: { ` + asks + `: "file:` + whoami + `" }, status: [200-599] } }
tree: { Status: { from: page.status, red: "> 499" } }
`

func (w *target) instances() string {
	var b strings.Builder
	for i := range w.asked {
		fmt.Fprintf(&b, "---\nuse: bench-page\nname: page-%d\nat: /pages/p%d\nwith: { url: %q }\n", i, i, fmt.Sprintf("%s/%d", w.server.URL, i))
	}
	return b.String()
}

// watched says whether each device was asked for so often in a row, lately, by managers that
// are right, and when it was not that for how many that does not hold.
func (w *target) watched(since time.Time, times int, right func(by string) bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	not := 0
	example := ""
	for i, all := range w.asked {
		n := 0
		for k := len(all) - 1; k >= 0 && right(all[k].by) && all[k].at.After(since); k-- {
			n++
		}
		if n < times {
			not++
			example = fmt.Sprintf("page-%d", i)
			if len(all) > 0 {
				example += fmt.Sprintf(" is asked for by %s, last %v ago", all[len(all)-1].by, time.Since(all[len(all)-1].at).Round(time.Millisecond))
			}
		}
	}
	if not > 0 {
		return fmt.Errorf("%d of %d devices are not watched as they should be, such as %s", not, len(w.asked), example)
	}
	return nil
}

// change is what happened to one device while its watcher changed.
type change struct {
	to     string
	gap    time.Duration // between the last question of the one before and the first of the next
	double int           // questions of others after the first of the next
	over   time.Duration // for how long after that
	story  string        // who asked when, of one that was asked twice
}

// changes says of each device what happened since a time, at which it was watched by one that
// is before, until now, when it is watched by one that is not.
func (w *target) changes(since time.Time, before func(by string) bool) (list []change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, all := range w.asked {
		var c change
		var last, first time.Time
		for _, q := range all {
			switch {
			case first.IsZero() && before(q.by):
				last = q.at
			case q.at.Before(since):
			case first.IsZero():
				first, c.to, c.gap = q.at, q.by, q.at.Sub(last)
			case q.by != c.to:
				c.double++
				c.over = q.at.Sub(first)
			}
		}
		if c.double > 0 {
			c.story = fmt.Sprintf("page-%d:", i)
			for _, q := range all {
				c.story += fmt.Sprintf(" %s %.1f", q.by, q.at.Sub(since).Seconds())
			}
		}
		list = append(list, c)
	}
	return list
}

// forget forgets what was asked but for the last question for each device.
func (w *target) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, all := range w.asked {
		w.asked[i] = append([]question(nil), all[max(0, len(all)-1):]...)
	}
}
