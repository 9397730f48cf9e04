package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grove/cmd/app"
	"grove/tree/definition"
	"grove/viewer/export/grafana"
	"grove/viewer/export/rules"
)

// subject is what dashboards and rules are made of.
type subject struct {
	Of       string `arg:"" optional:"" name:"application|file" help:"A definition that comes with grove, by the name of its application, or definition files: one, or a directory of them."`
	Overview bool   `help:"Of the whole tree and of grove itself." xor:"subject"`
}

// made is one file that was made.
type made struct {
	name string // of the application, or "overview"
	text []byte
}

// make makes something of each definition that is asked for, and of the whole tree.
// Everything stands for all definitions that come with grove when none is named.
func (s *subject) make(p *Process, all *commands, everything bool, one func(*definition.Definition) ([]byte, error), overview func() ([]byte, error)) ([]made, error) {
	var files []made
	if s.Overview || everything && s.Of == "" {
		text, err := overview()
		if err != nil {
			return nil, exit(Usage, "%w", err)
		}
		files = append(files, made{"overview", text})
	}
	if s.Overview {
		return files, nil
	}
	list, err := s.definitions(p, all, everything)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		text, err := one(d)
		if err != nil {
			return nil, exit(Wrong, "%s: %w", d.Application, err)
		}
		files = append(files, made{d.Application, text})
	}
	return files, nil
}

// definitions loads what is asked for.
func (s *subject) definitions(p *Process, all *commands, everything bool) ([]*definition.Definition, error) {
	loader := app.Loader()
	if _, err := os.Stat(s.Of); s.Of != "" && (err == nil || strings.ContainsRune(s.Of, os.PathSeparator) || filepath.Ext(s.Of) != "") {
		plan, errs := loader.Files(s.Of)
		if len(errs) > 0 {
			return nil, printErrors(p, all, errs)
		}
		own := slices.DeleteFunc(slices.Clone(plan.Definitions), func(d *definition.Definition) bool { return d.BuiltIn })
		if len(own) == 0 {
			return nil, exit(Wrong, "%s holds no definition", s.Of)
		}
		return own, nil
	}
	catalogue := loader.Catalogue
	loader.Catalogue = nil
	plan, errs := loader.FS(catalogue, "")
	if len(errs) > 0 {
		return nil, printErrors(p, all, errs)
	}
	var names []string
	for _, d := range plan.Definitions {
		if d.Application == s.Of {
			return []*definition.Definition{d}, nil
		}
		names = append(names, d.Application)
	}
	switch {
	case s.Of != "":
		return nil, exit(Wrong, "no definition %q comes with grove: there are %s", s.Of, strings.Join(names, ", "))
	case everything:
		return plan.Definitions, nil
	}
	return nil, exit(Usage, "name a file, or what comes with grove: %s; or --overview for the whole tree", strings.Join(names, ", "))
}

// printMade prints the one file that was made.
func printMade(p *Process, files []made, instead string) error {
	if len(files) != 1 {
		return exit(Usage, "there are %d definitions: name one file, or %s", len(files), instead)
	}
	return output(p.Stdout, files[0].text)
}

// dashboardCommand makes dashboards for Grafana.
type dashboardCommand struct {
	subject
	Provisioning string `help:"Write everything that a Grafana reads when it starts into this directory: the data source, and the dashboards of what is named, or of all that comes with grove." placeholder:"DIR"`
	GrafanaDir   string `help:"Where that directory is on Grafana's machine. Default: as here." placeholder:"DIR"`
	Server       string `help:"Address at which Grafana reaches grove." default:"http://127.0.0.1:7440" env:"GROVE_SERVER" placeholder:"URL"`
}

// Run implements the command.
func (c *dashboardCommand) Run(p *Process, all *commands) error {
	files, err := c.make(p, all, c.Provisioning != "", grafana.Dashboard, grafana.Overview)
	if err != nil {
		return err
	}
	if c.Provisioning == "" {
		return printMade(p, files, "give a directory for all of them with --provisioning")
	}
	return c.provision(p, files)
}

// boardsDir is where the dashboards are in the directory of provisioning.
const boardsDir = "dashboards/grove"

func (c *dashboardCommand) provision(p *Process, files []made) error {
	there := c.GrafanaDir
	if there == "" {
		var err error
		if there, err = filepath.Abs(c.Provisioning); err != nil {
			return exit(Usage, "%w", err)
		}
	}
	own := remote{Server: c.Server}
	texts, err := grafana.Provisioning(own.address(), filepath.Join(there, filepath.FromSlash(boardsDir)))
	if err != nil {
		return exit(Usage, "%w", err)
	}
	for _, f := range files {
		texts[boardsDir+"/"+f.name+".json"] = f.text
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		path := filepath.Join(c.Provisioning, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return exit(Usage, "%w", err)
		}
		if err := os.WriteFile(path, texts[name], 0o644); err != nil {
			return exit(Usage, "%w", err)
		}
		fmt.Fprintln(p.Stdout, plain(path))
	}
	return nil
}

// rulesCommand makes alert rules.
type rulesCommand struct {
	subject
	Alertmanager bool           `help:"The configuration of Alertmanager that goes with the rules, instead." xor:"subject"`
	Webhook      string         `help:"Address that Alertmanager calls." placeholder:"URL"`
	For          *time.Duration `help:"How long a status must last before it is an alert, where the definition holds it not itself: 30s, 5m; 0s is not at all. Default: a minute." placeholder:"TIME"`
	Server       string         `help:"Address of grove's page, for links." default:"http://127.0.0.1:7440" env:"GROVE_SERVER" placeholder:"URL"`
}

// Run implements the command.
func (c *rulesCommand) Run(p *Process, all *commands) error {
	if c.Alertmanager {
		if c.Of != "" {
			return exit(Usage, "the configuration of Alertmanager is the same for all definitions: leave %q out", c.Of)
		}
		var o rules.AlertmanagerOptions
		if c.Webhook != "" {
			o.Receivers = []rules.Receiver{{Name: "grove", Webhook: c.Webhook}}
		}
		text, err := rules.Alertmanager(o)
		if err != nil {
			return exit(Usage, "%w", err)
		}
		return output(p.Stdout, text)
	}
	if c.Webhook != "" {
		return exit(Usage, "--webhook goes with --alertmanager")
	}
	own := remote{Server: c.Server}
	o := rules.Options{Page: own.address()}
	if c.For != nil {
		if o.For = *c.For; o.For == 0 {
			o.For = -1
		}
	}
	files, err := c.make(p, all, false,
		func(d *definition.Definition) ([]byte, error) { return rules.Prometheus(d, o) },
		func() ([]byte, error) { return rules.Overview(o) })
	if err != nil {
		return err
	}
	return printMade(p, files, "each by itself")
}
