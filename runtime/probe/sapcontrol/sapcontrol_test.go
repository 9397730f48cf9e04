package sapcontrol

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secure"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded is a system that answers with the files in testdata. Nobody took them off a
// wire: their shapes are those of the public WSDL and of the answers that clients of
// such systems have among their tests, and their values are made up.
type recorded struct {
	faults   map[string]string // by function
	user     string            // and password that it wants, "user:password"; empty: none
	echo     bool              // puts the password into a fault
	location string            // redirects there
}

func (s *recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if s.location != "" {
		http.Redirect(w, r, s.location, http.StatusTemporaryRedirect)
		return
	}
	if s.user != "" && user+":"+password != s.user {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	var message struct {
		Body struct {
			Call struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || xml.Unmarshal(text, &message) != nil || message.Body.Call.XMLName.Space != "urn:SAPControl" || r.Method != http.MethodPost {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	name := message.Body.Call.XMLName.Local
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if fault, ok := s.faults[name]; ok {
		if s.echo {
			fault += " " + password
		}
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:Client</faultcode><faultstring>%s</faultstring></e:Fault></e:Body></e:Envelope>`, fault)
		return
	}
	http.ServeFile(w, r, filepath.Join("testdata", name+".xml"))
}

func (s *recorded) serve(t *testing.T) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func options(url string, edit ...func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.URL = url
	for _, f := range edit {
		f(o)
	}
	return o
}

func all(o *Options) { o.Functions = functionNames() }

func run(t *testing.T, kind probe.Kind, o *Options) (probe.Result, error) {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.Run(t.Context())
}

// values are the plain values of a result, without the time that it took.
func values(r probe.Result) map[string]any {
	out := map[string]any{}
	for _, v := range r.Values {
		if v.Attribute != "duration" {
			out[v.Attribute] = v.Value.Any()
		}
	}
	return out
}

// rows are the rows of a table, each as "column=value" of the columns that are asked for.
func rows(t *testing.T, r probe.Result, name string, columns ...string) (lines []string) {
	t.Helper()
	for _, table := range r.Tables {
		if table.Attribute != name {
			continue
		}
		for _, row := range table.Rows {
			var cells []string
			for _, want := range columns {
				for i, c := range table.Columns {
					if c == want {
						cells = append(cells, row[i].String())
					}
				}
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
		return lines
	}
	t.Fatalf("there is no table %s", name)
	return nil
}

func TestContract(t *testing.T) {
	url := (&recorded{}).serve(t)
	probetest.Run(t, Kind(nil), options(url), options(url, all))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	probetest.Stops(t, Kind(nil), options("http://"+silent.Addr().String()))
	with := func(edit func(*Options)) *Options { return options("http://alpha:50013", edit) }
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no url", Options: options(""), Option: "url", Want: "url: is missing"},
		probetest.Bad{Name: "another scheme", Options: options("ftp://alpha"), Option: "url", Want: `url: the scheme is "ftp", not http, https or unix`},
		probetest.Bad{Name: "a user", Options: options("http://me:secret@alpha"), Option: "url", Want: "url: holds a user name; give it by basic"},
		probetest.Bad{Name: "no host", Options: options("http://:50013"), Option: "url", Want: "url: has no host"},
		probetest.Bad{Name: "a wrong port", Options: options("http://alpha:70000"), Option: "url", Want: `url: the port "70000" is outside 1..65535`},
		probetest.Bad{Name: "any socket", Options: options("unix:///run/docker.sock"), Option: "url", Want: "url: is no socket of a start service: unix:///tmp/.sapstream5<NN>13"},
		probetest.Bad{Name: "a socket elsewhere", Options: options("unix:///tmp/../run/.sapstream50013"), Option: "url", Want: "url: is no socket of a start service: unix:///tmp/.sapstream5<NN>13"},
		probetest.Bad{Name: "an unknown function", Options: with(func(o *Options) { o.Functions = []string{"stop"} }), Option: "functions",
			Want: `functions: "stop" is none of alerts, processes, instances, queues, enqueue, work_processes`},
		probetest.Bad{Name: "a function twice", Options: with(func(o *Options) { o.Functions = []string{"alerts", "alerts"} }), Option: "functions", Want: `functions: "alerts" is there twice`},
		probetest.Bad{Name: "a password in the clear", Options: with(func(o *Options) { o.Basic = Basic{"me", "geheim"} }), Option: "basic.password",
			Want: "basic.password: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		probetest.Bad{Name: "a password alone", Options: with(func(o *Options) { o.Basic.Password = "env:X" }), Option: "basic.user", Want: "basic.user: is missing"},
		probetest.Bad{Name: "a small bound", Options: with(func(o *Options) { o.MaxBody = 1 }), Option: "max_body", Want: "max_body: 1 is outside 1024..67108864"},
		probetest.Bad{Name: "a relative file", Options: with(func(o *Options) { o.TLS.CA = "ca.pem" }), Option: "tls.ca", Want: `tls.ca: "ca.pem" is not an absolute path without detours`},
		probetest.Bad{Name: "two wills", Options: with(func(o *Options) { o.TLS = secure.Options{CA: "/ca.pem", Insecure: true} }), Option: "tls.insecure", Want: "tls.insecure: makes tls.ca useless: leave one of them out"},
	)
}

func TestRecordedAnswers(t *testing.T) {
	r, err := run(t, Kind(nil), options((&recorded{}).serve(t), all))
	if err != nil {
		t.Fatal(err)
	}
	got := values(r)
	for name, want := range map[string]any{
		"up": 1.0, "error": "", "system": "T10", "number": "00", "instance": "D00", "hostname": "alpha",
		"enq_locks_now": 3.0, "enq_locks_max": 12591.0, "enq_locks_state": "green", "enq_enqueue_requests": 5e9, "enq_lock_time": 215.7, "enq_replication_state": "green",
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	for _, tt := range []struct {
		table   string
		columns []string
		want    []string
	}{
		{"alerts", []string{"path", "status", "value", "unit", "text"}, []string{
			`alpha\OperatingSystem\CPU\CPU_Utilization|yellow|91|%|91 %`,
			`alpha\OperatingSystem\CPU\5minLoadAverage|green|2.27||2.27`,
			`alpha_T10_00\R3Services\Dialog\ResponseTime|green|15|msec|15 msec`,
			`alpha_T10_00\R3Services\Dialog\QueueLength|green|0|%|0 %`,
			`alpha_T10_00\R3Services\Dialog\UsersLoggedIn|white|||`,
			`alpha_T10_00\R3Services\Background\AbortedJobs|red|11|entr|11 entr`,
			`alpha_T10_00\R3Services\Background\State|green|||Server is running`,
		}},
		{"alerts", []string{"system", "context", "object", "attribute", "high", "alert", "alert_time", "tool", "level", "time"}, []string{
			"T10|alpha|CPU|CPU_Utilization|red|CPU_Utilization 97 % > 95 % 15 min. avg. value over threshold value|2026 03 01 11:45:00|ST06|operator|2026 03 01 12:00:00",
			"T10|alpha|CPU|5minLoadAverage|green||||operator|2026 03 01 12:00:00",
			"T10|alpha_T10_00|Dialog|ResponseTime|green||||operator|2026 03 01 12:00:00",
			"T10|alpha_T10_00|Dialog|QueueLength|green||||operator|2026 03 01 12:00:00",
			"T10|alpha_T10_00|Dialog|UsersLoggedIn|white||||operator|2026 03 01 12:00:00",
			"T10|alpha_T10_00|Background|AbortedJobs|red||||expert|2026 03 01 12:00:00",
			"T10|alpha_T10_00|Background|State|green||||operator|2026 03 01 12:00:00",
		}},
		{"processes", []string{"name", "description", "status", "text", "started", "elapsed", "pid"}, []string{
			"disp+work|Dispatcher|green|Running|2026 02 28 08:00:00|100805|4711",
			"igswd_mt|IGS Watchdog|yellow|Starting|2026 02 28 08:00:00|100805|4712",
			"gwrd|Gateway|white|Stopped|||-1",
			"gwrd (2)|Gateway|red|Stopped|||-1",
		}},
		{"instances", []string{"name", "hostname", "number", "http_port", "https_port", "priority", "features", "status"}, []string{
			"alpha 00|alpha|0|50013|50014|3|ABAP|GATEWAY|ICMAN|IGS|yellow",
			"alpha 01|alpha|1|50113|50114|1|MESSAGESERVER|ENQUE|green",
		}},
		{"queues", []string{"type", "now", "high", "max", "writes", "reads"}, []string{
			"ABAP/NOWP|0|8|14000|270537|270537", "ABAP/DIA|3|21|14000|534960|534957", "ICM/Intern|0|0|14000|0|0",
		}},
		{"work_processes", []string{"name", "type", "pid", "status", "errors", "time", "program", "user", "action", "table"}, []string{
			"alpha_T10_00 0|DIA|4720|Run||4|SAPLTHFB|ERIKA|Direct Read|T000", "alpha_T10_00 1|BTC|4721|Wait|2|||||",
		}},
	} {
		if d := cmp.Diff(tt.want, rows(t, r, tt.table, tt.columns...)); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.table, d)
		}
	}
}

func TestTroubles(t *testing.T) {
	t.Setenv("SAP_PASSWORD", "geheim1")
	basic := func(o *Options) { o.Basic = Basic{"t10adm", "env:SAP_PASSWORD"} }
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 5000)) }))
	defer huge.Close()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html><body>hello</body></html>")
	}))
	defer html.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, tt := range []struct {
		name    string
		options *Options
		up      float64
		want    string
	}{
		{"all well with a password", options((&recorded{user: "t10adm:geheim1"}).serve(t), basic), 1, ""},
		{"a wrong password", options((&recorded{user: "t10adm:other"}).serve(t), basic), 0, "user and password are refused (status 401)"},
		{"a function that is not there", options((&recorded{faults: map[string]string{"GetAlertTree": "Method 'GetAlertTree' not implemented"}}).serve(t)), 1,
			"GetAlertTree: Method 'GetAlertTree' not implemented"},
		{"properties that are not told", options((&recorded{faults: map[string]string{"GetInstanceProperties": "no"}}).serve(t)), 1, "GetInstanceProperties: no"},
		{"a fault that tells the password", options((&recorded{echo: true, faults: map[string]string{"GetProcessList": "refused:"}}).serve(t), basic), 1, "GetProcessList: refused: [secret]"},
		{"a redirect", options((&recorded{location: "http://169.254.169.254/"}).serve(t)), 0, "status 307 Temporary Redirect"},
		{"a long answer", options(huge.URL, func(o *Options) { o.MaxBody = 1024 }), 0, "the answer has more than max_body, 1024 bytes"},
		{"a web page", options(html.URL), 0, "the answer is no SOAP message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := run(t, Kind(nil), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := values(r); got["up"] != tt.up || got["error"] != tt.want {
				t.Errorf("got  %v %v\nwant %v %s", got["up"], got["error"], tt.up, tt.want)
			}
		})
	}
	r, err := run(t, Kind(nil), options(gone.URL))
	if got := values(r); err != nil || got["up"] != 0.0 || !strings.Contains(fmt.Sprint(got["error"]), "connection refused") || len(r.Tables) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := run(t, Kind(nil), options(gone.URL, func(o *Options) { o.Basic = Basic{"me", "env:SURELY_NOT_SET"} })); err == nil ||
		err.Error() != "basic.password: environment variable SURELY_NOT_SET is not set, or empty" {
		t.Errorf("got %v", err)
	}
}

func TestPolicyIsObeyed(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(t, Kind(policy), options((&recorded{}).serve(t)))
	if want := `address 127.0.0.1 is not allowed: the rule "!loopback" refuses it`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	dir := t.TempDir()
	_, err = run(t, Kind(policy, Sockets(dir)), options("unix://"+dir+"/.sapstream50013"))
	if want := `the socket is on this machine: address 127.0.0.1 is not allowed: the rule "!loopback" refuses it`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, ".sapstream50013")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: &recorded{}}}
	server.Start()
	defer server.Close()
	kind := Kind(nil, Sockets(dir))
	probetest.Run(t, kind, options("unix://"+socket))
	r, err := run(t, kind, options("unix://"+socket))
	if got := values(r); err != nil || got["up"] != 1.0 || got["system"] != "T10" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(&recorded{})
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	defer server.Close()
	r, err := run(t, Kind(nil), options(server.URL, func(o *Options) { o.TLS.Insecure = true }))
	if got := values(r); err != nil || got["up"] != 1.0 {
		t.Errorf("got %v, %v", got, err)
	}
	r, err = run(t, Kind(nil), options(server.URL))
	if got := values(r); err != nil || got["up"] != 0.0 || !strings.Contains(fmt.Sprint(got["error"]), "certificate") {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestStrangeTrees: what a system says of its tree is not believed.
func TestStrangeTrees(t *testing.T) {
	node := func(name, parent string) record {
		return record{"name": name, "parent": parent, "ActualValue": "SAPControl-GREEN"}
	}
	for _, tt := range []struct {
		name  string
		items []record
		want  string // error
		paths []string
	}{
		{"no nodes", nil, "", nil},
		{"a root that is its own parent", []record{node("T10", "0"), node("a", "0")}, "", []string{"a"}},
		{"a root alone", []record{node("T10", "-1")}, "", []string{"T10"}},
		{"the same twice", []record{node("T10", "-1"), node("a", "0"), node("a", "0"), node("a (2)", "0")}, "", []string{"a", "a (2)", "a (2) (2)"}},
		{"no name", []record{node("T10", "-1"), node("", "0"), node("..", "0")}, "", []string{"()", "(..)"}},
		{"control characters", []record{node("T10", "-1"), node("a\n\x1b[31mb", "0")}, "", []string{"a  [31mb"}},
		{"a long name", []record{node("T10", "-1"), node(strings.Repeat("ä", 100), "0")}, "", []string{strings.Repeat("ä", 50) + "~RSFZAFOU"}},
		{"a parent that is not there", []record{node("T10", "-1"), node("a", "7")}, `node 1 has the parent "7", which is none of 2 nodes`, nil},
		{"no parent", []record{node("T10", "x")}, `node 0 has the parent "x", which is none of 1 nodes`, nil},
		{"a circle", []record{node("a", "1"), node("b", "0"), node("c", "0")}, "node 2 lies deeper than 32, or in a circle", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r probe.Result
			err := takeAlerts(&answer{items: tt.items}, &r)
			if got := fmt.Sprint(err); err != nil && got != tt.want || err == nil && tt.want != "" {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if err != nil {
				return
			}
			if d := cmp.Diff(tt.paths, rows(t, r, "alerts", "path")); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			for _, path := range rows(t, r, "alerts", "path") {
				if err := tree.CheckName(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var r probe.Result
	many := []record{node("T10", "-1")}
	for i := range maxRows + 1 {
		many = append(many, node(fmt.Sprint("a", i), "0"))
	}
	if err := takeAlerts(&answer{items: many}, &r); err == nil || err.Error() != "10001 items, of which the first 10000 are shown" || len(r.Tables[0].Rows) != maxRows {
		t.Errorf("got %v", err)
	}
}

func TestCancelIsNoReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); <-hold }))
	defer server.Close()
	defer close(hold)
	p, err := Kind(nil).New(options(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if r, err := p.Run(ctx); err == nil || len(r.Values) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// FuzzAnswer: whatever a system answers, the probe says what is wrong or makes rows whose
// keys are names, each once.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`<!DOCTYPE a><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header/><e:Body/></e:Envelope>`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, fn := range functions {
			a, err := readAnswer(strings.NewReader(text), fn.answer)
			if (a == nil) == (err == nil) {
				t.Fatalf("got %v and %v", a, err)
			}
			if err != nil {
				continue
			}
			var r probe.Result
			_ = fn.take(a, &r)
			for _, table := range r.Tables {
				seen := map[string]bool{}
				for _, row := range table.Rows {
					key := row[0].String()
					if err := tree.CheckName(key); err != nil || seen[key] {
						t.Errorf("key %q: %v", key, err)
					}
					seen[key] = true
					if len(row) != len(table.Columns) {
						t.Errorf("%d cells under %d columns", len(row), len(table.Columns))
					}
				}
			}
		}
	})
}
