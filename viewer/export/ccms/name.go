package ccms

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"grove/tree"
)

// Lengths of names, in characters: structure ALGLOBTID and the general properties of
// an element (SAP help, "Monitoring Tree Elements").
const (
	MaxSystem = 8
	MaxPart   = 40 // context, object, attribute, short name, MTE class, attribute group
	MaxUnit   = 4
)

// gap stands for what is left out between or after the parts of a name.
const gap = "..."

const separator = `\`

// hashed is what a shortened part ends in: "~" and eight characters.
const hashed = 1 + 8

var digits = base32.StdEncoding.WithPadding(base32.NoPadding)

// part makes a text fit into a part of a name. It is the text itself wherever that is
// possible; otherwise the hash keeps what it becomes apart from all others.
func part(text string) string {
	if fits(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	short := strings.ReplaceAll(text, separator, "_")
	return clip(short, MaxPart-hashed) + "~" + digits.EncodeToString(sum[:5])
}

func fits(text string) bool {
	return text != gap && !strings.Contains(text, separator) && utf8.RuneCountInString(text) <= MaxPart && !looksShort(text)
}

// looksShort says whether a text could be a shortened one: such a text is shortened
// itself, or it could have the name of another node.
func looksShort(text string) bool {
	if len(text) < hashed || text[len(text)-hashed] != '~' {
		return false
	}
	_, err := digits.DecodeString(text[len(text)-hashed+1:])
	return err == nil
}

// clip cuts a text to so many characters.
func clip(text string, most int) string {
	for i := range text {
		if most == 0 {
			return text[:i]
		}
		most--
	}
	return text
}

// name is the parts of the name of an element. Object and Attribute are empty where
// the element has none.
type name struct {
	context, object, attribute string
	between                    bool // summary nodes lie between context and object
}

// nameOf names the node at a path.
func nameOf(p tree.Path, group bool) (n name) {
	if p.IsRoot() {
		return n
	}
	text := p.String()[1:]
	if !group {
		n.attribute = part(p.Name())
		text = strings.TrimSuffix(text, text[strings.LastIndexByte(text, '/')+1:])
		text = strings.TrimSuffix(text, "/")
	}
	context, object, deeper := strings.Cut(text, "/")
	if context != "" {
		n.context = part(unescape(context))
	}
	if deeper {
		n.object = part(object)
		n.between = strings.Contains(object, "/")
	}
	return n
}

var unescaper = strings.NewReplacer("~1", "/", "~0", "~")

func unescape(text string) string {
	if !strings.Contains(text, "~") {
		return text
	}
	return unescaper.Replace(text)
}

// full joins the parts; see the package comment.
func (n name) full(system string) string {
	parts := []string{system}
	add := func(text string) {
		if text == "" {
			text = gap
		}
		parts = append(parts, text)
	}
	switch {
	case n.context == "" && n.attribute == "":
		add("")
	case n.object == "" && n.attribute == "":
		add(n.context)
		add("")
	default:
		add(n.context)
		if n.between {
			add("")
		}
		add(n.object)
		add(n.attribute)
	}
	return strings.Join(parts, separator)
}

// shortName is what an element is called among those beside it.
func shortName(p tree.Path, system string) string {
	if p.IsRoot() {
		return system
	}
	return part(p.Name())
}

// number is the 64 bits by which the identifiers of an element tell it from others; it
// depends on nothing but the path.
func number(p tree.Path) uint64 {
	sum := sha256.Sum256([]byte(p.String()))
	return binary.BigEndian.Uint64(sum[:])
}
