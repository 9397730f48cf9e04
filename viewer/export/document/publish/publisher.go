package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"grove/viewer/export/report"
)

// Config are the surroundings of a Publisher.
type Config struct {
	Publications []Options
	// Sources make documents and reports, by what they are: "document", "report".
	Sources map[string]Source
	// Directories are those in which files may be written, absolute; none allows none.
	Directories []string
	// Secret reads a secret by its reference, for each request; nil reads none.
	Secret func(reference string) (string, error)
	// Dial connects to receivers, so that a policy holds for them; nil connects to all.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Version string           // of the program
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
}

// maxAtOnce bounds the publications that are made and delivered at the same time, since
// each holds a copy of what it tells of.
const maxAtOnce = 8

// Publisher publishes. New, then Run.
type Publisher struct {
	config  Config
	client  *http.Client
	room    chan struct{}   // holds one token for each that is under way
	changed []chan struct{} // for each publication on change: something did
	// deliver brings what was made to its place; tests put another in its place.
	deliver func(context.Context, *Options, *Made) error

	mu     sync.Mutex
	states map[string]*Status
}

// Status is how a publication fares.
type Status struct {
	Name      string
	What      string    // "document as xml"
	To        string    // without what may be secret
	Published uint64    // how often it succeeded
	Unchanged uint64    // how often there was nothing new to publish
	Failed    uint64    // how often it was given up
	Success   time.Time // of the last one; zero: none yet
	Failure   time.Time // of the last error; zero: none yet
	Error     string    // the last, until the next success
	Next      time.Time // zero: when something changes
}

// New checks everything that can be checked beforehand.
func New(c Config) (*Publisher, error) {
	if err := CheckAll(c.Publications); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range c.Directories {
		if !filepath.IsAbs(d) {
			return nil, fmt.Errorf("publish: directory %q is not an absolute path", d)
		}
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	p := &Publisher{config: c, room: make(chan struct{}, maxAtOnce), states: map[string]*Status{}}
	p.client = &http.Client{
		Transport: &http.Transport{
			DialContext: c.Dial, ForceAttemptHTTP2: true, MaxIdleConns: 10, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: MaxTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.deliver = p.to
	var errs []error
	for i := range c.Publications {
		o := &c.Publications[i]
		fail := func(key string, err error) { errs = append(errs, fmt.Errorf("publish[%d].%w", i, &KeyError{key, err})) }
		if c.Sources[o.What] == nil {
			fail("what", fmt.Errorf("no %s can be had here", o.What))
		}
		for key, path := range map[string]string{"to.file": o.To.File, "to.directory": o.To.Directory} {
			if path == "" {
				continue
			}
			if _, rest, err := within(c.Directories, path); err != nil {
				fail(key, err)
			} else if rest == "." && key == "to.file" {
				fail(key, errors.New("is a directory"))
			}
		}
		p.states[o.Name] = &Status{Name: o.Name, What: o.What + " as " + o.Format, To: o.To.String()}
	}
	return p, errors.Join(errs...)
}

// String says where to, without what may be secret in an address.
func (t *Target) String() string {
	switch {
	case t.File != "":
		return t.File
	case t.Directory != "":
		return t.Directory + "/"
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// Changed says that a status or the structure of the tree changed. It returns at once.
func (p *Publisher) Changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.changed {
		select {
		case c <- struct{}{}:
		default: // It knows already.
		}
	}
}

// Status says how each publication fares, in the order of the configuration.
func (p *Publisher) Status() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Status, len(p.config.Publications))
	for i := range list {
		list[i] = *p.states[p.config.Publications[i].Name]
	}
	return list
}

// Run publishes until ctx ends; it returns when nothing of it runs any more.
func (p *Publisher) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for i := range p.config.Publications {
		o := &p.config.Publications[i]
		if o.On == "" {
			all.Go(func() { p.onTime(ctx, o) })
			continue
		}
		changes := make(chan struct{}, 1)
		changes <- struct{}{} // The receiver may have nothing, or what was before a restart.
		p.mu.Lock()
		p.changed = append(p.changed, changes)
		p.mu.Unlock()
		all.Go(func() { p.onChange(ctx, o, changes) })
	}
	<-ctx.Done()
	all.Wait()
	p.client.CloseIdleConnections()
	return ctx.Err()
}

// onTime publishes at intervals or at moments. One that would be late since the one
// before took so long is left out.
func (p *Publisher) onTime(ctx context.Context, o *Options) {
	next := func() time.Time { return p.config.Now().Truncate(o.Every).Add(o.Every) }
	if o.At != "" {
		zone, err := report.Zone(o.Zone)
		m, bad := parseMoment(o.At, zone)
		if err != nil || bad != nil {
			return // Cannot be: New has checked it.
		}
		next = func() time.Time { return m.after(p.config.Now()) }
	} else {
		p.publish(ctx, o, next(), "")
	}
	for {
		due := next()
		p.set(o.Name, func(s *Status) { s.Next = due })
		if !sleep(ctx, due.Sub(p.config.Now())) {
			return
		}
		p.publish(ctx, o, next(), "")
	}
}

// onChange publishes when something changed and then nothing for a while.
func (p *Publisher) onChange(ctx context.Context, o *Options, changes <-chan struct{}) {
	settle, pause := orDuration(o.Settle, DefaultSettle), orDuration(o.Pause, DefaultPause)
	var last time.Time // when the last one began
	tag := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
		}
		now := p.config.Now()
		end := now.Add(max(pause, settle)) // at the latest
		if !last.IsZero() && last.Add(pause).After(end) {
			end = last.Add(pause)
		}
		for quiet := now.Add(settle); ; {
			until := quiet
			if earliest := last.Add(pause); !last.IsZero() && until.Before(earliest) {
				until = earliest
			}
			if until.After(end) {
				until = end
			}
			timer := time.NewTimer(until.Sub(p.config.Now()))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-changes:
				timer.Stop()
				if now = p.config.Now(); now.Before(end) {
					quiet = now.Add(settle)
					continue
				}
			case <-timer.C:
			}
			break
		}
		last = p.config.Now()
		if made := p.publish(ctx, o, time.Time{}, tag); made != "" {
			tag = made
		}
	}
}

// publish makes one publication, unless it would say the same as the one with the tag
// before. What fails for a reason that may pass is tried again until the next publication
// is due. The tag of what the receiver has is returned; empty when nothing got there.
func (p *Publisher) publish(ctx context.Context, o *Options, due time.Time, before string) (tag string) {
	tries := o.To.Tries
	if tries == 0 {
		tries = DefaultTries
	}
	wait := time.Second
	for try := 1; ; try++ {
		tag, err := p.once(ctx, o, before)
		var bad *refusal
		switch {
		case ctx.Err() != nil && err != nil:
			return "" // It was stopped, which is no failure of the publication.
		case err == nil && tag == before && before != "":
			p.set(o.Name, func(s *Status) { s.Unchanged++ })
			return tag
		case err == nil:
			now := p.config.Now()
			p.set(o.Name, func(s *Status) { s.Published++; s.Success, s.Error = now, "" })
			return tag
		case errors.As(err, &bad) && !bad.passing():
			return p.giveUp(o, err)
		case try == tries:
			return p.giveUp(o, fmt.Errorf("%w (try %d of %d)", err, try, tries))
		}
		pause := wait
		if bad != nil {
			pause = max(pause, bad.after)
		}
		if !due.IsZero() && p.config.Now().Add(pause).After(due) {
			return p.giveUp(o, fmt.Errorf("%w (try %d; the next publication is due)", err, try))
		}
		now := p.config.Now()
		p.set(o.Name, func(s *Status) { s.Failure, s.Error = now, err.Error() })
		if !sleep(ctx, pause) {
			return ""
		}
		wait = min(2*wait, maxWait)
	}
}

func (p *Publisher) giveUp(o *Options, err error) string {
	now := p.config.Now()
	p.config.Log.Warn("a publication failed", "name", o.Name, "to", o.To.String(), "error", err)
	p.set(o.Name, func(s *Status) { s.Failed++; s.Failure, s.Error = now, err.Error() })
	return ""
}

// once makes what is published as it is now, and delivers it.
func (p *Publisher) once(ctx context.Context, o *Options, before string) (tag string, err error) {
	select {
	case p.room <- struct{}{}:
		defer func() { <-p.room }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	m, err := p.config.Sources[o.What].Make(ctx, o)
	if err != nil {
		return "", err
	}
	if before != "" && m.Tag == before {
		return before, nil
	}
	return m.Tag, p.deliver(ctx, o, m)
}

// to delivers by what kind of place it is.
func (p *Publisher) to(ctx context.Context, o *Options, m *Made) error {
	switch t := &o.To; {
	case t.File != "":
		return p.toFile(t.File, m)
	case t.Directory != "":
		return p.toDirectory(o, m, p.config.Now())
	default:
		return p.send(ctx, o, m)
	}
}

func (p *Publisher) set(name string, change func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.states[name])
}
