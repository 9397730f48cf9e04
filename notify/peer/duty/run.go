package duty

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
)

// Start reads what is on disk, asks home what this manager is to watch, and watches it. It
// waits at most some seconds for home: then the manager watches what it had, fenced.
func (d *Duty) Start(ctx context.Context) error {
	content, err := d.o.Disk.Load(ctx)
	if err != nil {
		return err
	}
	d.mu.must()
	for i := range content.Rows {
		d.rows[content.Rows[i].Key] = &content.Rows[i]
	}
	for i := range content.Holds {
		d.holds[content.Holds[i].Key] = &content.Holds[i]
	}
	for i := range content.Members {
		d.members[content.Members[i].ID] = &content.Members[i]
	}
	d.mu.free()
	d.askAtStart(ctx)
	err = d.watchAll(ctx)
	d.mu.must()
	d.started = true
	d.mu.free()
	return err
}

// askAtStart asks every keeper until it has answered, or the time is over. One that is there
// and has not answered yet is worth waiting for longer than one that cannot be reached: what
// it says may be that others watch the devices.
func (d *Duty) askAtStart(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, busyTime)
	defer cancel()
	unheard := time.Now().Add(startTime)
	again := time.NewTicker(tickEvery)
	defer again.Stop()
	for {
		d.mu.must()
		keepers := d.keepers()
		d.mu.free()
		missing, busy := false, false
		for _, k := range keepers {
			d.mu.must()
			heard := !d.live(k).heard.IsZero()
			d.mu.free()
			if heard {
				continue
			}
			asking, stop := context.WithTimeout(ctx, startTime)
			if err := d.tell(asking, k, true); err != nil {
				missing = true
				busy = busy || peer.IsRefusal(err, peer.Busy) || errors.Is(err, context.DeadlineExceeded)
				d.log.Debug("home did not say yet what is to be watched", "home", k, "err", err)
			}
			stop()
		}
		if !missing {
			return
		}
		if ctx.Err() != nil || !busy && !time.Now().Before(unheard) {
			d.log.Warn("home cannot be reached: what was watched before is watched again, and messages of alerts wait")
			return
		}
		select {
		case <-ctx.Done():
		case <-again.C:
		}
	}
}

// keepers lists with whom this manager has to compare what it holds. The lock is held.
func (d *Duty) keepers() []peer.ID {
	all := map[peer.ID]bool{d.keeper(): true}
	for _, h := range d.holds {
		all[d.keeperOf(h)] = true
	}
	if len(d.foreign) > 0 {
		for _, id := range d.o.Roster.Homes() {
			if slices.ContainsFunc(slices.Collect(maps.Keys(d.foreign)), func(k Key) bool { return d.strange(k, id) }) {
				all[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// strange says whether a home has given a device of another owner that the home of now does
// not decide about: it is asked what is to become of it. The lock is held.
func (d *Duty) strange(k Key, by peer.ID) bool {
	h := d.holds[k]
	_, foreign := d.foreign[k]
	return foreign && h != nil && k.Owner != d.self && h.Keeper == by && by != d.self
}

// watchAll watches what is held and not watched yet, of keepers that did not answer.
func (d *Duty) watchAll(ctx context.Context) error {
	d.mu.must()
	var waiting []*book.Hold
	for _, k := range slices.SortedFunc(maps.Keys(d.holds), book.Compare) {
		h := d.holds[k]
		if h.Step == book.Watching && !d.active[k] && d.live(d.keeperOf(h)).heard.IsZero() {
			waiting = append(waiting, h)
		}
	}
	d.mu.free()
	return together(waiting, func(h *book.Hold) error {
		free, err := d.keys.take(ctx, h.Key)
		if err != nil {
			return err
		}
		defer free()
		if now, active := d.hold(h.Key); now != h || active || h.Owner == d.self && !d.owns(h.Key) {
			return nil
		}
		return d.resume(ctx, h)
	})
}

// together does something for many devices at the same time.
func together[T any](devices []T, do func(T) error) error {
	var all sync.WaitGroup
	room := make(chan struct{}, maxAtOnce)
	errs := make([]error, len(devices))
	for i, one := range devices {
		room <- struct{}{}
		all.Go(func() {
			errs[i] = do(one)
			<-room
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Run does what is to be done until ctx ends. It is called once, after Start.
func (d *Duty) Run(ctx context.Context) error {
	d.mu.must()
	for k := range d.active {
		d.leaveLocked(k, time.Now())
	}
	d.mu.free()
	defer d.o.Fabric.OnLink(func(l peer.Link) {
		if l.Up {
			d.isLinked(l.Peer)
		}
	})()
	defer d.work.Wait()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		began := time.Now()
		d.hangUp()
		if err := d.look(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the book of devices cannot be written", "err", err)
		}
		d.tellMoved()
		d.tellAll(ctx)
		d.leaveAll(ctx)
		d.help(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-d.wake:
			// All devices are looked at: not once for each of many orders that are answered, and
			// most of the time is left for others.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(min(max(lookAfter, 4*time.Since(began)), tickEvery)):
			}
		}
	}
}

// tellMoved tells of moves that are over.
func (d *Duty) tellMoved() {
	d.mu.must()
	moved := d.moved
	d.moved = nil
	d.mu.free()
	for _, m := range moved {
		d.o.Moved(m)
	}
}

// wantLive has what is held compared with a keeper soon. It does not wait: it is called by
// the fabric.
func (d *Duty) wantLive(keeper peer.ID) {
	d.wantedMu.Lock()
	defer d.wantedMu.Unlock()
	d.wanted[keeper] = true
}

// isLinked notes that a link came up: what was asked over it before gets no answer, and both
// sides may have something to tell each other.
func (d *Duty) isLinked(to peer.ID) {
	d.wantLive(to)
	d.wantedMu.Lock()
	defer d.wantedMu.Unlock()
	d.linked[to] = time.Now()
}

// Reload says that the manager's own devices may have changed.
func (d *Duty) Reload() {
	d.wantLive(d.keeper())
	d.poke()
}

// tellAll tells each keeper what is held, when it is time to.
func (d *Duty) tellAll(ctx context.Context) {
	d.wantedMu.Lock()
	wanted := d.wanted
	d.wanted = map[peer.ID]bool{}
	d.wantedMu.Unlock()
	d.mu.must()
	defer d.mu.free()
	now := time.Now()
	d.rehome()
	d.meetHomes(now)
	for _, k := range d.keepers() {
		l := d.live(k)
		l.wanted = l.wanted || wanted[k]
		token, _ := d.o.Roster.Lease(k)
		due := l.wanted || token != l.token || !now.Before(l.next)
		if l.asking || !due || now.Before(l.pause) {
			continue
		}
		l.asking, l.wanted = true, false
		d.work.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			err := d.tell(ctx, k, false)
			d.mu.must()
			defer d.mu.free()
			l.asking, l.next = false, time.Now().Add(liveEvery)
			if len(d.foreign) > 0 {
				l.next = time.Now().Add(settleTime)
			}
			if err != nil {
				l.wanted, l.pause = true, time.Now().Add(retryAfter)
			}
		})
	}
}

// meetHomes has everything left with a second home that has come. The lock is held.
func (d *Duty) meetHomes(now time.Time) {
	for _, id := range d.o.Roster.Homes() {
		there := id != d.self && d.o.Roster.State(id) == Live
		if there && !d.met[id] && id != d.keeper() {
			for k := range d.active {
				d.leaveLocked(k, now)
			}
		}
		d.met[id] = there
	}
}

// Changed says that what others need of devices has changed: a definition, a threshold, an
// acknowledgement, a maintenance, a status. It is left with home soon.
func (d *Duty) Changed(keys ...Key) {
	d.wantedMu.Lock()
	defer d.wantedMu.Unlock()
	for _, k := range keys {
		d.touched[k] = true
	}
}

// leaveLocked has a device left with home at a time. The lock is held.
func (d *Duty) leaveLocked(k Key, at time.Time) {
	if was, ok := d.soon[k]; !ok || at.Before(was) {
		d.soon[k] = at
	}
}

// leaveAll leaves with home what has changed.
func (d *Duty) leaveAll(ctx context.Context) {
	d.wantedMu.Lock()
	touched := d.touched
	d.touched = map[Key]bool{}
	d.wantedMu.Unlock()
	d.mu.must()
	defer d.mu.free()
	now := time.Now()
	for k := range touched {
		if d.active[k] || k.Owner == d.self && d.holds[k] != nil {
			d.leaveLocked(k, now.Add(leaveAfter))
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.soon), book.Compare) {
		if len(d.leaving) >= maxAtOnce {
			return
		}
		if d.leaving[k] || now.Before(d.soon[k]) {
			continue
		}
		delete(d.soon, k)
		h := d.holds[k]
		if h == nil || h.Step != book.Watching || !d.active[k] {
			continue
		}
		d.leaving[k] = true
		d.work.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			err := d.leave(ctx, h)
			d.mu.must()
			defer d.mu.free()
			delete(d.leaving, k)
			var no *peer.Refusal
			switch {
			case err == nil:
			case errors.As(err, &no) && no.Code == peer.Stale:
				d.live(d.keeperOf(h)).wanted = true
			case errors.As(err, &no) && no.Code != peer.Busy:
				d.log.Warn("a device cannot be left with home: no other manager can take it over", "device", k.Name, "err", err)
				d.leaveLocked(k, time.Now().Add(refusedTime))
			default:
				d.leaveLocked(k, time.Now().Add(leaveAfter))
			}
		})
	}
}

// left is what is said of a parcel that is left with a home.
type left struct {
	Key   Key     `json:"key"`
	Epoch int64   `json:"epoch"`
	From  peer.ID `json:"from,omitempty"`
	// Device is of one of the sender's own.
	Device *Device `json:"device,omitempty"`
	// StandIns are the sender's.
	StandIns []string `json:"standIns,omitempty"`
}

// leave leaves one device with its keeper, and with whoever may be home one day.
func (d *Duty) leave(ctx context.Context, h *book.Hold) error {
	p, err := d.o.Local.Pack(ctx, h.Key)
	if errors.Is(err, ErrNotYet) {
		return peer.Refuse(peer.Busy, "%v", err)
	} else if err != nil {
		return peer.Refuse(peer.Failed, "%v", err)
	}
	p.Key, p.By, p.Epoch = h.Key, d.self, h.Epoch
	blob, err := parcel.Encode(p)
	if err != nil {
		return peer.Refuse(peer.Failed, "%v", err)
	}
	var keeper peer.ID
	err = d.commit(ctx, &piece{key: h.Key, add: func() (*book.Change, error) {
		keeper = ""
		if d.holds[h.Key] != h { // It has been moved meanwhile.
			return nil, nil
		}
		if keeper = d.keeperOf(h); h.Owner == d.self {
			return nil, nil
		}
		return &book.Change{Held: map[Key][]byte{h.Key: blob}}, nil // After a restart it goes on with this one.
	}})
	if err != nil || keeper == "" {
		return err
	}
	body := left{Key: h.Key, Epoch: h.Epoch, From: h.From, StandIns: d.o.StandIns()}
	for _, own := range d.o.Local.Devices() {
		if h.Owner == d.self && own.Name == h.Name {
			body.Device = &own
		}
	}
	_, err = d.ask(ctx, keeper, kindLeave, body, blob, nil)
	for _, other := range d.o.Roster.Homes() {
		if other == keeper || d.o.Roster.State(other) != Live {
			continue
		}
		if _, also := d.ask(ctx, other, kindLeave, body, blob, nil); also != nil {
			d.log.Debug("a device was not left with a second home", "device", h.Name, "home", other, "err", also)
			if unsure(also) {
				d.mu.must()
				d.leaveLocked(h.Key, time.Now().Add(refusedTime))
				d.mu.free()
			}
		}
	}
	return err
}

// maxLeft bounds the devices that one manager leaves with another that is not home to them.
const maxLeft = 10_000

// integrates says whether this manager may become home to others.
func (d *Duty) integrates() bool {
	return slices.ContainsFunc(d.o.Roster.Managers(), func(m peer.Manager) bool { return m.ID == d.self && m.Integrates })
}

// leftBy counts the devices that a manager has left here. The lock is held.
func (d *Duty) leftBy(id peer.ID) (n int) {
	for _, r := range d.rows {
		if r.Watcher == id {
			n++
		}
	}
	return n
}

// onLeave keeps what others need of a device.
func (d *Duty) onLeave(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	l, p, blob, err := d.readLeft(ctx, from, message)
	if err != nil {
		return nil, err
	}
	var was *book.Row
	err = d.commit(ctx, &piece{
		key: l.Key,
		add: func() (*book.Change, error) { was = d.rows[l.Key]; return d.leftHere(from, l, p, blob) },
		then: func() {
			if o := d.view().stray(was, d.rows[l.Key]); o != nil {
				d.sendAway(ctx, o)
			}
		},
	})
	if err != nil {
		var no *peer.Refusal
		if errors.As(err, &no) {
			return nil, err
		}
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	return d.pack(struct{}{}, nil)
}

// leftHere is the change when a manager leaves what others need of a device. The lock is held.
func (d *Duty) leftHere(from peer.ID, l *left, p *parcel.Parcel, blob []byte) (*book.Change, error) {
	was, err := d.mayLeave(from, l)
	if err != nil {
		return nil, err
	}
	c := &book.Change{Left: map[Key][]byte{l.Key: blob}}
	if m := d.members[from]; m == nil || !slices.Equal(m.StandIns, l.StandIns) {
		now := book.Member{ID: from}
		if m != nil {
			now = *m
		}
		now.StandIns = l.StandIns
		c.Members = []*book.Member{&now}
	}
	if r := was.Clone(); !r.Left || r.Epoch != l.Epoch || r.Watcher != from || r.Application == "" {
		r.Left = true
		if !d.acts(l.Key.Owner) {
			r.Watcher, r.Epoch, r.Next, r.State, r.Heir, r.From = from, l.Epoch, max(r.Next, l.Epoch), book.Watched, "", l.From
		}
		if l.Device != nil {
			describe(r, l.Device)
		} else if r.Application == "" {
			r.Application, r.At, r.Kinds, r.Identity = p.Instance.Application, p.Instance.At, p.Instance.Kinds, p.Instance.Identity
		}
		if d.rows[l.Key] != nil && d.busy[l.Key] != nil { // somebody is being asked about it
			return nil, peer.Refuse(peer.Busy, "%s is being moved", l.Key.Name)
		}
		c.Rows = []*book.Row{r}
	}
	return c, nil
}

// readLeft reads what is left of a device. Who may not leave it is refused before its parcel
// is opened.
func (d *Duty) readLeft(ctx context.Context, from peer.ID, message []byte) (l *left, p *parcel.Parcel, blob []byte, err error) {
	l = &left{}
	if blob, err = d.unpack(ctx, from, message, l); err != nil {
		return nil, nil, nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	s := said{Key: l.Key, Device: l.Device, Epoch: l.Epoch, Heir: l.From}
	if err := s.check(); err != nil {
		return nil, nil, nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	if l.Key.Owner != from {
		l.Device = nil
	}
	if err := checkStandIns(l.StandIns); err != nil {
		return nil, nil, nil, err
	}
	d.mu.must()
	_, err = d.mayLeave(from, l)
	d.mu.free()
	if err != nil {
		return nil, nil, nil, err
	}
	done, err := d.opening(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer done()
	p, err = open(&order{Key: l.Key}, blob)
	return l, p, blob, err
}

// mayLeave says whether a manager may leave a device here, and returns its row, which is
// made when there is none. The lock is held.
func (d *Duty) mayLeave(from peer.ID, l *left) (*book.Row, error) {
	was := d.rows[l.Key]
	if d.acts(l.Key.Owner) {
		if was == nil || was.Watcher != from || was.Epoch != l.Epoch {
			return nil, peer.Refuse(peer.Stale, "%s does not watch %s, as far as home knows", from, l.Key.Name)
		}
		return was, nil
	}
	v := d.view()
	row := was
	if row == nil {
		row = &book.Row{Key: l.Key, Place: l.Key.Owner, State: book.Watched, Since: v.now}
	}
	if from == l.Key.Owner { // It says itself whom it wants as its stand-ins.
		member := v.member
		v.member = func(id peer.ID) book.Member {
			m := member(id)
			if id == from {
				m.StandIns = l.StandIns
			}
			return m
		}
	}
	// One that has left it without being a stand-in is no reason to refuse its owner.
	wrong := was != nil && from == l.Key.Owner && was.Watcher != from && !v.mayHave(&book.Row{Key: l.Key, Place: was.Place}, was.Watcher)
	switch {
	case !given(was, l.Epoch):
		return nil, peer.Refuse(peer.Invalid, "%s: no home has given the epoch %d", l.Key.Name, l.Epoch)
	case was != nil && !wrong && (was.Epoch > l.Epoch || was.Epoch == l.Epoch && was.Watcher != from):
		return nil, peer.Refuse(peer.Stale, "%s is watched by %s", l.Key.Name, was.Watcher)
	case !d.integrates() && was == nil:
		return nil, peer.Refuse(peer.Refused, "this manager is no integration manager: nothing is left with it")
	case v.met(l.Key.Owner) && !v.mayHave(row, from):
		return nil, peer.Refuse(peer.Refused, "%s is no stand-in of the owner of %s: nothing is left by it", from, l.Key.Name)
	case was == nil && d.leftBy(from) >= maxLeft:
		return nil, peer.Refuse(peer.Refused, "%s has left %d devices here, and this manager is not its home: no more are kept", from, maxLeft)
	}
	if wrong {
		row = &book.Row{Key: l.Key, Place: l.Key.Owner, State: book.Watched, Since: v.now}
	}
	return row, nil
}

// help looks after devices whose keeper is not there: one that was let go is given to its
// heir, and what nobody is known to watch is watched here, fenced.
func (d *Duty) help(ctx context.Context) {
	d.mu.must()
	defer d.mu.free()
	now := time.Now()
	for _, k := range slices.SortedFunc(maps.Keys(d.holds), book.Compare) {
		h := d.holds[k]
		keeper := d.keeperOf(h)
		if d.helping[k] || len(d.helping) >= maxAtOnce || keeper == d.self || d.o.Roster.State(keeper) == Live || now.Sub(h.Since) < helpAfter {
			continue
		}
		_, until := d.o.Roster.Lease(keeper)
		switch {
		case h.Step == book.Gone && !h.Heard:
		case h.Step == book.Watching && !d.active[k] && now.After(until):
		default:
			continue
		}
		d.helping[k] = true
		d.work.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			if err := d.helpOne(ctx, h, now.After(until)); err != nil {
				d.log.Warn("a device that nobody may be watching", "device", k.Name, "err", err)
			}
			d.mu.must()
			delete(d.helping, k)
			d.mu.free()
		})
	}
}

func (d *Duty) helpOne(ctx context.Context, was *book.Hold, fenced bool) error {
	free, err := d.keys.take(ctx, was.Key)
	if err != nil {
		return err
	}
	defer free()
	h, active := d.hold(was.Key)
	if h != was || active {
		return nil
	}
	if h.Step == book.Gone {
		blob, err := d.o.Disk.Parcel(ctx, book.OfHold, h.Key)
		if err != nil {
			return err
		}
		var o obeyed
		_, err = d.ask(ctx, h.Heir, kindTake, order{Key: h.Key, Epoch: h.Next, From: d.self}, blob, &o)
		if err == nil {
			heard := *h
			heard.Heard = true
			return d.keep(ctx, &heard, nil, false)
		}
		if !fenced {
			return nil
		}
		again := *h
		again.Step, again.Heir, again.Since = book.Watching, "", time.Now()
		again.New = again.Owner == d.self
		if h.Owner != d.self || !d.owns(h.Key) {
			return fmt.Errorf("%s does not answer: %w", h.Heir, err)
		}
		if err := d.keep(ctx, &again, nil, false); err != nil {
			return err
		}
		h = &again
	}
	if h.Owner == d.self && !d.owns(h.Key) {
		return nil
	}
	return d.resume(ctx, h)
}
