package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"grove/runtime/probe/answer"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/files"
)

// content is what a source holds now.
type content struct {
	body        []byte
	unchanged   bool // as when it was read last; there is no body
	contentType string
	modified    time.Time // zero when it is not known
}

// source is where a document is.
type source interface {
	// read returns the content, and an *answer.Fault when there is none.
	read(context.Context) (content, error)
	// forget lets the next read return a body.
	forget()
}

// file is a document on this machine.
type file struct {
	policy *files.Policy
	name   string
	size   int
	stamp  string // of what was read last
}

func (f *file) forget() { f.stamp = "" }

func (f *file) read(context.Context) (content, error) {
	opened, err := f.policy.Open(f.name)
	switch {
	case errors.Is(err, files.ErrDenied):
		return content{}, &endpoint.LocalError{Err: err}
	case errors.Is(err, fs.ErrNotExist):
		return content{}, &answer.Fault{State: "missing", Err: errors.New("there is no such file")}
	case err != nil:
		return content{}, err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return content{}, err
	}
	if info.IsDir() {
		return content{}, &answer.Fault{State: "malformed", Err: errors.New("is a directory")}
	}
	c := content{modified: info.ModTime()}
	stamp := stampOf(info)
	// A file that was written to within the clock's last tick may be written to again.
	if stamp == f.stamp && time.Since(info.ModTime()) > 2*time.Second {
		c.unchanged = true
		return c, nil
	}
	c.body, err = io.ReadAll(io.LimitReader(opened, int64(f.size)+1))
	switch {
	case err != nil:
		return c, err
	case len(c.body) > f.size:
		return c, &answer.Fault{State: "too_long", Err: fmt.Errorf("has more than max_size, %d bytes", f.size)}
	}
	f.stamp = stamp
	return c, nil
}

// stampOf differs when the file was written to or replaced.
func stampOf(info os.FileInfo) string {
	return fmt.Sprintf("%d %d %v", info.Size(), info.ModTime().UnixNano(), inode(info))
}

// remote is a document of a web server. It is sent again only when it changed, as far as
// the server knows how to tell (RFC 9110, section 13).
type remote struct {
	client *endpoint.Client
	etag   string
	since  string // Last-Modified
}

func (r *remote) forget() { r.etag, r.since = "", "" }

func (r *remote) read(ctx context.Context) (content, error) {
	if err := r.client.Ready(); err != nil {
		return content{}, &endpoint.LocalError{Err: err}
	}
	q := endpoint.Request{Header: http.Header{}}
	switch {
	case r.etag != "":
		q.Header.Set("If-None-Match", r.etag)
	case r.since != "":
		q.Header.Set("If-Modified-Since", r.since)
	}
	a, err := r.client.Exchange(ctx, q)
	if a.Status == http.StatusNotModified && len(q.Header) > 0 {
		return content{unchanged: true, modified: r.modified()}, nil
	}
	if err != nil {
		return content{}, err
	}
	r.etag, r.since = a.Header.Get("ETag"), a.Header.Get("Last-Modified")
	return content{body: a.Body, contentType: a.Header.Get("Content-Type"), modified: r.modified()}, nil
}

// modified is when the document was written, as the server said; zero when it did not.
func (r *remote) modified() time.Time {
	at, err := http.ParseTime(r.since)
	if err != nil {
		return time.Time{}
	}
	return at
}
