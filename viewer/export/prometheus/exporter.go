package prometheus

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"grove/tree"
	"grove/tree/grant"
)

// DefaultConcurrent is how many scrapes are served at once unless Options say more.
const DefaultConcurrent = 4

// maxWaiting bounds the scrapes that wait for their turn, and maxWait how long one
// does: half of the timeout that Prometheus has by default.
const (
	maxWaiting = 64
	maxWait    = 5 * time.Second
)

// maxExclude bounds the families that a request leaves out.
const maxExclude = 100

// Options are the surroundings of an Exporter.
type Options struct {
	Tree *tree.Tree
	// Guard says who sees which nodes.
	Guard *grant.Guard
	// Gatherers bring grove's own metrics; see [NewRegistry].
	Gatherers []client.Gatherer
	// Concurrent bounds the scrapes that are served at once: each holds its answer in
	// memory, compressed if the scraper can read that. Others wait for a moment. Zero
	// is DefaultConcurrent.
	Concurrent int
	// Refuse answers a request that is not served; nil answers with plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Exporter is the handler of GET /metrics. The query parameter path selects a
// subtree; grove's own metrics are left out then, as they are for who does not see the
// whole manager. Each exclude[] names a family that is left out, as node_exporter calls
// it.
type Exporter struct {
	opts    Options
	slots   chan struct{}
	waiting chan struct{}

	// mu guards the table: who brings it up to date holds it alone, who writes it
	// shares it.
	mu    sync.RWMutex
	table *table
}

// New returns an Exporter; Close it.
func New(o Options) (*Exporter, error) {
	if o.Tree == nil || o.Guard == nil {
		return nil, errors.New("prometheus: no tree, or nobody who says who sees what of it")
	}
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
		opts:    o,
		slots:   make(chan struct{}, o.Concurrent),
		waiting: make(chan struct{}, maxWaiting),
		table:   &table{view: view},
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
	e.mu.RLock()
	defer e.mu.RUnlock()
	return append([]string(nil), e.table.conflicts...)
}

// ServeHTTP answers one scrape.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	path, err := tree.ParsePath(query.Get("path"))
	if err != nil {
		e.opts.Refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	exclude := query["exclude[]"]
	if len(exclude) > maxExclude {
		e.opts.Refuse(w, r, http.StatusBadRequest, fmt.Sprintf("%d families to leave out, which are more than %d", len(exclude), maxExclude))
		return
	}
	if !e.enter(r) {
		w.Header().Set("Retry-After", "1")
		e.opts.Refuse(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d scrapes are under way, which is the bound, and none ended for %s", cap(e.slots), maxWait))
		return
	}
	defer func() { <-e.slots }()
	f, asks := negotiate(r.Header.Get("Accept")), grant.Of(r.Context())
	h := w.Header()
	switch c := negotiateCoding(r.Header.Get("Accept-Encoding")); c {
	case identity:
		page := &kept{}
		if err = e.write(page, f, asks, path, exclude); err == nil {
			e.headers(h, f, page.bytes)
		}
		if err != nil {
			_ = page.send(io.Discard) // What was written is of no use.
			break
		}
		_ = page.send(w) // Nothing is left to do for a scraper that went.
	default:
		p := getPacker(c)
		defer p.free(c)
		to := &passed{to: p}
		if err = e.write(to, f, asks, path, exclude); err == nil {
			err = errors.Join(to.err, p.Close())
		}
		if err != nil {
			break
		}
		h.Set("Content-Encoding", string(c))
		e.headers(h, f, p.out.Len())
		_, _ = w.Write(p.out.Bytes()) // As above.
	}
	switch {
	case errors.Is(err, tree.ErrNoNode):
		e.opts.Refuse(w, r, http.StatusNotFound, err.Error())
	case err != nil:
		e.opts.Log.Error("a scrape failed", "error", err)
		e.opts.Refuse(w, r, http.StatusInternalServerError, "the metrics could not be written; the server's log says why")
	}
}

// enter takes a slot, or waits for one.
func (e *Exporter) enter(r *http.Request) bool {
	select {
	case e.slots <- struct{}{}:
		return true
	default:
	}
	select {
	case e.waiting <- struct{}{}:
		defer func() { <-e.waiting }()
	default:
		return false
	}
	late := time.NewTimer(maxWait)
	defer late.Stop()
	select {
	case e.slots <- struct{}{}:
		return true
	case <-late.C:
	case <-r.Context().Done():
	}
	return false
}

func (e *Exporter) headers(h http.Header, f Format, length int) {
	h.Set("Content-Type", string(f))
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Content-Length", strconv.Itoa(length))
}

// Write writes the metrics of a subtree in a format, as grove itself sees it; for the
// root, grove's own too. The families that exclude names are left out. What it writes to must not make it wait:
// the table stands still meanwhile.
func (e *Exporter) Write(w io.Writer, f Format, path tree.Path, exclude ...string) error {
	to := &passed{to: w}
	if err := e.write(to, f, grant.Itself, path, exclude); err != nil {
		return err
	}
	return to.err
}

func (e *Exporter) write(s sink, f Format, asks *grant.Subject, path tree.Path, exclude []string) error {
	var own []*dto.MetricFamily
	scope := e.opts.Guard.Scope(asks)
	if path.IsRoot() && scope.Whole() {
		var err error
		if own, err = client.Gatherers(e.opts.Gatherers).Gather(); err != nil {
			// What could be gathered is still worth having.
			e.opts.Log.Warn("some of grove's own metrics could not be gathered", "error", err)
		}
	}
	if err := e.update(own); err != nil {
		return err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	w := newWriter(s, e.table, f)
	w.exclude = exclude
	defer w.end()
	var err error
	if w.from, w.to, err = e.table.find(path); err != nil {
		return err
	}
	if !scope.Whole() {
		if w.seen = e.table.seenBy(scope, w.from, w.to); w.seen.sight[0] == grant.Hidden {
			return noNode(path)
		}
	}
	w.all()
	taken := e.table.taken
	if len(own) > 0 {
		taken = maps.Clone(taken)
	}
	for _, family := range own {
		if !w.wants(family.GetName()) {
			continue
		}
		if !taken.Claim(ownClaims(family)) {
			e.opts.Log.Debug("a metric of grove's own has the name of another", "metric", family.GetName())
			continue
		}
		if f == OpenMetrics {
			_, err = expfmt.MetricFamilyToOpenMetrics(w, family)
		} else {
			_, err = expfmt.MetricFamilyToText(w, family)
		}
		if err != nil {
			return fmt.Errorf("write metric %s: %w", family.GetName(), err)
		}
	}
	if f == OpenMetrics {
		w.buf = append(w.buf, "# EOF\n"...)
	}
	return nil
}

// update brings the table up to date.
func (e *Exporter) update(own []*dto.MetricFamily) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed, err := e.table.update(own)
	if err == nil && changed && len(e.table.conflicts) > 0 {
		e.opts.Log.Warn("metrics of definitions cannot be used", "nodes", len(e.table.conflicts), "first", e.table.conflicts[0])
	}
	return err
}
