package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"path/filepath"

	"grove/cmd/app"
)

// accounts is where users and tokens are: in the database itself while no grove runs on
// it, else behind the grove that does.
type accounts struct {
	Server string `help:"Address of a running server. Default: the database itself, or the server that runs on it, at http://127.0.0.1:7440." env:"GROVE_SERVER" placeholder:"URL"`
	Token  string `help:"Where the token is that lets in at a server: file:/path, env:NAME or credential:NAME. Default: a name and a password are asked for." env:"GROVE_TOKEN" placeholder:"REF"`
	plainHTTP
	Data             string `help:"Directory of the grove." default:"data" placeholder:"DIR"`
	Database         string `help:"Its database, if that is not in the directory." placeholder:"FILE|URL"`
	DatabasePassword string `help:"Where the password of the database is: file:/path, env:NAME or credential:NAME." placeholder:"REF"`
}

// usualServer is where a grove is that nothing else was said of.
const usualServer = "http://127.0.0.1:7440"

// people asks for users and tokens.
type people struct {
	remote
	p *Process
}

// open returns who is asked. A data directory is made when there is none and it is to be.
func (a *accounts) open(ctx context.Context, p *Process, make bool) (*people, func() error, error) {
	none := func() error { return nil }
	there := &people{remote{Server: a.Server, Token: a.Token, plainHTTP: a.plainHTTP, login: &login{}}, p}
	if a.Server != "" {
		return there, none, nil
	}
	there.Server = usualServer
	if _, err := os.Stat(filepath.Clean(a.Data)); a.Database == "" && errors.Is(err, os.ErrNotExist) {
		switch answers := there.answers(ctx); {
		case answers:
			return there, none, nil
		case !make:
			return nil, nil, exit(Usage, "there is no data directory %s, and no grove answers at %s: name one by --data or --server", a.Data, usualServer)
		}
	}
	h, end, err := app.OpenAccounts(ctx, app.Config{Data: a.Data, Database: a.Database, DatabasePassword: a.DatabasePassword, Log: slog.New(slog.DiscardHandler)}, systemUser())
	switch {
	case errors.Is(err, app.ErrInUse):
		return there, none, nil
	case err != nil:
		return nil, nil, exit(Failed, "%w", err)
	}
	return &people{remote{Server: "http://database", through: handled{h}}, p}, end, nil
}

// systemUser is who works at this machine, for the audit log.
func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// answers says whether a server is there.
func (c *people) answers(ctx context.Context) bool {
	_, why, err := c.remote.ask(ctx, http.MethodGet, "/healthz", nil)
	return err == nil && why == nil
}

// ask sends a request with a body and reads the answer; either may be nil. Who has to log
// in is asked for name and password once.
func (c *people) ask(ctx context.Context, method, path string, body, into any, query ...string) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	answer, why, err := c.remote.ask(ctx, method, path, text, query...)
	if why != nil && why.Status == http.StatusUnauthorized && c.Token == "" && c.login != nil && c.login.name == "" {
		if err := c.login.ask(c.p, c.Server); err != nil {
			return err
		}
		answer, why, err = c.remote.ask(ctx, method, path, text, query...)
	}
	if why != nil {
		err = why.exit()
	}
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return exit(NoReply, "the answer of %s is not understood: %w", c.Server, err)
	}
	return nil
}

// handled sends requests to a handler of this process.
type handled struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	w := &answered{header: http.Header{}}
	h.ServeHTTP(w, r)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// answered keeps an answer.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *answered) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *answered) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *answered) Write(b []byte) (int, error) { return w.body.Write(b) }
