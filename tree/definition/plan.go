package definition

import (
	"strings"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/source"
)

// Plan is what a set of files comes to: everything that a manager must grow, with
// all names resolved and all texts checked. It holds no open resource.
type Plan struct {
	Instances []*Instance // sorted by name
	// Definitions are those that the files define and those that instances use, sorted
	// by application; without the ones that are in error.
	Definitions []*Definition
	// Discoveries are what makes instances of what probes find, sorted by name. Their
	// instances are among Instances, and so are those that run the probes.
	Discoveries []*Discovery
	// Broken says what is missing because of errors, in the order of the files.
	Broken []Broken
}

// Broken is an instance that cannot be made, or a whole file that cannot be read.
type Broken struct {
	File string // the file that asks for the instance, or a directory that cannot be read
	Name string // of the instance, or of the discovery; empty: everything that the file asked for
	Err  source.Errors
}

// Holds says whether a file is the broken one, or lies in the broken directory.
func (b *Broken) Holds(file string) bool {
	return file == b.File || strings.HasPrefix(file, strings.TrimSuffix(b.File, "/")+"/")
}

// Keep returns the instances of an older plan that the new plan lacks only because
// of an error: a manager goes on with them.
func (p *Plan) Keep(old *Plan) []*Instance {
	var kept []*Instance
	if old == nil {
		return nil
	}
	names := make(map[string]bool, len(p.Instances))
	for _, i := range p.Instances {
		names[i.Name] = true
	}
	for _, i := range old.Instances {
		for _, b := range p.Broken {
			if b.Holds(i.File) && (b.Name == "" || b.Name == i.Name || b.Name == i.Discovery) && !names[i.Name] {
				kept = append(kept, i)
				break
			}
		}
	}
	return kept
}

// Instance returns the instance of a name.
func (p *Plan) Instance(name string) (*Instance, bool) {
	for _, i := range p.Instances {
		if i.Name == name {
			return i, true
		}
	}
	return nil, false
}

// Instance is one use of a definition.
type Instance struct {
	Name        string // unique in the plan: "shop-web1"
	Application string // the definition's name: "nginx"
	Title       string
	Description string
	File        string     // the file that asks for the instance
	Definition  string     // the file that defines the application
	Pos         source.Pos // where the instance is asked for
	Discovery   string     // the discovery that it comes of or runs; empty: none
	Row         string     // the key of the row that it was made of
	Why         string     // which row it was made of, and how its definition was chosen; empty: a file says so
	At          tree.Path  // where it hangs
	Nodes       []Node     // parents before children, in the order of the file; the first is At itself
	Probes      []Probe    // in the order of the file
	Loops       []*Loop    // nodes per row of a table that a probe discovers
	Monitors    []Monitor  // in the order of the file

	parameters []any // as given or by default, in the order of those of the definition
	definition *Definition
	infos      []*probeInfo // in the order of the file
}

// Node is one node that the plan grows.
type Node struct {
	Path   tree.Path
	Spec   *tree.Spec // shared between nodes that are alike
	Source *Source    // nil for groups and for nodes that a program or a push by path feeds
	Pos    source.Pos
}

// Source says where the readings of a node come from.
type Source struct {
	Mode tree.Mode
	// Every is how often a node in timer mode asks; zero means with every run of
	// its probe.
	Every time.Duration
	// Probe and Attribute name one attribute of one probe of the same instance.
	// Column and Row are set for a node of a Loop: the cell to read.
	Probe, Attribute string
	Column, Row      string
	// Value is set for a derived value instead; its variables are probe.attribute.
	Value *Expression
	// Change makes of rising counts what changed: per second, or between readings.
	Change Change
	// Scale multiplies a number last; 0 counts as 1.
	Scale float64
}

// Change is what a node makes of successive readings.
type Change uint8

// The ways to treat successive readings.
const (
	NoChange Change = iota
	Rate            // (new - old) per second; a count that fell yields no reading
	Delta           // new - old
)

// Probe is one runtime bean that the plan starts.
type Probe struct {
	Name    string // unique in its instance: "status"
	Kind    string // "http"
	Options any    // as Kinds.NewOptions made it, decoded and checked
	Every   time.Duration
	Timeout time.Duration
	Mode    tree.Mode // Request and Notification: no timer runs it
	// Fingerprint is equal for two probes that would do the same: kind, options,
	// every, timeout and mode.
	Fingerprint string
	Pos         source.Pos
}

// Loop grows a set of nodes for each row of a table that a probe yields.
type Loop struct {
	Probe, Table string // which attribute of TypeTable
	Key          string // the column that tells rows apart
	Parent       tree.Path
	Pos          source.Pos
	// Expand returns the nodes of one row, in the order of Instance.Nodes; an empty
	// list when the loop's condition leaves the row out. It does not keep the row.
	Expand func(row map[string]tree.Value) ([]Node, error)
	// Columns are those that the nodes of a row depend on: a row that differs in others
	// only grows the same. It is nil when nobody knows.
	Columns []string

	made string // equal for loops that grow the same
}

// Kinds is what the definition language knows of the kinds of probes: the registry
// of the runtime layer, seen from here.
type Kinds interface {
	// KindNames lists all kinds, sorted.
	KindNames() []string
	// NewOptions returns a pointer to a fresh struct of the kind's options, with
	// `yaml` tags and the defaults filled in; ok is false for an unknown kind.
	NewOptions(kind string) (options any, ok bool)
	// Attributes checks the options and says what a probe with them yields. An
	// error that is an *OptionError points at one option.
	Attributes(kind string, options any) ([]beans.AttributeInfo, error)
	// Pushes says whether the kind sends by itself (a receiver), so that a node
	// fed by it may be in push mode.
	Pushes(kind string) bool
}

// OptionError says which option of a probe is wrong.
type OptionError struct {
	Option string // its yaml key, "extract.regex" for a nested one
	Err    error
}

// Error implements error.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// Defined is the definition that the instance uses.
func (i *Instance) Defined() *Definition { return i.definition }
