package system

import (
	"regexp"
	"strings"
)

// Secrets belong into files or the environment, and definitions refer to them. A text
// that has one all the same is shown without it: what stands at a key that sounds like a
// secret is masked unless it is a reference, and so are passwords in addresses.

const masked = "••••"

var (
	// secretKey finds a key and the sign behind it, in YAML or in an attribute of XML.
	secretKey = regexp.MustCompile(`(?i)[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|authorization|bearer|cookie|credentials?|community|api[_-]?key|private[_-]?key)["']?\s*[:=]`)
	// secretElement finds an element of XML with its text.
	secretElement = regexp.MustCompile(`(?i)(<[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|authorization|bearer|cookie|credentials?|community|api[_-]?key|private[_-]?key)(?:\s[^<>]*)?>)([^<]+)(</)`)
	userInfo      = regexp.MustCompile(`(://[^/\s:@"']*:)([^/\s@"']+)(@)`)
	reference     = regexp.MustCompile(`^(?:file:|env:|credential:|\$\{[^}]*\}$)`)
	// structure is how a map or a list begins in a line.
	structure   = regexp.MustCompile(`^\s*(?:"[^"]*"|'[^']*'|[^\s"'{:][^:]*):(?:\s|$)|^\s*(?:-\s|-$|[{<])`)
	blockScalar = regexp.MustCompile(`^[|>][-+0-9]*\s*(?:#.*)?$`)
)

// mask hides the secrets of a text, and says whether there were any. Lines stay lines, so
// that the places of errors are right.
func mask(text string) (string, bool) {
	lines := strings.SplitAfter(text, "\n")
	found := false
	hide := func(s string) string {
		found = true
		return s
	}
	block := -1   // indent of the key whose lines below are hidden
	soft := false // but for those that are maps or lists
	quote := byte(0)
	for i, line := range lines {
		body := strings.TrimRight(line, "\r\n")
		end := line[len(body):]
		indent := len(body) - len(strings.TrimLeft(body, " \t"))
		switch {
		case quote != 0: // a quoted text goes on
			at := closing(body, quote)
			if at < 0 {
				lines[i] = hide(masked + end)
				continue
			}
			body, quote = hide(masked+body[at:]), 0
		case block >= 0 && strings.TrimSpace(body) == "":
			continue
		case block >= 0 && indent > block && !(soft && structure.MatchString(body)):
			lines[i] = hide(body[:indent] + masked + end)
			continue
		}
		block = -1
		body, quote = maskLine(body, hide)
		if quote == blockFollows || quote == maybeFollows {
			block, soft, quote = indent, quote == maybeFollows, 0
		}
		lines[i] = body + end
	}
	out := strings.Join(lines, "")
	out = secretElement.ReplaceAllStringFunc(out, func(s string) string {
		m := secretElement.FindStringSubmatch(s)
		if value := strings.TrimSpace(m[2]); value == "" || value == masked || reference.MatchString(value) {
			return s
		}
		return hide(m[1] + masked + strings.Repeat("\n", strings.Count(m[2], "\n")) + m[3])
	})
	return out, found
}

// What may stand in place of an open quote: the value is in the lines below, for certain
// or unless they are a map or a list.
const (
	blockFollows = byte('|')
	maybeFollows = byte('?')
)

// closing returns where a quoted text ends, or -1 when it goes on in the next line. The
// text begins behind its first quote.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] != quote:
		case quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		default:
			return i
		}
	}
	return -1
}

// maskLine hides the secrets of one line. It returns the quote of a text that goes on in
// the next line, or blockFollows, or 0.
func maskLine(line string, hide func(string) string) (string, byte) {
	if userInfo.MatchString(line) {
		line = userInfo.ReplaceAllStringFunc(line, func(s string) string {
			m := userInfo.FindStringSubmatch(s)
			if m[2] == masked || reference.MatchString(m[2]) {
				return s
			}
			return hide(m[1] + masked + m[3])
		})
	}
	from := 0
	for {
		at := secretKey.FindStringIndex(line[from:])
		if at == nil {
			return line, 0
		}
		begin := from + at[1]
		for begin < len(line) && (line[begin] == ' ' || line[begin] == '\t') {
			begin++
		}
		value := line[begin:]
		if strings.HasPrefix(line[from+at[0]:], "credential:") && begin == from+at[1] && value != "" {
			from = begin
			continue // A reference: a key has a space behind its colon.
		}
		from = begin
		if value == "" || value[0] == '#' {
			return line, maybeFollows
		}
		if value[0] == '{' || value[0] == '[' || value[0] == '&' || value[0] == '*' {
			continue // A map or list, whose keys are looked at by themselves.
		}
		if blockScalar.MatchString(value) {
			return line, blockFollows
		}
		if q := value[0]; q == '"' || q == '\'' {
			n := closing(value[1:], q)
			if n < 0 {
				return line[:begin] + hide(string(q)+masked), q
			}
			if inner := value[1 : 1+n]; inner != "" && inner != masked && !reference.MatchString(inner) {
				line = line[:begin] + hide(string(q)+masked+string(q)) + value[n+2:]
				from = begin + len(masked) + 2
			}
			continue
		}
		n := plainEnd(line[:begin], value)
		inner := strings.TrimSpace(value[:n])
		if inner == "" || inner == masked || reference.MatchString(inner) {
			continue
		}
		line = line[:begin] + hide(masked) + value[n:]
		from = begin + len(masked)
	}
}

// plainEnd returns where a value without quotes ends: before a remark, and within braces
// before what ends it there.
func plainEnd(before, value string) int {
	n := len(value)
	if at := strings.Index(value, " #"); at >= 0 {
		n = at
	}
	if strings.Count(before, "{") > strings.Count(before, "}") {
		if at := strings.IndexAny(value[:n], ",}"); at >= 0 {
			n = at
		}
	}
	return len(strings.TrimRight(value[:n], " \t"))
}
