package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"grove/beans"
	"grove/cmd/app"
	"grove/runtime/probe"
	"grove/tree"
	"grove/tree/definition/source"
)

// maxShownRows bounds the rows of a table that a trial prints.
const maxShownRows = 50

// probeCommand lists the kinds of probes, explains one, or runs one once.
type probeCommand struct {
	Kind    string        `arg:"" optional:"" help:"Kind of probe to explain or to try; without one all kinds are listed."`
	Options []string      `arg:"" optional:"" help:"Options to try it with, such as url=https://shop.example/ tls.insecure=true: it is run once." placeholder:"OPTION=VALUE"`
	Try     bool          `help:"Try it with its default options."`
	Example bool          `help:"Print a whole definition that uses the kind."`
	Timeout time.Duration `help:"How long the run may take." default:"10s"`
	Twice   time.Duration `help:"Run it again after this time and print the second run: what some kinds count is known only then." placeholder:"TIME"`
}

// Run implements the command.
func (c *probeCommand) Run(ctx context.Context, p *Process) error {
	registry := app.Registry()
	if c.Kind == "" {
		return listKinds(p.Stdout, registry)
	}
	kind, ok := registry.Kind(c.Kind)
	switch {
	case !ok:
		hint := source.DidYouMean(c.Kind, registry.Names())
		if hint == "" {
			hint = "grove probe lists them"
		}
		return exit(Usage, "there is no kind of probe %q\n  %s", c.Kind, hint)
	case c.Example:
		_, err := io.WriteString(p.Stdout, kind.Example)
		return err
	case len(c.Options) == 0 && !c.Try:
		_, err := fmt.Fprintf(p.Stdout, "%s\n\nTry it:      grove probe %s OPTION=VALUE ...\nA definition: grove probe %s --example\n", strings.TrimSpace(kind.Doc), kind.Name, kind.Name)
		return err
	case kind.Pushes:
		return exit(Usage, "a probe of kind %s waits for what is sent to it: there is nothing to try", kind.Name)
	case c.Timeout <= 0:
		return exit(Usage, "--timeout must be longer than 0")
	}
	return c.try(ctx, p.Stdout, kind)
}

func listKinds(w io.Writer, registry *probe.Registry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range registry.Names() {
		kind, _ := registry.Kind(name)
		fmt.Fprintf(t, "%s\t%s\n", name, kind.Title)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, "\ngrove probe KIND explains one, grove probe KIND OPTION=VALUE tries it.\n")
	return err
}

// try runs a probe and prints what it finds.
func (c *probeCommand) try(ctx context.Context, w io.Writer, kind probe.Kind) error {
	options := kind.NewOptions()
	value, err := optionTree(c.Options)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	if errs := value.Decode(options, source.DecodeOptions{What: "kind " + kind.Name}); len(errs) > 0 {
		return c.refused(errs[0])
	}
	made, err := kind.New(options)
	if err != nil {
		return c.refused(err)
	}
	defer made.Close()
	result, took, err := c.once(ctx, made)
	if c.Twice > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.Twice):
		}
		result, took, err = c.once(ctx, made)
	}
	printResult(w, made.Attributes(), &result)
	fmt.Fprintf(w, "\n%s took %s\n", kind.Name, quantity(took.Seconds(), "s"))
	if err != nil {
		return exit(Wrong, "%w", err)
	}
	return nil
}

// refused says what is wrong with the options, and where they are explained.
func (c *probeCommand) refused(err error) error {
	hint := "grove probe " + c.Kind + " explains the options"
	if slices.ContainsFunc(c.Options, func(o string) bool { return strings.Contains(o, "={") }) {
		hint += "; within { } a space follows each colon: {a: b}"
	}
	return exit(Usage, "%w\n  %s", err, hint)
}

func (c *probeCommand) once(ctx context.Context, p probe.Probe) (probe.Result, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	start := time.Now()
	result, err := p.Run(ctx)
	return result, time.Since(start), err
}

// optionTree makes a map of options of the command line: "tls.insecure=true" is insecure
// within tls. A value is YAML, so that [a, b] is a list.
func optionTree(options []string) (*source.Value, error) {
	root := &source.Value{Kind: source.Map}
	for _, option := range options {
		key, text, ok := strings.Cut(option, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is no option: NAME=VALUE is wanted", option)
		}
		value := source.Text(source.Pos{}, text)
		if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
			docs, errs := source.ReadYAML(key, []byte(text))
			if len(errs) > 0 {
				return nil, fmt.Errorf("option %w", errs[0])
			}
			value = docs[0].Value
		}
		at := root
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			k := slices.IndexFunc(at.Fields, func(f source.Field) bool { return f.Key == part })
			if k < 0 {
				k = len(at.Fields)
				at.Fields = append(at.Fields, source.Field{Key: part, Value: source.Value{Kind: source.Map}})
			}
			if at = &at.Fields[k].Value; at.Kind != source.Map {
				return nil, fmt.Errorf("%s: %s has a value already", key, part)
			}
		}
		at.Fields = append(at.Fields, source.Field{Key: parts[len(parts)-1], Value: value})
	}
	return root, nil
}

// printResult prints attributes in the order in which the probe declares them, then
// tables.
func printResult(w io.Writer, attributes []beans.AttributeInfo, r *probe.Result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range attributes {
		for _, v := range r.Values {
			if v.Attribute != a.Name {
				continue
			}
			fmt.Fprintf(t, "%s\t%s\n", a.Name, showValue(v.Value, a.Unit))
			for _, e := range v.Events {
				fmt.Fprintf(t, "\t%s\n", plain(e.Text))
			}
		}
	}
	_ = t.Flush()
	for _, table := range r.Tables {
		units := map[string]string{}
		if k := slices.IndexFunc(attributes, func(a beans.AttributeInfo) bool { return a.Name == table.Attribute }); k >= 0 {
			for _, c := range attributes[k].Columns {
				units[c.Name] = c.Unit
			}
		}
		fmt.Fprintf(w, "\n%s: %d rows\n", table.Attribute, len(table.Rows))
		fmt.Fprintf(t, "  %s\n", strings.Join(table.Columns, "\t"))
		for k, row := range table.Rows {
			if k == maxShownRows {
				fmt.Fprintf(t, "  and %d more\n", len(table.Rows)-k)
				break
			}
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = showValue(v, units[table.Columns[i]])
			}
			fmt.Fprintf(t, "  %s\n", strings.Join(cells, "\t"))
		}
		_ = t.Flush()
	}
}

func showValue(v tree.Value, unit string) string {
	if n, ok := v.Number(); ok {
		return quantity(n, unit)
	}
	text := plain(v.String())
	if line, _, more := strings.Cut(text, "\n"); more {
		return line + " …"
	}
	return text
}
