package tree

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a path.
const (
	MaxDepth      = 32   // names in a path
	MaxNameBytes  = 128  // bytes of one name, before escaping
	MaxPathBytes  = 1024 // bytes of the canonical text
	pathSeparator = '/'
)

// ErrPath is wrapped by every error about the text of a path.
var ErrPath = errors.New("malformed path")

// Path is a place in the tree, such as "/shop/web1/Connections/Active". The root
// is "/". Names are joined by slashes; inside a name "~" is written "~0" and "/"
// is written "~1", as in a JSON pointer (RFC 6901), so that the file system
// "/var" under "/host" is "/host/~1var". Only [ParsePath], [Path.Child] and their
// relatives make a Path; the zero value is the root.
type Path struct{ text string } // canonical, without the root's slash: "" or "/a/b"

// Root is the path of the root.
var Root Path

// ParsePath reads the canonical text of a path. A missing leading slash and a
// trailing one are forgiven; an empty name, a control character, text that is not
// UTF-8, a bad escape and anything beyond the bounds are errors.
func ParsePath(text string) (Path, error) {
	t := strings.TrimSuffix(strings.TrimPrefix(text, "/"), "/")
	if t == "" {
		return Root, nil
	}
	p := Root
	for part := range strings.SplitSeq(t, "/") {
		name, err := unescape(part)
		if err == nil {
			p, err = p.Child(name)
		}
		if err != nil {
			return Root, fmt.Errorf("%w %q: %w", ErrPath, clip(text), err)
		}
	}
	return p, nil
}

// MustPath is ParsePath for paths that are written in the program.
func MustPath(text string) Path {
	p, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

// Child returns the path of the child with the given (unescaped) name.
func (p Path) Child(name string) (Path, error) {
	if err := CheckName(name); err != nil {
		return Root, err
	}
	c := Path{p.text + "/" + escape(name)}
	switch {
	case len(c.text) > MaxPathBytes:
		return Root, fmt.Errorf("longer than %d bytes", MaxPathBytes)
	case c.Depth() > MaxDepth:
		return Root, fmt.Errorf("deeper than %d names", MaxDepth)
	}
	return c, nil
}

// Join returns the path of q below p: "/a" joined with "/b/c" is "/a/b/c".
func (p Path) Join(q Path) (Path, error) {
	j := Path{p.text + q.text}
	if len(j.text) > MaxPathBytes || j.Depth() > MaxDepth {
		return Root, fmt.Errorf("%w %q: longer than %d bytes or deeper than %d names", ErrPath, clip(j.text), MaxPathBytes, MaxDepth)
	}
	return j, nil
}

// CheckName says whether a text may be the name of a node: 1 to MaxNameBytes
// bytes of UTF-8 without control characters and without space at its ends, not "."
// and not "..".
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("empty name")
	case name == "." || name == "..":
		return fmt.Errorf("name %q would be lost in an address", name)
	case len(name) > MaxNameBytes:
		return fmt.Errorf("name %q is longer than %d bytes", clip(name), MaxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not UTF-8", clip(name))
	case strings.IndexFunc(name, isControl) >= 0:
		return fmt.Errorf("name %q has a control character", clip(name))
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("name %q begins or ends with a space", clip(name))
	}
	return nil
}

// isControl holds for characters that would garble a terminal or a log line:
// C0, C1, and the format characters that change the direction of text.
func isControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// String returns the canonical text, "/" for the root.
func (p Path) String() string {
	if p.text == "" {
		return "/"
	}
	return p.text
}

// IsRoot says whether p is the root.
func (p Path) IsRoot() bool { return p.text == "" }

// Depth counts the names; the root has none.
func (p Path) Depth() int { return strings.Count(p.text, "/") }

// Name returns the last name, unescaped; the root's is empty.
func (p Path) Name() string {
	name, _ := unescape(p.text[strings.LastIndexByte(p.text, pathSeparator)+1:])
	return name
}

// Parent returns the path above; the root is its own parent.
func (p Path) Parent() Path {
	if p.text == "" {
		return p
	}
	return Path{p.text[:strings.LastIndexByte(p.text, pathSeparator)]}
}

// Names returns the unescaped names from the root downwards.
func (p Path) Names() []string {
	if p.text == "" {
		return nil
	}
	names := strings.Split(p.text[1:], "/")
	for i := range names {
		names[i], _ = unescape(names[i])
	}
	return names
}

// Contains says whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return strings.HasPrefix(q.text, p.text) && (len(q.text) == len(p.text) || q.text[len(p.text)] == pathSeparator)
}

// Below returns q as seen from p, which contains it: "/a/b/c" below "/a" is "/b/c".
func (p Path) Below(q Path) (Path, bool) {
	if !p.Contains(q) {
		return Root, false
	}
	return Path{q.text[len(p.text):]}, true
}

// MarshalText implements encoding.TextMarshaler.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Path) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePath(string(text))
	return err
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return escaper.Replace(name)
}

func unescape(part string) (string, error) {
	if strings.IndexByte(part, '~') < 0 {
		return part, nil
	}
	for i := 0; i < len(part); i++ {
		if part[i] == '~' && (i+1 == len(part) || part[i+1] != '0' && part[i+1] != '1') {
			return "", errors.New(`"~" must be followed by 0 or 1`)
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"), nil
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
