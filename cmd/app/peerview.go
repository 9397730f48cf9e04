package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/member"
	"grove/notify/peer/twin"
	"grove/tree/grant"
	peerrest "grove/viewer/peer"
)

// peerView is other managers as people see them.
type peerView struct{ app *App }

var _ peerrest.Peers = peerView{}

func (v peerView) member() *member.Member { return v.app.peers.member }

// by is who asks, for the audit log.
func by(ctx context.Context) authority.By {
	return authority.By{Who: grant.Of(ctx).Name, Origin: grant.Origin(ctx)}
}

// peerProblem is the table from the errors of the rooms of peers to those that people get.
func peerProblem(err error) error {
	if err == nil {
		return nil
	}
	for _, e := range []struct{ from, to error }{
		{authority.ErrToken, peerrest.ErrToken}, {authority.ErrUsed, peerrest.ErrUsed}, {authority.ErrUnreachable, peerrest.ErrUnreachable},
		{authority.ErrSilent, peerrest.ErrSilent}, {authority.ErrFingerprint, peerrest.ErrFingerprint}, {authority.ErrClocks, peerrest.ErrClocks},
		{member.ErrUnknown, peerrest.ErrUnknown}, {duty.ErrNone, peerrest.ErrUnknown},
		{member.ErrAmbiguous, peerrest.ErrAmbiguous}, {duty.ErrAmbiguous, peerrest.ErrAmbiguous},
		{peer.ErrNobody, peerrest.ErrNotLinked}, {peer.ErrLost, peerrest.ErrBusy},
	} {
		if errors.Is(err, e.from) {
			return fmt.Errorf("%w: %w", e.to, err)
		}
	}
	for code, to := range map[peer.Code]error{
		peer.Invalid: peerrest.ErrInvalid, peer.NotFound: peerrest.ErrUnknown, peer.Refused: peerrest.ErrRefused, peer.Stale: peerrest.ErrStale, peer.Busy: peerrest.ErrBusy,
	} {
		if peer.IsRefusal(err, code) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}

func shownPeer(m *peer.Manager) peerrest.Peer {
	return peerrest.Peer{
		ID: string(m.ID), Name: m.Name, Site: m.Site, Version: m.Version, Protocol: m.Protocol, URL: m.URL, Ways: m.Ways, Kinds: m.Kinds,
		Applications: m.Applications, Capacity: m.Capacity, Devices: m.Devices, Integrates: m.Integrates, Started: m.Started,
	}
}

// known is a time that may be missing.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Overview implements viewer/peer.Peers.
func (v peerView) Overview(context.Context) (peerrest.Overview, error) {
	m := v.member()
	self := m.Registry.Self()
	o := peerrest.Overview{Self: shownPeer(&self), StandIns: m.Settings().StandIn, Clustered: m.Settings().Cluster != nil}
	if home := m.Registry.Home().Home; home != "" {
		o.Home = m.NameOf(home)
	}
	if errs := m.State().Errors; len(errs) > 0 {
		o.Error = errs.Sorted()[0].Error()
	}
	o.Deaf = deafText(m)
	for _, c := range v.app.peerConditions() {
		o.Managers = append(o.Managers, c.shown(v.app))
	}
	return o, nil
}

// shown is a manager as people see it.
func (c *peerCondition) shown(a *App) peerrest.OtherPeer {
	o := peerrest.OtherPeer{
		Peer: shownPeer(&c.state.Manager), State: string(c.state.State), Heard: known(c.state.Heard), Nodes: c.nodes,
		Lag: peerrest.Lag{Entries: c.behind, Seconds: c.late.Seconds()}, MessagesPerSecond: c.state.PerSecond, Saturation: c.state.Saturation,
	}
	if c.hangs {
		o.Branch = c.at.String()
	}
	if l := c.link; l != nil {
		o.Link = &peerrest.PeerLink{
			Outbound: l.Outbound, Address: l.Address, Up: l.Up, Since: l.Since, Error: l.Error, Waiting: l.Waiting,
			BytesIn: l.BytesIn, BytesOut: l.BytesOut, MessagesIn: l.MessagesIn, MessagesOut: l.MessagesOut, CertificateEnds: known(l.CertificateEnds),
		}
		if l.RoundTrip > 0 {
			seconds := l.RoundTrip.Seconds()
			o.Link.RoundTrip = &seconds
		}
	}
	return o
}

// Devices implements viewer/peer.Peers.
func (v peerView) Devices(ctx context.Context) ([]peerrest.Device, error) {
	m := v.member()
	entries, err := m.Duty.Devices(ctx)
	if err != nil && len(entries) == 0 {
		return nil, peerProblem(err)
	}
	same := map[string]string{} // of secondaries, by manager and name: the primary
	groups, _ := m.Twins.Groups()
	for _, g := range groups {
		for _, s := range g.Secondaries {
			if s.Manager == g.Primary.Manager && s.Device == g.Primary.Device {
				continue // It is one, that one manager watches for another.
			}
			same[string(s.Manager)+":"+s.Device] = m.NameOf(g.Primary.Manager) + ":" + g.Primary.Device
		}
	}
	for i := range entries { // What another manager knows to be the same.
		e := &entries[i]
		if w := m.Twins.Left(e.Owner, e.Name); w.Left && same[string(e.Owner)+":"+e.Name] == "" {
			same[string(e.Owner)+":"+e.Name] = w.To + ":" + w.As
		}
	}
	list := make([]peerrest.Device, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		d := peerrest.Device{
			Name: e.Name, Application: e.Application, At: e.At.String(), Owner: m.NameOf(e.Owner), OwnerID: string(e.Owner), Epoch: e.Epoch, State: e.State,
			Since: known(e.Since), Until: known(e.Until), StandIns: e.StandIns, DuplicateOf: same[string(e.Owner)+":"+e.Name], Identity: e.Identity,
		}
		if at, ok := v.path(e); ok {
			d.Path = at.String()
		}
		if e.State != peerrest.Orphaned {
			d.Watcher, d.WatcherID = m.NameOf(e.Watcher), string(e.Watcher)
		}
		list = append(list, d)
	}
	return list, nil
}

// Moves implements viewer/peer.Peers.
func (v peerView) Moves(ctx context.Context, q peerrest.MoveQuery) (page peerrest.MovePage, err error) {
	device := q.Device
	if _, name, ok := strings.Cut(device, ":"); ok {
		device = name
	}
	query := book.Query{Device: device, Limit: q.Limit}
	if q.After != "" {
		if query.Before, err = strconv.ParseInt(q.After, 10, 64); err != nil {
			return page, fmt.Errorf("%w: after is the next of the page before", peerrest.ErrQuery)
		}
	}
	m := v.member()
	moves, err := m.Duty.Moves(ctx, query)
	if err != nil {
		return page, peerProblem(err)
	}
	for i := range moves {
		x := &moves[i]
		shown := peerrest.Move{
			Time: x.Time, Device: x.Key.Name, Owner: m.NameOf(x.Key.Owner), To: m.NameOf(x.To), Why: string(x.Why), By: x.By, State: x.State, Error: x.Error, Took: x.Took.Seconds(), Epoch: x.Epoch,
		}
		if x.From != "" {
			shown.From = m.NameOf(x.From)
		}
		page.Moves = append(page.Moves, shown)
	}
	if len(moves) == q.Limit {
		page.Next = strconv.FormatInt(moves[len(moves)-1].ID, 10)
	}
	return page, nil
}

// Duplicates implements viewer/peer.Peers.
func (v peerView) Duplicates(context.Context) (list []peerrest.Duplicate, err error) {
	m := v.member()
	groups, _ := m.Twins.Groups()
	for _, g := range groups {
		d := peerrest.Duplicate{Identity: g.Identity, Why: g.Why, Primary: v.sighting(&g.Primary)}
		for i := range g.Secondaries {
			// A device that one manager watches for another is told of by both, and is one.
			if s := &g.Secondaries[i]; s.Manager != g.Primary.Manager || s.Device != g.Primary.Device {
				d.Secondaries = append(d.Secondaries, v.sighting(s))
			}
		}
		if len(d.Secondaries) > 0 {
			list = append(list, d)
		}
	}
	return list, nil
}

func (v peerView) sighting(r *twin.Ref) peerrest.Sighting {
	s := peerrest.Sighting{Manager: v.member().NameOf(r.Manager), Device: r.Device, Path: r.Path.String()}
	if at, ok := v.member().Branches.Place(r.Via, r.Path); ok {
		s.Path = at.String()
	}
	return s
}

// Invite implements viewer/peer.Peers.
func (v peerView) Invite(ctx context.Context, name string, within time.Duration) (peerrest.Invitation, error) {
	m := v.member()
	address, ok := m.InvitesTo()
	switch why := deafText(m); {
	case !ok && why != "":
		return peerrest.Invitation{}, fmt.Errorf("%w: %s", peerrest.ErrOccupied, why)
	case !ok:
		return peerrest.Invitation{}, peerrest.ErrDeaf
	}
	token, made, err := m.Authority.Invite(ctx, by(ctx), name, within)
	if err != nil {
		return peerrest.Invitation{}, peerProblem(err)
	}
	return peerrest.Invitation{Token: token, Address: address, Ends: made.Ends}, nil
}

// Join implements viewer/peer.Peers.
func (v peerView) Join(ctx context.Context, address, token string) (peerrest.Joined, error) {
	m := v.member()
	upper, err := m.Authority.Join(ctx, by(ctx), address, token, m.Registry.Self(), m.AskToJoin)
	if err != nil {
		return peerrest.Joined{}, peerProblem(err)
	}
	err = until(ctx, func() bool {
		return slices.ContainsFunc(m.Fabric.Links(), func(l peer.Link) bool { return l.Peer == upper.ID && l.Up })
	})
	if err != nil {
		return peerrest.Joined{}, fmt.Errorf("%w: %s has let this manager in, but the link to %s is not up yet; it is tried again and again", peerrest.ErrBusy, upper.Name, upper.Address)
	}
	return peerrest.Joined{PeerName: peerrest.PeerName{ID: string(upper.ID), Name: upper.Name}, Address: upper.Address}, nil
}

// lookAgain is how often it is looked whether something has come about.
const lookAgain = 100 * time.Millisecond

// until returns when something has come about, or with the error of ctx.
func until(ctx context.Context, done func() bool) error {
	pace := time.NewTicker(lookAgain)
	defer pace.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	return nil
}

// Revoke implements viewer/peer.Peers.
func (v peerView) Revoke(ctx context.Context, manager, comment string) (peerrest.PeerName, error) {
	return v.trusted(manager, func(id peer.ID) error {
		_, err := v.member().Authority.Revoke(ctx, by(ctx), id, comment)
		return err
	})
}

// Leave implements viewer/peer.Peers.
func (v peerView) Leave(ctx context.Context, manager string) (peerrest.PeerName, error) {
	return v.trusted(manager, func(id peer.ID) error { return v.member().Authority.Leave(ctx, by(ctx), id) })
}

func (v peerView) trusted(manager string, do func(peer.ID) error) (peerrest.PeerName, error) {
	found, err := v.member().Find(manager)
	if err == nil {
		err = do(found.ID)
	}
	return peerrest.PeerName{ID: string(found.ID), Name: found.Name}, peerProblem(err)
}

// Integrate implements viewer/peer.Peers.
func (v peerView) Integrate(ctx context.Context, on bool) (peerrest.MoveOutcome, error) {
	before := v.count(ctx, func(e *duty.Entry) bool { return e.Owner == v.member().ID() && e.Watcher == e.Owner })
	if err := v.member().Registry.Integrate(ctx, on); err != nil {
		return peerrest.MoveOutcome{}, peerProblem(err)
	}
	v.member().Refresh()
	after := v.count(ctx, func(e *duty.Entry) bool { return e.Owner == v.member().ID() && e.Watcher == e.Owner })
	return peerrest.MoveOutcome{Moved: max(0, before-after)}, nil
}

// count counts devices.
func (v peerView) count(ctx context.Context, of func(*duty.Entry) bool) (n int) {
	entries, _ := v.member().Duty.Devices(ctx) // What is not known is not counted.
	for i := range entries {
		if of(&entries[i]) {
			n++
		}
	}
	return n
}

// Message implements viewer/peer.Peers.
func (v peerView) Message(ctx context.Context, to, text string) (list []peerrest.Delivery, err error) {
	var id peer.ID
	if to != "*" {
		found, err := v.member().Find(to)
		if err != nil {
			return nil, peerProblem(err)
		}
		id = found.ID
	}
	receipts, err := v.member().Registry.Message(ctx, id, grant.Of(ctx).Name+"@"+v.app.config.Name, text)
	for _, r := range receipts {
		list = append(list, peerrest.Delivery{PeerName: peerrest.PeerName{ID: string(r.ID), Name: r.Name}, Error: r.Err})
	}
	return list, peerProblem(err)
}
