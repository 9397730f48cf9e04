package variable

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/source"
)

// Types lists the types of parameters.
var Types = []string{"string", "int", "float", "bool", "duration", "url", "path", "address", "list", "secret"}

// Bounds of parameters.
const (
	MaxListItems    = 100_000
	maxPatternBytes = 1024
)

// Parameter is a declared parameter of a definition or a template.
type Parameter struct {
	Name        string
	Type        string // one of Types
	Description string
	Required    bool
	Default     *Value // nil: none
	Pos         source.Pos

	min, max *float64 // of numbers, of durations in seconds, of how many items a list has
	choices  []string
	pattern  *regexp.Regexp
	bad      bool // its declaration is in error
}

// Declaration is a parameter as a file declares it.
type Declaration struct {
	Type        source.Value `yaml:"type"`
	Default     source.Value `yaml:"default"`
	Required    bool         `yaml:"required"`
	Min         source.Value `yaml:"min"`
	Max         source.Value `yaml:"max"`
	Choices     []string     `yaml:"choices"`
	Pattern     source.Value `yaml:"pattern"`
	Description string       `yaml:"description"`
}

// Reserved are the names that a parameter cannot have.
var Reserved = []string{"item", "row", "true", "false", "nil", "in", "not", "and", "or", "let", "if", "else"}

// Parse reads the declaration of one parameter.
func Parse(f *source.Field) (*Parameter, source.Errors) {
	p, errs := parse(f)
	p.bad = len(errs) > 0
	return p, errs
}

func parse(f *source.Field) (*Parameter, source.Errors) {
	var errs source.Errors
	p := &Parameter{Name: f.Key, Pos: f.Pos, Type: "string"}
	if !ValidName(f.Key) {
		errs.Add(f.Pos, "parameter name %q: letters, digits and underscores, not beginning with a digit, at most 64", f.Key)
	} else if slices.Contains(Reserved, f.Key) {
		errs.Add(f.Pos, "parameter name %q means something else already", f.Key)
	}
	var d Declaration
	if f.Value.Kind == source.Scalar && !f.Value.Null {
		errs.Add(f.Value.Pos, "parameter %q is declared by a map, such as { type: string, default: … }, not by %s", f.Key, f.Value.Describe())
		return p, errs
	}
	errs = append(errs, f.Value.Decode(&d, source.DecodeOptions{What: "parameter " + strconv.Quote(f.Key)})...)
	if given(&d.Type) {
		p.Type = d.Type.Text
		if !slices.Contains(Types, p.Type) {
			errs.Add(d.Type.Pos, "unknown type %q of parameter %q", p.Type, f.Key).WithHint("%s", orList(source.DidYouMean(p.Type, Types), Types))
			return p, errs
		}
	}
	if len(errs) > 0 {
		return p, errs
	}
	p.Required, p.choices, p.Description = d.Required, d.Choices, d.Description
	p.min = p.border(&d.Min, "min", &errs)
	p.max = p.border(&d.Max, "max", &errs)
	if p.min != nil && p.max != nil && *p.min > *p.max {
		errs.Add(d.Max.Pos, "parameter %q: max is less than min", f.Key)
	}
	if given(&d.Pattern) {
		re, err := CompilePattern(d.Pattern.Text)
		if err != nil {
			errs.Add(d.Pattern.Pos, "parameter %q: %w", f.Key, err)
		}
		p.pattern = re
	}
	if given(&d.Default) && len(errs) == 0 {
		if d.Required {
			errs.Add(d.Default.Pos, "parameter %q is required, so a default has no use", f.Key)
		}
		v, err := p.Check(&d.Default)
		if err != nil {
			errs.Append(err)
		} else {
			p.Default = &v
		}
	}
	return p, errs
}

func orList(hint string, all []string) string {
	if hint != "" {
		return hint
	}
	return strings.Join(all, ", ")
}

func given(v *source.Value) bool { return v.Kind != source.Scalar || v.Text != "" || v.Quoted }

// CompilePattern compiles a regular expression (RE2) of bounded length that must
// match a whole text.
func CompilePattern(text string) (*regexp.Regexp, error) {
	if len(text) > maxPatternBytes {
		return nil, fmt.Errorf("pattern is longer than %d bytes", maxPatternBytes)
	}
	if _, err := regexp.Compile(text); err != nil {
		return nil, fmt.Errorf("pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return regexp.Compile(`\A(?:` + text + `)\z`)
}

func (p *Parameter) border(v *source.Value, key string, errs *source.Errors) *float64 {
	if !given(v) {
		return nil
	}
	var n float64
	var err *source.Error
	switch p.Type {
	case "duration":
		var d time.Duration
		d, err = v.Duration()
		n = d.Seconds()
	case "int", "float", "list":
		n, err = v.Float()
	default:
		err = source.Errorf(v.Pos, "parameter %q: %s is for int, float, duration and list, not for %s", p.Name, key, p.Type)
	}
	if err != nil {
		errs.Append(err)
		return nil
	}
	return &n
}

// secretName finds parameters whose values may be secrets although their type does not say
// so: the text itself may be given by mistake where a reference belongs.
var secretName = regexp.MustCompile(`(?i)passw|passphrase|secret|token|community|credential|key`)

// Check reads a value that somebody gives the parameter.
func (p *Parameter) Check(v *source.Value) (Value, *source.Error) {
	fail := func(err *source.Error) (Value, *source.Error) {
		return Value{}, source.Errorf(v.Pos, "parameter %q: %s", p.Name, err.Msg).WithHint("%s", err.Hint)
	}
	failf := func(format string, args ...any) (Value, *source.Error) {
		return fail(source.Errorf(v.Pos, format, args...))
	}
	if p.Type == "list" {
		return p.checkList(v, failf)
	}
	text, err := v.Str()
	if err != nil {
		return fail(err)
	}
	out := Value{Text: text, Any: text}
	var size float64
	switch p.Type {
	case "int":
		n, err := v.Int()
		if err != nil {
			return fail(err)
		}
		out, size = Value{Text: strconv.FormatInt(n, 10), Any: float64(n)}, float64(n)
	case "float":
		n, err := v.Float()
		if err != nil {
			return fail(err)
		}
		out.Any, size = n, n
	case "bool":
		b, err := v.Bool()
		if err != nil {
			return fail(err)
		}
		out = Value{Text: strconv.FormatBool(b), Any: b}
	case "duration":
		d, err := v.Duration()
		if err != nil {
			return fail(err)
		}
		out.Any, size = d, d.Seconds()
	default:
		if problem := checkForm(p.Type, text); problem != "" {
			return failf("%s", problem)
		}
		out.Secret = p.Type == "secret"
	}
	switch {
	case p.min != nil && size < *p.min:
		return failf("%s is less than %s", text, p.size(*p.min))
	case p.max != nil && size > *p.max:
		return failf("%s is more than %s", text, p.size(*p.max))
	case len(p.choices) > 0 && !slices.Contains(p.choices, text):
		_, err := failf("%q is none of %s", text, strings.Join(p.choices, ", "))
		return Value{}, err.WithHint("%s", source.DidYouMean(text, p.choices))
	case p.pattern != nil && !p.pattern.MatchString(text):
		if secretName.MatchString(p.Name) {
			return failf("what is given does not match the pattern") // It may be the secret: not repeated.
		}
		return failf("%q does not match the pattern", text)
	}
	return out, nil
}

func (p *Parameter) checkList(v *source.Value, failf func(string, ...any) (Value, *source.Error)) (Value, *source.Error) {
	if v.Kind != source.List {
		return failf("expected a list, not %s", v.Describe())
	}
	n := float64(len(v.Items))
	switch {
	case len(v.Items) > MaxListItems:
		return failf("list has more than %d items", MaxListItems)
	case p.min != nil && n < *p.min:
		return failf("list has fewer than %s items", p.size(*p.min))
	case p.max != nil && n > *p.max:
		return failf("list has more than %s items", p.size(*p.max))
	}
	for i := range v.Items {
		item := &v.Items[i]
		if item.Kind != source.Scalar {
			continue
		}
		if len(p.choices) > 0 && !slices.Contains(p.choices, item.Text) {
			_, err := failf("%q is none of %s", item.Text, strings.Join(p.choices, ", "))
			return Value{}, err.WithHint("%s", source.DidYouMean(item.Text, p.choices))
		}
		if p.pattern != nil && !p.pattern.MatchString(item.Text) {
			return failf("%q does not match the pattern", item.Text)
		}
	}
	return Of(v), nil
}

// Limits says for people what bounds the values: "1 to 65535", "low or high"; empty:
// nothing but the type.
func (p *Parameter) Limits() string {
	size := func(n *float64) string {
		switch {
		case p.Type == "duration":
			return tree.FormatDuration(time.Duration(*n * float64(time.Second)))
		case p.Type == "list":
			return p.size(*n) + " items"
		}
		return p.size(*n)
	}
	switch {
	case len(p.choices) > 0:
		return strings.Join(p.choices, " or ")
	case p.min != nil && p.max != nil:
		return size(p.min) + " to " + size(p.max)
	case p.min != nil:
		return "at least " + size(p.min)
	case p.max != nil:
		return "at most " + size(p.max)
	}
	return ""
}

func (p *Parameter) size(n float64) string {
	if p.Type == "duration" {
		return time.Duration(n * float64(time.Second)).String()
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// checkForm says what is wrong with a text of one of the types that are texts of a
// certain form; it is empty when the text is fine.
func checkForm(kind, text string) string {
	switch kind {
	case "url":
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" && u.Path == "" && u.Opaque == "" {
			return fmt.Sprintf(`%q is not a URL such as "http://127.0.0.1:8080/"`, text)
		}
	case "path":
		if !strings.HasPrefix(text, "/") || strings.ContainsRune(text, 0) {
			return fmt.Sprintf("%q is not an absolute path", text)
		}
	case "address":
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			host, port = strings.Trim(text, "[]"), "1"
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if host == "" || strings.ContainsAny(host, " /\x00") || err != nil || n == 0 || strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return fmt.Sprintf(`%q is not an address: a host name or IP address, with or without ":port"`, text)
		}
	case "secret":
		kind, where, _ := strings.Cut(text, ":")
		if kind != "file" && kind != "env" && kind != "credential" || where == "" {
			return `a secret is given by reference: "file:/path", "env:NAME" or "credential:NAME"`
		}
	}
	return ""
}

// Sample returns a value that stands for one that is not known.
func (p *Parameter) Sample() Value {
	if p.bad {
		return Value{Text: "1", Sample: true}
	}
	v := Value{Sample: true, Secret: p.Type == "secret"}
	text := "sample"
	switch p.Type {
	case "int", "float":
		n := 1.0
		if p.min != nil {
			n = max(n, *p.min)
		}
		if p.max != nil {
			n = min(n, *p.max)
		}
		text, v.Any = strconv.FormatFloat(n, 'g', -1, 64), n
	case "bool":
		text, v.Any = "true", true
	case "duration":
		text, v.Any = "1s", time.Second
	case "url":
		text = "http://127.0.0.1/"
	case "path":
		text = "/sample"
	case "address":
		text = "127.0.0.1:1"
	case "secret":
		text = "env:SAMPLE"
	case "list":
		return Value{Any: []Value{{Sample: true, Text: "1"}}, Sample: true}
	}
	if len(p.choices) > 0 {
		text = p.choices[0]
	}
	v.Text = text
	if v.Any == nil {
		v.Any = text
	}
	return v
}

// Bind makes the values of all parameters from those that are given by a map:
// defaults fill in, missing required ones and unknown names are errors at pos. With
// samples, samples stand for what is missing. What names the thing that has the
// parameters: `definition "nginx"`.
func Bind(params []*Parameter, with *source.Value, outer *Scope, pos source.Pos, what string, samples bool) (*Scope, source.Errors) {
	var errs source.Errors
	scope := outer
	if with != nil && with.Kind != source.Map && !with.Null {
		errs.Add(with.Pos, "with is a map of parameters, not %s", with.Describe())
		with = nil
	}
	if with != nil {
		errs = append(errs, CheckNames(params, with, what)...)
	}
	for _, p := range params {
		var given *source.Value
		if with != nil {
			given, _ = with.Field(p.Name)
		}
		switch {
		case p.bad:
			scope = scope.With(p.Name, p.Sample())
		case given != nil && !given.Null:
			v, err := p.Check(given)
			if err != nil {
				errs.Append(err)
				v = p.Sample()
			}
			scope = scope.With(p.Name, v)
		case p.Default != nil:
			scope = scope.With(p.Name, *p.Default)
		case samples:
			scope = scope.With(p.Name, p.Sample())
		case p.Required:
			errs.Add(pos, "%s needs the parameter %q", what, p.Name).WithHint("with: { %s: … }", p.Name)
			scope = scope.With(p.Name, p.Sample())
		case p.Type == "list":
			scope = scope.With(p.Name, Value{Any: []Value{}})
		default:
			scope = scope.With(p.Name, zero(p.Type))
		}
	}
	return scope, errs
}

// CheckNames says which keys of a map name no parameter.
func CheckNames(params []*Parameter, with *source.Value, what string) source.Errors {
	var errs source.Errors
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.Name
	}
	for i := range with.Fields {
		if f := &with.Fields[i]; !slices.Contains(names, f.Key) {
			e := errs.Add(f.Pos, "%s has no parameter %q", what, f.Key)
			if len(names) == 0 {
				e.Hint = "it has none at all"
			} else {
				e.Hint = source.DidYouMean(f.Key, names)
			}
		}
	}
	return errs
}

// zero is the value of an optional parameter that has no default.
func zero(kind string) Value {
	switch kind {
	case "int", "float":
		return Value{Text: "0", Any: 0.0}
	case "bool":
		return Value{Text: "false", Any: false}
	case "duration":
		return Value{Text: "0s", Any: time.Duration(0)}
	}
	return Value{Any: "", Secret: kind == "secret"}
}
