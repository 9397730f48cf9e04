// Package peer is what managers say to each other, and over what: who they are (Manager),
// how a message gets from one to another (Fabric), and what a link is like (Link). The rooms
// below it do the work: package fabric moves messages, authority says who may come in,
// registry knows who is there, branch joins trees, record what they remember, duty moves
// devices from one manager to another.
//
// # Messages
//
// A message has a kind such as "branch.open", whose first word is the room that it belongs
// to, and a body of at most MaxBody bytes, which the rooms write as JSON unless they say
// otherwise. Who sent it is said by the fabric, which knows from the certificate of the
// link, and never by the message.
//
// A fabric loses messages when a link is cut. What must not be lost is on the disk of its
// sender until the receiver has said that it is on its own: every room that needs that asks
// (Fabric.Ask) and repeats, and every handler can be asked the same twice.
package peer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Protocol is the generation of what managers say to each other. A manager talks to those of
// its own generation and of the one before; what a message does not know it leaves out.
const Protocol = 1

// MaxBody bounds the body of a message, bytes: what is longer is sent in pieces.
const MaxBody = 512 << 10

// Suspect is how long nothing may be heard of a manager before its link counts as lost.
const Suspect = 2500 * time.Millisecond

// ID is the name of a manager for other managers: 16 lower-case hexadecimal digits, made once
// with its key, and the name in its certificate. Names for people may change and repeat.
type ID string

var idForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Check says whether the text can be an ID.
func (id ID) Check() error {
	if !idForm.MatchString(string(id)) {
		return fmt.Errorf("%.40q is not the ID of a manager: 16 hexadecimal digits are", string(id))
	}
	return nil
}

// Manager is what a manager says of itself: I am here.
type Manager struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`           // for people, such as "berlin"
	Site string `json:"site,omitempty"` // managers of one site share definitions
	// Database is a mark of the database with its facts: managers that share one have the
	// same. Empty: it is not known.
	Database string `json:"database,omitempty"`
	Version  string `json:"version"` // of the program
	Protocol int    `json:"protocol"`
	URL      string `json:"url,omitempty"` // of its page
	// Ways are the addresses at which other managers can link to it, such as
	// "tls://grove.example:7443" and "wss://grove.example:443/peer"; none: it calls others.
	Ways []string `json:"ways,omitempty"`
	// Kinds are the kinds of probes that it runs, Applications the definitions that it knows.
	Kinds        []string `json:"kinds,omitempty"`
	Applications []string `json:"applications,omitempty"`
	// Capacity is how many devices it takes in all, Devices how many it watches now.
	Capacity int `json:"capacity"`
	Devices  int `json:"devices"`
	// Integrates says that it is an integration manager: others register with it.
	Integrates bool      `json:"integrates,omitempty"`
	Started    time.Time `json:"started"`
}

// Link is how the way to another manager is.
type Link struct {
	Peer     ID        `json:"peer"`
	Outbound bool      `json:"outbound"` // this manager calls the other one
	Address  string    `json:"address"`  // that is called, or of the caller
	Up       bool      `json:"up"`
	Since    time.Time `json:"since"`           // when it came up, or was lost
	Error    string    `json:"error,omitempty"` // why it is down
	// Limited says that it is not up for the one reason that the other side finds the
	// certificate of this manager over: it can be renewed, and nothing else can be asked.
	Limited bool `json:"limited,omitempty"`
	// RoundTrip is that of the last ping, zero when none came back yet.
	RoundTrip time.Duration `json:"roundTrip"`
	// Waiting are bytes that were not taken by the network yet.
	Waiting                 int64     `json:"waiting"`
	BytesIn, BytesOut       uint64    `json:"-"`
	MessagesIn, MessagesOut uint64    `json:"-"`
	CertificateEnds         time.Time `json:"certificateEnds,omitzero"`
}

// Errors of a fabric.
var (
	// ErrNobody is that nobody of that ID is linked, or that nobody there knows the kind of
	// question. It comes at once.
	ErrNobody = errors.New("no such manager is linked")
	// ErrLost is that the link was lost, or that no answer came in time: whether the other
	// side has done what it was asked is not known.
	ErrLost = errors.New("the link to the manager was lost")
	// ErrTooLong is a body of more than MaxBody bytes.
	ErrTooLong = fmt.Errorf("a message between managers has at most %d bytes", MaxBody)
)

// Code says what kind of refusal an answer is.
type Code string

// The codes.
const (
	Invalid  Code = "invalid"   // what was asked makes no sense; asking again does not help
	NotFound Code = "not found" // what was asked for is not there
	Refused  Code = "refused"   // the other manager may not, or does not want to
	Stale    Code = "stale"     // somebody else has it meanwhile: the token is too old
	Busy     Code = "busy"      // later perhaps
	Failed   Code = "failed"    // something went wrong over there
)

// Refusal is an answer that says no. A handler returns one to say which kind; any other
// error of a handler reaches the asker as one with the code Failed.
type Refusal struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// Refuse makes a Refusal.
func Refuse(code Code, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// IsRefusal says whether an error is a Refusal with a code.
func IsRefusal(err error, code Code) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == code
}

// Handler answers messages of one kind. Several run at the same time. An answer to a message
// that was sent, not asked, goes nowhere.
type Handler func(ctx context.Context, from ID, body []byte) (answer []byte, err error)

// Fabric moves messages between this manager and those that are linked to it, or to a manager
// that both are linked to. Its methods may be called from many goroutines.
type Fabric interface {
	Self() ID
	// Ask sends a question and returns the answer. The error is ErrNobody, ErrLost, ErrTooLong,
	// that of ctx, or a *Refusal of the other manager. Without a deadline of ctx it waits 10 s.
	Ask(ctx context.Context, to ID, kind string, body []byte) ([]byte, error)
	// AskBulk is Ask for what may take its time: it goes over a connection of its own, so that
	// nothing urgent waits behind it.
	AskBulk(ctx context.Context, to ID, kind string, body []byte) ([]byte, error)
	// Send sends what needs no answer. It may be lost.
	Send(to ID, kind string, body []byte) error
	// SendAll is Send to everybody who is linked, and to all that are linked to those.
	SendAll(kind string, body []byte) error
	// Handle has messages of a kind answered, until another handler takes its place; nil is
	// nobody.
	Handle(kind string, h Handler)
	// Publish sends to all that follow the stream. Those of one stream arrive in order; when
	// a link is cut some are lost.
	Publish(stream string, body []byte) error
	// Follow calls take with what a manager publishes from now on, one call at a time, until
	// cancel is called. It goes on by itself when a link is back.
	Follow(of ID, stream string, take func(body []byte)) (cancel func(), err error)
	// Links lists the links, those that are lost included, by peer.
	Links() []Link
	// OnLink calls told with each link that comes up or is lost, one call at a time, until
	// cancel is called. Told must not block.
	OnLink(told func(Link)) (cancel func())
}
