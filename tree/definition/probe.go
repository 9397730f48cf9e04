package definition

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// probeInfo is a probe as the nodes of its instance see it.
type probeInfo struct {
	*Probe     // that of Instance.Probes, when the instance uses it
	attributes []beans.AttributeInfo
	pushes     bool
	unknown    bool // its options are in error, so nobody knows what it yields
}

// attribute finds an attribute.
func (p *probeInfo) attribute(name string) (*beans.AttributeInfo, bool) {
	for i := range p.attributes {
		if p.attributes[i].Name == name {
			return &p.attributes[i], true
		}
	}
	return nil, false
}

func names(infos []beans.AttributeInfo) []string {
	out := make([]string, len(infos))
	for i := range infos {
		out[i] = infos[i].Name
	}
	return out
}

var probeKeys = file.Keys(file.Probe{})

// probes makes the probes of an instance.
func (x *expansion) makeProbes() {
	for i := range x.def.probes {
		f := &x.def.probes[i]
		p := x.makeProbe(f)
		x.probes[f.Key] = p
		x.probeNames = append(x.probeNames, f.Key)
		x.probeList = append(x.probeList, p)
	}
}

func (x *expansion) makeProbe(f *source.Field) *probeInfo {
	what := "probe " + strconv.Quote(f.Key)
	p := &probeInfo{Probe: &Probe{}, unknown: true}
	p.Name, p.Pos = f.Key, f.Pos
	if f.Value.Kind != source.Map {
		x.errs.Add(f.Value.Pos, "%s is a map with a kind and its options, not %s", what, f.Value.Describe())
		return p
	}
	value, sample, errs := fillValue(&f.Value, x.scope, true)
	if len(errs) > 0 {
		x.errs.Append(errs...)
		return p
	}
	own := source.Value{Kind: source.Map, Pos: value.Pos}
	for _, field := range value.Fields {
		for _, k := range probeKeys {
			if field.Key == k {
				own.Fields = append(own.Fields, field)
			}
		}
	}
	var settings file.Probe
	x.errs.Append(own.Decode(&settings, source.DecodeOptions{What: what})...)
	before := len(x.errs)
	x.probeTimes(p, &settings, what)
	kinds := x.def.kinds.KindNames()
	if !settings.Kind.Given() {
		x.errs.Add(f.Pos, "%s has no kind", what).WithHint("one of %s", strings.Join(kinds, ", "))
		return p
	}
	p.Kind = settings.Kind.Value.Text
	options, ok := x.def.kinds.NewOptions(p.Kind)
	if !ok {
		hint := source.DidYouMean(p.Kind, kinds)
		if hint == "" {
			hint = "one of " + strings.Join(kinds, ", ")
		}
		x.errs.Add(settings.Kind.Pos, "unknown kind %q of %s", p.Kind, what).WithHint("%s", hint)
		return p
	}
	p.pushes = x.def.kinds.Pushes(p.Kind)
	x.probeMode(p, &settings, what)
	if errs := value.Decode(options, source.DecodeOptions{What: what, Allow: probeKeys}); len(errs) > 0 {
		x.errs.Append(errs...)
		return p
	}
	attributes, err := x.def.kinds.Attributes(p.Kind, options)
	if err != nil {
		if !sample { // a value that only stands for another proves nothing
			x.errs.Append(optionError(&value, what, err))
		}
		return p
	}
	p.Options, p.attributes = options, attributes
	p.unknown = len(x.errs) > before
	p.Fingerprint = fingerprint(p, &value)
	if !x.check {
		x.def.alike.share(f.Key, options)
	}
	return p
}

// optionError puts the complaint of a kind where the option stands.
func optionError(value *source.Value, what string, err error) *source.Error {
	var option *OptionError
	if errors.As(err, &option) {
		return source.Errorf(value.PosOf(option.Option), "%s: %w", what, err)
	}
	return source.Errorf(value.Pos, "%s: %w", what, err)
}

func (x *expansion) probeTimes(p *probeInfo, s *file.Probe, what string) {
	p.Every = DefaultEvery
	if s.Every.Given() {
		d, bad := s.Every.Duration()
		switch {
		case bad != nil:
			x.errs.Append(bad)
		case d < MinEvery || d > MaxEvery:
			x.errs.Add(s.Every.Pos, "%s: every is %s to %s, not %s", what, tree.FormatDuration(MinEvery), tree.FormatDuration(MaxEvery), tree.FormatDuration(d))
		default:
			p.Every = d
		}
	}
	p.Timeout = min(DefaultTimeout, p.Every*4/5)
	if s.Timeout.Given() {
		d, bad := s.Timeout.Duration()
		switch {
		case bad != nil:
			x.errs.Append(bad)
		case d <= 0:
			x.errs.Add(s.Timeout.Pos, "%s: the timeout must be longer than 0", what)
		case d >= p.Every:
			x.errs.Add(s.Timeout.Pos, "%s: the timeout %s is not shorter than the interval %s", what, tree.FormatDuration(d), tree.FormatDuration(p.Every))
		default:
			p.Timeout = d
		}
	}
}

func (x *expansion) probeMode(p *probeInfo, s *file.Probe, what string) {
	if p.pushes {
		p.Mode = tree.Push
	}
	if !s.Mode.Given() {
		return
	}
	m, bad := parseMode(&s.Mode.Value)
	if bad != nil {
		x.errs.Append(bad)
		return
	}
	if m == tree.Push && !p.pushes {
		x.errs.Add(s.Mode.Pos, "%s: kind %s sends nothing by itself, so it has no mode push", what, p.Kind)
		return
	}
	p.Mode = m
}

var modeNames = []string{"timer", "push", "request", "notification"}

func parseMode(v *source.Value) (tree.Mode, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return 0, bad
	}
	m, err := tree.ParseMode(text)
	if err != nil {
		return 0, source.Errorf(v.Pos, "%w", err).WithHint("%s", source.DidYouMean(text, modeNames))
	}
	return m, nil
}

// fingerprint is equal for probes that do the same. Options are compared as decoded,
// so that neither the order of keys nor an explicit default makes a difference.
func fingerprint(p *probeInfo, value *source.Value) string {
	options, err := yaml.Marshal(p.Options)
	if err != nil {
		options = []byte(fmt.Sprint(value.Any()))
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00%d\x00%d", p.Kind, options, p.Every, p.Timeout, p.Mode)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// fillValue returns a copy of a value with its variables filled in. A scalar that is
// one variable and nothing else becomes that variable, also when it is a list.
func fillValue(v *source.Value, scope *variable.Scope, secrets bool) (filled source.Value, sample bool, errs source.Errors) {
	filled, errs = v.Map(func(s *source.Value) *source.Error {
		if !strings.Contains(s.Text, "${") {
			return nil
		}
		t, err := variable.ParseText(s.Text)
		if err != nil {
			return source.Errorf(s.Pos, "%w", err)
		}
		if name, ok := t.Only(); ok {
			if value, err := scope.Lookup(name); err == nil {
				switch value.Any.(type) {
				case []variable.Value, map[string]variable.Value:
					sample = sample || value.Sample
					*s = asSource(value, s.Pos)
					return nil
				}
			}
		}
		text, one, err := t.Fill(scope, secrets)
		if err != nil {
			return fillError(s.Pos, err)
		}
		sample = sample || one
		s.Text = text
		return nil
	}, nil)
	return filled, sample, errs
}

// fillError puts an error about a variable where the text stands.
func fillError(pos source.Pos, err error) *source.Error {
	e := source.Errorf(pos, "%w", err)
	var name *variable.NameError
	if errors.As(err, &name) {
		e.Hint = name.Hint
	}
	return e
}

func asSource(v variable.Value, pos source.Pos) source.Value {
	switch a := v.Any.(type) {
	case []variable.Value:
		items := make([]source.Value, len(a))
		for i := range a {
			items[i] = asSource(a[i], pos)
		}
		return source.Value{Kind: source.List, Pos: pos, Items: items}
	case map[string]variable.Value:
		out := source.Value{Kind: source.Map, Pos: pos}
		for _, k := range sortedKeys(a) {
			out.Fields = append(out.Fields, source.Field{Key: k, Pos: pos, Value: asSource(a[k], pos)})
		}
		return out
	}
	return source.Text(pos, v.Text)
}
