package alert

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/alert/sight"
	"grove/viewer/stream"
)

// StreamPath is where ServeHTTP is to be mounted.
const StreamPath = "/api/v1/alerts/stream"

// Bounds of the stream.
const (
	maxListeners = 1000
	pace         = 250 * time.Millisecond
	ringSize     = 4096 // changes that are remembered for slow listeners
)

// ServeHTTP streams that alerts changed which who asks sees: the event "changed" with the
// counts by state, first at once, and at most every 250 ms. It ends when he is logged out.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != StreamPath:
		viewer.WriteProblem(w, r, http.StatusNotFound, "there is nothing at this address")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		viewer.WriteProblem(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%.20s is not served here, only GET", r.Method))
	case r.URL.RawQuery != "":
		viewer.WriteProblem(w, r, http.StatusBadRequest, "the stream takes no parameters")
	case grant.Of(r.Context()) == grant.Nobody:
		viewer.WriteProblem(w, r, http.StatusForbidden, grant.DemandWhole(grant.Nobody, grant.Viewer).Error())
	default:
		a.door.Serve(w, r, a.listen)
	}
}

// Changed tells those who listen that alerts changed. It does not wait.
func (a *API) Changed(changed []alert.Alert) {
	a.news.tell(len(changed), func(i int) place { return place{changed[i].Path, false} })
}

// Touched tells those who see one of the paths, or something below it, that what is known
// of alerts there changed otherwise: a maintenance was planned, ended or removed. It does
// not wait.
func (a *API) Touched(paths ...tree.Path) {
	a.news.tell(len(paths), func(i int) place { return place{paths[i], true} })
}

// place is where something changed; below: it concerns who sees something below, too.
type place struct {
	path  tree.Path
	below bool
}

// news brings changes to listeners.
type news struct {
	mu        sync.Mutex // guards all below
	listeners map[*listener]bool
	ring      [ringSize]place // change k stands at k modulo its length
	next      uint64          // number of the next change
	counts    map[string]string
	counted   uint64 // the counts by rights are those before change number counted
}

// tell notes changes, and wakes all who listen.
func (n *news) tell(many int, at func(i int) place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range many {
		n.ring[n.next%ringSize] = at(i)
		n.next++
	}
	for l := range n.listeners {
		select {
		case l.ready <- struct{}{}:
		default: // He is awake.
		}
	}
}

// since returns what changed from number at on; missed: some of it is not remembered.
func (n *news) since(at uint64) (places []place, next uint64, missed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next-at > ringSize {
		at, missed = n.next-ringSize, true
	}
	for ; at < n.next; at++ {
		places = append(places, n.ring[at%ringSize])
	}
	return places, at, missed
}

// listener is one who listens.
type listener struct {
	api   *API
	who   *grant.Subject
	ready chan struct{}
	at    uint64 // number of the change that he hears next
	told  string // the counts that he knows; empty: none
}

// listen begins a feed.
func (a *API) listen(who *grant.Subject) (stream.Feed, func()) {
	l := &listener{api: a, who: who, ready: make(chan struct{}, 1)}
	n := &a.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[*listener]bool{}
	}
	n.listeners[l], l.at = true, n.next
	return l, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, l)
	}
}

// Ready implements stream.Feed.
func (l *listener) Ready() <-chan struct{} { return l.ready }

// Append implements stream.Feed.
func (l *listener) Append(buf []byte) []byte {
	places, next, missed := l.api.news.since(l.at)
	l.at = next
	if len(places) == 0 && l.told != "" {
		return buf
	}
	eye := l.api.eye(l.who)
	concerned := l.told == "" || eye.Whole() || slices.ContainsFunc(places, func(p place) bool {
		return eye.Sees(p.path) || p.below && l.api.Guard.Sees(l.who, p.path)
	})
	if !concerned && !missed {
		return buf
	}
	counts := l.counts(eye)
	if !concerned && counts == l.told {
		return buf // That something else changed is not for him to know.
	}
	l.told = counts
	return fmt.Appendf(buf, "event: changed\ndata: %s\n\n", counts)
}

// counts counts the alerts that somebody sees, once for all who see the same.
func (l *listener) counts(eye *sight.Eye) string {
	n, key := &l.api.news, l.who.Rights()
	n.mu.Lock()
	if n.counted != n.next || n.counts == nil {
		n.counts, n.counted = map[string]string{}, n.next
	}
	text, known := n.counts[key]
	number := n.next
	n.mu.Unlock()
	if known {
		return text
	}
	counts, err := json.Marshal(map[string]any{"counts": l.api.Book.Counts(eye.Filter())})
	if err != nil {
		l.api.Log.Error("the counts of alerts cannot be told", "error", err)
		return `{"counts":{}}`
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counted == number {
		n.counts[key] = string(counts)
	}
	return string(counts)
}
