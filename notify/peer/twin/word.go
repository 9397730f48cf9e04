package twin

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/alert"
)

// LeftFor is how long the word of another manager holds after it was said the last time.
const LeftFor = 3 * askEvery

// Bounds of what managers say to each other of alerts.
const (
	maxWords     = 10_000    // of one manager
	maxFacts     = 10_000    // of one manager
	maxTold      = 1000      // of one device
	maxWordBytes = 128 << 10 // in one message
)

// Told is that people know of an alert about a device: that it is open, or, Over, that it is
// not any more.
type Told struct {
	Path   tree.Path   `json:"path"` // below the device
	Kind   alert.Kind  `json:"kind"`
	Status tree.Status `json:"status"` // the worst that was told
	Over   bool        `json:"over,omitempty"`
	At     time.Time   `json:"at"`
	Ack    *alert.Ack  `json:"acknowledgement,omitempty"`
}

// Word says of a device whether the alerts about it are left to another manager.
type Word struct {
	Manager peer.ID `json:"manager"` // whose it is
	Device  string  `json:"device"`
	By      peer.ID `json:"by"` // who decided it
	Left    bool    `json:"left,omitempty"`
	To      string  `json:"to,omitempty"` // the name of who tells of it
	As      string  `json:"as,omitempty"` // the name of the device there
	// Told are the alerts of which that one has told people.
	Told []Told `json:"told,omitempty"`
}

// Fact is what the manager that watches a device says of the alerts about it.
type Fact struct {
	Manager peer.ID `json:"manager"`
	Device  string  `json:"device"`
	// LeftBy is who decided that they are left to another one; nothing: they are told.
	LeftBy peer.ID `json:"leftBy,omitempty"`
	Told   []Told  `json:"told,omitempty"`
}

// name names a device, whoever tells of it.
type name struct {
	manager peer.ID
	device  string
}

func (s *source) named() name { return name{s.Manager, s.Name} }

// heard is the word of another manager.
type heard struct {
	Word
	// yields says that who said it takes this manager's word, too.
	yields bool
	until  time.Time
}

// Hear takes what another manager says of devices that are watched here, or of which this
// manager tells it, in place of what it said before. It holds for LeftFor. Yields says that the
// other one takes this one's word, too. What a manager says that is not trusted counts for
// nothing.
func (t *Twins) Hear(from peer.ID, yields bool, words []Word) {
	if !t.opts.Trust(from) {
		return
	}
	t.change(func(now time.Time) bool {
		for of, all := range t.heard {
			if delete(all, from); len(all) == 0 {
				delete(t.heard, of)
			}
		}
		for _, w := range words[:min(len(words), maxWords)] {
			if w.By.Check() != nil || len(w.To) > maxText || len(w.As) > maxText || len(w.Told) > maxTold {
				continue
			}
			of := name{w.Manager, w.Device}
			if t.heard[of] == nil {
				t.heard[of] = map[peer.ID]heard{}
			}
			t.heard[of][from] = heard{w, yields, now.Add(LeftFor)}
		}
		return false
	})
}

// SetFacts takes what a manager says of the alerts about the devices of which it tells; self
// says it of its own.
func (t *Twins) SetFacts(via peer.ID, facts []Fact) {
	t.change(func(time.Time) bool {
		said := make(map[name]*Fact, len(facts))
		for i := range facts[:min(len(facts), maxFacts)] {
			if f := &facts[i]; len(f.Told) <= maxTold && (f.LeftBy == "" || f.LeftBy.Check() == nil) {
				said[name{f.Manager, f.Device}] = f
			}
		}
		for _, s := range t.sources {
			if s.via != via {
				continue
			}
			s.leftBy, s.told = "", nil
			if f := said[s.named()]; f != nil {
				s.leftBy, s.told = f.LeftBy, f.Told
			}
		}
		return false
	})
}

// Any says whether there is, or was, a device here that another manager watches, too, so that
// Left may say something.
func (t *Twins) Any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.verdicts)+len(t.lefts) > 0
}

// Left says to whom the alerts about a device are left that is watched here; while Left is
// false, to whom they were the last time, and what that one had told. Without such there is
// nothing in it.
func (t *Twins) Left(owner peer.ID, device string) Word {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := name{owner, device}
	if w := t.verdicts[of]; w.Left {
		return w
	}
	w := t.lefts[of]
	w.Left = false
	return w
}

// judge finds to whom the alerts about the own devices are left, and says whether that is
// different than before.
func (t *Twins) judge(now time.Time) (news bool) {
	for of, all := range t.heard {
		for from, h := range all {
			if now.After(h.until) {
				delete(all, from)
			}
		}
		if len(all) == 0 {
			delete(t.heard, of)
		}
	}
	verdicts := map[name]Word{}
	for _, s := range t.sources {
		if s.via == t.opts.Self {
			if w, ok := t.verdict(s); ok {
				verdicts[s.named()] = w
			}
		}
	}
	same := func(a, b Word) bool {
		return a.Left == b.Left && a.To == b.To && a.As == b.As && slices.EqualFunc(a.Told, b.Told, func(x, y Told) bool {
			return x.Path == y.Path && x.Kind == y.Kind && x.Status == y.Status && x.Over == y.Over && x.At.Equal(y.At) && (x.Ack == nil) == (y.Ack == nil)
		})
	}
	news = !maps.EqualFunc(verdicts, t.verdicts, same)
	t.verdicts = verdicts
	for of, w := range verdicts {
		if w.Left {
			t.lefts[of] = w
		}
	}
	for of := range t.lefts {
		if t.sources[key{t.opts.Self, of.manager, of.device}] == nil {
			delete(t.lefts, of)
		}
	}
	return news
}

// verdict is what counts of an own device, or of one behind a manager: what this manager
// decides, or what it was told, of which the one with the lowest ID counts.
func (t *Twins) verdict(s *source) (w Word, ok bool) {
	w, ok = t.decision(s)
	var best *heard
	for _, h := range t.heard[s.named()] {
		if best == nil || h.By < best.By {
			best = &h
		}
	}
	if best == nil || ok && best.yields && t.opts.Self < best.By {
		return w, ok
	}
	return best.Word, true
}

// decision is what this manager decides of a device of which it knows several sources. To
// leave alerts to a manager that has the same device, since it took it over, is nothing to
// decide: that is a matter of who watches it.
func (t *Twins) decision(s *source) (w Word, ok bool) {
	g := t.of[s.key]
	if g == nil {
		return w, false
	}
	w = Word{Manager: s.Manager, Device: s.Name, By: t.opts.Self}
	if p := g.shown; p != s && p.named() != s.named() && p.live.settled {
		w.Left, w.To, w.As, w.Told = true, cmp.Or(p.ManagerName, string(p.Manager)), p.Name, p.told
	}
	return w, true
}

// words are what is said to a manager of the devices of which it tells. What is too long to
// be said is left out: alerts about these are told by each.
func (t *Twins) words(to peer.ID) (list []Word) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sources {
		if s.via != to || to == t.opts.Self {
			continue
		}
		if w, ok := t.verdict(s); ok {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b Word) int {
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Device, b.Device))
	})
	list = list[:min(len(list), maxWords)]
	return list[:fitting(list)]
}

// facts are what is said to a manager of the alerts about the devices of which it is told.
func (t *Twins) facts(devices []Device) (list []Fact) {
	t.mu.Lock()
	defer t.mu.Unlock()
	told := make(map[name]bool, len(devices))
	for i := range devices {
		told[name{devices[i].Manager, devices[i].Name}] = true
	}
	for _, s := range t.sources {
		if !told[s.named()] {
			continue
		}
		f := Fact{Manager: s.Manager, Device: s.Name, LeftBy: s.leftBy, Told: s.told}
		if s.via == t.opts.Self {
			w, concerned := t.verdicts[s.named()]
			if !concerned {
				continue
			}
			if w.Left {
				f.LeftBy = w.By
			}
		} else if g := t.of[s.key]; g != nil && g.shown != s {
			continue
		}
		if f.LeftBy != "" || len(f.Told) > 0 {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Device, b.Device))
	})
	list = list[:min(len(list), maxFacts)]
	return list[:fitting(list)]
}

// fitting is how many of a list fit into a message.
func fitting[T any](list []T) int {
	size := 0
	for i := range list {
		text, err := json.Marshal(&list[i])
		if size += len(text) + 1; err != nil || size > maxWordBytes {
			return i
		}
	}
	return len(list)
}

// yielded says of a source that its manager leaves the alerts about it to another one by the
// word of a manager that counts more than this one's: it tells nobody, whatever is decided
// here.
func (t *Twins) yielded(s *source) bool {
	return s.via != t.opts.Self && s.leftBy != "" && s.leftBy < t.opts.Self
}
