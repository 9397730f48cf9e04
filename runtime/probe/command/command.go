// Package command is the probe kind "command": a program that is run, without a
// shell, and whose output is read: a monitoring plugin, JSON, lines, text or a number.
package command

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/ssh"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// limit is how many commands run at once: each is a process.
const limit = 16

// Kind returns the kind "command". Its probes run only what the policy allows, connect to
// other machines only where another does, and read only the secrets that the third does;
// nil is the default policy of each.
func Kind(policy *Policy, addresses *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "command",
		Title:      "Programs, here and over SSH: monitoring plugins, JSON, lines",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Format: formatNagios} },
		Limit:      limit,
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			r, err := o.check()
			if err != nil {
				return nil, err
			}
			p := &commandProbe{recipe: r, policy: policy}
			if r.target != nil {
				p.client = ssh.NewClient(r.target, addresses, secrets)
			}
			return p, nil
		},
	}
}

type commandProbe struct {
	recipe *recipe
	policy *Policy
	client *ssh.Client // nil: the command runs on this machine
}

// Target implements probe.Probe.
func (p *commandProbe) Target() string {
	if p.recipe.target == nil {
		return ""
	}
	return p.recipe.target.Host
}

// Close implements probe.Probe.
func (p *commandProbe) Close() error {
	if p.client == nil {
		return nil
	}
	return p.client.Close()
}

// Attributes implements probe.Probe.
func (p *commandProbe) Attributes() []beans.AttributeInfo {
	list := attributesOf(p.recipe.Format)
	for _, x := range p.recipe.extract {
		list = append(list, x.info)
	}
	return list
}

// Run implements probe.Probe.
func (p *commandProbe) Run(ctx context.Context) (probe.Result, error) {
	var r probe.Result
	f, err := p.execute(ctx)
	if err != nil {
		return r, err
	}
	r.Number("exit_status", float64(f.status))
	r.Number("duration", f.duration.Seconds())
	r.Add("truncated", tree.Bool(f.truncated))
	output := clean(f.output)
	if p.recipe.Format == formatNagios {
		return r, p.nagios(&r, f.status, output, f.errors)
	}
	if f.status != 0 {
		return r, errors.New(failure(f))
	}
	switch p.recipe.Format {
	case formatJSON:
		r.Text("output", output)
		if f.truncated {
			return r, fmt.Errorf("the output is longer than %d bytes: JSON cannot be read in part", maxOutput)
		}
		return r, p.json(&r, f.output)
	case formatValue:
		v, err := strconv.ParseFloat(strings.TrimSpace(output), 64)
		if err != nil || v != v || v-v != 0 {
			return r, fmt.Errorf("the output %q is not a number", short(strings.TrimSpace(output)))
		}
		r.Number("value", v)
		return r, nil
	case formatLines:
		lines(&r, output)
	}
	r.Text("output", output)
	return r, p.text(&r, output)
}

// failure says how a program ended that should have succeeded.
func failure(f *finding) string {
	text := fmt.Sprintf("exit status %d", f.status)
	if f.status > 128 {
		text = fmt.Sprintf("ended by signal %d", f.status-128)
	}
	if line := short(firstLine(clean(f.errors))); line != "" {
		text += ": " + line
	}
	return text
}

func (p *commandProbe) nagios(r *probe.Result, status int, output string, errs []byte) error {
	out := parsePlugin(output)
	if out.text == "" && status != 0 {
		out.text = failure(&finding{status: status, errors: errs})
	}
	r.Text("state", stateOf(status))
	r.Text("text", out.text)
	r.Text("long_text", out.long)
	table := probe.Table{Attribute: "perfdata", Columns: []string{"label", "value", "unit", "state", "warn", "crit", "min", "max"}}
	byLabel := map[string]perf{}
	optional := func(v *float64) tree.Value {
		if v == nil {
			return tree.Value{}
		}
		return tree.Number(*v)
	}
	for _, d := range out.perf {
		byLabel[d.label] = d
		row := []tree.Value{tree.Text(d.label), {}, tree.Text(d.unit), tree.Text(d.state()), tree.Text(d.warn), tree.Text(d.crit), optional(d.min), optional(d.max)}
		if d.known {
			row[1] = tree.Number(d.value)
		}
		table.Rows = append(table.Rows, row)
	}
	r.Tables = append(r.Tables, table)
	var missing []string
	for _, x := range p.recipe.extract {
		if d, ok := byLabel[x.from]; ok && d.known {
			r.Number(x.name, d.value)
		} else {
			missing = append(missing, x.from)
		}
	}
	// A plugin that found trouble often has no data; that is told by its state.
	if len(missing) > 0 && status == 0 {
		return fmt.Errorf("no performance data for %s", strings.Join(missing, ", "))
	}
	return nil
}

func (p *commandProbe) json(r *probe.Result, output []byte) error {
	var data any
	if err := json.Unmarshal(output, &data); err != nil {
		return fmt.Errorf("the output is not JSON: %w", err)
	}
	var bad []string
	for _, x := range p.recipe.extract {
		found := x.path.Get(data)
		if len(found) == 0 {
			bad = append(bad, fmt.Sprintf("%s finds nothing", x.from))
			continue
		}
		if v, ok := x.value(found[0]); ok {
			r.Add(x.name, v)
		} else {
			bad = append(bad, fmt.Sprintf("%s is not a %s", x.from, typeWord(x.typ)))
		}
	}
	return joined(bad)
}

func (p *commandProbe) text(r *probe.Result, output string) error {
	var bad []string
	for _, x := range p.recipe.extract {
		m := x.regex.FindStringSubmatch(output)
		if m == nil {
			bad = append(bad, fmt.Sprintf("nothing fits %s", x.from))
			continue
		}
		if v, ok := x.value(m[1]); ok {
			r.Add(x.name, v)
		} else {
			bad = append(bad, fmt.Sprintf("%s found %q, not a %s", x.from, short(m[1]), typeWord(x.typ)))
		}
	}
	return joined(bad)
}

func lines(r *probe.Result, output string) {
	table := probe.Table{Attribute: "lines", Columns: []string{"number", "text"}}
	n := 0
	for line := range strings.Lines(output) {
		n++
		if n <= maxRows {
			table.Rows = append(table.Rows, []tree.Value{tree.Number(float64(n)), tree.Text(strings.TrimRight(line, "\r\n"))})
		}
	}
	r.Number("count", float64(n))
	r.Tables = append(r.Tables, table)
}

// value makes a reading of what was found; ok is false when it is of another type.
func (x *extractor) value(found any) (v tree.Value, ok bool) {
	switch x.typ {
	case beans.TypeString:
		if s, ok := found.(string); ok {
			return tree.Text(s), true
		}
		b, err := json.Marshal(found)
		return tree.Text(string(b)), err == nil
	case beans.TypeBool:
		switch f := found.(type) {
		case bool:
			return tree.Bool(f), true
		case float64:
			return tree.Bool(f != 0), true
		case string:
			if i := slices.Index([]string{"false", "no", "off", "0", "true", "yes", "on", "1"}, strings.ToLower(f)); i >= 0 {
				return tree.Bool(i > 3), true
			}
		}
		return v, false
	}
	switch f := found.(type) {
	case float64:
		return tree.Number(f), true
	case bool:
		return tree.Bool(f), true
	case string:
		n, ok := number(strings.TrimSpace(f))
		return tree.Number(n), ok
	}
	return v, false
}

func typeWord(t beans.Type) string {
	switch t {
	case beans.TypeBool:
		return "bool"
	case beans.TypeString:
		return "text"
	}
	return "number"
}

func joined(bad []string) error {
	if len(bad) == 0 {
		return nil
	}
	return errors.New(strings.Join(bad, "; "))
}

// clean makes text of output: valid UTF-8 without control characters other than line
// ends and tabs.
func clean(b []byte) string {
	s := strings.ToValidUTF8(string(b), "�")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return utf8.RuneError
		}
		return r
	}, s)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// short cuts a text that is shown in an error.
func short(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
