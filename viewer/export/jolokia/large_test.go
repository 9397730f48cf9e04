package jolokia

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
)

// values is how many nodes with a value newForest makes.
var values = 100_000

// newForest returns an agent before a tree of many values and what is above them.
func newForest(t testing.TB) (*Server, *tree.Tree) {
	t.Helper()
	s, err := beans.NewServer(beans.ServerOptions{DefaultDomain: monitor.Domain})
	if err != nil {
		t.Fatal(err)
	}
	tr := tree.New(tree.Options{})
	spec := &tree.Spec{Kind: tree.Performance, Unit: "s", Description: "how long it takes", Threshold: &tree.Threshold{Red: tree.AboveLevel(900, 800)}}
	var ops []tree.Op
	path := func(i int) tree.Path { return tree.MustPath(fmt.Sprintf("/site%d/host%d/value%d", i/1000, i/10, i)) }
	for i := range values {
		ops = append(ops, tree.Add(path(i), spec))
	}
	if err := tr.Change(ops...); err != nil {
		t.Fatal(err)
	}
	var batch []tree.Reading
	for i := range values {
		ref, _ := tr.Lookup(path(i))
		batch = append(batch, tree.Reading{Node: ref, Value: float64(i) / 100})
	}
	tr.Apply(batch)
	tr.Flush()
	if _, err := s.Mount(monitor.Domain, monitor.Type, monitor.NewDirectory(tr, nil)); err != nil {
		t.Fatal(err)
	}
	agent, err := New(Options{Beans: s, Guard: grant.NewGuard(tr), Version: "1.2.3", Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Close)
	return agent, tr
}

func TestHundredThousandNodes(t *testing.T) {
	agent, tr := newForest(t)
	nodes := tr.Len()
	ask := func(target, body string) (status int, text string, value any, size int) {
		t.Helper()
		req := httptest.NewRequest("GET", target, nil)
		if body != "" {
			req = httptest.NewRequest("POST", target, strings.NewReader(body))
		}
		w := httptest.NewRecorder()
		begin := time.Now()
		agent.ServeHTTP(w, req.WithContext(grant.With(req.Context(), grant.Anonymous)))
		t.Logf("%s %s: %v, %d bytes", target, body, time.Since(begin).Round(time.Millisecond), w.Body.Len())
		var a struct {
			Status int
			Error  string
			Value  any
		}
		size = w.Body.Len()
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		return a.Status, a.Error, a.Value, size
	}

	status, _, v, _ := ask("/jolokia/search/grove:type=Node,*", "")
	if list, _ := v.([]any); status != 200 || len(list) != nodes {
		t.Errorf("search: %d, %d names", status, len(list))
	}
	status, _, v, _ = ask(`/jolokia/search/grove:type=Node,path=%22!/site2!/host212!/*%22`, "")
	if list, _ := v.([]any); status != 200 || len(list) != 10 {
		t.Errorf("search of a host: %d, %d names", status, len(list))
	}
	status, _, v, _ = ask("/jolokia", `{"type":"read","mbean":"grove:type=Node,*","attribute":"Value"}`)
	m, _ := v.(map[string]any)
	one, _ := m[`grove:type=Node,path="/site2/host212/value2123"`].(map[string]any)
	if status != 200 || len(m) != values || one["Value"] != 21.23 {
		t.Errorf("pattern read: %d, %d beans, %v", status, len(m), one)
	}
	status, _, v, _ = ask("/jolokia/list?maxDepth=9&listCache=true", "")
	m, _ = v.(map[string]any)
	domains, _ := m["domains"].(map[string]any)
	listed, _ := domains["grove"].(map[string]any)
	cache, _ := m["cache"].(map[string]any)
	if status != 200 || len(listed) != nodes || len(cache) > 20 {
		t.Errorf("list with the cache: %d, %d beans, %d descriptions", status, len(listed), len(cache))
	}
	status, _, v, _ = ask("/jolokia/list?maxDepth=2", "")
	domains, _ = v.(map[string]any)
	if listed, _ := domains["grove"].(map[string]any); status != 200 || len(listed) != nodes {
		t.Errorf("list of names: %d, %d beans", status, len(listed))
	}

	// What would be too large is refused with what to do, and does not grow first.
	agent.opts.MaxAnswer = values * 10
	const list, read = "ask for a part of the list with a path, with maxDepth=2 or with listCache=true", "ask for fewer beans or attributes"
	for target, advice := range map[string]string{
		"/jolokia/list":                              list,
		"/jolokia/list?maxDepth=2":                   list,
		"/jolokia/list?listKeys=true&listCache=true": list, // each has keys of its own
		"/jolokia/read/grove:type=Node,*":            read,
		"/jolokia/search/*:*":                        read,
	} {
		status, text, _, size := ask(target, "")
		if want := fmt.Sprintf("the answer is larger than the bound of %d bytes: %s", agent.opts.MaxAnswer, advice); status != 500 || text != want || size > 1000 {
			t.Errorf("%s\n%d %s (%d bytes)", target, status, text, size)
		}
	}
	// A bulk shares the bound, and each request beyond it has only its error.
	agent.opts.MaxAnswer = 200_000
	w := httptest.NewRecorder()
	as(agent, grant.Anonymous).ServeHTTP(w, httptest.NewRequest("POST", "/jolokia", strings.NewReader("["+
		strings.Repeat(`{"type":"read","mbean":"grove:type=Node,path=\"/site2/host212/value2123\""},`, 999)+`{"type":"version"}]`)))
	if size := w.Body.Len(); size > 1<<20 || !strings.Contains(w.Body.String(), `"status":200`) || !strings.Contains(w.Body.String(), "larger than the bound") {
		t.Errorf("a bulk of %d bytes", size)
	}
}
