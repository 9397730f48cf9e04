package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/cmd/app"
	"grove/viewer"
)

// discovering is a manager whose instances are listed in a file.
type discovering struct {
	*app.App
	t    *testing.T
	dir  string // of the definitions
	data string
	list string // the file
}

const listed = `grove: 1
application: server
parameters: { address: { type: address, required: true } }
probes: { port: { kind: tcp, address: "${address}", every: 200ms } }
tree:
  Answer: { from: port.up }
  Time: { from: port.connect_time }
---
use: server
name: shop
at: /shop/${row.address}
each: { kind: targets, files: [LIST], labels: [], every: 100ms }
where: row.port < 1000
with: { address: "${row.target}" }
keep: 0s
`

func (d *discovering) start() {
	d.t.Helper()
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: d.data, Definitions: d.dir, NoHost: true})
	if err != nil {
		d.t.Fatal(err)
	}
	d.App = a
	a.Start()
}

func (d *discovering) stop() {
	http.DefaultClient.CloseIdleConnections()
	if err := d.Stop(context.Background()); err != nil {
		d.t.Error(err)
	}
}

// write puts a file in place at once, so that nobody reads the half of it.
func (d *discovering) write(file, text string) {
	d.t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		d.t.Fatal(err)
	}
}

// instances are those that the page lists, but grove's own.
func (d *discovering) instances() string {
	var names []string
	for _, i := range d.Definitions().Instances {
		if i.Name != "grove" {
			names = append(names, i.Name+" "+i.At)
			if why := "row \"" + strings.TrimPrefix(i.At, "/shop/"); i.Name != "discovery-shop" && i.State == "running" && !strings.HasPrefix(i.Why, why) {
				d.t.Errorf("%s is there because of %s", i.Name, i.Why)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// nodeSaid is what the API says of a node, as far as it matters here.
type nodeSaid struct {
	Status string `json:"status"`
	Text   string `json:"text"`
	Beans  []struct {
		Source   string  `json:"source"`
		Kind     string  `json:"kind"`
		Error    string  `json:"error"`
		LastRun  string  `json:"last_run"`
		Duration float64 `json:"duration_seconds"`
		Runs     uint64  `json:"runs"`
		Failures uint64  `json:"failures"`
	} `json:"beans"`
}

func (d *discovering) node(path string) (n nodeSaid) {
	res, err := http.Get("http://" + d.Addr().String() + "/api/v1/nodes" + path)
	if err != nil {
		return n
	}
	defer res.Body.Close()
	_ = json.NewDecoder(res.Body).Decode(&n)
	return n
}

func (d *discovering) await(what string, holds func() bool) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); !holds(); <-tick.C {
		if time.Now().After(late) {
			d.t.Fatalf("%s; the instances are %s, the discovery is %+v", what, d.instances(), d.node("/grove/Discovery/shop/State"))
		}
	}
}

const (
	runs = "discovery-shop /grove/Discovery/shop"
	both = runs + ", shop-a_80 /shop/a, shop-b_80 /shop/b"
)

// TestDiscoveredInstances come and go with the rows of a probe while the manager runs; one
// that fails takes none away, and says why at its node, and a restart keeps them.
func TestDiscoveredInstances(t *testing.T) {
	d := &discovering{t: t, dir: t.TempDir(), data: t.TempDir()}
	d.list = filepath.Join(t.TempDir(), "list")
	d.write(d.list, "a:80\nb:80\nc:8080\n")
	d.write(filepath.Join(d.dir, "shop.yaml"), strings.ReplaceAll(listed, "LIST", d.list))
	d.start()
	d.await("rows make no instances", func() bool { return d.instances() == both })
	d.await("it says nothing", func() bool { return d.node("/grove/Discovery/shop/State").Status == "green" })

	res, err := http.Post("http://"+d.Addr().String()+"/api/v1/plan", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	var plan app.PlanAnswer
	err = json.NewDecoder(res.Body).Decode(&plan)
	_ = res.Body.Close()
	if err != nil || plan.Text != "nothing would change\n  discovery shop: row \"c:8080\" makes no instance: where does not hold\n" {
		t.Errorf("the plan says %s, %v", plan.Text, err)
	}
	file := filepath.Join(d.dir, "shop.yaml")
	body, err := json.Marshal(app.PlanRequest{Files: []app.PlanFile{{Name: "shop.yaml", Text: strings.ReplaceAll(strings.Replace(listed, "row.port < 1000", "row.port > 1", 1), "LIST", d.list)}}})
	if err != nil {
		t.Fatal(err)
	}
	if res, err = http.Post("http://"+d.Addr().String()+"/api/v1/plan", "application/json", strings.NewReader(string(body))); err != nil {
		t.Fatal(err)
	}
	err = json.NewDecoder(res.Body).Decode(&plan)
	_ = res.Body.Close()
	if err != nil || !strings.HasPrefix(plan.Text, "+ instance shop-c_8080 (server) at /shop/c: row \"c:8080\"\n") {
		t.Errorf("the plan says %s, %v", plan.Text, err)
	}

	d.write(d.list, "b:80\nc:80\n")
	want := runs + ", shop-b_80 /shop/b, shop-c_80 /shop/c"
	d.await("they do not follow the rows", func() bool { return d.instances() == want })

	// It fails: its node says why, and how long the run took.
	if err := os.Remove(d.list); err != nil {
		t.Fatal(err)
	}
	state := "/grove/Discovery/shop/State"
	why := "open " + d.list + ": no such file or directory"
	d.await("the failure is not shown", func() bool {
		n := d.node(state)
		return n.Status == "red" && len(n.Beans) == 1 && n.Beans[0].Error == why && n.Beans[0].Failures > 0 && n.Beans[0].LastRun != "" && n.Beans[0].Duration > 0
	})
	if got := d.instances(); got != want {
		t.Errorf("after a failure there are %s", got)
	}
	// The port of a target does not answer: its node says why, too.
	d.await("the error of a probe that is down is not shown", func() bool {
		n := d.node("/shop/b/Time")
		return n.Status == "white" && len(n.Beans) == 1 && n.Beans[0].Error != "" && n.Beans[0].Kind == "tcp"
	})
	d.stop()

	d.start()
	if got := d.instances(); got != want {
		t.Errorf("after a restart there are %s", got)
	}
	d.await("the failure is not shown after a restart", func() bool { return d.node(state).Status == "red" })
	if got := d.instances(); got != want {
		t.Errorf("after a restart and a failure there are %s", got)
	}
	d.write(d.list, "b:80\n")
	d.await("they do not follow the rows any more", func() bool { return d.instances() == runs+", shop-b_80 /shop/b" })

	// A mistake in the file takes nothing away; without the file they are gone.
	d.write(file, strings.ReplaceAll(strings.Replace(listed, "row.port", "row.prot", 1), "LIST", d.list))
	d.await("a mistake is not told", func() bool {
		return slices.ContainsFunc(d.Definitions().Instances, func(i viewer.Instance) bool { return i.Name == "shop-b_80" && i.State == "kept" })
	})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	d.await("they stay without their file", func() bool { return d.instances() == "" })
	d.stop()
}
