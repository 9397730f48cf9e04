// Package command is the channel that runs a program for each message.
package command

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/template"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind.
type Options struct {
	Program string            `yaml:"program" jsonschema:"description=Absolute path of the program."`
	Args    []string          `yaml:"args,omitempty" jsonschema:"description=Arguments\\, a template each."`
	Secrets map[string]string `yaml:"secrets,omitempty" jsonschema:"description=Environment variables with what references to secrets refer to."`
	Timeout time.Duration     `yaml:"timeout,omitempty" jsonschema:"description=How long the program may run."`

	template.Options `yaml:",inline"`
}

// Bounds of the options, and of what of the output stands in an error, in characters.
const (
	maxArgs    = 64
	maxSecrets = 16
	maxTimeout = 10 * time.Minute
	maxOutput  = 300
)

// exitTemporary is EX_TEMPFAIL of sysexits.h: the same may succeed later.
const exitTemporary = 75

// Kind returns the kind.
func Kind() channel.Kind {
	return channel.Kind{
		Name: "command", Doc: doc, Example: example,
		Options: func() any { return &Options{Timeout: 30 * time.Second} },
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("these are options of another kind: %T", options)
			}
			return newRunner(w, o)
		},
	}
}

type runner struct {
	world   *channel.World
	options *Options
	args    []*template.Template
	wording template.Wording
}

var variable = regexp.MustCompile(`\A[A-Z][A-Z0-9_]{0,63}\z`)

func newRunner(w *channel.World, o *Options) (*runner, error) {
	switch {
	case o.Program == "":
		return nil, channel.BadOption("program", "is missing")
	case !filepath.IsAbs(o.Program) || filepath.Clean(o.Program) != o.Program || strings.ContainsRune(o.Program, 0):
		return nil, channel.BadOption("program", "%q is not an absolute path without detours", template.Truncate(o.Program, 200))
	case len(o.Args) > maxArgs:
		return nil, channel.BadOption("args", "%d are more than the bound of %d", len(o.Args), maxArgs)
	case len(o.Secrets) > maxSecrets:
		return nil, channel.BadOption("secrets", "%d are more than the bound of %d", len(o.Secrets), maxSecrets)
	case o.Timeout <= 0 || o.Timeout > maxTimeout:
		return nil, channel.BadOption("timeout", "%s is not above 0 and at most %s", o.Timeout, maxTimeout)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Secrets)) {
		if !variable.MatchString(name) || strings.HasPrefix(name, "GROVE_") || strings.HasPrefix(name, "LD_") || name == "PATH" || name == "IFS" {
			return nil, channel.BadOption("secrets", "%q cannot be the name of a variable: capitals, digits and _ that do not begin with GROVE_", template.Truncate(name, 80))
		}
		if err := w.CheckSecret(o.Secrets[name]); err != nil {
			return nil, channel.BadOption("secrets."+name, "%w", err)
		}
	}
	r := &runner{world: w, options: o}
	for i, text := range o.Args {
		t, err := template.New(text, template.Line)
		if err != nil {
			return nil, channel.BadOption(fmt.Sprintf("args[%d]", i), "%w", err)
		}
		r.args = append(r.args, t)
	}
	var err error
	r.wording, err = o.Options.New()
	return r, err
}

// Close implements channel.Channel.
func (r *runner) Close() error { return nil }

// Send implements channel.Channel.
func (r *runner) Send(ctx context.Context, m *channel.Message) error {
	args, err := r.arguments(m)
	if err != nil {
		return channel.Permanent(err)
	}
	env := r.environment(m)
	var secrets []string
	for _, name := range slices.Sorted(maps.Keys(r.options.Secrets)) {
		value, err := r.world.Secret(r.options.Secrets[name])
		if err != nil {
			return fmt.Errorf("secrets.%s: %w", name, err)
		}
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("secrets.%s: what it refers to has a NUL", name)
		}
		env, secrets = append(env, name+"="+value), append(secrets, value)
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	output, status, err := r.world.Run(ctx, r.options.Program, args, env)
	if err == nil && status == 0 {
		return nil
	}
	text := fmt.Sprintf("%s ends with status %d", r.options.Program, status)
	if err != nil {
		text = fmt.Sprintf("%s: %v", r.options.Program, err)
	}
	if len(output) > 0 {
		text += ": " + template.Truncate(template.OneLine(string(output)), maxOutput)
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "(secret)")
		}
	}
	failed := errors.New(template.Truncate(template.OneLine(text), 2*maxOutput))
	// A program that was killed did not decide; shells say so by 128 and the signal.
	if err != nil || status == exitTemporary || status < 0 || status > 128 {
		return failed
	}
	return channel.Permanent(failed)
}

// arguments are one element of argv each, whatever they hold: no shell reads them. One that
// begins with a hyphen only since the data does gets a blank before it, for it is no option.
func (r *runner) arguments(m *channel.Message) ([]string, error) {
	args := make([]string, len(r.args))
	for i, t := range r.args {
		text, err := t.Render(m)
		if err != nil {
			return nil, fmt.Errorf("args[%d]: %w", i, err)
		}
		if strings.HasPrefix(text, "-") && !strings.HasPrefix(r.options.Args[i], "-") {
			text = " " + text
		}
		args[i] = text
	}
	return args, nil
}

// maxVariable bounds the value of a variable in bytes: Linux takes 128 KiB.
const maxVariable = 96 << 10

// environment tells the program about a message.
func (r *runner) environment(m *channel.Message) []string {
	line := func(s string) string { return template.Truncate(template.OneLine(s), 4096) }
	env := []string{
		"GROVE_KEY=" + line(m.Key), "GROVE_GROUP=" + line(m.Group), "GROVE_SEQUENCE=" + strconv.FormatInt(m.Sequence, 10), "GROVE_PURPOSE=" + line(string(m.Purpose)),
		"GROVE_TIME=" + m.Time.UTC().Format(time.RFC3339), "GROVE_MANAGER=" + line(m.Manager), "GROVE_ROUTE=" + line(m.Route),
		"GROVE_STATUS=" + m.Status.String(), "GROVE_SEVERITY=" + m.Severity.String(), "GROVE_TITLE=" + r.wording.Title(m), "GROVE_TEXT=" + r.wording.Text(m),
		"GROVE_URL=" + line(m.URL), "GROVE_FIRING=" + strconv.Itoa(m.Firing), "GROVE_RESOLVED=" + strconv.Itoa(m.Resolved), "GROVE_MESSAGE=" + document(m),
	}
	if len(m.Alerts) > 0 {
		a := &m.Alerts[0]
		env = append(env, "GROVE_PATH="+line(a.Path.String()), "GROVE_ALERT="+a.ID.String(), "GROVE_VALUE="+line(a.Value), "GROVE_UNIT="+line(a.Unit),
			"GROVE_THRESHOLD="+line(a.Threshold), "GROVE_INSTANCE="+line(a.Instance))
	}
	return env
}

// document is the message as JSON, with as many of its alerts as there is room for; empty
// when there is room for none.
func document(m *channel.Message) string {
	short := *m
	short.Text = template.Truncate(m.Text, 16<<10)
	for {
		text, err := json.Marshal(&short)
		if err == nil && len(text) <= maxVariable {
			return string(text)
		}
		if err != nil || len(short.Alerts) == 0 {
			return ""
		}
		short.Alerts = short.Alerts[:len(short.Alerts)/2]
	}
}
