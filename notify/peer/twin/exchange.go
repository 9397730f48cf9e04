package twin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree"
)

// kindDevices is the question which devices a manager watches. It is asked with a question
// and answered with an answer.
const kindDevices = "twin.devices"

const (
	askEvery  = 5 * time.Second
	talkEvery = 2 * time.Second // with managers that watch what others watch, too
	sayEvery  = time.Second     // what is different than before
	askWithin = 4 * time.Second
	askAtOnce = 8 // managers
	pageBytes = 256 << 10
	maxKnown  = 4096 // IDs in a question
	maxPages  = 1000
)

// question asks for the devices after one of them, of the same edition as before.
type question struct {
	Edition string `json:"edition,omitempty"` // that the asker has
	After   string `json:"after,omitempty"`
	// Known are the managers that the asker is or asks itself: it needs nothing about them.
	Known []peer.ID `json:"known,omitempty"`
	// Words are what the asker says of alerts about the devices that the asked tells of, with
	// the first page only; Yields says that it takes the word of the asked, too.
	Words  []Word `json:"words,omitempty"`
	Yields bool   `json:"yields,omitempty"`
}

// answer is a page of devices. Same says that nothing differs from the edition.
type answer struct {
	Edition string   `json:"edition"`
	Same    bool     `json:"same,omitempty"`
	Devices []Device `json:"devices,omitempty"`
	More    string   `json:"more,omitempty"` // to be asked for next; nothing: this was all
	// Facts are of the alerts about all devices, with the first page.
	Facts []Fact `json:"facts,omitempty"`
}

// ExchangeOptions are the surroundings of an Exchange.
type ExchangeOptions struct {
	Fabric peer.Fabric
	// Managers are those whose devices are to be known: whose trees are joined.
	Managers func() []peer.Manager
	// Own are the devices of this manager, those included that it watches for another one,
	// whose Manager says whose they are.
	Own func() []Device
	// Local says where a path of another manager's tree hangs here, so that those who ask
	// this manager learn of what is behind it, too; nil: they do not.
	Local func(of peer.ID, at tree.Path) (tree.Path, bool)
	// Sees says whether a manager may learn of a device at a path here; nil: of all.
	Sees func(asker peer.ID, at tree.Path) bool
	// Told are the alerts about own devices of which people were told from here; those about
	// devices that no other manager watches may be left out. Nil: none.
	Told func() []Fact
	Log  *slog.Logger // nil discards
}

// Exchange keeps Twins current: it asks the managers for their devices every five seconds,
// those more often that watch what others watch, too, says to them who tells of alerts, and
// answers them.
type Exchange struct {
	opts  ExchangeOptions
	twins *Twins

	mu       sync.Mutex // guards all below
	own      []Device
	editions map[peer.ID]string
	busy     map[peer.ID]bool
	asked    map[peer.ID]time.Time
	said     map[peer.ID][sha256.Size]byte // of the words that were said last
}

// NewExchange returns an Exchange that answers from now on.
func NewExchange(t *Twins, o ExchangeOptions) *Exchange {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Exchange{
		opts: o, twins: t, editions: map[peer.ID]string{}, busy: map[peer.ID]bool{}, asked: map[peer.ID]time.Time{}, said: map[peer.ID][sha256.Size]byte{},
	}
	o.Fabric.Handle(kindDevices, e.answer)
	return e
}

// Run asks until ctx ends.
func (e *Exchange) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	defer e.opts.Fabric.Handle(kindDevices, nil)
	stop := e.opts.Fabric.OnLink(func(l peer.Link) {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.asked, l.Peer) // It is asked at once when it is back.
	})
	defer stop()
	slots := make(chan struct{}, askAtOnce)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		e.look()
		for _, m := range e.due(time.Now()) {
			asking.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				e.ask(ctx, m)
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// look takes the own devices and the links as they are.
func (e *Exchange) look() {
	own := e.opts.Own()
	e.mu.Lock()
	e.own = own
	e.mu.Unlock()
	e.twins.Set(e.opts.Fabric.Self(), own)
	if e.opts.Told != nil && e.twins.Any() {
		e.twins.SetFacts(e.opts.Fabric.Self(), e.opts.Told())
	}
	wanted := map[peer.ID]bool{}
	for _, m := range e.opts.Managers() {
		wanted[m.ID] = true
	}
	up := map[peer.ID]bool{}
	for _, l := range e.opts.Fabric.Links() {
		up[l.Peer] = up[l.Peer] || l.Up
	}
	for id := range wanted {
		if is, linked := up[id]; linked {
			e.twins.SetLink(id, is)
		}
	}
	e.mu.Lock()
	var gone []peer.ID
	for id := range e.editions {
		if !wanted[id] && !e.busy[id] {
			gone = append(gone, id)
			delete(e.editions, id)
			delete(e.asked, id)
			delete(e.said, id)
		}
	}
	e.mu.Unlock()
	for _, id := range gone {
		e.twins.Set(id, nil)
	}
	e.twins.Tick()
}

// due are the managers that are to be asked now: after a while, or when there is something to
// say to them.
func (e *Exchange) due(now time.Time) (due []peer.Manager) {
	managers := e.opts.Managers()
	words, every := map[peer.ID][sha256.Size]byte{}, map[peer.ID]time.Duration{}
	for _, m := range managers {
		said := e.twins.words(m.ID)
		words[m.ID], every[m.ID] = digest(said), askEvery
		if len(said) > 0 {
			every[m.ID] = talkEvery
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range managers {
		if at, known := e.asked[m.ID]; e.busy[m.ID] || known && now.Sub(at) < every[m.ID] && (now.Sub(at) < sayEvery || e.said[m.ID] == words[m.ID]) || m.ID == e.opts.Fabric.Self() {
			continue
		}
		e.busy[m.ID], e.asked[m.ID] = true, now
		due = append(due, m)
	}
	return due
}

// ask takes all devices of one manager.
func (e *Exchange) ask(ctx context.Context, m peer.Manager) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	e.mu.Lock()
	q := question{Edition: e.editions[m.ID], Known: e.known(), Words: e.twins.words(m.ID), Yields: e.twins.opts.Trust(m.ID)}
	e.mu.Unlock()
	said := digest(q.Words)
	devices, facts, edition, err := e.pages(ctx, m.ID, q)
	if err == nil && edition != q.Edition {
		for i := range devices {
			if devices[i].Manager == m.ID {
				devices[i].ManagerName = m.Name
			}
		}
		if left := e.twins.Set(m.ID, devices); left > 0 {
			e.opts.Log.Warn("devices of another manager were left out: too many of them, or malformed", "manager", m.Name, "devices", left)
		}
	}
	if err == nil {
		e.twins.SetFacts(m.ID, facts)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.busy, m.ID)
	if err == nil {
		e.editions[m.ID], e.said[m.ID] = edition, said
	} else if !errors.Is(err, peer.ErrNobody) && !errors.Is(err, peer.ErrLost) && !errors.Is(err, context.Canceled) {
		e.opts.Log.Warn("another manager did not tell its devices", "manager", m.Name, "error", err)
	}
}

// digest tells whether words are others.
func digest(words []Word) [sha256.Size]byte {
	text, err := json.Marshal(words)
	if err != nil {
		return [sha256.Size]byte{} // They are texts and numbers.
	}
	return sha256.Sum256(text)
}

// known are this manager and those that it asks itself.
func (e *Exchange) known() []peer.ID {
	ids := []peer.ID{e.opts.Fabric.Self()}
	for _, m := range e.opts.Managers() {
		ids = append(ids, m.ID)
	}
	return ids[:min(len(ids), maxKnown)]
}

// pages asks for all pages of one edition. When it changes meanwhile, that is an error,
// and it is asked again in a while.
func (e *Exchange) pages(ctx context.Context, of peer.ID, q question) (devices []Device, facts []Fact, edition string, err error) {
	for range maxPages {
		body, err := json.Marshal(q)
		if err != nil {
			return nil, nil, "", err
		}
		if body, err = e.opts.Fabric.AskBulk(ctx, of, kindDevices, body); err != nil {
			return nil, nil, "", err
		}
		var a answer
		if err := json.Unmarshal(body, &a); err != nil {
			return nil, nil, "", err
		}
		if q.After == "" {
			facts = a.Facts
		}
		switch {
		case a.Same && q.After == "":
			return nil, facts, q.Edition, nil
		case q.After != "" && a.Edition != edition:
			return nil, nil, "", errors.New("the devices changed while they were told")
		}
		edition = a.Edition
		if devices = append(devices, a.Devices...); len(devices) > MaxDevices {
			return devices, facts, edition, nil // Set counts what is too much.
		}
		if a.More == "" {
			return devices, facts, edition, nil
		}
		q.Edition, q.After, q.Words = "", a.More, nil
	}
	return nil, nil, "", errors.New("the devices come in too many pages")
}

// answer tells another manager of the devices here, and of those of managers behind this
// one that the asker does not ask itself.
func (e *Exchange) answer(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, peer.Refuse(peer.Invalid, "the question for devices cannot be read: %v", err)
	}
	if len(q.Known) > maxKnown {
		return nil, peer.Refuse(peer.Invalid, "%d known managers are more than %d", len(q.Known), maxKnown)
	}
	e.mu.Lock()
	all := slices.Clone(e.own)
	e.mu.Unlock()
	all = append(all, e.twins.behind(from, q.Known, e.opts.Local)...)
	if e.opts.Sees != nil {
		all = slices.DeleteFunc(all, func(d Device) bool { return !e.opts.Sees(from, d.At) })
	}
	slices.SortFunc(all, func(a, b Device) int { return cmp.Compare(a.order(), b.order()) })
	h := sha256.New()
	pages := json.NewEncoder(h)
	for i := range all {
		if err := pages.Encode(&all[i]); err != nil {
			return nil, err
		}
	}
	a := answer{Edition: hex.EncodeToString(h.Sum(nil)[:12])}
	if q.After == "" {
		e.twins.Hear(from, q.Yields, q.Words)
		a.Facts = e.twins.facts(all)
	}
	if q.After == "" && q.Edition == a.Edition {
		a.Same = true
		return json.Marshal(a)
	}
	size := 0
	for i := range all {
		if all[i].order() <= q.After {
			continue
		}
		text, err := json.Marshal(&all[i])
		if err != nil {
			return nil, err
		}
		if size += len(text) + 1; size > pageBytes && len(a.Devices) > 0 {
			a.More = a.Devices[len(a.Devices)-1].order()
			break
		}
		a.Devices = append(a.Devices, all[i])
	}
	return json.Marshal(a)
}

// order is a text by which devices are sorted.
func (d *Device) order() string { return string(d.Manager) + ":" + d.Name }

// behind are the devices of other managers that are shown here, for a manager that knows
// of some managers itself and that did not tell of them.
func (t *Twins) behind(asker peer.ID, known []peer.ID, local func(peer.ID, tree.Path) (tree.Path, bool)) (devices []Device) {
	if local == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sources {
		if s.via == t.opts.Self || s.via == asker || s.Manager == asker || slices.Contains(known, s.Manager) || slices.Contains(known, s.via) ||
			slices.Contains(s.Through, asker) || len(s.Through) >= MaxThrough {
			continue
		}
		if g := t.of[s.key]; g != nil && g.shown != s {
			continue
		}
		at, ok := local(s.via, s.At)
		if !ok {
			continue
		}
		d := s.Device
		d.At, d.Watched, d.Through = at, s.Watched && !t.down[s.via], append(slices.Clone(d.Through), s.via)
		devices = append(devices, d)
	}
	return devices
}
