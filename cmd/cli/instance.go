package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"grove/cmd/app"
	"grove/tree/definition"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// newCommand writes an instance file.
type newCommand struct {
	Definition string   `arg:"" name:"name" help:"Name of a definition that comes with grove: nginx."`
	At         string   `required:"" help:"Path in the tree where the instance hangs: /shop/web1." placeholder:"PATH"`
	With       []string `sep:"none" help:"Value of a parameter; may be given again. A secret is given by reference: file:/path, env:NAME or credential:NAME." placeholder:"NAME=VALUE"`
	Name       string   `help:"Name of the instance. Default: the name of the file." placeholder:"NAME"`
	Output     string   `short:"o" help:"File to write, which must not be there yet. Default: standard output." placeholder:"FILE"`
}

// Run implements the command. What would not load is not written.
func (c *newCommand) Run(p *Process, all *commands) error {
	d, err := known(c.Definition)
	if err != nil {
		return err
	}
	with, err := c.with(d)
	if err != nil {
		return err
	}
	text := c.text(d, with)
	name := filepath.Base(c.Output)
	if c.Output == "" {
		name = d.Application + ".yaml"
	}
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
		return exit(Usage, "--output %s: the name of an instance file ends in .yaml", c.Output)
	}
	errs, err := loads(name, text)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		for _, e := range errs {
			fmt.Fprintf(p.Stderr, "grove: %s\n", plain(withHint(e)))
		}
		return &exitError{Wrong, fmt.Errorf("%s: nothing was written", count(len(errs), "error"))}
	}
	if c.Output == "" {
		fmt.Fprint(p.Stdout, text)
		return nil
	}
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return exit(Wrong, "%s is there already: name another file by --output", c.Output)
	}
	if err != nil {
		return exit(Wrong, "%w", err)
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if called := cmp.Or(c.Name, strings.TrimSuffix(name, filepath.Ext(name))); called == "grove" || called == "host" {
		fmt.Fprintf(p.Stderr, "grove: the instance %q would take the place of the one that grove serve brings: choose another name by --name\n", called)
	}
	fmt.Fprintf(p.Stdout, "%s: an instance of %s at %s; put it into the directory of definitions of a server\n", plain(c.Output), d.Application, plain(c.At))
	return nil
}

// loads says what is wrong with a file of this name and text.
func loads(name, text string) (source.Errors, error) {
	dir, err := os.MkdirTemp("", "grove")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	_, errs := app.Loader().Files(file)
	return errs.Sorted(), nil
}

func withHint(e *source.Error) string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + " (" + e.Hint + ")"
}

// with reads the values of --with, and says which parameters lack one.
func (c *newCommand) with(d *definition.Definition) (map[string]string, error) {
	names := make([]string, len(d.Parameters))
	for i, p := range d.Parameters {
		names[i] = p.Name
	}
	with := map[string]string{}
	for _, one := range c.With {
		name, value, ok := strings.Cut(one, "=")
		if !ok {
			return nil, exit(Usage, "--with %.80s: write it as NAME=VALUE", one)
		}
		if !slices.Contains(names, name) {
			hint := source.DidYouMean(name, names)
			if hint == "" {
				hint = "grove definitions show " + d.Application + " --parameters prints them"
			}
			return nil, exit(Wrong, "%s has no parameter %q (%s)", d.Application, name, hint)
		}
		if _, twice := with[name]; twice {
			return nil, exit(Usage, "--with %s is given twice", name)
		}
		with[name] = value
	}
	var missing []string
	for _, p := range d.Parameters {
		if _, given := with[p.Name]; p.Required && !given {
			missing = append(missing, "--with "+p.Name+"=…  "+comment(p))
		}
	}
	if len(missing) > 0 {
		return nil, exit(Wrong, "%s needs:\n  %s", d.Application, strings.Join(missing, "\n  "))
	}
	return with, nil
}

// text writes the file: the required parameters first, then the others, those that are
// not given with their defaults as remarks.
func (c *newCommand) text(d *definition.Definition, with map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", strings.Join(strings.Fields(d.Title), " "))
	for _, line := range wrap(d.Description, 110) {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	fmt.Fprintf(&b, "use: %s\n", d.Application)
	if c.Name != "" {
		fmt.Fprintf(&b, "name: %s\n", scalar(c.Name))
	}
	fmt.Fprintf(&b, "at: %s\n", scalar(c.At))
	if len(d.Parameters) == 0 {
		return b.String()
	}
	if len(with) == 0 {
		b.WriteString("# with:   # take this remark away with that of a parameter\n")
	} else {
		b.WriteString("with:\n")
	}
	for _, p := range inOrder(d.Parameters) {
		for _, line := range wrap(comment(p), 108) {
			fmt.Fprintf(&b, "  # %s\n", line)
		}
		value, given := with[p.Name]
		switch {
		case given:
			fmt.Fprintf(&b, "  %s: %s\n", p.Name, written(p, value))
		case p.Default != nil:
			fmt.Fprintf(&b, "  # %s: %s\n", p.Name, writtenDefault(p))
		case p.Type == "secret":
			fmt.Fprintf(&b, "  # %s: file:/etc/grove/%s\n", p.Name, p.Name)
		default:
			fmt.Fprintf(&b, "  # %s:\n", p.Name)
		}
	}
	return b.String()
}

// comment says what a parameter is: its description, type and limits.
func comment(p *variable.Parameter) string {
	about := p.Type
	if p.Type == "secret" {
		about = "a secret by reference: file:/path, env:NAME or credential:NAME"
	}
	if limits := p.Limits(); limits != "" {
		about += ", " + limits
	}
	if p.Required {
		about += ", required"
	}
	if text := strings.TrimSuffix(strings.Join(strings.Fields(p.Description), " "), "."); text != "" {
		return text + " (" + about + ")"
	}
	return strings.ToUpper(about[:1]) + about[1:]
}

// written writes a value that was given.
func written(p *variable.Parameter, value string) string {
	switch p.Type {
	case "list":
		var items []string
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, scalar(item))
			}
		}
		return "[" + strings.Join(items, ", ") + "]"
	case "int", "float", "bool", "duration":
		return scalar(value)
	}
	return quoted(value)
}

// writtenDefault writes the default of a parameter as a file would.
func writtenDefault(p *variable.Parameter) string {
	if p.Type == "list" {
		return inline(p.Default.Plain())
	}
	return written(p, p.Default.Text)
}

// defaultText is the default of a parameter for a table.
func defaultText(p *variable.Parameter) string {
	if p.Type == "list" {
		return inline(p.Default.Plain())
	}
	return orDash(p.Default.Text)
}

// inline writes a value in one line of YAML, of which JSON is a part.
func inline(v any) string {
	switch v := v.(type) {
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = inline(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		return scalar(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// plainForm is what YAML reads as it stands, as a text, a number or a path.
var plainForm = regexp.MustCompile(`^[A-Za-z0-9/_][A-Za-z0-9/_.-]*$`)

// scalar writes a text without quotes where it may stand so.
func scalar(text string) string {
	if plainForm.MatchString(text) {
		return text
	}
	return quoted(text)
}

// quoted writes a text as one that is a text, whatever it looks like.
func quoted(text string) string {
	switch strings.ToLower(text) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainForm.MatchString(text) && !strings.ContainsAny(text[:1], "0123456789.") {
			return text
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b) // a text of JSON is one of YAML
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // A text can always be written.
	return strings.TrimSuffix(b.String(), "\n")
}
