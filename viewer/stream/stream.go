// Package stream sends what happens to browsers as server-sent events (HTML, 9.2). Each
// listener has a feed of his own, which says what he has not heard yet; how many may listen
// at once is bounded, and all are sent away when the server stops, and each when he is
// logged out.
package stream

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"grove/tree/grant"
	"grove/viewer"
)

// Bounds of a stream.
const (
	keepAlive    = 15 * time.Second
	lookWithin   = time.Second // after a logout the stream ends
	writeTimeout = 30 * time.Second
)

// Feed is what one listener hears. It is used by one goroutine.
type Feed interface {
	// Ready returns a channel that has an element after something came.
	Ready() <-chan struct{}
	// Append adds the events that were not told yet to a buffer, none when there are none.
	Append(buf []byte) []byte
}

// Door lets listeners in. Close it.
type Door struct {
	what  string // "alerts"
	pace  time.Duration
	slots chan struct{}

	servers sync.Map // *http.Server whose shutdown ends the streams

	mu     sync.Mutex // guards what follows
	closed bool
	open   sync.WaitGroup // one for each stream; Add only while not closed
	ended  chan struct{}  // closed with closed
}

// New makes a door for so many listeners to what a word names, each of which is told
// something at most once in so long a time.
func New(what string, most int, pace time.Duration) *Door {
	return &Door{what: what, pace: pace, slots: make(chan struct{}, most), ended: make(chan struct{})}
}

// end sends all away, and lets nobody in any more.
func (d *Door) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.ended)
	}
}

// Close sends all away and waits until they are gone, or for ctx.
func (d *Door) Close(ctx context.Context) error {
	d.end()
	gone := make(chan struct{})
	go func() { d.open.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter counts a stream, unless they have ended.
func (d *Door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.open.Add(1)
	}
	return !d.closed
}

// followShutdown has the streams end when the HTTP server of a request shuts down, since
// it waits for the requests under way.
func (d *Door) followShutdown(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if _, known := d.servers.LoadOrStore(server, true); !known {
		server.RegisterOnShutdown(d.end)
	}
}

// Serve answers a request with what a feed says, until the client goes, is logged out, or
// the door is closed. The feed is opened once the listener is let in, and its end is called
// when he has gone.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, open func(*grant.Subject) (feed Feed, end func())) {
	if !d.enter() {
		viewer.WriteProblem(w, r, http.StatusServiceUnavailable, "the server stops")
		return
	}
	defer d.open.Done()
	d.followShutdown(r)
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		w.Header().Set("Retry-After", "10")
		viewer.WriteProblem(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d clients listen to %s, which is the bound", cap(d.slots), d.what))
		return
	}
	who := grant.Of(r.Context())
	feed, end := open(who)
	defer end()
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // The server's own would end the request.
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back.
	d.run(r.Context(), who, feed, func(text []byte) error {
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // Not every ResponseWriter of a test has deadlines.
		if _, err := w.Write(text); err != nil {
			return err
		}
		return rc.Flush()
	})
}

// run sends what the feed says.
func (d *Door) run(ctx context.Context, who *grant.Subject, feed Feed, send func([]byte) error) {
	look := time.NewTicker(lookWithin)
	defer look.Stop()
	buf := []byte("retry: 3000\n: events follow\n\n")
	heard := time.Now() // by the client
	for who.Still() {
		if buf = feed.Append(buf); len(buf) > 0 {
			if send(buf) != nil {
				return
			}
			heard, buf = time.Now(), buf[:0]
			select { // What comes in quick succession goes together.
			case <-time.After(d.pace):
			case <-ctx.Done():
				return
			case <-d.ended:
				return
			}
			continue
		}
		select {
		case <-feed.Ready():
		case <-look.C:
			if time.Since(heard) >= keepAlive {
				buf = append(buf, ":\n\n"...)
			}
		case <-ctx.Done():
			return
		case <-d.ended:
			return
		}
	}
}
