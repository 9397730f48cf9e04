// Package trap is the receiver of SNMP traps and informs, in version 1, 2c and 3.
//
// What arrives is read in batches from a socket with a large buffer, and waits in a
// bounded queue for the one goroutine that reads it: first its shape is checked by a
// reader of this package, which goes no deeper than SNMP does, then gosnmp authenticates
// and decrypts what is of version 3. A message goes to every probe of kind "traps" whose
// sources and rules want it; all that a batch holds for a probe is handed on at once.
// An inform is answered after that, and not at all when nobody took it, so that its
// sender knows. Whatever is not taken is counted by reason, also what the kernel dropped.
package trap

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/mib"
	"grove/runtime/receive"
	"grove/runtime/receive/allowance"
	"grove/runtime/receive/trap/message"
	"grove/runtime/receive/trap/usm"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// KindName is the name of the kind.
const KindName = "traps"

// Bounds and defaults.
const (
	MaxMessage    = 16 << 10 // bytes of a message
	ReceiveBuffer = 4 << 20  // bytes that the kernel is asked to hold back
	DefaultRate   = 10_000   // messages a second and source
	DefaultBurst  = 50_000   // messages at once of a source that was silent before
	maxSecrets    = 8        // users of one name that are tried
	maxUnmatched  = 200      // kinds of unmatched traps that are told apart
)

// Options of a Hub.
type Options struct {
	Secrets *secret.Policy // what the users' passwords and the communities may refer to
	Files   *files.Policy  // the MIB files that may be read
	// Users may send messages of version 3 to probes that name no users of their own.
	Users []usm.User
	// Sources are the prefixes from which messages are taken; nil: from everywhere.
	Sources []netip.Prefix
	// Rate is how many messages a second each source may send in the long run, Burst how
	// many at once; zero stands for the defaults.
	Rate  float64
	Burst int
	// EngineID is the identity of this receiver, which the senders of informs of version 3
	// find out by themselves; nil makes one up at each start.
	EngineID []byte
	// Keep is called before the readings of a batch with informs are handed on, and waits
	// for nothing. What it returns is called afterwards, and returns once they are on disk, or an error when
	// some may have been lost: only then are the informs answered. Nil: they are answered
	// at once.
	Keep func() (kept func(ctx context.Context) error)
	Now  func() time.Time // nil: time.Now
}

// Hub takes messages and hands them to the probes that want them. It may be used from
// many goroutines.
type Hub struct {
	opts    Options
	library mib.Library
	probes  receive.Attached[*trapProbe]
	changes atomic.Uint64 // of probes
	rate    *allowance.Limit[netip.Addr]
	limits  error

	drops      [reasons]atomic.Uint64
	taken      atomic.Uint64
	informs    atomic.Uint64
	answered   atomic.Uint64
	unanswered atomic.Uint64
	repeated   atomic.Uint64
	reports    atomic.Uint64

	resolved atomic.Pointer[map[string][]netip.Addr] // hosts that probes name as sources
	rejoined chan struct{}                           // a probe came or went
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)

	socketsMu sync.Mutex
	sockets   map[*socket]struct{}

	lastMu sync.Mutex
	last   [reasons]Refusal

	mu        sync.Mutex // guards the rest, and the probes but for their feeds
	index     *index
	accounts  map[usm.User]*usm.Account
	engine    *usm.Engine
	message   message.Message
	prover    usm.User // of a message of version 3: whose passwords it was made with
	touched   []*trapProbe
	words     *dictionary // for what nobody wants
	unmatched map[unmatchedKey]*UnmatchedTrap
	recent    recent
	seed      maphash.Seed
}

// NewHub makes a hub. Faults of the options are told by Serve.
func NewHub(o Options) *Hub {
	h := &Hub{
		opts: o, rejoined: make(chan struct{}, 1), lookup: systemLookup, sockets: map[*socket]struct{}{}, accounts: map[usm.User]*usm.Account{},
		unmatched: map[unmatchedKey]*UnmatchedTrap{}, seed: maphash.MakeSeed(), words: newDictionary(mib.Builtin()),
	}
	if o.Now == nil {
		h.opts.Now = time.Now
	}
	h.library.Open = o.Files.Open
	if o.Rate < 0 || o.Burst < 0 {
		h.limits = fmt.Errorf("trap: rate %v and burst %d must not be negative", o.Rate, o.Burst)
	}
	if n := len(o.EngineID); n > 0 && (n < 5 || n > usm.MaxID) { // RFC 3411 section 5
		h.limits = fmt.Errorf("trap: an engine's identity has 5 to %d bytes, not %d", usm.MaxID, n)
	}
	for i, u := range o.Users {
		if err := u.Check(fmt.Sprintf("user %d", i+1)); err != nil && h.limits == nil {
			h.limits = fmt.Errorf("trap: %w", err)
		}
	}
	h.rate = allowance.New[netip.Addr](cmp.Or(o.Rate, DefaultRate), cmp.Or(o.Burst, DefaultBurst))
	h.engine = usm.NewEngine(o.EngineID, h.opts.Now())
	return h
}

// Kind returns the kind "traps": probes that take what the hub gets.
func Kind(h *Hub) probe.Kind {
	return probe.Kind{
		Name: KindName, Title: "SNMP traps and informs", Doc: doc, Example: example,
		NewOptions: func() any { return new(ProbeOptions) },
		Pushes:     true,
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*ProbeOptions)
			if !ok {
				return nil, fmt.Errorf("options of kind %s are a %T, not a %T", KindName, o, options)
			}
			names, err := h.library.Load(o.MIBs...)
			if err != nil {
				return nil, &probe.OptionError{Option: "mibs", Err: err}
			}
			plan, err := o.plan(names)
			if err != nil {
				return nil, err
			}
			p := newTrapProbe(h, plan)
			p.Feed = receive.NewFeed(plan.attributes, func(instance, name string) (func(), error) {
				leave := h.probes.Join(instance, name, p)
				h.changed()
				h.mu.Lock()
				defer h.mu.Unlock()
				p.show(h.opts.Now())
				return func() { leave(); h.changed() }, nil
			})
			return p, nil
		},
	}
}

// Refusal is one message that was not taken.
type Refusal struct {
	Time   time.Time
	Source netip.Addr
	Text   string // why, for people
}

// UnmatchedTrap is a kind of trap that nobody wants.
type UnmatchedTrap struct {
	Source netip.Addr
	Trap   string // its name, or its number
	Count  uint64
	Last   time.Time
}

type unmatchedKey struct {
	source netip.Addr
	trap   string
}

// Stats counts what a hub did. Every message that came is either taken or refused for one
// reason; those that the kernel dropped are refused, too.
type Stats struct {
	receive.Counts
	Refusals   [reasons]uint64    // by Reason
	Last       map[Reason]Refusal // the latest of each reason, but for what the kernel dropped
	Unmatched  []UnmatchedTrap    // what nobody wants, the latest first; at most 200 kinds
	Informs    uint64             // taken
	Answered   uint64             // of them
	Unanswered uint64             // of them: what Keep returned says that they may be lost, or the answer cannot be sent
	Repeated   uint64             // informs that came again, and were answered again and not taken twice
	Reports    uint64             // answers of version 3 that say what is wrong or tell the engine
}

// Stats reads the counts.
func (h *Hub) Stats() Stats {
	h.meter()
	s := Stats{
		Informs: h.informs.Load(), Answered: h.answered.Load(), Unanswered: h.unanswered.Load(),
		Repeated: h.repeated.Load(), Reports: h.reports.Load(), Last: map[Reason]Refusal{},
	}
	s.Applied = h.taken.Load()
	s.Received = s.Applied
	for i := range h.drops {
		n := h.drops[i].Load()
		s.Refusals[i] = n
		s.Refused[Reason(i).common()] += n
		s.Received += n
	}
	h.lastMu.Lock()
	for i, r := range h.last {
		if r.Text != "" {
			s.Last[Reason(i)] = r
		}
	}
	h.lastMu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range h.unmatched {
		s.Unmatched = append(s.Unmatched, *u)
	}
	slices.SortFunc(s.Unmatched, func(a, b UnmatchedTrap) int { return b.Last.Compare(a.Last) })
	return s
}

// refuse counts a message that is not taken.
func (h *Hub) refuse(r Reason, source netip.Addr, now time.Time, why func() string) {
	h.drops[r].Add(1)
	h.lastMu.Lock()
	defer h.lastMu.Unlock()
	// The text costs more than the message in a storm: one a second is enough.
	if last := &h.last[r]; now.Sub(last.Time) >= time.Second || now.Before(last.Time) || last.Text == "" {
		*last = Refusal{now, source, message.Clip(message.OneLine(why()))}
	}
}

// outcome is what became of a message.
type outcome struct {
	answer []byte // to send; nil: none
	inform uint64 // which inform it is that was taken; 0: it is none, or was taken before
}

// handle takes one message. The lock of the hub is held.
func (h *Hub) handle(datagram []byte, peer netip.AddrPort, now time.Time) outcome {
	m := &h.message
	m.Reset(peer)
	rest, err := m.Parse(datagram)
	var packet *gosnmp.SnmpPacket
	switch {
	case errors.Is(err, message.ErrSecure):
		var out outcome
		if packet, out, err = h.secure(datagram, rest, now); err != nil {
			return out
		}
	case err != nil:
		h.refuse(Malformed, peer.Addr(), now, err.Error)
		return outcome{}
	}
	var inform uint64
	if m.Inform {
		inform = h.fingerprint(m)
		if h.recent.has(inform, now) {
			h.repeated.Add(1)
			h.taken.Add(1)
			return outcome{answer: h.reply(datagram, packet, now)}
		}
	}
	if !h.distribute(m, now) {
		return outcome{}
	}
	h.taken.Add(1)
	if !m.Inform {
		return outcome{}
	}
	h.informs.Add(1)
	h.recent.add(inform, now)
	return outcome{answer: h.reply(datagram, packet, now), inform: inform}
}

func (h *Hub) reply(datagram []byte, packet *gosnmp.SnmpPacket, now time.Time) []byte {
	var out []byte
	var err error
	if packet != nil {
		out, err = h.engine.Reply(packet, now)
	} else {
		out, err = message.Reply(datagram)
	}
	if err != nil {
		h.unanswered.Add(1)
		return nil
	}
	return out
}

// secure opens a message of version 3; with an error it has been counted.
func (h *Hub) secure(datagram []byte, rest message.Reader, now time.Time) (*gosnmp.SnmpPacket, outcome, error) {
	m := &h.message
	source := m.Peer.Addr()
	s, err := usm.ReadSecured(rest)
	if err != nil {
		h.refuse(Malformed, source, now, err.Error)
		return nil, outcome{}, err
	}
	var accounts []*usm.Account
	for _, a := range h.present().users[s.User] {
		if err := a.Fresh(h.opts.Secrets, now); err != nil {
			h.refuse(NoSecret, source, now, func() string { return fmt.Sprintf("user %q: %v", s.User, err) })
			return nil, outcome{}, err
		}
		if accounts = append(accounts, a); len(accounts) == maxSecrets {
			break
		}
	}
	packet, prover, err := h.engine.Open(datagram, s, accounts, now, m)
	if err == nil {
		h.prover = prover
		return packet, outcome{}, nil
	}
	reason, object := Malformed, ""
	var wrong *usm.Error
	if errors.As(err, &wrong) {
		reason, object = reasonOf[wrong.Fault], wrong.Report
	}
	h.refuse(reason, source, now, err.Error)
	if object == "" || !s.Reportable {
		return nil, outcome{}, err
	}
	answer, bad := h.engine.Report(s, packet, object, h.drops[reason].Load(), now)
	if bad != nil {
		return nil, outcome{}, err
	}
	h.reports.Add(1)
	return nil, outcome{answer: answer}, err
}

// distribute gives a message to those who want it, and says whether anybody does.
func (h *Hub) distribute(m *message.Message, now time.Time) bool {
	taken, denied := false, false
	for p := range h.present().candidates(m) {
		m.Source = p.from(m)
		a := p.look(m.Trap)
		if !a.wanted {
			continue
		}
		if !h.may(p, m, now) {
			denied = true
			continue
		}
		if p.batch.messages == 0 {
			h.touched = append(h.touched, p)
		}
		p.take(a, m, now)
		taken = true
	}
	switch {
	case taken:
	case denied && m.Version == 3:
		h.refuse(UnknownUser, m.Peer.Addr(), now, func() string {
			return fmt.Sprintf("%s: those who want it do not take user %q", h.words.name(m.Trap), m.User)
		})
	case denied:
		h.refuse(WrongCommunity, m.Peer.Addr(), now, func() string { return h.words.name(m.Trap) + ": those who want it take another community" })
	default:
		h.refuse(Unmatched, m.Peer.Addr(), now, func() string { return h.words.name(m.Trap) + ": no definition wants it from this source" })
		h.remember(m, now)
	}
	return taken
}

// may says whether a probe takes what the sender of a message proved to be.
func (h *Hub) may(p *trapProbe, m *message.Message, now time.Time) bool {
	switch {
	case len(p.plan.users) == 0 && len(p.secrets.references) == 0:
		return true
	case m.Version == 3:
		return slices.Contains(p.plan.users, h.prover)
	}
	return len(p.secrets.references) > 0 && p.secrets.allow(h.opts.Secrets, m.Community, now)
}

// remember makes a kind of unmatched trap visible.
func (h *Hub) remember(m *message.Message, now time.Time) {
	key := unmatchedKey{m.Peer.Addr(), string(m.Trap)}
	u := h.unmatched[key]
	if u == nil {
		if len(h.unmatched) >= maxUnmatched {
			h.forget()
		}
		u = &UnmatchedTrap{Source: key.source, Trap: h.words.name(m.Trap)}
		h.unmatched[key] = u
	}
	u.Count++
	u.Last = now
}

// forget makes room for a kind of unmatched trap.
func (h *Hub) forget() {
	var oldest unmatchedKey
	var at time.Time
	for key, u := range h.unmatched {
		if at.IsZero() || u.Last.Before(at) {
			oldest, at = key, u.Last
		}
	}
	delete(h.unmatched, oldest)
}

// post hands on what a batch came to.
func (h *Hub) post(now time.Time) {
	for _, p := range h.touched {
		p.post(now)
	}
	clear(h.touched)
	h.touched = h.touched[:0]
}
