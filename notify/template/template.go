// Package template makes the titles, texts and bodies of messages from templates that
// operators write: Go's text/template, and html/template for HTML.
//
// A template is checked when it is loaded: it parses, uses only the functions of this
// package and a few of Go's, calls itself in no circle, and renders every message of Samples.
// Rendering is bounded in output and work, so that no template delays what others are told.
// What is rendered is data: what looks like a template in it is printed as it is, and control
// characters and marks of direction are left out.
package template

import (
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"regexp"
	"strings"
	"sync"
	texttemplate "text/template"
	"text/template/parse"
	"time"

	"grove/notify/channel"
)

// Doc says in Markdown to operators what they can write.
//
//go:embed doc.md
var Doc string

// Bounds of a template and of what it makes.
const (
	MaxTemplateBytes = 32 << 10
	MaxBytes         = 64 << 10               // of the output, and of what a function returns
	MaxTime          = 100 * time.Millisecond // of work, see budget
)

// Format is what a template makes.
type Format int

// The formats.
const (
	Line Format = iota // one line: line breaks become spaces
	Text
	HTML
)

// Template is a checked template. It may be used from many goroutines.
type Template struct {
	format Format
	trees  map[string]*parse.Tree
	// engines are prepared templates, each with a budget of its own, so that renders at the
	// same time share nothing that changes.
	engines sync.Pool
}

// engine renders for one goroutine at a time.
type engine struct {
	budget *budget
	run    func(w io.Writer, m *channel.Message) error
}

// name is that of the outermost template.
const name = "template"

// New checks a template. Errors name the line: `line 2: function "env" not defined`.
func New(text string, format Format) (*Template, error) {
	if len(text) > MaxTemplateBytes {
		return nil, fmt.Errorf("is longer than the bound of %d bytes", MaxTemplateBytes)
	}
	trees, err := read(text)
	if err != nil {
		return nil, err
	}
	t := &Template{format: format, trees: trees}
	e, err := t.prepare()
	if err != nil {
		return nil, explain(err)
	}
	t.engines.Put(e)
	for what, m := range Samples() {
		if _, err := t.Render(m); err != nil {
			return nil, fmt.Errorf("%w (on a message of the sample %q)", err, what)
		}
	}
	return t, nil
}

// prepare makes an engine.
func (t *Template) prepare() (*engine, error) {
	b := new(budget)
	functions := b.functions()
	if t.format == HTML {
		root := htmltemplate.New(name).Option("missingkey=zero").Funcs(functions)
		for part, tree := range t.trees {
			// The escaper writes into the tree.
			if _, err := root.AddParseTree(part, tree.Copy()); err != nil {
				return nil, err
			}
		}
		return &engine{b, func(w io.Writer, m *channel.Message) error { return root.ExecuteTemplate(w, name, m) }}, nil
	}
	root := texttemplate.New(name).Option("missingkey=zero").Funcs(functions)
	for part, tree := range t.trees {
		if _, err := root.AddParseTree(part, tree); err != nil {
			return nil, err
		}
	}
	return &engine{b, func(w io.Writer, m *channel.Message) error { return root.ExecuteTemplate(w, name, m) }}, nil
}

// Render returns what the template makes of a message.
func (t *Template) Render(m *channel.Message) (string, error) {
	e, _ := t.engines.Get().(*engine)
	if e == nil {
		var err error
		if e, err = t.prepare(); err != nil {
			return "", explain(err)
		}
	}
	e.budget.begin(m.Time)
	var out output
	err := e.run(&out, m)
	t.engines.Put(e)
	if err != nil {
		return "", explain(err)
	}
	if t.format == Line {
		return OneLine(out.String()), nil
	}
	return Plain(out.String()), nil
}

// output takes what a template writes, as much as it may.
type output struct{ strings.Builder }

var errLong = fmt.Errorf("the output is longer than the bound of %d bytes", MaxBytes)

func (o *output) Write(p []byte) (int, error) {
	if o.Len()+len(p) > MaxBytes {
		return 0, errLong
	}
	return o.Builder.Write(p)
}

// explain says of an error of Go's templates where it is and what is wrong, without what
// only a programmer needs:
//
//	template: template:2:5: executing "template" at <.Foo>: can't evaluate field Foo …
//	line 2: a message has no .Foo
func explain(err error) error {
	found := location.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	if field := lacking.FindStringSubmatch(found[2]); field != nil {
		what := map[string]string{"channel.Message": "a message", "alert.Alert": "an alert"}[field[2]]
		if what == "" {
			what = "what is before it"
		}
		return fmt.Errorf("line %s: %s has no .%s", found[1], what, field[1])
	}
	return fmt.Errorf("line %s: %s", found[1], found[2])
}

// lacking is what Go says of a field that is not there.
var lacking = regexp.MustCompile(`can't evaluate field (\w+) in type \*?([\w.]+)`)

var location = regexp.MustCompile(`(?s)^(?:html/template:|template:)? ?(?:template:)?(\d+):(?:\d+:)? (?:executing "[^"]*" at )?(.*)$`)
