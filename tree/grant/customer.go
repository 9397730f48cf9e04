package grant

import (
	"slices"
	"strings"

	"grove/tree"
)

// CustomerProperty is the property that says whose a node is, and what is below it
// until something there says otherwise. It may name several, see [Customers].
const CustomerProperty = "customer"

// Customers reads the property that says whose a node is: names with commas between
// them, "acme" or "acme, zenith". Space around a name counts for nothing, an empty name
// is none, and one that is named twice is there once.
func Customers(text string) []string {
	var list []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" && !Includes(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// SameCustomer says whether two names are one customer's: upper and lower case count
// for nothing.
func SameCustomer(a, b string) bool { return strings.EqualFold(a, b) }

// Includes says whether a customer is among some.
func Includes(customers []string, name string) bool {
	return slices.ContainsFunc(customers, func(c string) bool { return SameCustomer(c, name) })
}

// Owners returns whose a node is when the node above it is theirs; the spec may be nil.
// A node that names nobody after all, as by a comma alone, is nobody's.
func Owners(s *tree.Spec, above []string) []string {
	if s != nil {
		if text, says := s.Properties[CustomerProperty]; says {
			return Customers(text)
		}
	}
	return above
}
