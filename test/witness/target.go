package witness

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Target is what managers watch: a web server whose pages are empty, which remembers by itself
// who asked for what, and when.
type Target struct {
	URL string // without a slash at the end

	by   func(*http.Request) (string, error)
	post http.HandlerFunc

	mu    sync.Mutex
	down  map[string]bool // pages that fail
	asked map[string][]Question
	bad   error
}

// Question is one request for a page.
type Question struct {
	By string
	At time.Time
}

// NewTarget has one serve until the test ends. What by returns of a request is who asks, or
// what is wrong with it, which fails the test; post, which may be nil, gets every POST.
func NewTarget(t testing.TB, l net.Listener, by func(*http.Request) (string, error), post http.HandlerFunc) *Target {
	t.Helper()
	w := &Target{URL: "http://" + l.Addr().String(), by: by, post: post, down: map[string]bool{}, asked: map[string][]Question{}}
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

// ServeHTTP implements http.Handler.
func (w *Target) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && w.post != nil {
		w.post(rw, r)
		return
	}
	at := time.Now()
	by, err := w.by(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.bad = err
		return
	}
	page := strings.TrimPrefix(r.URL.Path, "/")
	w.asked[page] = append(w.asked[page], Question{by, at})
	if w.down[page] {
		http.Error(rw, "down", http.StatusInternalServerError)
	}
}

// Fails lets a page fail, or be well again.
func (w *Target) Fails(page string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[page] = down
}

// Asked are the questions for a page in the order in which they came. It is not for changing.
func (w *Target) Asked(page string) []Question {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[page]
}

// Forget forgets what was asked but for the last question for each page.
func (w *Target) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for page, all := range w.asked {
		w.asked[page] = append([]Question(nil), all[len(all)-1:]...)
	}
}
