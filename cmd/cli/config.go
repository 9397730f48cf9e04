package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"grove/tree/definition/source"
)

// maxConfigBytes bounds the configuration file.
const maxConfigBytes = 1 << 20

// errConfiguration is wrapped by every error of the configuration file.
var errConfiguration = errors.New("configuration")

// configFile gives flags the values that the configuration file has for them.
type configFile struct {
	process Process
	read    bool
	err     error // of reading
	values  source.Value
}

func configuration(p Process) kong.Resolver { return &configFile{process: p} }

// Validate implements kong.Resolver: every key of the file must be a flag.
func (c *configFile) Validate(app *kong.Application) error {
	if err := c.load(); err != nil {
		return err
	}
	var names []string
	var collect func(n *kong.Node)
	collect = func(n *kong.Node) {
		for _, f := range n.Flags {
			if f.Name != "help" && f.Name != "config" {
				names = append(names, f.Name)
			}
		}
		for _, child := range n.Children {
			collect(child)
		}
	}
	collect(app.Node)
	for _, f := range c.values.Fields {
		known := false
		for _, n := range names {
			known = known || n == f.Key
		}
		if !known {
			e := source.Errorf(f.Pos, "unknown key %q", f.Key)
			e.Hint = source.DidYouMean(f.Key, names)
			return c.fail(source.Errors{e})
		}
	}
	return nil
}

// Resolve implements kong.Resolver. The environment goes before the file.
func (c *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if c.load() != nil {
		return nil, nil // Validate says so, without naming a flag that has no part in it.
	}
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	v, ok := c.values.Field(flag.Name)
	if !ok {
		return nil, nil
	}
	switch v.Kind {
	case source.Scalar:
		return v.Text, nil
	case source.List:
		texts := make([]string, len(v.Items))
		for i := range v.Items {
			if v.Items[i].Kind != source.Scalar {
				return nil, c.fail(source.Errors{source.Errorf(v.Items[i].Pos, "%s: a text is wanted", flag.Name)})
			}
			texts[i] = strings.ReplaceAll(v.Items[i].Text, ",", `\,`)
		}
		return strings.Join(texts, ","), nil
	}
	return nil, c.fail(source.Errors{source.Errorf(v.Pos, "%s: a text or a list is wanted", flag.Name)})
}

// load reads the file that --config or GROVE_CONFIG names, once.
func (c *configFile) load() error {
	if !c.read {
		c.read = true
		c.err = c.open()
	}
	return c.err
}

func (c *configFile) open() error {
	name := c.process.Getenv("GROVE_CONFIG")
	for i, a := range c.process.Args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			name = v
		} else if (a == "--config" || a == "-c") && i+1 < len(c.process.Args) {
			name = c.process.Args[i+1]
		}
	}
	if name == "" {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("%w: %w", errConfiguration, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errConfiguration, err)
	}
	if len(text) > maxConfigBytes {
		return fmt.Errorf("%w: %s is larger than %d bytes", errConfiguration, name, maxConfigBytes)
	}
	docs, errs := source.ReadYAML(name, text)
	switch {
	case len(errs) > 0:
		return c.fail(errs)
	case len(docs) == 0:
		return nil
	case len(docs) > 1 || docs[0].Value.Kind != source.Map:
		return c.fail(source.Errors{source.Errorf(docs[0].Value.Pos, "one map of settings is wanted, such as listen: 127.0.0.1:7440")})
	}
	c.values = docs[0].Value
	return nil
}

// fail makes errors of the file one error.
func (c *configFile) fail(errs source.Errors) error {
	var b strings.Builder
	for i, e := range errs.Sorted() {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s", e.Pos, e.Msg)
		if e.Hint != "" {
			b.WriteString(" (" + e.Hint + ")")
		}
	}
	return fmt.Errorf("%w: %s", errConfiguration, b.String())
}
