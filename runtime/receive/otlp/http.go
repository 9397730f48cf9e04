package otlp

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// Prefix is what the addresses of OTLP over HTTP begin with: an SDK is told
// OTEL_EXPORTER_OTLP_ENDPOINT=http://grove:7440/otlp and appends the rest.
const Prefix = "/otlp"

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// refusal is an answer that is not a success. Senders try again after 429, 502, 503 and
// 504 only.
type refusal struct {
	status int
	text   string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// message is a request or an answer of either signal.
type message interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// Handler takes requests below Prefix: /v1/metrics and /v1/logs, as protocol buffers or
// JSON, plain or compressed by gzip. It answers 200 once what a request brought was
// handed on, and says what of it was refused.
func (h *Hub) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Prefix+"/v1/metrics", h.serve(func(r *http.Request, body []byte, asJSON bool) (message, error) {
		request := pmetricotlp.NewExportRequest()
		if err := decode(&request, body, metrics, asJSON); err != nil {
			return nil, err
		}
		return h.metrics(r.Context(), request), nil
	}))
	mux.HandleFunc("POST "+Prefix+"/v1/logs", h.serve(func(r *http.Request, body []byte, asJSON bool) (message, error) {
		request := plogotlp.NewExportRequest()
		if err := decode(&request, body, logs, asJSON); err != nil {
			return nil, err
		}
		return h.takeLogs(r.Context(), request), nil
	}))
	return mux
}

func decode(into interface {
	UnmarshalProto([]byte) error
	UnmarshalJSON([]byte) error
}, body []byte, s shape, asJSON bool) error {
	read := into.UnmarshalJSON // which has a bound of its own for what is nested
	if !asJSON {
		if err := checkNesting(body, s); err != nil {
			return &refusal{http.StatusBadRequest, fmt.Sprintf("the body is no request of OTLP: %v", err)}
		}
		read = into.UnmarshalProto
	}
	if err := read(body); err != nil {
		return &refusal{http.StatusBadRequest, fmt.Sprintf("the body is no request of OTLP: %v", err)}
	}
	return nil
}

func (h *Hub) serve(take func(r *http.Request, body []byte, asJSON bool) (message, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		answer, asJSON, err := h.answer(r, take)
		if err != nil {
			h.bad.Add(1)
			status := http.StatusServiceUnavailable
			var no *refusal
			if errors.As(err, &no) {
				status = no.status
			} else {
				w.Header().Set("Retry-After", strconv.Itoa(int(patience.Seconds())))
			}
			http.Error(w, err.Error(), status)
			return
		}
		marshal, kind := answer.MarshalProto, protobufType
		if asJSON {
			marshal, kind = answer.MarshalJSON, jsonType
		}
		body, err := marshal()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body)
	}
}

func (h *Hub) answer(r *http.Request, take func(*http.Request, []byte, bool) (message, error)) (answer message, asJSON bool, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != protobufType && kind != jsonType {
		return nil, false, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %.80q: OTLP is %s or %s", r.Header.Get("Content-Type"), protobufType, jsonType)}
	}
	// A place is for those whose request is here: one that sends slowly keeps none.
	sent, err := h.all(r.Body)
	if err != nil {
		return nil, false, err
	}
	leave, err := h.enter(r.Context())
	if err != nil {
		return nil, false, err
	}
	defer leave()
	body, err := h.unpack(sent, r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, false, err
	}
	asJSON = kind == jsonType
	answer, err = take(r, body, asJSON)
	return answer, asJSON, err
}

// unpack decompresses a body.
func (h *Hub) unpack(sent []byte, coding string) ([]byte, error) {
	switch coding {
	case "", "identity":
		return sent, nil
	case "gzip":
		unpacked, err := gzip.NewReader(bytes.NewReader(sent))
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, "the body is not compressed by gzip"}
		}
		return h.all(unpacked)
	}
	return nil, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("content encoding %.80q: gzip and none are known", coding)}
}

// all reads what there is, up to the bound.
func (h *Hub) all(from io.Reader) ([]byte, error) {
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(from, int64(h.options.MaxBody)+1))
	switch {
	case n > int64(h.options.MaxBody):
		return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes: send less at once", h.options.MaxBody)}
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, "the request broke off"}
	}
	return body.Bytes(), nil
}
