package reply

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"grove/tree/grant"
)

// Refuse answers a request with an error in the shape that all errors of the server have.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)

// Answer is one document on its way to a client.
type Answer struct {
	Type string // content type
	// Tag is equal for two documents that say the same, but for when they were made;
	// printable ASCII without quotes.
	Tag string
	// Changed is since when the document says what it says; zero is not known.
	Changed time.Time
	// Policy is the Content-Security-Policy; empty leaves the server's.
	Policy string
	// Write writes the document.
	Write func(io.Writer) error
}

// stall is how long a client may take nothing of an answer. It stands in the place of
// the server's limit on a whole answer, which a large document over a thin line passes.
const stall = 30 * time.Second

// Send answers a GET or a HEAD. A client that has the document already is told so. An
// error of Write cuts the connection, so that nobody takes a part for the whole.
func Send(w http.ResponseWriter, r *http.Request, now time.Time, a Answer) {
	h := w.Header()
	h.Add("Vary", "Accept")
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "private, no-cache") // Who asked may keep it, and asks whether it holds.
	// The tag is weak (RFC 9110, 8.8.1): the time of making and the compression differ.
	h.Set("ETag", `W/"`+a.Tag+`"`)
	if !a.Changed.IsZero() {
		h.Set("Last-Modified", a.Changed.UTC().Format(http.TimeFormat))
	}
	if a.Policy != "" {
		h.Set("Content-Security-Policy", a.Policy)
	}
	if unchanged(r, now, &a) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.Type)
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	if err := write(&patient{w: w, control: http.NewResponseController(w)}, h.Get("Content-Encoding") != "", a.Write); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// unchanged says whether the client has the document (RFC 9110, 13.1.2 and 13.1.3).
func unchanged(r *http.Request, now time.Time, a *Answer) bool {
	if match := r.Header.Get("If-None-Match"); match != "" {
		for tag := range strings.SplitSeq(match, ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == `"`+a.Tag+`"` {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	if err != nil || a.Changed.IsZero() {
		return false
	}
	// Within the second that the header names, it may have changed once more (8.8.2.2).
	second := a.Changed.Truncate(time.Second)
	return !second.After(since) && now.Sub(second) >= 2*time.Second
}

var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level is valid.
	return z
}}

func write(w io.Writer, zip bool, body func(io.Writer) error) error {
	if !zip {
		return body(w)
	}
	z := zippers.Get().(*gzip.Writer)
	z.Reset(w)
	defer func() {
		z.Reset(nil)
		zippers.Put(z)
	}()
	if err := body(z); err != nil {
		return err
	}
	return z.Close()
}

// patient gives each piece of an answer its own time.
type patient struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	// Not every writer has deadlines; one that lacks them has the server's limit.
	_ = p.control.SetWriteDeadline(time.Now().Add(stall))
	return p.w.Write(b)
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as it concerns gzip.
func acceptsGzip(header string) bool {
	any := false
	for part := range strings.SplitSeq(strings.ToLower(header), ",") {
		coding, params, _ := strings.Cut(part, ";")
		refused := strings.TrimRight(strings.ReplaceAll(params, " ", ""), "0.") == "q="
		switch strings.TrimSpace(coding) {
		case "gzip":
			return !refused
		case "*":
			any = !refused
		}
	}
	return any
}

// Asker begins the address of an answer for Ages: those who see different parts get
// different documents at one address.
func Asker(r *http.Request) string {
	s := grant.Of(r.Context())
	if s.Whole(grant.Viewer) {
		return ""
	}
	return s.Rights() + "\n"
}

// Ages remembers since when documents have the tags that they have. The zero value is
// ready; it may be used from many goroutines.
type Ages struct {
	mu   sync.Mutex
	seen map[string]age
}

type age struct {
	tag         string
	since, used time.Time
}

// maxAges bounds the documents that are remembered; the one that was asked for the
// longest time ago goes first.
const maxAges = 256

// Since returns when the document of an address was first seen with a tag: now, when it
// was not seen before.
func (a *Ages) Since(address, tag string, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[string]age{}
	}
	known, ok := a.seen[address]
	if !ok && len(a.seen) >= maxAges {
		oldest, when := "", now
		for k, s := range a.seen {
			if !s.used.After(when) {
				oldest, when = k, s.used
			}
		}
		delete(a.seen, oldest)
	}
	if known.tag != tag {
		known.tag, known.since = tag, now
	}
	known.used = now
	a.seen[address] = known
	return known.since
}

// Gate bounds how many documents are made at the same time, since each holds a copy of
// what it tells of.
type Gate chan struct{}

// Enter waits for room as long as the client does; leave must be called afterwards.
func (g Gate) Enter(r *http.Request) (leave func(), ok bool) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, true
	case <-r.Context().Done():
		return nil, false
	}
}
