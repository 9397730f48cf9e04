package jolokia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/mbean"
	"grove/tree"
)

const (
	maxEvents  = 1000 // that one run takes from one MBean
	maxMessage = 1000 // bytes of an event's text
	// goodbye is how long the agent may take to forget the client.
	goodbye = 2 * time.Second
)

// subscription is what the agent keeps for the probe between runs.
type subscription struct {
	client  string
	store   string            // MBean that notifications are fetched from
	handles map[string]string // by the name of the attribute
}

// registered is the value of the registration of a client.
type registered struct {
	ID      string `json:"id"`
	Backend struct {
		Pull *struct {
			Store string `json:"store"`
		} `json:"pull"`
	} `json:"backend"`
}

// fetched is the value of a fetch: null before the first notification.
type fetched struct {
	Dropped       float64 `json:"dropped"`
	Notifications []struct {
		Type    string      `json:"type"`
		Time    json.Number `json:"timeStamp"` // milliseconds
		Message string      `json:"message"`
	} `json:"notifications"`
}

// notifications fetches what came since the last run, and subscribes where that is not
// done yet or was forgotten: by an agent that was started again. It returns what it
// could not do.
func (p *jolokiaProbe) notifications(ctx context.Context, r *probe.Result) (problems []mbean.Problem, err error) {
	if p.subscribed.client == "" {
		if problem, err := p.register(ctx); err != nil || problem != nil {
			return p.allFeeds(problem), err
		}
	}
	if problems, err = p.subscribe(ctx); err != nil {
		return nil, err
	}
	var requests []request
	var asked []*feed
	for i := range p.plan.feeds {
		f := &p.plan.feeds[i]
		if handle := p.subscribed.handles[f.name]; handle != "" {
			requests = append(requests, request{Type: "exec", MBean: p.subscribed.store, Operation: "pull(java.lang.String,java.lang.String)", Arguments: []string{p.subscribed.client, handle}})
			asked = append(asked, f)
		}
	}
	if len(requests) == 0 {
		return problems, nil
	}
	answers, err := p.post(ctx, requests)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		events, dropped, err := asked[i].events(&answers[i], time.Now())
		switch {
		case err != nil:
			// The agent may have forgotten the client: the next run begins anew.
			p.subscribed = subscription{}
			problems = append(problems, mbean.Problem{What: asked[i].name, Err: err})
			continue
		case dropped > 0:
			problems = append(problems, mbean.Problem{What: asked[i].name, Err: fmt.Errorf("%.0f notifications were lost: the agent keeps few between two runs", dropped)})
		}
		if len(events) > 0 {
			r.Values = append(r.Values, probe.Value{Attribute: asked[i].name, Events: events})
		}
	}
	return problems, nil
}

// allFeeds tells a problem of all.
func (p *jolokiaProbe) allFeeds(problem error) (all []mbean.Problem) {
	if problem == nil {
		return nil
	}
	for _, f := range p.plan.feeds {
		all = append(all, mbean.Problem{What: f.name, Err: problem})
	}
	return all
}

func (p *jolokiaProbe) register(ctx context.Context) (problem, err error) {
	answers, err := p.post(ctx, []request{{Type: "notification", Command: "register"}})
	var told *fault
	switch {
	case errors.As(err, &told):
		// Version 7 refuses the whole bulk when it does not know a type of request.
		return fmt.Errorf("the agent offers no notifications: %w", told), nil
	case err != nil:
		return nil, err
	}
	if err := answers[0].failure(); err != nil {
		return fmt.Errorf("the agent offers no notifications: %w", err), nil
	}
	var r registered
	if err := json.Unmarshal(answers[0].Value, &r); err != nil || r.ID == "" || r.Backend.Pull == nil || r.Backend.Pull.Store == "" {
		return errors.New("the agent does not keep notifications until they are fetched"), nil
	}
	p.subscribed = subscription{client: r.ID, store: r.Backend.Pull.Store, handles: map[string]string{}}
	return nil, nil
}

// subscribe adds the listeners that are not there yet: an MBean may come later.
func (p *jolokiaProbe) subscribe(ctx context.Context) (problems []mbean.Problem, err error) {
	var requests []request
	var asked []*feed
	for i := range p.plan.feeds {
		f := &p.plan.feeds[i]
		if p.subscribed.handles[f.name] == "" {
			requests = append(requests, request{Type: "notification", Command: "add", Mode: "pull", Client: p.subscribed.client, MBean: f.mbean.String(), Filter: f.types})
			asked = append(asked, f)
		}
	}
	if len(requests) == 0 {
		return nil, nil
	}
	answers, err := p.post(ctx, requests)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		var handle string
		err := answers[i].failure()
		if err == nil {
			err = json.Unmarshal(answers[i].Value, &handle)
		}
		if err != nil {
			problems = append(problems, mbean.Problem{What: asked[i].name, Err: err})
			continue
		}
		p.subscribed.handles[asked[i].name] = handle
	}
	return problems, nil
}

// events reads the response to a fetch.
func (f *feed) events(r *response, now time.Time) (events []tree.Event, dropped float64, err error) {
	if err := r.failure(); err != nil {
		return nil, 0, err
	}
	var got *fetched
	if err := json.Unmarshal(r.Value, &got); err != nil {
		return nil, 0, fmt.Errorf("are no notifications: %w", err)
	}
	if got == nil {
		return nil, 0, nil
	}
	list := got.Notifications
	if over := len(list) - maxEvents; over > 0 {
		list, got.Dropped = list[over:], got.Dropped+float64(over)
	}
	for _, n := range list {
		ms, _ := n.Time.Int64()
		text := n.Type
		if n.Message != "" {
			text += ": " + n.Message
		}
		events = append(events, tree.Event{Time: at(ms, now), Status: f.statusOf(n.Type), Text: clean(text, maxMessage)})
	}
	return events, got.Dropped, nil
}

// statusOf is the status of the longest beginning of a type.
func (f *feed) statusOf(typ string) tree.Status {
	best, status := -1, tree.White
	for prefix, s := range f.status {
		if strings.HasPrefix(typ, prefix) && len(prefix) > best {
			best, status = len(prefix), s
		}
	}
	return status
}

// leave lets the agent forget the client.
func (p *jolokiaProbe) leave() {
	if p.subscribed.client == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	// An agent that is gone has nothing to forget.
	_, _ = p.post(ctx, []request{{Type: "notification", Command: "unregister", Client: p.subscribed.client}})
	p.subscribed = subscription{}
}
