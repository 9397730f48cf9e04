package peer

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
)

// States of a device.
const (
	Own      = "own"      // watched by its owner
	Given    = "given"    // watched by another manager, which it was given to
	Taken    = "taken"    // watched by a stand-in: its owner is dead, or handed it over
	Prepared = "prepared" // on the disk of the next watcher, and not yet let go
	Orphaned = "orphaned" // watched by nobody
)

var deviceStates = []string{Own, Given, Taken, Prepared, Orphaned}

// Device is the unit that is watched, delegated and taken over: one instance of a
// definition.
type Device struct {
	Name        string `json:"name" example:"switch-1"`
	Application string `json:"application" doc:"Its definition."`
	At          string `json:"at" doc:"Path of its node at its owner."`
	// Path is the same node in the tree of this manager.
	Path string `json:"path,omitempty" doc:"Path of its node in the tree of this manager; absent: it does not hang here."`
	// Owner and Watcher are names of managers; their IDs are beside them.
	Owner     string     `json:"owner" doc:"Name of the manager whose it is."`
	OwnerID   string     `json:"ownerId"`
	Watcher   string     `json:"watcher,omitempty" doc:"Name of the manager that watches it now; absent: nobody."`
	WatcherID string     `json:"watcherId,omitempty"`
	Epoch     int64      `json:"epoch" doc:"Goes up with each move; who has an older one is refused."`
	State     string     `json:"state" enum:"own,given,taken,prepared,orphaned"`
	Since     *time.Time `json:"since,omitempty" doc:"When it came into the state."`
	Until     *time.Time `json:"until,omitempty" doc:"When it goes back to its owner."`
	StandIns  []string   `json:"standIns,omitempty" doc:"Who takes it over, best first."`
	// DuplicateOf is manager:name of the primary, for a secondary.
	DuplicateOf string            `json:"duplicateOf,omitempty" doc:"manager:name of the primary, when another manager sees the same device."`
	Identity    map[string]string `json:"identity,omitempty" doc:"By which it is known to be the same: address, engine_id, serial, name."`
}

// Devices is the answer of GET /api/v1/devices.
type Devices struct {
	Devices []Device `json:"devices" nullable:"false" doc:"By name and owner."`
	Total   int      `json:"total" doc:"How many there are on all pages."`
	Next    string   `json:"next,omitempty" doc:"For the parameter after; absent when there is no more."`
}

type devicesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Devices
}

type devicesInput struct {
	Paged
	Manager string `query:"manager" maxLength:"128" doc:"Only those that a manager owns or watches: its ID or name."`
	At      string `query:"at" maxLength:"1024" doc:"Only those at a path or below it."`
	State   string `query:"state" maxLength:"16" doc:"own, given, taken, prepared or orphaned; all when absent."`
	Text    string `query:"text" maxLength:"128" doc:"Only those with this text in the name, the application or the path."`
}

func (a *API) devices(ctx context.Context, in *devicesInput) (*devicesOutput, error) {
	if err := demand(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	if in.State != "" && !slices.Contains(deviceStates, in.State) {
		return nil, huma.NewError(http.StatusBadRequest, "state: it is not one of "+strings.Join(deviceStates, ", "))
	}
	var at tree.Path
	if in.At != "" {
		var err error
		if at, err = tree.ParsePath(in.At); err != nil {
			return nil, viewer.Problem(err)
		}
	}
	list, err := a.Peers.Devices(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	text := strings.ToLower(in.Text)
	list = slices.DeleteFunc(slices.Clone(list), func(d Device) bool {
		return in.State != "" && d.State != in.State ||
			in.Manager != "" && !slices.Contains([]string{d.Owner, d.OwnerID, d.Watcher, d.WatcherID}, in.Manager) ||
			in.At != "" && !within(d.At, at) && !within(d.Path, at) ||
			text != "" && !strings.Contains(strings.ToLower(d.Name+"\n"+d.Application+"\n"+d.At+"\n"+d.Path), text)
	})
	out := &devicesOutput{"no-store", Devices{Total: len(list)}}
	out.Body.Devices, out.Body.Next, err = page(list, in.Paged, func(d *Device) []string { return []string{d.Name, d.OwnerID} })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// within says whether a path is at another one or below it.
func within(path string, at tree.Path) bool {
	p, err := tree.ParsePath(path)
	return err == nil && at.Contains(p)
}

// NewGift is the body of POST /api/v1/devices/{name}/give.
type NewGift struct {
	To  string `json:"to" minLength:"1" maxLength:"128" example:"hamburg" doc:"ID or name of the manager."`
	For string `json:"for,omitempty" maxLength:"32" example:"8h" doc:"For how long: 1m to 365d; until it is returned when absent."`
}

// OfDevice is the part of inputs that names a device.
type OfDevice struct {
	Name string `path:"name" maxLength:"512" doc:"Its name, or manager:name."`
}

type moveOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Move
}

func (a *API) give(ctx context.Context, in *struct {
	OfDevice
	Body NewGift
}) (*moveOutput, error) {
	if err := demand(ctx, grant.Admin); err != nil {
		return nil, err
	}
	within, err := span(in.Body.For, 0, time.Minute, MaxGiven)
	if err != nil {
		return nil, err
	}
	detail := map[string]any{"to": in.Body.To}
	if within > 0 {
		detail["for"] = tree.FormatDuration(within)
	}
	return a.move(ctx, "device give", in.Name, detail, func(ctx context.Context) (Move, error) {
		return a.Peers.Give(ctx, in.Name, in.Body.To, within)
	})
}

func (a *API) returns(ctx context.Context, in *OfDevice) (*moveOutput, error) {
	return a.move(ctx, "device return", in.Name, nil, func(ctx context.Context) (Move, error) { return a.Peers.Return(ctx, in.Name) })
}

// move moves a device.
func (a *API) move(ctx context.Context, action, device string, detail any, do func(context.Context) (Move, error)) (*moveOutput, error) {
	out := &moveOutput{CacheControl: "no-store"}
	err := a.change(ctx, action, device, detail, func(ctx context.Context) (err error) {
		out.Body, err = do(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
