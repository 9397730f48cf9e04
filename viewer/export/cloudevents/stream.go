package cloudevents

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cloudevents/sdk-go/v2/event"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
)

// Bounds of a stream.
const (
	DefaultRing    = 8192 // events that are kept for those who come back
	DefaultClients = 1000
	MaxTypes       = 32 // prefixes of types that one client may ask for
	keepAlive      = 15 * time.Second
	stillEvery     = time.Second // how often it is looked whether who listens still may
	writeTimeout   = 30 * time.Second
)

// Options are the surroundings of a Stream.
type Options struct {
	Manager string // names this manager in the source of events
	// Guard says who sees which nodes.
	Guard *grant.Guard
	// Ring is how many events are kept, Clients how many may listen at once; zero
	// stands for DefaultRing and DefaultClients.
	Ring, Clients int
	// Refuse answers a request that is not served; nil answers with plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	// Own receives the stream's own metrics, see [MetricHelp]; nil is a set that nobody
	// reads.
	Own *metrics.Set
	Log *slog.Logger // nil discards
}

// Stream is the handler of GET /api/v1/events. Query parameters: type, any number of
// prefixes of notification types, and path, a node: only events with a subject at or
// below it. The answer never ends, unless who asked is logged out.
//
// Who does not see the whole manager gets the events whose subject he sees. Numbers of
// events would tell him how many there are that he does not see: he gets others in their
// place, in no order, and of lost events he is not told how many they are.
type Stream struct {
	opts   Options
	run    string
	cover  *cover
	slots  chan struct{}
	counts counts

	servers sync.Map // *http.Server whose shutdown ends the streams

	mu     sync.Mutex // guards all below
	ring   []record   // of event k at k modulo its length
	next   uint64     // number of the next event
	news   chan struct{}
	closed bool
	open   sync.WaitGroup // one for each client; Add only while not closed
}

// record is one event, ready to be sent.
type record struct {
	kind, subject string
	path          tree.Path // the subject; where there is none, the root with no subject
	event         event.Event
	text          []byte // structured JSON
	covered       []byte // the same without numbers; made when somebody needs it
}

// New returns a Stream; Close it.
func New(o Options) (*Stream, error) {
	if o.Guard == nil {
		return nil, errors.New("cloudevents: nobody says who sees what")
	}
	if o.Ring <= 0 {
		o.Ring = DefaultRing
	}
	if o.Clients <= 0 {
		o.Clients = DefaultClients
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, detail string) { http.Error(w, detail, status) }
	}
	hide, err := newCover()
	if err != nil {
		return nil, err
	}
	s := &Stream{opts: o, cover: hide, run: rand.Text()[:8], slots: make(chan struct{}, o.Clients), ring: make([]record, o.Ring), next: 1, news: make(chan struct{})}
	s.counts = newCounts(o.Own, func() float64 { return float64(len(s.slots)) })
	return s, nil
}

// Publish takes a notification for all clients; it is a [beans.Listener] and returns at
// once.
func (s *Stream) Publish(n beans.Notification) {
	e, err := Of(&n, s.opts.Manager, s.run)
	var text []byte
	if err == nil {
		text, err = json.Marshal(e)
	}
	if err != nil {
		s.counts.failed.Inc()
		s.opts.Log.Error("a notification cannot be told as an event", "error", err)
		return
	}
	s.counts.events.Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.ring[s.next%uint64(len(s.ring))] = record{kind: n.Type, subject: e.Subject(), path: pathOf(e.Subject()), event: e, text: text}
	s.next++
	close(s.news)
	s.news = make(chan struct{})
}

// pathOf is the node that a subject names.
func pathOf(subject string) tree.Path {
	p, err := tree.ParsePath(subject)
	if err != nil {
		return tree.Root
	}
	return p
}

// end lets all streams end, and takes no more clients.
func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.news)
		s.news = nil
	}
}

// followShutdown has the streams end when the HTTP server of a request shuts down, since
// it waits for the requests under way.
func (s *Stream) followShutdown(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if _, known := s.servers.LoadOrStore(server, true); !known {
		server.RegisterOnShutdown(s.end)
	}
}

// Close ends all streams and waits until they are gone, or for ctx.
func (s *Stream) Close(ctx context.Context) error {
	s.end()
	gone := make(chan struct{})
	go func() { s.open.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wants says which events a client asked for.
type wants struct {
	types []string
	path  string // empty: all; else without a slash at its end
}

func parseWants(q url.Values) (w wants, err error) {
	for name := range q {
		if name != "type" && name != "path" {
			return w, fmt.Errorf("unknown parameter %.40q: type and path are known", name)
		}
	}
	if w.types = q["type"]; len(w.types) > MaxTypes {
		return w, fmt.Errorf("%d prefixes of types, and the bound is %d", len(w.types), MaxTypes)
	}
	if text := q.Get("path"); text != "" {
		p, err := tree.ParsePath(text)
		if err != nil {
			return w, err
		}
		w.path = strings.TrimSuffix(p.String(), "/")
	}
	return w, nil
}

func (w *wants) takes(r *record) bool {
	if rest, ok := strings.CutPrefix(r.subject, w.path); w.path != "" && (!ok || rest != "" && rest[0] != '/') {
		return false
	}
	for _, prefix := range w.types {
		if strings.HasPrefix(r.kind, prefix) {
			return true
		}
	}
	return len(w.types) == 0
}

// ServeHTTP streams events until the client goes or the Stream is closed.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, err := parseWants(r.URL.Query())
	if err != nil {
		s.opts.Refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "10")
		s.opts.Refuse(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d clients listen to events, which is the bound", cap(s.slots)))
		return
	}
	s.followShutdown(r)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.opts.Refuse(w, r, http.StatusServiceUnavailable, "the server stops")
		return
	}
	s.open.Add(1)
	at := s.next
	s.mu.Unlock()
	defer s.open.Done()
	asks := grant.Of(r.Context())
	c := &client{stream: s, w: w, rc: http.NewResponseController(w), wants: asked, asks: asks, whole: asks.Whole(grant.Viewer)}
	_ = c.rc.SetReadDeadline(time.Time{}) // The server's own would end the request.
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	known := true
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		at, known = c.resume(last, at)
	}
	c.run(r.Context(), at, known)
}

// client is one who listens.
type client struct {
	stream *Stream
	w      http.ResponseWriter
	rc     *http.ResponseController
	wants  wants
	asks   *grant.Subject
	whole  bool
	buf    []byte
}

// resume returns where a client goes on that has the event of an id. One from before
// this manager's life begins with the first of this life: what it missed of the life
// before is not known.
func (c *client) resume(last string, now uint64) (at uint64, known bool) {
	run, number, _ := strings.Cut(last, ".")
	if run == c.stream.run {
		n, ok := c.stream.cover.open(number)
		if c.whole {
			var err error
			n, err = strconv.ParseUint(number, 10, 64)
			ok = err == nil
		}
		if ok && n < now {
			return n + 1, true
		}
	}
	return 1, false
}

// id names event number n to the client.
func (c *client) id(n uint64) string {
	if c.whole {
		return c.stream.run + "." + strconv.FormatUint(n, 10)
	}
	return c.stream.run + "." + c.stream.cover.close(n)
}

// run sends what comes from event number at on; known tells whether nothing but what the
// stream counts is missing before.
func (c *client) run(ctx context.Context, at uint64, known bool) {
	// An id at once, so that a client that loses its connection early can come back.
	c.buf = fmt.Appendf(c.buf[:0], "retry: 3000\nid: %s\n: events follow\n\n", c.id(at-1))
	if !known {
		c.buf = fmt.Appendf(c.buf, "event: lost\nid: %s\ndata: {\"lost\":0,\"restarted\":true}\n\n", c.id(at-1))
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	var still <-chan time.Time
	if c.asks.Valid != nil {
		ticker := time.NewTicker(stillEvery)
		defer ticker.Stop()
		still = ticker.C
	}
	for c.asks.Still() && c.flush() == nil {
		var news chan struct{}
		at, news = c.collect(at)
		if len(c.buf) > 0 {
			continue
		}
		if news == nil {
			return
		}
		select {
		case <-news:
		case <-alive.C:
			c.buf = append(c.buf[:0], ":\n\n"...)
		case <-still:
		case <-ctx.Done():
			return
		}
	}
}

// flush sends what is in the buffer.
func (c *client) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	// Not every ResponseWriter of a test has deadlines.
	_ = c.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	if err != nil {
		return err
	}
	return c.rc.Flush()
}

// maxChunk bounds what is sent at once.
const maxChunk = 256 << 10

// collect puts events from number at on into the buffer, and says which is the next and
// how to wait for it: not at all when the stream is closed.
func (c *client) collect(at uint64) (next uint64, news chan struct{}) {
	s := c.stream
	scope := s.opts.Guard.Scope(c.asks)
	s.mu.Lock()
	defer s.mu.Unlock()
	if oldest := s.next - min(s.next-1, uint64(len(s.ring))); at < oldest {
		lost := oldest - at
		s.counts.lost.AddInt64(int64(lost))
		told := fmt.Sprintf(`{"lost":%d}`, lost)
		if !c.whole {
			told = `{"lost":0,"unknown":true}`
		}
		c.buf = fmt.Appendf(c.buf, "event: lost\nid: %s\ndata: %s\n\n", c.id(oldest-1), told)
		at = oldest
	}
	for ; at < s.next && len(c.buf) < maxChunk; at++ {
		r := &s.ring[at%uint64(len(s.ring))]
		if !c.wants.takes(r) || !c.sees(scope, r) {
			continue
		}
		c.buf = fmt.Appendf(c.buf, "id: %s\ndata: %s\n\n", c.id(at), c.textOf(r))
		s.counts.sent.Inc()
	}
	return at, s.news
}

// sees says whether an event is for the client. What has no subject is of the whole
// manager; what is about a node that has gone is for those who see all that ever was
// there.
func (c *client) sees(scope *grant.Scope, r *record) bool {
	if c.whole {
		return true
	}
	return r.subject != "" && (c.asks.RemembersAll(r.path) || scope.There(r.path) == grant.Seen)
}

// textOf is an event as the client gets it.
func (c *client) textOf(r *record) []byte {
	if c.whole {
		return r.text
	}
	if r.covered == nil {
		r.covered = c.stream.cover.event(r.event, c.stream.run)
	}
	return r.covered
}
