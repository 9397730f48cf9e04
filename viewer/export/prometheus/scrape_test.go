package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	client "github.com/prometheus/client_golang/prometheus"

	"grove/tree/grant"
	"grove/viewer/export/prometheus/prometheustest"
)

// TestPrometheusScrapes runs a real Prometheus that scrapes an exporter, and asks it
// for what it got.
func TestPrometheusScrapes(t *testing.T) {
	tr := newTree(t)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr, Gatherers: []client.Gatherer{NewRegistry("1.2.3", "abc"), FromSet(newSet(), testHelp)}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var mu sync.Mutex
	asked := map[string]bool{} // formats by Accept
	grove := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[string(negotiate(r.Header.Get("Accept")))+" "+r.Header.Get("Accept-Encoding")] = true
		mu.Unlock()
		asAnyone(e).ServeHTTP(w, r)
	}))
	defer grove.Close()

	server := prometheustest.Start(t, fmt.Sprintf("scrape_configs:\n- job_name: grove\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: [%q]\n",
		strings.TrimPrefix(grove.URL, "http://")))
	for query, want := range map[string]string{
		`up{job="grove"}`: "1",
		`http_response_seconds{path="/shop/web1/answer",site="a\\b\"c\n"}`: "2.5",
		`http_response_seconds{path="/shop/web3/slow"}`:                    "0.003",
		`disk_used_ratio`: "0.425",
		`grove_node_state{path="/shop/web1/answer",grove_node_state="red"}`: "1",
		`sum(grove_node_state{path="/shop/web1/answer"})`:                   "1",
		`grove_node_status{path="/shop/web1/answer"}`:                       "3",
		`grove_group_nodes{path="/shop/web1",status="red"}`:                 "1",
		`grove_node_reading_timestamp_seconds{path="/shop/web1/answer"}`:    "1772366400.005",
		`http_requests_total`:                                                              "1099511627776",
		`grove_build_info{version="1.2.3",revision="abc"}`:                                 "1",
		`test_time_seconds_bucket{le="+Inf",route="x"}`:                                    "10",
		`test_requests_total{route="/api/v1/nodes/{path...}",code="200"}`:                  "3",
		`histogram_quantile(0.5, test_size_bytes_bucket) > 2154 < 4642`:                    "3398",
		`grove_node_value{path="/shop/web1/~1var \"x\" \\ y",unit="bytes"}`:                "1e+300",
		`count(grove_node_value{path="/shop/web1/huge"} == -Inf)`:                          "1",
		`count(grove_node_status)`:                                                         fmt.Sprint(tr.Len()),
		`count(count by (path) (grove_node_state)) == scalar(count(grove_node_state) / 4)`: fmt.Sprint(tr.Len()),
		`absent(silent_seconds) and on() up{job="grove"}`:                                  "1",
	} {
		if d := cmp.Diff(want, server.Value(query)); d != "" {
			t.Errorf("%s: -want +got\n%s", query, d)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := map[string]bool{string(OpenMetrics) + " gzip": true}; !cmp.Equal(asked, want) {
		t.Errorf("it asked for %v, want %v", asked, want)
	}
}

// TestPrometheusScrapesHundredThousandNodes has two jobs of one Prometheus scrape a large
// tree at once, one of them without the state set and one only a subtree.
func TestPrometheusScrapesHundredThousandNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	tr := benchTree(t)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	grove := httptest.NewServer(asAnyone(e))
	defer grove.Close()
	job := "- job_name: %s\n  scrape_interval: 10s\n  scrape_timeout: 10s\n  params: {%s}\n  static_configs:\n  - targets: [%q]\n"
	target := strings.TrimPrefix(grove.URL, "http://")
	server := prometheustest.Start(t, "scrape_configs:\n"+
		fmt.Sprintf(job, "all", `"exclude[]": [grove_node_state, grove_group_nodes]`, target)+
		fmt.Sprintf(job, "part", "path: [/site7]", target))
	nodes := tr.Len()
	for query, want := range map[string]string{
		// A value, a status and a time of each attribute, and a status of each group.
		`scrape_samples_scraped{job="all"}`:                                    fmt.Sprint(2*100_000 + nodes + 1),
		`count({__name__=~"grove_node_value|answer_seconds",job="all"})`:       "100000",
		`count(grove_node_status{job="all"})`:                                  fmt.Sprint(nodes),
		`count(grove_node_value{job="part"})`:                                  "900",
		`count(grove_node_state{job="part"})`:                                  fmt.Sprint(4 * (1000 + 100 + 1)),
		`max(up{job="all"})`:                                                   "1",
		`grove_node_value{job="all",path="/site7/host712/value7123",unit="s"}`: "71.23",
	} {
		if got := server.Value(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
