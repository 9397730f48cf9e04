package fabric

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"grove/notify/peer"
)

// maxLinks is how many links that others made are remembered; those that were lost longest
// ago are forgotten first.
const maxLinks = 4096

// place is where a link is: to whom, and over which way. That of links that others made is
// empty, also when this manager listens anew.
type place struct {
	peer peer.ID
	way  string
}

const inboundWay = ""

// state is one link. Two managers may have several, of which peer.Fabric shows one.
type state struct {
	link    peer.Link
	session *session      // over which it goes while it is up
	way     *way          // nil: of those that others made
	conn    uint64        // of those that others made: the urgent connection
	lost    chan struct{} // likewise: is closed when that connection is over
	heard   time.Time
	shut    string // in a cluster: why the other one hears nothing of this manager; empty: it does
}

type watch struct{ told func(peer.Link) }

// change changes the link at a place, or makes it, and tells when that makes a difference.
func (f *Fabric) change(p place, apply func(*state)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.mergedLocked(p.peer)
	st := f.links[p]
	if st == nil {
		st = &state{link: peer.Link{Peer: p.peer, Since: f.options.Now()}}
		f.links[p] = st
		f.boundLocked()
	}
	was := *st
	apply(st)
	if st.link.Up != was.link.Up || st.session != was.session || st.conn != was.conn {
		st.link.Since = f.options.Now()
	}
	after := f.mergedLocked(p.peer)
	f.tellLocked(before, after)
}

// tellLocked notes a link to be told of if it came up, came up anew or was lost.
func (f *Fabric) tellLocked(before, after *state) {
	var link peer.Link
	switch {
	case after == nil && (before == nil || !before.link.Up):
		return
	case after == nil:
		link = before.link
		link.Up, link.Since, link.Error = false, f.options.Now(), "it was taken back"
	case before != nil && before.link.Up == after.link.Up && before.link.Since.Equal(after.link.Since) && before.link.Outbound == after.link.Outbound:
		return
	case before != nil && !before.link.Up && !after.link.Up:
		return
	case before == nil && !after.link.Up:
		return
	default:
		link = after.link
	}
	if link.Peer != "" { // The link to a cluster is to no manager.
		f.told = append(f.told, link)
		select {
		case f.tell <- struct{}{}:
		default:
		}
	}
	f.changedLocked()
}

// boundLocked forgets the oldest lost link when there are too many.
func (f *Fabric) boundLocked() {
	if len(f.links) <= maxLinks {
		return
	}
	var oldest place
	var since time.Time
	for p, st := range f.links {
		if !st.link.Up && st.way == nil && (since.IsZero() || st.link.Since.Before(since)) {
			oldest, since = p, st.link.Since
		}
	}
	if !since.IsZero() {
		delete(f.links, oldest)
	}
}

// mergedLocked returns a copy of the link to a manager that counts: one that is up before
// one that is not, one that this manager made before others.
func (f *Fabric) mergedLocked(id peer.ID) *state {
	var best *state
	for p, st := range f.links {
		if p.peer != id {
			continue
		}
		if best == nil || better(st, best) {
			best = st
		}
	}
	if best == nil {
		return nil
	}
	c := *best
	return &c
}

func better(a, b *state) bool {
	if a.link.Up != b.link.Up {
		return a.link.Up
	}
	if a.link.Outbound != b.link.Outbound {
		return a.link.Outbound
	}
	return a.link.Address < b.link.Address
}

// changed wakes who waits for a link or a session.
func (f *Fabric) changed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changedLocked()
}

func (f *Fabric) changedLocked() {
	close(f.news)
	f.news = make(chan struct{})
}

func (f *Fabric) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news
}

// outboundUp is told of a session of a way to a manager.
func (f *Fabric) outboundUp(s *session) {
	f.change(place{s.way.id, s.way.address}, func(st *state) {
		st.way, st.session = s.way, s
		st.link.Outbound, st.link.Address, st.link.CertificateEnds = true, s.way.address, s.ends
		st.link.Up, st.link.Limited, st.link.Error = s.only == nil, s.only != nil, ""
		if s.only != nil {
			st.link.Error = "the certificate of this manager is good for " + strings.Join(s.only, ", ") + " only"
		}
	})
	f.options.Log.Info("a link to a manager is up", "manager", s.way.id, "address", s.way.address, "limited", s.only != nil)
}

// outboundOver is told that a way has no session, and why.
func (f *Fabric) outboundOver(w *way, why error) {
	if w.kind == own {
		return
	}
	text := "it was lost"
	if why != nil {
		text = why.Error()
	}
	again := false
	f.change(place{w.id, w.address}, func(st *state) {
		again = st.link.Error == text && !st.link.Up
		st.way, st.session = w, nil
		st.link.Outbound, st.link.Address, st.link.Up, st.link.Limited, st.link.Error = true, w.address, false, false, text
	})
	if !again {
		f.options.Log.Warn("a link to a manager is down", "manager", w.id, "address", w.address, "error", text)
	}
}

// forget takes the links of a way that was taken back off the list.
func (f *Fabric) forget(w *way) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, st := range f.links {
		if st.way == w {
			before := f.mergedLocked(p.peer)
			delete(f.links, p)
			f.tellLocked(before, f.mergedLocked(p.peer))
		}
	}
}

// inboundUp is told that a manager that has called is ready.
func (f *Fabric) inboundUp(s *session, from peer.ID) {
	c, ok := s.way.host.gate.of(from)
	if !ok {
		return
	}
	f.change(place{from, inboundWay}, func(st *state) {
		if st.lost != nil && st.conn != c.number {
			close(st.lost)
			st.lost = nil
		}
		if st.lost == nil {
			st.lost = make(chan struct{})
		}
		st.session, st.conn = s, c.number
		st.link.Address, st.link.CertificateEnds = c.address, c.caller.Ends
		st.link.Up, st.link.Error = true, ""
	})
	f.options.Log.Info("a manager has linked", "manager", from, "address", c.address)
}

// inboundOver is told that the last connection of a manager is over.
func (f *Fabric) inboundOver(c conn, why error) {
	if why == nil {
		why = errors.New("it was lost")
	}
	f.change(place{c.caller.ID, inboundWay}, func(st *state) {
		if st.lost != nil {
			close(st.lost)
			st.lost = nil
		}
		st.session, st.link.Up, st.link.Error = nil, false, why.Error()
	})
	f.options.Log.Warn("the link of a manager is lost", "manager", c.caller.ID, "address", c.address, "error", why)
}

// clusterUp is told of the connection to a cluster.
func (f *Fabric) clusterUp(s *session) {
	f.change(place{"", s.way.address}, func(st *state) {
		st.way, st.session = s.way, s
		st.link.Outbound, st.link.Address, st.link.Up, st.link.Error, st.link.CertificateEnds = true, s.way.address, true, "", s.ends
	})
}

// heard is told that a manager is in a cluster, or says that it leaves; refused is why it is
// not to be heard all the same.
func (f *Fabric) heard(s *session, from peer.ID, here bool, refused error) {
	if s.way.kind != cluster {
		return
	}
	fresh := false
	f.change(place{from, s.way.address}, func(st *state) {
		up := here && refused == nil
		fresh = up && (st.session != s || !st.link.Up)
		st.way, st.session, st.heard = s.way, s, time.Now()
		st.link.Outbound, st.link.Address, st.link.Up, st.link.Error = true, s.way.address, up, ""
		switch {
		case refused != nil:
			st.session, st.link.Error = nil, refused.Error()
		case !here:
			st.session, st.link.Error = nil, "it has stopped"
		case st.shut != "":
			st.session, st.link.Up, st.link.Error = nil, false, st.shut
		}
	})
	if fresh {
		// So that a newcomer need not wait for the next beat.
		_ = s.urgent.Publish(toAll+string(f.options.Self)+"."+kindHere, nil)
	}
}

// answered is told that a manager in a cluster has answered, or why it answers nothing of this
// one: there the link is down to both.
func (f *Fabric) answered(s *session, of peer.ID, shut string) {
	if s.way.kind != cluster {
		return
	}
	f.mu.Lock()
	st := f.links[place{of, s.way.address}]
	same := st == nil || st.shut == shut
	f.mu.Unlock()
	if same {
		return
	}
	f.change(place{of, s.way.address}, func(st *state) {
		st.way, st.shut = s.way, shut
		if st.link.Up = shut == "" && time.Since(st.heard) <= peer.Suspect; st.link.Up {
			st.session = s
		} else {
			st.session = nil
		}
		st.link.Error = shut
	})
}

// clusterSilent looks for managers in a cluster of which nothing was heard for too long.
func (f *Fabric) clusterSilent(s *session) {
	f.mu.Lock()
	var silent []place
	for p, st := range f.links {
		if st.session == s && p.peer != "" && st.link.Up && time.Since(st.heard) > peer.Suspect {
			silent = append(silent, p)
		}
	}
	f.mu.Unlock()
	for _, p := range silent {
		f.change(p, func(st *state) {
			st.session, st.link.Up, st.link.Error = nil, false, "nothing was heard of it in the cluster"
		})
	}
}

// sessionOver takes back what went over a session.
func (f *Fabric) sessionOver(s *session) {
	f.mu.Lock()
	for id, r := range f.routes {
		if r == s {
			delete(f.routes, id)
		}
	}
	var lost []place
	for p, st := range f.links {
		if st.session == s {
			lost = append(lost, p)
		}
	}
	f.mu.Unlock()
	for _, p := range lost {
		f.change(p, func(st *state) {
			if st.session == s {
				st.session, st.link.Up, st.link.Limited, st.link.Error = nil, false, false, "it was lost"
			}
		})
	}
	f.changed()
}

// direct returns the session of the link to a manager; nil: it is not linked.
func (f *Fabric) direct(to peer.ID) *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	if st := f.mergedLocked(to); st != nil && st.link.Up {
		return st.session
	}
	return nil
}

// loss returns what is closed when the link that a manager made to this one is lost; nil is
// never.
func (f *Fabric) loss(to peer.ID) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if st := f.links[place{to, inboundWay}]; st != nil && st.link.Up {
		return st.lost
	}
	return nil
}

// Links implements peer.Fabric. The link to an external cluster itself has no peer.
func (f *Fabric) Links() []peer.Link {
	f.mu.Lock()
	var all []*state
	seen := map[peer.ID]bool{}
	for p := range f.links {
		if p.peer == "" || !seen[p.peer] {
			seen[p.peer] = true
			all = append(all, f.mergedLocked(p.peer))
		}
	}
	h := f.server
	f.mu.Unlock()
	var conns map[uint64]*server.ConnInfo
	var byPeer map[peer.ID][]uint64
	if h != nil {
		conns, byPeer = h.figures()
	}
	links := make([]peer.Link, 0, len(all))
	for _, st := range all {
		switch {
		case st.session == nil:
		case st.session.way.kind == own:
			inboundFigures(&st.link, conns[st.conn], conns, byPeer[st.link.Peer])
		default:
			st.session.figures(&st.link)
		}
		links = append(links, st.link)
	}
	slices.SortFunc(links, func(a, b peer.Link) int {
		return strings.Compare(string(a.Peer)+a.Address, string(b.Peer)+b.Address)
	})
	return links
}

// figures fills in what the clients of a session have counted. In a cluster they are those
// of all managers together.
func (s *session) figures(l *peer.Link) {
	l.RoundTrip = time.Duration(s.rtt.Load())
	waiting, _ := s.urgent.Buffered()
	more, _ := s.bulk.Buffered()
	l.Waiting = int64(waiting + more)
	a, b := s.urgent.Stats(), s.bulk.Stats()
	l.BytesIn, l.BytesOut = a.InBytes+b.InBytes, a.OutBytes+b.OutBytes
	l.MessagesIn, l.MessagesOut = a.InMsgs+b.InMsgs, a.OutMsgs+b.OutMsgs
}

// countEvery is how often a server is asked what it has counted, which takes time for each
// connection.
const countEvery = time.Second

// figures lists what the server has counted lately, by connection, and the connections by
// manager. Both are only read.
func (h *host) figures() (map[uint64]*server.ConnInfo, map[peer.ID][]uint64) {
	h.counting.Lock()
	defer h.counting.Unlock()
	if h.conns != nil && time.Since(h.counted) < countEvery {
		return h.conns, h.byPeer
	}
	h.counted, h.conns, h.byPeer = time.Now(), map[uint64]*server.ConnInfo{}, map[peer.ID][]uint64{}
	all, err := h.server.Connz(&server.ConnzOptions{Limit: maxConns})
	if err != nil {
		return h.conns, h.byPeer
	}
	for _, c := range all.Conns {
		h.conns[c.Cid] = c
	}
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	for n, c := range h.gate.conns {
		h.byPeer[c.caller.ID] = append(h.byPeer[c.caller.ID], n)
	}
	return h.conns, h.byPeer
}

func inboundFigures(l *peer.Link, link *server.ConnInfo, conns map[uint64]*server.ConnInfo, numbers []uint64) {
	if link != nil {
		l.RoundTrip, _ = time.ParseDuration(link.RTT)
	}
	for _, n := range numbers {
		c := conns[n]
		if c == nil {
			continue
		}
		l.Waiting += int64(c.Pending)
		l.BytesIn += uint64(c.InBytes)
		l.BytesOut += uint64(c.OutBytes)
		l.MessagesIn += uint64(c.InMsgs)
		l.MessagesOut += uint64(c.OutMsgs)
	}
}

// OnLink implements peer.Fabric. A link that was lost and is back before that was seen is
// told as one that comes up.
func (f *Fabric) OnLink(told func(peer.Link)) func() {
	w := &watch{told}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches[w] = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watches, w)
	}
}

// tellLinks tells watches of links until the fabric is closed.
func (f *Fabric) tellLinks() {
	for {
		select {
		case <-f.ctx.Done():
			return
		case <-f.tell:
		}
		f.mu.Lock()
		links := f.told
		f.told = nil
		f.mu.Unlock()
		for _, l := range links {
			f.mu.Lock()
			var to []*watch
			for w := range f.watches {
				to = append(to, w)
			}
			f.mu.Unlock()
			for _, w := range to {
				w.told(l)
			}
		}
	}
}
