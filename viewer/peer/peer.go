// Package peer holds the operations of the REST interface about other managers: who is
// there and how the links are, to invite, join, revoke and leave, who watches which device,
// to give devices away and take them back, what moved, and which devices are seen twice.
// What is told here is about the whole estate: who looks is viewer of the whole manager, who
// changes anything its admin, and who sends a message its operator.
package peer

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/definition/source"
	"grove/tree/grant"
	"grove/viewer"
	"grove/viewer/deed"
)

// Peers is what a manager knows of others, and does with them. Managers and devices are
// named as people write them: a manager by its ID, or by its name if no other has that one; a
// device by its name, or as manager:name when several managers have one of that name. What
// is not known, may not be or cannot be now has an error that wraps one of this package. The
// methods may be called from many goroutines and give up when ctx ends; what is on its way by
// then goes on, and is told by Moves.
type Peers interface {
	// Overview is who is there, in any order.
	Overview(ctx context.Context) (Overview, error)
	// Devices are all devices that this manager knows of, in any order.
	Devices(ctx context.Context) ([]Device, error)
	// Moves is a page of what moved, the newest first.
	Moves(ctx context.Context, q MoveQuery) (MovePage, error)
	// Duplicates are the devices that several managers see, in any order.
	Duplicates(ctx context.Context) ([]Duplicate, error)

	// Invite, Join, Revoke and Leave put what they did into the audit log by themselves, in the
	// transaction in which they do it.

	// Invite makes a token for one manager to join with; name is what it will be called
	// here, ErrInvalid when it cannot be that. The token is not kept in the clear.
	Invite(ctx context.Context, name string, within time.Duration) (Invitation, error)
	// Join joins the manager at an address and waits for the link.
	Join(ctx context.Context, address, token string) (Joined, error)
	// Revoke takes from a manager what lets it in, at once, on links that are up, too.
	Revoke(ctx context.Context, manager, comment string) (PeerName, error)
	// Leave ends the link to a manager that this one joined.
	Leave(ctx context.Context, manager string) (PeerName, error)
	// Integrate begins or ends that others register here; devices of others go back first.
	Integrate(ctx context.Context, on bool) (MoveOutcome, error)

	// Give has another manager watch a device; within 0 is until it is returned. It waits
	// until the move is over, or ctx ends.
	Give(ctx context.Context, device, to string, within time.Duration) (Move, error)
	// Return ends that: the device is watched by its owner again.
	Return(ctx context.Context, device string) (Move, error)
	// GiveAll and ReturnAll do so with several devices, each by itself: what keeps one from
	// moving keeps no other. A device may also be a path, which stands for every device at and
	// below it; the counts of the answer are filled in by who asks. An error is that nothing
	// was begun.
	GiveAll(ctx context.Context, devices []string, to string, within time.Duration) (Moved, error)
	ReturnAll(ctx context.Context, devices []string) (Moved, error)
	// HandOver gives all devices to one manager, or with "" to the stand-ins of each.
	HandOver(ctx context.Context, to string) (MoveOutcome, error)
	// Live takes the devices back that others watch for this manager.
	Live(ctx context.Context) (MoveOutcome, error)

	// Message puts a text into the journal of a manager, or with "*" of all that are linked.
	Message(ctx context.Context, to, text string) ([]Delivery, error)
}

// Options are the surroundings of the operations.
type Options struct {
	Peers Peers
	// Audit puts what people change into the audit log, where Peers does not.
	Audit deed.Audit
	Log   *slog.Logger // nil discards
}

// API holds the operations; Register adds them.
type API struct{ Options }

// New returns the operations.
func New(o Options) (*API, error) {
	if o.Peers == nil || o.Audit == nil {
		return nil, errors.New("peer: no managers or no audit log")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{o}, nil
}

// Bounds of what may be asked.
const (
	// MaxPage is how many entries a page has at most.
	MaxPage = 1000
	// MaxToken bounds the token of an invitation, bytes.
	MaxToken = 8 << 10
	// MaxText bounds a message to another manager, bytes.
	MaxText = 2000
	// MaxInvitation is how long an invitation holds at most, MaxGiven for how long a device
	// is given at most: for longer it is given until it is returned.
	MaxInvitation = 30 * 24 * time.Hour
	MaxGiven      = 365 * 24 * time.Hour
	// moveWithin bounds how long an answer waits for moves that go on.
	moveWithin = 45 * time.Second
)

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	operation := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"peers"}, MaxBodyBytes: 64 << 10, DefaultStatus: http.StatusOK,
			Errors: append(errors, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
		}
	}
	change := func(id, path, summary, description string, errors ...int) huma.Operation {
		return operation(id, http.MethodPost, path, summary, description+" Needs the role admin on everything.", append(errors, http.StatusConflict)...)
	}
	huma.Register(api, operation("get-peers", http.MethodGet, "/api/v1/peers", "Managers and links", "This manager, and the others by name. Needs the role viewer on everything.", http.StatusBadRequest), a.overview)
	huma.Register(api, change("invite-peer", "/api/v1/peers/invite", "Invite a manager", "The answer has a token for one use, which is never shown again."), a.invite)
	huma.Register(api, change("join-peer", "/api/v1/peers/join", "Join a manager", "With the token that its invitation shows.", http.StatusGone, http.StatusBadGateway), a.join)
	huma.Register(api, change("revoke-peer", "/api/v1/peers/{id}/revoke", "Revoke a manager", "It is cut off at once, and comes in again by an invitation alone.", http.StatusNotFound), a.revoke)
	huma.Register(api, change("leave-peer", "/api/v1/peers/{id}/leave", "Leave a manager", "Ends the link to a manager that this one joined.", http.StatusNotFound), a.leave)
	huma.Register(api, change("integrate-peers", "/api/v1/peers/integrate", "Be an integration manager, or no longer", "Others register with an integration manager. Before it ends to be one it hands back what it watches for them."), a.integrate)
	huma.Register(api, change("hand-over", "/api/v1/peers/handover", "Hand all devices over", "To one manager, or to the stand-ins; then this one may stop.", http.StatusNotFound), a.handOver)
	huma.Register(api, change("be-live", "/api/v1/peers/live", "I am live", "Takes the devices back that others watch for this manager."), a.live)
	huma.Register(api, operation("get-moves", http.MethodGet, "/api/v1/peers/moves", "What moved", "Delegations and takeovers, the newest first. Needs the role viewer on everything.", http.StatusBadRequest), a.moves)
	huma.Register(api, operation("get-devices", http.MethodGet, "/api/v1/devices", "Who watches what", "Devices by name. Needs the role viewer on everything.", http.StatusBadRequest), a.devices)
	huma.Register(api, change("give-device", "/api/v1/devices/{name}/give", "Give a device to another manager", "It has the device on its disk before this one lets go.", http.StatusNotFound), a.give)
	huma.Register(api, change("return-device", "/api/v1/devices/{name}/return", "Return a device to its owner", "", http.StatusNotFound), a.returns)
	huma.Register(api, change("give-devices", "/api/v1/devices/give", "Give devices to another manager", "Several of them, or all below a path. Each moves by itself; the answer says of each what came of it.", http.StatusNotFound), a.giveAll)
	huma.Register(api, change("return-devices", "/api/v1/devices/return", "Return devices to their owners", "Several of them, or all below a path.", http.StatusNotFound), a.returnAll)
	huma.Register(api, operation("get-duplicates", http.MethodGet, "/api/v1/duplicates", "Devices that several managers see", "Needs the role viewer on everything.", http.StatusBadRequest), a.duplicates)
	huma.Register(api, operation("send-message", http.MethodPost, "/api/v1/messages", "Send a message to other managers", "It stands in their journals. Needs the role operator on everything.", http.StatusNotFound, http.StatusConflict), a.message)
}

// demand refuses who has less than a role on everything.
func demand(ctx context.Context, role grant.Role) error {
	return viewer.Problem(grant.DemandWhole(grant.Of(ctx), role))
}

// change does something that an admin may do, and that is in the audit log.
func (a *API) change(ctx context.Context, action, target string, detail any, do func(context.Context) error) error {
	if err := demand(ctx, grant.Admin); err != nil {
		return err
	}
	return a.audited(ctx, action, target, detail, do)
}

// trust does something that an admin may do, and that Peers puts into the audit log.
func (a *API) trust(ctx context.Context, do func(context.Context) error) error {
	if err := demand(ctx, grant.Admin); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, moveWithin)
	defer cancel()
	return a.problem(do(within))
}

// audited does something that is in the audit log, and within a time.
func (a *API) audited(ctx context.Context, action, target string, detail any, do func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, moveWithin)
	defer cancel()
	return a.problem(deed.Do(ctx, a.Audit, a.Log, action, target, detail, func() error { return do(within) }))
}

// span reads for how long something is to hold; without a text it is the default.
func span(text string, preset, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return preset, nil
	}
	d, err := source.ParseDuration(text)
	if err != nil {
		return 0, huma.NewError(http.StatusUnprocessableEntity, "for: "+err.Error())
	}
	if d < least || d > most {
		return 0, huma.NewError(http.StatusUnprocessableEntity, "for: "+text+" is not from "+tree.FormatDuration(least)+" to "+tree.FormatDuration(most))
	}
	return d, nil
}
