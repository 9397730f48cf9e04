package rule

import (
	"grove/tree"
	"grove/tree/definition/source"
)

// Colours are the settings that make the threshold of a node, each as a definition
// writes it; nil is one that is not there. After which silence a node is white depends
// on what feeds it: that is ParseWhite's.
type Colours struct {
	Yellow, Red, Back, Clear, States, Flap *source.Value
}

// Reading is what a node is fed with.
type Reading struct {
	Kind  tree.Kind // of the node
	Text  bool      // a source is known, and what it yields is a text
	Truth bool      // a source is known, and what it yields is true or false
}

// Threshold reads the settings. It is nil when there are none.
func (c *Colours) Threshold(r Reading) (*tree.Threshold, source.Errors) {
	var errs source.Errors
	if r.Kind == tree.TextKind || r.Kind == tree.Log {
		for _, s := range []struct {
			key string
			v   *source.Value
		}{{"yellow", c.Yellow}, {"red", c.Red}, {"back", c.Back}, {"clear", c.Clear}, {"states", c.States}, {"flap", c.Flap}} {
			if s.v != nil {
				errs.Add(s.v.Pos, "%s has no meaning for a node of kind %s", s.key, r.Kind)
			}
		}
		return nil, errs
	}
	var th tree.Threshold
	given := false
	for _, l := range []struct {
		key  string
		v    *source.Value
		into *tree.Level
	}{{"yellow", c.Yellow, &th.Yellow}, {"red", c.Red, &th.Red}} {
		if l.v == nil {
			continue
		}
		if r.Text || r.Kind == tree.State {
			errs.Add(l.v.Pos, "%s is a level for numbers, but the node is of kind %s", l.key, r.Kind).WithHint("use states")
			continue
		}
		level, bad := ParseLevel(l.v)
		if bad != nil {
			errs.Append(bad)
			continue
		}
		*l.into, given = level, true
	}
	if c.Back != nil {
		given = true
		c.back(&th, &errs)
	}
	if c.Clear != nil {
		given = true
		d, bad := c.Clear.Duration()
		errs.Append(bad)
		if bad == nil && d < 0 {
			errs.Add(c.Clear.Pos, "clear: negative duration")
		}
		th.ClearAfter = d
	}
	if c.Flap != nil {
		given = true
		f, bad := ParseFlap(c.Flap)
		errs.Append(bad)
		th.Flap = f
	}
	switch {
	case c.States != nil:
		given = true
		states, bad := ParseStates(c.States, r.Truth)
		errs.Append(bad...)
		th.States = states
	case r.Truth && r.Kind == tree.State:
		given = true
		th.States = map[string]tree.Status{"1": tree.Green, "0": tree.Red}
	}
	if !given {
		return nil, errs
	}
	return &th, errs
}

// back applies the hysteresis to the levels.
func (c *Colours) back(th *tree.Threshold, errs *source.Errors) {
	if c.Yellow == nil && c.Red == nil {
		errs.Add(c.Back.Pos, "back has no level to come back from").WithHint("give yellow or red")
		return
	}
	if c.Back.Kind != source.Map {
		by, bad := ParseBack(c.Back)
		errs.Append(bad)
		by.Apply(&th.Yellow)
		by.Apply(&th.Red)
		return
	}
	for i := range c.Back.Fields {
		f := &c.Back.Fields[i]
		level := &th.Yellow
		switch f.Key {
		case "yellow":
		case "red":
			level = &th.Red
		default:
			errs.Add(f.Pos, "unknown key %q in back", f.Key).WithHint("%s", source.DidYouMean(f.Key, []string{"yellow", "red"}))
			continue
		}
		by, bad := ParseBack(&f.Value)
		errs.Append(bad)
		by.Apply(level)
	}
}
