// Package alertmanager is the channel that hands alerts to Prometheus' Alertmanager by its
// API, version 2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
//
// Alertmanager keeps alerts in memory only, and takes one for over when it is not told of
// it until its end. So an alert ends as late as the options say, longer than a route takes
// to repeat it, and is handed over again in between, so that an Alertmanager that was
// started again soon knows it. What grove itself forgets by a restart comes with the next
// message of the route.
package alertmanager

import (
	"context"
	_ "embed"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/labelled"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind.
type Options struct {
	Servers  []string      `yaml:"servers" jsonschema:"description=Addresses of the Alertmanagers; of a cluster all of them."`
	User     string        `yaml:"user,omitempty" jsonschema:"description=User of basic authentication."`
	Password string        `yaml:"password,omitempty" jsonschema:"description=Reference to the password of basic authentication."`
	Bearer   string        `yaml:"bearer,omitempty" jsonschema:"description=Reference to a bearer token."`
	Expire   time.Duration `yaml:"expire,omitempty" jsonschema:"description=How long an alert holds after the last message of its route; longer than the route takes to repeat."`
	Resend   time.Duration `yaml:"resend,omitempty" jsonschema:"description=How often alerts are handed over again; 0 never."`

	Labels map[string]string `yaml:"labels,omitempty" jsonschema:"description=Labels that every alert gets."`

	post.Options `yaml:",inline"`
}

// Bounds of the options.
const (
	maxServers = 16
	maxLabels  = 32
	minExpire  = time.Minute
	maxExpire  = 30 * 24 * time.Hour
	minResend  = time.Second
	maxResend  = time.Hour
)

// Kind returns the kind.
func Kind() channel.Kind {
	return channel.Kind{
		Name: "alertmanager", Doc: doc, Example: example,
		Options: func() any {
			return &Options{Expire: 24 * time.Hour, Resend: time.Minute, Options: post.Defaults()}
		},
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("these are options of another kind: %T", options)
			}
			return open(w, o)
		},
	}
}

// feeder is the channel.
type feeder struct {
	*post.Client
	world *channel.World
	o     *Options

	// Send goes before the handing over again: it says so in waiting, stops what is under way
	// and then has its turn. Both have turns so that nothing old comes after something new.
	waiting  atomic.Int32
	stopping sync.Mutex // guards stop
	stop     context.CancelFunc

	turn    sync.Mutex // guards what follows, and the Client
	told    told
	lost    map[string]bool // servers that did not take the last, for the log
	started bool

	ended chan struct{}
	loop  sync.WaitGroup
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	switch {
	case len(o.Servers) == 0:
		return nil, channel.BadOption("servers", "is missing: write [\"http://alertmanager:9093\"]")
	case len(o.Servers) > maxServers:
		return nil, channel.BadOption("servers", "%d are more than the bound of %d", len(o.Servers), maxServers)
	case o.User != "" && o.Password == "":
		return nil, channel.BadOption("password", "is missing: the user needs one")
	case o.User == "" && o.Password != "":
		return nil, channel.BadOption("user", "is missing: whose password is it?")
	case o.User != "" && o.Bearer != "":
		return nil, channel.BadOption("bearer", "is a second way to log in beside user: leave one out")
	case o.Expire < minExpire || o.Expire > maxExpire:
		return nil, channel.BadOption("expire", "%s is not from %s to %s", o.Expire, minExpire, maxExpire)
	case o.Resend != 0 && (o.Resend < minResend || o.Resend > maxResend):
		return nil, channel.BadOption("resend", "%s is not from %s to %s, nor 0", o.Resend, minResend, maxResend)
	case len(o.Labels) > maxLabels:
		return nil, channel.BadOption("labels", "%d are more than the bound of %d", len(o.Labels), maxLabels)
	}
	for i, server := range o.Servers {
		if err := post.CheckURL(fmt.Sprintf("servers[%d]", i), server); err != nil {
			return nil, err
		}
	}
	for _, s := range []struct{ option, ref string }{{"password", o.Password}, {"bearer", o.Bearer}} {
		if s.ref == "" {
			continue
		}
		if err := post.CheckSecret(w, s.option, s.ref); err != nil {
			return nil, err
		}
	}
	for name, value := range o.Labels {
		if !labelled.IsName(name) || template.OneLine(value) != value || value == "" {
			return nil, channel.BadOption("labels", "%q: %q is no label: letters, digits and _, and one line of text", template.Truncate(name, 100), template.Truncate(value, 100))
		}
	}
	c, err := post.New(w, o.Options)
	if err != nil {
		return nil, err
	}
	return &feeder{Client: c, world: w, o: o, told: newTold(), lost: map[string]bool{}, ended: make(chan struct{})}, nil
}

// Close implements channel.Channel.
func (f *feeder) Close() error {
	close(f.ended)
	f.interrupt()
	f.loop.Wait()
	return f.Client.Close()
}

// interrupt stops what is being handed over again.
func (f *feeder) interrupt() {
	f.stopping.Lock()
	defer f.stopping.Unlock()
	if f.stop != nil {
		f.stop()
	}
}

// Send implements channel.Channel.
func (f *feeder) Send(ctx context.Context, m *channel.Message) error {
	f.waiting.Add(1)
	f.interrupt()
	f.turn.Lock()
	defer f.turn.Unlock()
	f.waiting.Add(-1)
	now := f.world.Time()
	entries, alerts := f.alerts(m, now)
	if err := f.hand(ctx, alerts); err != nil {
		return err
	}
	for _, e := range entries {
		f.told.put(e, now)
	}
	if f.o.Resend > 0 && !f.started {
		f.started = true
		f.loop.Go(f.again)
	}
	return nil
}

// Brief alerts are messages without alerts: how long they hold.
const (
	brief        = 5 * time.Minute
	announcement = time.Hour
)

// alerts makes the alerts of a message; entries are those to keep.
func (f *feeder) alerts(m *channel.Message, now time.Time) (entries []entry, all []labelled.Alert) {
	if len(m.Alerts) == 0 {
		a := f.label(labelled.Note(m, f.Title(m), f.Text(m)))
		a.EndsAt = m.Time.Add(brief)
		if m.Purpose == channel.Announcement {
			a.EndsAt = m.Time.Add(announcement)
		}
		return nil, []labelled.Alert{a}
	}
	for i := range m.Alerts {
		a := f.label(labelled.Of(m, &m.Alerts[i]))
		over := !a.EndsAt.IsZero()
		if !over {
			a.EndsAt = now.Add(f.o.Expire)
		}
		// Another severity is another alert to Alertmanager: the one before it is over.
		if before, changed := f.told.other(m.Alerts[i].Key, a); changed {
			before.EndsAt = now
			all = append(all, before)
			entries = append(entries, entry{key: before.Fingerprint(), alert: before, over: true})
		}
		all = append(all, a)
		entries = append(entries, entry{key: m.Alerts[i].Key, alert: a, over: over})
	}
	return entries, all
}

// label adds the labels of the options.
func (f *feeder) label(a labelled.Alert) labelled.Alert {
	for name, value := range f.o.Labels {
		a.Labels[name] = value
	}
	return a
}

// hand hands alerts to all servers. It is enough that one takes them, as a cluster tells
// its members; the others get them when they are handed over again. If none does, the error
// is the one that has most hope.
func (f *feeder) hand(ctx context.Context, alerts []labelled.Alert) error {
	header, secrets, err := f.login()
	if err != nil {
		return err
	}
	taken := false
	var worst error
	for _, server := range f.o.Servers {
		err := f.Do(ctx, post.Request{URL: post.Join(server, "/api/v2/alerts"), Body: alerts, Header: header, Secrets: secrets})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			taken = true
			f.note(server, nil)
			continue
		}
		f.note(server, err)
		if worst == nil || channel.IsPermanent(worst) && !channel.IsPermanent(err) {
			worst = err
		}
	}
	if taken {
		return nil
	}
	return worst
}

// note logs that a server does not take alerts, and that it does so again, once each.
func (f *feeder) note(server string, err error) {
	switch {
	case err != nil && !f.lost[server]:
		f.world.Log.Warn("an Alertmanager takes no alerts", "server", server, "err", err)
	case err == nil && f.lost[server]:
		f.world.Log.Info("an Alertmanager takes alerts again", "server", server)
	}
	f.lost[server] = err != nil
}

// again hands over again what is known until the channel is closed.
func (f *feeder) again() {
	tick := time.NewTicker(f.o.Resend)
	defer tick.Stop()
	for {
		select {
		case <-f.ended:
			return
		case <-tick.C:
		}
		f.round()
	}
}

// round hands over again all that is known, unless something new is to be sent or the
// channel is closed.
func (f *feeder) round() {
	f.turn.Lock()
	defer f.turn.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.stopping.Lock()
	f.stop = cancel
	f.stopping.Unlock()
	for _, piece := range f.told.pieces(f.world.Time()) {
		select {
		case <-f.ended:
			return
		default:
		}
		// The servers that do not take it are in the log.
		if f.waiting.Load() > 0 || f.hand(ctx, piece) != nil {
			return
		}
	}
}
