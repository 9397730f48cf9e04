package peer

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
)

// MaxMoved is how many devices one request moves at most.
const MaxMoved = 5000

// Moved is what came of moving several devices: each moved by itself, or did not.
type Moved struct {
	Moves []Move `json:"moves" nullable:"false" doc:"One for each device, in the order of their paths."`
	// Stays is what stays below a path, since it is no device or part of none.
	Stays    []Stay `json:"stays" nullable:"false" doc:"What is below a path and is no device: it stays where it is."`
	Done     int    `json:"done" doc:"Devices that are watched where they are to be."`
	UnderWay int    `json:"underWay" doc:"Devices on their way; what moved tells when they are there."`
	Failed   int    `json:"failed" doc:"Devices that stay where they were, and what was named and is no device."`
}

// Stay is a node, or an instance, that no path takes to another manager.
type Stay struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// NewGifts is the body of POST /api/v1/devices/give.
type NewGifts struct {
	Devices []string `json:"devices" minItems:"1" maxItems:"1000" nullable:"false" example:"[\"/hamburg/shops\"]" doc:"Names, manager:name, or paths: those are all devices at and below them in the tree of this manager."`
	To      string   `json:"to" minLength:"1" maxLength:"128" example:"hamburg" doc:"ID or name of the manager."`
	For     string   `json:"for,omitempty" maxLength:"32" example:"8h" doc:"For how long: 1m to 365d; until they are returned when absent."`
}

// NewReturns is the body of POST /api/v1/devices/return.
type NewReturns struct {
	Devices []string `json:"devices" minItems:"1" maxItems:"1000" nullable:"false" example:"[\"/hamburg/shops\"]" doc:"Names, manager:name, or paths: those are all devices at and below them in the tree of this manager."`
}

// maxName bounds a name or a path of them, bytes.
const maxName = 1024

// listed checks what devices are named, and returns them as the audit log writes them.
func listed(devices []string) (target string, err error) {
	for _, d := range devices {
		if strings.TrimSpace(d) == "" || len(d) > maxName {
			return "", huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("devices: want names or paths of 1 to %d bytes", maxName))
		}
	}
	const shown = 10
	if len(devices) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(devices[:shown], ", "), len(devices)-shown), nil
	}
	return strings.Join(devices, ", "), nil
}

type movedOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Moved
}

func (a *API) giveAll(ctx context.Context, in *struct{ Body NewGifts }) (*movedOutput, error) {
	if err := demand(ctx, grant.Admin); err != nil {
		return nil, err
	}
	target, err := listed(in.Body.Devices)
	if err != nil {
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
	return a.moveAll(ctx, "device give", target, detail, func(ctx context.Context) (Moved, error) {
		return a.Peers.GiveAll(ctx, in.Body.Devices, in.Body.To, within)
	})
}

func (a *API) returnAll(ctx context.Context, in *struct{ Body NewReturns }) (*movedOutput, error) {
	if err := demand(ctx, grant.Admin); err != nil {
		return nil, err
	}
	target, err := listed(in.Body.Devices)
	if err != nil {
		return nil, err
	}
	return a.moveAll(ctx, "device return", target, nil, func(ctx context.Context) (Moved, error) { return a.Peers.ReturnAll(ctx, in.Body.Devices) })
}

func (a *API) moveAll(ctx context.Context, action, target string, detail any, do func(context.Context) (Moved, error)) (*movedOutput, error) {
	out := &movedOutput{CacheControl: "no-store"}
	err := a.audited(ctx, action, target, detail, func(ctx context.Context) (err error) {
		out.Body, err = do(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	m := &out.Body
	m.Moves, m.Stays = append([]Move{}, m.Moves...), append([]Stay{}, m.Stays...)
	for i := range m.Moves {
		switch m.Moves[i].State {
		case Done:
			m.Done++
		case UnderWay:
			m.UnderWay++
		default:
			m.Failed++
		}
	}
	return out, nil
}
