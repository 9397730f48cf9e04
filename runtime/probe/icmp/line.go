package icmp

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sendBatch    = 32 // packets a system call; few, since they share one time of sending
	receiveBatch = 64
	// nap is how long answers are left to the kernel after some were read, so that one wake-up
	// is for many. The kernel notes when each came.
	nap = time.Millisecond
	// maxUnderWay bounds the requests without an answer: one for each sequence number.
	maxUnderWay = 1 << 16
	fullWait    = time.Millisecond // how long a full queue of the kernel is given
	fullTries   = 100
	// slot is what the times of the second and later requests of a series are rounded up to:
	// those of many series are sent together, at the price of one wake-up.
	slot = 5 * time.Millisecond
)

// flight is one echo request. Its fields are guarded by the mutex of its line.
type flight struct {
	key   uint16 // sequence number
	token uint64
	sent  time.Time // zero until it was
	echo  echo
	over  bool // answered, failed, or given up
	owner *flights
}

// echo is what came of a request.
type echo struct {
	ok    bool
	rtt   time.Duration
	ttl   int   // 0: not known
	fault error // an error message, or why it could not be sent; nil beside !ok: nothing came
}

// flights are the requests of one run of a probe, guarded by the mutex of its line.
type flights struct {
	series
	name   sockaddr // of to
	list   []flight // of the capacity that is needed: flights do not move
	few    [3]flight
	open   int           // how many are not over, those to come included
	cut    bool          // no more are sent
	change chan struct{} // of capacity 1: there is nothing to wait for any more
	limit  time.Duration // until the end
	start  time.Time     // of the first
	due    int64         // slot in which the next is sent, or that of the end
	place  int           // in later; negative: none
}

// newFlights are those of a series that ends after limit in any case.
func newFlights(s series, name sockaddr, limit time.Duration) *flights {
	f := &flights{series: s, name: name, open: s.count, limit: limit, change: make(chan struct{}, 1), place: -1}
	if f.list = f.few[:0]; s.count > len(f.few) {
		f.list = make([]flight, 0, s.count)
	}
	return f
}

// finish ends the waiting for the answers.
func (f *flights) finish() {
	select {
	case f.change <- struct{}{}:
	default:
	}
}

// line is the traffic of one family of addresses over one socket, shared by all probes.
type line struct {
	*socket
	running sync.WaitGroup
	wake    chan struct{} // of capacity 1: the queue is no longer empty
	done    chan struct{}
	begin   time.Time // of slot 0

	mu    sync.Mutex
	under [maxUnderWay]*flight // by their keys
	count int                  // of those under way
	queue []*flight
	later later
	next  uint16
}

// newLine opens a socket and starts to send and receive; close ends both.
func newLine(six bool) (*line, error) {
	s, err := openSocket(six)
	if err != nil {
		return nil, err
	}
	return startLine(s), nil
}

func startLine(s *socket) *line {
	l := &line{socket: s, wake: make(chan struct{}, 1), done: make(chan struct{}), begin: time.Now(), next: uint16(rand.Uint32())}
	l.running.Go(l.send)
	l.running.Go(l.receive)
	return l
}

// close ends the goroutines and waits for them.
func (l *line) close() error {
	close(l.done)
	err := l.ring()
	l.running.Wait()
	return errors.Join(err, l.socket.close())
}

// launch queues the first request of a series, and files the others to be sent in time, and
// the end.
func (l *line) launch(owner *flights) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner.start = time.Now()
	if err := l.queueLocked(owner); err != nil {
		return err
	}
	soonest := l.fileLocked(owner)
	if len(l.queue) == 1 || soonest {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// queueLocked makes the next request of a series and queues it for sending.
func (l *line) queueLocked(owner *flights) error {
	if l.count >= maxUnderWay {
		return fmt.Errorf("%d pings are under way already", maxUnderWay)
	}
	owner.list = append(owner.list, flight{token: rand.Uint64(), owner: owner})
	f := &owner.list[len(owner.list)-1]
	for l.next++; l.under[l.next] != nil; l.next++ {
	}
	f.key = l.next
	l.under[f.key] = f
	l.count++
	l.queue = append(l.queue, f)
	return nil
}

// fileLocked files a series under the slot of its next request or, when all were sent, of
// its end, and says whether that is the first slot of all.
func (l *line) fileLocked(owner *flights) bool {
	after := owner.limit
	if sent := len(owner.list); sent < owner.count && !owner.cut {
		after = min(after, time.Duration(sent)*owner.interval)
	}
	owner.due = int64(owner.start.Add(after).Sub(l.begin)/slot) + 1
	first := len(l.later) == 0 || owner.due < l.later[0].due
	heap.Push(&l.later, owner)
	return first
}

// dueLocked does what is due: it queues the requests whose slot has come, and ends the
// series whose time is over. It returns how long it is until the next slot of use; 0: there
// is none.
func (l *line) dueLocked() time.Duration {
	if len(l.later) == 0 {
		return 0
	}
	now := time.Since(l.begin)
	for len(l.later) > 0 {
		owner := l.later[0]
		if wait := time.Duration(owner.due)*slot - now; wait > 0 {
			return wait
		}
		heap.Pop(&l.later)
		if len(owner.list) == owner.count || owner.cut || now >= owner.start.Add(owner.limit).Sub(l.begin) {
			owner.finish()
			continue
		}
		if err := l.queueLocked(owner); err != nil {
			// Those that were sent until now are waited for.
			owner.cut = true
		}
		l.fileLocked(owner)
	}
	return 0
}

// later is a heap of the series that are under way, by the slot of what is next.
type later []*flights

func (h later) Len() int           { return len(h) }
func (h later) Less(i, j int) bool { return h[i].due < h[j].due }
func (h later) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *later) Push(x any) {
	owner := x.(*flights)
	owner.place = len(*h)
	*h = append(*h, owner)
}
func (h *later) Pop() any {
	old := *h
	last := old[len(old)-1]
	last.place = -1
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// land gives up what has had no answer, and returns what came of all requests. Those that
// were never sent are left out.
func (l *line) land(owner *flights) []echo {
	out := make([]echo, 0, owner.count)
	l.mu.Lock()
	defer l.mu.Unlock()
	if owner.place >= 0 {
		heap.Remove(&l.later, owner.place)
	}
	for i := range owner.list {
		f := &owner.list[i]
		l.endLocked(f)
		if !f.sent.IsZero() || f.echo.fault != nil {
			out = append(out, f.echo)
		}
	}
	return out
}

// endLocked takes a request out of those under way.
func (l *line) endLocked(f *flight) {
	if f.over {
		return
	}
	f.over = true
	l.under[f.key] = nil
	l.count--
	if f.owner.open--; f.owner.open == 0 {
		f.owner.finish()
	}
}

// send sends what is queued, in batches, until the line is closed.
func (l *line) send() {
	var queue, going []*flight
	out := newVector(sendBatch, headerLen+maxSize, 0)
	for _, b := range out.bodies {
		for k := range b {
			b[k] = byte(k)
		}
	}
	in := newVector(receiveBatch, receiveLen, controlLen)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-l.wake:
			// Probes whose runs start together queue their requests before the first is sent.
			runtime.Gosched()
		case <-timer.C:
		}
		l.mu.Lock()
		next := l.dueLocked()
		queue, l.queue = l.queue, queue[:0]
		l.mu.Unlock()
		if next > 0 {
			timer.Reset(next)
		}
		for rest := queue; len(rest) > 0; {
			n := min(len(rest), sendBatch)
			going = l.encode(rest[:n], going[:0], out)
			l.write(going, out)
			rest = rest[n:]
			// Those near by have answered meanwhile, and receive need not be woken for them.
			l.drain(in)
		}
		clear(queue)
	}
}

// encode writes the requests that are still wanted into a vector, and notes when they are
// sent.
func (l *line) encode(queued, going []*flight, out *vector) []*flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, f := range queued {
		if f.over {
			continue
		}
		f.sent = now
		i, n := len(going), headerLen+f.owner.size
		encode(out.bodies[i][:n], l.six, uint32(l.id)<<16|uint32(f.key), f.token)
		out.put(i, n, &f.owner.name)
		going = append(going, f)
	}
	return going
}

// write sends a batch. What cannot be sent fails; the others go.
func (l *line) write(going []*flight, out *vector) {
	fulls, again := 0, false
	for i := 0; i < len(going); {
		n, err := out.send(l.fd, i, len(going))
		if n > 0 {
			i, fulls, again = i+n, 0, false
			continue
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case (errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN)) && fulls < fullTries:
			fulls++
			if !l.pause(fullWait) {
				return
			}
		case !l.raw && !again:
			// It may be the error of an earlier request, told only now.
			again = true
			l.complaints()
		default:
			l.mu.Lock()
			f := going[i]
			if !f.over {
				f.echo.fault = cmp.Or(err, errors.New("it could not be sent"))
				l.endLocked(f)
			}
			l.mu.Unlock()
			i, again = i+1, false
		}
	}
}

// pause waits, and says whether the line is open still.
func (l *line) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}

// receive matches answers with requests until the line is closed.
func (l *line) receive() {
	in := newVector(receiveBatch, receiveLen, controlLen)
	for {
		faults, err := l.wait()
		if faults {
			l.complaints()
		}
		if err == nil {
			l.drain(in)
		}
		if !l.pause(nap) {
			return
		}
	}
}

// drain takes what the kernel has received until now.
func (l *line) drain(in *vector) {
	for {
		n, err := in.receive(l.fd)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			// A socket without rights tells so that there is something in its queue of errors.
			l.complaints()
			return
		}
		now := time.Now()
		l.mu.Lock()
		for i := range n {
			if p, ok := l.unpack(in, i); ok {
				l.takeLocked(p, now)
			}
		}
		l.mu.Unlock()
		if n < len(in.headers) {
			return
		}
	}
}

// takeLocked looks for the request that a packet is about. An answer counts only with the
// token of the request, and from the address that was asked.
func (l *line) takeLocked(p packet, now time.Time) {
	m, ok := decode(p.body, l.six)
	if !ok {
		return
	}
	if m.fault != "" {
		l.blameLocked(m, p.from)
		return
	}
	f := l.find(m.key)
	if f == nil || f.token != m.token || f.owner.to != p.from {
		return
	}
	// The kernel's clock may be set; only how long the packet has waited is taken from it.
	took := now.Sub(f.sent)
	if waited := now.Sub(p.at); !p.at.IsZero() && waited > 0 && waited < took {
		took -= waited
	}
	f.echo = echo{ok: true, rtt: took, ttl: p.ttl}
	l.endLocked(f)
}

// find returns the request under way with an identifier and sequence number; nil: none.
func (l *line) find(key uint32) *flight {
	if l.raw && uint16(key>>16) != l.id {
		return nil
	}
	return l.under[uint16(key)]
}

// blameLocked notes what an error message says of a request.
func (l *line) blameLocked(m message, from netip.Addr) {
	f := l.find(m.key)
	if f == nil || f.owner.to != m.to.Unmap() || f.sent.IsZero() {
		return
	}
	f.echo.fault = &Complaint{From: from.Unmap(), Says: m.fault}
	l.endLocked(f)
}

// complaints reads the queue of errors of a socket without rights.
func (l *line) complaints() {
	l.faults(func(m message, from netip.Addr) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.blameLocked(m, from)
	})
}

// Complaint is an error message that came in place of an answer.
type Complaint struct {
	From netip.Addr
	Says string
}

// Error implements error.
func (c *Complaint) Error() string {
	if !c.From.IsValid() {
		return c.Says
	}
	return c.From.String() + " says: " + c.Says
}
