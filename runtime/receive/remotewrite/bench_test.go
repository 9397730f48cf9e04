package remotewrite_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"

	"grove/runtime/probe"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/remotewrite"
)

// perRequest is how many samples a Prometheus sends at once by default.
const perRequest = 2000

// BenchmarkRemoteWrite takes requests as a Prometheus sends them, of 10,000 series, of
// which 100 instances want one in two, in tables of 50 rows. Beside it stands the
// processor time that Debian's Prometheus needs to take the same of version 1; it keeps
// all of them, and grove's history, which keeps what nodes have, is not in the figure.
func BenchmarkRemoteWrite(b *testing.B) {
	for _, version := range []int{1, 2} {
		b.Run(fmt.Sprintf("version=%d", version), func(b *testing.B) {
			own := benchmark(b, version)
			b.ReportMetric(own, "samples/cpu-s")
			if peer := prometheusTakes(b); peer > 0 {
				b.ReportMetric(own/peer, "times-prometheus")
			}
		})
	}
}

// render makes the requests of one scrape of all 10,000 series.
func render(b *testing.B, version int, at int64) (bodies [][]byte) {
	name := []string{"disk_read_bytes_total", "disk_written_bytes_total"}
	for k := range 5 {
		var points []point
		for i := range perRequest {
			n := k*perRequest + i
			points = append(points, point{series: fmt.Sprintf(`%s{device="sd%d",env="production",instance="web%d:9100",job="node"}`, name[n%2], n/2%50, n/100), at: at, value: float64(n) + float64(at)})
		}
		var raw []byte
		var err error
		if version == 2 {
			raw, err = v2(b, points...).Marshal()
		} else {
			raw, err = v1(b, points...).Marshal()
		}
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, snappy.Encode(nil, raw))
	}
	return bodies
}

func header(h http.Header, version int) {
	h.Set("Content-Encoding", "snappy")
	h.Set("Content-Type", "application/x-protobuf")
	if version == 2 {
		h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	}
}

// benchmark returns the samples that grove takes in a second of processor time.
func benchmark(b *testing.B, version int) float64 {
	hub := remotewrite.NewHub(remotewrite.Options{})
	for i := range 100 {
		attachTo(b, hub, fmt.Sprint("web", i), series.Options{Tables: map[string]series.Table{
			"t": {Key: []string{"device"}, Columns: map[string]string{"n": fmt.Sprintf("disk_read_bytes_total{instance=\"web%d:9100\"}", i)}},
		}}, func(probe.Result) {})
	}
	handler := hub.Handler()
	b.ReportAllocs()
	var before, after syscall.Rusage
	var used time.Duration
	n := 0
	for at := int64(0); b.Loop(); at++ {
		b.StopTimer()
		bodies := render(b, version, at)
		runtime.GC() // so that what rendering left is not counted
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		b.StartTimer()
		for _, body := range bodies {
			req := httptest.NewRequest("POST", "/", bytes.NewReader(body))
			header(req.Header, version)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			if w.Code != 204 {
				b.Fatal(w.Body)
			}
			n += perRequest
		}
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		used += time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	}
	if s := hub.Stats(); s.Refused[receive.Older] > 0 || s.Applied != uint64(n/2) {
		b.Fatalf("%+v", s)
	}
	return float64(n) / used.Seconds()
}

// prometheusTakes returns the samples that Debian's Prometheus takes in a second of
// processor time, or 0 where it is not installed.
func prometheusTakes(b *testing.B) float64 {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return 0
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	dir := b.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address, "--web.enable-remote-write-receiver")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	send := func(body []byte) error {
		req, err := http.NewRequestWithContext(b.Context(), "POST", "http://"+address+"/api/v1/write", bytes.NewReader(body))
		if err != nil {
			return err
		}
		header(req.Header, 1)
		req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("status %s", res.Status)
		}
		return nil
	}
	// The first requests wait until it is ready, and make its series, as those of grove were.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, body := range render(b, 1, 0) {
		for late := time.Now().Add(30 * time.Second); ; <-tick.C {
			if err = send(body); err == nil {
				break
			}
			if time.Now().After(late) {
				b.Fatal(err)
			}
		}
	}
	const rounds = 40
	before := processorTime(b, cmd.Process.Pid)
	n := 0
	for at := range rounds {
		for _, body := range render(b, 1, int64(at+1)) {
			if err := send(body); err != nil {
				b.Fatal(err)
			}
			n += perRequest
		}
	}
	return float64(n) / (processorTime(b, cmd.Process.Pid) - before).Seconds()
}

// processorTime reads proc(5): fields 14 and 15 of stat, in hundredths of a second.
func processorTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	total := 0
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		total += ticks
	}
	return time.Duration(total) * 10 * time.Millisecond
}
