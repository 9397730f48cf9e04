package jolokia

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/beans/timer"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer/export/jolokia/policy"
)

// shared is an agent over a tree of two customers.
type shared struct {
	*testing.T
	agent  *Server
	tree   *tree.Tree
	nodes  *monitor.Directory
	audits []string
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{T: t}
	s.tree = tree.New(tree.Options{Statuses: func(c []tree.StatusChange) {
		if s.nodes != nil {
			s.nodes.Publish(c)
		}
	}})
	red := &tree.Threshold{Red: tree.AboveLevel(10, 10)}
	for _, n := range []struct {
		path string
		spec tree.Spec
	}{
		{"/shop", tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "acme"}}},
		{"/shop/cpu", tree.Spec{Kind: tree.Performance, Threshold: red}},
		{"/shop/other", tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "zenith"}}},
		{"/shop/other/gold", tree.Spec{Kind: tree.Performance, Threshold: red}},
	} {
		if _, err := s.tree.Add(tree.MustPath(n.path), &n.spec); err != nil {
			t.Fatal(err)
		}
	}
	server, err := beans.NewServer(beans.ServerOptions{DefaultDomain: monitor.Domain, ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.nodes = monitor.NewDirectory(s.tree, nil)
	if _, err := server.Mount(monitor.Domain, monitor.Type, s.nodes); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Register(timer.New(), beans.MustName("grove:type=Timer")); err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("grove:* write *\ngrove:* exec *\njolokia:* exec *", monitor.Domain)
	if err != nil {
		t.Fatal(err)
	}
	s.agent, err = New(Options{Beans: server, Guard: grant.NewGuard(s.tree), ID: "test", Policy: p, Now: func() time.Time { return then }, KeepAlive: time.Hour, Audit: func(ctx context.Context, a Act) (func(error), error) {
		s.audits = append(s.audits, grant.Of(ctx).Name+" "+a.Member)
		return func(error) {}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.agent.Close)
	s.set("/shop/cpu", 20)
	s.set("/shop/other/gold", 20)
	return s
}

func (s *shared) set(path string, v float64) {
	s.Helper()
	ref, _ := s.tree.Lookup(tree.MustPath(path))
	if s.tree.Apply([]tree.Reading{{Node: ref, Value: v}}) != 1 {
		s.Fatal(path)
	}
	s.tree.Flush()
}

func subject(t *testing.T, texts ...string) *grant.Subject {
	t.Helper()
	s := &grant.Subject{Name: "ada"}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	return s
}

// ask sends a body as somebody and returns the answer without the request and the time.
func (s *shared) ask(who *grant.Subject, body string) string {
	s.Helper()
	w := httptest.NewRecorder()
	as(s.agent, who).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/jolokia?includeRequest=false", strings.NewReader(body)))
	return regexp.MustCompile(`,"timestamp":\d+`).ReplaceAllString(w.Body.String(), "")
}

const gone = `{"error_type":"javax.management.InstanceNotFoundException",".error":true,"error_type_jmx":"javax.management.InstanceNotFoundException","error":`

func node(path string) string { return `grove:type=Node,path=\"` + path + `\"` }

func absent(path string) string {
	return gone + `"grove:path=\"` + path + `\",type=Node","status":404}`
}

func TestBeansOfWhatIsSeen(t *testing.T) {
	s := newShared(t)
	denied := func(what string) string {
		return `{"error_type":"java.lang.SecurityException",".error":true,"error":"` + what + `","status":403}`
	}
	for name, c := range map[string]struct {
		grants []string
		body   string
		want   string
	}{
		"a node":                   {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":"` + node("/shop/cpu") + `","attribute":"Value"}`, `{"value":20.0,"status":200}`},
		"without its domain":       {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":":type=Node,path=\"/shop/other/gold\"","attribute":"Value"}`, absent("/shop/other/gold")},
		"a hidden node":            {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":"` + node("/shop/other/gold") + `","attribute":"Value"}`, absent("/shop/other/gold")},
		"no node":                  {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":"` + node("/shop/other/golf") + `","attribute":"Value"}`, absent("/shop/other/golf")},
		"the way":                  {[]string{"viewer /shop/cpu"}, `{"type":"read","mbean":"` + node("/shop") + `","attribute":"Status"}`, absent("/shop")},
		"a part of it hidden":      {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":"` + node("/shop") + `","attribute":["Status","Kind"]}`, `{"value":{"Status":"red","Kind":"group"},"status":200}`},
		"what tells of below":      {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":"` + node("/shop") + `","attribute":"Counts"}`, `{"error_type":"javax.management.AttributeNotFoundException",".error":true,"error_type_jmx":"javax.management.AttributeNotFoundException","error":"No such attribute: Counts","status":404}`},
		"of below, seen":           {[]string{"viewer /shop"}, `{"type":"read","mbean":"` + node("/shop") + `","attribute":"Children"}`, `{"value":2,"status":200}`},
		"a pattern":                {[]string{"viewer / customer=acme"}, `{"type":"read","mbean":"grove:type=Node,*","attribute":"Status"}`, `{"value":{"grove:type=Node,path=\"/shop\"":{"Status":"red"},"grove:type=Node,path=\"/shop/cpu\"":{"Status":"red"}},"status":200}`},
		"another bean":             {[]string{"admin /shop"}, `{"type":"read","mbean":"grove:type=Timer","attribute":"Active"}`, gone + `"grove:type=Timer","status":404}`},
		"another bean, whole":      {[]string{"viewer"}, `{"type":"read","mbean":"grove:type=Timer","attribute":"Active"}`, `{"value":false,"status":200}`},
		"a search":                 {[]string{"viewer / customer=acme"}, `{"type":"search","mbean":"*:*"}`, `{"value":["grove:type=Node,path=\"/shop\"","grove:type=Node,path=\"/shop/cpu\"","jolokia:type=NotificationStore,agent=test"],"status":200}`},
		"a search since":           {[]string{"viewer /shop/cpu"}, `{"type":"search","mbean":"grove:*","config":{"ifModifiedSince":2000000000}}`, `{"value":["grove:type=Node,path=\"/shop/cpu\""],"status":200}`},
		"a list":                   {[]string{"viewer / customer=acme"}, `{"type":"list","path":"grove","config":{"maxDepth":2}}`, `{"value":{"type=Node,path=\"/shop\"":1,"type=Node,path=\"/shop/cpu\"":1},"status":200}`},
		"a list of a hidden one":   {[]string{"viewer / customer=acme"}, `{"type":"list","path":"grove/type=Node,path=\"!/shop!/other\""}`, absent("/shop/other")},
		"a write by a viewer":      {[]string{"operator /shop"}, `{"type":"write","mbean":"` + node("/shop/cpu") + `","attribute":"ClearAfter","value":"1s"}`, denied("not allowed: ada needs the role editor on /shop/cpu")},
		"a write of a hidden one":  {[]string{"admin / customer=acme"}, `{"type":"write","mbean":"` + node("/shop/other/gold") + `","attribute":"ClearAfter","value":"1s"}`, absent("/shop/other/gold")},
		"a write of none":          {[]string{"admin / customer=acme"}, `{"type":"write","mbean":"` + node("/shop/other/golf") + `","attribute":"ClearAfter","value":"1s"}`, absent("/shop/other/golf")},
		"an operation by a viewer": {[]string{"viewer /shop"}, `{"type":"exec","mbean":"` + node("/shop/cpu") + `","operation":"refresh"}`, denied("not allowed: ada needs the role operator on /shop/cpu")},
		"of an operator":           {[]string{"operator / customer=acme"}, `{"type":"exec","mbean":"` + node("/shop") + `","operation":"causes"}`, `{"value":["/shop/cpu"],"status":200}`},
		"a reset by an operator":   {[]string{"operator /shop"}, `{"type":"exec","mbean":"` + node("/shop/cpu") + `","operation":"reset"}`, denied("not allowed: ada needs the role editor on /shop/cpu")},
		"a reset of a part":        {[]string{"admin / customer=acme"}, `{"type":"exec","mbean":"` + node("/shop") + `","operation":"reset"}`, denied(`Operation reset forbidden for MBean grove:path=\"/shop\",type=Node: it would change what is hidden below the node, too`)},
		"an operation of a hidden": {[]string{"admin / customer=acme"}, `{"type":"exec","mbean":"` + node("/shop/other") + `","operation":"causes"}`, absent("/shop/other")},
		"of a pattern":             {[]string{"operator / customer=acme"}, `{"type":"exec","mbean":"grove:type=Node,path=*o*","operation":"causes"}`, `{"value":{"grove:type=Node,path=\"/shop\"":["/shop/cpu"],"grove:type=Node,path=\"/shop/cpu\"":["/shop/cpu"]},"status":200}`},
		"of another bean":          {[]string{"operator"}, `{"type":"exec","mbean":"grove:type=Timer","operation":"start"}`, denied("not allowed: ada needs the role admin on /")},
		"of another, hidden":       {[]string{"admin /shop"}, `{"type":"exec","mbean":"grove:type=Timer","operation":"start"}`, gone + `"grove:type=Timer","status":404}`},
		"nobody":                   {nil, `{"type":"search","mbean":"*:*"}`, `{"value":["jolokia:type=NotificationStore,agent=test"],"status":200}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, s.ask(subject(t, c.grants...), c.body)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := s.ask(subject(t, "editor / customer=acme"), `{"type":"write","mbean":"`+node("/shop/cpu")+`","attribute":"ClearAfter","value":"1s"}`); !strings.Contains(got, `"status":200`) {
		t.Errorf("an editor: %s", got)
	}
	for _, line := range s.audits {
		if !strings.HasPrefix(line, "ada ") {
			t.Errorf("in the audit log is %q", line)
		}
	}
}

// TestHistoryIsForTheWhole holds that values which others got are not for everybody.
func TestHistoryIsForTheWhole(t *testing.T) {
	s := newShared(t)
	if got := s.ask(grant.Anonymous, `{"type":"exec","mbean":"jolokia:type=History,agent=test","operation":"setHistoryEntriesForOperation","arguments":["grove:type=Node,path=\"/shop\"","causes",null,10]}`); !strings.Contains(got, `"status":200`) {
		t.Fatal(got)
	}
	causes := `{"type":"exec","mbean":"` + node("/shop") + `","operation":"causes"}`
	for range 2 {
		if got := s.ask(grant.Anonymous, causes); !strings.Contains(got, "gold") {
			t.Fatal(got)
		}
		if got := s.ask(subject(t, "operator / customer=acme"), causes); strings.Contains(got, "gold") || strings.Contains(got, "history") {
			t.Error(got)
		}
	}
}

func (s *shared) value(answer string) (v any) {
	s.Helper()
	var a struct{ Value any }
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		s.Fatalf("%s: %v", answer, err)
	}
	return a.Value
}

// TestNotificationsOfWhatIsSeen listens to everything, then loses a right.
func TestNotificationsOfWhatIsSeen(t *testing.T) {
	s := newShared(t)
	ada := subject(t, "viewer / customer=acme")
	client := s.value(s.ask(ada, `{"type":"notification","command":"register"}`)).(map[string]any)["id"].(string)
	for body, want := range map[string]string{
		`{"type":"notification","command":"add","client":"` + client + `","mode":"pull","mbean":"` + node("/shop/other/gold") + `"}`: absent("/shop/other/gold"),
		`{"type":"notification","command":"add","client":"` + client + `","mode":"pull","mbean":"` + node("/shop/other/golf") + `"}`: absent("/shop/other/golf"),
	} {
		if diff := cmp.Diff(want, s.ask(ada, body)); diff != "" {
			t.Error(diff)
		}
	}
	handle := s.value(s.ask(ada, `{"type":"notification","command":"add","client":"`+client+`","mode":"pull","mbean":"grove:type=Node,*"}`)).(string)
	pull := `{"type":"exec","mbean":"jolokia:type=NotificationStore,agent=test","operation":"pull","arguments":["` + client + `","` + handle + `"]}`
	change := func() {
		for _, path := range []string{"/shop/cpu", "/shop/other/gold"} {
			s.set(path, 1)
			s.set(path, 20)
		}
	}
	change()
	if got := s.ask(ada, pull); strings.Contains(got, "gold") || strings.Count(got, "/shop/cpu went") != 2 {
		t.Error(got)
	}
	change()
	if got := s.ask(subject(t, "viewer / customer=zenith"), pull); strings.Contains(got, "went") {
		t.Errorf("who sees something else gets %s", got)
	}
}

// TestStreamsEndWithTheirSession logs out while a stream is open.
func TestStreamsEndWithTheirSession(t *testing.T) {
	s := newShared(t)
	var out atomic.Bool
	ada := subject(t, "viewer")
	ada.Valid = func() bool { return !out.Load() }
	client := s.value(s.ask(ada, `{"type":"notification","command":"register"}`)).(map[string]any)["id"].(string)
	server := httptest.NewServer(as(s.agent, ada))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/jolokia/notification/open/"+client+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out.Store(true)
	buf := make([]byte, 1024)
	for err == nil { // until the server ends it
		_, err = res.Body.Read(buf)
	}
	if _, err := New(Options{Beans: s.agent.opts.Beans}); err == nil {
		t.Error("an agent without a guard is made")
	}
}
