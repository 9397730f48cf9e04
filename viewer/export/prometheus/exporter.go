package prometheus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"grove/tree"
)

// DefaultConcurrent is how many scrapes are served at once unless Options say more.
const DefaultConcurrent = 4

// Options are the surroundings of an Exporter.
type Options struct {
	Tree *tree.Tree
	// Gatherers bring grove's own metrics; see [NewRegistry].
	Gatherers []client.Gatherer
	// Concurrent bounds the scrapes that are served at once: each holds its whole
	// answer in memory. Zero is DefaultConcurrent.
	Concurrent int
	// Refuse answers a request that is not served; nil answers with plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Exporter is the handler of GET /metrics. The query parameter path selects a
// subtree; grove's own metrics are left out then.
type Exporter struct {
	opts  Options
	slots chan struct{}
	bufs  sync.Pool // *bytes.Buffer
	zips  sync.Pool // *gzip.Writer

	mu      sync.Mutex // guards the fields below
	table   *table
	perNode [2]int // bytes a node in the last answer, text and OpenMetrics
}

// New returns an Exporter; Close it.
func New(o Options) (*Exporter, error) {
	if o.Concurrent <= 0 {
		o.Concurrent = DefaultConcurrent
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, detail string) { http.Error(w, detail, status) }
	}
	view, err := o.Tree.View(tree.Root)
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	return &Exporter{
		opts:  o,
		slots: make(chan struct{}, o.Concurrent),
		table: &table{view: view},
		bufs:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
		zips: sync.Pool{New: func() any {
			z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level is valid.
			return z
		}},
	}, nil
}

// Close frees the exporter's view of the tree.
func (e *Exporter) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.view.Close()
}

// Conflicts says of which nodes the metric name or labels could not be used as of
// the last scrape, and why.
func (e *Exporter) Conflicts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.table.conflicts...)
}

// ServeHTTP answers one scrape.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, err := tree.ParsePath(r.URL.Query().Get("path"))
	if err != nil {
		e.opts.Refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		e.opts.Refuse(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d scrapes are under way, which is the bound", cap(e.slots)))
		return
	}
	f := negotiate(r.Header.Get("Accept"))
	buf := e.bufs.Get().(*bytes.Buffer)
	defer e.bufs.Put(buf)
	buf.Reset()
	if err := e.Write(buf, f, path); err != nil {
		if errors.Is(err, tree.ErrNoNode) {
			e.opts.Refuse(w, r, http.StatusNotFound, err.Error())
			return
		}
		e.opts.Log.Error("a scrape failed", "error", err)
		e.opts.Refuse(w, r, http.StatusInternalServerError, "the metrics could not be written; the server's log says why")
		return
	}
	h := w.Header()
	h.Set("Content-Type", string(f))
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Accept-Encoding")
	if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Length", strconv.Itoa(buf.Len()))
		_, _ = w.Write(buf.Bytes()) // Nothing is left to do for a scraper that went.
		return
	}
	h.Set("Content-Encoding", "gzip")
	z := e.zips.Get().(*gzip.Writer)
	defer e.zips.Put(z)
	z.Reset(w)
	_, _ = z.Write(buf.Bytes())
	_ = z.Close()
}

// Write writes the metrics of a subtree in a format; for the root, grove's own too.
func (e *Exporter) Write(buf *bytes.Buffer, f Format, path tree.Path) error {
	var own []*dto.MetricFamily
	if path.IsRoot() {
		var err error
		if own, err = client.Gatherers(e.opts.Gatherers).Gather(); err != nil {
			// What could be gathered is still worth having.
			e.opts.Log.Warn("some of grove's own metrics could not be gathered", "error", err)
		}
	}
	taken, err := e.writeTree(buf, f, path, own)
	if err != nil {
		return err
	}
	for _, family := range own {
		if !taken.claim(ownClaims(family)) {
			e.opts.Log.Debug("a metric of grove's own has the name of another", "metric", family.GetName())
			continue
		}
		if f == OpenMetrics {
			_, err = expfmt.MetricFamilyToOpenMetrics(buf, family)
		} else {
			_, err = expfmt.MetricFamilyToText(buf, family)
		}
		if err != nil {
			return fmt.Errorf("write metric %s: %w", family.GetName(), err)
		}
	}
	if f == OpenMetrics {
		buf.WriteString("# EOF\n")
	}
	return nil
}

func (e *Exporter) writeTree(buf *bytes.Buffer, f Format, path tree.Path, own []*dto.MetricFamily) (claims, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed, err := e.table.update(own)
	if err != nil {
		return nil, err
	}
	if changed && len(e.table.conflicts) > 0 {
		e.opts.Log.Warn("metrics of definitions cannot be used", "nodes", len(e.table.conflicts), "first", e.table.conflicts[0])
	}
	from, to, err := e.table.find(path)
	if err != nil {
		return nil, err
	}
	// What was written last time is a good guess of the size.
	perNode := &e.perNode[0]
	if f == OpenMetrics {
		perNode = &e.perNode[1]
	}
	buf.Grow(int(to-from)*max(*perNode, 256) + 4096)
	w := writer{buf: buf.AvailableBuffer(), table: e.table, format: f, from: from, to: to}
	w.all()
	*perNode = len(w.buf)/int(to-from) + 1
	buf.Write(w.buf)
	taken := make(claims, len(e.table.taken))
	for name := range e.table.taken {
		taken[name] = struct{}{}
	}
	return taken, nil
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as it concerns gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if coding = strings.TrimSpace(coding); strings.EqualFold(coding, "gzip") || coding == "*" {
			return quality(params) > 0
		}
	}
	return false
}
