package trap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"grove/runtime/probe/snmp/mib"
	"grove/runtime/receive/trap/message"
)

// template is a text with places for what a trap holds: "port {ifIndex} is {ifOperStatus}".
type template struct {
	pieces []piece
}

// piece is a text, or what a trap holds.
type piece struct {
	text string // as it is, or what stands for a value that is not there
	kind pieceKind
	oid  []byte // of an object
	name string // of an object that may be an index
	nth  int    // of a varbind, from 0
}

type pieceKind uint8

const (
	isText pieceKind = iota
	isObject
	isNth
	isTrap
	isNumber
	isSource
	isUser
	isUptime
	isVarbinds
)

const (
	maxTemplate = 1024 // bytes
	unknown     = "?"  // what stands for a value that is not there
)

var words = map[string]pieceKind{"trap": isTrap, "oid": isNumber, "source": isSource, "user": isUser, "uptime": isUptime, "varbinds": isVarbinds}

var position = regexp.MustCompile(`\A[1-9][0-9]{0,2}\z`)

// readTemplate reads a text with {name}, {name|what stands for it when it is not there},
// {1} for the first varbind, and {{ and }} for the braces themselves.
func readTemplate(names *mib.Set, text string) (*template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("longer than %d bytes", maxTemplate)
	}
	t := &template{}
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c != '{' && c != '}':
			plain.WriteByte(c)
			continue
		case i+1 < len(text) && text[i+1] == c:
			plain.WriteByte(c)
			i++
			continue
		case c == '}':
			return nil, errors.New("a } without its {; for the brace itself write }}")
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return nil, errors.New("a { without its }; for the brace itself write {{")
		}
		p, err := readPiece(names, text[i+1:i+end])
		if err != nil {
			return nil, err
		}
		if plain.Len() > 0 {
			t.pieces = append(t.pieces, piece{text: plain.String()})
			plain.Reset()
		}
		t.pieces = append(t.pieces, p)
		i += end
	}
	if plain.Len() > 0 {
		t.pieces = append(t.pieces, piece{text: plain.String()})
	}
	return t, nil
}

func readPiece(names *mib.Set, text string) (piece, error) {
	name, otherwise, has := strings.Cut(text, "|")
	name = strings.TrimSpace(name)
	p := piece{text: unknown}
	if has {
		p.text = otherwise
	}
	if kind, ok := words[name]; ok {
		p.kind = kind
		return p, nil
	}
	if position.MatchString(name) {
		p.kind = isNth
		n, _ := strconv.Atoi(name)
		p.nth = n - 1
		return p, nil
	}
	oid, object, _, err := names.Resolve(name)
	if err != nil {
		return p, err
	}
	p.kind = isObject
	if object != nil {
		p.name = object.Name
	}
	p.oid, err = message.EncodeOID(oid)
	return p, err
}

// write makes the text for a message; known says whether everything was there.
func (t *template) write(d *dictionary, m *message.Message) (text string, known bool) {
	if len(t.pieces) == 1 {
		return t.pieces[0].write(d, m)
	}
	out := make([]byte, 0, 128)
	known = true
	for i := range t.pieces {
		s, ok := t.pieces[i].write(d, m)
		out = append(out, s...)
		known = known && ok
		if len(out) > message.MaxText {
			break
		}
	}
	return message.Clip(string(out)), known
}

func (p *piece) write(d *dictionary, m *message.Message) (string, bool) {
	switch p.kind {
	case isObject:
		if s, ok := p.object(d, m); ok {
			return s, true
		}
		return p.text, false
	case isNth:
		if p.nth >= len(m.Varbinds) {
			return p.text, false
		}
		v := &m.Varbinds[p.nth]
		return v.Text(d.names, d.place(v.OID).object), true
	case isTrap:
		return d.name(m.Trap), true
	case isNumber:
		return message.Dotted(m.Trap), true
	case isSource:
		return m.Source.String(), true
	case isUser:
		if m.User == "" {
			return p.text, false
		}
		return message.OneLine(m.User), true
	case isUptime:
		return strconv.FormatUint(uint64(m.Uptime)/100, 10) + " s", true
	case isVarbinds:
		return d.varbinds(m), true
	}
	return p.text, true
}

// object is the value of an object. That of an index is taken from the instances of other
// objects when no varbind has it: ifDescr.3 says that ifIndex is 3.
func (p *piece) object(d *dictionary, m *message.Message) (string, bool) {
	if v := m.Find(p.oid); v != nil {
		s := v.Text(d.names, d.place(v.OID).object)
		return s, s != ""
	}
	if p.name == "" {
		return "", false
	}
	for i := range m.Varbinds {
		at := d.place(m.Varbinds[i].OID)
		if at.object == nil || at.rest == "" {
			continue
		}
		k := slices.Index(at.object.Index, p.name)
		switch {
		case k < 0:
		case len(at.object.Index) == 1:
			return at.rest, true
		default: // every index is one number, or it cannot be told which is which
			if parts := strings.Split(at.rest, "."); len(parts) == len(at.object.Index) {
				return parts[k], true
			}
		}
	}
	return "", false
}

// varbinds lists what a message says: "ifIndex.3=3 ifOperStatus.3=down".
func (d *dictionary) varbinds(m *message.Message) string {
	out := make([]byte, 0, 256)
	for i := range m.Varbinds {
		v := &m.Varbinds[i]
		at := d.place(v.OID)
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, at.name...)
		if at.rest != "" && at.rest != "0" {
			out = append(append(out, '.'), at.rest...)
		}
		out = append(append(out, '='), v.Text(d.names, at.object)...)
		if len(out) > message.MaxText {
			break
		}
	}
	return message.Clip(string(out))
}
