package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"grove/cmd/app"
	"grove/test/grovetest"
	"grove/viewer"
	"grove/viewer/export/grafana"
)

// installed finds a program, or skips the test.
func installed(t testing.TB, name, debianPackage string) string {
	t.Helper()
	if program, err := exec.LookPath(name); err == nil {
		return program
	}
	program := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(program); err != nil {
		t.Skipf("skipped: %s is not installed (apt-get install %s)", name, debianPackage)
	}
	return program
}

// started runs a program that serves until the test ends, and waits until an address of it
// answers.
func started(t testing.TB, answers string, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	said := new(grovetest.Log)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // It may have ended already.
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), said)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	grovetest.Eventually(t, func() error {
		res, err := client.Get(answers)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", answers, res.Status)
		}
		return nil
	})
	return cmd
}

// nginx runs Debian's nginx with some servers that listen at an address, LISTEN in their
// text.
func nginx(t testing.TB, servers string) (address string) {
	t.Helper()
	program := installed(t, "nginx", "nginx-light")
	dir, err := os.MkdirTemp("", "grove") //nolint:usetesting // its workers are another user, who cannot enter a directory of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	address = grovetest.FreeAddress(t)
	config := "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" +
		"client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n" +
		strings.NewReplacer("LISTEN", address, "DIR", dir).Replace(servers) + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	started(t, "http://"+address+"/", program, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	return address
}

// evaluate asks the manager's PromQL for a range and returns how many series there are.
func (m *manager) evaluate(expr string) (int, error) {
	m.Helper()
	now := time.Now()
	form := url.Values{"query": {expr}, "step": {"1"}, "start": {strconv.FormatInt(now.Add(-time.Minute).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix()+1, 10)}}
	code, body := m.get("/prometheus/api/v1/query_range?" + form.Encode())
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("%w: %s", err, body)
	}
	if code != http.StatusOK || answer.Status != "success" {
		return 0, fmt.Errorf("%d: %s", code, answer.Error)
	}
	return len(answer.Data.Result), nil
}

// selector finds the metrics that an expression asks for.
var selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{`)

// lacks says which metric of an expression the tree has no value of; empty is none. What
// every tree has is never lacking.
func lacks(expr string, measured map[string]bool) string {
	for _, found := range selector.FindAllStringSubmatch(expr, -1) {
		if name := found[1]; !strings.HasPrefix(name, "grove_node_") && !strings.HasPrefix(name, "grove_group_") && !measured[name] {
			return name
		}
	}
	return ""
}

// TestEveryDashboardOnItsManager grows a manager from the shipped definitions on this
// host and an nginx, and evaluates what every shipped dashboard and rule asks at the
// manager's own interface, as a Grafana does that has nothing in between. Only what the
// tree has no reading of may be empty.
func TestEveryDashboardOnItsManager(t *testing.T) {
	t.Parallel()
	web := nginx(t, "server { listen LISTEN; location / { return 200 'Welcome to the shop'; } location = /nginx_status { stub_status; } }\n")
	m := serve(t, func(c *app.Config) { c.NoHost = false })
	m.write("web.yaml", fmt.Sprintf("use: nginx\nname: edge\nat: /site/edge\nwith: { status_url: \"http://%s/nginx_status\", every: 1s }\n---\nuse: web-service\nname: page\nat: /site/page\nwith: { url: \"http://%[1]s/\", every: 1s }\n", web))
	m.loaded("edge")
	m.loaded("page")
	instances := map[string]string{"grove": "/grove", "linux-host": m.instance("host").At, "nginx": "/site/edge", "web-service": "/site/page"}

	type question struct{ from, expr string }
	var questions []question
	for app, at := range instances {
		dir := filepath.Join(root, "definitions", app)
		boards, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(boards) == 0 {
			t.Fatalf("%s has no dashboard: %v", app, err)
		}
		for _, file := range boards {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, instance := range []string{regexp.QuoteMeta(at), ".*"} {
				queries, err := grafana.Queries(text, map[string]string{"instance": instance, "subtree": instance})
				if err != nil {
					t.Fatal(err)
				}
				for _, q := range queries {
					from := fmt.Sprintf("%s, panel %q", file, q.Panel)
					if q.MayBeEmpty {
						from = ""
					}
					questions = append(questions, question{from, q.Expr})
				}
			}
		}
	}
	t.Logf("%d questions", len(questions))
	if len(questions) < 50 {
		t.Fatalf("all dashboards together ask %d questions", len(questions))
	}

	// The processor's share needs two readings, and every rate two samples: only waiting
	// tells.
	measured := map[string]bool{}
	m.eventually(func() error {
		var answer viewer.Tree
		m.ask("/api/v1/tree", &answer)
		every(answer.Root, func(n *viewer.Branch) {
			if n.Metric != "" && n.Value != nil {
				measured[n.Metric] = true
			}
		})
		for _, name := range []string{"host_cpu_used_ratio", "host_memory_used_ratio", "nginx_connections_active", "web_response_seconds", "grove_self_healthy"} {
			if !measured[name] {
				return fmt.Errorf("nothing has the metric %s with a value", name)
			}
		}
		open := questions[:0]
		var why error
		for _, q := range questions {
			n, err := m.evaluate(q.expr)
			switch {
			case err != nil:
				t.Errorf("%s: %v\n%s", q.from, err, q.expr)
			case n == 0 && q.from != "" && lacks(q.expr, measured) == "":
				why = fmt.Errorf("%s has nothing: %s", q.from, q.expr)
				open = append(open, q)
			}
		}
		questions = open
		return why
	})

	t.Run("rules", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(root, "definitions/*/*.rules"))
		if err != nil || len(files) < 6 {
			t.Fatalf("%d files of rules: %v", len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var content struct {
				Groups []struct {
					Rules []struct {
						Alert string `yaml:"alert"`
						Expr  string `yaml:"expr"`
					} `yaml:"rules"`
				} `yaml:"groups"`
			}
			if err := yaml.Unmarshal(text, &content); err != nil {
				t.Fatal(err)
			}
			for _, g := range content.Groups {
				for _, r := range g.Rules {
					if _, err := m.evaluate(r.Expr); err != nil {
						t.Errorf("%s: %s: %v", file, r.Alert, err)
					}
				}
			}
		}
		promtool := installed(t, "promtool", "prometheus")
		if out, err := exec.Command(promtool, append([]string{"check", "rules"}, files...)...).CombinedOutput(); err != nil {
			t.Errorf("promtool: %v: %s", err, out)
		}
	})
	t.Run("promtool", func(t *testing.T) {
		promtool := installed(t, "promtool", "prometheus")
		now := time.Now()
		for name, c := range map[string]struct {
			args []string
			want string
		}{
			"instant": {[]string{"instant", m.url + "/prometheus", `grove_node_status{path="/site/edge"}`}, `grove_node_status{path="/site/edge"} => `},
			"range": {[]string{"range", m.url + "/prometheus", `nginx_connections_active{path=~"/site/.*"}`, "--start", strconv.FormatInt(now.Add(-time.Minute).Unix(), 10), "--end", strconv.FormatInt(now.Unix()+1, 10), "--step", "1s"},
				`path="/site/edge/`},
			"series": {[]string{"series", m.url + "/prometheus", "--match", "host_memory_used_ratio"}, `{__name__="host_memory_used_ratio"`},
			"labels": {[]string{"labels", m.url + "/prometheus", "__name__"}, "\nweb_response_seconds\n"},
		} {
			out, err := exec.Command(promtool, append([]string{"query"}, c.args...)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s: %v: %.1000s\nwithout %s", name, err, out, c.want)
			}
		}
	})
}
