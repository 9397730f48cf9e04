// Package schedule runs jobs at intervals: the polls of all probes. It owns the
// goroutines that they run on.
//
// # Time
//
// Time is cut into slots (Options.Slot, 50 ms): all runs that are due in a slot start
// together at its end, because waking the process costs far more than a run; those of
// jobs that run every 5 s or less often start together every 100 ms. A job's place
// within its interval follows from a hash of its key, so that jobs of equal intervals
// spread evenly, and keep their places over a restart. The wall clock is read once, in
// New; from there only the monotonic clock counts, so that a step of the wall clock and
// the change to summer time do nothing.
//
// A job that is added runs once as soon as may be, paced to Options.Pace first runs a
// second, or at its regular place if that comes sooner.
//
// Waiting jobs live in a map of slots with a heap of the slot numbers. Jobs of equal
// intervals share few slots (200 for 10 s), so that filing a job is an append, the heap
// stays small, and there is a single timer. A timing wheel would do the same with
// several levels for intervals from 100 ms to days, and code to move jobs between them.
//
// # Rules
//
// At most one run of a job is under way. What falls due meanwhile is missed: counted,
// skipped, and told with the job's next Outcome, never run in a burst. The same goes
// for runs that fell due while the process was stopped; only a job whose interval is
// longer than five minutes is then run once more, spread over five minutes.
//
// A run ends with its timeout, which is shorter than the interval: 80 % of it, and not
// more than a minute, unless the job says otherwise. A panic in a run is that run's
// error.
//
// Limits hold for all runs, for each kind and for each target. A run that finds a limit
// reached waits in the queue of that limit, holding no place in any other, so that it
// delays only runs that wait for the same thing.
//
// A job that fails is suspect until it succeeds, and so is one that used up its timeout,
// whatever it returned. Suspects together get at most half of the places of each limit
// (at least one): the dead may delay each other, not the living. A job that has failed three
// times in a row runs at twice its interval, then four times, then eight, as long as
// that is not more than Options.MaxBackoff (or its interval, if that is longer). One
// success ends this at once. A run that returned without an error, though it found its
// resource down, is no failure: its reading is wanted on time.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options of a Schedule. The zero value is usable.
type Options struct {
	// Slot is the length of a slot, 20 to 100 ms; 0 means 50 ms.
	Slot time.Duration
	// Limit bounds all runs under way, KindLimit those of one kind, TargetLimit those
	// of one target (jobs without a target are not bound by it). 0 means 10,000, 1,000
	// and 4.
	Limit, KindLimit, TargetLimit int
	// Kinds are the limits of kinds that differ from KindLimit; 0 counts as absent.
	Kinds map[string]int
	// Pace is how many first runs start in a second; 0 means 1,000.
	Pace int
	// MaxBackoff bounds the stretched interval of a failing job; 0 means 5 minutes.
	MaxBackoff time.Duration
	// Log gets the stacks of panics; nil means slog.Default().
	Log *slog.Logger
}

// Job is what to run. Its functions are called from a goroutine of the schedule, of
// one job never two at once.
type Job struct {
	// Key tells where in its interval the job has its place: the same key, the same
	// place. It should be unique and is not checked to be.
	Key string
	// Kind and Target choose the limits; an empty Target has none.
	Kind, Target string
	// Every is the interval, at least a slot; 0: the job runs only by Trigger.
	Every time.Duration
	// Timeout bounds a run; it is shorter than Every. 0 means 80 % of Every, at most a
	// minute, or 10 s for a job that runs only by Trigger.
	Timeout time.Duration
	// Run does the work. Its context ends at the timeout, at Remove, and with the
	// schedule; it must return then.
	Run func(ctx context.Context) error
	// Done, if not nil, is told how a run went, before the next run of the job may
	// start. It is not called once Remove was called or the schedule's context has ended.
	// It may call Trigger, Update and Add, but not Remove of its own job.
	Done func(Outcome)
}

// Outcome is how one run went.
type Outcome struct {
	Start    time.Time
	Duration time.Duration
	// Err is what Run returned, or what stands for it after a panic.
	Err error
	// Late is how long after its slot, or the slot of its Trigger, the run started.
	Late time.Duration
	// Missed is how many due runs were skipped since the run before.
	Missed int
	// Panicked says that Run ended in a panic; the stack is in the log.
	Panicked bool
}

// Handle names a job of one schedule. The zero Handle names none.
type Handle struct{ j *job }

// IsZero says whether the handle names no job.
func (h Handle) IsZero() bool { return h.j == nil }

// The errors of this package.
var (
	ErrClosed  = errors.New("the schedule has ended")
	ErrRemoved = errors.New("the job was removed")
	ErrJob     = errors.New("job cannot be scheduled")
)

const (
	defaultSlot        = 50 * time.Millisecond
	defaultLimit       = 10_000
	defaultKindLimit   = 1_000
	defaultTargetLimit = 4
	defaultPace        = 1_000
	defaultMaxBackoff  = 5 * time.Minute
	defaultTimeoutMost = time.Minute      // the longest timeout that nobody asked for
	defaultTriggered   = 10 * time.Second // the timeout of a job that has no interval

	// together is the distance of the places of jobs that run every sparse or less often:
	// the process is woken half as often, and nobody sees a difference.
	together = 100 * time.Millisecond
	sparse   = 5 * time.Second

	// catchUp is the window over which overdue jobs of long intervals are spread.
	catchUp = 5 * time.Minute
	// tolerated is how late a slot may be handled before its runs count as missed.
	tolerated = time.Second
)

// Schedule runs jobs. Its methods may be called from any goroutine.
type Schedule struct {
	opt   Options
	start time.Time // carries the monotonic clock
	epoch time.Duration
	wake  chan struct{} // the first slot may have changed
	wg    sync.WaitGroup

	mu      sync.Mutex // guards all below, and the mutable part of every job
	idle    *sync.Cond // a run ended that somebody waits for
	waiters int
	base    context.Context // of all runs; nil until Run
	cancel  context.CancelFunc
	closed  bool
	slots   slots
	all     *limit
	kinds   map[string]*limit
	targets map[string]*limit
	paced   time.Duration // when the next first run may start
	stats   Stats
}

// job is a Job with its state, guarded by the schedule's mutex.
type job struct {
	Job
	hash   uint64
	limits [3]*limit // target (may be nil), kind, all

	slot     int64 // number of the slot it is filed in; -1: none
	pos      int   // its place there
	due      time.Duration
	prompt   bool // filed by Trigger or as a first run: not at its regular place
	state    state
	again    bool // triggered while it was running
	removed  bool
	cancel   context.CancelFunc
	missed   int
	failures int
	suspect  bool

	queue      *queue // the one that it waits in
	prev, next *job
}

type state uint8

const (
	idle state = iota
	waiting
	running
)

// New returns a schedule that does nothing until Run. Options out of range are
// corrected to the nearest that is in range.
func New(o Options) *Schedule {
	fill := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	if o.Slot == 0 {
		o.Slot = defaultSlot
	}
	o.Slot = min(max(o.Slot, 20*time.Millisecond), 100*time.Millisecond)
	fill(&o.Limit, defaultLimit)
	fill(&o.KindLimit, defaultKindLimit)
	fill(&o.TargetLimit, defaultTargetLimit)
	fill(&o.Pace, defaultPace)
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = defaultMaxBackoff
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	now := time.Now()
	s := &Schedule{
		opt:     o,
		start:   now,
		epoch:   time.Duration(now.UnixNano()),
		wake:    make(chan struct{}, 1),
		slots:   newSlots(o.Slot),
		all:     newLimit(o.Limit),
		kinds:   map[string]*limit{},
		targets: map[string]*limit{},
	}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// now is the time since New by the monotonic clock.
func (s *Schedule) now() time.Duration { return time.Since(s.start) }

// Add schedules a job.
func (s *Schedule) Add(j Job) (Handle, error) {
	if j.Key == "" || j.Run == nil {
		return Handle{}, fmt.Errorf("%w: it needs a key and a function", ErrJob)
	}
	timeout, err := s.checkTimes(j.Every, j.Timeout)
	if err != nil {
		return Handle{}, fmt.Errorf("%w: %s: %w", ErrJob, j.Key, err)
	}
	j.Timeout = timeout
	n := &job{Job: j, hash: hash(j.Key), slot: -1}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Handle{}, ErrClosed
	}
	n.limits = [3]*limit{s.targetLocked(j.Target), s.kindLocked(j.Kind), s.all}
	s.stats.Jobs++
	if j.Every > 0 {
		now := s.now()
		at := max(now, s.paced)
		s.paced = at + time.Second/time.Duration(s.opt.Pace)
		n.prompt = true
		s.fileLocked(n, min(at, s.placeLocked(n, now)))
	}
	return Handle{n}, nil
}

func (s *Schedule) checkTimes(every, timeout time.Duration) (time.Duration, error) {
	switch {
	case every < 0 || timeout < 0:
		return 0, errors.New("a negative time")
	case every > 0 && every < s.opt.Slot:
		return 0, fmt.Errorf("the interval %v is shorter than a slot of %v", every, s.opt.Slot)
	case every > 0 && timeout >= every:
		return 0, fmt.Errorf("the timeout %v is not shorter than the interval %v", timeout, every)
	case timeout > 0:
		return timeout, nil
	case every > 0:
		return min(every*8/10, defaultTimeoutMost), nil
	default:
		return defaultTriggered, nil
	}
}

// Update changes a job's interval and timeout, with the rules of Job. A run under way
// keeps the timeout that it started with.
func (s *Schedule) Update(h Handle, every, timeout time.Duration) error {
	if h.j == nil {
		return ErrRemoved
	}
	timeout, err := s.checkTimes(every, timeout)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrJob, h.j.Key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := h.j
	switch {
	case s.closed:
		return ErrClosed
	case j.removed:
		return ErrRemoved
	}
	changed := j.Every != every
	j.Every, j.Timeout = every, timeout
	if !changed || j.prompt && j.slot >= 0 {
		return nil // a prompt run finds its next place itself
	}
	s.slots.remove(j)
	if every > 0 {
		s.fileLocked(j, s.placeLocked(j, s.now()))
	}
	return nil
}

// Next returns when a job will start to run next, as far as that is known; zero: while a
// run is under way or waits for a limit, and for a job that only Trigger runs.
func (s *Schedule) Next(h Handle) time.Time {
	if h.j == nil {
		return time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.j.slot < 0 || h.j.state != idle {
		return time.Time{}
	}
	return s.start.Add(time.Duration(h.j.slot) * s.opt.Slot)
}

// Trigger makes a job run in the next slot. Triggers until then count as one; one that
// comes while the job runs or waits for a limit makes it run once more, or not at all
// more, respectively.
func (s *Schedule) Trigger(h Handle) {
	if h.j == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := h.j; !j.removed && !s.closed {
		s.triggerLocked(j)
	}
}

func (s *Schedule) triggerLocked(j *job) {
	switch j.state {
	case running:
		j.again = true
	case idle:
		at := s.now() + 1
		if j.slot < 0 || s.slots.number(at) < j.slot {
			j.prompt = true
			s.fileLocked(j, at)
		}
	}
}

// Remove takes a job out. A run that is under way is cancelled and waited for: when
// Remove returns, neither Run nor Done is called any more.
func (s *Schedule) Remove(h Handle) {
	j := h.j
	if j == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !j.removed {
		j.removed = true
		s.stats.Jobs--
		s.slots.remove(j)
		if j.state == waiting {
			j.queue.remove(j)
			j.state = idle
			s.stats.Waiting--
		}
		if t := j.limits[0]; t != nil {
			if t.jobs--; t.jobs == 0 {
				delete(s.targets, j.Target)
			}
		}
		if j.cancel != nil {
			j.cancel()
		}
	}
	s.waiters++
	for j.state == running {
		s.idle.Wait()
	}
	s.waiters--
}

// Run starts the runs as they fall due, until ctx ends; then it cancels what is under
// way, waits for it and returns nil. It may be called once.
func (s *Schedule) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.base != nil {
		s.mu.Unlock()
		return errors.New("the schedule was started before")
	}
	s.base, s.cancel = context.WithCancel(ctx)
	s.mu.Unlock()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		s.mu.Lock()
		if ctx.Err() == nil {
			s.fireLocked(s.now())
		}
		next, ok := s.slots.next()
		s.mu.Unlock()
		if ok {
			timer.Reset(max(0, next-s.now()))
		} else {
			timer.Stop()
		}
	}
	s.mu.Lock()
	s.closed = true
	s.cancel()
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// fileLocked files a job under the slot that ends at or after the time.
func (s *Schedule) fileLocked(j *job, at time.Duration) {
	if first := s.slots.file(j, at); first && s.base != nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// placeLocked returns the first of the job's regular places after a time.
func (s *Schedule) placeLocked(j *job, after time.Duration) time.Duration {
	if j.Every < sparse || s.opt.Slot >= together {
		return s.regular(j, after)
	}
	at := (s.regular(j, after-together) + together - 1) / together * together
	if at <= after {
		at = (s.regular(j, at) + together - 1) / together * together
	}
	return at
}

// regular returns the first time after another at which the job's interval begins anew.
func (s *Schedule) regular(j *job, after time.Duration) time.Duration {
	phase := time.Duration(j.hash % uint64(j.Every))
	since := (s.epoch + after - phase) % j.Every
	if since < 0 {
		since += j.Every
	}
	return after + j.Every - since
}

func (s *Schedule) kindLocked(kind string) *limit {
	l := s.kinds[kind]
	if l == nil {
		n := s.opt.Kinds[kind]
		if n <= 0 {
			n = s.opt.KindLimit
		}
		l = newLimit(n)
		s.kinds[kind] = l
	}
	return l
}

func (s *Schedule) targetLocked(target string) *limit {
	if target == "" {
		return nil
	}
	l := s.targets[target]
	if l == nil {
		l = newLimit(s.opt.TargetLimit)
		s.targets[target] = l
	}
	l.jobs++
	return l
}

// hash is FNV-1a: the same in every process, so that places survive a restart.
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	// The last bytes of FNV reach the low bits only; a modulo of a large interval needs all.
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}
