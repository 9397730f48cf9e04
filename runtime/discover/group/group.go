// Package group reads lists of targets in the forms that Prometheus reads them in, by
// file_sd and by http_sd: groups of addresses with labels, in JSON or YAML
// (https://prometheus.io/docs/prometheus/latest/http_sd/), and plain lists with one
// address a line. They become rows of a table, with a column for each label that is
// asked for.
package group

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// The bounds of what is read.
const (
	MaxTargets = 50_000 // of one list
	MaxTarget  = 512    // bytes
	maxLabels  = 200    // of one group
	maxLabel   = 4096   // bytes
	// MaxColumns bounds the labels that become columns.
	MaxColumns = 50
)

// Group is some targets that have the same labels.
type Group struct {
	Targets []string          `json:"targets" yaml:"targets"`
	Labels  map[string]string `json:"labels" yaml:"labels"`
}

// Format is how a list is written.
type Format string

// The formats.
const (
	JSON  Format = "json"
	YAML  Format = "yaml"
	Plain Format = "plain" // an address a line; what follows # is a remark
)

// Read reads a list.
func Read(format Format, text []byte) ([]Group, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	var groups []Group
	var err error
	switch format {
	case JSON:
		groups, err = readJSON(text)
	case YAML:
		groups, err = readYAML(text)
	default:
		groups = readPlain(string(text))
	}
	if err != nil {
		return nil, err
	}
	return groups, check(groups)
}

func readJSON(text []byte) (groups []Group, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // as Prometheus does
	if err := d.Decode(&groups); err != nil {
		return nil, fmt.Errorf("it is no list of groups such as [{\"targets\": [\"web1:80\"], \"labels\": {}}]: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the list of groups")
	}
	return groups, nil
}

func readYAML(text []byte) (groups []Group, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&groups); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is no list of groups with targets and labels: %w", err)
	}
	return groups, nil
}

func readPlain(text string) []Group {
	var g Group
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			g.Targets = append(g.Targets, line)
		}
	}
	return []Group{g}
}

// check refuses what is too much, and what is no target.
func check(groups []Group) error {
	count := 0
	for _, g := range groups {
		if count += len(g.Targets); count > MaxTargets {
			return fmt.Errorf("more than %d targets", MaxTargets)
		}
		if len(g.Labels) > maxLabels {
			return fmt.Errorf("a group has %d labels, more than %d", len(g.Labels), maxLabels)
		}
		for _, t := range g.Targets {
			if t == "" || len(t) > MaxTarget || strings.ContainsFunc(t, unsuitable) {
				return fmt.Errorf("%.80q is no target: an address such as web1:80, of at most %d bytes", t, MaxTarget)
			}
		}
		for name, value := range g.Labels {
			if len(name) > maxLabel || len(value) > maxLabel {
				return fmt.Errorf("label %.80q is longer than %d bytes", name, maxLabel)
			}
		}
	}
	return nil
}

// unsuitable holds for what cannot stand in an address.
func unsuitable(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }

var labelForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// own are the columns that every table has.
var own = []string{"target", "address", "port"}

// CheckLabels says whether labels may become columns, as the option "labels".
func CheckLabels(labels []string) error {
	if len(labels) > MaxColumns {
		return probe.BadOption("labels", "%d of them, more than %d", len(labels), MaxColumns)
	}
	for i, name := range labels {
		option := fmt.Sprintf("labels[%d]", i)
		switch {
		case !labelForm.MatchString(name):
			return probe.BadOption(option, "%q is no name of a label", name)
		case slices.Contains(own, name):
			return probe.BadOption(option, "%q is a column already", name)
		case slices.Contains(labels[:i], name):
			return probe.BadOption(option, "%q is there twice", name)
		}
	}
	return nil
}

// Attributes describes what Add yields.
func Attributes(labels []string) []beans.AttributeInfo {
	columns := []beans.AttributeInfo{
		{Name: "target", Type: beans.TypeString, Readable: true, Description: "The target as it is listed: web1:80."},
		{Name: "address", Type: beans.TypeString, Readable: true, Description: "Its host, without the port."},
		{Name: "port", Type: beans.TypeInt, Readable: true, Description: "Its port; none when it has none."},
	}
	for _, name := range labels {
		columns = append(columns, beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: "The label of this name; empty where a target has none."})
	}
	return []beans.AttributeInfo{
		{Name: "count", Type: beans.TypeInt, Unit: "targets", Readable: true, Description: "How many targets are listed."},
		{Name: "targets", Type: beans.TypeTable, Key: "target", Columns: columns, Readable: true, Description: "The targets, each once."},
	}
}

// Add adds the targets of groups to a result. Of a target that is listed more than once
// the first counts.
func Add(r *probe.Result, groups []Group, labels []string) {
	t := probe.Table{Attribute: "targets", Columns: append(slices.Clone(own), labels...)}
	seen := map[string]bool{}
	for _, g := range groups {
		for _, target := range g.Targets {
			if seen[target] {
				continue
			}
			seen[target] = true
			host, port := split(target)
			row := []tree.Value{tree.Text(target), tree.Text(host), port}
			for _, name := range labels {
				row = append(row, tree.Text(g.Labels[name]))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	r.Number("count", float64(len(t.Rows)))
	r.Tables = append(r.Tables, t)
}

// split takes the port off a target.
func split(target string) (host string, port tree.Value) {
	h, p, err := net.SplitHostPort(target)
	if err != nil {
		return strings.Trim(target, "[]"), tree.Value{}
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return target, tree.Value{}
	}
	return h, tree.Number(float64(n))
}
