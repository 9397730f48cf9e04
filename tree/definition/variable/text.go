package variable

import (
	"errors"
	"fmt"
	"strings"
)

// MaxTextBytes bounds what a text becomes when its variables are filled in.
const MaxTextBytes = 64 << 10

// Text is a text of a file with the variables that it takes in: "port ${item}".
// "$${" stands for "${" itself.
type Text struct {
	plain string
	parts []part // none: plain says all
}

type part struct{ text, name string } // a literal or a variable

// ErrSecret is returned when a text that people see names a secret.
var ErrSecret = errors.New("a secret may only be used in the options of a probe")

// ParseText finds the variables of a text.
func ParseText(s string) (Text, error) {
	if !strings.Contains(s, "${") {
		return Text{plain: s}, nil
	}
	t := Text{plain: s}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for rest := s; rest != ""; {
		i := strings.Index(rest, "${")
		if i < 0 {
			literal.WriteString(rest)
			break
		}
		if i > 0 && rest[i-1] == '$' {
			literal.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		literal.WriteString(rest[:i])
		end := strings.IndexByte(rest[i:], '}')
		if end < 0 {
			return Text{}, fmt.Errorf(`"${" without "}" (write "$${" for "${" itself)`)
		}
		name := rest[i+2 : i+end]
		if !validReference(name) {
			return Text{}, fmt.Errorf(`${%s} is not a name (write "$${" for "${" itself)`, name)
		}
		flush()
		t.parts = append(t.parts, part{name: name})
		rest = rest[i+end+1:]
	}
	flush()
	return t, nil
}

// ValidName says whether s may name a parameter, a probe or a template: a letter
// or underscore, then letters, digits and underscores.
func ValidName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && !(i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func validReference(s string) bool {
	base, member, dotted := strings.Cut(s, ".")
	return ValidName(base) && (!dotted || member != "" && !strings.ContainsAny(member, "${} \n"))
}

// IsPlain says whether the text takes in nothing.
func (t *Text) IsPlain() bool { return t.parts == nil }

// Only returns the name when the text is one variable and nothing else.
func (t *Text) Only() (name string, ok bool) {
	if len(t.parts) == 1 && t.parts[0].name != "" {
		return t.parts[0].name, true
	}
	return "", false
}

// Names lists the variables that the text takes in.
func (t *Text) Names() []string {
	var names []string
	for _, p := range t.parts {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// Fill puts the values in. Sample says that one of them stands for a value that is
// not known. Secrets are refused with ErrSecret unless they are allowed.
func (t *Text) Fill(s *Scope, secrets bool) (text string, sample bool, err error) {
	if t.parts == nil {
		return t.plain, false, nil
	}
	var out []byte
	for _, p := range t.parts {
		if p.name == "" {
			out = append(out, p.text...)
			continue
		}
		v, err := s.Lookup(p.name)
		if err != nil {
			return "", false, err
		}
		if v.Secret && !secrets {
			return "", false, fmt.Errorf("${%s}: %w", p.name, ErrSecret)
		}
		switch v.Any.(type) {
		case []Value:
			return "", false, fmt.Errorf("${%s} is a list, which cannot stand within a text", p.name)
		case map[string]Value:
			return "", false, fmt.Errorf("${%s} has parts: name one, as in ${%s.part}", p.name, p.name)
		}
		sample = sample || v.Sample
		out = append(out, v.Text...)
		if len(out) > MaxTextBytes {
			return "", false, fmt.Errorf("text becomes longer than %d bytes", MaxTextBytes)
		}
	}
	return string(out), sample, nil
}

// String returns the text as it is written.
func (t *Text) String() string { return t.plain }
