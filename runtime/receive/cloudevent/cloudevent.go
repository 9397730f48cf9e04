// Package cloudevent is the receiver for CloudEvents 1.0 over HTTP, in the modes binary,
// structured and batch (github.com/cloudevents/spec, http-protocol-binding).
package cloudevent

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/ohler55/ojg/oj"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/receive"
	"grove/runtime/receive/record"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Path is where events are sent to.
const Path = "/api/v1/cloudevents"

const (
	// DefaultMaxBody bounds a request, in bytes.
	DefaultMaxBody = 1 << 20
	maxEvents      = 1000 // of a batch
	// dataPrefix begins the fields that are in an event's data.
	dataPrefix = "data."
)

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	// May says whether who sends may send to the probes of an instance. Nil: everybody may.
	May     func(ctx context.Context, instance string) error
	MaxBody int64
	Now     func() time.Time // nil: time.Now
}

// Hub takes events. It may be used from many goroutines.
type Hub struct {
	options  Options
	records  *record.Hub
	requests atomic.Uint64
	bad      atomic.Uint64
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Hub{options: o, records: &record.Hub{May: o.May}}
}

// Stats is what became of what was sent.
type Stats struct {
	receive.Counts        // of events
	Requests       uint64 // all, also refused ones
	BadRequests    uint64 // of which nothing could be read
}

// Stats reads the counts.
func (h *Hub) Stats() Stats {
	return Stats{Counts: h.records.Account().Counts(), Requests: h.requests.Load(), BadRequests: h.bad.Load()}
}

// always are the attributes that every event has.
var always = []string{"id", "source", "type", "subject"}

// Kind returns the kind "cloudevents": probes that take part in what a hub gets.
func Kind(h *Hub) probe.Kind {
	return probe.Kind{
		Name: "cloudevents", Title: "CloudEvents that programs send", Doc: doc + "\n" + pattern.Doc, Example: example, Pushes: true,
		NewOptions: func() any { return new(record.Options) },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*record.Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return h.records.New(o, nil, always...)
		},
	}
}

// Handler takes events: 204 once they were handed on, 400 when they are none, 403 when
// the sender may send to none of the probes that want them.
func (h *Hub) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		status, err := h.take(w, r)
		if err != nil {
			h.bad.Add(1)
			if status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", http.MethodPost)
			}
			http.Error(w, err.Error(), status)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (h *Hub) take(w http.ResponseWriter, r *http.Request) (status int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errors.New("events are sent by POST")
	}
	r.Body = http.MaxBytesReader(w, r.Body, h.options.MaxBody)
	list, err := read(r)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return http.StatusRequestEntityTooLarge, fmt.Errorf("the request has more than %d bytes", h.options.MaxBody)
	case err != nil:
		h.records.Account().Refused(receive.Malformed, 1)
		return http.StatusBadRequest, err
	case len(list) > maxEvents:
		return http.StatusRequestEntityTooLarge, fmt.Errorf("%d events, more than %d", len(list), maxEvents)
	}
	records := make([]record.Record, len(list))
	for i := range list {
		if err := list[i].Validate(); err != nil {
			h.records.Account().Refused(receive.Malformed, len(list))
			return http.StatusBadRequest, fmt.Errorf("event %d is none of CloudEvents 1.0: %s", i, oneLine(err))
		}
		records[i] = recordOf(&list[i])
	}
	denied, err := h.records.Take(r.Context(), records, h.options.Now())
	if denied > 0 && denied == len(list) {
		return http.StatusForbidden, err
	}
	return 0, nil
}

func read(r *http.Request) ([]event.Event, error) {
	if cehttp.IsHTTPBatch(r.Header) {
		list, err := cehttp.NewEventsFromHTTPRequest(r)
		if err != nil {
			return nil, fmt.Errorf("the request is no batch of CloudEvents: %w", err)
		}
		return list, nil
	}
	message := cehttp.NewMessageFromHttpRequest(r)
	if message.ReadEncoding() == binding.EncodingUnknown {
		return nil, errors.New("the request is no CloudEvent: neither has it the headers ce-id, ce-source, ce-type, ce-specversion, nor the type application/cloudevents+json")
	}
	e, err := binding.ToEvent(r.Context(), message)
	if err != nil {
		return nil, fmt.Errorf("the request is no CloudEvent: %w", err)
	}
	return []event.Event{*e}, nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// recordOf makes a record of an event: its text is its data, or its type when it has none.
func recordOf(e *event.Event) record.Record {
	var parsed any
	asked := false
	r := record.Record{Text: e.Data(), Time: e.Time(), Status: tree.White}
	if len(r.Text) == 0 {
		r.Text = []byte(e.Type())
	}
	r.Field = func(name string) string {
		switch name {
		case "id":
			return e.ID()
		case "source":
			return e.Source()
		case "type":
			return e.Type()
		case "subject":
			return e.Subject()
		case "dataschema":
			return e.DataSchema()
		case "datacontenttype":
			return e.DataContentType()
		}
		path, inData := strings.CutPrefix(name, dataPrefix)
		if !inData {
			if v, ok := e.Extensions()[name]; ok {
				return fmt.Sprint(v)
			}
			return ""
		}
		if !asked {
			asked = true
			parsed, _ = oj.Parse(e.Data()) // What is no JSON has no such fields.
		}
		return at(parsed, path)
	}
	if s, err := tree.ParseStatus(r.Field("severity")); err == nil {
		r.Status = s
	} else if word := r.Field("severity"); word != "" {
		r.Status = pattern.StatusOfWord(word)
	}
	return r
}

// at follows a dotted path into JSON.
func at(v any, path string) string {
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case map[string]any, []any:
		return oj.JSON(x)
	}
	return fmt.Sprint(v)
}
