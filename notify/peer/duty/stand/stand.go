// Package stand decides who stands in for a manager: it divides devices among those that
// could take them. It decides by what it is given, and nothing else.
package stand

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"grove/notify/peer"
)

// Anybody is the entry of a list of stand-ins for whoever can.
const Anybody = "*"

// Device is what somebody has to take.
type Device struct {
	Key         string // unique
	Application string
	Kinds       []string // of its probes
	// StandIns are the names or IDs of who may take it, in this order; Anybody is whoever
	// can. None: nobody may.
	StandIns []string
	// Not are those that have refused it, or are not to have it.
	Not []peer.ID
}

// Candidate is who could take devices.
type Candidate struct {
	ID           peer.ID
	Name         string
	Kinds        []string // of probes that it runs; none: it did not say, and is believed to run all
	Applications []string // that it knows: it is preferred for those
	// Capacity is how many devices it takes in all, Devices how many it has.
	Capacity, Devices int
}

// Result says who takes what.
type Result struct {
	To map[string]peer.ID // by Device.Key
	// Nobody says of the others why nobody takes them.
	Nobody map[string]string
}

// Divide gives each device to a candidate that may take it, runs all kinds of its probes and
// has room. Devices with the fewest candidates are given first. Of several candidates it is
// the one whose entry in StandIns comes first; of those with the same entry, one that
// knows the application; of those, the one that is the least full, as a share of its
// capacity. The same input has the same result, in whatever order it comes.
func Divide(devices []Device, candidates []Candidate) Result {
	r := Result{To: make(map[string]peer.ID, len(devices)), Nobody: map[string]string{}}
	candidates = slices.Clone(candidates)
	slices.SortFunc(candidates, func(a, b Candidate) int { return cmp.Compare(a.ID, b.ID) })
	type choice struct {
		device *Device
		ranked []rank
	}
	choices := make([]choice, 0, len(devices))
	seen := map[string]choice{}
	for i := range devices {
		d := &devices[i]
		// Devices of one manager mostly differ in nothing but their names.
		kind := d.Application + "\x00" + strings.Join(d.Kinds, "\x01") + "\x00" + strings.Join(d.StandIns, "\x01") + "\x00" + fmt.Sprint(d.Not)
		c, ok := seen[kind]
		if !ok {
			c.ranked = ranks(d, candidates)
			seen[kind] = c
		}
		choices = append(choices, choice{d, c.ranked})
	}
	slices.SortFunc(choices, func(a, b choice) int {
		return cmp.Or(cmp.Compare(len(a.ranked), len(b.ranked)), cmp.Compare(a.device.Key, b.device.Key))
	})
	for _, c := range choices {
		best, bestRank := -1, rank{}
		for _, k := range c.ranked {
			m := &candidates[k.candidate]
			if m.Devices >= m.Capacity {
				continue
			}
			if best < 0 || k.tier < bestRank.tier || k.tier == bestRank.tier && (k.knows && !bestRank.knows || k.knows == bestRank.knows && emptier(m, &candidates[best])) {
				best, bestRank = k.candidate, k
			}
		}
		if best < 0 {
			r.Nobody[c.device.Key] = whyNobody(c.device, candidates, len(c.ranked))
			continue
		}
		candidates[best].Devices++
		r.To[c.device.Key] = candidates[best].ID
	}
	return r
}

// rank is how a candidate suits a device.
type rank struct {
	candidate int
	tier      int // place in the list of stand-ins
	knows     bool
}

func ranks(d *Device, candidates []Candidate) (all []rank) {
	for i := range candidates {
		c := &candidates[i]
		tier := slices.IndexFunc(d.StandIns, func(s string) bool { return s == Anybody || s == c.Name || s == string(c.ID) })
		if tier >= 0 && missing(d, c) == "" && !slices.Contains(d.Not, c.ID) {
			all = append(all, rank{i, tier, slices.Contains(c.Applications, d.Application)})
		}
	}
	return all
}

// missing returns a kind of probe that a candidate does not run; empty: none.
func missing(d *Device, c *Candidate) string {
	if len(c.Kinds) == 0 {
		return ""
	}
	for _, k := range d.Kinds {
		if !slices.Contains(c.Kinds, k) {
			return k
		}
	}
	return ""
}

// emptier compares how full two candidates would be with one more device.
func emptier(a, b *Candidate) bool {
	return int64(a.Devices+1)*int64(b.Capacity) < int64(b.Devices+1)*int64(a.Capacity)
}

func whyNobody(d *Device, candidates []Candidate, suitable int) string {
	switch {
	case len(d.StandIns) == 0:
		return "its manager names no stand-in: set stand_in in its peers.yaml"
	case suitable > 0:
		return fmt.Sprintf("all %d managers that could take it are full: raise their capacity in peers.yaml", suitable)
	case len(candidates) == 0:
		return "no other manager is there"
	}
	var lacks []string
	for i := range candidates {
		c := &candidates[i]
		if slices.ContainsFunc(d.StandIns, func(s string) bool { return s == Anybody || s == c.Name || s == string(c.ID) }) {
			why := "has refused it"
			if kind := missing(d, c); kind != "" {
				why = "runs no probes of the kind " + kind
			}
			lacks = append(lacks, c.Name+" "+why)
		}
	}
	if len(lacks) == 0 {
		return "none of its stand-ins is there: " + strings.Join(d.StandIns, ", ")
	}
	const most = 3
	text := strings.Join(lacks[:min(len(lacks), most)], ", ")
	if len(lacks) > most {
		text += fmt.Sprintf(", and %d more", len(lacks)-most)
	}
	return text
}
