package peersbench

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"grove/test/witness"
)

// target is a web server with a page for each device. Who asks is the name of a manager.
type target struct {
	*witness.Target
	devices int
}

// newTarget starts one with so many pages.
func newTarget(t testing.TB, devices int) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &target{devices: devices, Target: witness.NewTarget(t, l, func(r *http.Request) (string, error) {
		by := r.Header.Get(asks)
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil || n < 0 || n >= devices || by == "" {
			return "", fmt.Errorf("%q asked for %s", by, r.URL)
		}
		return by, nil
	}, nil)}
}

// asks is the header in which a manager says who it is.
const asks = "X-Manager"

// asked are the questions for the page of a device.
func (w *target) asked(device int) []witness.Question { return w.Asked(strconv.Itoa(device)) }

// pages is the definition of a page, and instances ask for all of them.
const pages = `grove: 1
application: bench-page
parameters: { url: { type: url, required: true } }
probes: { page: { kind: http, url: "${url}", every: 1s, headers: { ` + asks + `: "file:` + whoami + `" }, status: [200-599] } }
tree: { Status: { from: page.status, red: "> 499" } }
`

func (w *target) instances() string {
	var b strings.Builder
	for i := range w.devices {
		fmt.Fprintf(&b, "---\nuse: bench-page\nname: page-%d\nat: /pages/p%d\nwith: { url: %q }\n", i, i, fmt.Sprintf("%s/%d", w.URL, i))
	}
	return b.String()
}

// watched says whether each device was asked for so often in a row, lately, by managers that
// are right, and when it was not that for how many that does not hold.
func (w *target) watched(since time.Time, times int, right func(by string) bool) error {
	not := 0
	example := ""
	for i := range w.devices {
		all := w.asked(i)
		n := 0
		for k := len(all) - 1; k >= 0 && right(all[k].By) && all[k].At.After(since); k-- {
			n++
		}
		if n < times {
			not++
			example = fmt.Sprintf("page-%d", i)
			if len(all) > 0 {
				example += fmt.Sprintf(" is asked for by %s, last %v ago", all[len(all)-1].By, time.Since(all[len(all)-1].At).Round(time.Millisecond))
			}
		}
	}
	if not > 0 {
		return fmt.Errorf("%d of %d devices are not watched as they should be, such as %s", not, w.devices, example)
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
	for i := range w.devices {
		all := w.asked(i)
		var c change
		var last, first time.Time
		for _, q := range all {
			switch {
			case first.IsZero() && before(q.By):
				last = q.At
			case q.At.Before(since):
			case first.IsZero():
				first, c.to, c.gap = q.At, q.By, q.At.Sub(last)
			case q.By != c.to:
				c.double++
				c.over = q.At.Sub(first)
			}
		}
		if c.double > 0 {
			c.story = fmt.Sprintf("page-%d:", i)
			for _, q := range all {
				c.story += fmt.Sprintf(" %s %.1f", q.By, q.At.Sub(since).Seconds())
			}
		}
		list = append(list, c)
	}
	return list
}
