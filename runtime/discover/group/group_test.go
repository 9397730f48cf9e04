package group

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
)

// rows writes the table that a list becomes, a line each.
func rows(t *testing.T, groups []Group, labels ...string) string {
	t.Helper()
	var r probe.Result
	Add(&r, groups, labels)
	var b strings.Builder
	for _, row := range r.Tables[0].Rows {
		for k, cell := range row {
			if k > 0 {
				b.WriteString(" ")
			}
			b.WriteString(cell.String())
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		text   string
		want   string
		err    string
	}{
		"JSON":                {JSON, `[{"targets": ["web1:80", "[2001:db8::1]:9100", "db"], "labels": {"job": "shop", "env": "test"}}, {"targets": ["web2"]}]`, "web1:80 web1 80 shop\n[2001:db8::1]:9100 2001:db8::1 9100 shop\ndb db  shop\nweb2 web2  \n", ""},
		"nothing":             {JSON, `[]`, "", ""},
		"once":                {JSON, `[{"targets":["a","a"],"labels":{"job":"x"}},{"targets":["a"],"labels":{"job":"y"}}]`, "a a  x\n", ""},
		"YAML":                {YAML, "- targets: [web1:80]\n  labels: { job: shop }\n- targets:\n  - web2:81\n", "web1:80 web1 80 shop\nweb2:81 web2 81 \n", ""},
		"empty YAML":          {YAML, "", "", ""},
		"plain":               {Plain, "# the shop\nweb1:80 # first\n\n  web2:http\n", "web1:80 web1 80 \nweb2:http web2:http  \n", ""},
		"other JSON":          {JSON, `{"targets": []}`, "", "it is no list of groups"},
		"another field":       {JSON, `[{"target": "a"}]`, "", `unknown field "target"`},
		"something behind":    {JSON, `[] []`, "", "there is something behind the list of groups"},
		"a label is a number": {YAML, "- targets: [a]\n  labels: [x]\n", "", "it is no list of groups with targets and labels"},
		"no target":           {Plain, "a b\n", "", `"a b" is no target: an address such as web1:80, of at most 512 bytes`},
		"an empty target":     {JSON, `[{"targets": [""]}]`, "", `"" is no target`},
		"no UTF-8":            {Plain, "a\xff", "", "it is not UTF-8"},
		"a long label":        {JSON, fmt.Sprintf(`[{"targets":["a"],"labels":{"x":%q}}]`, strings.Repeat("x", maxLabel+1)), "", `label "x" is longer than 4096 bytes`},
		"too many":            {Plain, strings.Repeat("a\n", MaxTargets+1), "", "more than 50000 targets"},
	} {
		t.Run(name, func(t *testing.T) {
			groups, err := Read(c.format, []byte(c.text))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, rows(t, groups, "job")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLabels(t *testing.T) {
	for want, labels := range map[string][]string{
		"":                                       {"job", "__meta_x"},
		`labels[1]: "a b" is no name of a label`: {"a", "a b"},
		`labels[0]: "port" is a column already`:  {"port"},
		`labels[1]: "a" is there twice`:          {"a", "a"},
		`labels: 51 of them, more than 50`:       make([]string, 51),
	} {
		err := CheckLabels(labels)
		if got := fmt.Sprint(err); got != want && !(want == "" && err == nil) {
			t.Errorf("%v: %v, want %s", labels, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("json", `[{"targets": ["web1:80"], "labels": {"job": "shop"}}]`)
	f.Add("yaml", "- targets: [a]\n")
	f.Add("plain", "a # b\n")
	f.Fuzz(func(t *testing.T, format, text string) {
		groups, err := Read(Format(format), []byte(text))
		if err != nil {
			return
		}
		var r probe.Result
		Add(&r, groups, []string{"job"})
		for _, row := range r.Tables[0].Rows {
			if len(row) != 4 || row[0].String() == "" {
				t.Errorf("%q: row %v", text, row)
			}
		}
	})
}
