package cli

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"grove/runtime/probe/secret"
	"grove/viewer"
)

// plainHTTP lets secrets go where others could read them.
type plainHTTP struct {
	PlainHTTP bool `name:"plain-http" help:"Send a token or a password by plain HTTP to another machine, too: others could read it on its way."`
}

// checkWay refuses to send a secret over the network as it is: a token or a password, be
// it that of who asks or one that a user is to have.
func (r *remote) checkWay() error {
	if r.Token == "" && r.login == nil || r.PlainHTTP || r.through != nil {
		return nil
	}
	u, err := url.Parse(r.address())
	if err != nil || u.Scheme != "http" || viewer.IsLoopback(net.JoinHostPort(u.Hostname(), "0")) {
		return nil
	}
	return exit(Usage, "%s: others could read a token or a password on its way there: give an address that begins with https://, or say --plain-http where the network is as safe as TLS", plain(u.Redacted()))
}

// authorize adds what lets a request in.
func (r *remote) authorize(h http.Header) error {
	if err := r.checkWay(); err != nil {
		return err
	}
	value, err := r.authorization()
	if value != "" {
		h.Set("Authorization", value)
	}
	return err
}

// authorization is the header of that name; empty: there is none.
func (r *remote) authorization() (string, error) {
	if r.Token == "" {
		if r.login != nil && r.login.name != "" {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(r.login.name+":"+r.login.password)), nil
		}
		return "", nil
	}
	token, err := readReference(r.Token)
	if err != nil {
		return "", exit(Usage, "--token: %w", err)
	}
	return "Bearer " + token, nil
}

// readReference returns the secret that a person's reference stands for. Who names a
// variable here may read it, also one of grove's own.
func readReference(reference string) (string, error) {
	ref := secret.Ref(reference)
	if err := ref.Check(); err != nil {
		return "", err
	}
	var allowed []string
	if name, ok := strings.CutPrefix(reference, "env:"); ok {
		allowed = []string{name}
	}
	policy, err := secret.NewPolicy(nil, allowed)
	if err != nil {
		return "", err
	}
	return policy.Read(ref)
}

// login is a name and a password that a person was asked for.
type login struct{ name, password string }

// terminal is what a person types at; nil is none.
func (p *Process) terminal() *os.File {
	f, ok := p.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// ask asks for a name and a password.
func (l *login) ask(p *Process, server string) error {
	t := p.terminal()
	if t == nil {
		return exit(Wrong, "a login is needed at %s, and there is no terminal to ask at: give a token by --token file:/path or GROVE_TOKEN", server)
	}
	fmt.Fprintf(p.Stderr, "Log in at %s\nName: ", server)
	name, err := readLine(t)
	if err != nil {
		return err
	}
	password, err := hidden(p, t, "Password: ")
	if err != nil {
		return err
	}
	l.name, l.password = name, password
	return nil
}

// hidden reads a line that the terminal does not show.
func hidden(p *Process, t *os.File, prompt string) (string, error) {
	fmt.Fprint(p.Stderr, prompt)
	text, err := term.ReadPassword(int(t.Fd()))
	fmt.Fprintln(p.Stderr)
	if err != nil {
		return "", exit(Usage, "the password was not typed: %w", err)
	}
	return string(text), nil
}

// maxLine bounds a line in bytes that is read from a person or a file.
const maxLine = 64 << 10

// readLine reads up to the end of a line, byte by byte: what follows is for others.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxLine {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		if err != nil {
			return "", err
		}
		line = append(line, one[:n]...)
	}
	return "", fmt.Errorf("a line is longer than %d bytes", maxLine)
}

// newPassword returns a password that somebody is to have: the first line of a file, of
// the standard input when it is "-", or what is typed twice.
func newPassword(p *Process, file, name string) (string, error) {
	switch file {
	case "":
	case "-":
		return firstLine(p.Stdin, "the standard input")
	default:
		f, err := os.Open(file)
		if err != nil {
			return "", exit(Usage, "--password-file: %w", err)
		}
		defer f.Close()
		return firstLine(f, file)
	}
	t := p.terminal()
	if t == nil {
		return "", exit(Usage, "there is no terminal to ask for the password of %s at: give it by --password-file FILE, or - for the standard input", name)
	}
	first, err := hidden(p, t, "New password of "+plain(name)+": ")
	if err != nil {
		return "", err
	}
	again, err := hidden(p, t, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", exit(Usage, "the two passwords differ; nothing was changed")
	}
	return first, nil
}

func firstLine(r io.Reader, where string) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", exit(Usage, "%s: %w", where, err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", exit(Usage, "%s: its first line is empty, and should be the password", where)
	}
	return line, nil
}
