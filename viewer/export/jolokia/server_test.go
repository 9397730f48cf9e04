package jolokia

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/beans/beanstest"
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/jolokia/request"
)

// TestTelegrafReads posts what telegraf's input jolokia2_agent posts, to where it posts
// it, and reads the answer as that does: by the request in it.
func TestTelegrafReads(t *testing.T) {
	r := newRig(t, nil)
	agent := httptest.NewServer(as(r.server, grant.Anonymous))
	defer agent.Close()
	body := `[{"type":"read","mbean":"grove:type=Fan,name=one","attribute":["Speed","Load"]},` +
		`{"type":"read","mbean":"grove:name=*,type=Fan","attribute":"Speed"},` +
		`{"type":"read","mbean":"grove:type=Fan,name=one","attribute":"Usage","path":"used"},` +
		`{"type":"read","mbean":"grove:type=None","attribute":"X"},` +
		`{"type":"read","mbean":"grove:type=Fan,name=one"}]`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, agent.URL+"/jolokia/read", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Add("Content-type", "application/json")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answers []struct {
		Request struct {
			Type      string
			Mbean     string
			Attribute any
			Path      string
		}
		Value  any
		Status int
	}
	if err := json.NewDecoder(resp.Body).Decode(&answers); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	var got []string
	for _, a := range answers {
		if m, ok := a.Value.(map[string]any); ok && len(m) > 3 {
			a.Value = len(m)
		}
		got = append(got, fmt.Sprint(a.Request.Mbean, " ", a.Request.Attribute, " ", a.Request.Path, " ", a.Status, " ", a.Value))
	}
	want := []string{
		`grove:type=Fan,name=one [Speed Load]  200 map[Load:0.5 Speed:42]`,
		`grove:name=*,type=Fan Speed  200 map[grove:type=Fan,name="q/u!o,te\"d":map[Speed:7] grove:type=Fan,name=one:map[Speed:42]]`,
		`grove:type=Fan,name=one Usage used 200 123`,
		`grove:type=None X  404 <nil>`,
		`grove:type=Fan,name=one []  200 14`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestHawtioLists asks as hawtio does when it begins: the version, then the list with its
// cache. Every bean of it must have its description.
func TestHawtioLists(t *testing.T) {
	r := newRig(t, nil)
	w := r.ask("/jolokia/?maxDepth=9&maxCollectionSize=50000&ignoreErrors=true&canonicalNaming=false&listCache=true", `{"type":"list"}`)
	var answer struct {
		Value struct {
			Domains map[string]map[string]any
			Cache   map[string]struct{ Class string }
		}
		Status int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Status != 200 {
		t.Fatal(err, w.Body)
	}
	count := 0
	for domain, all := range answer.Value.Domains {
		for properties, key := range all {
			name, err := beans.ParseName(domain + ":" + properties)
			if err != nil {
				t.Fatal(err)
			}
			info, err := r.beans.Info(name)
			if err != nil || answer.Value.Cache[key.(string)].Class != info.ClassName {
				t.Errorf("%s has the description %v", name, key)
			}
			count++
		}
	}
	if count != r.beans.Count() {
		t.Errorf("%d beans are listed of %d", count, r.beans.Count())
	}
}

// TestStream reads server-sent events off the wire.
func TestStream(t *testing.T) {
	r := newRig(t, func(o *Options) { o.KeepAlive = 20 * time.Millisecond })
	agent := httptest.NewServer(as(r.server, grant.Anonymous))
	defer agent.Close()
	defer r.server.Close()
	id := r.client()
	r.want("/jolokia", `{"type":"notification","command":"add","client":"`+id+`","mode":"sse","mbean":"grove:type=Fan,name=one","handback":{"a":"b/c"}}`,
		`{"request":{"type":"notification","command":"add","client":"`+id+`","mbean":"grove:type=Fan,name=one","mode":"sse","handback":{"a":"b/c"}},"value":"1","status":200,"timestamp":1795316645}`)
	r.bean.Emit(beans.Notification{Type: "early", Time: then})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, agent.URL+"/jolokia/notification/open/"+id+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream;charset=UTF-8" {
		t.Error(got)
	}
	lines := bufio.NewScanner(resp.Body)
	event := func() (text string) {
		for lines.Scan() && lines.Text() != "" {
			text += lines.Text() + "\n"
		}
		return text
	}
	data := func(number int, kind string) string {
		return fmt.Sprintf("id: %d\n"+`data: {"dropped":0,"handback":{"a":"b/c"},"handle":"1","notifications":[{"message":"","sequenceNumber":%d,`+
			`"source":{"objectName":"grove:name=one,type=Fan"},"timeStamp":1795316645006,"type":"%s","userData":"line\nbreak"}]}`+"\n", number, number, kind)
	}
	early := strings.Replace(data(1, "early"), `"line\nbreak"`, "null", 1)
	for _, want := range []string{":\n", early, ":\n", ":\n"} { // the last two say that it lives
		if got := event(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	r.bean.Emit(beans.Notification{Type: "late", Time: then, Data: "line\nbreak"})
	got := ":\n"
	for got == ":\n" {
		got = event()
	}
	if want := data(2, "late"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r.want("/jolokia/notification/list/"+id, "", `{"request":{"type":"notification","command":"list","client":"`+id+
		`"},"value":{"1":{"mbean":"grove:type=Fan,name=one","handback":{"a":"b/c"}}},"status":200,"timestamp":1795316645}`)
	r.want("/jolokia", `{"type":"notification","command":"unregister","client":"`+id+`"}`,
		`{"request":{"type":"notification","command":"unregister","client":"`+id+`"},"value":null,"status":200,"timestamp":1795316645}`)
	for event() != "" { // until the end of the stream
	}
}

// client registers a client and returns its ID.
func (r *rig) client() string {
	r.Helper()
	var answer struct {
		Value struct {
			ID      string
			Backend json.RawMessage
		}
	}
	if err := json.Unmarshal(r.ask("/jolokia", `{"type":"notification","command":"register"}`).Body.Bytes(), &answer); err != nil {
		r.Fatal(err)
	}
	if want := `{"pull":{"maxEntries":100,"store":"jolokia:type=NotificationStore,agent=test"},"sse":{"backChannel.contentType":"text/event-stream","backChannel.encoding":"UTF-8"}}`; string(answer.Value.Backend) != want {
		r.Errorf("got  %s\nwant %s", answer.Value.Backend, want)
	}
	return answer.Value.ID
}

// TestPullThroughTheStore goes through the bean that clients ask.
func TestPullThroughTheStore(t *testing.T) {
	r := newRig(t, nil)
	id := r.client()
	add := `{"type":"notification","command":"add","client":"` + id + `","mode":"pull","mbean":"%s"}`
	for _, name := range []string{"JMImplementation:type=MBeanServerDelegate", "grove:type=Fan,*"} {
		if w := r.ask("/jolokia", fmt.Sprintf(add, name)); !strings.Contains(w.Body.String(), `"status":200`) {
			t.Fatal(w.Body)
		}
	}
	r.register(newGadget(), "grove:type=New,a=b")
	pull := `{"type":"exec","mbean":"jolokia:type=NotificationStore,agent=test","operation":"pull(java.lang.String,java.lang.String)","arguments":["` + id + `","1"],"config":{"includeRequest":"false"}}`
	got := r.ask("/jolokia", pull).Body.String()
	before, after, _ := strings.Cut(got, `"timeStamp":`)
	if want := `{"value":{"dropped":0,"handback":null,"handle":"1","notifications":[{"mBeanName":{"objectName":"grove:a=b,type=New"},"message":"","sequenceNumber":1,` +
		`"source":{"objectName":"JMImplementation:type=MBeanServerDelegate"},`; !strings.HasPrefix(before, want[:40]) || !strings.Contains(got, `"mBeanName":{"objectName":"grove:a=b,type=New"}`) ||
		!strings.HasSuffix(after, `,"type":"JMX.mbean.registered","userData":null}]},"status":200,"timestamp":1795316645}`) {
		t.Errorf("got %s", got)
	}
	r.want("/jolokia", fmt.Sprintf(add, "grove:type=Gadget"), `{"request":{"type":"notification","command":"add","client":"`+id+`","mbean":"grove:type=Gadget","mode":"pull"},`+
		`"error_type":"java.lang.IllegalArgumentException",".error":true,"error":"The MBean grove:type=Gadget emits no notifications","status":500}`)
	if len(r.audit) != 0 {
		t.Errorf("pulling was audited: %v", r.audit)
	}
	// By GET it has an effect like any other operation.
	if got := r.ask("/jolokia/exec/jolokia:type=NotificationStore,agent=test/pull/"+id+"/1", "").Body.String(); !strings.Contains(got, `"status":403`) {
		t.Error(got)
	}
}

func TestHistoryComesWithAnswers(t *testing.T) {
	r := newRig(t, nil)
	limit := `{"type":"exec","mbean":"jolokia:type=History,agent=test","operation":"setHistoryEntriesForAttribute","arguments":["%s","Speed",null,null,2],"config":{"includeRequest":false}}`
	const done = `{"value":null,"status":200,"timestamp":1795316645}`
	past := func(values ...int) string {
		var list []string
		for _, v := range values {
			list = append(list, fmt.Sprintf(`{"value":%d,"timestamp":1795316645}`, v))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	read := "/jolokia/read/grove:type=Fan,name=one/Speed?includeRequest=false"
	answer := func(v int, history string) string {
		return fmt.Sprintf(`{"value":%d,"status":200,"timestamp":1795316645,"history":%s}`, v, history)
	}
	r.want("/jolokia", fmt.Sprintf(limit, "grove:name=one,type=Fan"), done)
	r.want(read, "", answer(42, past()))
	r.fan.Speed = 43
	r.want(read, "", answer(43, past(42)))
	r.want(read, "", answer(43, past(43, 42)))
	r.want(read, "", answer(43, past(43, 43)))
	r.want("/jolokia/read/grove:type=Fan,name=one/Load,Speed?includeRequest=false", "",
		`{"value":{"Load":0.5,"Speed":43},"status":200,"timestamp":1795316645,"history":{"Speed":`+past(43, 43)+`}}`)
	// A pattern remembers for each bean that it matches.
	r.want("/jolokia", fmt.Sprintf(limit, "grove:type=Fan,*"), done)
	pattern := "/jolokia/read/grove:type=Fan,*/Speed?includeRequest=false"
	r.ask(pattern, "")
	r.want(pattern, "", `{"value":{"grove:type=Fan,name=\"q/u!o,te\\\"d\"":{"Speed":7},"grove:type=Fan,name=one":{"Speed":43}},"status":200,"timestamp":1795316645,`+
		`"history":{"grove:type=Fan,name=\"q/u!o,te\\\"d\"":{"Speed":`+past(7)+`},"grove:type=Fan,name=one":{"Speed":`+past(43, 43)+`}}}`)
	r.want("/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Speed","value":5,"config":{"includeRequest":false}}`, answer(43, past(43, 43)))
	r.want("/jolokia", `{"type":"exec","mbean":"jolokia:type=History,agent=test","operation":"setHistoryEntriesForOperation","arguments":["grove:type=Fan,name=one","add",null,5],"config":{"includeRequest":false}}`, done)
	add := `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add","arguments":[1,%d],"config":{"includeRequest":false}}`
	r.want("/jolokia", fmt.Sprintf(add, 1), answer(2, past()))
	r.want("/jolokia", fmt.Sprintf(add, 2), answer(3, past(2)))
	r.want("/jolokia/read/jolokia:type=History,agent=test?includeRequest=false", "", `{"value":{"HistoryMaxEntries":10,"HistorySize":7},"status":200,"timestamp":1795316645}`)
	r.want("/jolokia", `{"type":"exec","mbean":"jolokia:type=History,agent=test","operation":"resetHistoryEntries","config":{"includeRequest":false}}`, done)
	r.want(read, "", `{"value":5,"status":200,"timestamp":1795316645}`)
}

func TestNothingIsDoneThatIsNotAudited(t *testing.T) {
	r := newRig(t, nil)
	r.deny = errors.New("disk full: secret")
	for _, body := range []string{
		`{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Speed","value":1,"config":{"includeRequest":false}}`,
		`{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"nap","config":{"includeRequest":false}}`,
	} {
		r.want("/jolokia", body, `{"error_type":"java.lang.IllegalStateException",".error":true,"error":"the change could not be audited, so nothing was done","status":503}`)
	}
	if r.fan.Speed != 42 {
		t.Error("the attribute was set")
	}
	if _, err := New(Options{Beans: r.beans, Guard: grant.NewGuard(tree.New(tree.Options{})), ID: "other", Policy: r.server.opts.Policy}); err == nil || err.Error() != "jolokia: the policy allows changes, so there must be an audit" {
		t.Error(err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("an agent without beans")
	}
	if _, err := New(Options{Beans: r.beans, Guard: grant.NewGuard(tree.New(tree.Options{})), ID: "test"}); !errors.Is(err, beans.ErrExists) {
		t.Error("two agents of one name:", err)
	}
}

// TestWithoutAPolicyNothingChanges goes through every operation and attribute of every
// bean, by POST and by GET, in each way of writing the names.
func TestWithoutAPolicyNothingChanges(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Policy = nil })
	names, err := r.beans.Query(t.Context(), beans.Name{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		info, err := r.beans.Info(n)
		if err != nil {
			t.Fatal(err)
		}
		pull := strings.Contains(n.Canonical(), "NotificationStore")
		for _, text := range []string{n.String(), n.Canonical()} {
			quoted, _ := json.Marshal(text)
			for _, a := range info.Attributes {
				body := fmt.Sprintf(`{"type":"write","mbean":%s,"attribute":%q,"value":1}`, quoted, a.Name)
				if got := r.ask("/jolokia", body).Body.String(); !strings.Contains(got, `"status":403`) {
					t.Errorf("%s\n%s", body, got)
				}
			}
			for _, o := range info.Operations {
				for _, operation := range []string{o.Name, o.Name + "()", strings.ToUpper(o.Name), " " + o.Name} {
					body := fmt.Sprintf(`{"type":"EXEC","mbean":%s,"operation":%q}`, quoted, operation)
					if got := r.ask("/jolokia", body).Body.String(); !strings.Contains(got, `"status":403`) && !pull {
						t.Errorf("%s\n%s", body, got)
					}
				}
			}
		}
	}
	for _, pattern := range []string{"*:*", "grove:*", "grove:type=Timer,*", ":type=Timer"} {
		body := fmt.Sprintf(`{"type":"exec","mbean":%q,"operation":"start"}`, pattern)
		if got := r.ask("/jolokia", body).Body.String(); !strings.Contains(got, `"status":403`) {
			t.Errorf("%s\n%s", body, got)
		}
	}
	if len(r.audit) != 0 {
		t.Error(r.audit)
	}
}

func TestGetMayChangeIfThePolicySaysSo(t *testing.T) {
	r := newRig(t, nil)
	p := *r.server.opts.Policy
	r.server.opts.Policy = &p
	if err := parseInto(&p, testPolicy+"get\n"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ target, want string }{
		{"/jolokia/write/grove:type=Fan,name=one/Label/%22%22", `"value":"a \"b\" ü"`},
		{"/jolokia/write/grove:type=Fan,name=one/Label/a!/b!!c!%22", `"value":""`},
		{"/jolokia/write/grove:type=Fan,name=one/Any/[null]", `"value":null`},
		{"/jolokia/write/grove:type=Fan,name=one/Tags/a,b%5C,c", `"value":["x","y","z"]`},
		{"/jolokia/write/grove:type=Fan,name=one/Since/1000", `"value":"2026-11-22T03:04:05.006000000Z"`},
		{"/jolokia/write/grove:type=Fan,name=one/Pause/30", `"value":90.0`},
		{"/jolokia/write/grove:type=Fan,name=one/Usage/7/used", `"value":123`},
		{"/jolokia/exec/grove:type=Fan,name=one/add/1/2", `"value":3`},
		{"/jolokia/exec/grove:type=Fan,name=one/add(long,long)/1/2", `"value":3`},
		{"/jolokia/exec/grove:type=Timer/addNotification(java.lang.String,java.lang.String,java.lang.Object,java.util.Date)/a/[null]b/[null]/4000000000000", `"value":1`},
		{"/jolokia/notification/register", `"maxEntries":100`},
	} {
		if got := r.ask(tt.target, "").Body.String(); !strings.Contains(got, tt.want) || !strings.Contains(got, `"status":200`) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.target, got, tt.want)
		}
	}
	if r.fan.Label != `a/b!c"` || !cmp.Equal(r.fan.Tags, []string{"a", "b,c"}) || r.fan.Pause != 30*time.Second || r.fan.Usage["used"] != "7" {
		t.Errorf("%+v", r.fan)
	}
}

func TestOriginsAndPreflights(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Origins = []string{"https://hawtio.example"} })
	for _, tt := range []struct {
		name, method, origin, asks string
		status                     int
		allow                      string
	}{
		{"no page", "GET", "", "", 200, ""},
		{"own page", "GET", "http://grove.example", "", 200, "http://grove.example"},
		{"listed", "POST", "https://hawtio.example", "", 200, "https://hawtio.example"},
		{"another", "GET", "https://evil.example", "", 403, ""},
		{"another scheme", "GET", "https://grove.example", "", 403, ""},
		{"another port", "GET", "http://grove.example:81", "", 403, ""},
		{"nobody", "POST", "null", "", 403, ""},
		{"preflight", "OPTIONS", "https://hawtio.example", "POST", 204, "https://hawtio.example"},
		{"preflight of another", "OPTIONS", "https://evil.example", "POST", 403, ""},
		{"no preflight", "OPTIONS", "https://hawtio.example", "", 400, "https://hawtio.example"},
		{"another method", "PUT", "", "", 400, ""},
		{"head", "HEAD", "", "", 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(tt.method, "http://grove.example/jolokia/version", strings.NewReader(`{"type":"version"}`))
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			if tt.asks != "" {
				req.Header.Set("Access-Control-Request-Method", tt.asks)
				req.Header.Set("Access-Control-Request-Headers", "content-type,x-a")
			}
			w := httptest.NewRecorder()
			as(r.server, grant.Anonymous).ServeHTTP(w, req)
			h := w.Header()
			if w.Code != tt.status || h.Get("Access-Control-Allow-Origin") != tt.allow || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d %v", w.Code, h)
			}
			if tt.origin != "" && h.Get("Vary") != "Origin" {
				t.Error("the answer does not vary with the origin")
			}
			if tt.status == 204 {
				got := []string{h.Get("Access-Control-Allow-Methods"), h.Get("Access-Control-Allow-Headers"), h.Get("Access-Control-Max-Age")}
				if diff := cmp.Diff([]string{"GET, POST", "content-type,x-a", "7200"}, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestBoundsOfRequests(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct {
		name, target, body string
		status             int
		want               string
	}{
		{"body", "/jolokia", `{"type":"` + strings.Repeat("x", MaxBody) + `"}`, 413, "The body has more than the bound of 1048576 bytes"},
		{"bulk", "/jolokia", "[" + strings.Repeat(`{"type":"version"},`, request.MaxBulk) + `{"type":"version"}]`, 400, "The array has 1001 requests, more than the bound of 1000"},
		{"nesting", "/jolokia", strings.Repeat("[", 100_000), 400, "Invalid JSON request: it nests deeper than the bound of 64"},
		{"path", "/jolokia/read/" + strings.Repeat("x", request.MaxPath), "", 400, "The path has 16390 bytes, more than the bound of 16384"},
		{"parameter p", "/jolokia?p=" + strings.Repeat("x", request.MaxPath+1), "", 400, "The path has 16385 bytes, more than the bound of 16384"},
		{"inner path", "/jolokia/read/a:b=c/d" + strings.Repeat("/x", 65), "", 400, "The path has 65 elements, more than the bound of 64"},
		{"name", "/jolokia/read/a:b=" + strings.Repeat("x", 5000), "", 400, `it has 5004 bytes, more than the bound of 4096`},
		{"handback", "/jolokia", `{"type":"notification","command":"add","client":"c","mode":"pull","mbean":"a:b=c","handback":"` + strings.Repeat("x", 5000) + `"}`, 400, "The handback has more than the bound of 4096 bytes"},
		{"filter", "/jolokia", `{"type":"notification","command":"add","client":"c","mode":"pull","mbean":"a:b=c","filter":[` + strings.Repeat(`"x",`, 64) + `"x"]}`, 400, "The filter has 65 prefixes, more than the bound of 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := r.ask(tt.target, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || w.Body.Len() > 1000 {
				t.Errorf("%d %.500s", w.Code, w.Body)
			}
		})
	}
}

// TestOwnBeans holds the agent's beans to what every bean promises.
func TestOwnBeans(t *testing.T) {
	r := newRig(t, nil)
	names, err := r.beans.Query(t.Context(), beans.MustName("jolokia:*"), nil)
	if err != nil || len(names) != 4 {
		t.Fatal(err, names)
	}
	for _, n := range names {
		b, err := r.beans.Bean(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, violation := range beanstest.Check(t.Context(), b) {
			t.Errorf("%s: %v", n, violation)
		}
	}
	r.server.Close()
	if names, err = r.beans.Query(t.Context(), beans.MustName("jolokia:*"), nil); err != nil || len(names) != 0 {
		t.Error("beans are left:", names, err)
	}
}

func TestMetricsAreCounted(t *testing.T) {
	r := newRig(t, nil)
	r.ask("/jolokia/version", "")
	r.ask("/jolokia/frob", "")
	r.ask("/jolokia", `[{"type":"read","mbean":"a:b=c"},{"type":"exec","mbean":"a:b=c","operation":"d"},{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add"}]`)
	r.client()
	var b bytes.Buffer
	r.set.WritePrometheus(&b)
	for _, want := range []string{
		`grove_jolokia_requests_total{type="version",outcome="ok"} 1`,
		`grove_jolokia_requests_total{type="none",outcome="malformed"} 1`,
		`grove_jolokia_requests_total{type="read",outcome="error"} 1`,
		`grove_jolokia_requests_total{type="exec",outcome="denied"} 1`,
		`grove_jolokia_requests_total{type="exec",outcome="malformed"} 1`,
		`grove_jolokia_requests_total{type="list",outcome="ok"} 0`,
		"grove_jolokia_notification_clients 1",
		"grove_jolokia_notifications_dropped_total 0",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for name := range MetricHelp() {
		if !strings.Contains(b.String(), name) {
			t.Errorf("%s has help and is not measured", name)
		}
	}
}
