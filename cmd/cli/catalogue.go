package cli

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"grove/cmd/app"
	"grove/definitions"
	"grove/tree/definition"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// catalogued is a definition of the catalogue, as JSON.
type catalogued struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Kinds       []string    `json:"kinds"` // of its probes
	Parameters  []parameter `json:"parameters"`
	// Profile holds the patterns by which a discovery chooses it, by column.
	Profile map[string][]string `json:"profile,omitempty"`
}

// parameter is one of its parameters, as JSON.
type parameter struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Required    bool   `json:"required"`
	Default     any    `json:"default,omitempty"`
	Limits      string `json:"limits,omitempty"`
	Description string `json:"description,omitempty"`
}

func describe(d *definition.Definition) catalogued {
	c := catalogued{Name: d.Application, Title: d.Title, Description: d.Description, Kinds: d.ProbeKinds(), Parameters: []parameter{}, Profile: d.Profile}
	for _, p := range inOrder(d.Parameters) {
		one := parameter{Name: p.Name, Type: p.Type, Required: p.Required, Limits: p.Limits(), Description: p.Description}
		if p.Default != nil {
			one.Default = p.Default.Plain()
			if p.Type == "duration" {
				one.Default = p.Default.Text
			}
		}
		c.Parameters = append(c.Parameters, one)
	}
	return c
}

// inOrder returns the required parameters, then the others, each in the order of the file.
func inOrder(all []*variable.Parameter) []*variable.Parameter {
	var first, then []*variable.Parameter
	for _, p := range all {
		if p.Required {
			first = append(first, p)
		} else {
			then = append(then, p)
		}
	}
	return append(first, then...)
}

// catalogue returns the definitions that come with grove. They are tested, so that an
// error is a mistake in the program.
func catalogue() ([]*definition.Definition, error) {
	loader := app.Loader()
	var list []*definition.Definition
	for _, name := range loader.BuiltInNames() {
		d, errs := loader.BuiltIn(name)
		if len(errs) > 0 {
			return nil, errs.Err()
		}
		list = append(list, d)
	}
	return list, nil
}

// known finds a definition of the catalogue.
func known(name string) (*definition.Definition, error) {
	loader := app.Loader()
	d, errs := loader.BuiltIn(name)
	if d != nil || len(errs) > 0 {
		return d, errs.Err()
	}
	hint := source.DidYouMean(name, loader.BuiltInNames())
	if hint == "" {
		hint = "grove definitions list prints them; --shared asks the server for those that managers share"
	}
	return nil, exit(Wrong, "no definition %q comes with grove (%s)", name, hint)
}

// listCatalogue lists the definitions that come with grove.
func listCatalogue(w io.Writer, raw bool) error {
	list, err := catalogue()
	if err != nil {
		return err
	}
	if raw {
		all := make([]catalogued, len(list))
		for i, d := range list {
			all[i] = describe(d)
		}
		return printJSON(w, all)
	}
	rows := [][]string{{"NAME", "TITLE", "NEEDS", "ASKS BY"}}
	for _, d := range list {
		var needs []string
		for _, p := range d.Parameters {
			if p.Required {
				needs = append(needs, p.Name)
			}
		}
		rows = append(rows, []string{d.Application, d.Title, orDash(strings.Join(needs, ", ")), strings.Join(d.ProbeKinds(), ", ")})
	}
	columns, _ := screen(w)
	_, err = fmt.Fprint(w, table(rows, columns, leastWord), "\ngrove definitions show NAME            says what one is for\ngrove definitions new NAME --at PATH   writes a file that uses it\n")
	return err
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// catalogue prints a definition that comes with grove.
func (c *showCommand) catalogue(p *Process) error {
	d, err := known(c.Name)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		return printJSON(p.Stdout, describe(d))
	case c.Parameters:
		columns, _ := screen(p.Stdout)
		_, err := fmt.Fprint(p.Stdout, parameterTable(d, columns))
		return err
	}
	file := strings.TrimPrefix(d.File, "builtin:")
	if !c.YAML {
		file = d.Application + "/README.md"
	}
	text, err := fs.ReadFile(definitions.Catalogue(), file)
	if err != nil {
		return err
	}
	return output(p.Stdout, text)
}

// parameterTable writes the parameters of a definition, the required ones first.
func parameterTable(d *definition.Definition, columns int) string {
	if len(d.Parameters) == 0 {
		return d.Application + " has no parameters\n"
	}
	rows := [][]string{{"NAME", "TYPE", "DEFAULT", "DESCRIPTION"}}
	for _, p := range inOrder(d.Parameters) {
		value := "-"
		switch {
		case p.Required:
			value = "(required)"
		case p.Default != nil:
			value = defaultText(p)
		}
		description := p.Description
		if limits := p.Limits(); limits != "" {
			description = strings.TrimSpace(strings.TrimSuffix(description, ".") + " (" + limits + ")")
		}
		rows = append(rows, []string{p.Name, p.Type, value, description})
	}
	return table(rows, columns, leastText)
}

// Widths below which the last column of a table goes below its row: of single words, and
// of sentences.
const (
	leastWord = 12
	leastText = 24
)

// table writes rows of as many cells. On a terminal of so many columns the last is broken
// into lines that fit; what has no room beside the others stands below them. 0 columns are
// no terminal.
func table(rows [][]string, columns, least int) string {
	var out strings.Builder
	last := len(rows[0]) - 1
	width := make([]int, last)
	for _, row := range rows {
		for k := range last {
			width[k] = max(width[k], utf8.RuneCountInString(row[k]))
		}
	}
	indent := 0
	for _, n := range width {
		indent += n + 2
	}
	room := columns - indent
	below := columns > 0 && room < least
	for i, row := range rows {
		var b strings.Builder
		for k := range last {
			fmt.Fprintf(&b, "%-*s  ", width[k], row[k])
		}
		switch {
		case columns == 0:
			fmt.Fprintln(&out, strings.TrimRight(b.String()+row[last], " "))
		case below:
			fmt.Fprintln(&out, cut(strings.TrimRight(b.String(), " "), columns))
			if i == 0 {
				continue
			}
			for _, line := range wrap(row[last], columns-4) {
				fmt.Fprintln(&out, "    "+line)
			}
		default:
			lines := wrap(row[last], room)
			for n, line := range lines {
				if n > 0 {
					line = strings.Repeat(" ", indent) + line
				} else {
					line = b.String() + line
				}
				fmt.Fprintln(&out, strings.TrimRight(line, " "))
			}
			if len(lines) == 0 {
				fmt.Fprintln(&out, strings.TrimRight(b.String(), " "))
			}
		}
	}
	return out.String()
}

// wrap breaks a text into lines of at most so many characters, between words; a longer
// word has a line of its own.
func wrap(text string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= columns:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
