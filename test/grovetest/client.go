package grovetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"grove/viewer"
)

// Client asks a manager over REST, for a test and as long as that goes on.
type Client struct {
	testing.TB
	Name    string // of the manager
	Address string // URL without a slash at the end
	HTTP    *http.Client
}

// Request asks for something and returns the status and the body of the answer. The body of
// the request is sent as JSON; nil is none.
func (c *Client) Request(method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(c.Context(), method, c.Address+path, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// Call asks for something that must be answered with a status of success, and decodes the
// answer.
func (c *Client) Call(method, path string, body, into any) error {
	code, text, err := c.Request(method, path, body)
	if err != nil {
		return err
	}
	if code/100 != 2 {
		return fmt.Errorf("%s %s of %s: %d: %.400s", method, path, c.Name, code, text)
	}
	return json.Unmarshal(text, into)
}

// Ask decodes the answer to a GET.
func (c *Client) Ask(path string, into any) error { return c.Call(http.MethodGet, path, nil, into) }

// Node returns a node of the manager's tree.
func (c *Client) Node(path string) (n viewer.Details, err error) {
	err = c.Ask("/api/v1/nodes"+(&url.URL{Path: path}).EscapedPath(), &n)
	return n, err
}

// Shows says how a node differs from one with a value, as people read it, and a status.
func Shows(n viewer.Details, value, status string) error {
	got := ""
	if n.Value != nil {
		got = n.Value.String()
	}
	if got != value || n.Status != status {
		return fmt.Errorf("%s is %q, %s (%s), not %q, %s", n.Path, got, n.Status, n.Reason, value, status)
	}
	return nil
}

// Push sends readings; nil is that all were acknowledged.
func (c *Client) Push(readings ...map[string]any) error {
	var out struct{ Accepted int }
	err := c.Call(http.MethodPost, "/api/v1/readings", readings, &out)
	if err == nil && out.Accepted != len(readings) {
		err = fmt.Errorf("%s took %d of %d readings", c.Name, out.Accepted, len(readings))
	}
	return err
}

// Entry is one entry of a journal.
type Entry struct {
	Time       time.Time
	Path, Kind string
	From, To   string // statuses
	Value      any
	Text       string
}

// Journal yields the entries of one node and kind, oldest first, all pages of them. The times
// between which they are may be empty, and are else as REST takes them.
func (c *Client) Journal(path, kind, from, to string, yield func(Entry)) error {
	q := url.Values{"path": {path}, "only": {"true"}, "kind": {kind}, "order": {"oldest"}, "limit": {"10000"}}
	if from != "" {
		q.Set("from", from)
	}
	if to != "" {
		q.Set("to", to)
	}
	for {
		var page struct {
			Entries []Entry
			Next    string
		}
		if err := c.Ask("/api/v1/journal?"+q.Encode(), &page); err != nil {
			return err
		}
		for _, e := range page.Entries {
			yield(e)
		}
		if page.Next == "" {
			return nil
		}
		q.Set("after", page.Next)
	}
}
