package definitions_test

import (
	"bytes"
	"path"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"grove/runtime/probe/builtin"
	"grove/tree"
	"grove/tree/definition/schema"
	"grove/tree/definition/source"
	"grove/tree/grant"
	"grove/viewer/export/prometheus"
)

// exported gives the metrics of the running tree as Prometheus gets them; none may be
// refused, and its linter must find nothing.
func (w *world) exported() string {
	w.t.Helper()
	e, err := prometheus.New(prometheus.Options{Tree: w.tree, Guard: grant.NewGuard(w.tree)})
	if err != nil {
		w.t.Fatal(err)
	}
	defer e.Close()
	var text bytes.Buffer
	if err := e.Write(&text, prometheus.Text, tree.Root); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range e.Conflicts() {
		w.t.Error(c)
	}
	problems, err := promlint.New(bytes.NewReader(text.Bytes())).Lint()
	if err != nil {
		w.t.Error(err)
	}
	for _, p := range problems {
		w.t.Errorf("metric %s: %s", p.Metric, p.Text)
	}
	return text.String()
}

// TestSchema holds the definitions and the instance files of the READMEs to the schema
// that editors use.
func TestSchema(t *testing.T) {
	text, err := schema.Of(builtin.Kinds{Registry: registry()})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schema.ID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schema.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range applications(t) {
		name := path.Join(app, app+".yaml")
		for file, text := range map[string]string{name: read(t, name), path.Join(app, "README.md"): instance(t, app)} {
			docs, errs := source.Read(file, []byte(text))
			if err := errs.Err(); err != nil {
				t.Fatal(err)
			}
			for i := range docs {
				if err := s.Validate(docs[i].Value.Any()); err != nil {
					t.Errorf("%s: %v", file, strings.ReplaceAll(err.Error(), schema.ID, "schema"))
				}
			}
		}
	}
}
