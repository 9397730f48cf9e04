package peersbench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// leafApart is the shortest time between two changes; the longest is twice that.
const leafApart = 50 * time.Millisecond

// BenchmarkLeaf has a leaf turn red, and green again, as often as GROVE_CHANGES says (200),
// three managers below the one at whose top it is looked for:
//
//	go test ./test/peersbench -run '^$' -bench '^BenchmarkLeaf$' -benchtime 1x -timeout 10m
//
// The time is from the push over REST to the first answer over REST with the other status:
// what both take on the way is part of it. Changes come apart from each other: what comes at
// once after another change waits for the pace of deltas, which GROVE_APART=0 shows.
func BenchmarkLeaf(b *testing.B) {
	changes := count(b, "GROVE_CHANGES", 200)
	apart := os.Getenv("GROVE_APART") != "0"
	for b.Loop() {
		const leaf = "grove: 1\napplication: leaf\nat: /leaf\ntree:\n  Number: { kind: performance, mode: push, red: \"> 100\" }\n"
		var chain []*manager
		path := "/leaf/Number"
		for k, name := range []string{"top", "second", "third", "fourth"} {
			definitions := map[string]string{}
			if k == 3 {
				definitions["leaf.yaml"] = leaf
			}
			// Each has the tree of the next one in its own.
			chain = append(chain, newManager(b, name, k < 3, "", definitions))
			chain[k].Start()
		}
		for k := len(chain) - 1; k > 0; k-- {
			chain[k].joins(chain[k-1])
			path = "/Managers/" + chain[k].Name + path
		}
		top, bottom := chain[0], chain[3]
		set := func(value int) {
			if err := bottom.Push(map[string]any{"path": "/leaf/Number", "value": value}); err != nil {
				b.Fatal(err)
			}
		}
		set(1)
		top.Eventually(func() error {
			n, err := top.Node(path)
			if err == nil && n.Status != "green" {
				err = fmt.Errorf("%s is %s (%s)", path, n.Status, n.Reason)
			}
			return err
		})
		var took []time.Duration
		for k := range changes {
			value, want := 1000, "red"
			if k%2 == 1 {
				value, want = 1, "green"
			}
			if apart {
				<-time.After(leafApart + rand.N(leafApart))
			}
			begin := time.Now()
			set(value)
			for {
				n, err := top.Node("/")
				if err != nil {
					b.Fatal(err)
				}
				if (n.Status == "red") == (want == "red") {
					break
				}
				if time.Since(begin) > patience {
					b.Fatalf("the top is %s, not %s", n.Status, want)
				}
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms-median")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "ms-p99")
		b.ReportMetric(0, "ns/op")
	}
}
