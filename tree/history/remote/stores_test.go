package remote

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// store is a real one in a process of its own, which can be killed.
type store struct {
	t       *testing.T
	program string
	args    func(address, dir string) []string
	write   string // path of remote write

	dir, address string
	log          bytes.Buffer
	kill         func()
}

func (s *store) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, s.program, s.args(s.address, s.dir)...)
	s.log.Reset()
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.kill = func() {
		cancel() // SIGKILL
		_ = cmd.Wait()
	}
	until(s.t, s.program+" is ready", func() bool {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get("http://" + s.address + "/api/v1/query?query=1")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func realStores(t *testing.T) map[string]*store {
	t.Helper()
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*store{
		"prometheus": {write: "/api/v1/write", args: func(address, dir string) []string {
			return []string{"--config.file=" + config, "--web.enable-remote-write-receiver", "--storage.tsdb.path=" + dir,
				"--web.listen-address=" + address, "--log.level=error", "--query.lookback-delta=1m"}
		}},
		"victoria-metrics": {write: "/api/v1/write", args: func(address, dir string) []string {
			// It hides the newest 30 s otherwise.
			return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-search.latencyOffset=1s", "-retentionPeriod=100y",
				"-loggerLevel=ERROR", "-search.disableCache"}
		}},
	}
}

// TestRealStoresGetEverything kills a store and restarts grove while it is down; in the
// end the store has what the ledger has.
func TestRealStoresGetEverything(t *testing.T) {
	for name, s := range realStores(t) {
		t.Run(name, func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("%s is not installed", name)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s.t, s.program, s.dir, s.address = t, program, filepath.Join(t.TempDir(), "data"), l.Addr().String()
			_ = l.Close()
			s.start()
			defer func() {
				s.kill()
				if t.Failed() {
					t.Logf("%s says:\n%s", name, s.log.String())
				}
			}()

			h := newHistory(t, nil)
			o := h.options(Target{Name: "store", URL: "http://" + s.address + s.write, Batch: 200})
			h.write(100, 20)
			first := h.run(o)
			first.idle(t, 2000)
			if name == "victoria-metrics" {
				// It acknowledges what it has only in memory for some seconds, and writes
				// everything when it is asked to make a snapshot.
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				res, err := client.Get("http://" + s.address + "/snapshot/create")
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
			}

			s.kill()
			h.write(200, 20)
			until(t, "the store is missed", func() bool { return first.Stats()[0].Error != "" })
			first.stop()
			h.reopen()
			h.write(100, 20)
			second := h.run(o)
			until(t, "the store is missed again", func() bool { return second.Stats()[0].Error != "" })
			h.write(50, 25)
			s.start()
			second.idle(t, h.wrote.len()-2000)

			var problems []string
			defer func() {
				if problems != nil {
					t.Log(said(problems))
				}
			}()
			until(t, "the store shows everything", func() bool {
				got, err := ask(t, "http://"+s.address, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				problems = h.wrote.missing(got)
				return problems == nil
			})
			st := second.Stats()[0]
			t.Logf("%d samples: %+v", h.wrote.len(), st)
			if st.Failed != 0 || st.Lost != 0 {
				t.Errorf("%+v", st)
			}

			// After a crash that forgot the last position, samples are sent again: the
			// store has each once, and nothing is missing.
			if name == "prometheus" {
				second.stop()
				if err := (progress{}).write(filepath.Join(o.Dir, "store.json")); err != nil {
					t.Fatal(err)
				}
				h.write(10, 25)
				third := h.run(o)
				third.idle(t, h.wrote.len())
				got, err := ask(t, "http://"+s.address, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if d := h.wrote.missing(got); d != nil {
					t.Error(said(d))
				}
				t.Logf("sent again: %+v", third.Stats()[0])
			}
		})
	}
}
