package viewer

import (
	"compress/gzip"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// minCompressed is the size from which an answer is compressed: below it the packet
// that is saved costs less than the work.
const minCompressed = 1400

// zippers are reused, since each holds most of a megabyte. Level 1 makes a tree's JSON
// ten times smaller already; higher levels take several times as long.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level is valid.
	return z
}}

// compress sends answers of text with gzip to clients that take it. It must not stand
// before what hijacks connections.
func compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding") // Without gzip too: caches choose by it.
		if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
			next.ServeHTTP(w, r)
			return
		}
		c := &compressed{ResponseWriter: w}
		defer func() {
			if cause := recover(); cause != nil {
				c.abandon()
				panic(cause)
			}
		}()
		next.ServeHTTP(c, r)
		c.finish()
	})
}

// compressed holds the beginning of an answer back until it knows whether to compress
// it. What it decides depends on what the handler writes alone, so that HEAD, whose
// body net/http drops, gets the header of GET.
type compressed struct {
	http.ResponseWriter
	status  int    // that the handler gave; 0: none yet
	held    []byte // written and not passed on
	decided bool
	zip     *gzip.Writer // nil: the answer is sent as it is
}

// WriteHeader implements http.ResponseWriter.
func (c *compressed) WriteHeader(status int) {
	switch {
	case c.decided || c.status != 0:
		return
	case status < http.StatusOK && status != http.StatusSwitchingProtocols:
		c.ResponseWriter.WriteHeader(status) // More will follow (RFC 9110, 15.2).
		return
	}
	c.status = status
	if !c.worthwhile() {
		c.decide(false)
	}
}

// Write implements http.ResponseWriter.
func (c *compressed) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	if !c.decided {
		if len(c.held)+len(b) < minCompressed {
			c.held = append(c.held, b...)
			return len(b), nil
		}
		c.decide(true)
		if err := c.pass(); err != nil {
			return 0, err
		}
	}
	if c.zip != nil {
		return c.zip.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

// worthwhile says whether an answer with this status and header may be compressed.
func (c *compressed) worthwhile() bool {
	h := c.Header()
	switch {
	case c.status == http.StatusNoContent, c.status == http.StatusNotModified, c.status == http.StatusPartialContent,
		c.status < http.StatusOK: // no body, or a part of one
		return false
	case h.Get("Content-Encoding") != "", h.Get("Content-Range") != "":
		return false
	case strings.Contains(h.Get("Cache-Control"), "no-transform"):
		return false
	}
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && n < minCompressed {
		return false
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && isText(kind)
}

// isText holds for media types that become much smaller.
func isText(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") || strings.HasSuffix(kind, "yaml")
}

func (c *compressed) decide(zip bool) {
	c.decided = true
	if zip {
		h := c.Header()
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		// Another representation is not the same byte for byte (RFC 9110, 8.8.1).
		if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
			h.Set("ETag", "W/"+tag)
		}
		c.zip = zippers.Get().(*gzip.Writer)
		c.zip.Reset(c.ResponseWriter)
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
}

// pass sends what was held back.
func (c *compressed) pass() error {
	held := c.held
	c.held = nil
	if len(held) == 0 {
		return nil
	}
	var err error
	if c.zip != nil {
		_, err = c.zip.Write(held)
	} else {
		_, err = c.ResponseWriter.Write(held)
	}
	return err
}

// finish ends an answer. A client that went gets no more, so errors say nothing new.
func (c *compressed) finish() {
	if !c.decided {
		c.decide(false)
		_ = c.pass()
	}
	if c.zip != nil {
		_ = c.zip.Close()
		c.abandon()
	}
}

// abandon gives the compressor back.
func (c *compressed) abandon() {
	if c.zip != nil {
		c.zip.Reset(nil)
		zippers.Put(c.zip)
		c.zip = nil
	}
}

// FlushError serves http.ResponseController: what there is goes out, compressed if the
// handler said what kind of text it is.
func (c *compressed) FlushError() error {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	if !c.decided {
		c.decide(true)
	}
	if err := c.pass(); err != nil {
		return err
	}
	if c.zip != nil {
		if err := c.zip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (c *compressed) Flush() { _ = c.FlushError() }

// Unwrap serves http.ResponseController: deadlines are the connection's.
func (c *compressed) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as it concerns gzip.
func acceptsGzip(header string) bool {
	others := false // "*", which counts only where gzip is not named
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		q := strings.TrimRight(strings.ReplaceAll(strings.ToLower(params), " ", ""), "0.")
		switch coding = strings.ToLower(strings.TrimSpace(coding)); coding {
		case "gzip", "x-gzip":
			return q != "q="
		case "*":
			others = q != "q="
		}
	}
	return others
}
