package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"grove/notify/peer"
)

// Times of a source.
const (
	// askEvery is how often is asked without news.
	askEvery = 3 * time.Second
	// pace is between two questions for what is new, so that a commit has more than an entry.
	pace = 20 * time.Millisecond
	// again is how soon is asked again after an error, mostAgain the longest.
	again, mostAgain = 500 * time.Millisecond, 5 * time.Second
	// logEvery is how often an error is logged at most.
	logEvery = time.Minute
	// fresh is how long it counts as known that there is nothing more.
	fresh = 3 * askEvery
	// noteEvery is how often it is written down that everything is known.
	noteEvery = 15 * time.Second
	// askTime bounds a question for what is new, bulkTime another.
	askTime, bulkTime = 5 * time.Second, 20 * time.Second
)

// jump is by how many entries the present is ahead when what was missed is left for later;
// maxRanges is how many holes may come of that.
const (
	jump      = 2 * MaxBatch
	maxRanges = 64
)

// source is one manager that is followed.
type source struct {
	r       *Receiver
	id      peer.ID
	wake    chan struct{} // holds a token when there may be something new
	holes   chan struct{} // holds a token when there may be a hole to fill
	left    chan struct{} // closed when it is followed no more
	leave   func()
	running bool // guarded by Receiver.mu

	mu     sync.Mutex // guards what follows
	token  string
	newest int64 // time of the newest entry that came from it, Unix milliseconds
	ranges spans
	open   int64 // up to here the first hole goes, while nothing of the present is there yet
	last   int64 // number that the other manager has given
	known  time.Time
	heard  time.Time // when what is new was last asked for with success
	back   time.Time // when the present was begun beside a hole
	noted  time.Time // when known was written down
	logged time.Time // when an error was
	counts Source
}

func newSource(r *Receiver, id peer.ID) *source {
	s := &source{r: r, id: id, wake: make(chan struct{}, 1), holes: make(chan struct{}, 1), left: make(chan struct{})}
	s.leave = sync.OnceFunc(func() { close(s.left) })
	return s
}

// errAnew says that the other manager does not tell any more what it began to tell.
var errAnew = errors.New("the other manager begins anew")

// run follows it until ctx ends or it is left.
func (s *source) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ended sync.WaitGroup
	defer ended.Wait()
	ended.Go(func() {
		select {
		case <-s.left:
			cancel()
		case <-ctx.Done():
		}
	})
	defer cancel()
	if !s.retry(ctx, s.wake, s.load) {
		return
	}
	for ctx.Err() == nil {
		s.mu.Lock()
		begun := s.token != ""
		s.mu.Unlock()
		if !begun && !s.retry(ctx, s.wake, s.begin) {
			continue // Until ctx has ended.
		}
		both, stop := context.WithCancel(ctx)
		var lanes sync.WaitGroup
		lanes.Go(func() { defer stop(); s.retry(both, s.wake, s.present) })
		lanes.Go(func() { defer stop(); s.retry(both, nil, s.fill) })
		lanes.Wait()
		stop()
	}
}

// retry does what may fail until it does not, or ctx ends, or it has to begin anew.
func (s *source) retry(ctx context.Context, wake <-chan struct{}, do func(context.Context) error) (done bool) {
	for wait := again; ; wait = min(2*wait, mostAgain) {
		began := s.r.o.Now()
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			return true
		case peer.IsRefusal(err, peer.Stale) || errors.Is(err, errAnew):
			s.mu.Lock()
			s.token = ""
			s.mu.Unlock()
			return false
		}
		now := s.r.o.Now()
		s.mu.Lock()
		if now.Sub(s.logged) > logEvery && !errors.Is(err, peer.ErrNobody) && !errors.Is(err, peer.ErrLost) {
			s.r.o.Log.Warn("the journal of another manager does not come for now", "peer", s.id, "err", err)
			s.logged = now
		}
		s.counts.Error = err.Error()
		s.mu.Unlock()
		if now.Sub(began) > mostAgain {
			wait = again
		}
		if !pause(ctx, wait, wake) {
			return false
		}
	}
}

// pause waits, less when it is woken; false is that ctx has ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// ask asks the other manager.
func ask[Q, A any](ctx context.Context, to peer.ID, kind string, how func(context.Context, peer.ID, string, []byte) ([]byte, error), q Q, read func([]byte) (A, error)) (a A, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	answer, err := how(ctx, to, kind, body)
	if err != nil {
		return a, err
	}
	return read(answer)
}

// begin begins to follow, or anew.
func (s *source) begin(ctx context.Context) error {
	s.mu.Lock()
	newest := s.newest
	s.mu.Unlock()
	from := milliseconds(s.r.o.Now().Add(-s.r.o.Past))
	if newest > 0 {
		from = newest + 1
	}
	asked, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	b, err := ask(asked, s.id, kindBegin, s.r.o.Fabric.AskBulk, begin{s.r.o.Chain(), from}, func(body []byte) (b begun, err error) {
		if err := json.Unmarshal(body, &b); err != nil {
			return b, fmt.Errorf("the answer to %s makes no sense: %w", kindBegin, err)
		}
		if b.Token == "" || len(b.Token) > 64 || b.Start < 0 || b.Missed < 0 {
			return b, fmt.Errorf("the answer to %s makes no sense: token of %d bytes, start %d, missed %d", kindBegin, len(b.Token), b.Start, b.Missed)
		}
		return b, nil
	})
	if err != nil {
		return err
	}
	return s.commitBegin(ctx, b, newest > 0)
}

// present asks for what is new, and goes on with it at once when much was missed.
func (s *source) present(ctx context.Context) error {
	s.mu.Lock()
	at := s.ranges.end() // what was asked for
	s.open = 0
	s.mu.Unlock()
	var beyond int64 // what is to be taken must be newer than this, Unix milliseconds
	for {
		chain := s.r.o.Chain()
		s.mu.Lock()
		if s.ranges.end() >= at {
			beyond, s.open = 0, 0
		}
		q := after{Token: s.token, Chain: chain, After: at, Limit: MaxBatch, Mark: s.ranges.mark()}
		s.mu.Unlock()
		asked := s.r.o.Now()
		got, err := s.more(ctx, s.r.o.Fabric.Ask, askTime, &q)
		if err != nil {
			return errors.Join(err, s.note(ctx))
		}
		from := q.After
		if beyond > 0 {
			from = got.after(beyond, q.After)
		}
		if err := s.take(ctx, &q, got, from); err != nil {
			return err
		}
		at = got.To
		s.mu.Lock()
		s.counts.Error = ""
		if from >= got.To && s.ranges.end() < at {
			s.open = at // All of it is for who fills the hole.
		}
		s.heard = asked
		ahead := got.Last - at
		if ahead > jump && len(s.ranges) < maxRanges {
			at, beyond = got.Last, got.Newest
			s.open, s.back = at, asked
		}
		if _, holes := s.missing(); holes {
			signal(s.holes)
		} else if ahead <= 0 {
			s.known = asked
		}
		due := s.known.Sub(s.noted) > noteEvery
		s.mu.Unlock()
		if due {
			if err := s.note(ctx); err != nil {
				return err
			}
		}
		if ahead > 0 {
			continue
		}
		if !pause(ctx, pace, nil) || !pause(ctx, askEvery, s.wake) {
			return nil
		}
	}
}

// fill fills holes, from the beginning of the first.
func (s *source) fill(ctx context.Context) error {
	for {
		chain := s.r.o.Chain()
		s.mu.Lock()
		hole, ok := s.missing()
		q := after{Token: s.token, Chain: chain, After: hole.low, To: hole.high, Limit: MaxBatch, Mark: s.ranges.mark()}
		s.mu.Unlock()
		if !ok {
			select {
			case <-s.holes:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		got, err := s.more(ctx, s.r.o.Fabric.AskBulk, bulkTime, &q)
		if err != nil {
			return err
		}
		if got.To == q.After {
			return fmt.Errorf("the answer to %s has nothing after number %d, of %d", kindAfter, q.After, got.Last)
		}
		if err := s.take(ctx, &q, got, q.After); err != nil {
			return err
		}
	}
}

// missing is the first hole. It is called with mu held.
func (s *source) missing() (hole span, ok bool) {
	if hole, ok = s.ranges.hole(); ok {
		return hole, true
	}
	return span{s.ranges.end(), s.open}, s.ranges.end() < s.open
}

// reply is a batch that was read.
type reply struct {
	batch
	refused int
}

// after is the number after which the entries begin that are newer than a time: what comes
// before belongs to the hole, since it may share its last millisecond.
func (b *reply) after(newest, after int64) int64 {
	if b.Missed > 0 {
		return after
	}
	for _, e := range b.Entries {
		if milliseconds(e.ID.Time()) > newest {
			return e.Number - 1
		}
	}
	return b.To
}

// more asks for entries.
func (s *source) more(ctx context.Context, how func(context.Context, peer.ID, string, []byte) ([]byte, error), most time.Duration, q *after) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	got, err := ask(ctx, s.id, kindAfter, how, q, func(body []byte) (*reply, error) {
		b, refused, err := decodeBatch(body, q)
		return &reply{b, refused}, err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, got.Last)
	return got, nil
}

// unknown is the time of which is not known yet what is remembered over there.
func (s *source) unknown() (from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.r.o.Now()
	_, holes := s.missing()
	switch {
	case s.known.IsZero():
		return from, to
	case now.Sub(s.heard) > fresh:
		return s.known, now
	case holes:
		return s.known, s.back
	}
	return from, to
}

// state is for who looks.
func (s *source) state() Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Peer, c.Known = s.id, s.known
	if s.token != "" {
		c.Behind = max(s.last-s.ranges.end(), 0) + s.ranges.missing()
		if s.open > s.ranges.end() { // the end of the ranges is where the hole begins
			c.Behind = max(s.last-s.ranges.end(), 0)
		}
	}
	return c
}
