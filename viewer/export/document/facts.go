package document

import (
	"maps"
	"slices"

	"grove/tree"
	"grove/tree/grant"
)

// facts are the properties that hold at a node: its own and those inherited.
type facts struct {
	all       map[string]string
	customers []string
}

var noFacts = &facts{}

// notInherited are the properties that say what a node itself is.
var notInherited = []string{"role", "label", "type", "description"}

// toldElsewhere are the properties that have a place of their own in a document.
var toldElsewhere = []string{
	"role", "label", "type", "description", "location", "portal", "address", "customer", "contact", "host", "device", "service",
}

// below returns what holds at a node whose parent has f.
func (f *facts) below(s *tree.Spec) *facts {
	if s == nil || len(s.Properties) == 0 {
		return f
	}
	g := &facts{all: maps.Clone(f.all), customers: f.customers}
	for k, v := range s.Properties {
		if slices.Contains(notInherited, k) {
			continue
		}
		if g.all == nil {
			g.all = map[string]string{}
		}
		g.all[k] = v
	}
	g.customers = grant.Owners(s, g.customers)
	return g
}

func (f *facts) isFor(customer string) bool {
	return customer == "" || grant.Includes(f.customers, customer)
}

// others lists the properties that have no place of their own, sorted by name.
func (f *facts) others() (list [][2]string) {
	for _, k := range slices.Sorted(maps.Keys(f.all)) {
		if !slices.Contains(toldElsewhere, k) {
			list = append(list, [2]string{k, f.all[k]})
		}
	}
	return list
}
