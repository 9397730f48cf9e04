package definition

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Discovery makes instances of what a probe finds: one for each row of its table. The
// probe runs in an instance of its own, Runner, whose nodes say how it went; whoever
// runs the plan keeps the rows and gives them to the Loader (see Loader.Found).
type Discovery struct {
	Name   string // of the document: "switches"
	Runner string // the instance that runs the probe: "discovery-switches"
	Table  string // which table of the probe DiscoveryProbe
	Key    string // the column that tells rows apart
	// Columns are those that the instances depend on, sorted: what changes in others
	// changes no instance.
	Columns []string
	Keep    time.Duration // how long an instance stays whose row is found no more
	Most    int           // how many rows become instances at most
	File    string
	Pos     source.Pos
	Tests   []DiscoveryTest
	// LeftOut says of which rows there is no instance, although nothing is wrong, in the
	// order of their keys.
	LeftOut []LeftOut

	grow func(row map[string]tree.Value) *Grown
}

// LeftOut is a row that became no instance.
type LeftOut struct{ Key, Why string }

// Grown is what becomes of one row.
type Grown struct {
	Key      string    // of the row
	Name     string    // of the instance; empty: there is none
	Instance *Instance // nil: there is none
	LeftOut  string    // why there is none and nothing is wrong
	Errs     source.Errors
}

// Grow says what would become of a row, wherever it is from.
func (d *Discovery) Grow(row map[string]tree.Value) *Grown { return d.grow(row) }

const (
	// DiscoveryProbe is the name of the probe of a discovery in its instance.
	DiscoveryProbe = "each"
	// discoveryPrefix begins the names of the instances that run discoveries.
	discoveryPrefix = "discovery-"
	// discoveryAt is where they hang.
	discoveryAt = "/grove/Discovery"
	// discoveryFile stands for the file of their definition.
	discoveryFile = "builtin:discovery"
)

// What a probe that discovers yields beside its own attributes.
const (
	DiscoveryState    = "discovery_state"    // text
	DiscoveryProblem  = "discovery_problem"  // text, empty when there is none
	DiscoveryRows     = "discovery_rows"     // rows of the last run that succeeded
	DiscoveryMissing  = "discovery_missing"  // rows
	DiscoveryDuration = "discovery_duration" // s, of the last run
)

// The texts of DiscoveryState.
const (
	DiscoveryFine    = "ok"
	DiscoveryTooMany = "too many"
	DiscoveryFailed  = "failed"
)

// DiscoveryAttributes describes what a probe that discovers yields beside its own.
func DiscoveryAttributes() []beans.AttributeInfo {
	return []beans.AttributeInfo{
		{Name: DiscoveryState, Type: beans.TypeString, Readable: true, Description: DiscoveryFine + ", " + DiscoveryTooMany + " or " + DiscoveryFailed + "."},
		{Name: DiscoveryProblem, Type: beans.TypeString, Readable: true, Description: "What is wrong; empty when nothing is."},
		{Name: DiscoveryRows, Type: beans.TypeInt, Unit: "rows", Readable: true, Description: "How many rows were found."},
		{Name: DiscoveryMissing, Type: beans.TypeInt, Unit: "rows", Readable: true, Description: "How many rows are kept although they were not found."},
		{Name: DiscoveryDuration, Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "How long the last run took."},
	}
}

// discoveryTree is the definition of the instances that run discoveries.
const discoveryTree = `grove: 1
application: discovery
title: Discovery of instances
tree:
  State:
    description: Whether the last run found what instances are made of. What was found before stays while it fails
    from: each.discovery_state
    states: { ok: green, too many: yellow, "*": red }
  Problem: { from: each.discovery_problem, kind: text, description: What is wrong }
  Found: { from: each.discovery_rows, description: Rows that the last run found }
  Missing: { from: each.discovery_missing, description: Rows that were found before and keep their instances for a while }
  Time: { from: each.discovery_duration, description: How long the last run took }
`

// discoveryKinds lets every kind yield what says how a discovery went.
type discoveryKinds struct{ Kinds }

// Attributes implements Kinds.
func (k discoveryKinds) Attributes(kind string, options any) ([]beans.AttributeInfo, error) {
	list, err := k.Kinds.Attributes(kind, options)
	if err != nil {
		return nil, err
	}
	return append(list[:len(list):len(list)], DiscoveryAttributes()...), nil
}

// discoveryDefinition returns the definition by which the probe of a document runs.
func (l *Loader) discoveryDefinition(each *source.Value, at source.Pos) (*Definition, source.Errors) {
	docs, errs := source.ReadYAML(discoveryFile, []byte(discoveryTree))
	if len(errs) > 0 {
		return nil, errs
	}
	d, errs := classify(discoveryFile, docs[0].Value)
	if len(errs) > 0 {
		return nil, errs
	}
	def, errs := readDefinition(d, discoveryKinds{l.Kinds}, l.facts(), nil)
	def.probes = []source.Field{{Key: DiscoveryProbe, Pos: at, Value: *each}}
	return def, errs
}

// instanceName makes the name of an instance of a text with cells. The colon of addresses
// is written "_"; what else cannot stand in a name is written "-", and then a hash of the
// text keeps names apart.
func instanceName(text string) string {
	if name := strings.ReplaceAll(text, ":", "_"); applicationForm.MatchString(name) {
		return name
	}
	const most, hashed = 64, 8
	var b strings.Builder
	dash := true // none at the beginning
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		switch {
		case letter, !dash && (r == '.' || r == '_'):
			b.WriteRune(r)
			dash = false
		case !dash:
			b.WriteByte('-')
			dash = true
		}
		if b.Len() >= most-hashed-1 {
			break
		}
	}
	sum := sha256.Sum256([]byte(text))
	name := strings.TrimRight(b.String(), "-")
	if name != "" {
		name += "-"
	}
	return name + hex.EncodeToString(sum[:])[:hashed]
}

// rowScope is what a document can name of a row. In paths, where whole is false, a cell is
// one name: what it has of "/" leads nowhere.
func rowScope(outer *variable.Scope, row variable.Value, whole bool) *variable.Scope {
	if whole {
		return outer.With("row", row)
	}
	cells, _ := row.Any.(map[string]variable.Value)
	names := make(map[string]variable.Value, len(cells))
	for column, cell := range cells {
		if p, err := tree.Root.Child(cell.Text); err == nil {
			cell.Text = strings.TrimPrefix(p.String(), "/")
			cell.Any = cell.Text
		}
		names[column] = cell
	}
	return outer.With("row", variable.Value{Any: names, Sample: row.Sample})
}
