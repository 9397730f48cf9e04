// Package prometheustest runs a real Prometheus in tests: what grove exports is right
// when the program that reads it says so.
package prometheustest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Program is where Debian installs Prometheus.
const Program = "/usr/bin/prometheus"

// patience is how long a test waits for what must come; it is long, since the machine
// may be busy, and nothing waits so long when all is well.
const patience = 2 * time.Minute

// Server is a running Prometheus.
type Server struct {
	URL    string
	ctx    context.Context
	client *http.Client
}

// Start runs a Prometheus with a configuration until the test ends, and skips the test
// where none is installed.
func Start(t testing.TB, config string, args ...string) *Server {
	t.Helper()
	if _, err := os.Stat(Program); err != nil {
		t.Skipf("%s is not installed", Program)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	args = append([]string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}, args...)
	cmd := exec.CommandContext(ctx, Program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // It was sent away.
		if t.Failed() {
			t.Logf("prometheus says:\n%s", log.String())
		}
	})
	return &Server{URL: "http://" + address, ctx: ctx, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// freeAddress is one that nobody listened at a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Get asks the interface, such as "/api/v1/alerts", and decodes its data.
func (s *Server) Get(path string, data any) error {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer := struct {
		Error string `json:"error"`
		Data  any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}

// Until asks again and again until what is asked succeeds, and returns its last error
// when it does not in the end.
func (s *Server) Until(ask func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// result is the data of a query of instants or ranges.
type result struct {
	Result []struct {
		Metric map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
		Values [][2]any          `json:"values"`
	} `json:"result"`
}

// Value evaluates a query until it has one result, and returns its value, or what was
// wrong in the end.
func (s *Server) Value(query string) string {
	var value string
	err := s.Until(func() error {
		var r result
		if err := s.Get("/api/v1/query?query="+url.QueryEscape(query), &r); err != nil {
			return err
		}
		if len(r.Result) != 1 {
			return fmt.Errorf("%d results", len(r.Result))
		}
		value = fmt.Sprint(r.Result[0].Value[1])
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return value
}

// Series evaluates a query over the last minutes, as a panel does, and returns how many
// series have values.
func (s *Server) Series(query string) (int, error) {
	now := time.Now()
	var r result
	err := s.Get("/api/v1/query_range?"+url.Values{
		"query": {query}, "step": {"1"},
		"start": {strconv.FormatInt(now.Add(-5*time.Minute).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix()+1, 10)},
	}.Encode(), &r)
	n := 0
	for _, series := range r.Result {
		if len(series.Values) > 0 {
			n++
		}
	}
	return n, err
}
