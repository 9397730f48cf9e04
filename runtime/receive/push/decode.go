package push

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"grove/tree"
)

// Bounds of one request.
const (
	MaxBodyBytes = 4 << 20
	MaxReadings  = 10_000
	// MaxFuture is how far a reading's time may be ahead of this machine's clock.
	MaxFuture = 5 * time.Minute
	// maxDepth bounds the nesting of what is skipped over.
	maxDepth = 16
)

// SyntaxError is a body that is not JSON of the shape that is taken.
type SyntaxError struct {
	Offset       int // in bytes, from 0
	Line, Column int // from 1; the column counts bytes
	Message      string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

type valueForm uint8

const (
	noValue valueForm = iota
	numberValue
	textValue
	boolValue
)

// entry is one reading as it came. Its slices lie in the body, unless they had to be
// unescaped.
type entry struct {
	path, instance, probe, attribute, unit, text []byte

	number      float64
	form        valueForm
	event       bool
	eventStatus tree.Status
	eventText   []byte
	time        int64 // Unix nanoseconds; 0: none
	seen        uint16
	fault       string // why it cannot be taken; empty when it can
	timeFault   bool   // the fault is the time
}

// keys of a reading, as bits.
const (
	keyPath uint16 = 1 << iota
	keyInstance
	keyProbe
	keyAttribute
	keyValue
	keyTime
	keyUnit
	keyEvent
)

// decoder reads the body of a request: one reading, or an array of them. It makes no
// copy of what it reads.
type decoder struct {
	body []byte
	at   int
}

func (d *decoder) fault(at int, format string, args ...any) error {
	before := d.body[:min(at, len(d.body))]
	return &SyntaxError{
		Offset: at, Line: bytes.Count(before, []byte("\n")) + 1,
		Column: len(before) - bytes.LastIndexByte(before, '\n'), Message: fmt.Sprintf(format, args...),
	}
}

// decode reads all readings of a body into entries, which is used again. An error is
// a *SyntaxError: then nothing of the body counts. What is wrong with one reading
// alone is its entry's fault.
func decode(body []byte, entries []entry) ([]entry, error) {
	d := &decoder{body: body}
	if !utf8.Valid(body) {
		return entries, d.fault(validUpTo(body), "the body is not UTF-8")
	}
	d.space()
	if d.at == len(body) {
		return entries, d.fault(d.at, "the body is empty: a reading or an array of readings is expected")
	}
	if body[d.at] != '[' {
		e, err := d.reading()
		if err == nil {
			entries = append(entries, e)
			err = d.end()
		}
		return entries, err
	}
	d.at++
	d.space()
	if d.take(']') {
		return entries, d.end()
	}
	for {
		if len(entries) >= MaxReadings {
			return entries, d.fault(d.at, "more than %d readings in one request", MaxReadings)
		}
		e, err := d.reading()
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
		d.space()
		switch {
		case d.take(','):
			d.space()
		case d.take(']'):
			return entries, d.end()
		default:
			return entries, d.unexpected("a comma or the end of the array")
		}
	}
}

func validUpTo(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

func (d *decoder) end() error {
	d.space()
	if d.at < len(d.body) {
		return d.unexpected("the end of the body")
	}
	return nil
}

func (d *decoder) space() {
	for d.at < len(d.body) {
		switch d.body[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

func (d *decoder) take(c byte) bool {
	if d.at < len(d.body) && d.body[d.at] == c {
		d.at++
		return true
	}
	return false
}

func (d *decoder) unexpected(want string) error {
	if d.at >= len(d.body) {
		return d.fault(d.at, "the body ends where %s is expected", want)
	}
	r, _ := utf8.DecodeRune(d.body[d.at:])
	return d.fault(d.at, "%q where %s is expected", r, want)
}

// reading reads one object.
func (d *decoder) reading() (e entry, err error) {
	if !d.take('{') {
		return e, d.unexpected("a reading, which is an object,")
	}
	err = d.object(func(key []byte) error { return d.field(&e, key) })
	if err == nil && e.fault == "" {
		e.fault = e.incomplete()
	}
	return e, err
}

// object reads the fields behind an opening brace.
func (d *decoder) object(field func(key []byte) error) error {
	d.space()
	if d.take('}') {
		return nil
	}
	for {
		d.space()
		if d.at >= len(d.body) || d.body[d.at] != '"' {
			return d.unexpected("a key in quotes")
		}
		key, err := d.text()
		if err != nil {
			return err
		}
		d.space()
		if !d.take(':') {
			return d.unexpected("a colon")
		}
		d.space()
		if err := field(key); err != nil {
			return err
		}
		d.space()
		switch {
		case d.take(','):
		case d.take('}'):
			return nil
		default:
			return d.unexpected("a comma or the end of the object")
		}
	}
}

func (d *decoder) field(e *entry, key []byte) error {
	bit, into := uint16(0), (*[]byte)(nil)
	switch string(key) {
	case "path":
		bit, into = keyPath, &e.path
	case "instance":
		bit, into = keyInstance, &e.instance
	case "probe":
		bit, into = keyProbe, &e.probe
	case "attribute":
		bit, into = keyAttribute, &e.attribute
	case "unit":
		bit, into = keyUnit, &e.unit
	case "value":
		bit = keyValue
	case "time":
		bit = keyTime
	case "event":
		bit = keyEvent
	default:
		e.refuse(fmt.Sprintf("unknown key %q: a reading has path (or instance, probe and attribute), value or event, time and unit", clip(key)))
		return d.skip(0)
	}
	if e.seen&bit != 0 {
		e.refuse(fmt.Sprintf("the key %q is there twice", key))
		return d.skip(0)
	}
	e.seen |= bit
	switch {
	case into != nil:
		if d.at < len(d.body) && d.body[d.at] == '"' {
			text, err := d.text()
			*into = text
			return err
		}
		e.refuse(fmt.Sprintf("%s must be a text", key))
		return d.skip(0)
	case bit == keyValue:
		return d.value(e)
	case bit == keyTime:
		return d.time(e)
	default:
		return d.event(e)
	}
}

func (e *entry) refuse(why string) {
	if e.fault == "" {
		e.fault = why
	}
}

// incomplete says what a reading lacks.
func (e *entry) incomplete() string {
	const names = keyInstance | keyProbe | keyAttribute
	switch {
	case e.seen&keyPath != 0 && e.seen&names != 0:
		return "it has both a path and an instance, probe or attribute"
	case e.seen&keyPath == 0 && e.seen&names != names:
		return "it lacks a path, or instance, probe and attribute"
	case e.seen&(keyValue|keyEvent) == 0:
		return "it lacks a value or an event"
	case e.seen&(keyValue|keyEvent) == keyValue|keyEvent:
		return "it has both a value and an event"
	case len(e.path) > tree.MaxPathBytes:
		return fmt.Sprintf("the path is longer than %d bytes", tree.MaxPathBytes)
	case len(e.text) > tree.MaxTextBytes || len(e.eventText) > tree.MaxTextBytes:
		return fmt.Sprintf("the text is longer than %d bytes", tree.MaxTextBytes)
	}
	return ""
}

func (d *decoder) value(e *entry) error {
	if d.at >= len(d.body) {
		return d.unexpected("a value")
	}
	switch c := d.body[d.at]; {
	case c == '"':
		text, err := d.text()
		e.text, e.form = text, textValue
		return err
	case c == '-' || c >= '0' && c <= '9':
		raw, err := d.number()
		if err != nil {
			return err
		}
		e.number, err = strconv.ParseFloat(string(raw), 64)
		e.form = numberValue
		if err != nil {
			e.refuse(fmt.Sprintf("the number %s is too large", clip(raw)))
		}
		return nil
	case c == 't' || c == 'f':
		if d.word("true") {
			e.number, e.form = 1, boolValue
			return nil
		}
		if d.word("false") {
			e.number, e.form = 0, boolValue
			return nil
		}
		return d.unexpected("a value")
	default:
		e.refuse("value must be a number, a text, true or false")
		return d.skip(0)
	}
}

func (d *decoder) word(w string) bool {
	if bytes.HasPrefix(d.body[d.at:], []byte(w)) {
		d.at += len(w)
		return true
	}
	return false
}

// time reads RFC 3339 text, or a number of seconds or milliseconds since 1970: a
// number of 10^11 or more is milliseconds, since it would be the year 5138 otherwise.
func (d *decoder) time(e *entry) error {
	at := d.at
	if at < len(d.body) && d.body[at] == '"' {
		text, err := d.text()
		if err != nil {
			return err
		}
		t, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil || t.Year() < 1970 || t.Year() >= 2262 {
			e.refuse(fmt.Sprintf("time %q is not RFC 3339 between 1970 and 2261, such as 2026-01-31T12:00:00Z", clip(text)))
			e.timeFault = true
			return nil
		}
		e.time = max(1, t.UnixNano())
		return nil
	}
	if at < len(d.body) && (d.body[at] == '-' || d.body[at] >= '0' && d.body[at] <= '9') {
		raw, err := d.number()
		if err != nil {
			return err
		}
		const milliseconds, end = 1e11, 9.2e12 // 9.2e12 ms is the year 2261
		f, err := strconv.ParseFloat(string(raw), 64)
		switch {
		case err != nil || f <= 0 || f >= end:
			e.refuse(fmt.Sprintf("time %s is neither seconds nor milliseconds since 1970", clip(raw)))
			e.timeFault = true
		case f >= milliseconds:
			e.time = int64(f*1e3) * 1e3
		default:
			whole := int64(f)
			e.time = whole*1e9 + int64((f-float64(whole))*1e6)*1e3
		}
		return nil
	}
	e.refuse("time must be RFC 3339 text, or seconds or milliseconds since 1970")
	e.timeFault = true
	return d.skip(0)
}

func (d *decoder) event(e *entry) error {
	if !d.take('{') {
		e.refuse("event must be an object with text and status")
		return d.skip(0)
	}
	e.event, e.eventStatus = true, tree.Green
	hasText := false
	err := d.object(func(key []byte) error {
		name := string(key)
		if name != "status" && name != "text" {
			e.refuse(fmt.Sprintf("unknown key %q: an event has text and status", clip(key)))
			return d.skip(1)
		}
		if d.at >= len(d.body) || d.body[d.at] != '"' {
			e.refuse(fmt.Sprintf("the %s of an event must be a text", name))
			return d.skip(1)
		}
		text, err := d.text()
		if err != nil {
			return err
		}
		if name == "text" {
			hasText, e.eventText = true, text
			return nil
		}
		status, err := tree.ParseStatus(string(text))
		if err != nil || status == tree.White {
			e.refuse(fmt.Sprintf("status %q of the event is not green, yellow or red", clip(text)))
		}
		e.eventStatus = status
		return nil
	})
	if err == nil && (!hasText || len(e.eventText) == 0) {
		e.refuse("the event has no text")
	}
	return err
}

// text reads a string. What it returns lies in the body when nothing is escaped.
func (d *decoder) text() ([]byte, error) {
	start := d.at
	d.at++
	escaped := false
	for d.at < len(d.body) {
		switch c := d.body[d.at]; {
		case c == '"':
			d.at++
			if !escaped {
				return d.body[start+1 : d.at-1], nil
			}
			var s string
			if err := json.Unmarshal(d.body[start:d.at], &s); err != nil {
				return nil, d.fault(start, "the text has a bad escape")
			}
			return []byte(s), nil
		case c == '\\':
			escaped = true
			d.at += 2
		case c < ' ':
			return nil, d.fault(d.at, "a control character inside of a text must be escaped")
		default:
			d.at++
		}
	}
	d.at = len(d.body)
	return nil, d.fault(start, "the text that begins here does not end")
}

// number reads a number by the grammar of RFC 8259 section 6.
func (d *decoder) number() ([]byte, error) {
	start := d.at
	digits := func() bool {
		from := d.at
		for d.at < len(d.body) && d.body[d.at] >= '0' && d.body[d.at] <= '9' {
			d.at++
		}
		return d.at > from
	}
	d.take('-')
	if !d.take('0') && !digits() {
		return nil, d.unexpected("a digit")
	}
	if d.take('.') && !digits() {
		return nil, d.unexpected("a digit")
	}
	if d.take('e') || d.take('E') {
		if !d.take('+') {
			d.take('-')
		}
		if !digits() {
			return nil, d.unexpected("a digit")
		}
	}
	return d.body[start:d.at], nil
}

// skip reads over any value.
func (d *decoder) skip(depth int) error {
	if depth > maxDepth {
		return d.fault(d.at, "nested deeper than %d", maxDepth)
	}
	if d.at >= len(d.body) {
		return d.unexpected("a value")
	}
	switch c := d.body[d.at]; {
	case c == '"':
		_, err := d.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := d.number()
		return err
	case c == '{':
		d.at++
		return d.object(func([]byte) error { return d.skip(depth + 1) })
	case c == '[':
		d.at++
		d.space()
		if d.take(']') {
			return nil
		}
		for {
			d.space()
			if err := d.skip(depth + 1); err != nil {
				return err
			}
			d.space()
			switch {
			case d.take(','):
			case d.take(']'):
				return nil
			default:
				return d.unexpected("a comma or the end of the array")
			}
		}
	case d.word("true"), d.word("false"), d.word("null"):
		return nil
	}
	return d.unexpected("a value")
}

func clip(b []byte) string {
	if len(b) > 80 {
		return string(bytes.ToValidUTF8(b[:80], nil)) + "…"
	}
	return string(b)
}
