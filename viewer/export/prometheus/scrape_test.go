package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	client "github.com/prometheus/client_golang/prometheus"
)

// TestPrometheusScrapes runs a real Prometheus that scrapes an exporter, and asks it
// for what it got.
func TestPrometheusScrapes(t *testing.T) {
	const program = "/usr/bin/prometheus"
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	tr := newTree(t)
	e, err := New(Options{Tree: tr, Gatherers: []client.Gatherer{NewRegistry("1.2.3", "abc"), FromSet(newSet(), testHelp)}})
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
		e.ServeHTTP(w, r)
	}))
	defer grove.Close()

	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n- job_name: grove\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  static_configs:\n  - targets: [%q]\n",
		strings.TrimPrefix(grove.URL, "http://"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // It was sent away.
		if t.Failed() {
			t.Logf("prometheus says:\n%s", log.String())
		}
	}()

	api := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for query, want := range map[string]string{
		`up{job="grove"}`: "1",
		`http_response_seconds{path="/shop/web1/answer",site="a\\b\"c\n"}`: "2.5",
		`http_response_seconds{path="/shop/web3/slow"}`:                    "0.003",
		`disk_used_ratio`: "0.425",
		`grove_node_status{path="/shop/web1/answer",grove_node_status="red"}`: "1",
		`sum(grove_node_status{path="/shop/web1/answer"})`:                    "1",
		`grove_group_nodes{path="/shop/web1",status="red"}`:                   "1",
		`grove_node_reading_timestamp_seconds{path="/shop/web1/answer"}`:      "1772366400.005",
		`http_requests_total`:                                                                "1099511627776",
		`grove_build_info{version="1.2.3",revision="abc"}`:                                   "1",
		`test_time_seconds_bucket{le="+Inf",route="x"}`:                                      "10",
		`test_requests_total{route="/api/v1/nodes/{path...}",code="200"}`:                    "3",
		`histogram_quantile(0.5, test_size_bytes_bucket) > 2154 < 4642`:                      "3398",
		`grove_node_value{path="/shop/web1/~1var \"x\" \\ y",unit="bytes"}`:                  "1e+300",
		`count(grove_node_value{path="/shop/web1/huge"} == -Inf)`:                            "1",
		`count(count by (path) (grove_node_status)) == scalar(count(grove_node_status) / 4)`: fmt.Sprint(tr.Len()),
		`absent(silent_seconds) and on() up{job="grove"}`:                                    "1",
	} {
		if d := cmp.Diff(want, ask(ctx, api, address, query)); d != "" {
			t.Errorf("%s: -want +got\n%s", query, d)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := map[string]bool{string(OpenMetrics) + " gzip": true}; !cmp.Equal(asked, want) {
		t.Errorf("it asked for %v, want %v", asked, want)
	}
}

// freeAddress is one that nobody listened at a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask evaluates a query until it has a result, and returns its value, or what was
// wrong in the end.
func ask(ctx context.Context, c *http.Client, address, query string) string {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := evaluate(ctx, c, address, query)
		if err == nil {
			return value
		}
		select {
		case <-ctx.Done():
			return err.Error()
		case <-tick.C:
		}
	}
}

func evaluate(ctx context.Context, c *http.Client, address, query string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return "", err
	}
	res, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Error string `json:"error"`
		Data  struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.Data.Result) != 1 {
		return "", fmt.Errorf("%d results %s", len(answer.Data.Result), answer.Error)
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}
