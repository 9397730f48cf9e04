package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxAnswer bounds the answer of a server: a tree of a million nodes is smaller.
const maxAnswer = 1 << 30

// problem is the error shape of the server, RFC 9457.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

// get asks the server; query is a list of names and values.
func (r *remote) get(ctx context.Context, path string, query ...string) ([]byte, error) {
	return r.do(ctx, http.MethodGet, path, nil, query...)
}

// address is that of the server; HOST:PORT will do, as --listen has it.
func (r *remote) address() string {
	if r.Server == "" || strings.Contains(r.Server, "://") {
		return r.Server
	}
	return "http://" + r.Server
}

// do is ask for those to whom every problem is an error.
func (r *remote) do(ctx context.Context, method, path string, body []byte, query ...string) ([]byte, error) {
	answer, why, err := r.ask(ctx, method, path, body, query...)
	if why != nil {
		err = why.exit()
	}
	return answer, err
}

// askWithin bounds a request.
const askWithin = time.Minute

// ask sends a request, and returns the answer of the server or the problem that it has
// with it.
func (r *remote) ask(ctx context.Context, method, path string, body []byte, query ...string) ([]byte, *problem, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	res, why, err := r.send(ctx, method, path, bytes.NewReader(body), header, query...)
	if res == nil {
		return nil, why, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, exit(NoReply, "%s: %w", r.Server, err)
	case len(answer) > maxAnswer:
		return nil, nil, exit(NoReply, "%s: the answer is larger than %d bytes", r.Server, maxAnswer)
	}
	return answer, nil, nil
}

// send sends a request. The answer, which the caller closes, is nil when the server has
// a problem with the request, or does not answer.
func (r *remote) send(ctx context.Context, method, path string, body io.Reader, header http.Header, query ...string) (*http.Response, *problem, error) {
	base, err := url.Parse(r.address())
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, nil, exit(Usage, "address of the server: %.80q is not of the form http://host:port", r.Server)
	}
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	u := base.JoinPath(path)
	u.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, nil, exit(Usage, "%w", err)
	}
	req.Header = header
	if err := r.authorize(req.Header); err != nil {
		return nil, nil, err
	}
	// Nobody is followed elsewhere: what is sent, and the secret with it, is for this address.
	client := &http.Client{Transport: r.through, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil, exit(NoReply, "no grove answers at %s: start it with grove serve, or name another with --server", r.Server)
	}
	if err != nil {
		return nil, nil, exit(NoReply, "%w", err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil, nil
	}
	defer res.Body.Close()
	if to := res.Header.Get("Location"); to != "" && res.StatusCode < 400 {
		return nil, nil, exit(NoReply, "%s answers %s and leads to %.200s: if that is the grove you mean, name it by --server", r.Server, res.Status, plain(to))
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil {
		return nil, nil, exit(NoReply, "%s: %w", r.Server, err)
	}
	var why problem
	if json.Unmarshal(answer, &why) != nil || why.Title == "" {
		return nil, nil, exit(NoReply, "%s answers %s: is it a grove server?", r.Server, res.Status)
	}
	if res.StatusCode == http.StatusUnauthorized && r.Token == "" && r.login == nil {
		why.Detail = "a login is needed at " + r.Server + ": create a token, on the page or with grove token create, and give it by --token file:/path or GROVE_TOKEN"
	}
	return nil, &why, nil
}

// maxProblem bounds what a server says of a problem.
const maxProblem = 1 << 20

// exit makes a problem the end of a command.
func (p *problem) exit() error {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	var all strings.Builder
	for _, e := range p.Errors {
		fmt.Fprintf(&all, "\n  %s", e.Message)
		if e.Location != "" {
			fmt.Fprintf(&all, " (%s)", e.Location)
		}
	}
	return exit(Wrong, "%s%s", text, all.String())
}
