package test

import (
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"grove/cmd/app"
	"grove/test/grovetest"
)

// bigStore is a real store of samples in a process of its own, which is stopped and
// started again at the same address.
type bigStore struct {
	name, address string
	args          []string
	running       *exec.Cmd
	said          *grovetest.Log
}

// bigStores are those of them that are installed.
func bigStores(t testing.TB) (all []*bigStore) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	// The late samples of the load are an hour old. What a killed manager sent and did not
	// note down is sent again; VictoriaMetrics keeps both copies unless it is told not to.
	if err := os.WriteFile(config, []byte("storage: { tsdb: { out_of_order_time_window: 3h } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"prometheus":       {"--config.file=" + config, "--web.enable-remote-write-receiver", "--storage.tsdb.path=" + filepath.Join(dir, "prometheus"), "--log.level=error", "--web.listen-address=ADDRESS"},
		"victoria-metrics": {"-storageDataPath=" + filepath.Join(dir, "victoria"), "-retentionPeriod=100y", "-search.latencyOffset=1s", "-search.disableCache", "-dedup.minScrapeInterval=1ms", "-loggerLevel=ERROR", "-httpListenAddr=ADDRESS"},
	} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Logf("%s is not installed", name)
			continue
		}
		s := &bigStore{name: name, address: grovetest.FreeAddress(t), said: new(grovetest.Log)}
		s.args = append([]string{program}, args...)
		for i := range s.args {
			s.args[i] = strings.ReplaceAll(s.args[i], "ADDRESS", s.address)
		}
		all = append(all, s)
		t.Cleanup(func() {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("%s said:\n%s", s.name, s.said)
			}
		})
	}
	if len(all) == 0 {
		t.Skip("skipped: neither prometheus nor victoria-metrics is installed")
	}
	return all
}

// start starts the store, and waits until it answers.
func (s *bigStore) start(t testing.TB) {
	t.Helper()
	s.running = exec.Command(s.args[0], s.args[1:]...)
	s.running.Stdout, s.running.Stderr = s.said, s.said
	if err := s.running.Start(); err != nil {
		t.Fatal(err)
	}
	grovetest.Eventually(t, func() error { _, err := s.ask("1"); return err })
}

// stop stops it as an operator does: VictoriaMetrics acknowledges what it has in memory
// alone, so killing it would lose what is not grove's to keep.
func (s *bigStore) stop() error {
	if s.running == nil {
		return nil
	}
	err := s.running.Process.Signal(os.Interrupt)
	_ = s.running.Wait() // Ending by a signal is no error here.
	s.running = nil
	return err
}

// ask evaluates a query and returns raw samples by path.
func (s *bigStore) ask(query string) (map[string][]sample, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	// VictoriaMetrics shows what it took only after a while, unless it is asked to.
	if flushed, err := client.Get("http://" + s.address + "/internal/force_flush"); err == nil {
		_ = flushed.Body.Close()
	}
	res, err := client.Get("http://" + s.address + "/api/v1/query?" + url.Values{"query": {query}, "time": {strconv.FormatInt(time.Now().Unix()+60, 10)}}.Encode())
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Error != "" {
		return nil, fmt.Errorf("%s: %s: %w", s.name, answer.Error, err)
	}
	var series []struct {
		Metric map[string]string
		Values [][2]any
	}
	if json.Unmarshal(answer.Data.Result, &series) != nil {
		return nil, nil // a number: the store answers
	}
	all := map[string][]sample{}
	for _, one := range series {
		for _, pair := range one.Values {
			at, _ := pair[0].(float64)
			text, _ := pair[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, err
			}
			all[one.Metric["path"]] = append(all[one.Metric["path"]], sample{int64(at*1000 + 0.5), value})
		}
	}
	return all, nil
}

// TestStoresGetWhatWasAcknowledged pushes to a manager that writes to real stores. The
// stores are stopped, the manager is killed while they are down, and again while it sends
// what waited: in the end each store has what the ledgers say, and nothing else.
func TestStoresGetWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	stores := bigStores(t)
	r := newTrial(t, 2, 10)
	exports := filepath.Join(r.data, "exports.yaml")
	text := "remote_write:\n"
	for i, s := range stores {
		s.start(t)
		text += fmt.Sprintf("- { name: %s, url: \"http://%s/api/v1/write\", version: 1, batch: 500, paths: [/load], labels: { site: test%d } }\n", s.name, s.address, i)
	}
	if err := os.WriteFile(exports, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.args = append(r.args, "--exports", exports)
	life := func() {
		t.Helper()
		m := r.start()
		wait := r.load(m.url)
		r.while(300*time.Millisecond, 700*time.Millisecond)
		r.kill()
		wait()
	}
	life() // everybody is there
	for _, s := range stores {
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
	life() // nobody takes anything
	m := r.start()
	wait := r.load(m.url)
	for _, s := range stores {
		s.start(t)
	}
	r.kill() // while what waited is sent
	wait()
	m = r.start()
	for _, s := range stores {
		m.is("/grove/Exports/Remote write/"+s.name+"/State", "working", "green")
		m.eventually(func() error { return s.hold(r.generators) })
	}
	if err := r.process.End(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// hold says what the store has that the ledgers do not, and otherwise.
func (s *bigStore) hold(generators []*generator) error {
	var v verdict
	for _, g := range generators {
		claims, err := g.Claims()
		if err != nil {
			return err
		}
		kept, err := s.ask(fmt.Sprintf(`{__name__="grove_node_value",grove_manager="durable",path=~"%s/.*"}[2h]`, g.root()))
		if err != nil {
			return err
		}
		for i := range g.nodes {
			v.hold(g.node(i), kept[g.node(i)], claims, 0, func(batch int) float64 { return g.value(batch, i) })
		}
		v.hold(g.root()+"/Flip", kept[g.root()+"/Flip"], claims, 0, g.flip)
		v.hold(g.root()+"/Late", kept[g.root()+"/Late"], claims, late, func(batch int) float64 { return float64(batch) })
	}
	if v.faults() > 0 || v.samples == 0 {
		return fmt.Errorf("%s: of %d samples %d are lost, %d altered, %d phantom, %d double:\n%s", s.name, v.samples, v.lost, v.altered, v.phantom, v.double, strings.Join(v.said, "\n"))
	}
	return nil
}

// inbox takes what a manager sends by itself: OTLP with the decoder of OpenTelemetry's own
// Collector, and documents. While it is down it answers 503.
type inbox struct {
	mu        sync.Mutex
	down      bool
	refused   int
	values    map[string]float64 // by path
	records   []string
	documents [][]byte
	secrets   []string // credentials that came with what was sent
}

// ServeHTTP implements http.Handler.
func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		b.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	b.secrets = append(b.secrets, r.Header.Get("Authorization"))
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err == nil {
		err = b.take(r.URL.Path, text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
}

func (b *inbox) take(path string, text []byte) error {
	switch path {
	case "/v1/metrics":
		request := pmetricotlp.NewExportRequest()
		if err := request.UnmarshalProto(text); err != nil {
			return err
		}
		for _, resource := range request.Metrics().ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, m := range scope.Metrics().All() {
					if m.Name() != "grove_node_value" {
						continue
					}
					for _, p := range m.Gauge().DataPoints().All() {
						at, _ := p.Attributes().Get("path")
						b.values[at.AsString()] = p.DoubleValue()
					}
				}
			}
		}
	case "/v1/logs":
		request := plogotlp.NewExportRequest()
		if err := request.UnmarshalProto(text); err != nil {
			return err
		}
		for _, resource := range request.Logs().ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, l := range scope.LogRecords().All() {
					b.records = append(b.records, l.Body().AsString())
				}
			}
		}
	case "/documents":
		b.documents = append(b.documents, text)
	default:
		return fmt.Errorf("nothing is taken at %s", path)
	}
	return nil
}

// look looks at what came.
func (b *inbox) look(check func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return check()
}

// startInbox starts an inbox that the end of the test closes.
func startInbox(t testing.TB) (*inbox, string) {
	t.Helper()
	b := &inbox{values: map[string]float64{}}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return b, s.URL
}

// TestCollectorAndDocuments lets a manager send what it measures and what happens to a
// collector, and a document to an address and a directory whenever something changes.
// What happens while the receiver is down arrives later.
func TestCollectorAndDocuments(t *testing.T) {
	t.Parallel()
	b, address := startInbox(t)
	dir := t.TempDir()
	exports := filepath.Join(t.TempDir(), "exports.yaml")
	if err := os.WriteFile(exports, fmt.Appendf(nil, `otlp:
- { name: collector, url: %q, path: /other, every: 1s }
publish:
- { name: sent, what: document, format: xml, path: /other, on: change, settle: 100ms, pause: 1s, to: { url: %q } }
- { name: laid, what: document, format: xml, path: /other, on: change, settle: 100ms, pause: 1s, to: { directory: %q, keep: 3 } }
directories: [%[3]q]
`, address, address+"/documents", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	m := serve(t, func(c *app.Config) { c.Exports = exports })
	m.write("other.yaml", other)
	m.loaded("other")

	// arrives waits until a reading and the change that it makes are everywhere.
	arrives := func(value float64, change, status string) {
		t.Helper()
		m.eventually(func() error {
			return b.look(func() error {
				switch {
				case b.values["/other/Level"] != value:
					return fmt.Errorf("the collector has the values %v", b.values)
				case !slices.ContainsFunc(b.records, func(r string) bool { return strings.Contains(r, change) }):
					return fmt.Errorf("the collector has the records %q", b.records)
				case len(b.documents) == 0:
					return errors.New("no document was sent")
				}
				return says(b.documents[len(b.documents)-1], status)
			})
		})
		m.eventually(func() error {
			files, err := filepath.Glob(filepath.Join(dir, "laid*.xml"))
			if err != nil || len(files) == 0 || len(files) > 3 {
				return fmt.Errorf("the directory has %q: %w", files, err)
			}
			text, err := os.ReadFile(slices.Max(files))
			if err != nil {
				return err
			}
			return says(text, status)
		})
	}
	m.push(reading{"path": "/other/Level", "value": 11})
	arrives(11, "/other/Level went from white to red", "red")

	_ = b.look(func() error { b.down = true; return nil })
	m.push(reading{"path": "/other/Level", "value": 3})
	m.is("/other/Level", "3", "green")
	m.push(reading{"path": "/other/Level", "value": 12})
	m.is("/other/Level", "12", "red")
	m.push(reading{"path": "/other/Level", "value": 4})
	for _, name := range []string{"OpenTelemetry/collector", "Publications/sent"} {
		m.eventually(func() error {
			if n, err := m.find("/grove/Exports/" + name + "/State"); err != nil || n.Status != "red" {
				return fmt.Errorf("%s is %s: %w", n.Path, n.Status, err)
			}
			return nil
		})
	}
	_ = b.look(func() error { b.down = false; return nil })
	arrives(4, "/other/Level went from red to green", "green")
	arrives(4, "/other/Level went from green to red", "green")
}

// says looks for the status of a node in a document.
func says(text []byte, status string) error {
	decoder := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		token, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("the document has no /other that is %s: %w\n%s", status, err, text)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attributes := map[string]string{}
		for _, a := range element.Attr {
			attributes[a.Name.Local] = a.Value
		}
		if attributes["path"] == "/other/Level" && attributes["status"] == status {
			return nil
		}
	}
}
