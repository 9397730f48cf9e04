package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"

	"go.yaml.in/yaml/v4"

	"grove/notify"
	"grove/tree/history/remote"
	"grove/tree/monitor"
	"grove/viewer/export/document/publish"
	"grove/viewer/export/otlp"
)

// maxExportsBytes bounds the file of exports.
const maxExportsBytes = 1 << 20

// quoted is what an error of the YAML reader repeats of a file.
var quoted = regexp.MustCompile("(?s)`.*`")

// Exports are what the manager sends out by itself, as the file that --exports names
// says it: YAML with a list for each way.
type Exports struct {
	RemoteWrite []remote.Target `yaml:"remote_write"`
	// ReadBack is the store that remote write fills, for charts of what is older than
	// anything kept here.
	ReadBack *remote.Source `yaml:"read_back"`
	OTLP     []otlp.Target  `yaml:"otlp"`
	// Publish are the documents and reports that are sent or written; the files among
	// them lie in Directories.
	Publish     []publish.Options `yaml:"publish"`
	Directories []string          `yaml:"directories"`
}

// readExports reads the file; no name is no exports. Every error says which key, or
// which line, is wrong.
func readExports(name string) (e Exports, err error) {
	if name == "" {
		return e, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return e, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxExportsBytes+1))
	switch {
	case err != nil:
		return e, err
	case len(text) > maxExportsBytes:
		return e, fmt.Errorf("%s is larger than %d bytes", name, maxExportsBytes)
	}
	if empty, err := misfits(name, text, reflect.TypeFor[Exports]()); empty || err != nil {
		return e, err
	}
	if err := yaml.Load(text, &e); err != nil {
		// Its errors repeat values between backquotes, and one may be a secret in the wrong place.
		return e, fmt.Errorf("%s: %s", name, quoted.ReplaceAllString(err.Error(), "…"))
	}
	var errs []error
	for i := range e.RemoteWrite {
		if err := e.RemoteWrite[i].Check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: remote_write[%d]: %w", name, i, err))
		}
	}
	if e.ReadBack != nil {
		if err := e.ReadBack.Check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: read_back: %w", name, err))
		}
	}
	for i := range e.OTLP {
		if err := e.OTLP[i].Check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: otlp[%d]: %w", name, i, err))
		}
	}
	for i, dir := range e.Directories {
		if info, err := os.Stat(dir); !filepath.IsAbs(dir) || err != nil || !info.IsDir() {
			errs = append(errs, fmt.Errorf("%s: directories[%d]: %q is no absolute path of a directory that is there", name, i, dir))
		}
	}
	for i := range e.Publish {
		if err := e.Publish[i].Check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: publish[%d]: %w", name, i, err))
		}
	}
	return e, errors.Join(errs...)
}

// exports are those parts of a manager that send something out; nil where nothing is.
type exports struct {
	writer    *remote.Writer
	collector *otlp.Exporter
	publisher *publish.Publisher
}

// openExports prepares what is sent out, once the viewer has its address; Start sends.
func (a *App) openExports(e Exports) (err error) {
	c := &a.config
	if len(e.OTLP) > 0 {
		a.exports.collector, err = otlp.New(otlp.Options{Tree: a.Tree, Manager: c.Name, Version: c.Version, Secret: readSecret, Log: a.log}, e.OTLP)
		if err != nil {
			return err
		}
	}
	if len(e.Publish) > 0 {
		static := a.Scheme() + "://" + reachable(a.Addr()) + "/documents/static"
		a.exports.publisher, err = publish.New(publish.Config{
			Publications: e.Publish, Directories: e.Directories, Secret: readSecret, Version: c.Version, Log: a.log,
			Sources: map[string]publish.Source{"document": publish.Documents(a.faces.documents, static), "report": publish.Reports(a.faces.reports, nil)},
		})
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}

// condition says how each target fares.
func (e *exports) condition() (all []sending) {
	if e.writer != nil {
		for _, s := range e.writer.Stats() {
			all = append(all, sending{Kind: "Remote write", Name: s.Name, OK: s.Error == "", Error: s.Error, Waiting: s.Behind})
		}
	}
	if e.collector != nil {
		for _, s := range e.collector.Stats() {
			all = append(all, sending{Kind: "OpenTelemetry", Name: s.Name, OK: s.LastError == "", Error: s.LastError})
		}
	}
	if e.publisher != nil {
		for _, s := range e.publisher.Status() {
			all = append(all, sending{Kind: "Publications", Name: s.Name, OK: s.Error == "", Error: s.Error})
		}
	}
	return all
}

// runExports sends until Stop.
func (a *App) runExports() {
	if a.exports.writer != nil {
		a.run("remote write", a.exports.writer.Run)
	}
	if a.exports.collector != nil {
		a.run("OTLP", a.exports.collector.Run)
	}
	if p := a.exports.publisher; p != nil {
		a.run("publications", p.Run)
	}
	a.run("notifications to programs", a.tell)
}

// tell gives notifications to those who tell programs of them.
func (a *App) tell(ctx context.Context) error {
	all, err := a.Bus.Subscribe(notify.Options{Name: "programs", Buffer: notify.MaxBuffer})
	if err != nil {
		return err
	}
	defer all.Close()
	for n := range all.All(ctx) {
		a.faces.events.Publish(n.Notification)
		if p := a.exports.publisher; p != nil && n.Type == monitor.TypeStatusChanged {
			p.Changed()
		}
		if a.exports.collector != nil {
			a.exports.collector.Publish(n.Notification)
		}
	}
	return ctx.Err()
}
