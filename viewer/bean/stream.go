package bean

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer"
)

// Bounds of a stream.
const (
	keepAlive    = 15 * time.Second
	lookWithin   = time.Second // after a logout the stream ends
	writeTimeout = 30 * time.Second
	maxChunk     = 256 << 10 // bytes sent at once
	pace         = 100 * time.Millisecond
)

// Event is one notification in a stream, the data of a server-sent event. One with the
// event "lost" has {"lost": N} instead: so many were dropped before, because the client
// was too slow; the number is absent for who does not see the whole manager. The event
// "gone" says that the bean is not there any more, and ends the stream.
type Event struct {
	Type     string `json:"type"`
	Source   string `json:"source" doc:"Name of the bean."`
	Sequence int64  `json:"sequence,omitempty" doc:"Counts those of the source."`
	Time     string `json:"time" format:"date-time"`
	Message  string `json:"message,omitempty"`
	Path     string `json:"path,omitempty" doc:"Of the node that it is about."`
	Data     any    `json:"data,omitempty"`
}

// NotificationsPath is where Notifications is to be served, by GET.
const NotificationsPath = "/api/v1/bean/notifications"

// Notifications streams what beans emit, as server-sent events (HTML, 9.2). It ends its
// streams by Close.
type Notifications struct {
	api *API

	servers sync.Map // *http.Server whose shutdown ends the streams

	mu     sync.Mutex // guards both
	closed bool
	open   sync.WaitGroup // one for each stream; Add only while not closed
	ended  chan struct{}  // closed with closed
}

// NewNotifications returns the handler; Close it.
func (a *API) NewNotifications() *Notifications {
	return &Notifications{api: a, ended: make(chan struct{})}
}

// end lets all streams end, and takes no more.
func (n *Notifications) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.closed = true
		close(n.ended)
	}
}

// Close ends all streams and waits until they are gone, or for ctx.
func (n *Notifications) Close(ctx context.Context) error {
	n.end()
	gone := make(chan struct{})
	go func() { n.open.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter counts a stream, unless they have ended.
func (n *Notifications) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.open.Add(1)
	}
	return !n.closed
}

// followShutdown has the streams end when the HTTP server of a request shuts down, since
// it waits for the requests under way.
func (n *Notifications) followShutdown(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if _, known := n.servers.LoadOrStore(server, true); !known {
		server.RegisterOnShutdown(n.end)
	}
}

// ServeHTTP streams what the beans emit that the parameter name names or, as a pattern,
// matches, and whose beans who asks may read.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != NotificationsPath {
		viewer.WriteProblem(w, r, http.StatusNotFound, "there is nothing at this address")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		viewer.WriteProblem(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%.20s is not served here, only GET", r.Method))
		return
	}
	if !n.enter() {
		viewer.WriteProblem(w, r, http.StatusServiceUnavailable, "the server stops")
		return
	}
	defer n.open.Done()
	n.followShutdown(r)
	select {
	case n.api.slots <- struct{}{}:
		defer func() { <-n.api.slots }()
	default:
		w.Header().Set("Retry-After", "10")
		viewer.WriteProblem(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d clients listen to beans, which is the bound", cap(n.api.slots)))
		return
	}
	s, err := n.api.stream(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	defer s.queue.Close()
	s.w, s.rc = w, http.NewResponseController(w)
	_ = s.rc.SetReadDeadline(time.Time{}) // The server's own would end the request.
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back.
	s.run(r.Context(), n.ended)
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	var status huma.StatusError
	if errors.As(viewer.Problem(err), &status) {
		viewer.WriteProblem(w, r, status.GetStatus(), status.Error())
	}
}

// stream is what one client listens to.
type stream struct {
	api     *API
	subject *grant.Subject
	name    beans.Name // or a pattern
	queue   Queue
	w       http.ResponseWriter
	rc      *http.ResponseController
	buf     []byte
}

// stream begins what a request asks for.
func (a *API) stream(r *http.Request) (*stream, error) {
	q := r.URL.Query()
	for key, values := range q {
		if key != "name" || len(values) > 1 {
			return nil, huma.NewError(http.StatusBadRequest, fmt.Sprintf("unexpected parameter %.40q: name is known, once", key))
		}
	}
	name, err := beans.ParseName(q.Get("name"))
	if err != nil {
		return nil, err
	}
	if name, err = name.InDomain(a.opts.Beans.DefaultDomain()); err != nil {
		return nil, err
	}
	s := &stream{api: a, subject: grant.Of(r.Context()), name: name}
	if !name.IsPattern() {
		if err := a.demand(s.subject, name, grant.Viewer, grant.Viewer); err != nil {
			return nil, err
		}
		s.queue, err = listen(a.opts.Beans, name)
		return s, err
	}
	if s.subject == grant.Nobody {
		return nil, grant.DemandWhole(s.subject, grant.Viewer)
	}
	about := chosen(name, nil) // A pattern that no node's name matches needs no changes of nodes.
	s.queue, err = a.opts.Bus(func(source beans.Name) bool {
		return name.Matches(source) || !about.none && source.Equal(a.opts.Changes)
	})
	return s, err
}

// run sends until the client goes, may not see it any more, or the stream ends.
func (s *stream) run(ctx context.Context, ended <-chan struct{}) {
	s.buf = append(s.buf, "retry: 3000\n: events follow\n\n"...)
	look := time.NewTicker(lookWithin)
	defer look.Stop()
	heard := time.Now() // by the client
	for {
		over := s.collect()
		sent := len(s.buf) > 0
		if sent {
			heard = time.Now()
		}
		if s.flush() != nil || over {
			return
		}
		ready, rest := s.queue.Ready(), (<-chan time.Time)(nil)
		if sent { // What comes in quick succession goes together.
			ready, rest = nil, time.After(pace)
		}
		select {
		case <-ready:
		case <-rest:
		case <-look.C:
			if s.gone() {
				_ = s.collect() // what it emitted last
				s.buf = append(s.buf, "event: gone\ndata: {}\n\n"...)
				_ = s.flush()
				return
			}
			if time.Since(heard) >= keepAlive {
				s.buf = append(s.buf, ":\n\n"...)
			}
		case <-ctx.Done():
			return
		case <-ended:
			return
		}
	}
}

// gone says whether the one bean that is listened to is not there any more.
func (s *stream) gone() bool {
	return !s.name.IsPattern() && !s.api.opts.Beans.IsRegistered(s.name)
}

// collect puts what is queued into the buffer; over says that nothing more will come.
func (s *stream) collect() (over bool) {
	if !s.subject.Still() {
		return true
	}
	for len(s.buf) < maxChunk {
		n, lost, ok, err := s.queue.TryNext()
		if err != nil {
			return true
		}
		if !ok {
			return false
		}
		switch {
		case lost > 0 && s.subject.Whole(grant.Viewer):
			s.buf = fmt.Appendf(s.buf, "event: lost\ndata: {\"lost\":%d}\n\n", lost)
		case lost > 0: // It counts what is hidden, too.
			s.buf = append(s.buf, "event: lost\ndata: {}\n\n"...)
		}
		if e, sees := s.event(n); sees {
			text, err := json.Marshal(e)
			if err != nil {
				s.api.opts.Log.Error("a notification cannot be told", "source", e.Source, "type", e.Type, "error", err)
				continue
			}
			s.buf = fmt.Appendf(s.buf, "data: %s\n\n", text)
		}
	}
	return false
}

// event puts a notification into words, unless it is not asked for or not to be seen.
func (s *stream) event(n beans.Notification) (e Event, sees bool) {
	source := n.Source
	e = Event{Type: n.Type, Sequence: n.Sequence, Message: n.Message}
	if source.Equal(s.api.opts.Changes) {
		// A change of a node comes from its bean, for those who listen to that.
		if p, ok := changed(n); ok {
			if own, err := monitor.Name(p); err == nil && s.name.Matches(own) {
				source, e.Sequence = own, 0
			}
		}
	}
	if !s.name.Matches(source) || !s.api.may(s.subject, source, grant.Viewer, grant.Viewer) {
		return e, false
	}
	if p, ok := s.api.place(source); ok {
		e.Path = p.String()
	}
	e.Source = source.String()
	if !n.Time.IsZero() {
		e.Time = n.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	e.Data = dataOf(n)
	return e, true
}

// changed returns the path of the node that a change of status is about.
func changed(n beans.Notification) (tree.Path, bool) {
	data, ok := n.Data.(map[string]beans.Value)
	if !ok || n.Type != monitor.TypeStatusChanged {
		return tree.Path{}, false
	}
	text, _ := data["path"].(string)
	p, err := tree.ParsePath(text)
	return p, err == nil && text != ""
}

// dataOf is what a notification brings along, as JSON has it.
func dataOf(n beans.Notification) any {
	data := n.Data
	if d, ok := data.(beans.Detailed); ok {
		fields, user := d.NotificationFields()
		object := make(map[string]beans.Value, len(fields)+1)
		for _, f := range fields {
			object[f.Name] = f.Value
		}
		if user != nil {
			object["userData"] = user
		}
		data = object
	}
	out, _ := shown(data)
	return out
}

// flush sends what is in the buffer.
func (s *stream) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // Not every ResponseWriter of a test has deadlines.
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return err
	}
	return s.rc.Flush()
}
