package post

import (
	"context"
	"net/url"

	"grove/notify/channel"
)

// HookOptions are those of kinds that write to a webhook; kinds inline them.
type HookOptions struct {
	Webhook string `yaml:"webhook" jsonschema:"description=Reference to the address of the webhook: file:/path\\, env:NAME or credential:NAME."`

	Options `yaml:",inline"`
}

// Hook is a webhook, whose address is a secret.
type Hook struct {
	*Client
	reference string
}

// NewHook checks the options; it is otherwise as New.
func NewHook(w *channel.World, o HookOptions) (*Hook, error) {
	c, err := New(w, o.Options, CheckSecret(w, "webhook", o.Webhook))
	if err != nil {
		return nil, err
	}
	return &Hook{c, o.Webhook}, nil
}

// Put posts JSON to the webhook, with more of a query.
func (h *Hook) Put(ctx context.Context, body any, query url.Values) error {
	address, err := h.Address("webhook", h.reference)
	if err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil {
		return channel.BadOption("webhook", "what it refers to cannot be read") // without the error, which has it
	}
	if len(query) > 0 {
		all := u.Query()
		for name, values := range query {
			all[name] = values
		}
		u.RawQuery = all.Encode()
	}
	return h.Do(ctx, Request{URL: u.String(), Body: body, Secrets: []string{address, u.Path}})
}
