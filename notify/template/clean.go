package template

import (
	"html"
	"strings"
	"unicode"
)

// Plain returns a text as it may be shown to people: valid UTF-8, without control
// characters but line feeds and tabs, and without marks that turn the direction of writing.
func Plain(s string) string {
	if plain(s) {
		return s
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return '\n'
		case hidden(r):
			return -1
		}
		return r
	}, s)
}

// plain says whether a text is printable ASCII and line feeds.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\n' && c != '\t') || c > '~' {
			return false
		}
	}
	return true
}

// hidden are the control characters, the marks of direction and that of the order of bytes.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\uFEFF'
}

// OneLine is Plain with every run of blanks and line breaks made one blank, and none at the
// ends: what may stand in a header.
func OneLine(s string) string { return strings.Join(strings.Fields(Plain(s)), " ") }

// markup are the characters that Markdown may take for more than themselves.
const markup = "\\`*_{}[]<>()#+-!|~&>"

// Markdown has a text stand in Markdown as it is: what means something there is escaped,
// and nobody is called by "@all" in it.
func Markdown(s string) string {
	var b strings.Builder
	before := ' '
	for _, r := range s {
		switch {
		case r < unicode.MaxASCII && strings.ContainsRune(markup, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
			if r == '@' && !wordRune(before) {
				b.WriteRune(quiet)
			}
		}
		before = r
	}
	return b.String()
}

// quiet is a character without width: after "@" the name of a group calls nobody.
const quiet = '\u200B'

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// Quiet has "@all", "@here" and the like in a text call nobody.
func Quiet(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	var b strings.Builder
	before := ' '
	for _, r := range s {
		b.WriteRune(r)
		if r == '@' && !wordRune(before) {
			b.WriteRune(quiet)
		}
		before = r
	}
	return b.String()
}

// slackEscaper escapes what is special in Slack's mrkdwn:
// https://docs.slack.dev/messaging/formatting-message-text#escaping
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// formatRunes have a meaning around words in mrkdwn, and cannot be escaped there.
var formatRunes = strings.NewReplacer("*", "*\u200B", "_", "_\u200B", "~", "~\u200B", "`", "`\u200B")

// Slack has a text stand in Slack's mrkdwn: no link, and nobody is called.
func Slack(s string) string { return Quiet(formatRunes.Replace(slackEscaper.Replace(s))) }

// EscapeHTML has a text stand in HTML, and between the quotes of an attribute.
func EscapeHTML(s string) string { return html.EscapeString(s) }
