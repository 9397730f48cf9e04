package test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/test/grovetest"
	"grove/test/witness"
	"grove/tree/store/audit"
	"grove/viewer"
)

// calmDefinition grows nodes that change once in each life of a manager.
const calmDefinition = `grove: 1
application: calm
at: /calm
tree:
  Number: { kind: performance, yellow: "> 50", red: "> 90" }
  Unkept: { kind: performance, history: off, red: "> 90" }
  State: { kind: status, states: { running: green, draining: yellow, "*": red } }
  Word: { kind: text }
  Log: { kind: log }
`

// trial is a manager that is killed again and again under load.
type trial struct {
	testing.TB
	random     *rand.Rand
	data, drop string
	args       []string
	generators []*generator
	client     *http.Client
	process    *grovetest.Process
	ready      []time.Duration // that each start took
	tuned      int             // thresholds that were acknowledged
}

// newTrial prepares a data directory and the generators.
func newTrial(t testing.TB, sources, nodes int) *trial {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GROVE_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GROVE_SEED=%d", seed)
	r := &trial{TB: t, random: rand.New(rand.NewPCG(seed, seed)), data: t.TempDir(), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}}
	r.drop = filepath.Join(r.data, "definitions")
	rules := filepath.Join(r.data, "jolokia.policy")
	r.args = []string{"--data", r.data, "--no-own-host", "--name", "durable", "--jolokia", rules, "--log-level", "warn"}
	for name, text := range map[string]string{
		filepath.Join(r.drop, "load.yaml"): loadDefinition(sources, nodes), filepath.Join(r.drop, "calm.yaml"): calmDefinition,
		rules: "grove:type=Node,* write *\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: sources}
	t.Cleanup(transport.CloseIdleConnections)
	for i := range sources {
		g := &generator{Ledger: witness.NewLedger(t), source: i + 1, nodes: nodes, client: &http.Client{Transport: transport, Timeout: patience}}
		r.generators = append(r.generators, g)
	}
	t.Cleanup(func() {
		if r.process != nil {
			_ = r.process.End(os.Kill)
		}
	})
	return r
}

// start starts the manager and waits until it is ready.
func (r *trial) start() *manager {
	r.Helper()
	begin := time.Now()
	s, address, err := grovetest.Program{Dir: r.data}.Serve(r.args...)
	if err != nil {
		r.Fatal(err)
	}
	r.process = s
	r.ready = append(r.ready, time.Since(begin))
	return &manager{TB: r.TB, url: address, drop: r.drop, log: s.Said, http: r.client}
}

// kill ends the manager as nothing can prepare for.
func (r *trial) kill() {
	r.Helper()
	if err := r.process.End(os.Kill); err == nil || !strings.Contains(err.Error(), "killed") {
		r.Fatalf("the manager ended with %v: %s", err, r.process.Said)
	}
}

// load lets all generators loose on an address. What it returns waits until they have
// noticed the end of the manager.
func (r *trial) load(address string) (wait func()) {
	var all sync.WaitGroup
	faults := make([]error, len(r.generators))
	for i, g := range r.generators {
		all.Go(func() { faults[i] = g.load(address) })
	}
	return func() {
		r.Helper()
		all.Wait()
		for _, err := range faults {
			if err != nil {
				r.Error(err)
			}
		}
	}
}

// while lets a random time of load pass.
func (r *trial) while(least, most time.Duration) {
	wait := time.NewTimer(least + time.Duration(r.random.Int64N(int64(most-least))))
	defer wait.Stop()
	<-wait.C
}

// calm gives the quiet nodes what they have in one life, tunes a threshold, and returns
// everything that REST says of them.
func (r *trial) calm(m *manager, life int) string {
	r.Helper()
	state := []string{"running", "draining", "stopped"}[life%3]
	m.push(reading{"path": "/calm/Number", "value": 30 + 10*(life%8)}, reading{"path": "/calm/Unkept", "value": 1000 + life}, reading{"path": "/calm/State", "value": state},
		reading{"path": "/calm/Word", "value": fmt.Sprintf("life %d", life)},
		reading{"path": "/calm/Log", "event": map[string]any{"text": fmt.Sprintf("event of life %d", life), "status": "red"}, "time": time.Now().UnixMilli()})
	r.tune(m, 51+life%30)
	return r.remembered(m)
}

// tune sets the border between green and yellow of a quiet node, as a JMX client does.
func (r *trial) tune(m *manager, border int) {
	r.Helper()
	if answer := m.jolokia(map[string]any{"type": "write", "mbean": nodeBean("/calm/Number"), "attribute": "GreenToYellow", "value": border}); answer.Status != http.StatusOK {
		r.Fatalf("tuning to %d: %+v", border, answer)
	}
	r.tuned++
}

// remembered is what REST says of the quiet nodes, as far as it must outlive a kill.
func (r *trial) remembered(m *manager) string {
	r.Helper()
	var all []viewer.Details
	for _, name := range []string{"", "/Number", "/Unkept", "/State", "/Word", "/Log"} {
		n, err := m.find("/calm" + name)
		if err != nil {
			r.Fatal(err)
		}
		n.Index, n.Parent, n.Created = 0, 0, ""
		all = append(all, n)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

// lives kills the manager so many times under load, and holds what the last one has
// against the ledgers.
func (r *trial) lives(kills int) verdict {
	r.Helper()
	m := r.start()
	for life := range kills {
		before := r.calm(m, life)
		wait := r.load(m.url)
		r.while(50*time.Millisecond, 900*time.Millisecond)
		r.kill()
		wait()
		m = r.start()
		if diff := cmp.Diff(before, r.remembered(m)); diff != "" {
			r.Errorf("life %d ended, and the next remembers otherwise (- before, + after):\n%s\n%s", life, diff, m.log)
		}
	}
	v := m.judge(r.generators)
	if err := r.process.End(syscall.SIGTERM); err != nil {
		r.Errorf("the last life ended with %v: %s", err, r.process.Said)
	}
	r.facts()
	return v
}

// facts looks at the database itself: it is whole, and its audit log has every threshold
// that was tuned, in an unbroken chain.
func (r *trial) facts() {
	r.Helper()
	file := filepath.Join(r.data, "facts.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		r.Fatal(err)
	}
	var whole string
	err = db.QueryRowContext(context.Background(), "PRAGMA integrity_check").Scan(&whole)
	if closed := db.Close(); err != nil || closed != nil || whole != "ok" {
		r.Errorf("the database is %q: %v %v", whole, err, closed)
	}
	records := readAudit(r, r.data, "durable")
	if got := len(slices.DeleteFunc(records, func(a audit.Record) bool { return a.Action != "jolokia write" || a.Outcome != "ok" })); got != r.tuned {
		r.Errorf("the audit log has %d tuned thresholds of %d", got, r.tuned)
	}
}

// p95 is the time that nearly all starts took at most.
func (r *trial) p95() time.Duration {
	all := slices.Sorted(slices.Values(r.ready))
	return all[len(all)*95/100]
}

// TestKilledUnderLoadKeepsWhatItAcknowledged kills the program again and again while
// sources push, and looks for everything that was acknowledged. BenchmarkKills is the long
// form. GROVE_SEED repeats a run, as far as a machine can.
func TestKilledUnderLoadKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	r := newTrial(t, 3, 20)
	v := r.lives(5)
	if v.faults() > 0 {
		t.Errorf("%d lost, %d altered, %d phantom, %d double:\n%s", v.lost, v.altered, v.phantom, v.double, strings.Join(v.said, "\n"))
	}
	if v.samples == 0 || v.events == 0 || v.statuses == 0 {
		t.Errorf("nothing was acknowledged: %+v", v)
	}
	t.Logf("%d kills; acknowledged %d samples, %d changes of status, %d events; ready within %v", len(r.ready)-1, v.samples, v.statuses, v.events, r.p95())
}

// TestHastyManagerIsCaught puts a door before the manager that says yes before the
// manager has anything: the same trial must find what is lost by that.
func TestHastyManagerIsCaught(t *testing.T) {
	t.Parallel()
	r := newTrial(t, 2, 5)
	m := r.start()
	bodies := make(chan []byte, 1<<16)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		select {
		case bodies <- body:
			_, _ = fmt.Fprintf(w, `{"accepted":%d}`, r.generators[0].nodes+4)
		case <-req.Context().Done():
		}
	}))
	var passing sync.WaitGroup
	passing.Go(func() {
		for body := range bodies {
			res, err := r.client.Post(m.url+"/api/v1/readings", "application/json", bytes.NewReader(body))
			if err == nil {
				_ = res.Body.Close()
			}
		}
	})
	wait := r.load(door.URL)
	r.while(200*time.Millisecond, 400*time.Millisecond)
	r.kill()
	r.while(10*time.Millisecond, 20*time.Millisecond)
	door.CloseClientConnections()
	door.Close()
	wait()
	close(bodies)
	passing.Wait()
	v := r.start().judge(r.generators)
	if v.lost == 0 {
		t.Errorf("the ledger believes a hasty manager: %+v", v)
	}
	if v.altered+v.phantom+v.double > 0 {
		t.Errorf("%+v", v)
	}
}

// BenchmarkKills is the trial of 100 kills under full load. Its figures are what was lost,
// altered or made up, which must be 0, of how many acknowledged samples, changes of status
// and events.
//
//	go test ./test -run '^$' -bench '^BenchmarkKills$' -benchtime 1x
func BenchmarkKills(b *testing.B) {
	const kills = 100
	for b.Loop() {
		r := newTrial(b, 4, 100)
		v := r.lives(kills)
		for _, text := range v.said {
			b.Log(text)
		}
		b.ReportMetric(float64(len(r.ready)-1), "kills")
		b.ReportMetric(float64(v.lost), "lost")
		b.ReportMetric(float64(v.altered+v.double), "altered")
		b.ReportMetric(float64(v.phantom), "phantom")
		b.ReportMetric(float64(v.samples), "samples")
		b.ReportMetric(float64(v.statuses), "statuses")
		b.ReportMetric(float64(v.events), "events")
		b.ReportMetric(float64(r.p95())/float64(time.Millisecond), "ms-ready-p95")
	}
}
