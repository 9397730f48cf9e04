// Package host is the probe kind "host": the machine that grove runs on, its
// processors, memory, load, file systems, disks, networks and sensors.
package host

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/beans"
	"grove/runtime/probe"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "host". Its probes share the record of file systems that
// hang, so that each of these holds one goroutine however many probes and reloads
// there are.
func Kind() probe.Kind {
	shared := newStatter()
	return probe.Kind{
		Name:       "host",
		Title:      "This host: processors, memory, file systems, disks, networks",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return new(Options) },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newProbe(o, shared)
		},
	}
}

// section is one part of the host that is read on its own: when it fails, the
// others are read all the same.
type section struct {
	name       string
	attributes []beans.AttributeInfo
	read       func(ctx context.Context, p *hostProbe, now time.Time, into *probe.Result) error
}

// sections lists all sections, in the order in which they are read. The file
// systems come last: they are the ones that may take their time.
func sections() []section {
	return []section{
		{"cpu", cpuAttributes, readCPU},
		{"memory", memoryAttributes, readMemory},
		{"swap", swapAttributes, readSwap},
		{"load", loadAttributes, readLoad},
		{"uptime", uptimeAttributes, readUptime},
		{"system", systemAttributes, readSystem},
		{"processes", processAttributes, readProcesses},
		{"disks", diskAttributes, readDisks},
		{"networks", networkAttributes, readNetworks},
		{"sensors", sensorAttributes, readSensors},
		{"filesystems", filesystemAttributes, readFilesystems},
	}
}

func sectionNames() []string {
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return names
}

func sectionNamed(name string) (section, bool) {
	for _, s := range sections() {
		if s.name == name {
			return s, true
		}
	}
	return section{}, false
}

// hostProbe keeps what the rates of the next run are computed from.
type hostProbe struct {
	options    Options
	sections   []section
	attributes []beans.AttributeInfo
	stat       *statter
	sys        string // where sysfs is mounted

	cpu       cpuTimes
	boot      time.Time
	swap      rater
	processes rater
	disks     rater
	networks  rater
}

func newProbe(o *Options, stat *statter) (*hostProbe, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &hostProbe{options: *o, stat: stat, sys: "/sys"}
	for _, s := range sections() {
		if len(o.Sections) == 0 || slices.Contains(o.Sections, s.name) {
			p.sections = append(p.sections, s)
			p.attributes = append(p.attributes, s.attributes...)
		}
	}
	return p, nil
}

// Attributes implements probe.Probe.
func (p *hostProbe) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: it is this machine.
func (p *hostProbe) Target() string { return "" }

// Run implements probe.Probe. A section that fails is named in the error; the
// result has the readings of the others.
func (p *hostProbe) Run(ctx context.Context) (probe.Result, error) {
	result := probe.Result{Time: time.Now()}
	var errs []error
	for _, s := range p.sections {
		if err := ctx.Err(); err != nil {
			return result, errors.Join(append(errs, fmt.Errorf("%s: %w", s.name, err))...)
		}
		if err := s.read(ctx, p, time.Now(), &result); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return result, errors.Join(errs...)
}

// Close implements probe.Probe.
func (p *hostProbe) Close() error { return nil }

// number, text, truth and table describe attributes and columns.
func number(name, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: unit, Description: description, Readable: true}
}

func text(name, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeString, Description: description, Readable: true}
}

func truth(name, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeBool, Description: description, Readable: true}
}

// table describes a table whose first column is its key.
func table(name, description string, columns ...beans.AttributeInfo) beans.AttributeInfo {
	return beans.AttributeInfo{
		Name: name, Type: beans.TypeTable, Description: description, Readable: true,
		Columns: columns, Key: columns[0].Name,
	}
}

// columnNames lists the columns of a table's description.
func columnNames(t beans.AttributeInfo) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}
