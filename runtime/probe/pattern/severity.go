package pattern

import (
	"strings"

	"grove/tree"
)

// words are the names of severities that logs use, without those that are green.
var words = map[string]tree.Status{
	"emerg": tree.Red, "emergency": tree.Red, "panic": tree.Red, "alert": tree.Red, "fatal": tree.Red,
	"crit": tree.Red, "critical": tree.Red, "severe": tree.Red, "err": tree.Red, "error": tree.Red, "errors": tree.Red,
	"failure": tree.Red, "f": tree.Red, "e": tree.Red, "dpanic": tree.Red,
	"warn": tree.Yellow, "warning": tree.Yellow, "w": tree.Yellow,
}

// StatusOfWord is how bad a severity is that a log names: error and worse is red, a
// warning is yellow, everything else is green. Upper and lower case count for nothing.
func StatusOfWord(word string) tree.Status {
	if s, ok := words[strings.ToLower(strings.TrimSpace(word))]; ok {
		return s
	}
	return tree.Green
}

// Severities are the names of syslog's severities by their number, RFC 5424 section
// 6.2.1, as syslog(3) and journalctl write them.
var Severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// StatusOfSeverity is how bad a severity of syslog is, 0 to 7: error and worse is red, a
// warning is yellow, what is less is green.
func StatusOfSeverity(n int) tree.Status {
	switch {
	case n <= 3:
		return tree.Red
	case n == 4:
		return tree.Yellow
	}
	return tree.Green
}
