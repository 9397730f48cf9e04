package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

const (
	// pause is between two looks at the log's end, so that requests are worth their
	// while, and between two writes of the position.
	pause = time.Second
	// reopening is the pause after the log could not be read.
	reopening = 5 * time.Second
	// A request that is sent again waits from firstBackoff on, twice as long each time.
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
	// patience is how many samples of a chunk a store may refuse one after the other
	// before the rest of the chunk is taken for refused, too.
	patience = 256
	// lastRequests is how long requests that are under way may last when the writer stops.
	lastRequests = 3 * time.Second
)

// target serves one store.
type target struct {
	opts   Target
	file   string // of the position
	spool  *spool
	tail   *tail
	sender *sender
	known  func(metric string) (Metadata, bool)
	now    func() time.Time
	log    *slog.Logger

	chunk []sample
	// resumed says that there was a position: up to two chunks after it may have been
	// sent before the start. Unsure is how many of these samples are still to come.
	resumed bool
	unsure  int
	saved   time.Time

	mu       sync.Mutex // guards the fields below
	progress progress   // everything up to it was taken
	stats    Stats
	oldest   int64 // time of the first sample in hand, Unix milliseconds; 0: none
}

// need is the first segment that the target still reads.
func (t *target) need() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.progress.Segment
}

func (t *target) statistics() Stats {
	t.mu.Lock()
	s, at, oldest := t.stats, t.progress.position, t.oldest
	t.mu.Unlock()
	s.Pending = t.spool.behind(at)
	if oldest != 0 {
		s.Behind = max(t.now().Sub(time.UnixMilli(oldest)), 0)
	}
	return s
}

// run serves the store until ctx ends. Requests that are under way then are finished.
func (t *target) run(ctx context.Context) {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var grace sync.WaitGroup
	defer grace.Wait()
	defer cancel()
	grace.Go(func() {
		select {
		case <-ctx.Done():
			wait(requests, lastRequests)
			cancel()
		case <-requests.Done():
		}
	})
	defer t.sender.close()
	defer t.tail.close()
	for ctx.Err() == nil {
		err := t.follow(ctx, requests)
		t.save(true)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errBehind) && !errors.Is(err, fs.ErrNotExist) { // The log is still to come.
			t.log.Error("remote write: the log of the history cannot be read", "target", t.opts.Name, "error", err)
		}
		wait(ctx, reopening)
	}
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// follow reads the log and sends what it holds until ctx ends or the log fails.
func (t *target) follow(ctx, requests context.Context) error {
	t.mu.Lock()
	at := t.progress.position
	t.mu.Unlock()
	defer t.count()
	if err := t.tail.open(at); err != nil {
		return err
	}
	want := t.opts.Batch * t.opts.Parallel
	if t.resumed {
		t.unsure = 2 * want
	}
	for ctx.Err() == nil {
		var end bool
		var err error
		if t.chunk, end, err = t.tail.next(t.chunk[:0], want); err != nil {
			return err
		}
		t.hold()
		if err := t.send(ctx, requests, t.chunk); err != nil {
			return err
		}
		t.unsure = max(t.unsure-len(t.chunk), 0)
		t.taken()
		t.save(len(t.chunk) >= want)
		if end {
			t.count()
			wait(ctx, pause)
		}
	}
	return ctx.Err()
}

// count takes over what the tail could not read.
func (t *target) count() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := int64(t.tail.lost); n > 0 {
		t.stats.Lost += n
		t.tail.lost = 0
		t.log.Error("remote write: a part of the log was dropped before it was sent; is the target down for long, and the buffer too small?",
			"target", t.opts.Name, "segments", n)
	}
}

// hold notes what is in hand.
func (t *target) hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.oldest = 0
	for _, s := range t.chunk {
		if t.oldest == 0 || s.time < t.oldest {
			t.oldest = s.time
		}
	}
}

// taken notes that everything that was read was taken.
func (t *target) taken() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.oldest = 0
	t.progress.position = t.tail.at
	for _, s := range t.chunk {
		t.progress.Newest = max(t.progress.Newest, s.time)
	}
}

// save writes the position: at once, or when a while has passed.
func (t *target) save(now bool) {
	if !now && t.now().Sub(t.saved) < pause {
		return
	}
	t.mu.Lock()
	p := t.progress
	t.mu.Unlock()
	old, ok, err := readProgress(t.file)
	if err == nil && ok && old == p {
		return
	}
	t.saved = t.now()
	if err := p.write(t.file); err != nil {
		t.log.Error("remote write: the position cannot be written: after a crash samples are sent again", "target", t.opts.Name, "file", filepath.Base(t.file), "error", err)
	}
}

// send sends a chunk: series by series in order, different series at once. It
// returns an error only when ctx ended before everything was taken or refused.
func (t *target) send(ctx, requests context.Context, chunk []sample) error {
	shards := make([][]sample, t.opts.Parallel)
	for _, s := range chunk {
		i := uint64(s.ref) % uint64(len(shards))
		shards[i] = append(shards[i], s)
	}
	errs := make([]error, len(shards))
	var wg sync.WaitGroup
	for i, shard := range shards {
		wg.Go(func() {
			d := &delivery{target: t, ctx: ctx, requests: requests, left: patience}
			for _, b := range pack(shard, t.opts.Batch) {
				if errs[i] = d.deliver(b); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// delivery sends the requests of one shard of a chunk.
type delivery struct {
	*target
	ctx, requests context.Context // the writer's, and that of requests under way
	left          int             // refusals until the rest counts as refused
}

// deliver sends a bundle until it is taken or refused.
func (d *delivery) deliver(b bundle) error {
	if len(b) == 0 {
		return nil
	}
	body, err := b.encode(d.opts.Version, d.known)
	if err != nil {
		return err
	}
	n := b.samples()
	backoff := firstBackoff
	for attempt := 0; ; attempt++ {
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		o := d.sender.post(d.requests, body, attempt)
		d.note(o, len(body), attempt)
		switch o.verdict {
		case accepted:
			d.left = patience
			d.settle(n, 0)
			return nil
		case refused:
			return d.split(b, n, o)
		case mistaken:
			backoff = maxBackoff
		}
		wait(d.ctx, max(backoff, o.after))
		backoff = min(2*backoff, maxBackoff)
	}
}

// split finds out which samples of a bundle a store refuses.
func (d *delivery) split(b bundle, n int, o outcome) error {
	switch {
	case d.opts.Version == 2 && o.written > 0:
		// Who says what it wrote has taken all that it wants (2.0, "Partial Write").
		d.left = patience
		d.settle(min(o.written, n), max(n-o.written, 0))
		return nil
	case n == 1 || d.left <= 0:
		if d.unsure == 0 {
			d.left--
		}
		d.settle(0, n)
		return nil
	}
	first, second := b.halves()
	if err := d.deliver(first); err != nil {
		return err
	}
	return d.deliver(second)
}

// settle counts samples that were taken, and those that were refused for good.
func (t *target) settle(sent, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Sent += int64(sent)
	if t.unsure > 0 {
		t.stats.Repeated += int64(refused)
	} else {
		t.stats.Failed += int64(refused)
	}
}

// note counts a request, and logs when it begins or ceases to be in vain.
func (t *target) note(o outcome, size, attempt int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Requests++
	t.stats.Bytes += int64(size)
	if attempt > 0 {
		t.stats.Retries++
	}
	text := ""
	if o.err != nil {
		text = o.err.Error()
	}
	if (text == "") != (t.stats.Error == "") {
		if text == "" {
			t.log.Info("remote write: the store takes samples again", "target", t.opts.Name)
		} else {
			t.log.Warn("remote write: the store does not take samples; they wait in the log", "target", t.opts.Name, "error", text)
		}
	}
	t.stats.Error = text
}

// start reads the position of a target. One without begins with the newest segment of
// the log, which is what was written since the history was opened.
func (t *target) start() error {
	p, ok, err := readProgress(t.file)
	if err != nil {
		return fmt.Errorf("remote write to %s: %w", t.opts.Name, err)
	}
	if !ok {
		if segments, err := numbered(t.spool.log, ""); err == nil && len(segments) > 0 {
			p.Segment = segments[len(segments)-1]
		}
	}
	t.progress, t.resumed = p, ok
	return nil
}
