package mib

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Bounds of what is read.
const (
	maxDirectories = 32
	maxFiles       = 2000
	maxTotalBytes  = 64 << 20
	maxProblems    = 20
	maxObjects     = 500_000
	maxTypeDepth   = 16
)

// Library hands out the sets of names that directories of MIB files make, and reads
// a directory again only when a file of it has changed. It may be used by many at
// once.
type Library struct {
	// Open opens a directory or file for reading; nil stands for os.Open. What it refuses
	// is not read. It is set before the first use.
	Open func(path string) (*os.File, error)

	mu   sync.Mutex
	sets map[string]*loaded // by the directories; bounded by maxSets
}

type loaded struct {
	stamp string
	set   *Set
}

const maxSets = 16

// Load returns the built-in names together with those of every regular file in the
// given directories, whatever the files are called. A file with a fault counts with
// what stands before the fault; see [Set.Problems]. An error means that a directory
// cannot be read, or goes beyond a bound.
func (l *Library) Load(directories ...string) (*Set, error) {
	if len(directories) == 0 {
		return Builtin(), nil
	}
	if len(directories) > maxDirectories {
		return nil, fmt.Errorf("%d directories of MIB files: at most %d", len(directories), maxDirectories)
	}
	files, stamp, err := l.list(directories)
	if err != nil {
		return nil, err
	}
	key := strings.Join(directories, "\x00")
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.sets[key]; have != nil && have.stamp == stamp {
		return have.set, nil
	}
	set, err := l.load(files)
	if err != nil {
		return nil, err
	}
	if l.sets == nil || len(l.sets) >= maxSets {
		l.sets = map[string]*loaded{}
	}
	l.sets[key] = &loaded{stamp, set}
	return set, nil
}

// list finds the files and makes a stamp that changes when one of them does.
func (l *Library) list(directories []string) (files []string, stamp string, err error) {
	var s strings.Builder
	total := int64(0)
	for _, dir := range directories {
		entries, err := l.entries(dir)
		if err != nil {
			return nil, "", fmt.Errorf("read MIB files: %w", err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			info, err := l.stat(path)
			if err != nil || !info.Mode().IsRegular() || e.Name()[0] == '.' {
				continue
			}
			if info.Size() > maxFileBytes {
				return nil, "", fmt.Errorf("MIB file %s has %d bytes: at most %d", path, info.Size(), maxFileBytes)
			}
			total += info.Size()
			files = append(files, path)
			fmt.Fprintf(&s, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		if len(files) > maxFiles || total > maxTotalBytes {
			return nil, "", fmt.Errorf("MIB files in %s: more than %d files or %d bytes", strings.Join(directories, ", "), maxFiles, maxTotalBytes)
		}
	}
	slices.Sort(files)
	return files, s.String(), nil
}

func (l *Library) load(files []string) (*Set, error) {
	var modules []*module
	var problems []error
	for _, path := range files {
		text, err := l.read(path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		ms, fault := parse(path, text)
		if fault != nil {
			problems = append(problems, fault)
		}
		modules = append(modules, ms...)
	}
	return link(Builtin(), modules, problems)
}

func (l *Library) open(path string) (*os.File, error) {
	if l.Open != nil {
		return l.Open(path)
	}
	return os.Open(path)
}

func (l *Library) entries(dir string) ([]os.DirEntry, error) {
	f, err := l.open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// stat looks at a file through symbolic links.
func (l *Library) stat(path string) (os.FileInfo, error) {
	if l.Open == nil {
		return os.Stat(path)
	}
	f, err := l.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

func (l *Library) read(path string) (string, error) {
	f, err := l.open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1)) // the file may have grown
	return string(b), err
}

// Parse reads the text of one MIB file on top of the built-in names; name is what
// faults call it.
func Parse(name, text string) (*Set, error) {
	modules, fault := parse(name, text)
	var problems []error
	if fault != nil {
		problems = append(problems, fault)
	}
	set, err := link(Builtin(), modules, problems)
	if err != nil {
		return nil, err
	}
	return set, errors.Join(set.problems...)
}

// linker turns what modules say into objects: it finds the numbers behind the names
// of parents, and the base types behind the names of types.
type linker struct {
	set     *Set
	modules map[string]*module
	nodes   map[string]map[string]*node // module -> name -> node
	any     map[string]*linked          // the first of a name, in any module
	done    map[*node]string            // the numbers that are known; "" while one is looked for
}

type linked struct {
	node   *node
	module *module
}

func link(base *Set, modules []*module, problems []error) (*Set, error) {
	set := newSet()
	for _, o := range base.byModule {
		set.byModule[o.String()] = o
	}
	for name, o := range base.byName {
		set.byName[name] = o
	}
	for oid, o := range base.byOID {
		set.byOID[oid] = o
	}
	set.depth = base.depth
	l := &linker{set: set, modules: map[string]*module{}, nodes: map[string]map[string]*node{}, any: map[string]*linked{}, done: map[*node]string{}}
	for _, m := range modules {
		if l.modules[m.name] != nil {
			continue // a second copy of a module: the first file in order counts
		}
		l.modules[m.name] = m
		names := make(map[string]*node, len(m.nodes))
		for _, n := range m.nodes {
			if names[n.name] == nil {
				names[n.name] = n
			}
			if l.any[n.name] == nil {
				l.any[n.name] = &linked{n, m}
			}
		}
		l.nodes[m.name] = names
	}
	for _, m := range modules {
		if l.modules[m.name] != m {
			continue
		}
		for _, n := range m.nodes {
			oid, err := l.number(n, m, 0)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			set.merge(l.object(m, n, oid))
			if set.Len() > maxObjects {
				return nil, fmt.Errorf("MIB files define more than %d objects", maxObjects)
			}
		}
	}
	if len(problems) > maxProblems {
		more := len(problems) - maxProblems
		problems = append(problems[:maxProblems], fmt.Errorf("and %d more faults", more))
	}
	set.problems = problems
	return set, nil
}

// number returns the dotted number of a node.
func (l *linker) number(n *node, m *module, depth int) (string, error) {
	if oid, ok := l.done[n]; ok {
		if oid == "" {
			return "", n.fault("the object identifier of %s leads back to itself or to an unknown name", n.name)
		}
		return oid, nil
	}
	l.done[n] = ""
	if depth > maxArcs {
		return "", n.fault("the object identifier of %s is deeper than %d", n.name, maxArcs)
	}
	var arcs []string
	for i, part := range n.oid {
		switch {
		case i == 0 && part.name != "":
			parent, err := l.parent(part, n, m, depth)
			if err != nil {
				return "", err
			}
			arcs = append(arcs, parent)
		case part.number != "":
			arcs = append(arcs, part.number)
		default:
			return "", n.fault("%q in the object identifier of %s has no number", part.name, n.name)
		}
	}
	oid := strings.Join(arcs, ".")
	if err := CheckOID(oid); err != nil && oid != "1" && oid != "0" && oid != "2" {
		return "", n.fault("%s: %v", n.name, err)
	}
	l.done[n] = oid
	return oid, nil
}

func (l *linker) parent(part oidPart, n *node, m *module, depth int) (string, error) {
	from := m.imports[part.name]
	for _, name := range []string{m.name, from} {
		if p := l.nodes[name][part.name]; p != nil && p != n {
			return l.number(p, l.modules[name], depth+1)
		}
	}
	if o := l.set.byModule[from+"::"+part.name]; o != nil {
		return o.OID, nil
	}
	if o := Builtin().byName[part.name]; o != nil {
		return o.OID, nil
	}
	if p := l.any[part.name]; p != nil && p.node != n {
		return l.number(p.node, p.module, depth+1)
	}
	switch {
	case part.number != "":
		return part.number, nil // { iso(1) … } of a name that nobody defines
	case part.name == "ccitt" || part.name == "itu-t":
		return "0", nil
	case part.name == "joint-iso-ccitt" || part.name == "joint-iso-itu-t":
		return "2", nil
	case from != "":
		return "", n.fault("the parent of %s is %s of module %s, which is not among the MIB files", n.name, part.name, from)
	}
	return "", n.fault("the parent of %s, %s, is not defined", n.name, part.name)
}

func (n *node) fault(format string, args ...any) error {
	e := *n.at
	e.Message = fmt.Sprintf(format, args...)
	return &e
}

func (l *linker) object(m *module, n *node, oid string) *Object {
	o := &Object{Module: m.name, Name: n.name, OID: oid, Unit: n.unit}
	if n.syntax == nil || n.sequence {
		return o
	}
	entry := l.entry(m, n)
	o.Accessible = len(n.index) == 0 && n.augments == "" // an entry itself is not asked for
	if entry != nil {
		o.Column, o.Index = true, l.index(m, entry, 0)
	}
	y := l.base(m, n.syntax, 0)
	o.Hint, o.Enum = y.hint, y.enum
	o.Syntax = syntaxOf(y)
	if o.Syntax == Ticks {
		o.Unit = "s"
	}
	o.Unit = plainUnit(o.Unit)
	return o
}

// entry returns the entry that a column belongs to.
func (l *linker) entry(m *module, n *node) *node {
	if len(n.oid) != 2 {
		return nil
	}
	if p := l.nodes[m.name][n.oid[0].name]; p != nil && p.syntax != nil && (len(p.index) > 0 || p.augments != "") {
		return p
	}
	return nil
}

func (l *linker) index(m *module, entry *node, depth int) []string {
	if entry.augments == "" || depth > maxTypeDepth {
		return entry.index
	}
	for _, name := range []string{m.name, m.imports[entry.augments]} {
		if p := l.nodes[name][entry.augments]; p != nil {
			return l.index(l.modules[name], p, depth+1)
		}
	}
	if o := l.set.byName[entry.augments]; o != nil {
		if first := l.set.byOID[o.OID+".1"]; first != nil {
			return first.Index
		}
	}
	return []string{entry.augments}
}

// conventions are textual conventions of modules that are rarely at hand: RFC 2579,
// 3411, 2863, 4001 and 2856.
var conventions = map[string]typ{
	"DisplayString":        {name: "OCTET STRING", hint: "255a"},
	"SnmpAdminString":      {name: "OCTET STRING", hint: "255t"},
	"OwnerString":          {name: "OCTET STRING", hint: "255a"},
	"PhysAddress":          {name: "OCTET STRING", hint: hintMAC},
	"MacAddress":           {name: "OCTET STRING", hint: hintMAC},
	"DateAndTime":          {name: "OCTET STRING", hint: hintDate},
	"InetAddress":          {name: "OCTET STRING"},
	"TruthValue":           {name: "TruthValue"},
	"TimeStamp":            {name: "TimeTicks"},
	"TimeInterval":         {name: "Integer32"},
	"TestAndIncr":          {name: "Integer32"},
	"InterfaceIndex":       {name: "Integer32"},
	"InterfaceIndexOrZero": {name: "Integer32"},
	"InetPortNumber":       {name: "Unsigned32"},
	"AutonomousType":       {name: "OBJECT IDENTIFIER"},
	"RowPointer":           {name: "OBJECT IDENTIFIER"},
	"VariablePointer":      {name: "OBJECT IDENTIFIER"},
	"CounterBasedGauge64":  {name: "Gauge"},
	"ZeroBasedCounter64":   {name: "Counter64"},
	"ZeroBasedCounter32":   {name: "Counter32"},
	"RowStatus": {name: "INTEGER", enum: map[int64]string{
		1: "active", 2: "notInService", 3: "notReady", 4: "createAndGo", 5: "createAndWait", 6: "destroy",
	}},
	"StorageType": {name: "INTEGER", enum: map[int64]string{
		1: "other", 2: "volatile", 3: "nonVolatile", 4: "permanent", 5: "readOnly",
	}},
	"InetAddressType": {name: "INTEGER", enum: map[int64]string{
		0: "unknown", 1: "ipv4", 2: "ipv6", 3: "ipv4z", 4: "ipv6z", 16: "dns",
	}},
}

// base follows the names of types to one that needs no more.
func (l *linker) base(m *module, y *typ, depth int) typ {
	if depth > maxTypeDepth || m == nil {
		return *y
	}
	found := func(m *module, b *typ) typ {
		below := l.base(m, b, depth+1)
		if y.hint != "" {
			below.hint = y.hint
		}
		if y.enum != nil {
			below.enum = y.enum
		}
		return below
	}
	if b := m.types[y.name]; b != nil && b != y && y.name != "TruthValue" {
		return found(m, b)
	}
	if from := l.modules[m.imports[y.name]]; from != nil && y.name != "TruthValue" {
		if b := from.types[y.name]; b != nil && b != y {
			return found(from, b)
		}
	}
	if c, ok := conventions[y.name]; ok {
		if y.enum != nil {
			c.enum = y.enum
		}
		return c
	}
	return *y
}

func syntaxOf(y typ) Syntax {
	switch y.name {
	case "INTEGER", "Integer32":
		return Integer
	case "Counter", "Counter32":
		return Counter32
	case "Counter64":
		return Counter64
	case "Gauge", "Gauge32", "Unsigned32", "UInteger32":
		return Gauge
	case "TimeTicks":
		return Ticks
	case "TruthValue":
		return Truth
	case "OBJECT IDENTIFIER":
		return OID
	case "IpAddress", "NetworkAddress":
		return Address
	case "BITS":
		return Bits
	case "Float", "Double":
		return Decimal
	case "OCTET STRING":
		if strings.HasSuffix(y.hint, "a") || strings.HasSuffix(y.hint, "t") {
			return String
		}
		return Octets
	}
	return Unknown
}

// plainUnit gives the units that MIB files write in many ways one form.
func plainUnit(unit string) string {
	switch strings.ToLower(unit) {
	case "seconds", "second", "sec", "secs":
		return "s"
	case "milliseconds", "millisecond", "msec":
		return "ms"
	case "octets", "octet", "bytes", "byte":
		return "bytes"
	case "percent", "percentage", "%":
		return "%"
	case "kb", "kbytes", "kilobytes":
		return "KiB" // agents mean 1,024: HOST-RESOURCES-MIB's KBytes says so
	case "bits per second", "bits/second":
		return "bit/s"
	case "degrees centigrade", "degrees celsius", "celsius", "degrees c":
		return "°C"
	}
	if _, err := strconv.Atoi(unit); err == nil {
		return ""
	}
	return unit
}
