// Package documenttest has the tree of which the tests of documents make some.
package documenttest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document"
)

// Begin is when the world begins.
var Begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Fixed is a list of managers.
type Fixed []document.Manager

// Managers implements document.Managers.
func (f Fixed) Managers() []document.Manager { return f }

// World is a tree with something of everything.
type World struct {
	Tree     *tree.Tree
	Clock    time.Time // what time it is
	Managers Fixed
}

// At parses a path.
func At(text string) tree.Path { return tree.MustPath(text) }

// Add adds a node.
func (w *World) Add(t *testing.T, p string, s *tree.Spec) tree.Ref {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(p, err)
	}
	r, err := w.Tree.Add(At(p), s)
	if err != nil {
		t.Fatal(p, err)
	}
	return r
}

// New returns a world.
func New(t *testing.T) *World {
	t.Helper()
	w := &World{Clock: Begin}
	w.Tree = tree.New(tree.Options{Now: func() time.Time { return w.Clock }})
	percent := &tree.Spec{Kind: tree.Performance, Unit: "%", Description: "In use.", Threshold: &tree.Threshold{
		Yellow: tree.AboveLevel(85, 80), Red: tree.AboveLevel(95, 95), StaleAfter: time.Minute,
	}}
	size := &tree.Spec{Kind: tree.Performance, Unit: "bytes"}
	up := &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "down": tree.Red}}}
	number := func(p string, s *tree.Spec, v float64) {
		w.Tree.Apply([]tree.Reading{{Node: w.Add(t, p, s), Value: v}})
	}
	w.Add(t, "/web1", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"location": "Fort Collins", "contact": "ops@shop.example, +1 970 555 0100"}})
	number("/web1/CPU/Used", percent, 97.25)
	number("/web1/Memory/Used", percent, 42)
	number("/web1/File systems/~1var/Free", size, 1288490188.8)
	w.Add(t, "/web1/Swap", percent) // no reading yet

	w.Add(t, "/net/core1", &tree.Spec{Kind: tree.Group, Properties: map[string]string{
		"location": "Denver", "portal": "http://admin:secret@core1.example/", "customer": "ATT, AOL", "type": "switch", "label": "Core 1", "rack": "12",
	}})
	r := w.Add(t, "/net/core1/Agent/State", up)
	w.Tree.Report(tree.Report{Node: r, Value: tree.Text("up")})
	number("/net/core1/Ports/eth0/Use", percent, 12)
	w.Add(t, "/net/core1/Ports/eth1", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "Qwest"}})
	number("/net/core1/Ports/eth1/Use", percent, 90)

	w.Add(t, "/shop/front", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"service": "checkout", "host": "web1", "customer": "ATT"}})
	number("/shop/front/Response time", &tree.Spec{Kind: tree.Performance, Unit: "s"}, 0.0625)
	log := w.Add(t, "/shop/front/Log", &tree.Spec{Kind: tree.Log})
	w.Tree.Report(tree.Report{Node: log, Events: []tree.Event{{Time: Begin, Status: tree.Yellow, Text: "slow"}}})
	w.Add(t, "/data/orders", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"service": "checkout"}})
	number("/data/orders/Rows", &tree.Spec{Kind: tree.Performance}, 1234567)
	number("/plain/deep/Value", &tree.Spec{Kind: tree.Performance}, 1)
	number("/Lonely", size, 5)
	w.Tree.Flush()
	w.Clock = Begin.Add(30 * time.Second)
	w.Managers = Fixed{{
		ID: "em1", Name: "ABC", Version: "1.2.3", Host: "web1.example", Address: "http://web1.example:7440", Failover: "em3", Location: "Fort Collins",
		Instances: []document.Instance{
			{Name: "web1", Application: "linux-host", Title: "Linux host", Description: "A machine.", Where: At("/web1"), Kinds: []string{"host", "process"}},
			{Name: "core1", Application: "snmp-switch", Title: "Switch by SNMP", Where: At("/net/core1"), Kinds: []string{"snmp"},
				Parameters: map[string]any{"address": "10.0.0.1:161", "community": "secret"}},
			{Name: "front", Application: "web-service", Title: "Web service", Where: At("/shop/front"), Kinds: []string{"http"},
				Parameters: map[string]any{"url": "https://user:secret@shop.example/cart?token=secret"}, Errors: []string{"front.yaml:3:1: unknown setting \"yelow\""}},
			{Name: "broken", Application: "nginx", Where: At("/shop/broken"), Errors: []string{"broken.yaml:1:1: nothing of it is right"}},
		},
	}}
	return w
}

// Maker returns a maker of documents of the world.
func (w *World) Maker(t *testing.T) *document.Maker {
	t.Helper()
	m, err := document.NewMaker(document.Options{Tree: w.Tree, Guard: grant.NewGuard(w.Tree), Managers: w.Managers, Version: "1.2.3", Now: func() time.Time { return w.Clock }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Document makes a document.
func (w *World) Document(t *testing.T, q document.Query) *document.Document {
	t.Helper()
	d, err := w.Maker(t).Make(Everyone(t), q)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// All asks for everything.
func All() document.Query { return document.Query{Depth: -1} }

// Hostile puts texts into the tree that try to be something else than text.
func (w *World) Hostile(t *testing.T) {
	t.Helper()
	evil := "<script>alert(1)</script>\"'&amp; \x00\x01\x1b[31m\u202egnp.exe\u2066 \ufffe\xff]]>\r\n<!--"
	w.Add(t, "/evil/<script>alert(2)<~1script>", &tree.Spec{Kind: tree.Group, Properties: map[string]string{
		"service": evil, "location": evil, "portal": "javascript:alert(3)", "customer": evil, "contact": evil, "label": evil, "type": evil,
		"address": evil, "role": evil, "host": evil, "device": evil, "description": evil, "x": evil,
	}})
	r := w.Add(t, "/evil/<script>alert(2)<~1script>/\" onload=\"x", &tree.Spec{
		Kind: tree.State, Unit: evil, Description: evil, Threshold: &tree.Threshold{States: map[string]tree.Status{evil: tree.Red, "": tree.Green}},
	})
	w.Tree.Report(tree.Report{Node: r, Value: tree.Text(evil)})
	r = w.Add(t, "/evil/why", &tree.Spec{Kind: tree.Performance})
	w.Tree.Report(tree.Report{Node: r, Reason: evil})
	for i, v := range []float64{0, -1, 1e300, 1e-300} {
		r = w.Add(t, fmt.Sprintf("/evil/n%d", i), &tree.Spec{Kind: tree.Performance, Unit: "bytes/s"})
		w.Tree.Apply([]tree.Reading{{Node: r, Value: v}})
	}
	w.Managers[0].Description, w.Managers[0].Portal = evil, "data:text/html,<script>alert(4)</script>"
	w.Managers[0].Instances[3].Errors = []string{evil}
}

// Everyone lets everybody ask.
func Everyone(t testing.TB) context.Context { return grant.With(t.Context(), grant.Anonymous) }
