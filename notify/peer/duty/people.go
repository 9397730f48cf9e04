package duty

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/stand"
	"grove/tree"
)

// Errors about what people ask for.
var (
	ErrNone      = errors.New("there is no such device")
	ErrAmbiguous = errors.New("several managers have a device of that name")
)

// Wish is what somebody wants to become of a device.
type Wish struct {
	// To is the name or the ID of the manager that is to watch it; empty: home chooses one.
	To string `json:"to,omitempty"`
	// Until, unless zero, is when it goes back to its owner by itself.
	Until time.Time `json:"until,omitzero"`
	By    string    `json:"by,omitempty"` // who asks
}

// wish is what is asked of a keeper.
type wish struct {
	Key    Key  `json:"key"`
	Return bool `json:"return,omitempty"`
	Wish
	// Within is for how long, in milliseconds: the clock of who asks may be another one than
	// that of who is asked. Zero: Until says it.
	Within int64 `json:"within,omitempty"`
}

// Give has a device watched by another manager. It is decided, and on the disk of its
// keeper, on return; Devices and Moves say how it gets on. The name may be followed by "@"
// and the ID of the owner.
func (d *Duty) Give(ctx context.Context, name string, w Wish) error {
	return d.place(ctx, name, wish{Wish: w})
}

// Return has a device watched by its owner again.
func (d *Duty) Return(ctx context.Context, name, by string) error {
	return d.place(ctx, name, wish{Return: true, Wish: Wish{By: by}})
}

func (d *Duty) place(ctx context.Context, name string, w wish) error {
	k, keeper, err := d.find(name)
	if err != nil {
		return err
	}
	w.Key = k
	if left := time.Until(w.Until); left > 0 {
		w.Within = min(left, maxWithin).Milliseconds()
	}
	if _, err := d.ask(ctx, keeper, kindPlace, w, nil, nil); err != nil {
		return fmt.Errorf("device %s: %w", k.Name, unreachable(keeper, err))
	}
	return nil
}

// unreachable says what to do when a keeper does not answer.
func unreachable(keeper peer.ID, err error) error {
	if errors.Is(err, peer.ErrLost) || errors.Is(err, peer.ErrNobody) {
		return fmt.Errorf("home (%s), which decides who watches what, cannot be reached: try again when the link is back: %w", keeper, err)
	}
	return err
}

// find returns the device of a name, and who keeps the book about it.
func (d *Duty) find(text string) (Key, peer.ID, error) {
	name, owner, _ := strings.Cut(text, "@")
	d.mu.must()
	defer d.mu.free()
	found := map[Key]peer.ID{}
	for k := range d.rows {
		if d.acts(k.Owner) {
			found[k] = d.self
		}
	}
	for k, h := range d.holds {
		found[k] = d.keeperOf(h)
	}
	for _, own := range d.o.Local.Devices() {
		found[Key{Owner: d.self, Name: own.Name}] = d.keeper()
	}
	maps.DeleteFunc(found, func(k Key, _ peer.ID) bool { return k.Name != name || owner != "" && string(k.Owner) != owner })
	if len(found) > 1 {
		if own := (Key{Owner: d.self, Name: name}); found[own] != "" {
			return own, found[own], nil
		}
		var owners []string
		for _, k := range slices.SortedFunc(maps.Keys(found), book.Compare) {
			owners = append(owners, k.Name+"@"+string(k.Owner))
		}
		return Key{}, "", fmt.Errorf("%w: write one of %s", ErrAmbiguous, strings.Join(owners, ", "))
	}
	for k, keeper := range found {
		return k, keeper, nil
	}
	return Key{}, "", fmt.Errorf("%w here: %.80q", ErrNone, text)
}

// onPlace decides who is to watch a device.
func (d *Duty) onPlace(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	var w wish
	if _, err := d.unpack(ctx, from, message, &w); err != nil {
		return nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	if err := checkWords(w.To, w.By); err != nil {
		return nil, err
	}
	if w.Within < 0 || w.Within > maxWithin.Milliseconds() {
		return nil, peer.Refuse(peer.Invalid, "%s can be given for at most %v", w.Key.Name, maxWithin)
	}
	if w.Within > 0 {
		w.Until = time.Now().Add(time.Duration(w.Within) * time.Millisecond).Round(0)
	}
	d.mu.must()
	defer d.mu.free()
	was := d.rows[w.Key]
	switch {
	case !d.acts(w.Key.Owner):
		return nil, peer.Refuse(peer.Refused, "this manager keeps no book about the devices of %s", w.Key.Owner)
	case was == nil:
		return nil, peer.Refuse(peer.NotFound, "home knows no device %s yet: try again in a moment", w.Key.Name)
	case from != d.self && from != w.Key.Owner && from != was.Watcher:
		return nil, peer.Refuse(peer.Refused, "only its owner, the manager that watches it, and home may move %s", w.Key.Name)
	case !w.Until.IsZero() && !time.Now().Before(w.Until):
		return nil, peer.Refuse(peer.Invalid, "the time until which %s is to be given is over", w.Key.Name)
	}
	r := was.Clone()
	r.Was, r.Reason, r.Refused = was.Place, "", nil
	if w.Return {
		r.Place, r.Until, r.Wish, r.WishBy = r.Owner, time.Time{}, book.Returned, w.By
	} else {
		to, err := d.choose(was, w.To)
		if err != nil {
			return nil, err
		}
		r.Place, r.Until, r.Wish, r.WishBy = to, w.Until, book.Given, w.By
	}
	delete(d.pauses, w.Key)
	if err := d.write(ctx, &book.Change{Rows: []*book.Row{r}}); err != nil {
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	d.poke()
	return d.pack(struct{}{}, nil)
}

// choose returns the manager that is to have a device. The lock is held.
func (d *Duty) choose(r *book.Row, to string) (peer.ID, error) {
	if r.Fixed != "" {
		return "", peer.Refuse(peer.Refused, "no other manager can watch %s: %s", r.Name, r.Fixed)
	}
	v := d.view()
	var candidates []stand.Candidate
	there := to == ""
	managers := d.o.Roster.Managers()
	for i := range managers {
		m := &managers[i]
		if to != "" && to != m.Name && to != string(m.ID) {
			continue
		}
		there = true
		if m.ID == r.Watcher && to != "" {
			return m.ID, nil
		}
		if v.usable(m.ID) && m.ID != r.Watcher && to != "" && !v.leased(m.ID) {
			return "", peer.Refuse(peer.Refused, "%.80q is not registered with this manager, which would not know when it dies", to)
		}
		if v.usable(m.ID) && m.ID != r.Watcher && v.leased(m.ID) {
			candidates = append(candidates, stand.Candidate{ID: m.ID, Name: m.Name, Kinds: m.Kinds, Applications: m.Applications, Capacity: m.Capacity, Devices: m.Devices})
		}
	}
	if !there {
		return "", peer.Refuse(peer.NotFound, "home knows no manager %.80q", to)
	}
	if to != "" && len(candidates) == 0 {
		return "", peer.Refuse(peer.Busy, "%.80q is not there now, or is about to stop", to)
	}
	result := stand.Divide([]stand.Device{{Key: "one", Application: r.Application, Kinds: r.Kinds, StandIns: []string{cmp.Or(to, stand.Anybody)}}}, candidates)
	if id := result.To["one"]; id != "" {
		return id, nil
	}
	return "", peer.Refuse(peer.Refused, "nobody can take %s: %s", r.Name, result.Nobody["one"])
}

// goodbye says that a manager is about to stop.
type goodbye struct {
	To string `json:"to,omitempty"`
	By string `json:"by,omitempty"`
}

// remains is what is left to be done before it may.
type remains struct {
	Devices int    `json:"devices"`          // that it still watches and that could be moved
	Reason  string `json:"reason,omitempty"` // why one of them does not get on
}

// onAway has the devices of a manager watched by others.
func (d *Duty) onAway(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	var g goodbye
	if _, err := d.unpack(ctx, from, message, &g); err != nil {
		return nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	if err := checkWords(g.To, g.By); err != nil {
		return nil, err
	}
	d.mu.must()
	defer d.mu.free()
	if err := d.serves(from); err != nil {
		return nil, err
	}
	m := d.view().member(from)
	if !m.Away || m.To != g.To {
		m.ID, m.Away, m.To, m.By = from, true, g.To, g.By
		if err := d.write(ctx, &book.Change{Members: []*book.Member{&m}}); err != nil {
			return nil, peer.Refuse(peer.Busy, "%v", err)
		}
	}
	var left remains
	for _, k := range slices.SortedFunc(maps.Keys(d.rows), book.Compare) {
		r := d.rows[k]
		if !d.acts(k.Owner) || r.Fixed != "" || r.State == book.Orphaned {
			continue
		}
		if r.Watcher == from || r.From == from && r.State == book.Taking || r.Heir == from {
			left.Devices++
			if left.Reason == "" && r.Reason != "" {
				left.Reason = r.Name + ": " + r.Reason
			}
		}
	}
	d.poke()
	return d.pack(left, nil)
}

// Handover gives everything that this manager watches to the manager of that name or ID, or
// to its stand-ins when to is empty, and returns once others watch all of it: then it may
// stop. What only this manager can watch stays. When ctx ends before, the error says how
// much is left; it goes on until Live is called.
func (d *Duty) Handover(ctx context.Context, to, by string) error {
	again := time.NewTicker(retryAfter)
	defer again.Stop()
	for {
		d.mu.must()
		keepers := d.keepers()
		d.mu.free()
		var all remains
		for _, k := range keepers {
			var r remains
			if _, err := d.ask(ctx, k, kindAway, goodbye{To: to, By: by}, nil, &r); err != nil {
				if ctx.Err() != nil {
					break
				}
				return fmt.Errorf("handover: %w", unreachable(k, err))
			}
			all.Devices += r.Devices
			all.Reason = cmp.Or(all.Reason, r.Reason)
		}
		if all.Devices == 0 && ctx.Err() == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if all.Reason != "" {
				return fmt.Errorf("handover: %d devices are still watched here: %s: %w", all.Devices, all.Reason, ctx.Err())
			}
			return fmt.Errorf("handover: %d devices are still watched here: %w", all.Devices, ctx.Err())
		case <-again.C:
		}
	}
}

// Live says that this manager is there again after a Handover: it gets its devices back.
func (d *Duty) Live(ctx context.Context) error {
	d.mu.must()
	keepers := d.keepers()
	d.mu.free()
	for _, k := range keepers {
		if err := d.tell(ctx, k, true); err != nil {
			return unreachable(k, err)
		}
	}
	return nil
}

// Entry is a device as people see it.
type Entry struct {
	Key
	Application string            `json:"application"`
	At          tree.Path         `json:"at"` // at its owner
	Identity    map[string]string `json:"identity,omitempty"`
	Place       peer.ID           `json:"place"` // who ought to watch it
	Watcher     peer.ID           `json:"watcher"`
	Epoch       int64             `json:"epoch"`
	// State is own, given, taken, prepared (on its way) or orphaned.
	State    string    `json:"state"`
	Heir     peer.ID   `json:"heir,omitempty"` // to whom it is on its way
	Since    time.Time `json:"since,omitzero"` // when it came into the state, as far as home knows
	Until    time.Time `json:"until,omitzero"`
	StandIns []string  `json:"standIns,omitempty"`
	Fixed    string    `json:"fixed,omitempty"`
	Reason   string    `json:"reason,omitempty"` // why it is orphaned, or does not get on
}

// Devices lists who watches what, as home knows it; as this manager knows it when home
// cannot be reached, and then the error says so beside the list.
func (d *Duty) Devices(ctx context.Context) ([]Entry, error) {
	own := d.entries()
	home := d.keeper()
	if home == d.self {
		return own, nil
	}
	blob, err := d.ask(ctx, home, kindDevices, struct{}{}, nil, nil)
	if err == nil {
		var all []Entry
		if all, err = unsqueeze[Entry](blob); err == nil {
			known := map[Key]bool{}
			for i := range all {
				known[all[i].Key] = true
			}
			for i := range own {
				if !known[own[i].Key] {
					all = append(all, own[i])
				}
			}
			return all, nil
		}
	}
	return own, unreachable(home, err)
}

// entries are the devices in the book, and what is held besides.
func (d *Duty) entries() []Entry {
	d.mu.must()
	defer d.mu.free()
	known := map[Key]bool{}
	list := []Entry{}
	for _, k := range slices.SortedFunc(maps.Keys(d.rows), book.Compare) {
		r := d.rows[k]
		if !d.acts(k.Owner) {
			continue
		}
		known[k] = true
		e := Entry{
			Key: k, Application: r.Application, At: r.At, Identity: r.Identity, Place: r.Place, Watcher: r.Watcher, Epoch: r.Epoch, Heir: r.Heir,
			Since: r.Since, Until: r.Until, Fixed: r.Fixed, Reason: r.Reason,
		}
		if m := d.members[r.Place]; m != nil {
			e.StandIns = m.StandIns
		}
		switch {
		case r.State == book.Orphaned:
			e.State = "orphaned"
		case r.State != book.Watched:
			e.State = "prepared"
		case r.Watcher == k.Owner:
			e.State = "own"
		case r.Watcher == r.Place:
			e.State = "given"
		default:
			e.State = "taken"
		}
		list = append(list, e)
	}
	for _, own := range d.o.Local.Devices() {
		k := Key{Owner: d.self, Name: own.Name}
		if known[k] {
			continue
		}
		e := Entry{Key: k, Application: own.Application, At: own.At, Identity: own.Identity, Fixed: own.Fixed, Place: d.self, Watcher: d.self, State: "own", StandIns: d.o.StandIns()}
		if h := d.holds[k]; h != nil {
			e.Epoch = h.Epoch
			if h.Step != book.Watching {
				e.State, e.Watcher = "given", h.Heir
			}
		}
		list = append(list, e)
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.holds), book.Compare) {
		if h := d.holds[k]; k.Owner != d.self && !known[k] && h.Step == book.Watching {
			list = append(list, Entry{Key: k, Place: k.Owner, Watcher: d.self, Epoch: h.Epoch, State: "taken"})
		}
	}
	return list
}

func (d *Duty) onDevices(_ context.Context, from peer.ID, _ []byte) ([]byte, error) {
	d.mu.must()
	err := d.serves(from)
	d.mu.free()
	if err != nil {
		return nil, err
	}
	blob, err := squeeze(d.entries())
	if err != nil {
		return nil, err
	}
	return d.pack(struct{}{}, blob)
}

// Moves lists moves, the newest first, as home knows them.
func (d *Duty) Moves(ctx context.Context, q book.Query) ([]book.Move, error) {
	home := d.keeper()
	if home == d.self {
		return d.o.Disk.Moves(ctx, q)
	}
	blob, err := d.ask(ctx, home, kindMoves, q, nil, nil)
	if err != nil {
		return nil, unreachable(home, err)
	}
	return unsqueeze[book.Move](blob)
}

func (d *Duty) onMoves(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	var q book.Query
	if _, err := d.unpack(ctx, from, message, &q); err != nil {
		return nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	d.mu.must()
	err := d.serves(from)
	d.mu.free()
	if err != nil {
		return nil, err
	}
	moves, err := d.o.Disk.Moves(ctx, q)
	if err != nil {
		return nil, err
	}
	blob, err := squeeze(moves)
	if err != nil {
		return nil, err
	}
	return d.pack(struct{}{}, blob)
}

// StandIn is who would take devices over.
type StandIn struct {
	ID      peer.ID `json:"id"`
	Devices int     `json:"devices"` // how many of them
}

// standIns is the answer to who can take over.
type standIns struct {
	Who    []StandIn `json:"who"`
	Nobody int       `json:"nobody"` // devices that nobody could take
	Why    string    `json:"why,omitempty"`
}

// Who says who would take over what this manager watches if it stopped now, how many devices
// nobody could take, and why that is so for one of them.
func (d *Duty) Who(ctx context.Context) (who []StandIn, nobody int, why string, err error) {
	var s standIns
	home := d.keeper()
	if _, err := d.ask(ctx, home, kindWho, struct{}{}, nil, &s); err != nil {
		return nil, 0, "", unreachable(home, err)
	}
	return s.Who, s.Nobody, s.Why, nil
}

func (d *Duty) onWho(_ context.Context, from peer.ID, _ []byte) ([]byte, error) {
	d.mu.must()
	defer d.mu.free()
	if err := d.serves(from); err != nil {
		return nil, err
	}
	v := d.view()
	rows, watched := map[*book.Row]wants{}, map[peer.ID]int{}
	for k, r := range d.rows {
		watched[r.Watcher]++
		if r.Watcher == from && r.Fixed == "" && d.acts(k.Owner) {
			rows[r] = successor
		}
	}
	to, not := v.divide(rows, d.o.Roster.Managers(), watched)
	count := map[peer.ID]int{}
	for _, id := range to {
		count[id]++
	}
	s := standIns{Who: []StandIn{}, Nobody: len(not)}
	for _, id := range slices.Sorted(maps.Keys(count)) {
		s.Who = append(s.Who, StandIn{id, count[id]})
	}
	if len(not) > 0 {
		s.Why = slices.Min(slices.Collect(maps.Values(not)))
	}
	return d.pack(s, nil)
}
