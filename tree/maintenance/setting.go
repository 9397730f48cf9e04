package maintenance

import (
	"fmt"
	"time"

	"grove/tree"
)

// Setting is a window as the file of alerts has it.
type Setting struct {
	Name     string        `yaml:"name" jsonschema:"description=What it is called\\, unique in the file."`
	At       []string      `yaml:"at" jsonschema:"description=Paths of the nodes that are worked on\\, with everything below."`
	Start    string        `yaml:"start" jsonschema:"description=When it begins: 2026-11-22 22:00; 22:00 for one that repeats."`
	For      time.Duration `yaml:"for" jsonschema:"description=How long it lasts."`
	Repeat   string        `yaml:"repeat,omitempty" jsonschema:"description=daily; weekly on sat\\, sun; monthly on 15; monthly on first sun; or a rule of RFC 5545. Once when it is missing."`
	Zone     string        `yaml:"zone,omitempty" jsonschema:"description=Time zone of the IANA\\, such as Europe/Berlin; UTC when it is missing."`
	Announce time.Duration `yaml:"announce,omitempty" jsonschema:"description=How long ahead those are told who hear of alerts there."`
	Comment  string        `yaml:"comment,omitempty" jsonschema:"description=For people."`
}

// Window reads the setting and checks it.
func (s *Setting) Window() (Window, error) {
	w := Window{
		Name: s.Name, For: Duration(s.For), Zone: s.Zone, Announce: Duration(s.Announce), Comment: s.Comment, Source: FromFile,
	}
	for i, text := range s.At {
		p, err := tree.ParsePath(text)
		if err != nil {
			return w, &FieldError{fmt.Sprintf("at[%d]", i), err}
		}
		w.At = append(w.At, p)
	}
	var err error
	if w.Rule, err = ParseRule(s.Repeat); err != nil {
		return w, err
	}
	if w.Start, err = ParseStart(s.Start, s.Zone, w.Rule != ""); err != nil {
		return w, err
	}
	return w, w.Check()
}

// epoch is the day on which windows begin that say a time of day alone: a Monday long
// enough ago.
var epoch = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// ParseStart reads when a window begins: a time with its zone (RFC 3339), "2026-11-22
// 22:00" by the clock of the zone, or, for a window that repeats, "22:00" alone.
func ParseStart(text, zone string, repeats bool) (time.Time, error) {
	at, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return time.Time{}, &FieldError{"zone", fmt.Errorf("%q is no time zone of the IANA, such as Europe/Berlin", zone)}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, at); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse("15:04", text); err == nil && repeats {
		return time.Date(epoch.Year(), epoch.Month(), epoch.Day(), t.Hour(), t.Minute(), 0, 0, at), nil
	}
	return time.Time{}, &FieldError{"start", fmt.Errorf(`%q is no time such as "2026-11-22 22:00"; one that repeats may say "22:00" alone`, text)}
}
