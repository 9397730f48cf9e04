package trap

import (
	"bytes"
	"fmt"
	"strings"

	"grove/runtime/probe/snmp/mib"
	"grove/runtime/receive/trap/message"
)

// pattern says which traps are meant: one, or all below a place.
type pattern struct {
	oid   []byte
	below bool // everything below, too
	all   bool
}

// readPattern reads "linkDown", "IF-MIB::linkDown", "1.3.6.1.6.3.1.1.5.3", "upsTraps.*"
// or "*".
func readPattern(names *mib.Set, text string) (pattern, error) {
	t := strings.TrimSpace(text)
	if t == "*" {
		return pattern{all: true}, nil
	}
	t, below := strings.CutSuffix(t, ".*")
	oid, _, _, err := names.Resolve(t)
	if err != nil {
		return pattern{}, fmt.Errorf("%w; traps are named, or numbered as RFC 3584 does: the enterprise, 0, and the specific trap", err)
	}
	b, err := message.EncodeOID(oid)
	return pattern{oid: b, below: below}, err
}

func (p *pattern) matches(trap []byte) bool {
	switch {
	case p.all:
		return true
	case p.below:
		return bytes.HasPrefix(trap, p.oid)
	}
	return bytes.Equal(trap, p.oid)
}

// patterns are several of which one must match.
type patterns []pattern

func (ps patterns) match(trap []byte) bool {
	for i := range ps {
		if ps[i].matches(trap) {
			return true
		}
	}
	return false
}

// dictionary names what stands in messages. It is used by one goroutine at a time.
type dictionary struct {
	names *mib.Set
	known map[string]*place // by the content of an object identifier
}

// place is what is known of one object identifier.
type place struct {
	object *mib.Object // nil: not known
	name   string      // "ifIndex", or the number
	rest   string      // what comes behind the object: the index of its row
}

// maxPlaces bounds what a dictionary has at hand; then it begins anew.
const maxPlaces = 20_000

func newDictionary(names *mib.Set) *dictionary {
	return &dictionary{names: names, known: map[string]*place{}}
}

// place looks an object identifier up.
func (d *dictionary) place(oid []byte) *place {
	if p := d.known[string(oid)]; p != nil {
		return p
	}
	if len(d.known) >= maxPlaces {
		clear(d.known)
	}
	p := &place{name: message.Dotted(oid)}
	if name, ok := d.names.Name(p.name); ok {
		_, p.name, _ = strings.Cut(name, "::")
	} else if o, rest := d.names.Describe(p.name); o != nil {
		p.object, p.rest, p.name = o, rest, o.Name
	}
	d.known[string(oid)] = p
	return p
}

// name is how people call a trap.
func (d *dictionary) name(trap []byte) string { return d.place(trap).name }
