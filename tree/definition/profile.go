package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"grove/tree/definition/file"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Profiles: which definition is for what a discovery finds.

// maxPattern bounds a pattern of a profile, in bytes, maxPatterns how many a definition has.
const (
	maxPattern  = 256
	maxPatterns = 10_000
)

// choice chooses a definition by a cell of a row.
type choice struct {
	column   string
	patterns []pattern // of the document itself
	fallback string    // application; empty: none
	pos      source.Pos
	// fallbackPos is where it stands.
	fallbackPos source.Pos
}

// pattern is what a cell may be: a text, or with a star at its end how a text begins.
type pattern struct {
	text        string
	application string
	builtIn     bool
	pos         source.Pos
}

// fits says whether a pattern fits a cell, and how well: the longer the better, and a
// whole text better than a beginning. A dot before an object identifier means nothing.
func (p *pattern) fits(cell string) (length int, ok bool) {
	text := strings.TrimPrefix(p.text, ".")
	cell = strings.TrimPrefix(cell, ".")
	if begin, open := strings.CutSuffix(text, "*"); open {
		return len(begin), strings.HasPrefix(cell, begin)
	}
	return maxPattern + len(text), cell == text
}

// best returns the pattern that fits best; when patterns of several applications fit
// equally well, the error names them.
func best(patterns []pattern, cell string) (*pattern, error) {
	var found *pattern
	most := -1
	var rival *pattern
	for i := range patterns {
		p := &patterns[i]
		length, ok := p.fits(cell)
		switch {
		case !ok || length < most:
		case length > most || found.builtIn && !p.builtIn:
			found, most, rival = p, length, nil
		case p.application != found.application && p.builtIn == found.builtIn:
			rival = p
		}
	}
	if rival != nil {
		return nil, fmt.Errorf("%q fits %s of %s, at %s, and %s of %s, at %s", cell, found.text, found.application, found.pos, rival.text, rival.application, rival.pos)
	}
	return found, nil
}

// checkPattern says what is wrong with a pattern.
func checkPattern(v *source.Value) (string, *source.Error) {
	text, bad := v.Str()
	switch {
	case bad != nil:
		return "", bad
	case strings.TrimPrefix(text, ".") == "" || strings.TrimPrefix(text, ".") == "*":
		return "", source.Errorf(v.Pos, "a pattern that everything fits").WithHint("say default in the instance file instead")
	case len(text) > maxPattern:
		return "", source.Errorf(v.Pos, "a pattern of %d bytes, more than %d", len(text), maxPattern)
	case strings.Contains(strings.TrimSuffix(text, "*"), "*"):
		return "", source.Errorf(v.Pos, "pattern %q: * stands only at the end", text)
	}
	return text, nil
}

// readProfile reads the profile of a definition: patterns by column.
func readProfile(v *source.Value, application string, builtIn bool) (map[string][]pattern, source.Errors) {
	var errs source.Errors
	if v.Kind != source.Map {
		errs.Add(v.Pos, "profile is a map of columns, such as { object_id: [1.3.6.1.4.1.9.1.*] }, not %s", v.Describe())
		return nil, errs
	}
	out := map[string][]pattern{}
	count := 0
	for i := range v.Fields {
		f := &v.Fields[i]
		items := f.Value.Items
		if f.Value.Kind != source.List {
			items = []source.Value{f.Value}
		}
		if count += len(items); count > maxPatterns {
			errs.Add(f.Pos, "more than %d patterns", maxPatterns)
			return nil, errs
		}
		for k := range items {
			text, bad := checkPattern(&items[k])
			errs.Append(bad)
			out[f.Key] = append(out[f.Key], pattern{text, application, builtIn, items[k].Pos})
		}
	}
	return out, errs
}

// readChoice reads use where it is a map.
func readChoice(v *source.Value) (*choice, source.Errors) {
	var errs source.Errors
	var f file.Choice
	errs.Append(v.Decode(&f, source.DecodeOptions{What: "use"})...)
	c := &choice{pos: v.Pos}
	text, bad := f.By.Str()
	errs.Append(bad)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "${"), "}")
	column, ok := strings.CutPrefix(text, "row.")
	if (!ok || column == "") && bad == nil && len(errs) == 0 {
		pos := v.Pos
		if f.By.Given() {
			pos = f.By.Pos
		}
		errs.Add(pos, "by names the column that chooses the definition").WithHint("by: row.object_id")
	}
	c.column = column
	if f.Choose.Given() {
		if f.Choose.Kind != source.Map {
			errs.Add(f.Choose.Pos, "choose is a map of patterns with the application of each, not %s", f.Choose.Describe())
		}
		if len(f.Choose.Fields) > maxPatterns {
			errs.Add(f.Choose.Pos, "more than %d patterns", maxPatterns)
		}
		for i := range f.Choose.Fields {
			field := &f.Choose.Fields[i]
			key := source.Text(field.Pos, field.Key)
			text, bad := checkPattern(&key)
			errs.Append(bad)
			application, bad := field.Value.Str()
			errs.Append(bad)
			c.patterns = append(c.patterns, pattern{text, application, false, field.Value.Pos})
		}
	}
	if f.Default.Given() {
		c.fallback, bad = f.Default.Str()
		errs.Append(bad)
		c.fallbackPos = f.Default.Pos
	}
	return c, errs
}

// profiles are the patterns of all definitions for a column: those of the files, and
// those of the catalogue that no file replaces.
func (r *loading) profiles(column string) []pattern {
	if list, ok := r.profiled[column]; ok {
		return list
	}
	var list []pattern
	catalogue, _ := r.builtIn() // What is wrong with it is told where it is used.
	add := func(entries map[string]*entry, builtIn bool) {
		for _, application := range sortedKeys(entries) {
			if _, replaced := r.entries[application]; builtIn && replaced {
				continue
			}
			budget := int64(MaxBytes)
			doc, _ := entries[application].document(&budget) // likewise
			if v, ok := doc.value.Field("profile"); ok {
				of, _ := readProfile(v, application, builtIn) // likewise
				list = append(list, of[column]...)
			}
		}
	}
	add(r.entries, false)
	add(catalogue, true)
	r.profiled[column] = list
	return list
}

// choose finds the definition for a row. Why says how it was found; without an
// application it says why there is none.
func (r *loading) choose(c *choice, row *variable.Value) (application, why string, pos source.Pos, bad *source.Error) {
	cells, _ := row.Any.(map[string]variable.Value)
	cell := cells[c.column].Text
	named := c.column + " " + strconv.Quote(cell)
	for _, patterns := range [][]pattern{c.patterns, r.profiles(c.column)} {
		found, err := best(patterns, cell)
		if err != nil {
			return "", "", c.pos, source.Errorf(c.pos, "%s: two definitions are for it: %w", c.column, err)
		}
		if found == nil {
			continue
		}
		how := " is " + found.text
		if strings.HasSuffix(found.text, "*") {
			how = " begins like " + found.text
		}
		if slices.ContainsFunc(c.patterns, func(p pattern) bool { return p.pos == found.pos }) {
			return found.application, named + how, found.pos, nil
		}
		return found.application, named + how + " of its profile", c.pos, nil
	}
	if c.fallback != "" {
		return c.fallback, named + " is in no profile, so by default", c.fallbackPos, nil
	}
	return "", named + " is in no profile of a definition, and there is no default", c.pos, nil
}
