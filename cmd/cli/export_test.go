package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/cmd/app"
)

const shopDefinition = "grove: 1\napplication: shop\ntitle: The shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push, red: \"> 5 for 1m\" }\n"

// TestDashboardsAndRulesAreThoseThatAreCheckedIn since both are made by the same.
func TestDashboardsAndRulesAreThoseThatAreCheckedIn(t *testing.T) {
	for line, checkedIn := range map[string]string{
		"dashboard nginx":      "nginx/dashboard.json",
		"dashboard --overview": "grove/overview.json",
		"rules nginx":          "nginx/alerts.rules",
		"rules --overview":     "grove/overview.rules",
		"rules --alertmanager": "grove/alertmanager.conf",
	} {
		want, err := os.ReadFile(filepath.Join("..", "..", "definitions", checkedIn))
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := run(t, strings.Fields(line)...)
		if diff := cmp.Diff(string(want), stdout); code != OK || diff != "" {
			t.Errorf("%s: %d %s\n%.2000s", line, code, stderr, diff)
		}
	}
}

func TestDashboardsAndRulesOfAFile(t *testing.T) {
	path := file(t, "shop.yaml", shopDefinition)
	code, stdout, stderr := run(t, "dashboard", path)
	if code != OK || !strings.Contains(stdout, `"uid": "grove-app-shop"`) {
		t.Errorf("%d %.300s%s", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, "rules", path, "--for", "0s", "--server", "grove.example:80")
	if code != OK || !strings.Contains(stdout, "application: shop\n") || !strings.Contains(stdout, "http://grove.example:80/") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	bad := file(t, "bad.yaml", strings.Replace(shopDefinition, "red:", "rde:", 1))
	two := t.TempDir()
	for name, text := range map[string]string{"a.yaml": shopDefinition, "b.yaml": strings.NewReplacer("shop", "bank").Replace(shopDefinition)} {
		if err := os.WriteFile(filepath.Join(two, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := strings.Join(app.Loader().BuiltInNames(), ", ")
	for name, c := range map[string]struct {
		args []string
		code Exit
		says string
	}{
		"a bad file":          {[]string{"dashboard", bad}, Wrong, bad + ":6:42: unknown setting \"rde\"\n"},
		"a bad file of rules": {[]string{"rules", bad}, Wrong, bad + ":6:42: unknown setting \"rde\"\n"},
		"nothing":             {[]string{"dashboard"}, Usage, "grove: name a file, or what comes with grove: " + known + "; or --overview for the whole tree\n"},
		"no rules":            {[]string{"rules"}, Usage, "grove: name a file, or what comes with grove: " + known + "; or --overview for the whole tree\n"},
		"unknown":             {[]string{"rules", "nginxx"}, Wrong, "grove: no definition \"nginxx\" comes with grove: there are " + known + "\n"},
		"no file":             {[]string{"rules", "nowhere/x.yaml"}, Wrong, "no such file or directory"},
		"several":             {[]string{"dashboard", two}, Usage, "grove: there are 2 definitions: name one file, or give a directory for all of them with --provisioning\n"},
		"an instance":         {[]string{"rules", file(t, "use.yaml", "use: nginx\nas: x\nat: /x\n")}, Wrong, "grove: "},
		"no webhook":          {[]string{"rules", "nginx", "--webhook", "http://x/"}, Usage, "grove: --webhook goes with --alertmanager\n"},
		"a bad webhook":       {[]string{"rules", "--alertmanager", "--webhook", "x"}, Usage, "grove: rules: receiver \"grove\": its webhook is no http or https URL\n"},
		"of one":              {[]string{"rules", "nginx", "--alertmanager"}, Usage, "grove: the configuration of Alertmanager is the same for all definitions: leave \"nginx\" out\n"},
		"a bad page":          {[]string{"rules", "nginx", "--server", "ftp://x"}, Wrong, "rules: page \"ftp://x\" is no http or https URL of grove"},
		"half a second":       {[]string{"rules", "nginx", "--for", "500ms"}, Wrong, "500ms are no whole seconds"},
	} {
		if code, stdout, stderr := run(t, c.args...); code != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %d %.300s%s", name, code, stdout, stderr)
		}
	}
}

func TestProvisioning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "provisioning")
	files := func() (names []string) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				rel, _ := filepath.Rel(dir, path)
				names = append(names, rel)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	code, stdout, stderr := run(t, "dashboard", "nginx", "--provisioning", dir, "--server", "grove:7440")
	if code != OK || stdout != dir+"/dashboards/grove.yaml\n"+dir+"/dashboards/grove/nginx.json\n"+dir+"/datasources/grove.yaml\n" {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	source, err := os.ReadFile(filepath.Join(dir, "datasources", "grove.yaml"))
	if err != nil || !strings.Contains(string(source), "url: http://grove:7440/prometheus\n") {
		t.Errorf("%v, %s", err, source)
	}
	if code, _, stderr := run(t, "dashboard", "--provisioning", dir, "--grafana-dir", "/etc/grafana/provisioning"); code != OK {
		t.Errorf("%d %s", code, stderr)
	}
	boards, err := os.ReadFile(filepath.Join(dir, "dashboards", "grove.yaml"))
	if err != nil || !strings.Contains(string(boards), "path: /etc/grafana/provisioning/dashboards/grove\n") {
		t.Errorf("%v, %s", err, boards)
	}
	want := []string{"dashboards/grove/overview.json", "dashboards/grove.yaml", "datasources/grove.yaml"}
	for _, name := range app.Loader().BuiltInNames() {
		want = append(want, "dashboards/grove/"+name+".json")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(files()))); diff != "" {
		t.Error(diff)
	}
	if code, _, stderr := run(t, "dashboard", "--provisioning", dir, "--server", "http://me:secret@x"); code != Usage || strings.Contains(stderr, "secret") {
		t.Errorf("%d %s", code, stderr)
	}
}

// TestHelp holds every help text.
func TestHelp(t *testing.T) {
	var all strings.Builder
	for _, command := range []string{"", "history", "journal", "definitions", "definitions put", "definitions new", "definitions list", "definitions show", "definitions history", "definitions diff",
		"definitions rollback", "definitions remove", "audit list", "audit verify", "backup", "restore", "document", "report", "dashboard", "rules",
		"alerts", "ack", "unack", "maintenance list", "maintenance add", "maintenance end", "maintenance remove", "route", "outbox list", "outbox dead", "outbox send", "outbox drop", "outbox stop", "outbox start",
		"channel explain", "channel test", "what-if"} {
		code, stdout, stderr := run(t, append(strings.Fields(command), "--help")...)
		if code != OK || stderr != "" {
			t.Errorf("%s: %d %s", command, code, stderr)
		}
		all.WriteString("$ grove " + strings.TrimSpace(command+" --help") + "\n" + stdout + "\n")
	}
	golden(t, "help.txt", all.String())
}
