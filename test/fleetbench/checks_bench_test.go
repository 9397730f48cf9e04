//go:build linux

package fleetbench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	httpprobe "grove/runtime/probe/http"
	"grove/runtime/schedule"
	"grove/test/grovetest"
)

const (
	endpoints = 5000
	page      = "<html><body><h1>Welcome to the shop</h1></body></html>\n"
	// deadEvery-th endpoint takes connections and never answers.
	deadEvery = 10
	// patienceWithDead is how long a check waits for an answer, here and there.
	patienceWithDead = time.Second
)

// TestServeEndpoints is the process of the endpoints that BenchmarkHTTPChecks asks: on
// all addresses of loopback a port that answers and one that does not.
func TestServeEndpoints(t *testing.T) {
	if os.Getenv("SERVE_ENDPOINTS") == "" {
		t.Skip("only BenchmarkHTTPChecks needs it")
	}
	live, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	dead, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := dead.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
		}
	}()
	fmt.Printf("serving %d %d\n", live.Addr().(*net.TCPAddr).Port, dead.Addr().(*net.TCPAddr).Port)
	_ = http.Serve(live, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
}

// serveEndpoints starts that process and returns the URLs of its endpoints.
func serveEndpoints(b *testing.B) []string {
	b.Helper()
	line := aside(b, "TestServeEndpoints", "SERVE_ENDPOINTS=yes")
	var live, dead int
	if _, err := fmt.Sscanf(line, "serving %d %d", &live, &dead); err != nil {
		b.Fatal(line, err)
	}
	urls := make([]string, endpoints)
	for i := range urls {
		port := live
		if i%deadEvery == 0 {
			port = dead
		}
		urls[i] = fmt.Sprintf("http://127.3.%d.%d:%d/", i/250, i%250+1, port)
	}
	return urls
}

// BenchmarkHTTPChecks checks 5,000 endpoints every 5 seconds, of which a tenth takes
// connections and never answers, with the schedule and the probes of kind http, and has
// Debian's prometheus-blackbox-exporter check the same ones. What the endpoints cost is
// not counted, and neither is what asks the exporter.
func BenchmarkHTTPChecks(b *testing.B) {
	urls := serveEndpoints(b)
	for b.Loop() {
		ours, late := checkEndpoints(b, urls)
		b.ReportMetric(ours, "checks/CPU-s")
		b.ReportMetric(late[len(late)/2].Seconds()*1000, "late-p50-ms")
		b.ReportMetric(late[len(late)*99/100].Seconds()*1000, "late-p99-ms")
		theirs := blackboxEndpoints(b, urls)
		b.ReportMetric(theirs, "blackbox-checks/CPU-s")
		b.ReportMetric(ours/theirs, "times-blackbox")
	}
}

// checkEndpoints returns how many checks a CPU-second made, and the sorted lateness of
// the starts.
func checkEndpoints(b *testing.B, urls []string) (rate float64, late []time.Duration) {
	b.Helper()
	kind := httpprobe.Kind(nil)
	const every = 5 * time.Second
	jobs := schedule.New(schedule.Options{})
	var mu sync.Mutex
	counting, wrong, first := false, 0, ""
	var handles []schedule.Handle
	for i, u := range urls {
		o := kind.NewOptions().(*httpprobe.Options)
		o.URL, o.Match = u, "Welcome"
		p, err := kind.New(o)
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		dead := i%deadEvery == 0
		run := func(ctx context.Context) error {
			r, err := p.Run(ctx)
			up := len(r.Values) > 0 && r.Values[0].Attribute == "up" && r.Values[0].Value.String() == "1"
			if err != nil || up == dead {
				mu.Lock()
				if counting {
					wrong++
					first = fmt.Sprint(u, r.Values, err)
				}
				mu.Unlock()
			}
			return err
		}
		done := func(o schedule.Outcome) {
			mu.Lock()
			if counting {
				late = append(late, o.Late)
			}
			mu.Unlock()
		}
		h, err := jobs.Add(schedule.Job{Key: u, Kind: "http", Target: p.Target(), Every: every, Timeout: patienceWithDead, Run: run, Done: done})
		if err != nil {
			b.Fatal(err)
		}
		handles = append(handles, h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = jobs.Run(ctx) })
	<-time.After(2 * every) // the first runs
	mu.Lock()
	counting = true
	mu.Unlock()
	before := grovetest.Worked(b, 0).Seconds()
	<-time.After(2 * every)
	spent := grovetest.Worked(b, 0).Seconds() - before
	mu.Lock()
	counting = false
	n := len(late)
	mu.Unlock()
	for _, h := range handles {
		jobs.Remove(h)
	}
	cancel()
	running.Wait()
	if wrong > 0 || n == 0 {
		b.Fatalf("%d of %d checks are wrong, such as %s", wrong, n, first)
	}
	slices.Sort(late)
	return float64(n) / spent, late
}

// blackboxEndpoints returns how many checks the exporter makes a CPU-second, when it is
// asked as Prometheus asks it, each endpoint once.
func blackboxEndpoints(b *testing.B, urls []string) float64 {
	b.Helper()
	program, err := exec.LookPath("prometheus-blackbox-exporter")
	if err != nil {
		b.Skip("prometheus-blackbox-exporter is not installed")
	}
	config := filepath.Join(b.TempDir(), "blackbox.yml")
	text := "modules:\n  page:\n    prober: http\n    timeout: 1s\n    http:\n      preferred_ip_protocol: ip4\n      fail_if_body_not_matches_regexp: [Welcome]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(program, "--config.file="+config, "--web.listen-address="+address, "--log.level=error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop := sync.OnceFunc(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	defer stop()
	const askers = 64
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: askers}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	probe := func(target string) (bool, error) {
		answer, err := client.Get("http://" + address + "/probe?module=page&target=" + url.QueryEscape(target))
		if err != nil {
			return false, err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return strings.Contains(string(body), "\nprobe_success 1\n"), err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := probe(urls[1]); err == nil {
			break
		} else if time.Now().After(deadline) {
			b.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
	queue := make(chan int)
	var asking sync.WaitGroup
	for range askers {
		asking.Go(func() {
			for i := range queue {
				if up, err := probe(urls[i]); err != nil || up == (i%deadEvery == 0) {
					b.Errorf("%s: up is %v, %v", urls[i], up, err)
				}
			}
		})
	}
	for i := range urls {
		queue <- i
	}
	close(queue)
	asking.Wait()
	stop()
	return float64(len(urls)) / (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}
