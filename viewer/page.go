package viewer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Bounds of the page.
const (
	maxPageFiles = 1000
	maxPageBytes = 64 << 20
)

// contentTypes are those of files that a page has. The list is ours: the one of the
// machine differs from machine to machine.
var contentTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".woff2":       "font/woff2",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
}

// hashedName holds for names that carry a hash of their content, as esbuild writes
// them: "app-7QKX3Y2B.js".
var hashedName = regexp.MustCompile(`[-.][0-9A-Za-z]{8,}\.[0-9a-z]+$`)

// file is one file of the page, ready to be sent.
type file struct {
	route       string // "/{$}" or "/app-7QKX3Y2B.js"
	contentType string
	etag        string
	cache       string
	plain, gzip []byte // gzip is nil when it would not help
}

// readPage reads all files of a page. Names that begin with a dot are left out.
func readPage(page fs.FS) ([]*file, error) {
	var files []*file
	total := 0
	err := fs.WalkDir(page, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		data, err := fs.ReadFile(page, name)
		if err != nil {
			return err
		}
		if total += len(data); len(files) >= maxPageFiles || total > maxPageBytes {
			return fmt.Errorf("more than %d files or %d bytes", maxPageFiles, maxPageBytes)
		}
		if strings.ContainsAny(name, "{} ") {
			return fmt.Errorf("%q is no name for an address", name)
		}
		f, err := newFile(name, data)
		files = append(files, f)
		return err
	})
	return files, err
}

func newFile(name string, data []byte) (*file, error) {
	sum := sha256.Sum256(data)
	f := &file{route: "/" + name, plain: data, cache: "no-cache", etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
	switch {
	case name == "index.html":
		f.route = "/{$}"
	case hashedName.MatchString(name):
		f.cache = "public, max-age=31536000, immutable"
	}
	ext := strings.ToLower(path.Ext(name))
	f.contentType = contentTypes[ext]
	if f.contentType == "" {
		f.contentType = "application/octet-stream"
	}
	kind, _, err := mime.ParseMediaType(f.contentType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // The level is valid.
		if _, err := z.Write(data); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		if b.Len() < len(data)*9/10 {
			f.gzip = b.Bytes()
		}
	}
	return f, nil
}

// ServeHTTP sends the file, compressed when the client can read that. The compressed
// form has the tag of the plain one made weak, since it is not the same byte for byte
// (RFC 9110, 8.8.1).
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag := f.plain, f.etag
	if f.gzip != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, etag = f.gzip, "W/"+etag
		}
	}
	h.Set("Cache-Control", f.cache)
	h.Set("ETag", etag)
	if match := r.Header.Get("If-None-Match"); match != "" && (match == "*" || strings.Contains(match, f.etag)) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // net/http leaves the body out for HEAD.
}
