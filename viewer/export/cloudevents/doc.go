// Package cloudevents tells every notification to programs as a CloudEvent 1.0
// (github.com/cloudevents/spec, in JSON), over server-sent events (HTML, "Server-sent
// events"): one connection, no polling, and any HTTP client can read it.
//
// All clients read from one ring of the newest events. A client that comes back with
// the Last-Event-ID of what it has goes on where it was, and one that is too slow, or
// was away for too long, is told how many events it lost: nobody's queue grows. The event
// is named "lost", its data is {"lost":3}. A client whose last event is of an earlier life
// of the manager is told {"lost":0,"restarted":true} first: how many it missed of that
// life nobody knows, and the journal (GET /api/v1/journal) has them.
package cloudevents
