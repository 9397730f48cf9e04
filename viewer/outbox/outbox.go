// Package outbox holds the operations of the REST interface about the queue of messages:
// what waits, what was given up and what was sent, to stop and start channels, to have dead
// letters sent again, and to try a channel. Messages tell of nodes everywhere: who looks is
// operator of the whole manager, who changes anything its admin.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/deed"
)

// The errors of an Outbox.
var (
	ErrChannel = errors.New("there is no such channel")
	ErrQuery   = errors.New("malformed query of messages")
	// ErrTest is wrapped by the errors that a channel has with a test message.
	ErrTest = errors.New("the channel did not take the message")
)

// Outbox is the queue. The errors of what is unknown wrap those of this package.
type Outbox interface {
	// List returns a page of messages, the newest first.
	List(ctx context.Context, q Query) (QueuePage, error)
	// Channels says how each channel stands, by name; stopped says that all are.
	Channels(ctx context.Context) (channels []QueueChannel, stopped bool, err error)
	// Stop keeps a channel from sending, "" all; Start lets it. They survive a restart.
	Stop(ctx context.Context, channel string) error
	Start(ctx context.Context, channel string) error
	// Resend has dead letters sent again, and Drop takes away what waits or is dead. They
	// return those for which it was done.
	Resend(ctx context.Context, ids []int64) (done []int64, err error)
	Drop(ctx context.Context, ids []int64) (done []int64, err error)
	// Test sends a test message by a channel past the queue, and waits for what comes of it.
	Test(ctx context.Context, channel, by string) error
}

// Query says which messages are asked for.
type Query struct {
	State   string // "waiting", "dead", "sent"; empty: all
	Channel string // empty: all
	Limit   int
	After   string // QueuePage.Next of the page before, to the same query
}

// QueuePage is a page of messages.
type QueuePage struct {
	Messages []QueuedMessage
	Next     string
}

// QueuedMessage is one message to one channel.
type QueuedMessage struct {
	ID         string     `json:"id"`
	Key        string     `json:"key" doc:"The same when it is delivered again."`
	Channel    string     `json:"channel"`
	Precedence string     `json:"precedence" enum:"urgent,normal,bulk"`
	Persistent bool       `json:"persistent,omitempty"`
	State      string     `json:"state" enum:"waiting,dead,sent"`
	Made       time.Time  `json:"made"`
	Ends       *time.Time `json:"ends,omitempty" doc:"When it is of no use any more."`
	Next       *time.Time `json:"next,omitempty" doc:"When it is tried next."`
	Settled    *time.Time `json:"settled,omitempty" doc:"When it was sent or given up."`
	Title      string     `json:"title"`
	At         string     `json:"at,omitempty" doc:"Path that it is about."`
	Purpose    string     `json:"purpose,omitempty"`
	Bytes      int64      `json:"bytes"`
	Attempts   int        `json:"attempts"`
	Error      string     `json:"error,omitempty" doc:"Of the last attempt."`
}

// QueueChannel says how a channel stands.
type QueueChannel struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind,omitempty" doc:"Absent when the file has no such channel any more."`
	Stopped   bool         `json:"stopped,omitempty" doc:"Somebody stopped it."`
	Waiting   QueueWaiting `json:"waiting"`
	Oldest    *time.Time   `json:"oldest,omitempty" doc:"When the oldest that waits was made."`
	Throttled *time.Time   `json:"throttled,omitempty" doc:"Until then a throttle lets nothing more go."`
	Error     string       `json:"error,omitempty" doc:"Of the last attempt, if that failed."`
	Dead      int64        `json:"dead"`
	Sent      int64        `json:"sent" doc:"Since the start."`
}

// QueueWaiting counts what waits by precedence.
type QueueWaiting struct {
	Urgent int64 `json:"urgent"`
	Normal int64 `json:"normal"`
	Bulk   int64 `json:"bulk"`
}

// Options are the surroundings of the operations.
type Options struct {
	Outbox Outbox
	// Audit puts what people change into the audit log.
	Audit deed.Audit
	Log   *slog.Logger // nil discards
}

// API holds the operations; Register adds them.
type API struct{ Options }

// New returns the operations.
func New(o Options) (*API, error) {
	if o.Outbox == nil || o.Audit == nil {
		return nil, errors.New("outbox: no queue or no audit log")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{o}, nil
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	operation := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"alerts"}, MaxBodyBytes: 64 << 10, DefaultStatus: http.StatusOK,
			Errors: append(errors, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
		}
	}
	huma.Register(api, operation("get-outbox", http.MethodGet, "/api/v1/outbox", "The queue of messages", "The newest first, and how each channel stands. Needs the role operator on everything.", http.StatusBadRequest), a.list)
	huma.Register(api, operation("stop-channel", http.MethodPost, "/api/v1/outbox/stop", "Stop a channel, or all", "What comes meanwhile waits. It survives a restart.", http.StatusNotFound),
		func(ctx context.Context, in *channelInput) (*standOutput, error) {
			return a.stand(ctx, "outbox stop", in.Body.Channel, a.Outbox.Stop)
		})
	huma.Register(api, operation("start-channel", http.MethodPost, "/api/v1/outbox/start", "Start a channel again, or all", "", http.StatusNotFound),
		func(ctx context.Context, in *channelInput) (*standOutput, error) {
			return a.stand(ctx, "outbox start", in.Body.Channel, a.Outbox.Start)
		})
	huma.Register(api, operation("resend-messages", http.MethodPost, "/api/v1/outbox/send", "Send dead letters again", "With the same keys, so that receivers can drop repeats."),
		func(ctx context.Context, in *idsInput) (*resultsOutput, error) {
			return a.each(ctx, "outbox send", "it is not among the dead letters", in.Body.IDs, a.Outbox.Resend)
		})
	huma.Register(api, operation("drop-messages", http.MethodPost, "/api/v1/outbox/drop", "Drop messages", "What waits and what is dead; they are not sent."),
		func(ctx context.Context, in *idsInput) (*resultsOutput, error) {
			return a.each(ctx, "outbox drop", "it neither waits nor is dead", in.Body.IDs, a.Outbox.Drop)
		})
	huma.Register(api, operation("test-channel", http.MethodPost, "/api/v1/channels/{name}/test", "Try a channel", "Sends a test message by it at once, past the queue, and says what came of it.", http.StatusNotFound, http.StatusBadGateway), a.test)
}

type listInput struct {
	State   string `query:"state" maxLength:"16" doc:"waiting, dead or sent; all when absent."`
	Channel string `query:"channel" maxLength:"128" doc:"Only to this channel."`
	Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many."`
	After   string `query:"after" maxLength:"256" doc:"The next of the page before, with all else as it was."`
}

// Queue is the answer of GET /api/v1/outbox.
type Queue struct {
	Messages []QueuedMessage `json:"messages" nullable:"false" doc:"The newest first."`
	Next     string          `json:"next,omitempty" doc:"For the parameter after; absent when there is no more."`
	Channels []QueueChannel  `json:"channels" nullable:"false" doc:"By name."`
	Stopped  bool            `json:"stopped,omitempty" doc:"Somebody stopped all channels."`
}

type listOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Queue
}

func (a *API) list(ctx context.Context, in *listInput) (*listOutput, error) {
	if err := grant.DemandWhole(grant.Of(ctx), grant.Operator); err != nil {
		return nil, viewer.Problem(err)
	}
	if !slices.Contains([]string{"", "waiting", "dead", "sent"}, in.State) {
		return nil, huma.NewError(http.StatusBadRequest, fmt.Sprintf("state: %q is not waiting, dead or sent", in.State))
	}
	page, err := a.Outbox.List(ctx, Query{State: in.State, Channel: in.Channel, Limit: in.Limit, After: in.After})
	if err != nil {
		return nil, a.problem(err)
	}
	out := &listOutput{"no-store", Queue{Messages: page.Messages, Next: page.Next}}
	if out.Body.Channels, out.Body.Stopped, err = a.Outbox.Channels(ctx); err != nil {
		return nil, a.problem(err)
	}
	if out.Body.Messages == nil {
		out.Body.Messages = []QueuedMessage{}
	}
	if out.Body.Channels == nil {
		out.Body.Channels = []QueueChannel{}
	}
	return out, nil
}

// admin refuses who may not change the outbox.
func admin(ctx context.Context) (*grant.Subject, error) {
	who := grant.Of(ctx)
	return who, viewer.Problem(grant.DemandWhole(who, grant.Admin))
}

type channelInput struct {
	Body ChannelQuestion
}

// ChannelQuestion is the body of what is about a channel.
type ChannelQuestion struct {
	Channel string `json:"channel,omitempty" maxLength:"128" doc:"Its name; all channels when it is empty."`
}

// ChannelStand is the answer to a stop or a start.
type ChannelStand struct {
	Channels []QueueChannel `json:"channels" nullable:"false" doc:"By name."`
	Stopped  bool           `json:"stopped,omitempty" doc:"Somebody stopped all channels."`
}

type standOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         ChannelStand
}

// stand stops or starts.
func (a *API) stand(ctx context.Context, action, channel string, do func(context.Context, string) error) (*standOutput, error) {
	if _, err := admin(ctx); err != nil {
		return nil, err
	}
	target := channel
	if target == "" {
		target = "all channels"
	}
	err := deed.Do(ctx, a.Audit, a.Log, action, target, nil, func() error { return do(ctx, channel) })
	if err != nil {
		return nil, a.problem(err)
	}
	out := &standOutput{CacheControl: "no-store"}
	if out.Body.Channels, out.Body.Stopped, err = a.Outbox.Channels(ctx); err != nil {
		return nil, a.problem(err)
	}
	if out.Body.Channels == nil {
		out.Body.Channels = []QueueChannel{}
	}
	return out, nil
}

type idsInput struct {
	Body MessageNumbers
}

// MessageNumbers is the body of what is about messages.
type MessageNumbers struct {
	IDs []string `json:"ids" minItems:"1" maxItems:"1000" nullable:"false" doc:"Numbers of the messages."`
}

// MessageResult is what came of it for one message.
type MessageResult struct {
	ID    string `json:"id"`
	Error string `json:"error,omitempty" doc:"Why not; absent: it is done."`
}

// MessageResults is the answer to what is about messages.
type MessageResults struct {
	Results []MessageResult `json:"results" nullable:"false" doc:"One for each message, in the order that was asked for."`
}

type resultsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         MessageResults
}

// maxNamed bounds the numbers of messages in one record of the audit log.
const maxNamed = 100

// each does something with messages; refused says why it was not done for one.
func (a *API) each(ctx context.Context, action, refused string, texts []string, do func(context.Context, []int64) ([]int64, error)) (*resultsOutput, error) {
	if _, err := admin(ctx); err != nil {
		return nil, err
	}
	var ids []int64
	for _, text := range texts {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	done := map[string]bool{}
	if len(ids) > 0 {
		detail := map[string]any{"messages": ids[:min(len(ids), maxNamed)]}
		err := deed.Do(ctx, a.Audit, a.Log, action, fmt.Sprintf("%d messages", len(ids)), detail, func() error {
			all, err := do(ctx, ids)
			for _, id := range all {
				done[strconv.FormatInt(id, 10)] = true
			}
			return err
		})
		if err != nil {
			return nil, a.problem(err)
		}
	}
	out := &resultsOutput{CacheControl: "no-store"}
	for _, text := range texts {
		r := MessageResult{ID: text}
		if !done[text] {
			r.Error = refused
		}
		out.Body.Results = append(out.Body.Results, r)
	}
	return out, nil
}

// ChannelTried is the answer to a test of a channel.
type ChannelTried struct {
	Channel string  `json:"channel"`
	Took    float64 `json:"took_seconds" doc:"Until the other side had accepted the message."`
}

type testOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         ChannelTried
}

// testWithin bounds a test.
const testWithin = 45 * time.Second

func (a *API) test(ctx context.Context, in *struct {
	Name string `path:"name" maxLength:"128" doc:"Name of the channel."`
}) (*testOutput, error) {
	who, err := admin(ctx)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	began := time.Now()
	err = deed.Do(ctx, a.Audit, a.Log, "channel test", in.Name, nil, func() error { return a.Outbox.Test(within, in.Name, who.Name) })
	if err != nil {
		return nil, a.problem(err)
	}
	return &testOutput{"no-store", ChannelTried{in.Name, time.Since(began).Seconds()}}, nil
}

// problem makes an answer of an error.
func (a *API) problem(err error) error {
	for _, p := range []struct {
		err    error
		status int
	}{{ErrChannel, http.StatusNotFound}, {ErrQuery, http.StatusBadRequest}, {ErrTest, http.StatusBadGateway}} {
		if errors.Is(err, p.err) {
			return huma.NewError(p.status, err.Error())
		}
	}
	return deed.Problem(a.Log, err)
}
