package stream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/tree/grant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// feed says what is put into it.
type feed struct {
	mu    sync.Mutex
	said  string
	ready chan struct{}
}

func newFeed() *feed { return &feed{ready: make(chan struct{}, 1)} }

func (f *feed) say(text string) {
	f.mu.Lock()
	f.said += "data: " + text + "\n\n"
	f.mu.Unlock()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

func (f *feed) Ready() <-chan struct{} { return f.ready }

func (f *feed) Append(buf []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	buf = append(buf, f.said...)
	f.said = ""
	return buf
}

// heard is what one listener was sent, and when.
type heard struct {
	mu   sync.Mutex
	all  []string
	fail error
}

func (h *heard) send(began time.Time) func([]byte) error {
	return func(text []byte) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, fmt.Sprintf("%s %q", time.Since(began), text))
		return h.fail
	}
}

func (h *heard) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.all, "\n")
}

// TestPace sends what comes in quick succession together, and says from time to time that
// it is there.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f, h := New("news", 1, 250*time.Millisecond), newFeed(), new(heard)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.run(ctx, &grant.Subject{}, f, h.send(time.Now()))
		}()
		time.Sleep(time.Second)
		f.say("one")
		synctest.Wait()
		f.say("two")
		f.say("three")
		time.Sleep(20 * time.Second)
		cancel()
		<-ended
		want := `0s "retry: 3000\n: events follow\n\n"
1s "data: one\n\n"
1.25s "data: two\n\ndata: three\n\n"
17s ":\n\n"`
		if got := h.text(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// TestEnds goes through all that ends a stream.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(d *Door, still *atomic.Bool, h *heard, cancel func()){
		"the client goes":  func(_ *Door, _ *atomic.Bool, _ *heard, cancel func()) { cancel() },
		"he is logged out": func(_ *Door, still *atomic.Bool, _ *heard, _ func()) { still.Store(false) },
		"the door closes":  func(d *Door, _ *atomic.Bool, _ *heard, _ func()) { d.end() },
		"nothing gets over": func(_ *Door, _ *atomic.Bool, h *heard, _ func()) {
			h.mu.Lock()
			h.fail = io.ErrClosedPipe
			h.mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, f, h := New("news", 1, time.Millisecond), newFeed(), new(heard)
				var still atomic.Bool
				still.Store(true)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					d.run(ctx, &grant.Subject{Valid: still.Load}, f, h.send(time.Now()))
				}()
				time.Sleep(50 * time.Second)
				end(d, &still, h, cancel)
				before := h.text()
				time.Sleep(lookWithin)
				synctest.Wait()
				if name == "nothing gets over" {
					f.say("lost")
				}
				<-ended
				if got := h.text(); name != "nothing gets over" && got != before {
					t.Errorf("told after the end: %s", strings.TrimPrefix(got, before))
				}
			})
		})
	}
}

// TestListenersAreBounded lets in as many as there is room for, and all go when the server
// stops.
func TestListenersAreBounded(t *testing.T) {
	d := New("news", 2, time.Millisecond)
	var gone sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.Serve(w, r, func(*grant.Subject) (Feed, func()) { gone.Add(1); return newFeed(), gone.Done })
	}))
	client := server.Client()
	get := func() *http.Response {
		t.Helper()
		res, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	one, two, three := get(), get(), get()
	defer one.Body.Close()
	defer two.Body.Close()
	text, _ := io.ReadAll(three.Body)
	_ = three.Body.Close()
	if one.StatusCode != 200 || two.Header.Get("Content-Type") != "text/event-stream" || three.StatusCode != 503 || three.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "2 clients listen to news, which is the bound") {
		t.Errorf("%s, %s, %s: %s", one.Status, two.Status, three.Status, text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := server.Config.Shutdown(ctx); err != nil {
		t.Errorf("the server does not stop: %v", err)
	}
	gone.Wait()
	for _, res := range []*http.Response{one, two} {
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Errorf("a stream was cut: %v", err)
		}
	}
	if err := d.Close(ctx); err != nil {
		t.Error(err)
	}
	server.Close()
	answer := httptest.NewRecorder()
	d.Serve(answer, httptest.NewRequest(http.MethodGet, "/", nil), nil)
	if answer.Code != 503 {
		t.Errorf("let in after the end: %d", answer.Code)
	}
}
