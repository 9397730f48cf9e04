package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	view "grove/viewer/outbox"
)

// outboxCommand is about the messages that leave a server.
type outboxCommand struct {
	List  outboxListCommand  `cmd:"" default:"withargs" help:"Print how the channels stand, and what waits."`
	Dead  outboxDeadCommand  `cmd:"" help:"List the dead letters: messages that were given up."`
	Send  outboxSendCommand  `cmd:"" help:"Send dead letters again."`
	Drop  outboxDropCommand  `cmd:"" help:"Drop messages: they are not sent."`
	Stop  outboxStopCommand  `cmd:"" help:"Stop a channel, or all: what comes meanwhile waits, over a restart, too."`
	Start outboxStartCommand `cmd:"" help:"Start a channel again, or all."`
}

const outboxPath = "/api/v1/outbox"

// outboxListCommand lists messages.
type outboxListCommand struct {
	remote
	State   string `help:"Messages in this state: waiting, dead or sent." enum:"waiting,dead,sent" default:"waiting" placeholder:"STATE"`
	Channel string `help:"Only to this channel." placeholder:"NAME"`
	Limit   int    `help:"At most so many, the newest." default:"50" placeholder:"N"`
	JSON    bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *outboxListCommand) Run(ctx context.Context, p *Process, all *commands) error {
	query := []string{"state", c.State, "limit", strconv.Itoa(c.Limit)}
	if c.Channel != "" {
		query = append(query, "channel", c.Channel)
	}
	body, err := c.get(ctx, outboxPath, query...)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var q view.Queue
	if err := json.Unmarshal(body, &q); err != nil {
		return exit(NoReply, "the answer of %s is no outbox: %w", c.Server, err)
	}
	d := drawing{color: all.colored(p.Stdout)}
	d.channels(p.Stdout, q.Channels, q.Stopped, p.now())
	if len(q.Messages) == 0 {
		fmt.Fprintf(p.Stdout, "\nno messages are %s\n", c.State)
		return nil
	}
	fmt.Fprintf(p.Stdout, "\n%s:\n", c.State)
	for i := range q.Messages {
		printMessage(p.Stdout, &q.Messages[i], p.now())
	}
	if q.Next != "" {
		fmt.Fprintln(p.Stdout, "… there are more: --limit lists more of them")
	}
	return nil
}

// channels prints how the channels stand.
func (d drawing) channels(w io.Writer, list []view.QueueChannel, stopped bool, now time.Time) {
	if stopped {
		fmt.Fprintf(w, "%s all channels are stopped: grove outbox start lets them send\n", d.paint("■", marks["red"].color))
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "no channels")
	}
	for i := range list {
		c := &list[i]
		status, words := "green", []string{}
		say := func(worse, format string, args ...any) {
			words = append(words, fmt.Sprintf(format, args...))
			if worse == "red" || worse == "yellow" && status == "green" {
				status = worse
			}
		}
		if c.Stopped {
			say("yellow", "stopped")
		}
		waiting := c.Waiting.Urgent + c.Waiting.Normal + c.Waiting.Bulk
		if waiting > 0 {
			text := fmt.Sprintf("%d waiting", waiting)
			if c.Waiting.Urgent > 0 {
				text += fmt.Sprintf(" (%d urgent)", c.Waiting.Urgent)
			}
			if c.Oldest != nil {
				text += ", the oldest for " + brief(now.Sub(*c.Oldest))
			}
			say("green", "%s", text)
		}
		if c.Throttled != nil {
			say("yellow", "throttled until %s", c.Throttled.Local().Format("15:04:05"))
		}
		if c.Dead > 0 {
			say("red", "%d dead", c.Dead)
		}
		say("green", "%d sent", c.Sent)
		if c.Error != "" {
			say("red", "failed: %s", c.Error)
		}
		m := marks[status]
		name := c.Name
		if c.Kind != "" {
			name += " (" + c.Kind + ")"
		}
		fmt.Fprintf(w, "%s %s: %s\n", d.paint(m.shape, m.color), cell(name), cell(strings.Join(words, ", ")))
	}
}

// printMessage prints one message: its number, to whom, what, and why it still is there.
func printMessage(w io.Writer, m *view.QueuedMessage, now time.Time) {
	fmt.Fprintf(w, "%s  %s  %s, %s for %s\n", cell(m.ID), cell(m.Channel), cell(m.Precedence), cell(m.Purpose), brief(now.Sub(m.Made)))
	fmt.Fprintf(w, "    %s\n", cell(m.Title))
	var words []string
	if m.Attempts > 0 && m.State != "sent" {
		often := "once"
		if m.Attempts > 1 {
			often = fmt.Sprintf("%d times", m.Attempts)
		}
		words = append(words, "tried "+often)
	}
	if m.Next != nil && m.State == "waiting" && m.Next.After(now) {
		words = append(words, "again at "+m.Next.Local().Format("15:04:05"))
	}
	if m.Settled != nil {
		words = append(words, m.State+" at "+m.Settled.Local().Format("2006-01-02 15:04:05 MST"))
	}
	if m.Error != "" {
		words = append(words, m.Error)
	}
	if len(words) > 0 {
		fmt.Fprintf(w, "    %s\n", cell(strings.Join(words, ", ")))
	}
}

// outboxDeadCommand lists dead letters.
type outboxDeadCommand struct {
	remote
	Channel string `help:"Only to this channel." placeholder:"NAME"`
	Limit   int    `help:"At most so many, the newest." default:"50" placeholder:"N"`
	JSON    bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *outboxDeadCommand) Run(ctx context.Context, p *Process, all *commands) error {
	list := outboxListCommand{remote: c.remote, State: "dead", Channel: c.Channel, Limit: c.Limit, JSON: c.JSON}
	return list.Run(ctx, p, all)
}

// messageIDs are the arguments that name messages.
type messageIDs struct {
	IDs     []string `arg:"" optional:"" name:"id" help:"Numbers of messages."`
	Dead    bool     `help:"All dead letters, at most 1000 at a time."`
	Channel string   `help:"With --dead: only those to this channel." placeholder:"NAME"`
}

// each does something with messages, and says how many it was done for.
func (c *messageIDs) each(ctx context.Context, w io.Writer, r *remote, action, done string) error {
	switch {
	case c.Dead == (len(c.IDs) > 0):
		return exit(Usage, "name messages by their numbers, or --dead")
	case c.Channel != "" && !c.Dead:
		return exit(Usage, "--channel belongs to --dead")
	}
	if c.Dead {
		query := []string{"state", "dead", "limit", "1000"}
		if c.Channel != "" {
			query = append(query, "channel", c.Channel)
		}
		body, err := r.get(ctx, outboxPath, query...)
		if err != nil {
			return err
		}
		var q view.Queue
		if err := json.Unmarshal(body, &q); err != nil {
			return exit(NoReply, "the answer of %s is no outbox: %w", r.Server, err)
		}
		for i := range q.Messages {
			c.IDs = append(c.IDs, q.Messages[i].ID)
		}
		if len(c.IDs) == 0 {
			fmt.Fprintln(w, "there are no dead letters")
			return nil
		}
	}
	text, err := json.Marshal(view.MessageNumbers{IDs: c.IDs})
	if err != nil {
		return err
	}
	body, err := r.do(ctx, http.MethodPost, outboxPath+"/"+action, text)
	if err != nil {
		return err
	}
	var results view.MessageResults
	if err := json.Unmarshal(body, &results); err != nil {
		return exit(NoReply, "the answer of %s does not say what came of it: %w", r.Server, err)
	}
	failed := 0
	for _, one := range results.Results {
		if one.Error != "" {
			failed++
			fmt.Fprintf(w, "message %s: not done: %s\n", cell(one.ID), cell(one.Error))
		}
	}
	fmt.Fprintf(w, "%d %s\n", len(results.Results)-failed, done)
	if failed > 0 {
		return exit(Wrong, "not done for %d of %d", failed, len(results.Results))
	}
	return nil
}

// outboxSendCommand sends dead letters again.
type outboxSendCommand struct {
	remote
	messageIDs
}

// Run implements the command.
func (c *outboxSendCommand) Run(ctx context.Context, p *Process) error {
	return c.each(ctx, p.Stdout, &c.remote, "send", "will be sent again")
}

// outboxDropCommand drops messages.
type outboxDropCommand struct {
	remote
	messageIDs
}

// Run implements the command.
func (c *outboxDropCommand) Run(ctx context.Context, p *Process) error {
	return c.each(ctx, p.Stdout, &c.remote, "drop", "dropped")
}

// stand stops or starts a channel, or all.
func (r *remote) stand(ctx context.Context, p *Process, all *commands, action, channel string) error {
	text, err := json.Marshal(view.ChannelQuestion{Channel: channel})
	if err != nil {
		return err
	}
	body, err := r.do(ctx, http.MethodPost, outboxPath+"/"+action, text)
	if err != nil {
		return err
	}
	var s view.ChannelStand
	if err := json.Unmarshal(body, &s); err != nil {
		return exit(NoReply, "the answer of %s does not say how the channels stand: %w", r.Server, err)
	}
	drawing{color: all.colored(p.Stdout)}.channels(p.Stdout, s.Channels, s.Stopped, p.now())
	return nil
}

// outboxStopCommand stops channels.
type outboxStopCommand struct {
	remote
	Channel string `arg:"" optional:"" help:"Name of the channel; without one all are stopped."`
}

// Run implements the command.
func (c *outboxStopCommand) Run(ctx context.Context, p *Process, all *commands) error {
	return c.stand(ctx, p, all, "stop", c.Channel)
}

// outboxStartCommand starts channels.
type outboxStartCommand struct {
	remote
	Channel string `arg:"" optional:"" help:"Name of the channel; without one the stop of all ends, and those that were stopped by name stay so."`
}

// Run implements the command.
func (c *outboxStartCommand) Run(ctx context.Context, p *Process, all *commands) error {
	return c.stand(ctx, p, all, "start", c.Channel)
}
