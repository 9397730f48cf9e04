package jolokia

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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/javatest"
	"grove/runtime/probe/mbean"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/tree"
)

func options(url string, change ...func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.URL = url
	for _, c := range change {
		c(o)
	}
	return o
}

// everything asks for each shape of MBean.
func everything(o *Options) {
	const orders = "shop:type=Queue,name=orders"
	o.Deadlocks, o.List = true, "shop:*"
	o.Attributes = map[string]mbean.Value{
		"heap":    {MBean: "java.lang:type=Memory", Attribute: "HeapMemoryUsage", Path: "used", Unit: "bytes"},
		"gc_runs": {MBean: "java.lang:type=GarbageCollector,name=*", Attribute: "CollectionCount", Type: "counter"},
		"length":  {MBean: orders, Attribute: "Length"},
		"added":   {MBean: "shop:type=Queue,*", Attribute: "Added", Type: "counter"},
		"longest": {MBean: "shop:type=Queue,*", Attribute: "Length", Combine: "max"},
		"queues":  {MBean: "shop:type=Queue,*", Attribute: "Readers", Combine: "count"},
		"none":    {MBean: "shop:type=Nothing,*", Attribute: "Length", Combine: "count"},
		"title":   {MBean: orders, Attribute: "Title", Type: "text"},
		"open":    {MBean: orders, Attribute: "Open", Type: "bool"},
		"readers": {MBean: orders, Attribute: "Readers", Type: "size"},
		"second":  {MBean: orders, Attribute: "Readers", Path: "1", Type: "text"},
		"used":    {MBean: orders, Attribute: "Usage", Path: "used"},
		"north":   {MBean: orders, Attribute: "Shares", Path: "north", Unit: "%"},
	}
	o.Tables = map[string]mbean.Table{
		"each":       {MBean: "shop:type=Queue,name=*", Columns: map[string]mbean.Value{"length": {Attribute: "Length"}, "rate": {Attribute: "Rate"}, "title": {Attribute: "Title", Type: "text"}}},
		"with_store": {By: []string{"queue"}, Columns: map[string]mbean.Value{"bytes": {MBean: "shop:type=Store,queue=*", Attribute: "Bytes", Unit: "bytes"}}},
		"names":      {MBean: "shop:*"},
		"shares":     {MBean: orders, Entries: "Shares", Columns: map[string]mbean.Value{"share": {Unit: "%"}}},
	}
}

func TestContract(t *testing.T) {
	a := startAgent(t)
	t.Setenv("AGENT_PASSWORD", javatest.Password)
	probetest.Run(t, Kind(nil),
		options(a.URL+"/jolokia"),
		options(a.URL+"/jolokia/", everything),
		options(a.URL+"/secure", everything, func(o *Options) { o.Basic = endpoint.Basic{User: "monitor", Password: "env:AGENT_PASSWORD"} }),
		options(newAgentOf8(t).URL, func(o *Options) { o.Notifications = map[string]Notification{"alarms": {MBean: "shop:type=Alarm"}} }),
	)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client left
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	probetest.Stops(t, Kind(nil), options(silent.URL))
}

func TestRefuses(t *testing.T) {
	const good = "http://app1:8778/jolokia"
	attribute := func(v mbean.Value) *Options {
		return options(good, func(o *Options) { o.Attributes = map[string]mbean.Value{"a": v} })
	}
	table := func(v mbean.Table) *Options {
		return options(good, func(o *Options) { o.Tables = map[string]mbean.Table{"t": v} })
	}
	target := func(url string) *Options {
		return options(good, func(o *Options) { o.Service.URL = url })
	}
	const noService = "target.url: is none of the service URLs that a proxy is sent to: service:jmx:rmi:///jndi/rmi://host:port/name, service:jmx:jmxmp://host:port, service:jmx:remote+http://host:port"
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no URL", Options: options(""), Option: "url", Want: "url: is missing"},
		probetest.Bad{Name: "a password in the URL", Options: options("http://a:b@c/"), Option: "url", Want: "url: holds a user name; give it by basic"},
		probetest.Bad{Name: "a password in clear", Options: options(good, func(o *Options) { o.Basic = endpoint.Basic{User: "u", Password: "p"} }), Option: "basic.password", Want: "basic.password: " + secret.Ref("p").Check().Error()},
		probetest.Bad{Name: "no MBean", Options: attribute(mbean.Value{Attribute: "x"}), Option: "attributes.a.mbean", Want: "attributes.a.mbean: is missing: a name or a pattern such as java.lang:type=Memory"},
		probetest.Bad{Name: "no attribute", Options: attribute(mbean.Value{MBean: "a:b=c"}), Option: "attributes.a.attribute", Want: "attributes.a.attribute: is missing: which attribute of the MBean"},
		probetest.Bad{Name: "a wrong type", Options: attribute(mbean.Value{MBean: "a:b=c", Attribute: "x", Type: "long"}), Option: "attributes.a.type", Want: `attributes.a.type: "long" is none of number, counter, text, bool, size`},
		probetest.Bad{Name: "a text with a unit", Options: attribute(mbean.Value{MBean: "a:b=c", Attribute: "x", Type: "text", Unit: "s"}), Option: "attributes.a.unit", Want: "attributes.a.unit: a text has no unit"},
		probetest.Bad{Name: "a sum of texts", Options: attribute(mbean.Value{MBean: "a:b=*", Attribute: "x", Type: "text", Combine: "sum"}), Option: "attributes.a.combine", Want: "attributes.a.combine: of values of type text only the first is taken"},
		probetest.Bad{Name: "an empty step", Options: attribute(mbean.Value{MBean: "a:b=c", Attribute: "x", Path: "a//b"}), Option: "attributes.a.path", Want: `attributes.a.path: "a//b" has an empty step`},
		probetest.Bad{Name: "a taken name", Options: options(good, func(o *Options) { o.Attributes = map[string]mbean.Value{"up": {MBean: "a:b=c", Attribute: "x"}} }), Option: "attributes.up", Want: `attributes.up: "up" is the name of another attribute of the probe`},
		probetest.Bad{Name: "a table of nothing", Options: table(mbean.Table{}), Option: "tables.t.mbean", Want: "tables.t.mbean: is missing: a pattern such as java.lang:type=MemoryPool,name=*; only columns with patterns of their own, told apart by by, do without"},
		probetest.Bad{Name: "too many rows", Options: table(mbean.Table{MBean: "a:*", Rows: 10_001}), Option: "tables.t.rows", Want: "tables.t.rows: 10001 is outside 1..10000"},
		probetest.Bad{Name: "a column without the key", Options: table(mbean.Table{By: []string{"name"}, Columns: map[string]mbean.Value{"c": {MBean: "a:b=c", Attribute: "x"}}}), Option: "tables.t.columns.c.mbean", Want: "tables.t.columns.c.mbean: no MBean that it names has the property name, by which rows are told apart"},
		probetest.Bad{Name: "a column that is a key", Options: table(mbean.Table{MBean: "a:name=*", Columns: map[string]mbean.Value{"name": {Attribute: "x"}}}), Option: "tables.t.columns.name", Want: `tables.t.columns.name: "name" is the name of another attribute of the probe`},
		probetest.Bad{Name: "entries of a pattern", Options: table(mbean.Table{MBean: "a:name=*", Entries: "x"}), Option: "tables.t.mbean", Want: "tables.t.mbean: entries are those of one MBean: a:name=* is a pattern"},
		probetest.Bad{Name: "a directory behind the proxy", Options: target("service:jmx:rmi:///jndi/ldap://evil/x"), Option: "target.url", Want: noService},
		probetest.Bad{Name: "a stub behind the proxy", Options: target("service:jmx:rmi://app1/stub/rO0AB"), Option: "target.url", Want: noService},
		probetest.Bad{Name: "no port behind the proxy", Options: target("service:jmx:rmi:///jndi/rmi://app1/jmxrmi"), Option: "target.url", Want: `target.url: "app1" is no host and port`},
		probetest.Bad{Name: "a user without a password", Options: options(good, func(o *Options) { o.Service = Service{URL: "service:jmx:jmxmp://a:1", User: "u"} }), Option: "target.user", Want: "target.user: user and password belong together"},
		probetest.Bad{Name: "notifications of a pattern", Options: options(good, func(o *Options) { o.Notifications = map[string]Notification{"n": {MBean: "a:*"}} }), Option: "notifications.n.mbean", Want: "notifications.n.mbean: is a pattern; one MBean emits them"},
		probetest.Bad{Name: "a wrong status", Options: options(good, func(o *Options) {
			o.Notifications = map[string]Notification{"n": {MBean: "a:b=c", Status: map[string]string{"x": "pink"}}}
		}), Option: "notifications.n.status", Want: badStatus()},
	)
}

func badStatus() string {
	_, err := tree.ParseStatus("pink")
	return "notifications.n.status: " + err.Error()
}

// ask makes a probe that is closed with the test.
func newProbe(t *testing.T, policy *dial.Policy, o *Options) probe.Probe {
	t.Helper()
	p, err := Kind(policy).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func run(t *testing.T, p probe.Probe) probe.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// values are the values of a result as text, but for those that no test can know.
func values(r probe.Result, leaveOut ...string) map[string]string {
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	for _, name := range append(leaveOut, "duration") {
		delete(got, name)
	}
	return got
}

// rows are the rows of a table, the cells joined by "|".
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

// TestRealAgent reads each shape of MBean from Debian's Jolokia 1.7.1.
func TestRealAgent(t *testing.T) {
	a := startAgent(t)
	p := newProbe(t, nil, options(a.URL+"/jolokia", everything))
	r := run(t, p)
	got := values(r)
	if got["heap"] == "" || got["heap"] == "0" || got["gc_runs"] == "" {
		t.Errorf("heap %q, collections %q", got["heap"], got["gc_runs"])
	}
	delete(got, "heap")
	delete(got, "gc_runs")
	want := map[string]string{
		"up": "1", "state": "up", "error": "", "agent": "1.7.1", "protocol": "7.2", "failed": "0", "problems": "", "deadlocked": "0",
		"length": "12", "added": "1050", "longest": "12", "queues": "2", "none": "0", "title": "Orders of today", "open": "1", "readers": "2", "second": "bert", "used": "5", "north": "40",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("values (-want +got):\n%s", d)
	}
	for table, want := range map[string][]string{
		"each":       {"bills, old|3||", "orders|12|2.5|Orders of today"},
		"with_store": {"gone|1", "orders|4096"},
		"names":      {`shop:name="bills, old",type=Queue`, "shop:name=orders,type=Queue", "shop:queue=gone,type=Store", "shop:queue=orders,type=Store"},
		"shares":     {"north|40", "south|60"},
		"errors":     nil,
		"mbeans": {
			`shop:name="bills, old",type=Queue|shop|Agent$Told|told by a file|5|0|0`, "shop:name=orders,type=Queue|shop|Agent$Told|told by a file|8|0|0",
			"shop:queue=gone,type=Store|shop|Agent$Told|told by a file|1|0|0", "shop:queue=orders,type=Store|shop|Agent$Told|told by a file|1|0|0",
		},
	} {
		if d := cmp.Diff(want, rows(r, table)); d != "" {
			t.Errorf("table %s (-want +got):\n%s", table, d)
		}
	}

	trouble(t, a, http.MethodPost)
	if got := values(run(t, p))["deadlocked"]; got != "2" {
		t.Errorf("%q deadlocked threads, want 2", got)
	}
	trouble(t, a, http.MethodDelete)
	if got := values(run(t, p))["deadlocked"]; got != "0" {
		t.Errorf("%q deadlocked threads afterwards", got)
	}
}

// TestWhatIsNotThereIsTold has each MBean's failure at that MBean, and the rest well.
func TestWhatIsNotThereIsTold(t *testing.T) {
	a := startAgent(t)
	r := run(t, newProbe(t, nil, options(a.URL+"/readonly", func(o *Options) {
		o.Deadlocks = true
		o.Attributes = map[string]mbean.Value{
			"fine":      {MBean: "shop:type=Queue,name=orders", Attribute: "Length"},
			"no_bean":   {MBean: "shop:type=Nothing", Attribute: "x"},
			"no_match":  {MBean: "shop:type=Nothing,*", Attribute: "x"},
			"no_attr":   {MBean: "shop:type=Queue,name=orders", Attribute: "Nothing"},
			"alone":     {MBean: "shop:type=Store,queue=orders", Attribute: "Nothing"},
			"forbidden": {MBean: "java.lang:type=Runtime", Attribute: "SystemProperties", Type: "size"},
			"no_number": {MBean: "shop:type=Queue,name=orders", Attribute: "Title"},
			"no_path":   {MBean: "shop:type=Queue,name=orders", Attribute: "Usage", Path: "free"},
		}
		o.Tables = map[string]mbean.Table{"none": {MBean: "nowhere:*"}, "few": {MBean: "shop:type=Queue,name=*", Rows: 1}}
	})))
	got := values(r, "problems")
	want := map[string]string{"up": "1", "state": "up", "error": "", "agent": "1.7.1", "protocol": "7.2", "fine": "12", "failed": "9"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("values (-want +got):\n%s", d)
	}
	wantErrors := []string{
		"few|2 rows, of which the first 1 are shown",
		"java.lang:type=Runtime SystemProperties|Reading attribute SystemProperties is forbidden for MBean java.lang:type=Runtime",
		"java.lang:type=Threading findDeadlockedThreads|Operation findDeadlockedThreads forbidden for MBean java.lang:type=Threading",
		"shop:name=orders,type=Queue Nothing|No such attribute: Nothing",
		`shop:name=orders,type=Queue Title|"Orders of today" is no number`,
		"shop:name=orders,type=Queue Usage/free|has no free: there are max, used",
		"shop:queue=orders,type=Store Nothing|No such attribute: Nothing",
		"shop:type=Nothing x|no such MBean",
		"shop:type=Nothing,* x|no MBean matches",
	}
	if d := cmp.Diff(wantErrors, rows(r, "errors")); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}
	if problems := values(r)["problems"]; !strings.HasPrefix(problems, "few: 2 rows") || len(problems) > 550 {
		t.Errorf("problems: %q", problems)
	}
}

func TestFindings(t *testing.T) {
	a := startAgent(t)
	t.Setenv("AGENT_PASSWORD", javatest.Password)
	t.Setenv("WRONG_PASSWORD", "guessed-by-nobody")
	answering := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	login := func(ref secret.Ref) func(*Options) {
		return func(o *Options) { o.Basic = endpoint.Basic{User: "monitor", Password: ref} }
	}
	for _, tt := range []struct {
		name, state, err string
		options          *Options
	}{
		{"who may", "up", "", options(a.URL+"/secure", login("env:AGENT_PASSWORD"))},
		{"nobody", "refused_access", "are refused (status 401)", options(a.URL + "/secure")},
		{"a wrong password", "refused_access", "are refused (status 401)", options(a.URL+"/secure", login("env:WRONG_PASSWORD"))},
		{"gone", "refused", "connection refused", options(gone.URL)},
		{"another page", "status", "status 404 Not Found", options(a.URL + "/nothing")},
		{"no Jolokia", "protocol", "no JSON of a Jolokia agent", options(answering(200, "<html>"))},
		{"nothing", "protocol", "the answer is empty", options(answering(200, ""))},
		{"one error for all", "protocol", "the agent answers: no", options(answering(200, `{"status":400,"error_type":"x","error":"x : no"}`))},
		{"too few answers", "protocol", "0 answers to 1 requests", options(answering(200, `[]`))},
		{"too much", "too_long", "more than max_body, 10 bytes", options(answering(200, strings.Repeat(" ", 11)), func(o *Options) { o.MaxBody = 10 })},
		{"TLS where there is none", "tls", "", options(strings.Replace(a.URL, "http:", "https:", 1))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := values(run(t, newProbe(t, nil, tt.options)))
			if tt.state == "tls" && got["state"] == "failed" { // net/http says so in words of its own
				got["state"] = "tls"
			}
			if got["state"] != tt.state || !strings.Contains(got["error"], tt.err) {
				t.Errorf("state %q, error %q; want %q, %q", got["state"], got["error"], tt.state, tt.err)
			}
		})
	}
}

func TestPolicyIsAFailure(t *testing.T) {
	a := startAgent(t)
	refuse, err := dial.ParsePolicy([]string{"!10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	p := newProbe(t, refuse, options("http://10.1.2.3/jolokia"))
	if _, err := p.Run(ctx); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("the agent's address: %v", err)
	}
	p = newProbe(t, refuse, options(a.URL+"/jolokia", func(o *Options) { o.Service.URL = "service:jmx:rmi:///jndi/rmi://10.1.2.3:9010/jmxrmi" }))
	if _, err := p.Run(ctx); !errors.Is(err, dial.ErrDenied) || !strings.HasPrefix(err.Error(), "target.url: ") {
		t.Errorf("the address behind the proxy: %v", err)
	}
	p = newProbe(t, nil, options(a.URL+"/secure", func(o *Options) { o.Basic = endpoint.Basic{User: "u", Password: "env:NOT_SET_ANYWHERE"} }))
	if _, err := p.Run(ctx); err == nil || err.Error() != "basic.password: environment variable NOT_SET_ANYWHERE is not set, or empty" {
		t.Errorf("a secret that is not there: %v", err)
	}
}

// TestSecretsStayHidden has an agent that repeats what it was sent.
func TestSecretsStayHidden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"status":400,"error":%q}`, "I got "+string(body)+" and "+r.Header.Get("Authorization"))
	}))
	defer echo.Close()
	p := newProbe(t, nil, options(echo.URL, func(o *Options) {
		o.Basic = endpoint.Basic{User: "monitor", Password: secret.Ref("file:" + file)}
		o.Service = Service{URL: "service:jmx:jmxmp://app1:9010", User: "jmx", Password: secret.Ref("file:" + file)}
	}))
	got := values(run(t, p))["error"]
	if !strings.Contains(got, "[secret]") || strings.Contains(got, "open sesame") || strings.Contains(got, "bW9uaXRvcjpvcGVuIHNlc2FtZQ==") {
		t.Errorf("error %q", got)
	}
	if !strings.Contains(got, `"target":{"url":"service:jmx:jmxmp://app1:9010","user":"jmx"`) {
		t.Errorf("the proxy was not named its target: %q", got)
	}
}

// FuzzAnswer: whatever an agent answers, a run ends, and its readings are those that the
// probe declares.
func FuzzAnswer(f *testing.F) {
	o := options("http://app1/jolokia", everything)
	plan, err := o.check()
	if err != nil {
		f.Fatal(err)
	}
	queries := plan.mbeans.Queries()
	f.Add([]byte(`[{"status":200,"value":{"used":5}}]`))
	f.Add([]byte(`[{"status":404,"error_type":"javax.management.InstanceNotFoundException","error":"x"}]`))
	f.Add([]byte(`[{"status":200,"value":{"shop:type=Queue,name=a":{"Length":1,"Added":"ERROR: no (class x)"}}}]`))
	f.Add([]byte(`[{"status":200,"value":["a:b=c"]},{"status":200,"value":{"Length":{".error":true,"error":"x"}}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := readAll(body, 1)
		if (err == nil) == (all == nil) {
			t.Fatalf("both or neither: %v %v", all, err)
		}
		if err != nil {
			return
		}
		var answers []mbean.Answer
		for _, q := range queries {
			answers = append(answers, take(q, &all[0]))
		}
		var r probe.Result
		plan.mbeans.Take(answers, &r)
		_ = takeList(plan.list, &all[0], &r)
		_ = takeVersion(&all[0], &r)
		_, _, _ = (&feed{}).events(&all[0], time.Now())
		declared := map[string]bool{}
		for _, a := range plan.attributes {
			declared[a.Name] = true
		}
		for _, v := range r.Values {
			if !declared[v.Attribute] || v.Value.IsNone() {
				t.Errorf("%s: %v", v.Attribute, v.Value)
			}
		}
		for _, table := range r.Tables {
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) || row[0].IsNone() {
					t.Errorf("%s: %v", table.Attribute, row)
				}
			}
		}
	})
}
