package monitor

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	"grove/beans"
)

const (
	// MaxActive bounds the monitors of one service that are started.
	MaxActive = 10_000
	// MaxScans bounds the scans that run at once. A bean that does not answer holds up
	// the one monitor that reads it.
	MaxScans = 8

	longestWait = time.Minute
)

// ErrFull is the error of starting a monitor beyond MaxActive.
var ErrFull = fmt.Errorf("start the monitor: %d monitors are active already, which is the bound", MaxActive)

// Options are the surroundings of a Service.
type Options struct {
	// Beans is where the observed beans are.
	Beans *beans.Server
	// Notify gets the notifications of all monitors that are registered, with their
	// names as the Source; nil: only those who subscribe do.
	Notify beans.Listener
}

// Service makes monitors and scans for those that are started. [NewService] makes one;
// its methods may be called from many goroutines.
type Service struct {
	opts Options
	wake chan struct{} // tells Run that something changed

	mu     sync.Mutex // guards what follows
	queue  queue
	active int
}

// NewService returns a service without monitors. Nothing is scanned until
// [Service.Run] runs.
func NewService(o Options) *Service { return &Service{opts: o, wake: make(chan struct{}, 1)} }

// job is a monitor from its start to its stop.
type job struct {
	scan    func(ctx context.Context, j *job)
	period  time.Duration
	next    time.Time
	place   int  // in the queue; -1: it is being scanned
	stopped bool // it is not queued again
}

// Run scans for all monitors until the context ends, waits for the scans that are under
// way, and returns the context's error. It must run once at a time.
func (s *Service) Run(ctx context.Context) error {
	alarm := time.NewTimer(longestWait)
	defer alarm.Stop()
	var scans sync.WaitGroup
	defer scans.Wait()
	places := make(chan struct{}, MaxScans)
	for {
		for {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			j := s.due(time.Now())
			if j == nil || ctx.Err() != nil {
				<-places
				break
			}
			scans.Go(func() {
				defer func() { <-places }()
				j.scan(ctx, j)
				s.scanned(j)
			})
		}
		alarm.Reset(s.wait(time.Now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		case <-alarm.C:
		}
	}
}

// due takes the job that is due by now out of the queue.
func (s *Service) due(now time.Time) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || s.queue[0].next.After(now) {
		return nil
	}
	return heap.Pop(&s.queue).(*job)
}

// scanned puts a job back: the next scan follows the end of the last by the period.
func (s *Service) scanned(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.stopped {
		return
	}
	j.next = time.Now().Add(j.period)
	heap.Push(&s.queue, j)
	s.changed()
}

func (s *Service) wait(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return longestWait
	}
	return min(longestWait, max(0, s.queue[0].next.Sub(now)))
}

// begin queues a monitor: its first scan comes after one period.
func (s *Service) begin(scan func(context.Context, *job), period time.Duration) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active >= MaxActive {
		return nil, ErrFull
	}
	s.active++
	j := &job{scan: scan, period: period, next: time.Now().Add(period)}
	heap.Push(&s.queue, j)
	s.changed()
	return j, nil
}

// every changes the period of a job and begins it anew.
func (s *Service) every(j *job, period time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.period = period
	if j.place >= 0 && !j.stopped {
		j.next = time.Now().Add(period)
		heap.Fix(&s.queue, j.place)
		s.changed()
	}
}

// end takes a job out.
func (s *Service) end(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.stopped {
		return
	}
	j.stopped = true
	s.active--
	if j.place >= 0 {
		heap.Remove(&s.queue, j.place)
	}
}

// changed makes Run look again.
func (s *Service) changed() {
	select {
	case s.wake <- struct{}{}:
	default: // it is told already
	}
}

// queue is a heap of jobs, the one to be scanned next first.
type queue []*job

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next.Before(q[j].next) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	j := x.(*job)
	j.place = len(*q)
	*q = append(*q, j)
}

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	last.place = -1
	return last
}
