package remotewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/golang/snappy"

	"grove/runtime/receive"
)

// Path is where senders expect a receiver: what Prometheus itself has.
const Path = "/api/v1/write"

// The messages, as Content-Type names them in its parameter proto.
const (
	mediaType = "application/x-protobuf"
	protoV1   = "prometheus.WriteRequest"
	protoV2   = "io.prometheus.write.v2.Request"
)

// Headers of the answer to version 2.
const (
	writtenSamples    = "X-Prometheus-Remote-Write-Samples-Written"
	writtenHistograms = "X-Prometheus-Remote-Write-Histograms-Written"
	writtenExemplars  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

// patience is how long a request waits for its turn until its sender is told to come back.
const patience = 10 * time.Second

// mostKept bounds the buffers of a request that are kept for the next, in bytes.
const mostKept = 4 << 20

// refusal is an answer that is not a success. Senders try again after 429 and 5xx only.
type refusal struct {
	status int
	text   string
	wait   time.Duration // Retry-After
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// Handler takes requests of remote write. It answers 204 once what a request brought was
// handed on; 400 when it is malformed, 403, 413 and 415 when it cannot be taken as it is,
// and 429 and 503 when it should come again.
func (h *Hub) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.counts.requests.Add(1)
		out, version, err := h.take(r)
		if version == 2 {
			w.Header().Set(writtenSamples, strconv.Itoa(out.samples))
			w.Header().Set(writtenHistograms, strconv.Itoa(out.histograms))
			w.Header().Set(writtenExemplars, "0")
		}
		var no *refusal
		switch {
		case errors.As(err, &no):
			h.counts.bad.Add(1)
			if no.wait > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(no.wait.Seconds())))))
			}
			if no.status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", http.MethodPost)
			}
			http.Error(w, no.text, no.status)
		case out.Malformed > 0:
			http.Error(w, fmt.Sprintf("%d samples were refused: %v", out.Malformed, out.Err), http.StatusBadRequest)
		case out.Denied > 0 && out.samples+out.histograms == 0:
			http.Error(w, out.Err.Error(), http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// take reads a request and applies it. The error is a *refusal.
func (h *Hub) take(r *http.Request) (out outcome, version int, err error) {
	source := sourceOf(r)
	if version, err = h.check(r, source); err != nil {
		return out, version, err
	}
	w := h.work.Get().(*work)
	defer func() {
		if cap(w.body)+cap(w.decoded) <= mostKept {
			h.work.Put(w)
		}
	}()
	// A place is for those whose request is here: one that sends slowly keeps none.
	if err := h.read(r, w); err != nil {
		return out, version, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	case <-late.C:
		return out, version, &refusal{http.StatusServiceUnavailable, "too many requests are being worked on: come again", patience}
	case <-r.Context().Done():
		return out, version, &refusal{http.StatusServiceUnavailable, "the request was given up", 0}
	}
	if err := h.unpack(w); err != nil {
		return out, version, err
	}
	h.counts.bytes.Add(uint64(len(w.decoded)))
	if err := w.message.read(w.decoded, version); err != nil {
		return out, version, &refusal{http.StatusBadRequest, err.Error(), 0}
	}
	total := w.message.total()
	if h.options.Allow != nil {
		if wait, ok := h.options.Allow(source, total, h.options.Now()); !ok {
			h.samples.Account().Refused(receive.RateLimited, total)
			return out, version, &refusal{http.StatusTooManyRequests, "this source sends more than it may", wait}
		}
	}
	return h.apply(r.Context(), w), version, nil
}

func sourceOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, _ := netip.ParseAddr(host)
	return a.Unmap().WithZone("")
}

// check looks at what a request says of itself.
func (h *Hub) check(r *http.Request, source netip.Addr) (version int, err error) {
	if r.Method != http.MethodPost {
		return 0, &refusal{http.StatusMethodNotAllowed, "remote write is sent by POST", 0}
	}
	if h.options.Sources != nil {
		ok := false
		for _, p := range h.options.Sources {
			ok = ok || p.Contains(source)
		}
		if !ok {
			return 0, &refusal{http.StatusForbidden, "this address may not send", 0}
		}
	}
	version = 1
	if text := r.Header.Get("Content-Type"); text != "" {
		media, parameters, err := mime.ParseMediaType(text)
		switch proto := parameters["proto"]; {
		case err != nil || media != mediaType:
			return 0, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %.80q: remote write is %s", text, mediaType), 0}
		case proto == "" || proto == protoV1:
		case proto == protoV2:
			version = 2
		default:
			return 0, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("message %.80q: %s and %s are known", proto, protoV1, protoV2), 0}
		}
	}
	if text := r.Header.Get("Content-Encoding"); text != "snappy" && text != "" {
		return version, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("content encoding %.80q: remote write is compressed by snappy", text), 0}
	}
	return version, nil
}

// read reads the body as it is sent.
func (h *Hub) read(r *http.Request, w *work) error {
	buf := bytes.NewBuffer(w.body[:0])
	n, err := buf.ReadFrom(io.LimitReader(r.Body, h.options.MaxBody+1))
	w.body = buf.Bytes()
	switch {
	case n > h.options.MaxBody:
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes: send fewer samples at once", h.options.MaxBody), 0}
	case err != nil:
		return &refusal{http.StatusBadRequest, "the request broke off", 0}
	}
	return nil
}

// unpack decompresses the body. The length that it declares is held to the bound before
// any memory is taken for it.
func (h *Hub) unpack(w *work) error {
	size, err := snappy.DecodedLen(w.body)
	switch {
	case err != nil:
		return &refusal{http.StatusBadRequest, "the body is not compressed by snappy", 0}
	case size > h.options.MaxDecoded:
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes after decompression: send fewer samples at once", h.options.MaxDecoded), 0}
	}
	if cap(w.decoded) < size {
		w.decoded = make([]byte, size)
	}
	if w.decoded, err = snappy.Decode(w.decoded[:cap(w.decoded)], w.body); err != nil {
		return &refusal{http.StatusBadRequest, "the body is not compressed by snappy", 0}
	}
	return nil
}
