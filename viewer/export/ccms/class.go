package ccms

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"grove/tree"
	"grove/viewer/export/ccms/name"
)

// Class is the kind of an element: field MTCLASS.
type Class int

// The classes (SAP help, "Monitoring Tree Elements"). Heartbeat is here so that its
// number is known; see the package comment.
const (
	Summary     Class = 50
	Object      Class = 70
	Performance Class = 100
	Log         Class = 101
	Status      Class = 102
	Heartbeat   Class = 103
	LongText    Class = 110
	ShortText   Class = 111
	Virtual     Class = 199
)

var classNames = map[Class]string{
	Summary: "summary", Object: "object", Performance: "performance", Log: "log", Status: "status",
	Heartbeat: "heartbeat", LongText: "long text", ShortText: "short text", Virtual: "virtual",
}

// String returns the class's name.
func (c Class) String() string {
	if s, ok := classNames[c]; ok {
		return s
	}
	return fmt.Sprintf("Class(%d)", int(c))
}

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// classOf says what a row is.
func classOf(r *row) Class {
	switch {
	case r.Path.IsRoot():
		return Virtual
	case r.Kind == tree.Group && r.holds:
		return Object
	case r.Kind == tree.Group:
		return Summary
	case r.Kind == tree.Performance:
		return Performance
	case r.Kind == tree.Log:
		return Log
	case r.Kind == tree.State:
		return Status
	}
	if text, _ := r.Value.Text(); utf8.RuneCountInString(text) > name.MaxPart {
		return LongText
	}
	return ShortText
}

// Value is the colour of an element or an alert: field ALVALUE. The numbers are those of
// tree.Status, which took them from here.
type Value = tree.Status

// Level says to whom an element is shown.
type Level int

// The levels of visibility.
const (
	Operator Level = iota + 1
	Expert
	Developer
)

var levelNames = [...]string{"unknown", "operator", "expert", "developer"}

// String returns "operator", "expert", "developer" or "unknown".
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return levelNames[0]
	}
	return levelNames[l]
}

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// parseLevel reads a level; ok is false for any other text.
func parseLevel(text string) (Level, bool) {
	for i, n := range levelNames[Operator:] {
		if strings.EqualFold(n, text) {
			return Operator + Level(i), true
		}
	}
	return Operator, false
}

// Severities rank alerts of the same colour, and only those (SAP help, "Severity of
// Alerts").
const (
	MaxSeverity     = 255
	DefaultSeverity = 50
)
