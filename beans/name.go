package beans

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of a name. JMX has none; these keep what comes from outside small.
const (
	MaxNameLength     = 4096 // bytes of the whole text
	MaxNameProperties = 64   // key=value elements
)

// Name is the name of a bean, JMX's ObjectName: a domain and a set of
// key=value properties, as in
//
//	grove:type=Node,path=/shop/web1
//	java.lang:type=MemoryPool,name="CMS Perm Gen"
//
// or, with wildcards, a pattern that many names match, as in "grove:type=Node,*".
// Only [ParseName] and [NewName] make one. A Name is an immutable value that
// shares its text: copying it allocates nothing.
//
// Two names are equal when their canonical forms are: use [Name.Equal], or
// [Name.Canonical] as the key of a map. The operator == also tells apart names
// that list the same properties in a different order. The zero Name is no name.
type Name struct {
	text      string // as created; the list wildcard stands last
	canonical string // keys sorted; the same string as text where that is sorted
	domain    uint16 // length of the domain in both
	wild      wildcards
}

// Property is one key=value element of a [Name]. The value is written as in the
// name: quoted values keep their quotes.
type Property struct {
	Key, Value string
}

type wildcards uint8

const (
	wildDomain wildcards = 1 << iota // * or ? in the domain
	wildList                         // a bare * among the properties
	wildValue                        // * or ? in a value
)

// ParseName reads the text of a name or pattern. The grammar is that of
// javax.management.ObjectName:
//
//	name     = domain ":" elements
//	elements = element { "," element }
//	element  = key "=" value | "*"             ("*" at most once)
//
// An empty domain stands for the default domain of the server that is asked. A
// key is not empty and has none of , = : * ? and newline. A value is either
// unquoted, without , = : " and newline, or quoted as [Quote] does it; an
// asterisk or question mark in a value that no backslash escapes is a wildcard.
// Spaces count. Unlike JMX, the empty text is an error and not "*:*".
func ParseName(text string) (Name, error) {
	n, at, why := parseName(text)
	if why != "" {
		if at >= 0 {
			why += " at byte " + strconv.Itoa(at+1)
		}
		return Name{}, &NameError{Op: "parse", Name: strconv.Quote(clip(text)), Err: fmt.Errorf("%w: %s", ErrMalformedName, why)}
	}
	return n, nil
}

// MustName is like [ParseName] for texts that stand in the program: it panics
// if the text is no name.
func MustName(text string) Name {
	n, err := ParseName(text)
	if err != nil {
		panic(err)
	}
	return n
}

// NewName makes a name of a domain and of keys and values in turn:
//
//	NewName("grove", "type", "Node", "path", PropertyValue(path))
//
// The values are taken as they stand; those that come from outside go through
// [PropertyValue] or [Quote].
func NewName(domain string, keysAndValues ...string) (Name, error) {
	var b strings.Builder
	b.WriteString(domain)
	if strings.ContainsRune(domain, ':') {
		return Name{}, nameParts(domain, "a domain must not contain ':'")
	}
	if len(keysAndValues)%2 != 0 {
		return Name{}, nameParts(domain, "the last key has no value")
	}
	for i := 0; i < len(keysAndValues); i += 2 {
		key, value := keysAndValues[i], keysAndValues[i+1]
		if c := strings.IndexAny(key, ",=:"); c >= 0 {
			return Name{}, nameParts(domain, fmt.Sprintf("key %q must not contain %q", clip(key), key[c]))
		}
		if end, _, _, why := scanValue(value, 0); why != "" {
			return Name{}, nameParts(domain, fmt.Sprintf("value %q of key %q: %s", clip(value), clip(key), why))
		} else if end < len(value) {
			return Name{}, nameParts(domain, fmt.Sprintf("value %q of key %q must be quoted", clip(value), clip(key)))
		}
		if i == 0 {
			b.WriteByte(':')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(key)
		b.WriteByte('=')
		b.WriteString(value)
	}
	if len(keysAndValues) == 0 {
		b.WriteByte(':')
	}
	return ParseName(b.String())
}

func nameParts(domain, why string) error {
	return &NameError{Op: "make name in domain", Name: strconv.Quote(clip(domain)), Err: fmt.Errorf("%w: %s", ErrMalformedName, why)}
}

// String returns the text of the name with its properties in the order in which
// it was created, the list wildcard last.
func (n Name) String() string { return n.text }

// Canonical returns the text with the keys sorted bytewise and the list
// wildcard last. Names are equal when this text is.
func (n Name) Canonical() string { return n.canonical }

// IsZero reports whether n is the zero Name.
func (n Name) IsZero() bool { return n.text == "" }

// Equal reports whether both are the same name.
func (n Name) Equal(other Name) bool { return n.canonical == other.canonical }

// Compare orders names by their canonical text.
func (n Name) Compare(other Name) int { return cmp.Compare(n.canonical, other.canonical) }

// Domain returns the part before the colon; empty for the default domain.
func (n Name) Domain() string { return n.text[:n.domain] }

// InDomain returns the name with the domain replaced where n has an empty one,
// which is how a server reads it, and n itself otherwise. The domain must be one
// that ParseName takes.
func (n Name) InDomain(domain string) (Name, error) {
	if n.domain > 0 || domain == "" || n.IsZero() {
		return n, nil
	}
	return ParseName(domain + n.text)
}

// Get returns the value of one property as it stands in the name.
func (n Name) Get(key string) (value string, ok bool) {
	n.each(func(k, v string) bool {
		if k == key {
			value, ok = v, true
		}
		return !ok
	})
	return value, ok
}

// Text returns the value of one property without its quotes and escapes, if it
// has any: the inverse of [PropertyValue].
func (n Name) Text(key string) (text string, ok bool) {
	value, ok := n.Get(key)
	if !ok || value == "" || value[0] != '"' {
		return value, ok
	}
	text, err := Unquote(value)
	if err != nil { // a pattern inside quotes
		return value, true
	}
	return text, true
}

// Properties returns the properties in the order of creation.
func (n Name) Properties() []Property {
	var props []Property
	n.each(func(k, v string) bool {
		props = append(props, Property{k, v})
		return true
	})
	return props
}

// IsPattern reports whether the name has a wildcard of any kind. A pattern
// cannot be registered, and no pattern matches it.
func (n Name) IsPattern() bool { return n.wild != 0 }

// IsDomainPattern reports whether the domain has a wildcard, as in "gro*:type=Node".
func (n Name) IsDomainPattern() bool { return n.wild&wildDomain != 0 }

// IsListPattern reports whether further properties may follow, as in "grove:type=Node,*".
func (n Name) IsListPattern() bool { return n.wild&wildList != 0 }

// IsValuePattern reports whether a value has a wildcard, as in "grove:type=N*".
func (n Name) IsValuePattern() bool { return n.wild&wildValue != 0 }

// Matches reports whether the pattern n covers name (ObjectName.apply): each
// property of n is found in name with a value that matches, and name has no
// other unless n is a list pattern. In the domain and in values * stands for any
// run of characters and ? for one. A name that is no pattern covers only itself;
// nothing covers a pattern.
func (n Name) Matches(name Name) bool {
	if name.wild != 0 || name.text == "" {
		return false
	}
	if n.wild == 0 {
		return n.canonical == name.canonical
	}
	if n.wild&wildDomain != 0 {
		if !glob(n.Domain(), name.Domain()) {
			return false
		}
	} else if n.Domain() != name.Domain() {
		return false
	}
	matched, ok := 0, true
	n.each(func(k, pattern string) bool {
		v, has := name.Get(k)
		ok = has && (v == pattern || n.wild&wildValue != 0 && globValue(pattern, v))
		matched++
		return ok
	})
	if !ok {
		return false
	}
	return n.wild&wildList != 0 || matched == name.size()
}

// size returns the number of properties.
func (n Name) size() (size int) {
	n.each(func(_, _ string) bool { size++; return true })
	return size
}

// MarshalText implements encoding.TextMarshaler; the zero Name is empty text.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is the zero Name.
func (n *Name) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = Name{}
		return nil
	}
	parsed, err := ParseName(string(text))
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}

// each yields the properties in the order of creation. The text was checked
// when it was parsed.
func (n Name) each(yield func(key, value string) bool) {
	for i := int(n.domain) + 1; i < len(n.text); {
		eq := strings.IndexByte(n.text[i:], '=')
		if eq < 0 {
			return // only the list wildcard is left
		}
		key := n.text[i : i+eq]
		start := i + eq + 1
		end, _, _, _ := scanValue(n.text, start)
		if !yield(key, n.text[start:end]) {
			return
		}
		i = end + 1
	}
}

// element is one property by its places in the text.
type element struct {
	start, eq, end uint16 // key is [start:eq), value is (eq:end)
}

// parseName does the work of ParseName. It allocates nothing where the text is
// canonical already. A why that is not empty says what is wrong, at the byte at
// (from 0; negative: in no single place).
func parseName(text string) (n Name, at int, why string) {
	if text == "" {
		return n, -1, "the text is empty"
	}
	if len(text) > MaxNameLength {
		return n, -1, "it has " + strconv.Itoa(len(text)) + " bytes, more than the bound of " + strconv.Itoa(MaxNameLength)
	}
	if !utf8.ValidString(text) {
		return n, -1, "it is not valid UTF-8"
	}
	colon := strings.IndexByte(text, ':')
	if colon < 0 {
		return n, -1, "there is no ':' after the domain"
	}
	for i := range colon {
		switch text[i] {
		case '\n':
			return n, i, "newline in the domain"
		case '*', '?':
			n.wild |= wildDomain
		}
	}
	if colon+1 == len(text) {
		return n, -1, "it has no properties"
	}

	var elements [MaxNameProperties]element
	size, star := 0, -1
	for i := colon + 1; ; {
		next := 0
		if text[i] == '*' && (i+1 == len(text) || text[i+1] == ',') {
			if star >= 0 {
				return n, i, "a second list wildcard '*'"
			}
			star, next = i, i+1
			n.wild |= wildList
		} else {
			eq, bad := scanKey(text, i)
			if bad != "" {
				return n, eq, bad
			}
			end, errAt, wild, bad := scanValue(text, eq+1)
			if bad != "" {
				return n, errAt, bad
			}
			if end < len(text) && text[end] != ',' {
				return n, end, strconv.QuoteRune(rune(text[end])) + " in an unquoted value"
			}
			if wild {
				n.wild |= wildValue
			}
			if size == MaxNameProperties {
				return n, i, "it has more properties than the bound of " + strconv.Itoa(MaxNameProperties)
			}
			elements[size] = element{uint16(i), uint16(eq), uint16(end)}
			size++
			next = end
		}
		if next == len(text) {
			break
		}
		if i = next + 1; i == len(text) {
			return n, next, "a comma at the end"
		}
	}

	n.text, n.domain = text, uint16(colon)
	created := elements[:size]
	if star >= 0 && star != len(text)-1 {
		n.text = joinElements(text, colon, created, true)
	}
	byKey := func(a, b element) int {
		return cmp.Compare(text[a.start:a.eq], text[b.start:b.eq])
	}
	if slices.IsSortedFunc(created, byKey) {
		n.canonical = n.text
	} else {
		slices.SortFunc(created, byKey)
		n.canonical = joinElements(text, colon, created, star >= 0)
	}
	for i := 1; i < size; i++ {
		if byKey(created[i-1], created[i]) == 0 {
			second := max(created[i-1].start, created[i].start)
			return Name{}, int(second), "key " + strconv.Quote(clip(text[created[i].start:created[i].eq])) + " a second time"
		}
	}
	return n, 0, ""
}

func joinElements(text string, colon int, elements []element, star bool) string {
	var b strings.Builder
	b.Grow(len(text))
	b.WriteString(text[:colon+1])
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text[e.start:e.end])
	}
	if star {
		if len(elements) > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('*')
	}
	return b.String()
}

// scanKey returns the place of the equals sign that ends the key at i, or the
// place of what is wrong.
func scanKey(text string, i int) (eq int, why string) {
	for j := i; j < len(text); j++ {
		switch text[j] {
		case '=':
			if j == i {
				return j, "an empty key"
			}
			return j, ""
		case ',':
			if j == i {
				return j, "an empty property"
			}
			return i, "property " + strconv.Quote(clip(text[i:j])) + " has no '='"
		case ':', '*', '?', '\n':
			return j, strconv.QuoteRune(rune(text[j])) + " in a key"
		}
	}
	return i, "property " + strconv.Quote(clip(text[i:])) + " has no '='"
}

// scanValue returns the end of the value that begins at i, and whether it has a
// wildcard. An unquoted value ends before the first character that cannot be
// part of it. A why that is not empty says what is wrong at the byte at.
func scanValue(text string, i int) (end, at int, wild bool, why string) {
	if i >= len(text) || text[i] != '"' {
		for ; i < len(text); i++ {
			switch text[i] {
			case ',', '=', ':', '"', '\n':
				return i, 0, wild, ""
			case '*', '?':
				wild = true
			}
		}
		return i, 0, wild, ""
	}
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '"':
			if j+1 < len(text) && text[j+1] != ',' {
				return j, j + 1, wild, "text after the closing quote"
			}
			return j + 1, 0, wild, ""
		case '\n':
			return j, j, wild, "newline in a quoted value"
		case '*', '?':
			wild = true
		case '\\':
			if j+1 == len(text) {
				continue // then the closing quote is missing too
			}
			if strings.IndexByte(`\n"?*`, text[j+1]) < 0 {
				return j, j, wild, `a backslash without one of \ n " ? * after it`
			}
			j++
		}
	}
	return len(text), i, wild, "a quote without its closing quote"
}

// clip shortens a text from outside for an error message.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
