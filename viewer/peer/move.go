package peer

import (
	"context"
	"time"

	"grove/tree/grant"
)

// Move is one delegation or takeover of a device.
type Move struct {
	Time   time.Time `json:"time" doc:"When it began."`
	Device string    `json:"device"`
	Owner  string    `json:"owner,omitempty" doc:"Name of the manager whose it is."`
	At     string    `json:"at,omitempty" doc:"Path of its node in the tree of this manager, if it has one here."`
	From   string    `json:"from,omitempty" doc:"Name of the manager that watched it; absent: nobody."`
	To     string    `json:"to" doc:"Name of the manager that watches it then."`
	Why    string    `json:"why" enum:"given,returned,handover,takeover,back"`
	By     string    `json:"by,omitempty" doc:"Who asked for it; absent: grove did it by itself."`
	State  string    `json:"state" enum:"under way,done,failed"`
	Error  string    `json:"error,omitempty" doc:"Why it failed, or what it waits for."`
	Took   float64   `json:"took" doc:"Seconds from the begin until the new manager watched it; 0 while it is under way."`
	Epoch  int64     `json:"epoch" doc:"Of the device after it."`
}

// States of a move.
const (
	UnderWay = "under way"
	Done     = "done"
	Failed   = "failed"
)

// MoveQuery says which moves are asked for.
type MoveQuery struct {
	Device string // name, or manager:name; empty: all
	Limit  int    // 1 to MaxPage
	After  string // MovePage.Next of the page before; ErrQuery when it is something else
}

// MovePage is a page of moves.
type MovePage struct {
	Moves []Move `json:"moves" nullable:"false" doc:"The newest first."`
	Next  string `json:"next,omitempty" doc:"For the parameter after; absent when there is no more."`
}

type movesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         MovePage
}

func (a *API) moves(ctx context.Context, in *struct {
	Paged
	Device string `query:"device" maxLength:"512" doc:"Only of this device."`
}) (*movesOutput, error) {
	if err := demand(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	found, err := a.Peers.Moves(ctx, MoveQuery{in.Device, in.Limit, in.After})
	if err != nil {
		return nil, a.problem(err)
	}
	if found.Moves == nil {
		found.Moves = []Move{}
	}
	return &movesOutput{"no-store", found}, nil
}

// MoveOutcome is what came of moving many devices. Who asks again goes on with what is left.
type MoveOutcome struct {
	Moved int `json:"moved" doc:"Devices that have moved."`
	// UnderWay are devices whose move goes on, or has not begun.
	UnderWay int `json:"underWay" doc:"Devices whose move goes on: ask again, or look at what moved."`
	// Left are devices that did not move, and why; there may be more than are told.
	Left []Left `json:"left" nullable:"false" doc:"Devices that did not move, at most 100 of them."`
}

// Left is a device that did not move.
type Left struct {
	Device string `json:"device"`
	Error  string `json:"error"`
}

// maxLeft bounds MoveOutcome.Left.
const maxLeft = 100

type outcomeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         MoveOutcome
}

// NewWatcher is the body of POST /api/v1/peers/handover.
type NewWatcher struct {
	To string `json:"to,omitempty" maxLength:"128" doc:"ID or name of a manager; the stand-ins of each device when it is empty."`
}

func (a *API) handOver(ctx context.Context, in *struct{ Body NewWatcher }) (*outcomeOutput, error) {
	target := in.Body.To
	if target == "" {
		target = "the stand-ins"
	}
	return a.many(ctx, "peer handover", target, func(ctx context.Context) (MoveOutcome, error) { return a.Peers.HandOver(ctx, in.Body.To) })
}

func (a *API) live(ctx context.Context, _ *struct{}) (*outcomeOutput, error) {
	return a.many(ctx, "peer live", "this manager", a.Peers.Live)
}

// many moves many devices.
func (a *API) many(ctx context.Context, action, target string, do func(context.Context) (MoveOutcome, error)) (*outcomeOutput, error) {
	out := &outcomeOutput{CacheControl: "no-store"}
	err := a.change(ctx, action, target, nil, func(ctx context.Context) (err error) {
		out.Body, err = do(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Body.Left = append([]Left{}, out.Body.Left[:min(len(out.Body.Left), maxLeft)]...)
	return out, nil
}

// Duplicate is one device that several managers see.
type Duplicate struct {
	// Identity is by what they are the same: "address=10.0.0.1".
	Identity    string     `json:"identity" example:"address=10.0.0.1"`
	Primary     Sighting   `json:"primary" doc:"That counts."`
	Secondaries []Sighting `json:"secondaries" nullable:"false" doc:"That are not counted again."`
	Why         string     `json:"why" doc:"By which rule they are the same."`
}

// Sighting is a device as one manager sees it.
type Sighting struct {
	Manager string `json:"manager"`
	Device  string `json:"device"`
	Path    string `json:"path" doc:"In the tree of this manager."`
}

// Duplicates is the answer of GET /api/v1/duplicates.
type Duplicates struct {
	Groups []Duplicate `json:"groups" nullable:"false" doc:"By identity."`
	Next   string      `json:"next,omitempty" doc:"For the parameter after; absent when there is no more."`
}

type duplicatesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Duplicates
}

func (a *API) duplicates(ctx context.Context, in *struct{ Paged }) (*duplicatesOutput, error) {
	if err := demand(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	groups, err := a.Peers.Duplicates(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	out := &duplicatesOutput{CacheControl: "no-store"}
	out.Body.Groups, out.Body.Next, err = page(groups, in.Paged, func(d *Duplicate) []string {
		return []string{d.Identity, d.Primary.Manager, d.Primary.Device}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
