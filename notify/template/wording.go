package template

import (
	"fmt"

	"grove/notify/channel"
)

// MaxTitleRunes bounds a title in characters.
const MaxTitleRunes = 512

// Options are the templates that channels for people have; kinds inline them.
type Options struct {
	Title string `yaml:"title,omitempty" jsonschema:"description=Template of the one line that people see first; the title of the message when empty."`
	Text  string `yaml:"text,omitempty" jsonschema:"description=Template of the text; the text of the message when empty."`
}

// Wording is what a channel for people says.
type Wording struct{ title, text *Template }

// New checks the options; errors are of BadOption.
func (o Options) New() (w Wording, err error) {
	if w.title, err = Option("title", o.Title, Line); err != nil {
		return Wording{}, err
	}
	if w.text, err = Option("text", o.Text, Text); err != nil {
		return Wording{}, err
	}
	return w, nil
}

// Option checks the template that is an option of a channel; nil when it is empty. The
// error is of BadOption.
func Option(option, text string, f Format) (*Template, error) {
	if text == "" {
		return nil, nil
	}
	t, err := New(text, f)
	if err != nil {
		return nil, channel.BadOption(option, "%w", err)
	}
	return t, nil
}

// Title returns the title of a message, one line of at most MaxTitleRunes. Where the
// template fails it is that of the message: a person is told in any case.
func (w Wording) Title(m *channel.Message) string {
	s := m.Title
	if w.title != nil {
		if made, err := w.title.Render(m); err == nil && made != "" {
			s = made
		}
	}
	if s == "" {
		s = Title(m)
	}
	return Truncate(OneLine(s), MaxTitleRunes)
}

// Text returns the text of a message, at most MaxBytes. Where the template fails it is that
// of the message, and says so.
func (w Wording) Text(m *channel.Message) string {
	s := m.Text
	if w.text != nil {
		made, err := w.text.Render(m)
		if err != nil {
			made = fmt.Sprintf("%s\n\n(The template \"text\" of this channel cannot be used for this message: %v)\n", s, err)
		}
		s = made
	}
	if s == "" {
		s = Body(m)
	}
	return Truncate(Plain(s), MaxBytes/4)
}
