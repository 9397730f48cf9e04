package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// typed runs a command line with a standard input.
func typed(t *testing.T, stdin string, args ...string) (code Exit, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), Process{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

const goodPassword = "correct horse battery\n"

// TestUsersOfAGroveThatDoesNotRun works on the database itself.
func TestUsersOfAGroveThatDoesNotRun(t *testing.T) {
	data := t.TempDir()
	in := func(args ...string) []string { return append(args, "--data", data) }
	var token string
	for _, c := range []struct {
		stdin  string
		args   []string
		code   Exit
		stdout string // the beginning
		stderr string // a part
	}{
		{goodPassword, in("user", "add", "ada", "--password-file", "-"), Wrong, "", "the first user has to be admin on /"},
		{"", in("user", "add", "ada", "--role", "admin"), Usage, "", "there is no terminal to ask for the password of ada at: give it by --password-file FILE"},
		{"\n", in("user", "add", "ada", "--role", "admin", "--password-file", "-"), Usage, "", "the standard input: its first line is empty"},
		{"short\n", in("user", "add", "ada", "--role", "admin", "--password-file", "-"), Wrong, "", "the password is too weak"},
		{goodPassword, in("user", "add", "Ada", "--role", "admin", "--title", "Ada L.", "--password-file", "-"), OK, "user ada may: admin\n", ""},
		{"", in("user", "add", "ci", "--no-password", "--role", "viewer", "--path", "/shop/", "--customer", "acme"), OK, "user ci may: viewer /shop customer=acme\n", ""},
		{"", in("user", "add", "x", "--no-password", "--path", "/shop"), Usage, "", "--path and --customer say where: --role says what"},
		{"", in("user", "add", "x", "--no-password", "--role", "root"), Usage, "", "--role must be one of"},
		{"", in("user", "grant", "ci", "--role", "operator", "--path", "/bank"), OK, "user ci may: viewer /shop customer=acme, operator /bank\n", ""},
		{"", in("user", "grant", "ci", "--role", "editor", "--take"), Wrong, "", "ci has no grant editor, but: viewer /shop customer=acme, operator /bank"},
		{"", in("user", "grant", "ci", "--role", "operator", "--path", "/bank", "--take"), OK, "user ci may: viewer /shop customer=acme\n", ""},
		{"", in("user", "grant", "ci", "--role", "viewer", "--only"), OK, "user ci may: viewer\n", ""},
		{"", in("user", "grant", "ci"), Usage, "", "--role is needed: what shall ci be allowed?"},
		{"", in("user", "disable", "ada"), Wrong, "", "nobody would be left who may manage users"},
		{"", in("user", "disable", "ci"), OK, "user ci is disabled\n", ""},
		{"", in("user", "enable", "ci"), OK, "user ci may come in again\n", ""},
		{"another horse\n", in("user", "password", "ada", "--password-file", "-"), OK, "user ada has another password\n", ""},
		{"", in("user", "password", "eve", "--password-file", data+"/none"), Usage, "", "--password-file: open "},
		{"", in("user", "list"), OK, "ada  Ada L.  local  last login never  admin\nci           local  last login never  viewer\n", ""},
		{"", in("token", "list"), OK, "no tokens\n", ""},
		{"", in("token", "create", "prometheus"), Usage, "", "whose token shall it be? Say --user NAME"},
		{"", in("token", "create", "prometheus", "--user", "ci", "--role", "editor"), Wrong, "", "a token of ci may no more than ci does: viewer"},
		{"", in("token", "create", "prometheus", "--user", "ci", "--expires", "1d"), OK, "grove_", "token prometheus of ci, good until "},
		{"", in("token", "revoke", "nothing"), Wrong, "", "there is no such token"},
		{"", in("token", "revoke", "prometheus"), OK, "token prometheus is revoked\n", ""},
		{"", in("user", "remove", "eve"), Wrong, "", "there is no such user"},
		{"", in("user", "delete", "ci"), OK, "user ci is removed\n", ""},
	} {
		code, stdout, stderr := typed(t, c.stdin, c.args...)
		if code != c.code || !strings.HasPrefix(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%q: exit code %d\n%s%s\nwant %d\n%s%s", c.args, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
		if strings.HasPrefix(stdout, "grove_") {
			token = strings.TrimSpace(stdout)
		}
	}
	if len(token) < 50 || strings.ContainsAny(token, " \n") {
		t.Errorf("the token alone should be on the standard output, not %q", token)
	}
}

// serving runs a server until the test ends.
func serving(t *testing.T, args ...string) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan string, 1)
	var all sync.WaitGroup
	var errs bytes.Buffer
	var code Exit
	ended := make(chan struct{})
	all.Go(func() {
		defer close(ended)
		code = Run(ctx, Process{
			Args: append([]string{"serve", "--listen", "127.0.0.1:0", "--no-own-host", "--log-level", "error"}, args...), Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errs,
			Getenv: func(string) string { return "" }, Started: func(a string) { started <- a },
		})
	})
	t.Cleanup(func() {
		cancel()
		all.Wait()
		http.DefaultClient.CloseIdleConnections()
		if code != OK {
			t.Errorf("serve: exit code %d\n%s", code, errs.String())
		}
	})
	select {
	case address = <-started:
	case <-ended:
		t.Fatalf("serve: exit code %d\n%s", code, errs.String())
	}
	return address
}

// TestCommandsAtAServerThatNeedsALogin shows a token by reference.
func TestCommandsAtAServerThatNeedsALogin(t *testing.T) {
	data := t.TempDir()
	if code, _, stderr := typed(t, goodPassword, "user", "add", "ada", "--role", "admin", "--data", data, "--password-file", "-"); code != OK {
		t.Fatal(stderr)
	}
	_, token, stderr := typed(t, "", "token", "create", "all", "--user", "ada", "--data", data)
	if token == "" {
		t.Fatal(stderr)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GROVE_TOKEN_OF_TESTS", strings.TrimSpace(token))
	address := serving(t, "--data", data)
	for _, c := range []struct {
		args   []string
		code   Exit
		stdout string // a part
		stderr string
	}{
		{[]string{"get", "/grove/Access"}, Wrong, "", "a login is needed at " + address + ": create a token, on the page or with grove token create, and give it by --token file:/path or GROVE_TOKEN"},
		{[]string{"get", "/grove/Access", "--token", "file:" + file}, OK, "who logs in, on this machine or through a proxy", ""},
		{[]string{"get", "/grove/Access", "--token", "env:GROVE_TOKEN_OF_TESTS"}, OK, "who logs in", ""},
		{[]string{"get", "/grove/Access", "--token", strings.TrimSpace(token)}, Usage, "", "--token: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		{[]string{"get", "/grove/Access", "--token", "file:" + file + "x"}, Usage, "", "no such file"},
		{[]string{"user", "list"}, Wrong, "", "a login is needed at " + address + ", and there is no terminal to ask at"},
		{[]string{"user", "list", "--token", "file:" + file}, OK, "ada", ""},
		{[]string{"token", "create", "ci", "--token", "file:" + file}, OK, "grove_", "token ci of ada"},
		{[]string{"token", "list", "--token", "file:" + file}, OK, "ci", ""},
		{[]string{"audit", "--token", "file:" + file}, OK, "token create ada ci", ""},
	} {
		code, stdout, stderr := typed(t, "", append(c.args, "--server", address)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%q: exit code %d\n%s%s\nwant %d\n%s%s", c.args, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
		if strings.Contains(stderr, strings.TrimSpace(token)) {
			t.Errorf("%q: the token is in %s", c.args, stderr)
		}
	}
	// A server that runs on the directory has the lock: it is asked at the usual address.
	if code, _, stderr := typed(t, "", "user", "list", "--data", data); code != NoReply && code != Wrong {
		t.Errorf("beside a server: exit code %d, %s", code, stderr)
	}
}

// unseen waits until a terminal does not show what is typed.
func unseen(t *testing.T, f *os.File) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); <-tick.C {
		if state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil || state.Lflag&unix.ECHO == 0 {
			return
		}
	}
	t.Error("the terminal shows what is typed")
}

// TestPasswordsAreTypedUnseen types at a real terminal.
func TestPasswordsAreTypedUnseen(t *testing.T) {
	data := t.TempDir()
	there, here, err := pty.Open()
	if err != nil {
		t.Skip("there are no terminals:", err)
	}
	defer there.Close()
	defer here.Close()
	var all sync.WaitGroup
	var shown bytes.Buffer
	all.Go(func() { _, _ = io.Copy(&shown, there) })
	type answer struct {
		code Exit
		text string
	}
	asked := func(lines string, args ...string) answer {
		t.Helper()
		prompts, stderr := io.Pipe()
		done := make(chan answer, 1)
		all.Go(func() {
			var out bytes.Buffer
			code := Run(context.Background(), Process{Args: args, Stdin: here, Stdout: &out, Stderr: stderr, Getenv: func(string) string { return "" }})
			_ = stderr.Close()
			done <- answer{code, out.String()}
		})
		// Each line is typed when it is asked for.
		var text []byte
		one := make([]byte, 256)
		rest := strings.SplitAfter(lines, "\n")
		for {
			n, err := prompts.Read(one)
			text = append(text, one[:n]...)
			if n > 0 && bytes.HasSuffix(one[:n], []byte(": ")) && len(rest) > 0 {
				if !bytes.HasSuffix(one[:n], []byte("Name: ")) {
					unseen(t, here)
				}
				if _, err := io.WriteString(there, rest[0]); err != nil {
					t.Error(err)
				}
				rest = rest[1:]
			}
			if err != nil {
				break
			}
		}
		a := <-done
		a.text += string(text)
		return a
	}
	add := []string{"user", "add", "ada", "--role", "admin", "--data", data}
	want := answer{Usage, "New password of ada: \nOnce more: \ngrove: the two passwords differ; nothing was changed\n"}
	if diff := cmp.Diff(want, asked("correct horse battery\nsomething else here\n", add...), cmp.AllowUnexported(answer{})); diff != "" {
		t.Error(diff)
	}
	if a := asked("correct horse battery\ncorrect horse battery\n", add...); a.code != OK || !strings.HasPrefix(a.text, "user ada may: admin\n") {
		t.Errorf("%+v", a)
	}
	address := serving(t, "--data", data)
	if a := asked("ada\ncorrect horse battery\n", "token", "create", "ci", "--server", address); a.code != OK || !strings.HasPrefix(a.text, "grove_") {
		t.Errorf("%+v", a)
	}
	_ = here.Close()
	_ = there.Close()
	all.Wait()
	if strings.Contains(shown.String(), "horse") {
		t.Errorf("the terminal showed %q", shown.String())
	}
}

// TestSecretsGoNowhereInTheClear: neither a token, nor a password that a user is to have,
// is sent to another machine by plain HTTP, or wherever an answer leads to.
func TestSecretsGoNowhereInTheClear(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("grove_secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	var met sync.Map
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { met.Store("elsewhere", true) }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		met.Store(r.Header.Get("Authorization"), true)
		http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
	}))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	const refused = "others could read a token or a password on its way there: give an address that begins with https://, or say --plain-http"
	for name, c := range map[string]struct {
		args []string
		code Exit
		want string
	}{
		"a token":                 {[]string{"tree", "--server", "http://grove.invalid:7440", "--token", "file:" + token}, Usage, refused},
		"as --listen has it":      {[]string{"tree", "--server", "grove.invalid:7440", "--token", "file:" + token}, Usage, refused},
		"a new password":          {[]string{"user", "add", "ada", "--role", "admin", "--password-file", "-", "--server", "http://192.0.2.1"}, Usage, refused},
		"a name with loopback":    {[]string{"tree", "--server", "http://127.0.0.1.grove.invalid", "--token", "file:" + token}, Usage, refused},
		"nothing that is secret":  {[]string{"tree", "--server", "http://grove.invalid:7440"}, NoReply, "grove.invalid"},
		"where it is asked for":   {[]string{"tree", "--server", "http://grove.invalid:7440", "--plain-http", "--token", "file:" + token}, NoReply, "grove.invalid"},
		"by TLS":                  {[]string{"tree", "--server", "https://grove.invalid:7440", "--token", "file:" + token}, NoReply, "grove.invalid"},
		"an answer leads further": {[]string{"tree", "--server", server.URL, "--token", "file:" + token}, NoReply, "308 Permanent Redirect and leads to " + elsewhere.URL + ": if that is the grove you mean, name it by --server"},
	} {
		code, _, stderr := typed(t, goodPassword, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, refused) && c.want != refused {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
	}
	if _, ok := met.Load("Bearer grove_secret"); !ok {
		t.Error("on loopback the token is not sent")
	}
	if _, ok := met.Load("elsewhere"); ok {
		t.Error("the request went where the answer led")
	}
}
