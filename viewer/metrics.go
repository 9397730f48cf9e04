package viewer

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// The server's own metrics. Their labels are bounded: the route is a pattern of the
// mux, not what was asked for.
const (
	metricRequests = "grove_http_requests_total"
	metricDuration = "grove_http_request_duration_seconds"
)

// MetricHelp says what the metrics are that a Server counts in Options.Own.
func MetricHelp() map[string]string {
	return map[string]string{
		metricRequests: `Requests by route, method and status. The route "page" is every file of the page, "none" an address that is not served, or a request that was refused before it was looked at.`,
		metricDuration: "How long answering a request took, by route and method. Websockets, which last, are left out.",
	}
}

// Routes that are not patterns.
const (
	routePage = "page" // the files of the page have other names in every version
	routeNone = "none"
)

// methods are those that a label may have; others are "other".
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	http.MethodConnect, http.MethodTrace,
}

// requests counts requests. Its series are made when they are first needed and kept,
// since making their names costs more than counting.
type requests struct {
	set       *metrics.Set
	page      map[string]bool // patterns of the page's files
	counts    sync.Map        // countKey -> *metrics.Counter
	durations sync.Map        // durationKey -> *metrics.Histogram
}

type countKey struct {
	pattern, method string
	status          int
}

type durationKey struct{ pattern, method string }

// done counts a request that was answered.
func (c *requests) done(pattern, method string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "other"
	}
	key := countKey{pattern, method, status}
	n, ok := c.counts.Load(key)
	if !ok {
		n, _ = c.counts.LoadOrStore(key, c.set.GetOrCreateCounter(fmt.Sprintf(`%s{route=%s,method=%q,code="%d"}`,
			metricRequests, c.route(pattern), method, status)))
	}
	n.(*metrics.Counter).Inc()
	if status == http.StatusSwitchingProtocols {
		return
	}
	h, ok := c.durations.Load(durationKey{pattern, method})
	if !ok {
		h, _ = c.durations.LoadOrStore(durationKey{pattern, method}, c.set.GetOrCreateHistogram(fmt.Sprintf(`%s{route=%s,method=%q}`,
			metricDuration, c.route(pattern), method)))
	}
	h.(*metrics.Histogram).Update(took.Seconds())
}

// route is the value of the label, quoted as the text format wants it.
func (c *requests) route(pattern string) string {
	_, route, _ := strings.Cut(pattern, " ") // before it is the method
	switch {
	case pattern == "":
		route = routeNone
	case c.page[pattern]:
		route = routePage
	}
	return strconv.Quote(route)
}
