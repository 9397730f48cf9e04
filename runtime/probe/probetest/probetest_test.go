package probetest_test

import (
	"context"
	"errors"
	"testing"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/tree"
)

type options struct {
	Path  string   `yaml:"path" jsonschema:"description=Where to look."`
	Names []string `yaml:"names" jsonschema:"description=What to look for\\, one by one."`
}

type sample struct{}

func (sample) Attributes() []beans.AttributeInfo {
	return []beans.AttributeInfo{
		{Name: "answer", Type: beans.TypeInt, Description: "The answer.", Readable: true},
		{Name: "rows", Type: beans.TypeTable, Description: "The rows.", Readable: true, Key: "name", Columns: []beans.AttributeInfo{
			{Name: "name", Type: beans.TypeString, Description: "The name.", Readable: true},
		}},
	}
}

func (sample) Target() string { return "" }
func (sample) Close() error   { return nil }

func (sample) Run(ctx context.Context) (probe.Result, error) {
	var r probe.Result
	r.Number("answer", 42)
	r.Tables = append(r.Tables, probe.Table{Attribute: "rows", Columns: []string{"name"}, Rows: [][]tree.Value{{tree.Text("a")}}})
	return r, ctx.Err()
}

// silent never answers.
type silent struct{ sample }

func (silent) Run(ctx context.Context) (probe.Result, error) {
	<-ctx.Done()
	return probe.Result{}, ctx.Err()
}

func kind() probe.Kind {
	return probe.Kind{
		Name:       "sample",
		Title:      "A sample",
		Doc:        "Options: `path`, `names`. Attributes: answer, rows.",
		Example:    "grove: 1\nprobes:\n  s: { kind: sample, path: /, every: 10s }\n",
		NewOptions: func() any { return &options{Path: "/", Names: []string{"a"}} },
		New: func(o any) (probe.Probe, error) {
			opt, ok := o.(*options)
			switch {
			case !ok:
				return nil, errors.New("foreign options")
			case opt.Path == "silent":
				return silent{}, nil
			case opt.Path == "":
				return nil, probe.BadOption("path", "is empty")
			}
			return sample{}, nil
		},
	}
}

// TestSuitePassesAGoodKind also shows how a kind uses the suite.
func TestSuitePassesAGoodKind(t *testing.T) {
	probetest.Run(t, kind(), &options{Path: "/"})
	probetest.Refuses(t, kind(), probetest.Bad{Name: "no path", Options: &options{}, Option: "path", Want: "path: is empty"})
	probetest.Stops(t, kind(), &options{Path: "silent"})
}
