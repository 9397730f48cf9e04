package duty

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
)

// maxDevices bounds what one manager says of itself in one message.
const maxDevices = 100_000

// maxStandIns bounds the list of who stands in for one manager.
const maxStandIns = 1000

// maxLiveText bounds a list of devices once it is opened, bytes.
const maxLiveText = 64 << 20

// report is "I am live": everything that a manager has, or had, of the devices in the book of
// one keeper.
type report struct {
	StandIns []string `json:"standIns,omitempty"`
	// Back says that it is not about to stop any more, if it was.
	Back bool `json:"back,omitempty"`
	stamp
	// The devices follow the line, a JSON array of said under gzip.
}

// said is one device.
type said struct {
	Key    Key       `json:"key"`
	Device *Device   `json:"device,omitempty"` // of one of the sender's own
	Step   book.Step `json:"step,omitempty"`   // empty: it was never moved
	Epoch  int64     `json:"epoch,omitempty"`
	Heir   peer.ID   `json:"heir,omitempty"`
	Next   int64     `json:"next,omitempty"`
}

// verdict is what the keeper says of one device.
type verdict struct {
	Key     Key     `json:"key"`
	Do      do      `json:"do"`
	Epoch   int64   `json:"epoch"`   // of the one that watches it
	Watcher peer.ID `json:"watcher"` // who that is
	// Leave says that the keeper has nothing of the device to hand on yet.
	Leave bool `json:"leave,omitempty"`
	// Foreign says that another one decides about the device, or nobody at present.
	Foreign bool `json:"foreign,omitempty"`
}

// do is what a manager is to do about a device.
type do string

const (
	doWatch do = "watch" // go on, or begin
	doWait  do = "wait"  // leave it as it is until you are told
	doDrop  do = "drop"  // somebody else watches it: let it go
)

// squeeze writes a list as it follows the line of a message.
func squeeze(list any) ([]byte, error) {
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// unsqueeze reads what squeeze writes.
func unsqueeze[T any](data []byte) ([]T, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxLiveText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxLiveText {
		return nil, fmt.Errorf("a list of devices has more than %d bytes", maxLiveText)
	}
	var list []T
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list) > maxDevices {
		return nil, fmt.Errorf("%d devices are more than %d", len(list), maxDevices)
	}
	return list, nil
}

// onLive answers a manager that says what it has.
func (d *Duty) onLive(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
	d.mu.must()
	err := d.servesOnce(from)
	d.mu.free()
	if err != nil {
		return nil, err
	}
	free, err := d.reports.take(ctx, Key{Owner: from})
	if err != nil {
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	defer free()
	r, list, err := d.readReport(ctx, from, message)
	if err != nil {
		return nil, err
	}
	d.mu.must()
	defer d.mu.free()
	if !slices.ContainsFunc(list, func(s said) bool { return s.Key.Owner != from }) || slices.ContainsFunc(list, func(s said) bool { return s.Key.Owner == from }) {
		err = d.serves(from) // It is about its own devices: only its home says what becomes of them.
	} else {
		err = d.servesOnce(from)
	}
	if err != nil {
		return nil, err
	}
	if !d.started && from != d.self {
		return nil, peer.Refuse(peer.Busy, "this manager is about to start")
	}
	verdicts, c, strays := d.judge(from, r, list)
	if err := d.write(ctx, c); err != nil {
		return nil, peer.Refuse(peer.Busy, "%v", err)
	}
	for _, o := range strays {
		d.sendAway(ctx, o)
	}
	d.poke()
	d.reported[from] = true
	if from != d.self && !d.knowsAll(from, list) {
		return nil, peer.Refuse(peer.Busy, "this manager has just become home, and listens who watches what")
	}
	blob, err := squeeze(verdicts)
	if err != nil {
		return nil, err
	}
	return d.pack(struct{}{}, blob)
}

// readReport reads a report and refuses what no report says.
func (d *Duty) readReport(ctx context.Context, from peer.ID, message []byte) (r *report, list []said, err error) {
	r = &report{}
	blob, err := d.unpack(ctx, from, message, r)
	if err != nil {
		return nil, nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	done, err := d.opening(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	if list, err = unsqueeze[said](blob); err != nil {
		return nil, nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	known := make(map[Key]bool, len(list))
	for i := range list {
		if err := list[i].check(); err != nil {
			return nil, nil, peer.Refuse(peer.Invalid, "%v", err)
		}
		if known[list[i].Key] {
			return nil, nil, peer.Refuse(peer.Invalid, "%s is in the report twice", list[i].Key.Name)
		}
		known[list[i].Key] = true
	}
	return r, list, checkStandIns(r.StandIns)
}

// knowsAll says whether this manager knows who watches the devices of a list. The lock is
// held.
func (d *Duty) knowsAll(from peer.ID, list []said) bool {
	owners := map[peer.ID]bool{from: true}
	for i := range list {
		owners[list[i].Key.Owner] = true
	}
	now := time.Now()
	for owner := range owners {
		if d.acts(owner) {
			if _, knows := d.home(owner, now); !knows {
				return false
			}
		}
	}
	return true
}

// judge compares what a manager says of itself with the book. Strays are orders to those who
// watch what they are no more to. The lock is held.
func (d *Duty) judge(from peer.ID, r *report, list []said) (verdicts []verdict, c *book.Change, strays []*order) {
	v := d.view()
	c = &book.Change{}
	r.of = from
	m := v.member(from)
	if r.Back && m.Away || !slices.Equal(m.StandIns, r.StandIns) || m.Live.IsZero() || v.now.Sub(m.Live) > time.Hour {
		m.ID, m.StandIns, m.Live = from, r.StandIns, v.now
		if r.Back {
			m.Away, m.To, m.By = false, "", ""
		}
		c.Members = append(c.Members, &m)
	}
	heard := make(map[Key]bool, len(list))
	for i := range list {
		s := &list[i]
		heard[s.Key] = true
		if !d.acts(s.Key.Owner) {
			verdicts = append(verdicts, verdict{Key: s.Key, Do: doWait, Foreign: true})
			continue
		}
		was := d.rows[s.Key]
		if r.before(d.answers[s.Key]) {
			verdicts = append(verdicts, verdict{Key: s.Key, Do: doWait})
			continue
		}
		_, knows := d.home(s.Key.Owner, v.now)
		row, do := v.hear(was, from, s, d.reported[s.Key.Owner], knows)
		if row == nil || was == nil && s.Key.Owner != from && d.leftBy(from) >= maxLeft {
			verdicts = append(verdicts, verdict{Key: s.Key, Do: do})
			continue
		}
		if row != was {
			c.Rows = append(c.Rows, row)
			switch {
			case was == nil:
			case was.Watcher != row.Watcher:
				c.Moves = append(c.Moves, d.move(was, was.Watcher, row.Watcher, row.Epoch, "done", nil, v.now))
				if o := v.stray(was, row); o != nil {
					strays = append(strays, o)
				}
			case was.State == book.Taking && row.State == book.Watched: // Its answer was lost, or comes later.
				c.Moves = append(c.Moves, d.over(was, v.now)...)
			}
		}
		epoch := row.Epoch
		if do == doDrop { // Whatever it believes that it was given.
			epoch = max(epoch, s.Epoch, s.Next)
		}
		verdicts = append(verdicts, verdict{Key: s.Key, Do: do, Epoch: epoch, Watcher: row.Watcher, Leave: do == doWatch && !row.Left})
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.rows), book.Compare) {
		row := d.rows[k]
		if heard[k] || !d.acts(k.Owner) || r.before(d.answers[k]) {
			continue
		}
		switch {
		case k.Owner == from && row.Watcher == from:
			c.DropRows = append(c.DropRows, k) // It has no such device any more.
		case k.Owner == from && row.State != book.Taking && row.State != book.Prepared && row.State != book.Offered:
			// Whoever watches it is told with its next report that there is no such device.
			c.DropRows = append(c.DropRows, k)
		case row.Watcher == from && row.State == book.Watched:
			// It has lost its disk: it is told again.
			c.Rows = append(c.Rows, v.again(row, 0))
		}
	}
	return verdicts, c, strays
}

// again has the watcher of a row told to watch, under an epoch that is new to it.
func (v *view) again(r *book.Row, above int64) *book.Row {
	r = r.Clone()
	if r.State != book.Taking {
		r.From, r.Since = r.Watcher, v.now
	}
	r.Next = max(r.Next, above)
	r.Epoch = v.next(r)
	r.State, r.Heir, r.Next = book.Taking, "", r.Epoch
	return r
}

// hear says what becomes of a row when a manager says what it has of the device, and what
// that is to do. Row is the same when nothing changes; nil is that there is none. Reported
// says that the owner has said which devices it has, knows that the book is to be
// believed rather than who says that it was told otherwise.
func (v *view) hear(r *book.Row, from peer.ID, s *said, reported, knows bool) (*book.Row, do) {
	own := s.Key.Owner == from
	if own && s.Device == nil || !given(r, max(s.Epoch, s.Next)) {
		return r, doWait
	}
	if r == nil {
		switch {
		case !own && reported:
			return nil, doDrop // Its owner has no such device any more.
		case !own && s.Step != book.Watching:
			return nil, doWait
		case !own && v.met(s.Key.Owner) && !v.mayHave(&book.Row{Key: s.Key}, from):
			return nil, doWait // Nobody can have given it to that one, as far as is known.
		case !own:
			r = &book.Row{Key: s.Key, Place: s.Key.Owner, Watcher: from, Epoch: s.Epoch, Next: max(s.Epoch, s.Next), State: book.Watched, Since: v.now}
			return r, doWatch
		case s.Step == book.Gone && s.Heir != "" && s.Heir != from && v.leased(s.Heir) && s.Device.Fixed == "":
			r = &book.Row{Key: s.Key, Place: s.Heir, Watcher: s.Heir, Epoch: s.Next, Next: s.Next, State: book.Watched, Since: v.now}
		default:
			epoch := max(s.Epoch, s.Next, 1)
			r = &book.Row{Key: s.Key, Place: from, Watcher: from, Epoch: epoch, Next: epoch, State: book.Watched, Since: v.now}
		}
		describe(r, s.Device)
		return v.compare(r, from, s, knows)
	}
	if own && !described(r, s.Device) {
		r = r.Clone()
		describe(r, s.Device)
	}
	return v.compare(r, from, s, knows)
}

// described says whether a row has what its owner says of the device.
func described(r *book.Row, d *Device) bool {
	return r.Application == d.Application && r.At == d.At && r.Fixed == d.Fixed && slices.Equal(r.Kinds, d.Kinds) && maps.Equal(r.Identity, d.Identity)
}

func describe(r *book.Row, d *Device) {
	r.Application, r.At, r.Fixed, r.Kinds, r.Identity = d.Application, d.At, d.Fixed, d.Kinds, d.Identity
}

// compare is hear for a row that is there.
func (v *view) compare(r *book.Row, from peer.ID, s *said, knows bool) (*book.Row, do) {
	if r.Watcher != from {
		return v.compareOther(r, from, s, knows)
	}
	switch {
	case s.Step == book.Watching && s.Epoch > r.Epoch: // The book is older than what happened.
		r = r.Clone()
		r.Epoch, r.Next = s.Epoch, max(r.Next, s.Epoch)
		return r, doWatch
	case r.State == book.Taking && s.Step == book.Watching && s.Epoch == r.Epoch:
		// It was told, and its answer was lost.
		return arrived(r, v.now), doWatch
	case r.State == book.Taking:
		return r, doWait
	case r.State == book.Prepared && s.Step == book.Gone:
		return r, doWait // It is asked again, and says so.
	case r.State == book.Orphaned:
		return v.again(r, max(s.Epoch, s.Next)), doWait
	case s.Step == book.Gone || s.Step == book.Ready:
		return v.again(r, max(s.Epoch, s.Next)), doWait
	}
	return r, doWatch
}

// compareOther is compare for one that does not watch it, as the book has it.
func (v *view) compareOther(r *book.Row, from peer.ID, s *said, knows bool) (*book.Row, do) {
	switch {
	case s.Step == book.Watching && s.Epoch > r.Epoch && !v.mayHave(r, from):
		return r, doDrop // Whoever told it so, it was not this manager, nor one that may.
	case s.Step == book.Watching && s.Epoch > r.Epoch && (r.Heir == from && s.Epoch == r.Next || !knows && s.Epoch > r.Next):
		// It was told by the one before, or the book is older than what happened.
		r = r.Clone()
		r.From = r.Watcher
		r.Watcher, r.Epoch, r.Next = from, s.Epoch, max(r.Next, s.Epoch)
		return arrived(r, v.now), doWatch
	case s.Step == book.Watching && s.Epoch > r.Epoch:
		// The book is an old copy of itself, or the other one errs: the one in the book goes
		// on, above whatever was promised.
		return v.again(r, max(s.Epoch, s.Next)), doDrop
	case s.Step == book.Watching:
		return r, doDrop
	case s.Step == book.Ready && r.Heir == from, s.Key.Owner == from:
		return r, doWait
	}
	return r, doDrop
}

// liveness is what a holder and one keeper have to tell each other.
type liveness struct {
	asking bool
	wanted bool
	next   time.Time // when to say it again
	pause  time.Time // until when not to, since it did not answer
	heard  time.Time // when the keeper answered last
	token  int64     // of the lease when that was asked
	fenced time.Time // since when it is not known what the keeper does; zero: it is
}

// live returns what is known of a keeper. The lock is held.
func (d *Duty) live(keeper peer.ID) *liveness {
	l := d.lives[keeper]
	if l == nil {
		l = &liveness{wanted: true}
		d.lives[keeper] = l
	}
	return l
}

// tell tells one keeper what is held of its devices, and does what it answers.
func (d *Duty) tell(ctx context.Context, keeper peer.ID, back bool) error {
	token, _ := d.o.Roster.Lease(keeper)
	d.mu.must()
	list := d.say(keeper)
	r := report{StandIns: d.o.StandIns(), Back: back, stamp: stamp{Life: d.life, Changes: d.changes}}
	d.mu.free()
	blob, err := squeeze(list)
	if err != nil {
		return err
	}
	blob, err = d.ask(ctx, keeper, kindLive, r, blob, nil)
	if err != nil {
		return err
	}
	verdicts, err := unsqueeze[verdict](blob)
	if err != nil {
		return err
	}
	if err := together(verdicts, func(v verdict) error { return d.obey(ctx, keeper, &v) }); err != nil {
		return err
	}
	d.mu.must()
	l := d.live(keeper)
	l.heard, l.token = time.Now(), token
	for i := range verdicts {
		v := &verdicts[i]
		if v.Leave {
			d.leaveLocked(v.Key, l.heard)
		}
		_, was := d.foreign[v.Key]
		switch {
		case !v.Foreign || d.holds[v.Key] == nil:
			delete(d.foreign, v.Key)
		case !was:
			d.foreign[v.Key] = l.heard
		}
	}
	d.mu.free()
	return nil
}

// say lists what is held of the devices of a keeper. The lock is held.
func (d *Duty) say(keeper peer.ID) (list []said) {
	list = []said{}
	own := d.keeper()
	if keeper == own {
		for _, device := range d.o.Local.Devices() {
			k := Key{Owner: d.self, Name: device.Name}
			s := said{Key: k, Device: &device}
			if h := d.holds[k]; h != nil {
				s.Step, s.Epoch, s.Heir, s.Next = h.Step, h.Epoch, h.Heir, h.Next
			}
			list = append(list, s)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.holds), book.Compare) {
		h := d.holds[k]
		if k.Owner != d.self && (d.keeperOf(h) == keeper || d.strange(k, keeper)) {
			list = append(list, said{Key: k, Step: h.Step, Epoch: h.Epoch, Heir: h.Heir, Next: h.Next})
		}
	}
	return list
}

// keeperOf is who keeps the book about a device that is held here: this manager's own home,
// whichever that is now. Home gives devices only to those to whom it is home, since nobody
// else has a lease from it.
func (d *Duty) keeperOf(h *book.Hold) peer.ID {
	home := d.keeper()
	switch {
	case h.Owner == d.self:
		return home
	case d.acts(h.Owner):
		return d.self
	case home == d.self: // it had one
		return h.Keeper
	}
	return home
}

// obey does what a keeper says of a device.
func (d *Duty) obey(ctx context.Context, keeper peer.ID, v *verdict) error {
	if v.Do == doWait && (v.Key.Owner != d.self || v.Watcher == d.self || v.Watcher == "") {
		return nil
	}
	free, err := d.keys.take(ctx, v.Key)
	if err != nil {
		return err
	}
	defer free()
	h, active := d.hold(v.Key)
	switch {
	case v.Do == doWait && h != nil:
		return nil
	case v.Do == doWait: // It was moved before this manager lost its disk.
		if active {
			return nil
		}
		return d.keep(ctx, &book.Hold{Key: v.Key, Keeper: keeper, Step: book.Gone, Next: v.Epoch, Heard: true, Since: time.Now()}, nil, false)
	case v.Do == doWatch:
		return d.goOn(ctx, keeper, v, h, active)
	case h == nil || newest(h) > v.Epoch && v.Epoch > 0: // It has been told of something newer meanwhile.
		return nil
	case h.Step == book.Watching:
		if _, err := d.letGo(ctx, h, "", v.Epoch); err != nil {
			return err
		}
		d.log.Info("a device is watched by another manager, and was let go", "device", v.Key.Name, "manager", v.Watcher)
	}
	if v.Key.Owner == d.self {
		return nil
	}
	return d.forgetHold(ctx, v.Key)
}

// goOn watches a device that the keeper says this manager has.
func (d *Duty) goOn(ctx context.Context, keeper peer.ID, v *verdict, h *book.Hold, active bool) error {
	if h != nil && (h.Step != book.Watching || h.Epoch > v.Epoch) {
		return nil // It has been told of something newer meanwhile.
	}
	if h == nil && !d.owns(v.Key) {
		return nil
	}
	if h == nil || h.Epoch != v.Epoch || h.Keeper != keeper {
		now := &book.Hold{Key: v.Key, Keeper: keeper, Step: book.Watching, Epoch: v.Epoch, Since: time.Now()}
		if h != nil {
			now.Since, now.From = h.Since, h.From
		}
		if err := d.keep(ctx, now, nil, active); err != nil {
			return err
		}
		h = now
	}
	if active {
		return nil
	}
	return d.resume(ctx, h)
}

// resume has Local watch a device that is held. The device is locked.
func (d *Duty) resume(ctx context.Context, h *book.Hold) error {
	var p *parcel.Parcel
	if h.Owner != d.self || h.New {
		var err error
		if p, err = d.parcelFor(ctx, &order{Key: h.Key}, h, nil); err != nil {
			return err
		}
	}
	if err := d.o.Local.Watch(ctx, h.Key, p); err != nil {
		return fmt.Errorf("watch %s: %w", h.Name, err)
	}
	if h.New { // This manager was ended before it had told of what came.
		d.began(ctx, h, p)
		return nil
	}
	d.mu.must()
	d.setActive(h.Key, true)
	d.leaveLocked(h.Key, time.Now())
	d.mu.free()
	return nil
}
