package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/book"
	"grove/tree"
	"grove/tree/grant"
	peerrest "grove/viewer/peer"
)

// Give implements viewer/peer.Peers.
func (v peerView) Give(ctx context.Context, device, to string, within time.Duration) (peerrest.Move, error) {
	e, err := v.errandOfGift(ctx, to, within)
	if err != nil {
		return peerrest.Move{}, err
	}
	return e.one(ctx, device)
}

// Return implements viewer/peer.Peers.
func (v peerView) Return(ctx context.Context, device string) (peerrest.Move, error) {
	return v.errandHome(ctx).one(ctx, device)
}

// GiveAll implements viewer/peer.Peers.
func (v peerView) GiveAll(ctx context.Context, devices []string, to string, within time.Duration) (peerrest.Moved, error) {
	e, err := v.errandOfGift(ctx, to, within)
	if err != nil {
		return peerrest.Moved{}, err
	}
	return e.all(ctx, devices)
}

// ReturnAll implements viewer/peer.Peers.
func (v peerView) ReturnAll(ctx context.Context, devices []string) (peerrest.Moved, error) {
	return v.errandHome(ctx).all(ctx, devices)
}

// errand has devices moved, each by itself, and waits until it knows what became of them.
type errand struct {
	peerView
	// to is who is to watch a device, and ask begins that.
	to  func(*duty.Entry) peer.ID
	ask func(ctx context.Context, name string) error
}

func (v peerView) errandOfGift(ctx context.Context, to string, within time.Duration) (*errand, error) {
	target, err := v.member().Find(to)
	if err != nil {
		return nil, peerProblem(err)
	}
	wish := duty.Wish{To: string(target.ID), By: grant.Of(ctx).Name}
	if within > 0 {
		wish.Until = time.Now().Add(within)
	}
	return &errand{v, func(*duty.Entry) peer.ID { return target.ID }, func(ctx context.Context, name string) error { return v.member().Duty.Give(ctx, name, wish) }}, nil
}

func (v peerView) errandHome(ctx context.Context) *errand {
	by := grant.Of(ctx).Name
	return &errand{v, func(e *duty.Entry) peer.ID { return e.Owner }, func(ctx context.Context, name string) error { return v.member().Duty.Return(ctx, name, by) }}
}

// one moves the device of a name.
func (e *errand) one(ctx context.Context, device string) (peerrest.Move, error) {
	entries, err := e.member().Duty.Devices(ctx)
	if err != nil && len(entries) == 0 {
		return peerrest.Move{}, peerProblem(err)
	}
	found, err := e.called(entries, device)
	if err != nil {
		return peerrest.Move{}, err
	}
	outcomes := e.run(ctx, []duty.Entry{found})
	return outcomes[0].move, peerProblem(outcomes[0].err)
}

// all moves devices that are named, and all those below paths.
func (e *errand) all(ctx context.Context, named []string) (m peerrest.Moved, err error) {
	entries, err := e.member().Duty.Devices(ctx)
	if err != nil && len(entries) == 0 {
		return m, peerProblem(err)
	}
	var chosen []duty.Entry
	var first error // of what was named and is no device
	for _, text := range named {
		var some []duty.Entry
		var stays []peerrest.Stay
		if strings.HasPrefix(text, "/") {
			some, stays, err = e.below(entries, text)
		} else {
			some = make([]duty.Entry, 1)
			some[0], err = e.called(entries, text)
		}
		if err != nil {
			first = cmp.Or(first, err)
			m.Moves = append(m.Moves, peerrest.Move{Time: time.Now(), Device: text, State: peerrest.Failed, Error: err.Error()})
			continue
		}
		m.Stays = append(m.Stays, stays...)
		for i := range some {
			if !slices.ContainsFunc(chosen, func(c duty.Entry) bool { return c.Key == some[i].Key }) {
				chosen = append(chosen, some[i])
			}
		}
	}
	if len(chosen) == 0 {
		return peerrest.Moved{}, first
	}
	if len(chosen) > peerrest.MaxMoved {
		return peerrest.Moved{}, fmt.Errorf("%w: %d devices are more than the %d that one request moves: name parts of them", peerrest.ErrInvalid, len(chosen), peerrest.MaxMoved)
	}
	for _, o := range e.run(ctx, chosen) {
		if o.err != nil {
			o.move.State, o.move.Error = peerrest.Failed, o.err.Error()
		}
		m.Moves = append(m.Moves, o.move)
	}
	return m, nil
}

// called returns the device of a name, or of manager:name. Of several the one of this manager
// is meant.
func (v peerView) called(entries []duty.Entry, text string) (duty.Entry, error) {
	name, owner := text, peer.ID("")
	if manager, rest, ok := strings.Cut(text, ":"); ok {
		found, err := v.member().Find(manager)
		if err != nil {
			return duty.Entry{}, peerProblem(err)
		}
		name, owner = rest, found.ID
	}
	var found []duty.Entry
	for _, e := range entries {
		if e.Name == name && (owner == "" || e.Owner == owner) {
			found = append(found, e)
		}
	}
	switch own := slices.IndexFunc(found, func(e duty.Entry) bool { return e.Owner == v.member().ID() }); {
	case len(found) == 0:
		return duty.Entry{}, peerProblem(fmt.Errorf("%w here: %.80q", duty.ErrNone, text))
	case len(found) == 1:
		return found[0], nil
	case own >= 0:
		return found[own], nil
	}
	var names []string
	for _, e := range found {
		names = append(names, v.member().NameOf(e.Owner)+":"+e.Name)
	}
	slices.Sort(names)
	return duty.Entry{}, fmt.Errorf("%w: %s", peerrest.ErrAmbiguous, strings.Join(names, ", "))
}

// path is where a device hangs, or would hang, in the tree of this manager.
func (v peerView) path(e *duty.Entry) (tree.Path, bool) {
	m := v.member()
	switch {
	case e.Watcher == m.ID() && e.Owner != m.ID():
		return v.app.binder.Place(v.app.peers.devices.Name(e.Key))
	case e.Owner == m.ID():
		return e.At, true
	}
	return m.Branches.Place(e.Owner, e.At)
}

// below returns the devices at and below a path of the tree of this manager, in the order of
// their paths, and what else is there and moves with none of them.
func (v peerView) below(entries []duty.Entry, text string) (some []duty.Entry, stays []peerrest.Stay, err error) {
	at, err := tree.ParsePath(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", peerrest.ErrInvalid, err)
	}
	places := map[duty.Key]tree.Path{}
	inside := map[tree.Path]bool{}
	for i := range entries {
		e := &entries[i]
		p, ok := v.path(e)
		if !ok || p.IsRoot() {
			continue
		}
		if at.Contains(p) {
			some = append(some, *e)
			places[e.Key], inside[p] = p, true
		} else if p.Contains(at) {
			return nil, nil, fmt.Errorf("%w: %s is part of the device %s, which moves as a whole: name %s, or %s", peerrest.ErrInvalid, at, e.Name, e.Name, p)
		}
	}
	slices.SortFunc(some, func(a, b duty.Entry) int {
		return cmp.Or(cmp.Compare(places[a.Key].String(), places[b.Key].String()), book.Compare(a.Key, b.Key))
	})
	stays, err = v.stays(at, inside)
	switch {
	case len(some) > 0:
		return some, stays, nil
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", peerrest.ErrUnknown, v.app.Tree.Missing(at))
	case len(stays) > 0:
		return nil, nil, fmt.Errorf("%w: nothing at or below %s can move: %s: %s", peerrest.ErrInvalid, at, stays[0].Path, stays[0].Why)
	}
	return nil, nil, fmt.Errorf("%w: no device hangs at or below %s", peerrest.ErrUnknown, at)
}

// maxStays bounds what is told of what stays.
const maxStays = 50

// stays lists what is at and below a path and in none of the devices, whose paths are inside:
// of an instance, or of another manager, its first node.
func (v peerView) stays(at tree.Path, inside map[tree.Path]bool) (list []peerrest.Stay, err error) {
	type node struct {
		path  tree.Path
		owner string
	}
	var nodes []node
	told := map[string]bool{}
	err = v.app.Tree.Walk(at, -1, func(n *tree.Node) bool {
		if n.Kind == tree.Group || grovePath.Contains(n.Path) || n.Spec.Owner != "" && told[n.Spec.Owner] {
			return true
		}
		for p := n.Path; ; p = p.Parent() {
			if inside[p] {
				return true
			}
			if p == at || p.IsRoot() {
				break
			}
		}
		told[n.Spec.Owner] = true
		nodes = append(nodes, node{n.Path, n.Spec.Owner})
		return len(nodes) < maxStays
	})
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		owner, _, joined := v.member().Branches.Owner(n.path)
		name := ""
		if joined {
			name = v.member().NameOf(owner)
		}
		switch i, ok := v.app.binder.Place(n.owner); {
		case joined && told[name]:
			continue
		case joined:
			told[name] = true
			list = append(list, peerrest.Stay{Path: n.path.String(), Why: "it is of " + name + ", and part of no device there"})
		case n.owner == "":
			list = append(list, peerrest.Stay{Path: n.path.String(), Why: "no definition has grown it: what programs push moves with no device"})
		case ok:
			list = append(list, peerrest.Stay{Path: n.path.String(), Why: fmt.Sprintf("it is part of the instance %s at %s, which is not below %s", n.owner, i, at)})
		default:
			list = append(list, peerrest.Stay{Path: n.path.String(), Why: "it is part of the instance " + n.owner})
		}
	}
	return list, nil
}

// grovePath is below which a manager watches itself.
var grovePath = tree.MustPath("/grove")

// outcome is what came of one device; err is why its move was not even begun.
type outcome struct {
	move peerrest.Move
	err  error
}

// askedAtOnce is of how many devices their keeper is asked at the same time.
const askedAtOnce = 16

// run begins to move all devices, and returns what became of each once all are over, or ctx
// is.
func (e *errand) run(ctx context.Context, devices []duty.Entry) []outcome {
	m := e.member()
	began := time.Now()
	outcomes := make([]outcome, len(devices))
	waits := map[duty.Key]int{}
	var asking sync.WaitGroup
	room := make(chan struct{}, askedAtOnce)
	for i := range devices {
		d := &devices[i]
		o := &outcomes[i]
		to := e.to(d)
		o.move = peerrest.Move{Time: began, Device: d.Name, Owner: m.NameOf(d.Owner), From: m.NameOf(d.Watcher), To: m.NameOf(to), Why: string(book.Given), State: peerrest.UnderWay, Epoch: d.Epoch}
		if to == d.Owner {
			o.move.Why = string(book.Returned)
		}
		if at, ok := e.path(d); ok {
			o.move.At = at.String()
		}
		waits[d.Key] = i
		room <- struct{}{}
		asking.Go(func() {
			defer func() { <-room }()
			if o.err = e.ask(ctx, d.Name+"@"+string(d.Owner)); o.err != nil && d.Fixed != "" {
				o.err = peer.Refuse(peer.Refused, "it stays: %s", d.Fixed)
			}
		})
	}
	asking.Wait()
	maps.DeleteFunc(waits, func(_ duty.Key, i int) bool { return outcomes[i].err != nil })
	// A list of many is not made ten times a second.
	look := max(lookAgain, time.Duration(len(devices))*time.Millisecond)
	for len(waits) > 0 {
		if entries, err := m.Duty.Devices(ctx); err == nil {
			for k := range entries {
				if i, ok := waits[entries[k].Key]; ok && e.told(&entries[k], &outcomes[i].move) {
					delete(waits, entries[k].Key)
				}
			}
		}
		if len(waits) == 0 || linger(ctx, look) != nil {
			break
		}
	}
	e.remembered(context.WithoutCancel(ctx), began, devices, outcomes)
	return outcomes
}

// linger returns after a while, or with the error of ctx.
func linger(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// told says whether the move of a device is over, and writes down how it is.
func (e *errand) told(d *duty.Entry, m *peerrest.Move) (over bool) {
	settled := d.State == peerrest.Own || d.State == peerrest.Given || d.State == peerrest.Taken
	m.Epoch, m.Error = d.Epoch, d.Reason
	switch to := e.to(d); {
	case settled && d.Watcher == to:
		m.State, m.Error = peerrest.Done, ""
	case settled && d.Place != to:
		m.State, m.Error = peerrest.Failed, cmp.Or(d.Reason, "somebody moved it elsewhere meanwhile")
	default:
		return false
	}
	return true
}

// remembered adds what is remembered of the moves that are done: how long they took.
func (e *errand) remembered(ctx context.Context, began time.Time, devices []duty.Entry, outcomes []outcome) {
	moves, err := e.member().Duty.Moves(ctx, book.Query{Limit: min(2*len(devices)+10, peerrest.MaxPage)})
	if err != nil {
		return // They are done nonetheless.
	}
	of := map[duty.Key]*book.Move{}
	for i := range slices.Backward(moves) { // the newest counts
		of[moves[i].Key] = &moves[i]
	}
	for i := range devices {
		o := &outcomes[i].move
		if m := of[devices[i].Key]; m != nil && o.State == peerrest.Done && m.State == peerrest.Done && m.Epoch == o.Epoch && !m.Time.Before(began) {
			o.Time, o.Why, o.By, o.Took = m.Time, string(m.Why), m.By, m.Took.Seconds()
			if m.From != "" {
				o.From = e.member().NameOf(m.From)
			}
		}
	}
}

// HandOver implements viewer/peer.Peers.
func (v peerView) HandOver(ctx context.Context, to string) (peerrest.MoveOutcome, error) {
	if to != "" {
		if _, err := v.member().Find(to); err != nil {
			return peerrest.MoveOutcome{}, peerProblem(err)
		}
	}
	return v.handed(ctx, func() error { return v.member().Duty.Handover(ctx, to, grant.Of(ctx).Name) }, func(e *duty.Entry) bool { return e.Watcher != v.member().ID() })
}

// Live implements viewer/peer.Peers.
func (v peerView) Live(ctx context.Context) (peerrest.MoveOutcome, error) {
	return v.handed(ctx, func() error { return v.member().Duty.Live(ctx) }, func(e *duty.Entry) bool { return e.Watcher == v.member().ID() })
}

// handed does something with the devices of this manager, and says how far it came.
func (v peerView) handed(ctx context.Context, do func() error, there func(*duty.Entry) bool) (o peerrest.MoveOutcome, err error) {
	self := v.member().ID()
	movable := func(e *duty.Entry) bool { return e.Owner == self && e.Fixed == "" }
	before := v.count(ctx, func(e *duty.Entry) bool { return movable(e) && there(e) })
	err = do()
	if err == nil {
		err = until(ctx, func() bool {
			return v.count(ctx, func(e *duty.Entry) bool { return movable(e) && !there(e) && e.Reason == "" }) == 0
		})
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return o, peerProblem(err)
	}
	entries, _ := v.member().Duty.Devices(context.WithoutCancel(ctx))
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Owner == self && e.Fixed != "" && e.Watcher == self:
			o.Left = append(o.Left, peerrest.Left{Device: e.Name, Error: "it stays: " + e.Fixed})
		case !movable(e):
		case there(e):
			o.Moved++
		case e.Reason != "":
			o.Left = append(o.Left, peerrest.Left{Device: e.Name, Error: e.Reason})
		default:
			o.UnderWay++
		}
	}
	o.Moved = max(0, o.Moved-before)
	return o, nil
}
