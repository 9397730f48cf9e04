package jolokia

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"grove/beans"
	"grove/tree/grant"
	"grove/viewer/export/jolokia/notification"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// streamTimeout is how long the client of a stream may take to accept one event.
const streamTimeout = 30 * time.Second

// stillEvery is how often it is looked whether the client of a stream is still who he was.
const stillEvery = time.Second

// notification carries out a command of a client of notifications.
func (s *Server) notification(c *call, r *request.Request) (any, error) {
	command := &r.Command
	switch command.Name {
	case "list":
		list, err := s.clients.List(command.Client)
		if err != nil {
			return nil, err
		}
		return c.options(&r.Params).Serialize(list, nil)
	case "ping":
		return nil, s.clients.Ping(command.Client)
	case "open":
		return nil, &request.BadRequest{Text: "A stream is opened by GET, at /notification/open/<client>/" + notification.Stream}
	}
	if err := s.byGet(r); err != nil {
		return nil, err
	}
	switch command.Name {
	case "register":
		id, err := s.clients.Register()
		if err != nil {
			return nil, err
		}
		return value.Object{{Key: "id", Value: id}, {Key: "backend", Value: s.backends()}}, nil
	case "unregister":
		return nil, s.clients.Unregister(command.Client)
	case "add":
		handle, err := s.clients.Add(c, command.Client, notification.Subscription{
			Mode: command.Mode, Name: r.Name, Filter: command.Filter, Handback: command.Handback, Sees: c.sight.sees,
		})
		if errors.Is(err, beans.ErrNoNotifications) {
			err = &request.IllegalArgument{Text: "The MBean " + r.Name.Canonical() + " emits no notifications"}
		}
		return handle, err
	default:
		return nil, s.clients.Remove(command.Client, command.Handle)
	}
}

// backends says how clients may take notifications.
func (s *Server) backends() value.Object {
	return value.Object{
		{Key: notification.Pull, Value: value.Object{{Key: "maxEntries", Value: notification.MaxEntries}, {Key: "store", Value: s.store.String()}}},
		{Key: notification.Stream, Value: value.Object{{Key: "backChannel.contentType", Value: "text/event-stream"}, {Key: "backChannel.encoding", Value: "UTF-8"}}},
	}
}

// stream sends a client what its listeners got, as server-sent events, until it goes.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, one *request.Request) {
	fail := func(err error) { s.write(w, value.Append(nil, s.failed(one, err)), one.Params.PlainText) }
	if one.Command.Mode != notification.Stream {
		fail(&request.IllegalArgument{Text: "No backend of type '" + one.Command.Mode + "' has a channel to open; " + notification.Stream + " has"})
		return
	}
	s.followShutdown(r)
	channel, err := s.clients.Open(one.Command.Client, s.sightOf(r.Context()).sees)
	if err != nil {
		fail(err)
		return
	}
	defer channel.Close()
	s.counts.done(request.Notification, outcomeOK)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream;charset=UTF-8")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	control := http.NewResponseController(w)
	send := func(text []byte) bool {
		// A writer without deadlines, as in tests, has nobody slow behind it.
		if err := control.SetWriteDeadline(time.Now().Add(streamTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false
		}
		if _, err := w.Write(text); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	// The server's time for reading a request is not meant for how long a stream lasts.
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return
	}
	if !send([]byte(":\r\n\r\n")) {
		return
	}
	asks := grant.Of(r.Context())
	for asks.Still() {
		event, err := s.next(r.Context(), channel)
		if err != nil || !asks.Still() {
			return
		}
		if event == nil {
			event = []byte(":\r\n\r\n")
		}
		if !send(event) {
			return
		}
	}
}

// followShutdown has the streams end when the HTTP server of a request shuts down, since
// it waits for the requests under way.
func (s *Server) followShutdown(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if _, known := s.servers.LoadOrStore(server, true); !known {
		server.RegisterOnShutdown(s.clients.EndStreams)
	}
}

// next waits for an event; it is nil when it is time for a comment.
func (s *Server) next(ctx context.Context, channel *notification.Channel) ([]byte, error) {
	wait := s.opts.KeepAlive
	if grant.Of(ctx).Valid != nil {
		wait = min(wait, stillEvery)
	}
	idle, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	e, err := channel.Next(idle)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return nil, nil
		}
		return nil, err
	}
	v, err := value.Options{Budget: &value.Budget{Bytes: s.opts.MaxAnswer}}.Serialize(e.Result, nil)
	if err != nil {
		s.opts.Log.Warn("a notification was not sent to a Jolokia client", "error", err)
		return nil, nil
	}
	text := append([]byte("id: "), strconv.FormatInt(e.Sequence, 10)...)
	text = append(text, "\r\ndata: "...)
	text = value.Append(text, v) // JSON has no line breaks
	return append(text, "\r\n\r\n"...), nil
}
