package jmxproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/javatest"
	"grove/runtime/probe/mbean"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
)

// theTomcat is one for all tests, since a JVM takes its time.
var theTomcat = sync.OnceValues(func() (*javatest.Server, error) { return javatest.Tomcat(base) })

// base is the directory of the server.
var base string

func TestMain(m *testing.M) {
	var err error
	if base, err = os.MkdirTemp("", "grove"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if s, err := theTomcat(); err == nil {
		s.Stop()
	}
	_ = os.RemoveAll(base)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func tomcat(t *testing.T) *javatest.Server {
	t.Helper()
	s, err := theTomcat()
	return javatest.Need(t, s, err)
}

const proxy = "/manager/jmxproxy/"

func options(url string, change ...func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.URL = url
	for _, c := range change {
		c(o)
	}
	return o
}

func login(o *Options) {
	o.Basic = endpoint.Basic{User: javatest.User, Password: "env:TOMCAT_PASSWORD"}
}

// everything asks for each shape of MBean.
func everything(o *Options) {
	o.Attributes = map[string]mbean.Value{
		"heap":     {MBean: "java.lang:type=Memory", Attribute: "HeapMemoryUsage", Path: "used", Unit: "bytes"},
		"verbose":  {MBean: "java.lang:type=Memory", Attribute: "Verbose", Type: "bool"},
		"gc_runs":  {MBean: "java.lang:type=GarbageCollector,*", Attribute: "CollectionCount", Type: "counter"},
		"pools":    {MBean: "java.lang:type=GarbageCollector,name=MarkSweepCompact", Attribute: "MemoryPoolNames", Type: "size"},
		"pool":     {MBean: "java.lang:type=GarbageCollector,name=MarkSweepCompact", Attribute: "MemoryPoolNames", Path: "0", Type: "text"},
		"sessions": {MBean: "Catalina:type=Manager,*", Attribute: "activeSessions", Unit: "sessions"},
		"most":     {MBean: "Catalina:type=DataSource,*", Attribute: "maxTotal"},
		"missing":  {MBean: "java.lang:type=Memory", Attribute: "Nothing"},
		"nowhere":  {MBean: "nowhere:type=x", Attribute: "y"},
	}
	o.Tables = map[string]mbean.Table{
		"connectors": {MBean: "Catalina:type=ThreadPool,name=*", Columns: map[string]mbean.Value{"most": {Attribute: "maxThreads"}, "running": {Attribute: "running", Type: "bool"}}},
		"sources":    {MBean: "Catalina:type=DataSource,*", By: []string{"name"}, Columns: map[string]mbean.Value{"active": {Attribute: "numActive"}, "most": {Attribute: "maxTotal"}}},
		"contexts":   {MBean: "Catalina:type=Manager,host=*,context=*", Columns: map[string]mbean.Value{"state": {Attribute: "stateName", Type: "text"}}},
		"names":      {MBean: "Users:type=User,*"},
	}
}

func TestContract(t *testing.T) {
	s := tomcat(t)
	t.Setenv("TOMCAT_PASSWORD", javatest.Password)
	probetest.Run(t, Kind(nil), options(s.URL+proxy, login), options(s.URL+proxy, login, everything))
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	probetest.Stops(t, Kind(nil), options(silent.URL))
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no URL", Options: options(""), Option: "url", Want: "url: is missing"},
		probetest.Bad{Name: "no name", Options: options("http://a/", func(o *Options) {
			o.Attributes = map[string]mbean.Value{"a": {MBean: "Catalina", Attribute: "b"}}
		}), Option: "attributes.a.mbean", Want: "attributes.a.mbean: " + noName()},
	)
}

func noName() string {
	_, err := beans.ParseName("Catalina")
	return err.Error()
}

func run(t *testing.T, o *Options) probe.Result {
	t.Helper()
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func values(r probe.Result) map[string]string {
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got
}

func rows(r probe.Result, name string) (lines []string) {
	for _, table := range r.Tables {
		if table.Attribute != name {
			continue
		}
		for _, row := range table.Rows {
			var cells []string
			for _, c := range row {
				cells = append(cells, c.String())
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
	}
	return lines
}

// TestRealTomcat reads each shape of MBean from Debian's Tomcat.
func TestRealTomcat(t *testing.T) {
	s := tomcat(t)
	t.Setenv("TOMCAT_PASSWORD", javatest.Password)
	r := run(t, options(s.URL+proxy, login, everything))
	got := values(r)
	if !strings.HasPrefix(got["server"], "Apache Tomcat/10.") || got["heap"] == "" || got["heap"] == "0" || got["gc_runs"] == "" {
		t.Errorf("server %q, heap %q, collections %q", got["server"], got["heap"], got["gc_runs"])
	}
	for _, name := range []string{"server", "heap", "gc_runs", "duration", "problems"} {
		delete(got, name)
	}
	want := map[string]string{"up": "1", "state": "up", "error": "", "failed": "2", "verbose": "0", "pools": "3", "pool": "Eden Space", "sessions": "0", "most": "20"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("values (-want +got):\n%s", d)
	}
	port := strings.TrimPrefix(s.URL, "http://127.0.0.1:")
	for table, want := range map[string][]string{
		"connectors": {"http-nio-127.0.0.1-" + port + "|20|1"},
		"sources":    {"jdbc/shop|0|20"},
		"contexts":   {"localhost|/|host=localhost,context=/|STARTED", "localhost|/manager|host=localhost,context=/manager|STARTED"},
		"names":      {`Users:database=UserDatabase,type=User,username="monitor"`},
		"errors":     {"java.lang:type=Memory Nothing|the MBean has no such attribute", "nowhere:type=x y|no such MBean"},
	} {
		if d := cmp.Diff(want, rows(r, table)); d != "" {
			t.Errorf("table %s (-want +got):\n%s", table, d)
		}
	}
}

func TestFindings(t *testing.T) {
	s := tomcat(t)
	t.Setenv("TOMCAT_PASSWORD", javatest.Password)
	t.Setenv("WRONG_PASSWORD", "guessed-by-nobody")
	answering := func(body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	wrong := func(o *Options) {
		o.Basic = endpoint.Basic{User: javatest.User, Password: secret.Ref("env:WRONG_PASSWORD")}
	}
	for _, tt := range []struct {
		name, state, err string
		options          *Options
	}{
		{"who may", "up", "", options(s.URL+proxy, login)},
		{"nobody", "refused_access", "are refused (status 401)", options(s.URL + proxy)},
		{"a wrong password", "refused_access", "are refused (status 401)", options(s.URL+proxy, wrong)},
		{"no proxy", "status", "status 404", options(s.URL + "/nothing")},
		{"another page", "protocol", "none of Tomcat's jmxproxy", options(s.URL + "/index.html")},
		{"a proxy of another program", "up", "", options(answering("Error - javax.management.InstanceNotFoundException: Catalina:type=Server\n\tat x\n"))},
		{"too much", "too_long", "more than max_body, 10 bytes", options(answering(strings.Repeat("x", 11)), func(o *Options) { o.MaxBody = 10 })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := values(run(t, tt.options))
			if got["state"] != tt.state || !strings.Contains(got["error"], tt.err) {
				t.Errorf("state %q, error %q; want %q, %q", got["state"], got["error"], tt.state, tt.err)
			}
		})
	}
	refuse, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kind(refuse).New(options(s.URL + proxy))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context()); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("an address that is not allowed: %v", err)
	}
}

func query(pattern string, attributes ...string) mbean.Query {
	return mbean.Query{Name: beans.MustName(pattern), Attributes: attributes}
}

// TestReadQuery reads an answer that was recorded from Tomcat 10.1, and damaged ones.
func TestReadQuery(t *testing.T) {
	recorded, err := os.ReadFile(filepath.Join("testdata", "query.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readQuery(string(recorded), query("java.lang:*", "HeapMemoryUsage", "MemoryPoolNames", "Name", "LastGcInfo", "ClassPath", "Text", "Nothing"))
	if err != nil {
		t.Fatal(err)
	}
	want := []mbean.Bean{
		{Name: beans.MustName("java.lang:type=Memory"), Values: map[string]any{"HeapMemoryUsage": map[string]any{"committed": "10", "init": "2", "max": "-1", "used": "5"}}},
		{Name: beans.MustName("java.lang:name=G1 Old Generation,type=GarbageCollector"), Values: map[string]any{
			"MemoryPoolNames": []any{"G1 Eden Space", "G1 Old Gen"}, "Name": "G1 Old Generation", "LastGcInfo": nil,
		}},
		{Name: beans.MustName("java.lang:type=Runtime"), Values: map[string]any{"ClassPath": "a: b", "Text": "first\nsecond, which is long"}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(beans.Name{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"refused", "Error - javax.management.MalformedObjectNameException: no\nstack", "javax.management.MalformedObjectNameException: no"},
		{"another page", "<html>", "the answer is none of Tomcat's jmxproxy: is this the address of /manager/jmxproxy?"},
		{"no number", "OK - Number of results: many\n", `the answer tells no number of results but "many"`},
		{"no name", "OK - Number of results: 1\n\nmodelerType: x\n", `the answer is damaged: "modelerType: x" begins an MBean`},
		{"more than told", "OK - Number of results: 0\n\nName: java.lang:type=Memory\n", "1 MBeans follow where 0 were told"},
	} {
		if _, err := readQuery(tt.body, query("java.lang:*", "a")); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// FuzzReadQuery: whatever a server answers, there are MBeans that the query matches with
// attributes that it asked for, or an error.
func FuzzReadQuery(f *testing.F) {
	recorded, err := os.ReadFile(filepath.Join("testdata", "query.txt"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(recorded))
	f.Add("Error - x")
	f.Add("OK - Number of results: 1\n\nName: a:b=c\nA: {x={y=z, u=v}, w=1}\n")
	q := query("*:*", "A", "HeapMemoryUsage", "MemoryPoolNames", "Text")
	f.Fuzz(func(t *testing.T, body string) {
		all, err := readQuery(body, q)
		if err != nil && all != nil {
			t.Fatal("both MBeans and an error")
		}
		for _, b := range all {
			if !q.Name.Matches(b.Name) {
				t.Errorf("%s was not asked for", b.Name)
			}
			for name := range b.Values {
				if name != "A" && name != "HeapMemoryUsage" && name != "MemoryPoolNames" && name != "Text" {
					t.Errorf("%s was not asked for", name)
				}
			}
		}
	})
}
