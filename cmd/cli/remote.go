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

func (r *remote) do(ctx context.Context, method, path string, body []byte, query ...string) ([]byte, error) {
	base, err := url.Parse(r.address())
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, exit(Usage, "address of the server: %.80q is not of the form http://host:port", r.Server)
	}
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	u := base.JoinPath(path)
	u.RawQuery = values.Encode()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, exit(Usage, "%w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, exit(NoReply, "no grove answers at %s: start it with grove serve, or name another with --server", r.Server)
	}
	if err != nil {
		return nil, exit(NoReply, "%w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, exit(NoReply, "%s: %w", r.Server, err)
	case len(answer) > maxAnswer:
		return nil, exit(NoReply, "%s: the answer is larger than %d bytes", r.Server, maxAnswer)
	case res.StatusCode == http.StatusOK:
		return answer, nil
	}
	var why problem
	if json.Unmarshal(answer, &why) != nil || why.Title == "" {
		return nil, exit(NoReply, "%s answers %s: is it a grove server?", r.Server, res.Status)
	}
	text := why.Detail
	if text == "" {
		text = why.Title
	}
	var all strings.Builder
	for _, e := range why.Errors {
		fmt.Fprintf(&all, "\n  %s", e.Message)
		if e.Location != "" {
			fmt.Fprintf(&all, " (%s)", e.Location)
		}
	}
	return nil, exit(Wrong, "%s%s", text, all.String())
}
