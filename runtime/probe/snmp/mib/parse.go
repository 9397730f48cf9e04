package mib

import (
	"strconv"
	"strings"
)

// module is what one module of a MIB file says.
type module struct {
	name    string
	file    string
	imports map[string]string // symbol -> module
	types   map[string]*typ
	nodes   []*node
}

// typ is the right side of a type assignment, or the SYNTAX of an object.
type typ struct {
	name string // "Integer32", "OCTET STRING", "DisplayString", …; empty for SEQUENCE and CHOICE
	hint string
	enum map[int64]string
}

// node is an assignment of an object identifier.
type node struct {
	name     string
	syntax   *typ // of an OBJECT-TYPE, nil otherwise
	sequence bool // SYNTAX SEQUENCE OF: a table
	unit     string
	index    []string // of an entry
	augments string
	access   string
	oid      []oidPart
	offset   int
	at       *Error // where it stands, for faults found later
}

// oidPart is one part of { ifEntry 8 } or { iso(1) org(3) }.
type oidPart struct {
	name   string
	number string
}

// Bounds of one MIB file.
const (
	maxFileBytes   = 4 << 20
	maxNodes       = 50_000
	maxEnum        = 4096
	maxOIDParts    = 64
	maxUnitBytes   = 64
	maxHintBytes   = 255
	maxNameBytes   = 64 // RFC 2578 section 3.1
	maxIndexFields = 32
)

type parser struct {
	scanner
	nodes int
}

// parse reads the modules of one file. What comes before a fault is returned with it.
func parse(file, text string) (modules []*module, err *Error) {
	if len(text) > maxFileBytes {
		return nil, (&scanner{file: file}).fault(0, "longer than %d bytes", maxFileBytes)
	}
	p := &parser{scanner: scanner{file: file, text: text}}
	for p.peek().kind != endOfFile {
		m, err := p.module()
		if m != nil {
			modules = append(modules, m)
		}
		if err != nil {
			return modules, err
		}
	}
	if modules == nil {
		return nil, p.fault(0, "no MIB module in it")
	}
	return modules, nil
}

func (p *parser) expect(text string) *Error {
	if t := p.next(); t.text != text || t.kind == quoted || t.kind == endOfFile {
		return p.fault(t.offset, "%s where %q is expected", t.describe(), text)
	}
	return nil
}

func (t token) describe() string {
	if t.kind == endOfFile {
		return "the end of the file"
	}
	return strconv.Quote(clip(t.text))
}

func (p *parser) module() (*module, *Error) {
	t := p.next()
	if t.kind != word {
		return nil, p.fault(t.offset, "%s where the name of a module is expected", t.describe())
	}
	m := &module{name: t.text, file: p.file, imports: map[string]string{}, types: map[string]*typ{}}
	if p.take("{") { // the module's own object identifier, in old files
		if err := p.skipTo("}"); err != nil {
			return nil, err
		}
	}
	for _, text := range []string{"DEFINITIONS", "::=", "BEGIN"} {
		if text == "::=" { // "IMPLICIT TAGS ::=" and the like
			for p.take("IMPLICIT") || p.take("EXPLICIT") || p.take("AUTOMATIC") || p.take("TAGS") {
				continue
			}
		}
		if err := p.expect(text); err != nil {
			return nil, err
		}
	}
	for {
		t := p.next()
		var err *Error
		switch {
		case t.kind == endOfFile:
			return m, p.fault(t.offset, "the file ends inside of module %s", m.name)
		case t.kind == mark && t.text == ";":
		case t.kind != word:
			err = p.fault(t.offset, "%s where a definition is expected", t.describe())
		case t.text == "END":
			return m, nil
		case t.text == "IMPORTS":
			err = p.imports(m)
		case t.text == "EXPORTS":
			err = p.skipTo(";")
		default:
			err = p.definition(m, t)
		}
		if err != nil {
			return m, err
		}
	}
}

// skipTo reads up to and with the given mark.
func (p *parser) skipTo(text string) *Error {
	for {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return p.fault(t.offset, "the file ends where %q is expected", text)
		case t.text == text && t.kind != quoted:
			return nil
		}
	}
}

func (p *parser) imports(m *module) *Error {
	var symbols []string
	for {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return p.fault(t.offset, "the file ends inside of IMPORTS")
		case t.text == ";":
			return nil
		case t.text == "FROM":
			from := p.next()
			for _, s := range symbols {
				m.imports[s] = from.text
			}
			symbols = symbols[:0]
		case t.kind == word:
			symbols = append(symbols, t.text)
		}
	}
}

// definition reads what follows a name at the beginning of a definition.
func (p *parser) definition(m *module, name token) *Error {
	if len(name.text) > maxNameBytes {
		return p.fault(name.offset, "name %q is longer than %d bytes", clip(name.text), maxNameBytes)
	}
	switch t := p.peek(); {
	case t.text == "::=" && t.kind == mark:
		p.next()
		return p.typeAssignment(m, name)
	case t.text == "MACRO" && t.kind == word:
		return p.skipMacro()
	case t.kind != word:
		return p.fault(t.offset, "%s behind %q, where ::= or the kind of a definition is expected", t.describe(), name.text)
	}
	kind := p.next()
	n := &node{name: name.text, offset: name.offset, at: p.fault(name.offset, "")}
	if kind.text == "OBJECT" {
		if err := p.expect("IDENTIFIER"); err != nil {
			return err
		}
	}
	if err := p.clauses(n, kind); err != nil {
		return err
	}
	if kind.text == "TRAP-TYPE" { // RFC 1215: only a number
		p.next()
		return nil
	}
	if err := p.oid(n); err != nil {
		return err
	}
	if p.nodes++; p.nodes > maxNodes {
		return p.fault(name.offset, "more than %d objects in one file", maxNodes)
	}
	m.nodes = append(m.nodes, n)
	return nil
}

// clauses reads what stands between the kind of a definition and its "::=".
func (p *parser) clauses(n *node, kind token) *Error {
	object := kind.text == "OBJECT-TYPE"
	for {
		t := p.next()
		if t.kind == endOfFile {
			return p.fault(kind.offset, "the file ends inside of the definition of %s", n.name)
		}
		if t.kind == mark && t.text == "::=" {
			return nil
		}
		if t.kind != word || !object {
			continue
		}
		var err *Error
		switch t.text {
		case "SYNTAX":
			if p.take("SEQUENCE") {
				if err = p.expect("OF"); err == nil {
					n.sequence = true
					p.next()
				}
				break
			}
			n.syntax, err = p.syntax()
		case "UNITS":
			if u := p.next(); u.kind == quoted && len(u.text) <= maxUnitBytes {
				n.unit = strings.Join(strings.Fields(u.text), " ")
			}
		case "ACCESS", "MAX-ACCESS":
			n.access = p.next().text
		case "INDEX":
			n.index, err = p.names()
		case "AUGMENTS":
			var names []string
			if names, err = p.names(); len(names) > 0 {
				n.augments = names[0]
			}
		case "DEFVAL":
			err = p.skipBraces()
		}
		if err != nil {
			return err
		}
	}
}

// names reads { IMPLIED a, b }.
func (p *parser) names() (names []string, err *Error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	for {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return nil, p.fault(t.offset, "the file ends inside of braces")
		case t.text == "}" && t.kind == mark:
			return names, nil
		case t.kind == word && t.text != "IMPLIED" && len(names) < maxIndexFields:
			names = append(names, t.text)
		}
	}
}

func (p *parser) skipBraces() *Error {
	if err := p.expect("{"); err != nil {
		return err
	}
	for depth := 1; depth > 0; {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return p.fault(t.offset, "the file ends inside of braces")
		case t.kind == mark && t.text == "{":
			depth++
		case t.kind == mark && t.text == "}":
			depth--
		}
	}
	return nil
}

// syntax reads the name of a type with its sub-type or enumeration.
func (p *parser) syntax() (*typ, *Error) {
	if p.take("[") { // [APPLICATION 1] IMPLICIT
		if err := p.skipTo("]"); err != nil {
			return nil, err
		}
		p.take("IMPLICIT")
	}
	t := p.next()
	if t.kind != word {
		return nil, p.fault(t.offset, "%s where a type is expected", t.describe())
	}
	y := &typ{name: t.text}
	switch t.text {
	case "OCTET", "OBJECT":
		second := p.next()
		y.name += " " + second.text
	case "SEQUENCE", "CHOICE":
		y.name = ""
		if p.take("OF") {
			p.next()
			return y, nil
		}
		return y, p.skipBraces()
	}
	if p.peek().text == "{" {
		enum, err := p.enum()
		y.enum = enum
		return y, err
	}
	if p.peek().text == "(" {
		depth := 0
		for {
			switch t := p.next(); {
			case t.kind == endOfFile:
				return nil, p.fault(t.offset, "the file ends inside of parentheses")
			case t.kind == mark && t.text == "(":
				depth++
			case t.kind == mark && t.text == ")":
				depth--
			}
			if depth == 0 {
				break
			}
		}
	}
	return y, nil
}

// enum reads { up(1), down(2) }.
func (p *parser) enum() (map[int64]string, *Error) {
	p.next() // the brace
	enum := map[int64]string{}
	name := ""
	for {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return nil, p.fault(t.offset, "the file ends inside of an enumeration")
		case t.text == "}" && t.kind == mark:
			return enum, nil
		case t.kind == word:
			name = t.text
		case t.kind == number:
			n, err := strconv.ParseInt(t.text, 10, 64)
			if err != nil || name == "" {
				return nil, p.fault(t.offset, "%s is no number of an enumeration", t.describe())
			}
			if len(enum) >= maxEnum {
				return nil, p.fault(t.offset, "an enumeration has at most %d names", maxEnum)
			}
			enum[n], name = name, ""
		}
	}
}

// oid reads { ifEntry 8 } or { iso(1) org(3) dod(6) }.
func (p *parser) oid(n *node) *Error {
	if err := p.expect("{"); err != nil {
		return err
	}
	for {
		t := p.next()
		switch {
		case t.text == "}" && t.kind == mark:
			if len(n.oid) == 0 {
				return p.fault(t.offset, "%s has an empty object identifier", n.name)
			}
			return nil
		case t.kind == number:
			n.oid = append(n.oid, oidPart{number: t.text})
		case t.kind == word:
			part := oidPart{name: t.text}
			if p.take("(") {
				part.number = p.next().text
				if err := p.expect(")"); err != nil {
					return err
				}
			}
			n.oid = append(n.oid, part)
		case t.kind == mark && t.text == ".", t.kind == mark && t.text == ",":
		default:
			return p.fault(t.offset, "%s inside of an object identifier", t.describe())
		}
		if len(n.oid) > maxOIDParts {
			return p.fault(t.offset, "an object identifier has at most %d parts here", maxOIDParts)
		}
	}
}

// typeAssignment reads what follows "Name ::=".
func (p *parser) typeAssignment(m *module, name token) *Error {
	if !p.take("TEXTUAL-CONVENTION") {
		if t := p.peek(); t.kind == mark && t.text == "{" { // "name ::= { parent 1 }" lacks its kind
			return p.fault(name.offset, "%s has no kind of definition", name.text)
		}
		y, err := p.syntax()
		if err == nil {
			m.types[name.text] = y
		}
		return err
	}
	hint := ""
	for {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return p.fault(name.offset, "the file ends inside of the definition of %s", name.text)
		case t.kind == word && t.text == "DISPLAY-HINT":
			if h := p.next(); h.kind == quoted && len(h.text) <= maxHintBytes {
				hint = h.text
			}
		case t.kind == word && t.text == "SYNTAX":
			y, err := p.syntax()
			if err == nil {
				y.hint = hint
				m.types[name.text] = y
			}
			return err
		}
	}
}

func (p *parser) skipMacro() *Error {
	for {
		switch t := p.next(); {
		case t.kind == endOfFile:
			return p.fault(t.offset, "the file ends inside of a macro")
		case t.kind == word && t.text == "END":
			return nil
		}
	}
}
