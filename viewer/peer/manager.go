package peer

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
)

// Peer is what a manager says of itself.
type Peer struct {
	ID           string    `json:"id" doc:"16 hexadecimal digits, the name in its certificate."`
	Name         string    `json:"name" example:"berlin"`
	Site         string    `json:"site,omitempty" doc:"Managers of one site share definitions."`
	Version      string    `json:"version"`
	Protocol     int       `json:"protocol" doc:"Generation of what managers say to each other."`
	URL          string    `json:"url,omitempty" doc:"Of its page."`
	Ways         []string  `json:"ways,omitempty" doc:"Addresses at which others can link to it."`
	Kinds        []string  `json:"kinds,omitempty" doc:"Kinds of probes that it runs."`
	Applications []string  `json:"applications,omitempty" doc:"Definitions that it knows."`
	Capacity     int       `json:"capacity" doc:"How many devices it takes in all."`
	Devices      int       `json:"devices" doc:"How many it watches now."`
	Integrates   bool      `json:"integrates,omitempty" doc:"Others register with it."`
	Started      time.Time `json:"started"`
}

// States of a manager.
const (
	Known   = "known"   // others told of it, and nothing was heard of it here
	Live    = "live"    // its link is up, or somebody who is linked to it hears it
	Suspect = "suspect" // its link was lost just now
	CutOff  = "cut off" // not heard here, but by others
	Dead    = "dead"    // heard by nobody: its devices go to stand-ins
	Gone    = "gone"    // revoked, or it left
)

// OtherPeer is another manager, as this one sees it.
type OtherPeer struct {
	Peer
	State string     `json:"state" enum:"known,live,suspect,cut off,dead,gone"`
	Heard *time.Time `json:"heard,omitempty" doc:"When something was heard of it last."`
	Link  *PeerLink  `json:"link" doc:"How the way to it is; null: there is none, it is known by others."`
	// Branch is where its tree hangs in that of this manager, with so many nodes.
	Branch string `json:"branch,omitempty" doc:"Where its tree hangs here." example:"/Managers/berlin"`
	Nodes  int    `json:"nodes,omitempty"`
	Lag    Lag    `json:"lag"`
	// MessagesPerSecond are those that came and were taken, and Saturation how much of the
	// time they were worked at.
	MessagesPerSecond float64  `json:"messagesPerSecond" doc:"Messages of it that are worked at."`
	Saturation        float64  `json:"saturation" minimum:"0" maximum:"1" doc:"Part of the time that is spent on them: at 1 they wait."`
	StandIns          []string `json:"standIns,omitempty" doc:"Who takes its devices over, best first."`
}

// Lag is how far what is known here is behind what happened there.
type Lag struct {
	Entries int64   `json:"entries" doc:"Of its journal, that are not here yet."`
	Seconds float64 `json:"seconds" doc:"Age of the oldest of them."`
}

// PeerLink is how the way to another manager is.
type PeerLink struct { //nolint:revive // the name of its schema, where others have links
	Outbound        bool       `json:"outbound" doc:"This manager calls the other one."`
	Address         string     `json:"address" doc:"That is called, or of the caller."`
	Up              bool       `json:"up"`
	Since           time.Time  `json:"since" doc:"When it came up, or was lost."`
	Error           string     `json:"error,omitempty" doc:"Why it is down."`
	RoundTrip       *float64   `json:"roundTrip,omitempty" doc:"Seconds, of the last ping."`
	Waiting         int64      `json:"waiting" doc:"Bytes that the network did not take yet."`
	BytesIn         uint64     `json:"bytesIn" doc:"Since the link came up."`
	BytesOut        uint64     `json:"bytesOut"`
	MessagesIn      uint64     `json:"messagesIn"`
	MessagesOut     uint64     `json:"messagesOut"`
	CertificateEnds *time.Time `json:"certificateEnds,omitempty"`
}

// Overview is who is there.
type Overview struct {
	Self Peer `json:"self"`
	// Home is the name of the manager that this one registered with.
	Home string `json:"home,omitempty" doc:"Name of the manager that this one registered with."`
	// StandIns are who takes over the devices of this manager, best first.
	StandIns []string    `json:"standIns,omitempty" doc:"Who takes over the devices of this manager, best first."`
	Managers []OtherPeer `json:"managers" nullable:"false" doc:"By name."`
	Next     string      `json:"next,omitempty" doc:"For the parameter after; absent when there is no more."`
	Error    string      `json:"error,omitempty" doc:"What is wrong with peers.yaml; what it said before holds."`
	// Clustered says that an external cluster carries what this manager and others say.
	Clustered bool   `json:"clustered,omitempty" doc:"An external cluster carries what managers say: who is in it, too, is joined at the address cluster."`
	Deaf      string `json:"deaf,omitempty" doc:"Why no other manager can link to this one, though peers.yaml says where it listens; it is tried again."`
}

// Paged is the part of inputs that says which page is asked for.
type Paged struct {
	Limit int    `query:"limit" default:"500" minimum:"1" maximum:"1000" doc:"At most so many."`
	After string `query:"after" maxLength:"2048" doc:"The next of the page before, with all else as it was."`
}

type overviewOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Overview
}

func (a *API) overview(ctx context.Context, in *struct{ Paged }) (*overviewOutput, error) {
	if err := demand(ctx, grant.Viewer); err != nil {
		return nil, err
	}
	o, err := a.Peers.Overview(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	o.Managers, o.Next, err = page(o.Managers, in.Paged, func(m *OtherPeer) []string { return []string{m.Name, m.ID} })
	if err != nil {
		return nil, err
	}
	return &overviewOutput{"no-store", o}, nil
}

// Invitation lets one manager join.
type Invitation struct {
	Token string `json:"token" doc:"For one use. It is shown only now."`
	// Address is where this manager is reached.
	Address string    `json:"address" example:"tls://grove.example:7443"`
	Ends    time.Time `json:"ends"`
}

// Invited is the answer of POST /api/v1/peers/invite.
type Invited struct {
	Invitation
	Command string `json:"command" doc:"What to type where the other manager runs."`
}

// NewInvitation is the body of POST /api/v1/peers/invite.
type NewInvitation struct {
	Name string `json:"name" minLength:"1" maxLength:"128" example:"hamburg" doc:"What the manager that joins is called here."`
	For  string `json:"for,omitempty" maxLength:"32" example:"24h" doc:"How long the token can be used: 1m to 30d; 24h when absent."`
}

type invitedOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Invited
}

func (a *API) invite(ctx context.Context, in *struct{ Body NewInvitation }) (*invitedOutput, error) {
	if err := demand(ctx, grant.Admin); err != nil {
		return nil, err
	}
	within, err := span(in.Body.For, 24*time.Hour, time.Minute, MaxInvitation)
	if err != nil {
		return nil, err
	}
	out := &invitedOutput{CacheControl: "no-store"}
	err = a.trust(ctx, func(ctx context.Context) (err error) {
		out.Body.Invitation, err = a.Peers.Invite(ctx, in.Body.Name, within)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Body.Command = fmt.Sprintf("grove peer join %s %s", out.Body.Address, out.Body.Token)
	return out, nil
}

// PeerName is a manager by its names.
type PeerName struct { //nolint:revive // the name of its schema, where others have names
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Joined is the answer of POST /api/v1/peers/join.
type Joined struct {
	PeerName
	Address string `json:"address" doc:"At which it was joined."`
}

// overCluster is the address of a manager that is joined over an external cluster.
const overCluster = "cluster"

// NewLink is the body of POST /api/v1/peers/join.
type NewLink struct {
	Address string `json:"address" minLength:"1" maxLength:"512" example:"tls://grove.example:7443" doc:"cluster: over the external cluster that both are in."`
	Token   string `json:"token" doc:"Of an invitation."`
}

type joinedOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Joined
}

func (a *API) join(ctx context.Context, in *struct{ Body NewLink }) (*joinedOutput, error) {
	address, token := strings.TrimSpace(in.Body.Address), strings.TrimSpace(in.Body.Token)
	if err := demand(ctx, grant.Admin); err != nil {
		return nil, err
	}
	// It is not in the schema: what is wrong with it would be told with the token.
	if token == "" || len(token) > MaxToken {
		return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("token: want that of an invitation, of at most %d bytes", MaxToken))
	}
	if !strings.HasPrefix(address, "tls://") && !strings.HasPrefix(address, "wss://") && address != overCluster {
		return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("address: %.80q begins with neither tls:// nor wss://: want one such as tls://grove.example:7443, or cluster", address))
	}
	out := &joinedOutput{CacheControl: "no-store"}
	err := a.trust(ctx, func(ctx context.Context) (err error) {
		out.Body, err = a.Peers.Join(ctx, address, token)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type namedOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         PeerName
}

// NewRevocation is the body of POST /api/v1/peers/{id}/revoke.
type NewRevocation struct {
	Comment string `json:"comment,omitempty" maxLength:"1024" doc:"Why; it stands in the audit log."`
}

func (a *API) revoke(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"128" doc:"ID or name of the manager."`
	Body NewRevocation
}) (*namedOutput, error) {
	return a.part(ctx, func(ctx context.Context) (PeerName, error) {
		return a.Peers.Revoke(ctx, in.ID, in.Body.Comment)
	})
}

func (a *API) leave(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"128" doc:"ID or name of the manager."`
}) (*namedOutput, error) {
	return a.part(ctx, func(ctx context.Context) (PeerName, error) { return a.Peers.Leave(ctx, in.ID) })
}

// part ends something with a manager.
func (a *API) part(ctx context.Context, do func(context.Context) (PeerName, error)) (*namedOutput, error) {
	out := &namedOutput{CacheControl: "no-store"}
	err := a.trust(ctx, func(ctx context.Context) (err error) {
		out.Body, err = do(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// NewRole is the body of POST /api/v1/peers/integrate.
type NewRole struct {
	On bool `json:"on" doc:"Whether others register with this manager."`
}

func (a *API) integrate(ctx context.Context, in *struct{ Body NewRole }) (*outcomeOutput, error) {
	return a.many(ctx, "peer integrate", map[bool]string{true: "on", false: "off"}[in.Body.On], func(ctx context.Context) (MoveOutcome, error) {
		return a.Peers.Integrate(ctx, in.Body.On)
	})
}

// NewMessage is the body of POST /api/v1/messages.
type NewMessage struct {
	To   string `json:"to" minLength:"1" maxLength:"128" example:"hamburg" doc:"ID or name of the manager; * is all that are linked."`
	Text string `json:"text" minLength:"1" maxLength:"2000" example:"north is down for maintenance until 18:00"`
}

// Delivery is what came of a message for one manager.
type Delivery struct {
	PeerName
	Error string `json:"error,omitempty" doc:"Why not; absent: it stands in the journal there."`
}

// Deliveries is the answer of POST /api/v1/messages.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries" nullable:"false" doc:"By name."`
}

type deliveriesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Deliveries
}

func (a *API) message(ctx context.Context, in *struct{ Body NewMessage }) (*deliveriesOutput, error) {
	if err := demand(ctx, grant.Operator); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(in.Body.Text)
	if text == "" || len(text) > MaxText {
		return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("text: want 1 to %d bytes", MaxText))
	}
	out := &deliveriesOutput{"no-store", Deliveries{[]Delivery{}}}
	err := a.audited(ctx, "peer message", in.Body.To, map[string]any{"text": text}, func(ctx context.Context) error {
		sent, err := a.Peers.Message(ctx, in.Body.To, text)
		out.Body.Deliveries = append(out.Body.Deliveries, sent...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.Body.Deliveries, func(x, y Delivery) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.ID, y.ID))
	})
	return out, nil
}
