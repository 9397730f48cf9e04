package document

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

var update = flag.Bool("update", false, "write the golden files")

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixed is a list of managers.
type fixed []Manager

func (f fixed) Managers() []Manager { return f }

// world is a tree with something of everything.
type world struct {
	tree     *tree.Tree
	now      time.Time
	managers fixed
}

func at(text string) tree.Path { return tree.MustPath(text) }

func (w *world) add(t *testing.T, p string, s *tree.Spec) tree.Ref {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(p, err)
	}
	r, err := w.tree.Add(at(p), s)
	if err != nil {
		t.Fatal(p, err)
	}
	return r
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: begin}
	w.tree = tree.New(tree.Options{Now: func() time.Time { return w.now }})
	percent := &tree.Spec{Kind: tree.Performance, Unit: "%", Description: "In use.", Threshold: &tree.Threshold{
		Yellow: tree.AboveLevel(85, 80), Red: tree.AboveLevel(95, 95), StaleAfter: time.Minute,
	}}
	size := &tree.Spec{Kind: tree.Performance, Unit: "bytes"}
	up := &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "down": tree.Red}}}
	number := func(p string, s *tree.Spec, v float64) {
		w.tree.Apply([]tree.Reading{{Node: w.add(t, p, s), Value: v}})
	}
	w.add(t, "/web1", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"location": "Fort Collins", "contact": "ops@shop.example, +1 970 555 0100"}})
	number("/web1/CPU/Used", percent, 97.25)
	number("/web1/Memory/Used", percent, 42)
	number("/web1/File systems/~1var/Free", size, 1288490188.8)
	w.add(t, "/web1/Swap", percent) // no reading yet

	w.add(t, "/net/core1", &tree.Spec{Kind: tree.Group, Properties: map[string]string{
		"location": "Denver", "portal": "http://admin:secret@core1.example/", "customer": "ATT, AOL", "type": "switch", "label": "Core 1", "rack": "12",
	}})
	r := w.add(t, "/net/core1/Agent/State", up)
	w.tree.Report(tree.Report{Node: r, Value: tree.Text("up")})
	number("/net/core1/Ports/eth0/Use", percent, 12)
	w.add(t, "/net/core1/Ports/eth1", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "Qwest"}})
	number("/net/core1/Ports/eth1/Use", percent, 90)

	w.add(t, "/shop/front", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"service": "checkout", "host": "web1", "customer": "ATT"}})
	number("/shop/front/Response time", &tree.Spec{Kind: tree.Performance, Unit: "s"}, 0.0625)
	log := w.add(t, "/shop/front/Log", &tree.Spec{Kind: tree.Log})
	w.tree.Report(tree.Report{Node: log, Events: []tree.Event{{Time: begin, Status: tree.Yellow, Text: "slow"}}})
	w.add(t, "/data/orders", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"service": "checkout"}})
	number("/data/orders/Rows", &tree.Spec{Kind: tree.Performance}, 1234567)
	number("/plain/deep/Value", &tree.Spec{Kind: tree.Performance}, 1)
	number("/Lonely", size, 5)
	w.tree.Flush()
	w.now = begin.Add(30 * time.Second)
	w.managers = fixed{{
		ID: "em1", Name: "ABC", Version: "1.2.3", Host: "web1.example", Address: "http://web1.example:7440", Failover: "em3", Location: "Fort Collins",
		Instances: []Instance{
			{Name: "web1", Application: "linux-host", Title: "Linux host", Description: "A machine.", Where: at("/web1"), Kinds: []string{"host", "process"}},
			{Name: "core1", Application: "snmp-switch", Title: "Switch by SNMP", Where: at("/net/core1"), Kinds: []string{"snmp"},
				Parameters: map[string]any{"address": "10.0.0.1:161", "community": "secret"}},
			{Name: "front", Application: "web-service", Title: "Web service", Where: at("/shop/front"), Kinds: []string{"http"},
				Parameters: map[string]any{"url": "https://user:secret@shop.example/cart?token=secret"}, Errors: []string{"front.yaml:3:1: unknown setting \"yelow\""}},
			{Name: "broken", Application: "nginx", Where: at("/shop/broken"), Errors: []string{"broken.yaml:1:1: nothing of it is right"}},
		},
	}}
	return w
}

func (w *world) maker(t *testing.T) *Maker {
	t.Helper()
	m, err := NewMaker(Options{Tree: w.tree, Managers: w.managers, Version: "1.2.3", Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *world) document(t *testing.T, q Query) *Document {
	t.Helper()
	d, err := w.maker(t).Make(q)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func all() Query { return Query{Depth: -1} }

func written(t *testing.T, d *Document, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b, format, "/documents/static"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); go test -update writes it\n%s", name, diff)
	}
}

// tool finds a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return p
}

// validate holds XML to the schema with xmllint.
func validate(t *testing.T, xml []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "xmllint"), "--noout", "--nonet", "--schema", "static/"+SchemaXSD, "-")
	cmd.Stdin = bytes.NewReader(xml)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, clipLines(string(out)))
	}
}

func clipLines(s string) string {
	if lines := strings.SplitAfterN(s, "\n", 20); len(lines) == 20 {
		return strings.Join(lines[:19], "")
	}
	return s
}

func reportOf(r tree.Ref, v float64) tree.Report { return tree.Report{Node: r, Value: tree.Number(v)} }
