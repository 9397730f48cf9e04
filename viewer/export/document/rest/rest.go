// Package rest serves documents over HTTP, with the schemas and style sheets of their forms.
package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/viewer/export/document"
	"grove/viewer/export/document/form"
	"grove/viewer/export/document/page"
	"grove/viewer/export/document/reply"
	"grove/viewer/export/document/static"
)

// xmlPolicy lets a browser load the style sheets, and nothing else. One of XSLT counts as
// a script.
const xmlPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// maxAtOnce bounds the documents that are made and sent at the same time.
const maxAtOnce = 4

// Maker makes the documents, as *document.Maker does. It is used from many goroutines.
type Maker interface {
	// Look tells the tree that somebody looks at a part of it.
	Look(context.Context, tree.Path)
	// Make makes a document of what holds now.
	Make(context.Context, document.Query) (*document.Document, error)
	// Now is the time by the maker's clock.
	Now() time.Time
}

// Options are the surroundings of a Handler.
type Options struct {
	Maker  Maker
	Prefix string // where the handler is mounted: "/documents"
	Refuse reply.Refuse
}

// Handler answers requests for documents:
//
//	PREFIX                       everything, as do PREFIX/tree and PREFIX/managers
//	PREFIX/managers/ID           one manager
//	PREFIX/customers/NAME        one customer
//	PREFIX/static/FILE           schemas and style sheets
//
// A format is asked for by the Accept header or by its name at the end of the address
// (".xml", ".json", ".html"). The parameter path names a subtree, depth (0 to 32) the
// levels of attributes that are told of each element, customer one customer.
type Handler struct {
	opts Options
	gate reply.Gate
	ages reply.Ages
}

// New returns a handler.
func New(o Options) (*Handler, error) {
	if o.Maker == nil || o.Refuse == nil || !strings.HasPrefix(o.Prefix, "/") {
		return nil, errors.New("document: a maker, a prefix and an answer to mistakes are needed")
	}
	return &Handler{opts: o, gate: make(reply.Gate, maxAtOnce)}, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.opts.Refuse(w, r, http.StatusMethodNotAllowed, "documents are only read: GET or HEAD")
		return
	}
	address := strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), h.opts.Prefix), "/")
	if name, ok := strings.CutPrefix(address, "static/"); ok {
		h.serveStatic(w, r, name)
		return
	}
	rest, format, ok := reply.Wanted(w, r, address, form.Formats, h.opts.Refuse)
	if !ok {
		return
	}
	q, ok := h.query(w, r, rest)
	if !ok {
		return
	}
	leave, ok := h.gate.Enter(r)
	if !ok {
		return // The client went away.
	}
	defer leave()
	h.opts.Maker.Look(r.Context(), q.Path)
	d, err := h.opts.Maker.Make(r.Context(), q)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	now := h.opts.Maker.Now()
	tag := format.Name + "-" + d.Tag
	answer := reply.Answer{
		Type: format.Type, Tag: tag, Policy: page.Policy,
		Changed: h.ages.Since(reply.Asker(r)+rest+"."+format.Name+"?"+r.URL.RawQuery, tag, now),
		Write:   func(w io.Writer) error { return form.Write(w, d, format.Name, h.opts.Prefix+"/static") },
	}
	switch format.Name {
	case "xml":
		answer.Policy = xmlPolicy
	case "json":
		w.Header().Set("Link", "<"+h.opts.Prefix+"/static/"+static.SchemaJSON+`>; rel="describedby"`)
	}
	reply.Send(w, r, now, answer)
}

// query reads what is asked for, or answers with the mistake.
func (h *Handler) query(w http.ResponseWriter, r *http.Request, address string) (document.Query, bool) {
	q := document.Query{Depth: -1}
	fail := func(status int, detail string) (document.Query, bool) {
		h.opts.Refuse(w, r, status, detail)
		return q, false
	}
	what, name, _ := strings.Cut(address, "/")
	name, err := url.PathUnescape(name)
	if err != nil || strings.Contains(r.URL.RawQuery, ";") {
		return fail(http.StatusBadRequest, "the address is malformed")
	}
	switch {
	case (what == "" || what == "tree" || what == "managers") && name == "":
	case what == "managers":
		q.Manager = name
	case what == "customers" && name != "":
		q.Customer = name
	default:
		return fail(http.StatusNotFound, "there are documents of tree, managers, managers/ID and customers/NAME")
	}
	for key, values := range r.URL.Query() {
		if len(values) > 1 {
			return fail(http.StatusBadRequest, strconv.Quote(reply.Clip(key))+" is given more than once")
		}
		switch key {
		case "path":
			if q.Path, err = tree.ParsePath(values[0]); err != nil {
				return fail(http.StatusBadRequest, err.Error())
			}
		case "depth":
			if q.Depth, err = strconv.Atoi(values[0]); err != nil || q.Depth < 0 || q.Depth > tree.MaxDepth {
				return fail(http.StatusBadRequest, "depth is a number from 0 to "+strconv.Itoa(tree.MaxDepth))
			}
		case "customer":
			if q.Customer != "" && values[0] != q.Customer {
				return fail(http.StatusBadRequest, "the address names another customer")
			}
			q.Customer = values[0]
		default:
			return fail(http.StatusBadRequest, "there is no parameter "+strconv.Quote(reply.Clip(key))+"; there are path, depth and customer")
		}
	}
	return q, true
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	for _, known := range []struct {
		err    error
		status int
	}{
		{tree.ErrNoNode, http.StatusNotFound}, {document.ErrNoManager, http.StatusNotFound}, {document.ErrNoCustomer, http.StatusNotFound},
		{document.ErrTooLarge, http.StatusUnprocessableEntity},
	} {
		if errors.Is(err, known.err) {
			status = known.status
		}
	}
	detail := err.Error()
	if status == http.StatusInternalServerError {
		detail = "the document could not be made"
	}
	h.opts.Refuse(w, r, status, detail)
}

// staticTypes are the content types of the files by their ends.
var staticTypes = map[string]string{
	".xsd": "application/xml; charset=utf-8", ".xsl": "application/xslt+xml",
	".json": "application/schema+json", ".css": "text/css; charset=utf-8",
}

func (h *Handler) serveStatic(w http.ResponseWriter, r *http.Request, name string) {
	data, ok := static.File(name)
	if !ok {
		h.opts.Refuse(w, r, http.StatusNotFound, "there are "+strings.Join([]string{static.SchemaXSD, static.SchemaJSON, static.StyleSheetXSL, static.StyleSheetCSS, static.PageCSS}, ", "))
		return
	}
	sum := sha256.Sum256(data)
	reply.Send(w, r, time.Now(), reply.Answer{
		Type: staticTypes[path.Ext(name)], Tag: hex.EncodeToString(sum[:8]),
		Write: func(w io.Writer) error { _, err := w.Write(data); return err },
	})
}
