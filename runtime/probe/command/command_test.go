package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/program"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/ssh"
	"grove/runtime/probe/ssh/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script writes an executable shell script and returns its path, free of links.
func script(t *testing.T, body string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "check")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func allow(t *testing.T, rules ...string) *Policy {
	t.Helper()
	p, err := ParsePolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func options(change func(*Options)) *Options {
	o := Kind(nil, nil, nil).NewOptions().(*Options)
	change(o)
	return o
}

// ask runs a command that is allowed, once, with the given time.
func ask(t *testing.T, timeout time.Duration, change func(*Options)) (probe.Result, map[string]string, error) {
	t.Helper()
	p, err := Kind(allow(t, "all"), nil, nil).New(options(change))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return r, got, err
}

func TestContract(t *testing.T) {
	kind := Kind(allow(t, "all"), nil, nil)
	plugin := script(t, `echo "OK - fine | load1=1.5;2;3;0; 'a b'=12ms"`)
	json := script(t, `echo '{"users": 3, "name": "x", "deep": [{"on": true}]}'`)
	words := script(t, `printf 'one 1\ntwo 2\n'`)
	probetest.Run(t, kind,
		options(func(o *Options) {
			o.Command, o.Attributes = []string{plugin, "-w", "1"}, map[string]Attribute{"load": {From: "load1"}}
		}),
		options(func(o *Options) {
			o.Command, o.Format, o.Env = []string{json}, "json", map[string]string{"A": "b"}
			o.Attributes = map[string]Attribute{"users": {From: "$.users", Unit: "users", Counter: true}, "name": {From: "$.name", Type: "text"}, "on": {From: "$.deep[0].on", Type: "bool"}}
		}),
		options(func(o *Options) {
			o.Command, o.Format, o.Attributes = []string{words}, "lines", map[string]Attribute{"two": {From: `two (\d+)`}}
		}),
		options(func(o *Options) { o.Command, o.Format = []string{words}, "text" }),
		options(func(o *Options) { o.Command, o.Format = []string{script(t, "echo ' 12.5 '")}, "value" }),
	)
	probetest.Stops(t, kind, options(func(o *Options) { o.Command = []string{script(t, "trap '' TERM INT HUP; while :; do sleep 1; done")} }))

	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: option + ": " + want, Options: options(func(o *Options) { o.Command = []string{"check"}; change(o) })}
	}
	probetest.Refuses(t, kind,
		bad("no command", "command", "is needed: a list of the program and its arguments", func(o *Options) { o.Command = nil }),
		bad("a command line", "command", `"check_load -w 1" is not the name of a program; no shell reads it, so arguments are list items of their own`,
			func(o *Options) { o.Command = []string{"check_load -w 1"} }),
		bad("a leading dash", "command", `"-c" is not the name of a program; no shell reads it, so arguments are list items of their own`,
			func(o *Options) { o.Command = []string{"-c"} }),
		bad("a relative path", "command", `"bin/check" is neither a name nor an absolute path without detours`, func(o *Options) { o.Command = []string{"bin/check"} }),
		bad("a detour", "command", `"/usr/lib/../bin/sh" is neither a name nor an absolute path without detours`, func(o *Options) { o.Command = []string{"/usr/lib/../bin/sh"} }),
		bad("NUL", "command", `part 2 has a control character ("\x00")`, func(o *Options) { o.Command = []string{"check", "a\x00b"} }),
		bad("a line end", "command", `part 2 has a control character ("\n")`, func(o *Options) { o.Command = []string{"check", "a\nb"} }),
		bad("too many arguments", "command", "has 257 parts, more than 256", func(o *Options) { o.Command = strings.Split("check"+strings.Repeat(" x", 256), " ") }),
		bad("nobody on the other machine", "ssh.user", "is needed: who logs in", func(o *Options) { o.SSH = &ssh.Access{Address: "web1"} }),
		bad("unknown format", "format", `"xml" is none of nagios, json, lines, text, value`, func(o *Options) { o.Format = "xml" }),
		bad("preloaded code", "env.LD_PRELOAD", "could make the program run other code, and is not allowed", func(o *Options) { o.Env = map[string]string{"LD_PRELOAD": "/tmp/x.so"} }),
		bad("another PATH", "env.PATH", "could make the program run other code, and is not allowed", func(o *Options) { o.Env = map[string]string{"PATH": "/tmp"} }),
		bad("no variable", "env", `"a=b" is not the name of a variable`, func(o *Options) { o.Env = map[string]string{"a=b": "c"} }),
		bad("an attribute twice", "attributes.state", "the format nagios has an attribute of this name", func(o *Options) { o.Attributes = map[string]Attribute{"state": {From: "x"}} }),
		bad("no JSONPath", "attributes.a.from", "parse error at 3 in $[a", func(o *Options) {
			o.Format, o.Attributes = "json", map[string]Attribute{"a": {From: "$[a"}}
		}),
		bad("no group", "attributes.a.from", `"x+" has no group in parentheses that says what to take`, func(o *Options) {
			o.Format, o.Attributes = "text", map[string]Attribute{"a": {From: "x+"}}
		}),
		bad("a text from plugin data", "attributes.a.type", "performance data are numbers", func(o *Options) {
			o.Attributes = map[string]Attribute{"a": {From: "x", Type: "text"}}
		}),
	)
}

func TestSymlinkSwapIsNoticed(t *testing.T) {
	good, evil := script(t, "echo good"), script(t, "echo evil")
	link := filepath.Join(filepath.Dir(good), "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	p, err := Kind(allow(t, filepath.Dir(good)+"/"), nil, nil).New(options(func(o *Options) { o.Command, o.Format = []string{link}, "text" }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(evil, link); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(context.Background()); !errors.Is(err, program.ErrDenied) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestArgumentsReachTheProgramAsTheyAre(t *testing.T) {
	path := script(t, `for a; do printf '<%s>\n' "$a"; done`)
	arguments := []string{"; rm -rf /", "$(id)", "`id`", "a b", "*", "", "-rf", "'\"", "|cat"}
	_, got, err := ask(t, 10*time.Second, func(o *Options) { o.Command, o.Format = append([]string{path}, arguments...), "text" })
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, a := range arguments {
		want += "<" + a + ">\n"
	}
	if got["output"] != want {
		t.Errorf("got %q, want %q", got["output"], want)
	}
}

func TestTheProgramFindsLittle(t *testing.T) {
	t.Setenv("SECRET", "of grove")
	path := script(t, `env | grep -v -e '^_=' -e '^PWD=' -e '^SHLVL=' -e '^OLDPWD=' | cut -d= -f1 | sort; pwd; wc -c; ls /proc/self/fd | wc -l; ulimit -c`)
	_, got, err := ask(t, 10*time.Second, func(o *Options) {
		o.Command, o.Format, o.Env = []string{path}, "text", map[string]string{"GIVEN": "1"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(got["output"]); strings.Join(lines, " ") != "GIVEN LC_ALL PATH / 0 4 0" /* ls has a directory open */ {
		t.Errorf("the program found %q", lines)
	}
}

func TestOutputIsBounded(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"a gigabyte without a line end", "head -c 1000000000 /dev/zero | tr '\\0' x"},
		{"on the error output, too", "head -c 10000000 /dev/zero >&2; head -c 100000 /dev/zero | tr '\\0' x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := ask(t, 30*time.Second, func(o *Options) { o.Command, o.Format = []string{script(t, tt.body)}, "text" })
			if err != nil {
				t.Fatal(err)
			}
			if len(got["output"]) != maxOutput || got["truncated"] != "1" {
				t.Errorf("%d bytes, truncated %s", len(got["output"]), got["truncated"])
			}
		})
	}
}

// alive says whether a process exists and is not a zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestTheWholeGroupEnds(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		timeout    time.Duration
		err        string
	}{
		{"at the timeout, signals ignored", "trap '' TERM INT HUP; sleep 1000 & echo $! > PID; wait; sleep 1000", 200 * time.Millisecond, "context deadline exceeded"},
		{"when the program leaves a child that keeps the output", "sleep 1000 & echo $! > PID; echo done", 20 * time.Second, ""},
		{"when a child closed the output", "sleep 1000 >/dev/null 2>&1 & echo $! > PID; echo done", 20 * time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			start := time.Now()
			_, _, err := ask(t, tt.timeout, func(o *Options) {
				o.Command, o.Format = []string{script(t, strings.ReplaceAll(tt.body, "PID", file))}, "text"
			})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			// The kill is done; the kernel may need a moment to carry it out.
			for deadline := time.Now().Add(2 * time.Minute); alive(pid); {
				if time.Now().After(deadline) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
					t.Fatalf("the child %d is alive", pid)
				}
			}
		})
	}
}

func TestAProcessThatLeftTheGroupCannotHoldTheRun(t *testing.T) {
	if _, err := allow(t, "all").Resolve("setsid"); err != nil {
		t.Skipf("setsid is not installed: %v", err)
	}
	start := time.Now()
	_, got, err := ask(t, 20*time.Second, func(o *Options) {
		o.Command, o.Format = []string{script(t, "setsid sleep 3 & echo done; sleep 0.2")}, "text"
	})
	if err != nil || got["output"] != "done\n" {
		t.Errorf("%q, %v", got["output"], err)
	}
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		name    string
		body    string
		options func(*Options)
		want    map[string]string
		err     string
	}{
		{"nagios: critical is a reading", `echo "DOWN | t=5ms;10;20"; exit 2`, func(o *Options) { o.Attributes = map[string]Attribute{"t": {From: "t"}} },
			map[string]string{"state": "CRITICAL", "text": "DOWN", "t": "0.005", "exit_status": "2"}, ""},
		{"nagios: another status is unknown", `echo boo >&2; exit 77`, func(*Options) {},
			map[string]string{"state": "UNKNOWN", "text": "exit status 77: boo"}, ""},
		{"nagios: a signal is unknown", `kill -9 $$`, func(*Options) {},
			map[string]string{"state": "UNKNOWN", "text": "ended by signal 9", "exit_status": "137"}, ""},
		{"nagios: data are missing", `echo fine`, func(o *Options) { o.Attributes = map[string]Attribute{"t": {From: "time"}} },
			map[string]string{"state": "OK"}, "no performance data for time"},
		{"nagios: no line end, NUL and other bytes", `printf 'a\000b\377c'`, func(*Options) {}, map[string]string{"text": "a\ufffdb\ufffdc"}, ""},
		{"json", `echo '{"a": {"b": [1, 2]}}'`, func(o *Options) { o.Format, o.Attributes = "json", map[string]Attribute{"b": {From: "$.a.b[1]"}} },
			map[string]string{"b": "2"}, ""},
		{"json: a number as a text", `echo '{"a": "1.5"}'`, func(o *Options) { o.Format, o.Attributes = "json", map[string]Attribute{"a": {From: "$.a"}} },
			map[string]string{"a": "1.5"}, ""},
		{"json: what is found is kept beside what is not", `echo '{"a": 1, "c": {}}'`, func(o *Options) {
			o.Format, o.Attributes = "json", map[string]Attribute{"a": {From: "$.a"}, "b": {From: "$.b"}, "c": {From: "$.c"}}
		}, map[string]string{"a": "1"}, "$.b finds nothing; $.c is not a number"},
		{"json: none", `echo hello`, func(o *Options) { o.Format = "json" }, nil, "the output is not JSON: invalid character 'h' looking for beginning of value"},
		{"json: cut", `head -c 70000 /dev/zero`, func(o *Options) { o.Format = "json" }, map[string]string{"truncated": "1"},
			"the output is longer than 65536 bytes: JSON cannot be read in part"},
		{"value", `echo 42`, func(o *Options) { o.Format = "value" }, map[string]string{"value": "42"}, ""},
		{"value: none", `echo many`, func(o *Options) { o.Format = "value" }, nil, `the output "many" is not a number`},
		{"value: not finite", `echo NaN`, func(o *Options) { o.Format = "value" }, nil, `the output "NaN" is not a number`},
		{"text", `echo 'up 3 days'`, func(o *Options) { o.Format, o.Attributes = "text", map[string]Attribute{"d": {From: `up (\d+) days`}} },
			map[string]string{"d": "3", "output": "up 3 days\n"}, ""},
		{"text: not there", `echo down`, func(o *Options) { o.Format, o.Attributes = "text", map[string]Attribute{"d": {From: `up (\d+) days`}} },
			nil, `nothing fits up (\d+) days`},
		{"lines", `printf 'a\nb'`, func(o *Options) { o.Format = "lines" }, map[string]string{"count": "2"}, ""},
		{"a failure", `echo 'no such thing' >&2; exit 3`, func(o *Options) { o.Format = "text" }, map[string]string{"exit_status": "3"}, "exit status 3: no such thing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := ask(t, 20*time.Second, func(o *Options) { o.Command = []string{script(t, tt.body)}; tt.options(o) })
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
			for k, v := range tt.want {
				if got[k] != v {
					t.Errorf("%s is %q, want %q", k, got[k], v)
				}
			}
		})
	}
}

// TestDebianPlugins runs the real thing.
func TestDebianPlugins(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command []string
		state   string
		labels  []string
	}{
		{"check_load", []string{"check_load", "-w", "10000,10000,10000", "-c", "20000,20000,20000"}, "OK", []string{"load1", "load5", "load15"}},
		{"check_users", []string{"check_users", "-w", "1000", "-c", "2000"}, "OK", []string{"users"}},
		{"check_dummy", []string{"check_dummy", "2", "boom"}, "CRITICAL", nil},
		{"check_procs", []string{"check_procs", "-w", "1:100000"}, "OK", []string{"procs"}},
		{"check_procs warns", []string{"check_procs", "-w", "100000:"}, "WARNING", []string{"procs"}},
		{"check_procs is critical", []string{"check_procs", "-w", "100000:", "-c", "@0:100000"}, "CRITICAL", []string{"procs"}},
		{"check_tcp refused", []string{"check_tcp", "-H", "127.0.0.1", "-p", "1"}, "CRITICAL", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join("/usr/lib/nagios/plugins", tt.command[0])); err != nil {
				t.Skipf("monitoring-plugins-basic is not installed: %v", err)
			}
			p, err := Kind(nil, nil, nil).New(options(func(o *Options) { o.Command = tt.command }))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			r, err := p.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Values {
				if v.Attribute == "state" && v.Value.String() != tt.state {
					t.Errorf("state %v, want %s", v.Value, tt.state)
				}
			}
			var labels []string
			for _, row := range r.Tables[0].Rows {
				labels = append(labels, row[0].String())
				if row[3].String() != tt.state {
					t.Errorf("%s is %v by its ranges, and the plugin says %s", row[0], row[3], tt.state)
				}
			}
			if strings.Join(labels, " ") != strings.Join(tt.labels, " ") {
				t.Errorf("labels %q, want %q", labels, tt.labels)
			}
		})
	}
}

// TestOverSSH runs a monitoring plugin and a script on a machine that Debian's sshd leads
// to, by one connection.
func TestOverSSH(t *testing.T) {
	s := sshtest.Start(t)
	access := &ssh.Access{Address: s.Address, User: s.User, Key: secret.Ref("file:" + s.Key), KnownHosts: s.KnownHosts}
	nothing := allow(t) // of this machine
	ask := func(change func(*Options)) (map[string]string, error) {
		t.Helper()
		p, err := Kind(nothing, nil, nil).New(options(func(o *Options) { o.SSH = access; change(o) }))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if p.Target() != "127.0.0.1" {
			t.Errorf("target %q", p.Target())
		}
		var got map[string]string
		for range 2 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			r, err := p.Run(ctx)
			cancel()
			if err != nil {
				return nil, err
			}
			got = map[string]string{}
			for _, v := range r.Values {
				got[v.Attribute] = v.Value.String()
			}
		}
		return got, nil
	}
	got, err := ask(func(o *Options) { o.Command = []string{"check_dummy", "1", "it's $HOME; 'here'"} })
	if _, missing := os.Stat("/usr/lib/nagios/plugins/check_dummy"); missing == nil && (err != nil || got["state"] != "WARNING" || got["text"] != "WARNING: it's $HOME; 'here'") {
		t.Errorf("got %v, %v", got, err)
	}
	logins := strings.Count(s.Log(), "Accepted publickey")
	if logins != 1 {
		t.Errorf("%d logins for two runs", logins)
	}
	got, err = ask(func(o *Options) {
		o.Command, o.Format, o.Env = []string{script(t, `echo "{\"a\": \"$A\", \"c\": \"$LC_ALL\"}"`)}, "json", map[string]string{"A": "b c"}
		o.Attributes = map[string]Attribute{"a": {From: "$.a", Type: "text"}, "c": {From: "$.c", Type: "text"}}
	})
	if err != nil || got["a"] != "b c" || got["c"] != "C" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err = ask(func(o *Options) { o.Command = []string{"no-such-plugin"} }); err != nil || got["state"] != "UNKNOWN" || got["exit_status"] != "127" {
		t.Errorf("got %v, %v", got, err)
	}
	s.Stop()
	if _, err = ask(func(o *Options) { o.Command = []string{"check_dummy", "0"} }); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}
