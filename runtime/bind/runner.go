package bind

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
)

// sender is a probe that others push readings to, as the receivers make them.
type sender interface {
	Attach(instance, name string, deliver func(probe.Result)) (detach func(), err error)
}

// How long to wait before a watch that failed is begun again.
const (
	rewatchFirst = time.Second
	rewatchMost  = time.Minute
)

// runner is one probe that runs, with its bean.
type runner struct {
	b        *Binder
	inst     *instance         // set before it is started
	plan     *definition.Probe // that it was made of; only its place in the file may differ from what the files say now
	probe    probe.Probe
	bean     runtimeBean
	beanName beans.Name

	// Guarded by inst.mu.
	routes routes
	gone   bool   // it was replaced or left: results that are still under way are dropped
	told   string // the failure that its nodes without a reading show

	asking turn    // held in a run and while the probe is asked what it remembers, so that one is not beside the other
	memory *memory // nil: the probe remembers nothing, or there is nowhere to keep it

	life    turn // held while it starts or stops; guards what follows
	retired bool
	running bool
	watches bool               // some node waits for announcements
	cancel  context.CancelFunc // of the watch
	watched chan struct{}      // closed when the watch has ended
	detach  func()

	mu      sync.Mutex // guards what follows; nothing is called with it held but the schedule
	handle  schedule.Handle
	every   time.Duration // 0: runs only when it is asked to
	timeout time.Duration
	asked   time.Time
	last    []tree.Value            // the latest readings, as attributes
	lines   map[string][]tree.Event // the latest of attributes that yield events
	tables  []keptTable             // the latest of attributes that are tables
	runs    runStats
}

// keptTable is the latest reading of an attribute that is a table.
type keptTable struct {
	attribute string
	table     *probe.Kept
}

// downText is what a result says of a resource that is down, which is a reading and no
// failed run: the kinds of probes say so by the attributes up and error. It is empty when
// the resource is up, and when nothing is said of that.
func downText(res *probe.Result) string {
	down, why := false, ""
	for k := range res.Values {
		switch v := &res.Values[k]; v.Attribute {
		case "up":
			n, ok := v.Value.Number()
			down = ok && n == 0
		case "error":
			why = v.Value.String()
		}
	}
	switch {
	case !down:
		return ""
	case why == "":
		return "what it asks is down"
	}
	return why
}

// runStats is how the runs of a probe went.
type runStats struct {
	lastRun      time.Time
	lastDuration time.Duration
	lastError    string
	down         string // what the last result said of a resource that is down
	runs         uint64
	failures     uint64
	missed       uint64
	late         time.Duration // of all runs together
}

// construct makes the probe of a plan; nothing runs yet.
func (b *Binder) construct(instance *definition.Instance, p *definition.Probe) (r *runner, err error) {
	kind, ok := b.opts.Registry.Kind(p.Kind)
	if !ok {
		return nil, fmt.Errorf("%w %q", probe.ErrUnknownKind, p.Kind)
	}
	defer func() {
		if caught := recover(); caught != nil {
			r, err = nil, fmt.Errorf("kind %s panicked: %v", p.Kind, caught)
		}
	}()
	made, err := kind.New(p.Options)
	if err != nil {
		return nil, err
	}
	if b.opts.Wrap != nil {
		made = b.opts.Wrap(instance, made)
	}
	r = &runner{b: b, plan: p, probe: made, timeout: p.Timeout}
	if p, ok := made.(probe.Rememberer); ok && b.opts.Memories != nil {
		r.memory = &memory{probe: p}
	}
	r.bean.r, r.bean.attributes = r, b.described(made.Attributes())
	r.last = make([]tree.Value, len(r.bean.yields()))
	r.beanName, err = beans.NewName("grove", "type", "RuntimeBean", "instance", beans.Quote(instance.Name),
		"name", beans.PropertyValue(p.Name), "kind", beans.PropertyValue(p.Kind))
	if err != nil {
		return nil, errors.Join(err, made.Close())
	}
	return r, nil
}

// keyOf returns which column of a table tells its rows apart.
func (r *runner) keyOf(t *probe.Table) (column int, ok bool) {
	k := r.attribute(t.Attribute)
	if k < 0 || r.bean.yields()[k].Type != beans.TypeTable {
		return 0, false
	}
	column = slices.Index(t.Columns, r.bean.yields()[k].Key)
	return column, column >= 0
}

// attribute is the place of an attribute among those that the probe yields; -1: it yields
// no such one.
func (r *runner) attribute(name string) int {
	yields := r.bean.yields()
	for k := range yields {
		if yields[k].Name == name {
			return k
		}
	}
	return -1
}

// fit decides what the probe's nodes need of it: whether a timer runs it, and whether
// its announcements count. It is called with the lock of the instance held.
func (r *runner) fit() (every time.Duration, watches bool) {
	timer, watches := r.plan.Mode == tree.Timer, r.plan.Mode == tree.Notification
	r.routes.each(func(s *slot) {
		for _, t := range s.targets {
			timer = timer || t.source.Mode == tree.Timer
			watches = watches || t.source.Mode == tree.Notification
		}
	})
	if timer {
		every = r.plan.Every
	}
	return every, watches
}

// begin registers the bean and starts the probe for the first time.
func (r *runner) begin(every time.Duration, watches bool) error {
	r.mu.Lock()
	r.every = every
	r.mu.Unlock()
	r.life.Lock()
	r.watches = watches
	r.life.Unlock()
	r.recall()
	if r.b.opts.Beans != nil {
		if _, err := r.b.opts.Beans.Register(&r.bean, r.beanName); err != nil {
			return err
		}
	}
	return r.start()
}

// adjust brings a probe that goes on to what its nodes need now. An interval that was
// tuned stays, unless the probe had none.
func (r *runner) adjust(every time.Duration, watches bool) error {
	r.life.Lock()
	defer r.life.Unlock()
	if watches != r.watches {
		r.watches = watches
		switch {
		case watches && r.running:
			r.startWatch()
		case r.cancel != nil: // it ends on its own; stop waits for it
			r.cancel()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if (every == 0) == (r.every == 0) {
		return nil
	}
	r.every = every
	if r.running {
		return r.b.opts.Schedule.Update(r.handle, every, r.timeout)
	}
	return nil
}

// start makes the probe run; one that runs already goes on.
func (r *runner) start() error {
	r.life.Lock()
	defer r.life.Unlock()
	if r.running || r.retired {
		return nil
	}
	if s, ok := r.probe.(sender); ok {
		// Nothing may be locked that deliver takes: what sends holds a lock of its own.
		detach, err := s.Attach(r.inst.name, r.plan.Name, r.sent)
		if err != nil {
			return err
		}
		r.detach = detach
	}
	r.mu.Lock()
	handle, err := r.b.opts.Schedule.Add(schedule.Job{
		Key: r.inst.name + "/" + r.plan.Name, Kind: r.plan.Kind, Target: r.probe.Target(),
		Every: r.every, Timeout: r.timeout, Run: r.run, Done: r.done,
	})
	r.handle = handle
	r.mu.Unlock()
	if err != nil {
		if r.detach != nil {
			r.detach()
			r.detach = nil
			r.memorizeLast()
		}
		return err
	}
	r.running = true
	if r.watches {
		r.startWatch()
	}
	return nil
}

// startWatch begins to listen for announcements; life is held.
func (r *runner) startWatch() {
	r.mu.Lock()
	if r.every == 0 {
		r.b.opts.Schedule.Trigger(r.handle) // what there is before the first announcement
	}
	r.mu.Unlock()
	announcer, ok := r.probe.(probe.Announcer)
	if !ok {
		return
	}
	before := r.watched
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan struct{})
	r.cancel, r.watched = cancel, watched
	go func() {
		defer close(watched)
		if before != nil {
			<-before // Watch of one probe runs once at a time
		}
		r.watch(ctx, announcer)
	}()
}

// watch keeps a Watch of the probe up until ctx ends.
func (r *runner) watch(ctx context.Context, a probe.Announcer) {
	for wait := rewatchFirst; ; wait = min(2*wait, rewatchMost) {
		err := guard(func() error { return a.Watch(ctx, r.announce) })
		if ctx.Err() != nil || err == nil {
			return
		}
		r.b.opts.Logger.Warn("A probe could not watch its resource.", "instance", r.inst.name, "probe", r.plan.Name, "err", err, "again_in", wait)
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
}

// guard turns a panic into an error.
func guard(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return call()
}

// announce says that the probe has something: it is run, and its bean tells everybody.
// It does not block.
func (r *runner) announce() {
	r.trigger()
	r.bean.Emit(beans.Notification{
		Type: TypeAvailable, Source: r.beanName,
		Message: fmt.Sprintf("probe %s of instance %s has something to be read", r.plan.Name, r.inst.name),
	})
}

// trigger asks for a run.
func (r *runner) trigger() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.opts.Schedule.Trigger(r.handle)
}

// ask triggers a run because somebody looks, unless one was asked for just now.
func (r *runner) ask(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && now.Sub(r.asked) < askedEvery {
		return
	}
	r.asked = now
	r.b.opts.Schedule.Trigger(r.handle)
}

// stop ends the runs and waits for the one that is under way. It may be started again.
func (r *runner) stop() {
	r.life.Lock()
	defer r.life.Unlock()
	r.halt()
}

func (r *runner) halt() {
	if !r.running {
		return
	}
	if r.detach != nil {
		r.detach()
		r.detach = nil
	}
	if r.cancel != nil {
		r.cancel()
	}
	if r.watched != nil {
		<-r.watched
		r.cancel, r.watched = nil, nil
	}
	r.mu.Lock()
	handle := r.handle
	r.handle = schedule.Handle{}
	r.mu.Unlock()
	r.b.opts.Schedule.Remove(handle)
	r.memorizeLast()
	r.running = false
}

// retire stops the probe for good and frees what it holds.
func (r *runner) retire() {
	if r.b.opts.Beans != nil {
		// It can only fail because somebody else unregistered the bean before.
		_ = r.b.opts.Beans.Unregister(r.beanName)
	}
	r.life.Lock()
	defer r.life.Unlock()
	r.halt()
	r.close()
}

// close frees what a probe that does not run holds.
func (r *runner) close() {
	if r.retired {
		return
	}
	r.retired = true
	if err := guard(r.probe.Close); err != nil {
		r.b.opts.Logger.Warn("A probe could not be closed.", "probe", r.plan.Name, "kind", r.plan.Kind, "err", err)
	}
}

// sent takes what the probe sends by itself.
func (r *runner) sent(res probe.Result) {
	r.inst.deliver(r, &res, true, false)
	r.memorizeSoon()
}

// run is one run of the probe, on a goroutine of the schedule.
func (r *runner) run(ctx context.Context) error {
	r.asking.Lock()
	defer r.asking.Unlock()
	res, err := r.probe.Run(ctx)
	r.inst.deliver(r, &res, false, err != nil)
	if text := downText(&res); err == nil && text != "" {
		r.inst.failed(r, probeReason(r.plan.Name, errors.New(text)))
	}
	r.memorize()
	if s, ok := r.probe.(probe.Saver); ok {
		s.Free()
	}
	return err
}

// done takes notes of a run.
func (r *runner) done(o schedule.Outcome) {
	r.b.count(r.plan.Kind, &o)
	if r.b.opts.Ran != nil {
		r.b.opts.Ran(r.plan.Kind, o)
	}
	r.mu.Lock()
	s := &r.runs
	before := s.lastError
	s.lastRun, s.lastDuration, s.lastError = o.Start, o.Duration, ""
	s.runs++
	s.missed += uint64(o.Missed)
	s.late += o.Late
	if o.Err != nil {
		s.lastError = o.Err.Error()
		s.failures++
	}
	r.mu.Unlock()
	if o.Err == nil {
		return
	}
	r.inst.failed(r, probeReason(r.plan.Name, o.Err))
	if before == "" {
		r.bean.Emit(beans.Notification{
			Type: TypeFailed, Source: r.beanName, Time: o.Start.Add(o.Duration),
			Message: fmt.Sprintf("probe %s of instance %s failed: %v", r.plan.Name, r.inst.name, o.Err),
		})
	}
}

// remember keeps the latest readings for the bean. What the probe keeps by itself is not
// kept again.
func (r *runner) remember(res *probe.Result, pushed bool) {
	saver, _ := r.probe.(probe.Saver)
	if pushed {
		saver = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs.down = downText(res)
	for k := range res.Values {
		v := &res.Values[k]
		if at := r.attribute(v.Attribute); at >= 0 {
			r.last[at] = v.Value
		}
		if len(v.Events) > 0 || r.lines[v.Attribute] != nil {
			if r.lines == nil {
				r.lines = map[string][]tree.Event{}
			}
			r.lines[v.Attribute] = slices.Clone(v.Events)
		}
	}
	for k := range res.Tables {
		t := &res.Tables[k]
		var kept *probe.Kept
		if saver != nil {
			kept = saver.Kept(t.Attribute)
		}
		at := slices.IndexFunc(r.tables, func(have keptTable) bool { return have.attribute == t.Attribute })
		if at < 0 {
			at = len(r.tables)
			r.tables = append(r.tables, keptTable{attribute: t.Attribute})
		}
		if kept == nil {
			kept = probe.Keep(t, r.tables[at].table)
		}
		r.tables[at].table = kept
	}
}

// table is the latest reading of an attribute that is a table; nil: there is none. The lock
// mu is held.
func (r *runner) table(attribute string) *probe.Kept {
	for _, have := range r.tables {
		if have.attribute == attribute {
			return have.table
		}
	}
	return nil
}

// interval is how often the timer runs the probe; 0: it does not.
func (r *runner) interval() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.every
}

// freshFor is how long a reading may stand for the present one in a derived value;
// 0: until the next.
func (r *runner) freshFor() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.every == 0 {
		return 0
	}
	return 3*r.every + r.timeout
}

// setTimes changes how often the probe runs and how long a run may take.
func (r *runner) setTimes(every, timeout time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.every == 0 && every != 0:
		return fmt.Errorf("the probe is in mode %s: no timer runs it", r.plan.Mode)
	case r.every != 0 && (every < definition.MinEvery || every > definition.MaxEvery):
		return fmt.Errorf("the interval is %v to %v, not %v", definition.MinEvery, definition.MaxEvery, every)
	case timeout <= 0 || timeout > definition.MaxEvery:
		return fmt.Errorf("the timeout is more than 0 and at most %v, not %v", definition.MaxEvery, timeout)
	case every != 0 && timeout >= every:
		return fmt.Errorf("the timeout %v is not shorter than the interval %v", timeout, every)
	}
	if !r.handle.IsZero() {
		if err := r.b.opts.Schedule.Update(r.handle, every, timeout); err != nil {
			return err
		}
	}
	r.every, r.timeout = every, timeout
	return nil
}

// notes returns a copy of how the runs went.
func (r *runner) notes() (runs runStats, every, timeout time.Duration, running bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs, r.every, r.timeout, !r.handle.IsZero()
}
