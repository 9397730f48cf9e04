package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/moment"
)

// TestTimeTravel asks a manager what it was a moment ago, by what it has recorded of
// itself.
func TestTimeTravel(t *testing.T) {
	a, err := New(Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Name: "north", Definitions: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	a.Start()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	get := func(into any, status int, path string, query ...string) {
		t.Helper()
		q := url.Values{}
		for i := 0; i < len(query); i += 2 {
			q.Set(query[i], query[i+1])
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr().String()+path+"?"+q.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != status {
			t.Fatalf("%s: %s, %v: %+v", path, res.Status, err, into)
		}
	}
	path := tree.MustPath("/trip/load")
	ref, err := a.Tree.Add(path, &tree.Spec{Kind: tree.Performance, Mode: tree.Push, Unit: "MB"})
	if err != nil {
		t.Fatal(err)
	}
	a.Tree.Apply([]tree.Reading{{Node: ref, Value: 42}})
	// A node is there from the first record of it, which is made a moment after the node.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	at := time.Now()
	for begin := at; ; at = <-again.C {
		res, err := client.Get("http://" + a.Addr().String() + "/api/v1/nodes/trip/load?at=" + url.QueryEscape(at.Format(time.RFC3339Nano)))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			break
		}
		if at.Sub(begin) > 10*time.Second {
			t.Fatal(res.Status)
		}
	}
	var then viewer.Details
	get(&then, http.StatusOK, "/api/v1/nodes/trip/load", "at", at.Format(time.RFC3339Nano))
	if v, _ := then.Value.Number(); v != 42 || then.Status != "green" || then.Unit != "MB" {
		t.Errorf("%+v", then)
	}
	var all moment.Moments
	get(&all, http.StatusOK, "/api/v1/moments", "path", "/trip")
	if len(all.Marks) == 0 || all.From == "" || all.Some {
		t.Errorf("%+v", all)
	}
	var no struct{ Detail string }
	get(&no, http.StatusUnprocessableEntity, "/api/v1/nodes/trip/load", "at", at.Add(time.Hour).Format(time.RFC3339Nano))
	if !strings.Contains(no.Detail, "is outside of what the history holds, from ") {
		t.Errorf("the future: %s", no.Detail)
	}
}
