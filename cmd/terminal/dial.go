package terminal

import (
	"context"
	"net/http"

	"grove/tree"
	"grove/viewer/live/client"
)

// Dialer dials the live feed of a server. Header returns what is sent with it, such as
// Authorization; nil is nothing.
func Dialer(server string, header func() (http.Header, error)) func(context.Context, Shape) (Feed, error) {
	return func(ctx context.Context, s Shape) (Feed, error) {
		r := requestOf(s)
		if header != nil {
			var err error
			if r.Header, err = header(); err != nil {
				return nil, err
			}
		}
		c, err := client.Follow(ctx, server, r)
		if err != nil {
			return nil, err
		}
		return feed{c}, nil
	}
}

// requestOf is a shape as the client has it. What opens nothing would show everything.
func requestOf(s Shape) client.Request {
	r := client.Request{Path: s.Path, Some: s.Some, Open: s.Open, Text: s.Text, Statuses: s.Statuses}
	if r.Some == 0 && len(r.Open) == 0 && r.Text == "" && len(r.Statuses) == 0 {
		r.Open = []tree.Path{s.Path}
	}
	return r
}

// feed is a client as the model wants it.
type feed struct{ *client.Client }

// Ask implements Feed.
func (f feed) Ask(s Shape) error { return f.Client.Ask(requestOf(s)) }

// Expand implements Feed.
func (f feed) Expand(groups ...uint32) error { return f.OpenGroups(groups...) }

// Collapse implements Feed.
func (f feed) Collapse(groups ...uint32) error { return f.CloseGroups(groups...) }

// ExpandAll implements Feed.
func (f feed) ExpandAll() error { return f.OpenAll() }

// CollapseAll implements Feed.
func (f feed) CollapseAll() error { return f.CloseAll() }

// Problems implements Feed.
func (f feed) Problems() error { return f.OpenProblems() }

// Reveal implements Feed.
func (f feed) Reveal(p tree.Path) error { return f.OpenPath(p) }

// End implements Feed.
func (f feed) End() { _ = f.Close() }
