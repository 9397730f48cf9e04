package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/viewer/viewertest"
)

// queue is an Outbox that notes what it is asked for.
type queue struct {
	did []string
	err error
}

func (q *queue) note(format string, args ...any) error {
	q.did = append(q.did, fmt.Sprintf(format, args...))
	return q.err
}

func (q *queue) List(_ context.Context, asked Query) (QueuePage, error) {
	page := QueuePage{Messages: []QueuedMessage{{ID: "41", Channel: "ops", Precedence: "urgent", State: "waiting", Made: time.Unix(0, 0).UTC(), Title: "/shop is red", Bytes: 12}}, Next: "41"}
	return page, q.note("list %+v", asked)
}

func (q *queue) Channels(context.Context) ([]QueueChannel, bool, error) {
	return []QueueChannel{{Name: "ops", Kind: "mail", Waiting: QueueWaiting{Urgent: 1}}}, false, nil
}
func (q *queue) Stop(_ context.Context, channel string) error  { return q.note("stop %q", channel) }
func (q *queue) Start(_ context.Context, channel string) error { return q.note("start %q", channel) }
func (q *queue) Resend(_ context.Context, ids []int64) ([]int64, error) {
	return ids[:1], q.note("resend %v", ids)
}
func (q *queue) Drop(_ context.Context, ids []int64) ([]int64, error) {
	return ids, q.note("drop %v", ids)
}
func (q *queue) Test(_ context.Context, channel, by string) error {
	return q.note("test %s by %s", channel, by)
}

func TestOutbox(t *testing.T) {
	for _, c := range []struct {
		name, grants, method, target, body string
		err                                error
		status                             int
		answer                             string
		did, audited                       []string
	}{
		{"looked at", "operator", "GET", "/outbox?state=waiting&channel=ops&limit=7&after=50", "", nil, 200,
			`"messages":[{"id":"41","key":"","channel":"ops","precedence":"urgent","state":"waiting","made":"1970-01-01T00:00:00Z","title":"/shop is red","bytes":12,"attempts":0}],"next":"41","channels":[{"name":"ops","kind":"mail","waiting":{"urgent":1,"normal":0,"bulk":0},"dead":0,"sent":0}]`,
			[]string{"list {State:waiting Channel:ops Limit:7 After:50}"}, nil},
		{"looked at by a viewer", "viewer", "GET", "/outbox", "", nil, 403, "needs the role operator on /", nil, nil},
		{"looked at by who has a part", "admin /shop", "GET", "/outbox", "", nil, 403, "needs the role operator on /", nil, nil},
		{"looked at in no state", "operator", "GET", "/outbox?state=lost", "", nil, 400, `state: \"lost\" is not waiting, dead or sent`, nil, nil},
		{"looked at after nothing", "operator", "GET", "/outbox?after=x", "", fmt.Errorf("%w: no place", ErrQuery), 400, "no place", []string{"list {State: Channel: Limit:100 After:x}"}, nil},
		{"stopped", "admin", "POST", "/outbox/stop", `{"channel":"ops"}`, nil, 200, `"channels":[{"name":"ops"`, []string{`stop "ops"`}, []string{"ada: outbox stop ops null: <nil>"}},
		{"stopped by an operator", "operator", "POST", "/outbox/stop", `{}`, nil, 403, "needs the role admin on /", nil, nil},
		{"started", "admin", "POST", "/outbox/start", `{}`, nil, 200, `"channels":[`, []string{`start ""`}, []string{"ada: outbox start all channels null: <nil>"}},
		{"stopped that is not there", "admin", "POST", "/outbox/stop", `{"channel":"x"}`, fmt.Errorf("%w: %q", ErrChannel, "x"), 404, "there is no such channel", []string{`stop "x"`}, []string{`ada: outbox stop x null: there is no such channel: "x"`}},
		{"sent again", "admin", "POST", "/outbox/send", `{"ids":["3","4","3","x"]}`, nil, 200,
			`"results":[{"id":"3"},{"id":"4","error":"it is not among the dead letters"},{"id":"3"},{"id":"x","error":"it is not among the dead letters"}]`,
			[]string{"resend [3 4]"}, []string{`ada: outbox send 2 messages {"messages":[3,4]}: <nil>`}},
		{"dropped", "admin", "POST", "/outbox/drop", `{"ids":["3"]}`, nil, 200, `"results":[{"id":"3"}]`, []string{"drop [3]"}, []string{`ada: outbox drop 1 messages {"messages":[3]}: <nil>`}},
		{"dropped by an editor", "editor", "POST", "/outbox/drop", `{"ids":["3"]}`, nil, 403, "needs the role admin", nil, nil},
		{"dropped without the database", "admin", "POST", "/outbox/drop", `{"ids":["3"]}`, fmt.Errorf("secret: %w", store.ErrUnavailable), 503, "the database is not available", []string{"drop [3]"}, []string{`ada: outbox drop 1 messages {"messages":[3]}: secret: ` + store.ErrUnavailable.Error()}},
		{"tested", "admin", "POST", "/channels/ops/test", "", nil, 200, `"channel":"ops"`, []string{"test ops by ada"}, []string{"ada: channel test ops null: <nil>"}},
		{"tested in vain", "admin", "POST", "/channels/ops/test", "", fmt.Errorf("%w: %w", ErrTest, errors.New("550 no such user")), 502, "550 no such user", []string{"test ops by ada"}, []string{"ada: channel test ops null: the channel did not take the message: 550 no such user"}},
		{"tested by an operator", "operator", "POST", "/channels/ops/test", "", nil, 403, "needs the role admin", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, q := viewertest.New(t), &queue{err: c.err}
			api, err := New(Options{Outbox: q, Audit: w.Audit})
			if err != nil {
				t.Fatal(err)
			}
			w.Add(api.Register)
			status, body := w.Do(c.grants, c.method, "/api/v1"+c.target, c.body)
			if status != c.status || !strings.Contains(body, c.answer) {
				t.Errorf("%d %s", status, body)
			}
			if diff := cmp.Diff([][]string{c.did, c.audited}, [][]string{q.did, w.Audited}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
