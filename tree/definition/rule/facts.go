package rule

import (
	"regexp"
	"time"
	"unicode"

	"grove/tree"
	"grove/tree/definition/source"
)

// Bounds of what a history keeps.
const (
	minResolution = 100 * time.Millisecond
	maxResolution = 7 * 24 * time.Hour
	minKeep       = time.Minute
)

const historyForms = `"off", "on", a resolution such as 1m, or { every: 10s, keep: 30d }`

// ParseHistory reads what is kept of readings: "off"; "on", which is everything; a
// resolution, "1m"; or a map of every, the resolution, and keep, how long.
func ParseHistory(v *source.Value) (h tree.History, errs source.Errors) {
	switch v.Kind {
	case source.List:
		errs.Add(v.Pos, "history is %s, not a list", historyForms)
		return h, errs
	case source.Scalar:
		if on, bad := v.Bool(); bad == nil {
			h.Off = !on
			return h, nil
		}
		if _, bad := v.Duration(); bad != nil {
			errs.Add(v.Pos, "history is %s, not %s", historyForms, v.Describe())
			return h, errs
		}
		h.Every = resolution(v, &errs)
		return h, errs
	}
	for i := range v.Fields {
		switch f := &v.Fields[i]; f.Key {
		case "every":
			h.Every = resolution(&f.Value, &errs)
		case "keep":
			d, bad := f.Value.Duration()
			errs.Append(bad)
			if bad == nil && d < minKeep {
				errs.Add(f.Value.Pos, "history: keep is at least %s, not %s", tree.FormatDuration(minKeep), tree.FormatDuration(d)).WithHint("history: off keeps nothing")
			}
			h.Keep = d
		default:
			errs.Add(f.Pos, "unknown key %q in history", f.Key).WithHint("every and keep")
		}
	}
	if len(errs) == 0 && h.Keep > 0 && h.Keep < h.Every {
		errs.Add(v.Pos, "history: what is kept for %s never holds a reading for every %s", tree.FormatDuration(h.Keep), tree.FormatDuration(h.Every))
	}
	return h, errs
}

func resolution(v *source.Value, errs *source.Errors) time.Duration {
	d, bad := v.Duration()
	errs.Append(bad)
	if bad == nil && (d < minResolution || d > maxResolution) {
		errs.Add(v.Pos, "history: a resolution is %s to %s, not %s", tree.FormatDuration(minResolution), tree.FormatDuration(maxResolution), tree.FormatDuration(d)).
			WithHint("history: on keeps every reading")
	}
	return d
}

// PropertyPattern is the form of the names of properties.
const PropertyPattern = `^[A-Za-z][A-Za-z0-9_.-]{0,63}$`

var propertyForm = regexp.MustCompile(PropertyPattern)

// Bounds of properties.
const (
	maxProperties    = 64
	maxPropertyBytes = 1024
)

// ParseProperties reads properties: texts by name. One that comes to an empty text is
// left out.
func ParseProperties(v *source.Value) (properties map[string]string, errs source.Errors) {
	if v.Kind != source.Map {
		errs.Add(v.Pos, "properties is a map of names to texts, not %s", v.Describe())
		return nil, errs
	}
	if len(v.Fields) > maxProperties {
		errs.Add(v.Pos, "more than %d properties", maxProperties)
		return nil, errs
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		text, bad := f.Value.Str()
		errs.Append(bad)
		switch {
		case !propertyForm.MatchString(f.Key):
			errs.Add(f.Pos, "property %q: ASCII letters, digits, dots, - and _, beginning with a letter, at most 64", f.Key)
		case len(text) > maxPropertyBytes:
			errs.Add(f.Value.Pos, "property %q is longer than %d bytes", f.Key, maxPropertyBytes)
		case hasControl(text):
			errs.Add(f.Value.Pos, "property %q holds a control character", f.Key)
		case bad == nil && text != "":
			if properties == nil {
				properties = map[string]string{}
			}
			properties[f.Key] = text
		}
	}
	return properties, errs
}

// hasControl finds what no document could show; lines may be ended.
func hasControl(text string) bool {
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return true
		}
	}
	return false
}
