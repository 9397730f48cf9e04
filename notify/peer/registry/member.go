package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"grove/notify/peer"
)

// member is what is known of another manager. Times are those of Registry.time; zero is
// never. What it holds of slices is never changed, only replaced.
type member struct {
	id peer.ID // never changes, so that it can be read without holding mu
	peer.Manager
	number int64 // of what it says of itself: the higher one is newer
	home   peer.ID
	// first is the number of what it said of itself here, in this run of this manager; has that
	// of what it knows of this one.
	first, has int64

	state  Standing
	since  time.Time
	why    string
	by     peer.ID
	judged Standing // by this manager: CutOff, Dead, or nothing
	// judgedAt is when; byeLife is the run of the manager that said goodbye.
	judgedAt time.Duration
	byeLife  int64
	// byeAt is when it said goodbye, ear when it was heard here, heard by anybody, relayed
	// when somebody passed its heartbeat on, from since when it is listened for.
	byeAt, ear, heard, relayed, from time.Duration
	steady                           time.Duration // since when it is heard without a gap
	words                            map[peer.ID]word
	sights                           map[peer.ID]sight // what others answered, while it is silent
	lookedAt                         time.Duration     // when others were asked last

	// As one that is registered here.
	token       int64
	with        time.Duration // since when this manager is its home; zero: it is not
	registering bool          // its token is on the way to the disk
	life        int64         // run of the manager for which the token is; zero: for none
	term        term          // the last one
	homes       []peer.ID     // the integration managers that it is registered with
	before      peer.ID       // whose term came before that of this manager
	denied      bool          // it was given no lease: when it gets one again it has a new token
	caught      bool          // its list is known, since it was silent last
	acts        bool          // this manager acts for it, as Changed has it
	// As one that this manager is registered with: the token, and until when.
	mine   int64
	until  time.Duration
	wall   time.Time // the same on the wall's clock, which runs on while the machine sleeps
	passed bool      // the last renewal was passed on by a neighbour

	asking  int           // heartbeats that are not answered yet
	next    time.Duration // heartbeat
	answer  time.Duration // when the last one was answered
	asks    time.Duration // when it asked last
	proven  time.Duration // when a question of either was answered last, as far as both know
	asked   time.Duration // whether it is there, or to pass something on
	listed  int64         // version of its list up to which it is known here
	listing bool
	trip    time.Duration
	offset  time.Duration
	load    Load

	changed int64  // version of the list of this manager that brought the present state
	told    bool   // Changed has had the present state
	kept    string // what is on disk
}

// word is what another manager says of one, of its own hearing or judgement.
type word struct {
	state Standing
	at    time.Duration // when it was heard, or judged
}

// sight is what another manager answered when it was asked whether it hears one.
type sight struct {
	asked time.Duration
	heard time.Duration // zero: it does not
}

// time is the time since the start on the monotonic clock, never zero.
func (r *Registry) time() time.Duration { return time.Since(r.began) + 1 }

// wall turns such a time into one of the wall.
func (r *Registry) wall(at time.Duration) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return r.o.Now().Add(at - r.time()).Round(0)
}

// get returns a member, which it makes when it is not known yet; nil: there is no room.
func (r *Registry) get(id peer.ID) *member {
	if m := r.members[id]; m != nil {
		return m
	}
	if id == r.self || id.Check() != nil || !r.room() {
		return nil
	}
	m := &member{id: id, Manager: peer.Manager{ID: id}, from: r.time()}
	r.members[id] = m
	r.stand(m, Known, "", "others know of it, and nobody has heard it yet")
	return m
}

// room makes room for one more and says whether there is.
func (r *Registry) room() bool {
	if len(r.members) < MaxManagers {
		return true
	}
	var oldest *member
	for _, m := range r.members {
		if !r.hears(m) && m.token == 0 && m.state != Dead && (oldest == nil || m.heard < oldest.heard) {
			oldest = m
		}
	}
	if oldest == nil {
		return false
	}
	r.drop(oldest)
	return true
}

// drop forgets a member.
func (r *Registry) drop(m *member) {
	delete(r.members, m.ID)
	r.dropped = append(r.dropped, string(m.ID))
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// silence is how long a member was not heard here, as far as this manager has listened.
func (r *Registry) silence(m *member) time.Duration { return r.time() - max(m.ear, m.from, r.from) }

// hears says whether this manager hears a member itself. Who lived before this manager was
// stopped has a little time to be heard again.
func (r *Registry) hears(m *member) bool {
	return m.ear != 0 && m.state == Live && m.by == r.self && r.silence(m) < peer.Suspect
}

// hear notes that a member was heard here.
func (r *Registry) hear(m *member) {
	now := r.time()
	if !r.hears(m) {
		m.steady = now
	}
	m.ear, m.heard, m.byeAt, m.byeLife, m.judged, m.sights = now, now, 0, 0, "", nil
	r.stand(m, Live, r.self, "")
}

// stand sets how it is with a member.
func (r *Registry) stand(m *member, s Standing, by peer.ID, why string) {
	if m.state == s && m.by == by {
		m.why = why
		return
	}
	if m.state != s {
		m.since = r.o.Now().Round(0)
		if m.state == Dead || s == Dead || s == CutOff {
			r.log.Info("another manager stands otherwise", "manager", m.title(), "was", string(m.state), "is", string(s), "why", why)
		}
	}
	m.state, m.by, m.why = s, by, why
	r.touch(m)
}

// touch notes that there is something new of a member.
func (r *Registry) touch(m *member) {
	r.version++
	m.changed, m.told = r.version, false
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// title is the name of a member for people.
func (m *member) title() string { return cmp.Or(m.Name, string(m.ID)) }

// learn takes what a manager says of itself, or what another one knows of that by its number.
func (r *Registry) learn(m *member, said peer.Manager, number int64, home peer.ID, firstHand bool) {
	if !firstHand {
		if number <= m.number {
			return
		}
		m.first = 0 // What it said itself is not what is known of it any more.
	}
	was := m.Manager
	m.Manager, m.number = said, number
	was.Devices = said.Devices // It changes all the time, and changes nothing.
	changed := m.home != home || !reflect.DeepEqual(was, said)
	m.home = home
	if firstHand && home == r.self && r.role.On {
		if m.with == 0 && r.above(m) {
			m.with = r.time()
		}
	} else {
		m.with = 0
	}
	if changed {
		r.touch(m)
	}
}

// maxStatement bounds what a manager says of itself, bytes of JSON.
const maxStatement = 32 << 10

// bounded refuses what is longer than any manager says of itself.
func bounded(m peer.Manager) error {
	text, err := json.Marshal(m)
	if err == nil && len(text) > maxStatement {
		err = fmt.Errorf("what the manager says of itself has %d bytes: the bound is %d", len(text), maxStatement)
	}
	if err != nil {
		return err
	}
	return m.ID.Check()
}

// statement is what this manager says of itself; its number rises when that changes.
func (r *Registry) statement() peer.Manager {
	s := r.o.Self()
	s.ID, s.Integrates = r.self, r.role.On
	same := r.said
	same.Devices = s.Devices
	if !reflect.DeepEqual(same, s) {
		r.number = max(r.number+1, r.o.Now().UnixMilli())
	}
	r.said = s
	return s
}

// sorted returns the members by ID.
func (r *Registry) sorted() []*member {
	all := make([]*member, 0, len(r.members))
	for _, m := range r.members {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

// decode reads a message.
func decode(kind string, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return peer.Refuse(peer.Invalid, "%s: %v", kind, err)
	}
	return nil
}
