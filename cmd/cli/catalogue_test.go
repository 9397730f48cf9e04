package cli

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/cmd/app"
	"grove/definitions"
)

// TestCatalogue lists and shows what comes with grove, without any server.
func TestCatalogue(t *testing.T) {
	code, stdout, stderr := run(t, "definitions", "list")
	if code != OK || stderr != "" || !strings.HasPrefix(stdout, "NAME ") {
		t.Fatalf("%d %s%s", code, stdout, stderr)
	}
	entries, err := fs.ReadDir(definitions.Catalogue(), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(stdout, "\n"+e.Name()+" ") {
			t.Errorf("%s is not listed:\n%s", e.Name(), stdout)
		}
	}
	var all []catalogued
	if _, stdout, _ := run(t, "definitions", "list", "--json"); json.Unmarshal([]byte(stdout), &all) != nil || len(all) != len(entries) {
		t.Errorf("JSON of %d: %.200s", len(all), stdout)
	}
	for _, d := range all {
		if d.Title == "" || len(d.Kinds) == 0 {
			t.Errorf("%+v", d)
		}
	}
	for args, file := range map[string]string{"": "nginx/README.md", "--yaml": "nginx/nginx.yaml"} {
		want, err := fs.ReadFile(definitions.Catalogue(), file)
		if err != nil {
			t.Fatal(err)
		}
		_, stdout, stderr := run(t, append([]string{"definitions", "show", "nginx"}, strings.Fields(args)...)...)
		if diff := cmp.Diff(string(want), stdout+stderr); diff != "" {
			t.Errorf("%s: %s", args, diff)
		}
	}
	_, stdout, _ = run(t, "definitions", "show", "nginx", "--parameters")
	if want := "every               duration  10s                            How often it is asked (100ms to 5m)\n"; !strings.Contains(stdout, want) {
		t.Errorf("parameters are\n%s", stdout)
	}
	var one catalogued
	if _, stdout, _ := run(t, "definitions", "show", "snmp-switch", "--json"); json.Unmarshal([]byte(stdout), &one) != nil || !one.Parameters[0].Required || one.Parameters[0].Name != "address" {
		t.Errorf("JSON is %s", stdout)
	}
}

// TestTable fits what is printed into terminals.
func TestTable(t *testing.T) {
	rows := [][]string{{"NAME", "DEFAULT", "DESCRIPTION"}, {"port", "80", "The port on which the server of the shop listens for its customers"}, {"none", "-", ""}}
	for name, c := range map[string]struct {
		columns, least int
		want           string
	}{
		"no terminal": {0, 24, "NAME  DEFAULT  DESCRIPTION\nport  80       The port on which the server of the shop listens for its customers\nnone  -\n"},
		"wide":        {200, 24, "NAME  DEFAULT  DESCRIPTION\nport  80       The port on which the server of the shop listens for its customers\nnone  -\n"},
		"narrow":      {44, 24, "NAME  DEFAULT  DESCRIPTION\nport  80       The port on which the server\n               of the shop listens for its\n               customers\nnone  -\n"},
		"very narrow": {32, 24, "NAME  DEFAULT\nport  80\n    The port on which the server\n    of the shop listens for its\n    customers\nnone  -\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := table(rows, c.columns, c.least)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for line := range strings.Lines(got) {
				if c.columns > 0 && len(strings.TrimSuffix(line, "\n")) > c.columns {
					t.Errorf("%q is longer than %d", line, c.columns)
				}
			}
		})
	}
	list, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		for _, columns := range []int{80, 200} {
			for line := range strings.Lines(parameterTable(d, columns)) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > columns {
					t.Errorf("%s at %d: %q has %d characters", d.Application, columns, line, n)
				}
			}
		}
	}
}

// TestNewInstance writes files that load, for every definition.
func TestNewInstance(t *testing.T) {
	dir := t.TempDir()
	samples := map[string]string{"url": "http://192.0.2.1/", "address": "192.0.2.1", "secret": "env:SECRET", "path": "/x", "list": "a,b", "int": "1", "float": "1", "duration": "1m"}
	list, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		t.Run(d.Application, func(t *testing.T) {
			file := filepath.Join(dir, d.Application+"-1.yaml")
			args := []string{"definitions", "new", d.Application, "--at", "/shop/" + d.Application, "-o", file}
			for _, p := range d.Parameters {
				if p.Required {
					sample := samples[p.Type]
					if sample == "" {
						sample = p.Sample().Text
					}
					args = append(args, "--with", p.Name+"="+sample)
				}
			}
			if code, stdout, stderr := run(t, args...); code != OK {
				t.Fatalf("%d %s%s", code, stdout, stderr)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range d.Parameters {
				if !strings.Contains(string(text), p.Name+":") {
					t.Errorf("it has no %s:\n%s", p.Name, text)
				}
			}
			// What stands there as a remark must load as well.
			all := strings.NewReplacer("# with:   # take this remark away with that of a parameter", "with:").Replace(string(text))
			var b strings.Builder
			for line := range strings.Lines(all) {
				for _, p := range d.Parameters {
					if p.Default != nil && strings.HasPrefix(line, "  # "+p.Name+":") {
						line = strings.Replace(line, "# ", "", 1)
					}
				}
				b.WriteString(line)
			}
			if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			plan, errs := app.Loader().Files(file)
			if len(errs) > 0 || len(plan.Instances) != 1 || plan.Instances[0].At.String() != "/shop/"+d.Application {
				t.Errorf("%v\n%s", errs, b.String())
			}
		})
	}
}

func TestNewInstanceIsRefused(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there.yaml")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, c := range map[string]struct {
		code Exit
		says string
	}{
		"ngnix --at /x":             {Wrong, "no definition \"ngnix\" comes with grove (did you mean \"nginx\"?)"},
		"zebra --at /x":             {Wrong, "no definition \"zebra\" comes with grove (grove definitions list prints them; --shared asks the server for those that managers share)"},
		"nginx":                     {Usage, "missing flags: --at=PATH"},
		"nginx --at x":              {Wrong, "at \"x\": a path begins with /\ngrove: 1 error: nothing was written"},
		"nginx --at /x --with slow": {Usage, "--with slow: write it as NAME=VALUE"},
		"nginx --at /x --with slow=1 --with slow=2": {Usage, "--with slow is given twice"},
		"nginx --at /x --with slwo=1":               {Wrong, "nginx has no parameter \"slwo\" (did you mean \"slow\"?)"},
		"nginx --at /x --with slow=-1":              {Wrong, "parameter \"slow\": -1 is less than 0\ngrove: 1 error: nothing was written"},
		"nginx --at /x -o " + there:                 {Wrong, there + " is there already: name another file by --output"},
		"nginx --at /x -o x.txt":                    {Usage, "--output x.txt: the name of an instance file ends in .yaml"},
		"snmp-ups --at /x":                          {Wrong, "snmp-ups needs:\n  --with address=…"},
	} {
		code, stdout, stderr := run(t, append([]string{"definitions", "new"}, strings.Fields(line)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, "grove: "+c.says) {
			t.Errorf("%s: %d %s%s, want %d %s", line, code, stdout, stderr, c.code, c.says)
		}
	}
	if code, stdout, stderr := run(t, "definitions", "new", "sap-instance", "--at", "/sap", "--with", "url=http://127.0.0.1:50013", "--with", "password=hunter2"); code != Wrong || strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
}

func TestWritten(t *testing.T) {
	for text, want := range map[string]string{
		"web1": "web1", "/a/b": "/a/b", "on": `"on"`, "": `""`, "80": `"80"`, "1.5": `"1.5"`, "a: b": `"a: b"`, "a#b": `"a#b"`, "${hostname}": `"${hostname}"`, "a\nb\"": `"a\nb\""`, "<é>": `"<é>"`,
	} {
		if got := quoted(text); got != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
}
