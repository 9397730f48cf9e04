package command

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keep is a program that keeps its arguments and environment in a file of its own, named
// by the number of files that there are.
const keep = `#!/bin/sh
cd %q || exit 1
n=$(ls | wc -l)
{ for a; do printf '%%s\0' "$a"; done; printf '\001\0'; env -0; } > .new && mv .new run-$(printf %%04d $n)
`

// run is one run of that program.
type run struct {
	args []string
	env  map[string]string
	size int
}

func runs(t *testing.T, dir string) []run {
	t.Helper()
	files, err := filepath.Glob(dir + "/run-*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	var all []run
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		args, env, _ := strings.Cut(string(text), "\001\x00")
		r := run{env: map[string]string{}, size: len(text)}
		for a := range strings.SplitSeq(strings.TrimSuffix(args, "\x00"), "\x00") {
			r.args = append(r.args, a)
		}
		for v := range strings.SplitSeq(strings.TrimSuffix(env, "\x00"), "\x00") {
			name, value, _ := strings.Cut(v, "=")
			r.env[name] = value
		}
		all = append(all, r)
	}
	return all
}

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil { //nolint:gosec // It is a program.
		t.Fatal(err)
	}
	return file
}

func TestContract(t *testing.T) {
	good := func(program string) *Options {
		return &Options{Program: program, Timeout: time.Minute, Secrets: map[string]string{"TOKEN": "env:TOKEN"},
			Args: []string{"--status={{.Status}}", "{{.Title}}", "{{range .Alerts}}{{.Path.Name}}{{end}}"}}
	}
	bad := func(option string, change func(*Options)) channeltest.Bad {
		o := good("/bin/true")
		change(o)
		return channeltest.Bad{Options: o, Option: option}
	}
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(),
		Start: func(t *testing.T, m channeltest.Mood) *channeltest.Counterpart {
			dir := t.TempDir()
			text := map[channeltest.Mood]string{
				channeltest.Well:     fmt.Sprintf(keep, dir),
				channeltest.Silent:   "#!/bin/sh\nexec sleep 60\n",
				channeltest.Reset:    "#!/bin/sh\nkill -9 $$\n",
				channeltest.Broken:   "#!/bin/sh\necho busy $TOKEN\nexit 75\n",
				channeltest.Refusing: "#!/bin/sh\nprintf 'no \\033[31m such thing %s' $TOKEN >&2\nexit 1\n",
			}[m]
			if text == "" {
				return nil
			}
			return &channeltest.Counterpart{Options: good(script(t, text)), Received: func() []channeltest.Delivery {
				var all []channeltest.Delivery
				for _, r := range runs(t, dir) {
					text := r.env["GROVE_TITLE"] + "\n" + r.env["GROVE_TEXT"] + "\n" + strings.Join(r.args, "\n")
					all = append(all, channeltest.Delivery{Key: r.env["GROVE_KEY"], Group: r.env["GROVE_GROUP"], Text: text, Size: r.size})
				}
				return all
			}}
		},
		Bad: []channeltest.Bad{
			bad("program", func(o *Options) { o.Program = "" }),
			bad("program", func(o *Options) { o.Program = "true" }),
			bad("program", func(o *Options) { o.Program = "/bin/../bin/true" }),
			bad("args[1]", func(o *Options) { o.Args[1] = "{{exec}}" }),
			bad("args", func(o *Options) { o.Args = make([]string, 65) }),
			bad("secrets", func(o *Options) { o.Secrets = map[string]string{"GROVE_KEY": "env:X"} }),
			bad("secrets", func(o *Options) { o.Secrets = map[string]string{"LD_PRELOAD": "env:X"} }),
			bad("secrets.TOKEN", func(o *Options) { o.Secrets["TOKEN"] = "open-sesame" }),
			bad("timeout", func(o *Options) { o.Timeout = 0 }),
			bad("title", func(o *Options) { o.Title = "{{.Foo}}" }),
		},
	})
}

// TestDataIsNeverMoreThanData holds what arguments and variables of a hostile message are.
func TestDataIsNeverMoreThanData(t *testing.T) {
	dir := t.TempDir()
	o, _ := Kind().Options().(*Options)
	o.Program = script(t, fmt.Sprintf(keep, dir))
	o.Args = []string{"-x", "{{range .Alerts}}{{.Path.Name}}{{end}}", "--title={{.Title}}", "{{.Text}}", "{{.Route}}"}
	m := channeltest.HostileMessage()
	m.Text, m.Route = "a\nb; $(reboot) `reboot`\x00 -c", ""
	c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r := runs(t, dir)[0]
	if len(r.args) != 5 || r.args[0] != "-x" || r.args[1] != " -rf {{.Key}} <b> @here $(reboot) `id` ; %s" ||
		!strings.HasPrefix(r.args[2], "--title={{.Key}} <script>") || r.args[3] != "a b; $(reboot) `reboot` -c" || r.args[4] != "" {
		t.Errorf("%q", r.args)
	}
	for name, value := range r.env {
		if strings.HasPrefix(name, "X-") || name != "GROVE_TEXT" && strings.ContainsAny(value, "\r\n") {
			t.Errorf("%s=%q", name, value)
		}
	}
	var whole channel.Message
	if err := json.Unmarshal([]byte(r.env["GROVE_MESSAGE"]), &whole); err != nil || whole.Key != m.Key || len(whole.Alerts) != 1 {
		t.Errorf("%q, %v", r.env["GROVE_MESSAGE"], err)
	}
}

// TestTimeouts has a program run longer than it may.
func TestTimeouts(t *testing.T) {
	o, _ := Kind().Options().(*Options)
	o.Program, o.Timeout = script(t, "#!/bin/sh\nexec sleep 60\n"), 50*time.Millisecond
	c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(t.Context(), template.Samples()["firing"]); err == nil || channel.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

func TestDocumentFits(t *testing.T) {
	m := template.Samples()["firing"]
	m.Alerts[0].Repair = strings.Repeat("x", 10<<10)
	for len(m.Alerts) < channel.MaxAlerts {
		m.Alerts = append(m.Alerts, m.Alerts[0])
	}
	var whole channel.Message
	text := document(m)
	if err := json.Unmarshal([]byte(text), &whole); err != nil || len(text) > maxVariable || len(whole.Alerts) != 6 || whole.Firing != m.Firing {
		t.Errorf("%d bytes, %d alerts, %v", len(text), len(whole.Alerts), err)
	}
	m.Alerts[0].Repair = strings.Repeat("x", 200<<10)
	if text := document(m); !json.Valid([]byte(text)) {
		t.Errorf("%d bytes", len(text))
	}
}
