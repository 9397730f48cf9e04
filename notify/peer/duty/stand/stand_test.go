package stand

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
)

func TestDivide(t *testing.T) {
	b := Candidate{ID: "b", Name: "berlin", Capacity: 10}
	h := Candidate{ID: "h", Name: "hamburg", Capacity: 10}
	any := func(keys ...string) (all []Device) {
		for _, k := range keys {
			all = append(all, Device{Key: k, Application: "switch", Kinds: []string{"snmp"}, StandIns: []string{Anybody}})
		}
		return all
	}
	with := func(c Candidate, change func(*Candidate)) Candidate { change(&c); return c }
	for name, c := range map[string]struct {
		devices    []Device
		candidates []Candidate
		to         map[string]peer.ID
		nobody     map[string]string
	}{
		"half each": {any("1", "2", "3", "4"), []Candidate{h, b}, map[string]peer.ID{"1": "b", "2": "h", "3": "b", "4": "h"}, nil},
		"the emptier one": {
			any("1", "2"), []Candidate{with(b, func(c *Candidate) { c.Devices = 8 }), h}, map[string]peer.ID{"1": "h", "2": "h"}, nil,
		},
		"as a share of the capacity": {
			any("1", "2", "3"), []Candidate{with(b, func(c *Candidate) { c.Capacity = 1000 }), h}, map[string]peer.ID{"1": "b", "2": "b", "3": "b"}, nil,
		},
		"the first that is named": {
			[]Device{{Key: "1", StandIns: []string{"hamburg", Anybody}}, {Key: "2", StandIns: []string{"hamburg", Anybody}}}, []Candidate{b, h},
			map[string]peer.ID{"1": "h", "2": "h"}, nil,
		},
		"by ID": {[]Device{{Key: "1", StandIns: []string{"h"}}}, []Candidate{b, h}, map[string]peer.ID{"1": "h"}, nil},
		"the next one when it is full": {
			[]Device{{Key: "1", StandIns: []string{"hamburg", Anybody}}}, []Candidate{b, with(h, func(c *Candidate) { c.Devices = 10 })}, map[string]peer.ID{"1": "b"}, nil,
		},
		"who knows the application": {
			any("1", "2"), []Candidate{b, with(h, func(c *Candidate) { c.Applications, c.Devices = []string{"switch"}, 5 })}, map[string]peer.ID{"1": "h", "2": "h"}, nil,
		},
		"who runs the probes": {
			any("1"), []Candidate{with(b, func(c *Candidate) { c.Kinds = []string{"http"} }), with(h, func(c *Candidate) { c.Kinds = []string{"snmp"} })},
			map[string]peer.ID{"1": "h"}, nil,
		},
		"nobody runs the probes": {
			any("1"), []Candidate{with(b, func(c *Candidate) { c.Kinds = []string{"http"} })}, nil, map[string]string{"1": "berlin runs no probes of the kind snmp"},
		},
		"the picky one first": {
			append(any("1"), Device{Key: "2", StandIns: []string{"berlin"}}), []Candidate{with(b, func(c *Candidate) { c.Capacity = 1 }), with(h, func(c *Candidate) { c.Capacity = 1 })},
			map[string]peer.ID{"1": "h", "2": "b"}, nil,
		},
		"who has refused": {[]Device{{Key: "1", StandIns: []string{Anybody}, Not: []peer.ID{"b"}}}, []Candidate{b}, nil, map[string]string{"1": "berlin has refused it"}},
		"all are full": {
			any("1"), []Candidate{with(b, func(c *Candidate) { c.Capacity = 0 })}, nil,
			map[string]string{"1": "all 1 managers that could take it are full: raise their capacity in peers.yaml"},
		},
		"nobody is named":     {[]Device{{Key: "1"}}, []Candidate{b}, nil, map[string]string{"1": "its manager names no stand-in: set stand_in in its peers.yaml"}},
		"nobody is there":     {any("1"), nil, nil, map[string]string{"1": "no other manager is there"}},
		"the named one isn't": {[]Device{{Key: "1", StandIns: []string{"bonn"}}}, []Candidate{b}, nil, map[string]string{"1": "none of its stand-ins is there: bonn"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := Divide(c.devices, c.candidates)
			want := Result{To: c.to, Nobody: c.nobody}
			if want.To == nil {
				want.To = map[string]peer.ID{}
			}
			if want.Nobody == nil {
				want.Nobody = map[string]string{}
			}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDivideHoldsBounds holds for anything: nobody gets more than it has room for, everything
// is given or has a reason, and the order of the input does not matter.
func TestDivideHoldsBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var candidates []Candidate
		for i := range random.IntN(5) {
			candidates = append(candidates, Candidate{ID: peer.ID(fmt.Sprint("c", i)), Name: fmt.Sprint("n", i), Capacity: random.IntN(20), Devices: random.IntN(10)})
		}
		var devices []Device
		for i := range random.IntN(60) {
			devices = append(devices, Device{Key: fmt.Sprint(i), StandIns: [][]string{nil, {Anybody}, {"n1"}, {"n2", Anybody}}[random.IntN(4)]})
		}
		r := Divide(devices, candidates)
		got := map[peer.ID]int{}
		for _, id := range slices.Collect(maps.Values(r.To)) {
			got[id]++
		}
		for _, c := range candidates {
			if got[c.ID] > max(c.Capacity-c.Devices, 0) {
				t.Fatalf("%+v got %d", c, got[c.ID])
			}
		}
		if len(r.To)+len(r.Nobody) != len(devices) {
			t.Fatalf("%d devices, %+v", len(devices), r)
		}
		random.Shuffle(len(devices), func(i, j int) { devices[i], devices[j] = devices[j], devices[i] })
		random.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		if diff := cmp.Diff(r, Divide(devices, candidates)); diff != "" {
			t.Fatal(diff)
		}
	}
}
