// Package mib knows the names of SNMP objects: which number stands behind
// "IF-MIB::ifHCInOctets", and what is known of the values that are found there.
//
// A table of the well-known names is built in; further names come from MIB files,
// read when they are needed, by a reader of this package. It takes what a poller
// needs (numbers, types, units, enumerations, display hints, indexes), skips the
// rest of the language, and stays within bounds on any input. The language is that
// of RFC 2578 and 2579, and of RFC 1155 and 1212 for old files.
package mib

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Syntax is what the values of an object are.
type Syntax uint8

// The syntaxes.
const (
	Unknown   Syntax = iota
	Integer          // a number that goes up and down
	Counter32        // a count that rises and wraps at 2^32
	Counter64        // a count that rises and wraps at 2^64
	Gauge            // a number, not negative
	Ticks            // hundredths of a second
	String           // octets for people
	Octets           // octets for machines
	OID              // the number of another object
	Address          // an IPv4 address
	Truth            // TruthValue: 1 is true, 2 is false
	Decimal          // a number that is sent as text, "0.05"
	Bits             // a set of named bits
)

// Object is one place in the tree of object identifiers.
type Object struct {
	Module, Name string
	OID          string // dotted, without a leading dot: "1.3.6.1.2.1.2.2.1.8"
	Syntax       Syntax
	Unit         string           // "bytes"; empty when it has none
	Hint         string           // DISPLAY-HINT of RFC 2579 section 3.1; empty when it has none
	Enum         map[int64]string // names of the numbers, or of the bits; shared, not changed
	// Column says that instances are rows of a table, told apart by Index: the
	// names of the objects whose values make up the rest of an instance's number.
	Column bool
	Index  []string
	// Accessible says that the object itself can be asked for: a scalar or a column.
	Accessible bool
}

// String returns "IF-MIB::ifOperStatus".
func (o *Object) String() string { return o.Module + "::" + o.Name }

// ErrName is wrapped by every error about a name or number that is not known.
var ErrName = errors.New("unknown object")

// Set is a set of objects. It is not changed once it is made, so that many may read
// it at once.
type Set struct {
	byOID    map[string]*Object
	byName   map[string]*Object // the first of that name
	byModule map[string]*Object // "MODULE::name"
	depth    int                // the most arcs of any object
	problems []error            // what could not be read
}

func newSet() *Set {
	return &Set{byOID: map[string]*Object{}, byName: map[string]*Object{}, byModule: map[string]*Object{}}
}

// add puts an object in; the first of a number, and the first of a name, stays.
func (s *Set) add(o *Object) {
	if _, ok := s.byModule[o.String()]; ok {
		return
	}
	s.byModule[o.String()] = o
	if _, ok := s.byName[o.Name]; !ok {
		s.byName[o.Name] = o
	}
	if _, ok := s.byOID[o.OID]; !ok {
		s.byOID[o.OID] = o
	}
	s.depth = max(s.depth, strings.Count(o.OID, ".")+1)
}

// merge adds an object of a file. What is built in stays, but for enumerations: a
// file may know more names.
func (s *Set) merge(o *Object) {
	if have := s.byModule[o.String()]; have != nil && have.OID == o.OID && len(o.Enum) > len(have.Enum) && have.Syntax == Integer {
		richer := *have
		richer.Enum = o.Enum
		s.byModule[o.String()] = &richer
		if s.byName[o.Name] == have {
			s.byName[o.Name] = &richer
		}
		if s.byOID[o.OID] == have {
			s.byOID[o.OID] = &richer
		}
		return
	}
	s.add(o)
}

// Len counts the objects.
func (s *Set) Len() int { return len(s.byModule) }

// Problems lists what could not be read when the set was made, at most maxProblems.
func (s *Set) Problems() []error { return slices.Clone(s.problems) }

// Bounds of an object identifier: RFC 2578 section 7.1.3.
const maxArcs = 128

// Resolve reads the name or number of an object or of an instance: "sysUpTime.0",
// "IF-MIB::ifInOctets.3", "ifInOctets", ".1.3.6.1.2.1.1.3.0". It returns the whole
// number, and the object that it belongs to with the rest of the number behind the
// object ("3", or empty); the object is nil for a number that is not known.
func (s *Set) Resolve(text string) (oid string, object *Object, rest string, err error) {
	t := strings.TrimSpace(text)
	if t == "" {
		return "", nil, "", fmt.Errorf("%w: no name and no number", ErrName)
	}
	if t[0] == '.' || t[0] >= '0' && t[0] <= '9' {
		oid = strings.TrimPrefix(t, ".")
		if err := CheckOID(oid); err != nil {
			return "", nil, "", fmt.Errorf("%q: %w", text, err)
		}
		object, rest = s.Describe(oid)
		return oid, object, rest, nil
	}
	name, rest, dotted := strings.Cut(t, ".")
	module, plain, qualified := strings.Cut(name, "::")
	if !qualified {
		object = s.byName[name]
	} else if plain != "" {
		object = s.byModule[name]
	}
	if object == nil {
		if !qualified {
			module, plain = "", name
		}
		return "", nil, "", s.unknown(module, plain)
	}
	oid = object.OID
	if dotted {
		oid += "." + rest
		if err := CheckOID(oid); err != nil {
			return "", nil, "", fmt.Errorf("%q: behind %s: %w", text, name, err)
		}
	}
	return oid, object, rest, nil
}

// unknown makes the error for a name that is not in the set: it names the nearest
// known one and says which files could not be read.
func (s *Set) unknown(module, name string) error {
	var hint strings.Builder
	if near := s.nearest(module, name); near != "" {
		hint.WriteString(": did you mean " + near + "?")
	}
	if n := len(s.problems); n > 0 {
		fmt.Fprintf(&hint, " (%d MIB files have faults; the first: %v)", n, s.problems[0])
	}
	if module != "" {
		name = module + "::" + name
	}
	return fmt.Errorf("%w %q%s", ErrName, name, hint.String())
}

// nearest returns the known name that is the least different from a mistyped one,
// empty when none is near.
func (s *Set) nearest(module, name string) string {
	if len(name) > 64 {
		return ""
	}
	if o := s.byName[name]; o != nil {
		return o.String()
	}
	best, distance := "", min(4, len(name)/3+1)
	for key, o := range s.byName {
		if d := len(key) - len(name); d >= distance || -d >= distance {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(key), strings.ToLower(name)); d < distance || d == distance && best != "" && o.Name < best {
			best, distance = o.Name, d
		}
	}
	if best != "" && module != "" {
		return s.byName[best].String()
	}
	return best
}

// Describe returns the object that an instance's number belongs to, and what of the
// number comes behind it; nil when no object that can be asked for is known.
func (s *Set) Describe(oid string) (object *Object, rest string) {
	for end := len(oid); end > 0; end = strings.LastIndexByte(oid[:end], '.') {
		if o := s.byOID[oid[:end]]; o != nil {
			if !o.Accessible && end < len(oid) {
				return nil, ""
			}
			return o, strings.TrimPrefix(oid[end:], ".")
		}
	}
	return nil, ""
}

// Name returns the name of exactly that number: "HOST-RESOURCES-MIB::hrStorageRam".
func (s *Set) Name(oid string) (string, bool) {
	if o := s.byOID[oid]; o != nil {
		return o.String(), true
	}
	return "", false
}

// CheckOID says whether a text is the number of an object: 2 to 128 arcs of 0 to
// 2^32-1, the first of them 0, 1 or 2.
func CheckOID(oid string) error {
	arcs := 0
	for arc := range strings.SplitSeq(oid, ".") {
		n, err := strconv.ParseUint(arc, 10, 32)
		if err != nil || len(arc) > 1 && arc[0] == '0' {
			return fmt.Errorf("%q is no part of an object identifier: 0 to 4294967295", clip(arc))
		}
		if arcs == 0 && n > 2 {
			return errors.New("an object identifier begins with 0, 1 or 2")
		}
		if arcs++; arcs > maxArcs {
			return fmt.Errorf("an object identifier has at most %d parts", maxArcs)
		}
	}
	if arcs < 2 {
		return errors.New("an object identifier has at least 2 parts")
	}
	return nil
}

// CompareOID orders two dotted numbers as SNMP does, part by part.
func CompareOID(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		// Parts have no leading zeros, so the longer one is the larger number.
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
