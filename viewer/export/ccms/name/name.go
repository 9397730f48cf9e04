package name

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
)

// Gap stands for what is left out between or after the parts of a name.
const Gap = "..."

const separator = `\`

// hashed is what a shortened part ends in: "~" and eight characters.
const hashed = 1 + 8

var digits = base32.StdEncoding.WithPadding(base32.NoPadding)

// Part makes a text fit into a part of a name. It is the text itself wherever that is
// possible; otherwise the hash keeps what it becomes apart from all others.
func Part(text string) string {
	if fits(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	short := strings.ReplaceAll(text, separator, "_")
	return Clip(short, MaxPart-hashed) + "~" + digits.EncodeToString(sum[:5])
}

func fits(text string) bool {
	return text != Gap && !strings.Contains(text, separator) && utf8.RuneCountInString(text) <= MaxPart && !looksShort(text)
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

// Clip cuts a text to so many characters.
func Clip(text string, most int) string {
	for i := range text {
		if most == 0 {
			return text[:i]
		}
		most--
	}
	return text
}

// Name is the parts of the name of an element, without the system. Object and Attribute are empty where
// the element has none.
type Name struct {
	Context, Object, Attribute string

	between bool // summary nodes lie between context and object
}

// Of names the node at a path, which is a group or an attribute.
func Of(p tree.Path, group bool) (n Name) {
	if p.IsRoot() {
		return n
	}
	text := p.String()[1:]
	if !group {
		n.Attribute = Part(p.Name())
		text = strings.TrimSuffix(text, text[strings.LastIndexByte(text, '/')+1:])
		text = strings.TrimSuffix(text, "/")
	}
	context, object, deeper := strings.Cut(text, "/")
	if context != "" {
		n.Context = Part(unescape(context))
	}
	if deeper {
		n.Object = Part(object)
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

// Full joins the parts behind the name of a system; see the package comment.
func (n Name) Full(system string) string {
	parts := []string{system}
	add := func(text string) {
		if text == "" {
			text = Gap
		}
		parts = append(parts, text)
	}
	switch {
	case n.Context == "" && n.Attribute == "":
		add("")
	case n.Object == "" && n.Attribute == "":
		add(n.Context)
		add("")
	default:
		add(n.Context)
		if n.between {
			add("")
		}
		add(n.Object)
		add(n.Attribute)
	}
	return strings.Join(parts, separator)
}

// Short is what an element is called among those beside it; the root is called as the
// system.
func Short(p tree.Path, system string) string {
	if p.IsRoot() {
		return system
	}
	return Part(p.Name())
}

// Number is the 64 bits by which the identifiers of an element tell it from others; it
// depends on nothing but the path.
func Number(p tree.Path) uint64 {
	sum := sha256.Sum256([]byte(p.String()))
	return binary.BigEndian.Uint64(sum[:])
}
