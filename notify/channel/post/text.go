package post

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

// Bytes is the size of a text in bytes.
func Bytes(s string) int { return len(s) }

// Runes is the size of a text in characters.
func Runes(s string) int { return utf8.RuneCountInString(s) }

// Units is the size of a text in units of UTF-16, as services count that are written in
// JavaScript or the like.
func Units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// Fit escapes a text, and cuts it between lines to so much of a size; what is left out is
// said as "…and 3 more lines". escape may be nil.
func Fit(text string, most int, size func(string) int, escape func(string) string) string {
	if escape == nil {
		escape = func(s string) string { return s }
	}
	text = strings.TrimRight(text, "\n ")
	if whole := escape(text); size(whole) <= most {
		return whole
	}
	lines := strings.Split(text, "\n")
	var b strings.Builder
	used := 0
	for i, line := range lines {
		end := fmt.Sprintf("…and %d more lines", len(lines)-i)
		next := escape(line) + "\n"
		if used+size(next)+size(end) <= most {
			b.WriteString(next)
			used += size(next)
			continue
		}
		if i == 0 {
			return shorten(line, most, size, escape)
		}
		b.WriteString(end)
		break
	}
	return b.String()
}

// shorten cuts a line to the most characters that fit.
func shorten(line string, most int, size func(string) int, escape func(string) string) string {
	low, high := 0, utf8.RuneCountInString(line)
	for low < high {
		middle := (low + high + 1) / 2
		if size(escape(template.Truncate(line, middle))) <= most {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return escape(template.Truncate(line, low))
}

// Name makes a name of a group that has only lower-case letters, digits and a hyphen, is
// 38 characters long, and the same each time: for services whose names take no more.
func Name(group string) string {
	sum := sha256.Sum256([]byte(group))
	return "grove-" + hex.EncodeToString(sum[:16])
}

// ID is a group's own name where it is no longer than so many characters, else Name.
func ID(group string, most int) string {
	if plain := template.OneLine(group); plain == group && Runes(group) <= most {
		return group
	}
	return Name(group)
}

// Colour is that of a message as 0xRRGGBB: of its status, and that of green when all is over.
func Colour(m *channel.Message) int {
	switch {
	case m.Purpose == channel.Resolution, m.Status == tree.Green && len(m.Alerts) > 0:
		return 0x2a9d8f
	case m.Status == tree.Red:
		return 0xb00020
	case m.Status == tree.Yellow:
		return 0xffcc33
	}
	return 0x8a8a8a
}

// Web is a colour as CSS has it: "#b00020".
func Web(colour int) string { return fmt.Sprintf("#%06x", colour) }

// Clean is a short text of a message as a field of its own: one line, at most 255 characters.
func Clean(s string) string { return template.Truncate(template.OneLine(s), 255) }

// Source says in one line who tells it, and by which route.
func Source(m *channel.Message) string {
	s := "grove " + m.Manager
	if m.Route != "" {
		s += ", route " + m.Route
	}
	return template.Truncate(template.OneLine(s), 200)
}

// About says whether a message is about alerts, rather than about grove or its work.
func About(m *channel.Message) bool {
	switch m.Purpose {
	case channel.Firing, channel.Reminder, channel.Escalation, channel.Resolution:
		return true
	case channel.Announcement, channel.Heartbeat, channel.Test:
	}
	return false
}

// Acknowledged says whether somebody knows of every alert that stands.
func Acknowledged(m *channel.Message) bool {
	stand, known := 0, 0
	for i := range m.Alerts {
		if a := &m.Alerts[i]; !a.Ended() {
			stand++
			if a.State == alert.Acknowledged || a.Ack != nil {
				known++
			}
		}
	}
	return stand > 0 && known == stand && m.Firing == stand
}

// Recent remembers a text for each of the groups that were told of last, in memory: where
// the thread of a group is, which ticket it has.
type Recent struct{ texts map[string]string }

// maxRecent bounds the groups that are remembered; then all are forgotten.
const maxRecent = 2000

// Get returns what was Put; empty: nothing, or it is forgotten.
func (r *Recent) Get(group string) string { return r.texts[group] }

// Put remembers a text for a group; the empty text forgets it.
func (r *Recent) Put(group, text string) {
	if text == "" {
		delete(r.texts, group)
		return
	}
	if r.texts == nil || len(r.texts) >= maxRecent {
		r.texts = map[string]string{}
	}
	r.texts[group] = text
}
