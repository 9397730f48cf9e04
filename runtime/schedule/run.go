package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// fireLocked handles all slots that have ended by now.
func (s *Schedule) fireLocked(now time.Duration) {
	for {
		end, ok := s.slots.next()
		if !ok || end > now {
			return
		}
		list := s.slots.pop()
		for _, j := range list {
			s.dueLocked(j, end, now)
		}
		s.slots.reuse(list)
	}
}

// dueLocked handles one job whose slot ended at end.
func (s *Schedule) dueLocked(j *job, end, now time.Duration) {
	prompt := j.prompt
	j.prompt = false
	overdue := !prompt && now-end > tolerated
	if j.Every > 0 {
		at := s.placeLocked(j, now)
		if overdue && j.state == idle && j.Every > catchUp {
			// To its next place it could be a day.
			if soon := now + time.Duration(j.hash%uint64(catchUp)); soon < at {
				at, j.prompt = soon, true
			}
		}
		s.fileLocked(j, at)
	}
	switch {
	case overdue || j.state != idle && !prompt:
		n := 1
		if j.Every > 0 {
			n += int((now - end) / j.Every)
		}
		j.missed += n
		s.stats.Missed += uint64(n)
	case j.state == running:
		j.again = true
	case j.state == idle:
		j.due = end
		s.startLocked(j)
	}
}

// startLocked starts a run, or queues the job at the first limit that has no room.
func (s *Schedule) startLocked(j *job) {
	for _, l := range j.limits {
		if l != nil && !l.room(j.suspect) {
			if j.state != waiting {
				j.state = waiting
				s.stats.Waiting++
			}
			l.wait(j)
			return
		}
	}
	if j.state == waiting {
		s.stats.Waiting--
	}
	for _, l := range j.limits {
		if l != nil {
			l.take(j.suspect)
		}
	}
	j.state = running
	late := max(0, s.now()-j.due)
	s.stats.Running++
	s.stats.late(late)
	out := &Outcome{Start: time.Now(), Late: late, Missed: j.missed}
	j.missed = 0
	ctx, cancel := context.WithTimeout(s.base, j.Timeout)
	j.cancel = cancel
	s.wg.Add(1)
	go s.run(ctx, j, j.Timeout, out)
}

// run is the goroutine of one run.
func (s *Schedule) run(ctx context.Context, j *job, timeout time.Duration, out *Outcome) {
	defer s.wg.Done()
	// Deferred, because Run may leave by a panic or by runtime.Goexit.
	defer s.finish(ctx, j, timeout, out)
	out.Err = errors.New("the run ended its goroutine")
	defer func() {
		if p := recover(); p != nil {
			out.Panicked = true
			out.Err = fmt.Errorf("panic: %v", p)
			s.opt.Log.Error("A run panicked.", "job", j.Key, "kind", j.Kind, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	out.Err = j.Run(ctx)
}

func (s *Schedule) finish(ctx context.Context, j *job, timeout time.Duration, out *Outcome) {
	out.Duration = time.Since(out.Start)
	expired := errors.Is(ctx.Err(), context.DeadlineExceeded)
	if expired && errors.Is(out.Err, context.DeadlineExceeded) {
		out.Err = fmt.Errorf("no result within %v: %w", timeout, out.Err)
	}
	s.mu.Lock()
	j.cancel()
	silent := j.removed || s.base.Err() != nil
	s.stats.Runs++
	s.stats.Busy += out.Duration
	if out.Err != nil && !silent {
		s.stats.Failures++
	}
	if out.Panicked {
		s.stats.Panics++
	}
	s.mu.Unlock()
	if j.Done != nil && !silent {
		j.Done(*out)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Running--
	for _, l := range j.limits {
		if l != nil {
			l.give(j.suspect)
		}
	}
	j.state, j.cancel = idle, nil
	if s.waiters > 0 {
		s.idle.Broadcast()
	}
	if s.base.Err() != nil {
		return
	}
	if !j.removed {
		s.judgeLocked(j, out.Err != nil, expired)
		if j.again {
			j.again = false
			s.triggerLocked(j)
		}
	}
	for _, l := range j.limits {
		if l != nil {
			for w := l.next(); w != nil; w = l.next() {
				s.startLocked(w)
			}
		}
	}
}

// judgeLocked draws the conclusions of a run: whether the job is suspect, and how far
// its interval is stretched.
func (s *Schedule) judgeLocked(j *job, failed, expired bool) {
	j.suspect = failed || expired
	if !failed {
		j.failures = 0
		return
	}
	j.failures++
	stretch := s.stretch(j)
	if stretch > 1 && j.slot >= 0 && !j.prompt {
		s.fileLocked(j, s.placeLocked(j, s.now()+time.Duration(stretch-1)*j.Every))
		s.stats.BackedOff += uint64(stretch - 1)
	}
}

// stretch is the factor by which a failing job's interval grows.
func (s *Schedule) stretch(j *job) int {
	const first, most = 3, 3 // failures until the first doubling; doublings
	if j.failures < first || j.Every <= 0 {
		return 1
	}
	f := 1 << min(j.failures-first+1, most)
	for f > 1 && time.Duration(f)*j.Every > s.opt.MaxBackoff {
		f /= 2
	}
	return f
}
