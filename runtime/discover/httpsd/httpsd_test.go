package httpsd

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const list = `[
	{ "targets": ["web1.example:80", "[2001:db8::1]:9100"], "labels": { "job": "shop", "__meta_place": "berlin" } },
	{ "targets": ["db.example:5432"] }
]`

// service answers with a body and the content type that the documentation wants.
func service(t *testing.T, status int, body string) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok && (user != "grove" || password != "s3cret") {
			status = http.StatusUnauthorized
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		asked.Add(1)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func options(url string, labels ...string) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	o.URL, o.Labels = url, labels
	return o
}

func run(t *testing.T, o *Options) probe.Result {
	t.Helper()
	p, err := Kind(nil, nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said is the text of an attribute.
func said(r *probe.Result, attribute string) string {
	for _, v := range r.Values {
		if v.Attribute == attribute {
			return v.Value.String()
		}
	}
	return ""
}

// rows are the targets with their labels, a line each.
func rows(r *probe.Result) (lines []string) {
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			line := row[0].String()
			for _, cell := range row[3:] {
				line += " " + cell.String()
			}
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status             int
		body, state, error string
		rows               []string
	}{
		"a list":       {200, list, "up", "", []string{"web1.example:80 berlin", "[2001:db8::1]:9100 berlin", "db.example:5432"}},
		"nothing":      {200, "[]", "up", "", nil},
		"another form": {200, "{}", "malformed", "the answer: it is no list of groups", nil},
		"a refusal":    {403, "", "refused_access", "this may not be asked (status 403)", nil},
		"a failure":    {500, "database is down", "status", "status 500 Internal Server Error: database is down", nil},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := service(t, c.status, c.body)
			r := run(t, options(url, "__meta_place"))
			if said(&r, "state") != c.state || !strings.HasPrefix(said(&r, "error"), c.error) {
				t.Errorf("state %s, error %s; want %s, %s", said(&r, "state"), said(&r, "error"), c.state, c.error)
			}
			if diff := cmp.Diff(c.rows, rows(&r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPassword sends it, and does not show it.
func TestPassword(t *testing.T) {
	url, _ := service(t, 200, list)
	t.Setenv("SD_PASSWORD", "s3cret")
	o := options(url)
	o.Basic.User, o.Basic.Password = "grove", "env:SD_PASSWORD"
	if r := run(t, o); said(&r, "count") != "3" {
		t.Errorf("%s: %s", said(&r, "state"), said(&r, "error"))
	}
	t.Setenv("SD_PASSWORD", "hunter2")
	if r := run(t, o); said(&r, "state") != "refused_access" || strings.Contains(fmt.Sprint(r), "hunter2") {
		t.Errorf("%v", r)
	}
}

// TestPrometheusReadsTheSame lets Debian's Prometheus discover by the same answer, as
// proof of its form.
func TestPrometheusReadsTheSame(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	url, asked := service(t, 200, list)
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	config := fmt.Sprintf("scrape_configs:\n- job_name: sd\n  scrape_interval: 1h\n  http_sd_configs: [ { url: %s, refresh_interval: 1h } ]\n", url)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	want := []string{}
	r := run(t, options(url, "job", "__meta_place"))
	for _, line := range rows(&r) {
		want = append(want, strings.ReplaceAll(line, "db.example:5432", "db.example:5432 sd")) // Prometheus adds the job
	}
	slices.Sort(want)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var got []string
	for late := time.After(2 * time.Minute); len(got) == 0; {
		select {
		case <-late:
			t.Fatal("Prometheus discovered nothing")
		case <-tick.C:
			got = discovered(client, address)
		}
	}
	if asked.Load() < 2 {
		t.Error("Prometheus did not ask")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-grove +Prometheus:\n%s", diff)
	}
}

// discovered are the targets that Prometheus knows, sorted.
func discovered(client *http.Client, address string) (lines []string) {
	res, err := client.Get("http://" + address + "/api/v1/targets?state=active")
	if err != nil {
		return nil // it is not up yet
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			ActiveTargets []struct{ DiscoveredLabels map[string]string }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil
	}
	for _, t := range answer.Data.ActiveTargets {
		d := t.DiscoveredLabels
		lines = append(lines, strings.TrimSpace(strings.Join([]string{d["__address__"], d["job"], d["__meta_place"]}, " ")))
	}
	slices.Sort(lines)
	return lines
}

func TestContract(t *testing.T) {
	url, _ := service(t, 200, list)
	probetest.Run(t, Kind(nil, nil), options(url, "job"))
	probetest.Refuses(t, Kind(nil, nil),
		probetest.Bad{Name: "label", Options: options(url, "a b"), Option: "labels[0]", Want: `labels[0]: "a b" is no name of a label`},
		probetest.Bad{Name: "password", Options: func() *Options { o := options(url); o.Basic.User = "u"; o.Basic.Password = "hunter2"; return o }(), Option: "basic.password",
			Want: "basic.password: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
	)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	probetest.Stops(t, Kind(nil, nil), options("http://"+silent.Addr().String()+"/"))
}
