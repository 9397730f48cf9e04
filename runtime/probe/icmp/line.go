package icmp

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	sendBatch    = 32 // packets a system call; few, since they share one time of sending
	receiveBatch = 64
	// maxUnderWay bounds the requests without an answer: one for each sequence number, of
	// which sockets without rights have no more.
	maxUnderWay = 1 << 16
	fullWait    = time.Millisecond // how long a full queue of the network device is given
	fullTries   = 100
	// slot is what the times of the second and later requests of a series are rounded up to:
	// those of many series are sent together, at the price of one wake-up.
	slot = 5 * time.Millisecond
)

// flight is one echo request. Its fields are guarded by the mutex of its line.
type flight struct {
	key   uint32
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
	list   []flight      // of the capacity that is needed: flights do not move
	open   int           // how many are not over, those to come included
	ended  bool          // nobody waits for them any more
	change chan struct{} // of capacity 1: open has become 0
	start  time.Time     // of the first
	due    int64         // slot in which the next is sent
}

func newFlights(s series) *flights {
	return &flights{series: s, list: make([]flight, 0, s.count), open: s.count, change: make(chan struct{}, 1)}
}

// line is the traffic of one family of addresses over one socket, shared by all probes.
type line struct {
	*socket
	running sync.WaitGroup
	wake    chan struct{} // of capacity 1: the queue is no longer empty
	done    chan struct{}
	begin   time.Time // of slot 0

	mu    sync.Mutex
	under map[uint32]*flight
	queue []*flight
	later later
	next  uint32
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
	l := &line{socket: s, wake: make(chan struct{}, 1), done: make(chan struct{}), begin: time.Now(), under: map[uint32]*flight{}, next: rand.Uint32()}
	l.running.Go(l.send)
	l.running.Go(l.receive)
	return l
}

// close ends the goroutines and waits for them.
func (l *line) close() error {
	close(l.done)
	err := l.conn.Close()
	l.running.Wait()
	return err
}

// launch queues the first request of a series, and files the others to be sent in time.
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
	if len(l.under) >= maxUnderWay {
		return fmt.Errorf("%d pings are under way already", maxUnderWay)
	}
	owner.list = append(owner.list, flight{token: rand.Uint64(), owner: owner})
	f := &owner.list[len(owner.list)-1]
	for {
		l.next++
		f.key = l.known(l.next)
		if l.under[f.key] == nil {
			break
		}
	}
	l.under[f.key] = f
	l.queue = append(l.queue, f)
	return nil
}

// fileLocked files a series that is not complete under the slot of its next request, and
// says whether that is the first slot of all.
func (l *line) fileLocked(owner *flights) bool {
	sent := len(owner.list)
	if sent == owner.count {
		return false
	}
	at := owner.start.Add(time.Duration(sent) * owner.interval).Sub(l.begin)
	owner.due = int64(at/slot) + 1
	first := len(l.later) == 0 || owner.due < l.later[0].due
	heap.Push(&l.later, owner)
	return first
}

// dueLocked queues the requests whose slot has come, and returns how long it is until the
// next one does; 0: there is none.
func (l *line) dueLocked() time.Duration {
	for len(l.later) > 0 {
		owner := l.later[0]
		if wait := time.Until(l.begin.Add(time.Duration(owner.due) * slot)); wait > 0 && !owner.ended {
			return wait
		}
		heap.Pop(&l.later)
		if owner.ended {
			continue
		}
		if err := l.queueLocked(owner); err != nil {
			// land returns what was sent until now.
			owner.ended = true
			continue
		}
		l.fileLocked(owner)
	}
	return 0
}

// later is a heap of the series that are not complete, by the slot of their next request.
type later []*flights

func (h later) Len() int           { return len(h) }
func (h later) Less(i, j int) bool { return h[i].due < h[j].due }
func (h later) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *later) Push(x any)        { *h = append(*h, x.(*flights)) }
func (h *later) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// land gives up what has had no answer, and returns what came of all requests. Those that
// were never sent are left out.
func (l *line) land(owner *flights) []echo {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner.ended = true
	out := make([]echo, 0, len(owner.list))
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
	delete(l.under, f.key)
	if f.owner.open--; f.owner.open == 0 {
		select {
		case f.owner.change <- struct{}{}:
		default:
		}
	}
}

// send sends what is queued, in batches, until the line is closed.
func (l *line) send() {
	var queue, going []*flight
	buffers := make([][]byte, sendBatch)
	messages := make([]ipv4.Message, sendBatch)
	for i := range messages {
		buffers[i] = make([]byte, headerLen+maxSize)
		for k := range buffers[i] {
			buffers[i][k] = byte(k)
		}
		messages[i].Buffers = make([][]byte, 1)
	}
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
			going = l.encode(rest[:n], going[:0], messages, buffers)
			l.write(going, messages[:len(going)])
			rest = rest[n:]
		}
		clear(queue)
	}
}

// encode writes the requests that are still wanted into messages, and notes when they
// are sent.
func (l *line) encode(queued, going []*flight, messages []ipv4.Message, buffers [][]byte) []*flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, f := range queued {
		if f.over {
			continue
		}
		f.sent = now
		i := len(going)
		b := buffers[i][:headerLen+f.owner.size]
		encode(b, l.six, f.key, f.token)
		messages[i].Buffers[0], messages[i].Addr = b, f.owner.addr
		going = append(going, f)
	}
	return going
}

// write sends a batch. What cannot be sent fails; the others go.
func (l *line) write(going []*flight, messages []ipv4.Message) {
	fulls, again := 0, false
	for len(going) > 0 {
		n, err := l.WriteBatch(messages, 0)
		if n > 0 {
			going, messages, again = going[n:], messages[n:], false
			continue
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, syscall.ENOBUFS) && fulls < fullTries:
			fulls++
			pause := time.NewTimer(fullWait)
			select {
			case <-pause.C:
			case <-l.done:
				pause.Stop()
				return
			}
		case !l.raw && !again:
			// It may be the error of an earlier request, told only now.
			again = true
			l.complaints()
		default:
			l.mu.Lock()
			f := going[0]
			if !f.over {
				f.echo.fault = cmp.Or(err, errors.New("it could not be sent"))
				l.endLocked(f)
			}
			l.mu.Unlock()
			going, messages, again = going[1:], messages[1:], false
		}
	}
}

// receive matches answers with requests until the line is closed.
func (l *line) receive() {
	messages := make([]ipv4.Message, receiveBatch)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, 2048)} // what is longer is cut off
		messages[i].OOB = make([]byte, oobLen)
	}
	for {
		n, err := l.ReadBatch(messages, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// A socket without rights tells so that there is something in its queue of errors.
			l.complaints()
			select {
			case <-l.done:
				return
			default:
			}
			continue
		}
		now := time.Now()
		l.mu.Lock()
		for i := range messages[:n] {
			if p, ok := l.unpack(&messages[i]); ok {
				l.takeLocked(p, now)
			}
		}
		l.mu.Unlock()
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
	f := l.under[l.known(m.key)]
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

// known is the key by which a request is kept.
func (l *line) known(key uint32) uint32 {
	if !l.raw {
		key &= 0xffff
	}
	return key
}

// blameLocked notes what an error message says of a request.
func (l *line) blameLocked(m message, from netip.Addr) {
	f := l.under[l.known(m.key)]
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
