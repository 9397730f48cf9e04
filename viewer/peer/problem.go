package peer

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/viewer/deed"
)

// The errors of Peers. What wraps one of them is told to who asked, so its text names the
// manager or device, says why, and has no secrets.
var (
	ErrUnknown   = errors.New("there is no such manager or device")
	ErrAmbiguous = errors.New("several have that name")
	ErrQuery     = errors.New("malformed query")
	// ErrInvalid is what makes no sense: a name that none may have, a device given to who
	// watches it already.
	ErrInvalid   = errors.New("it makes no sense")
	ErrNotLinked = errors.New("the manager is not linked now")
	// ErrRefused is that the other manager, or the settings of this one, do not want it.
	ErrRefused = errors.New("it was refused")
	// ErrStale is that somebody else has the device meanwhile.
	ErrStale = errors.New("it moved meanwhile")
	ErrBusy  = errors.New("it is busy now")
	// ErrDeaf is an invitation of a manager that no other can reach, ErrOccupied of one that
	// cannot listen where it is to.
	ErrDeaf     = errors.New("this manager listens nowhere")
	ErrOccupied = errors.New("no other manager can link to this one now")

	// Errors of joining. ErrToken is a token that is none, or of another manager; ErrUsed
	// one that was used already, or whose time is over.
	ErrToken       = errors.New("the token is not right")
	ErrUsed        = errors.New("the token cannot be used any more")
	ErrUnreachable = errors.New("nobody answers at the address")
	ErrSilent      = errors.New("no answer came in time")
	ErrFingerprint = errors.New("at the address is another manager than the one that made the token")
	ErrClocks      = errors.New("the clocks of both managers are too far apart")
)

// answers is the table from errors to statuses and to what is to be done next. The first
// match counts.
var answers = []struct {
	err    error
	status int
	next   string
}{
	{ErrQuery, http.StatusBadRequest, ""},
	{ErrUnknown, http.StatusNotFound, ""},
	{ErrAmbiguous, http.StatusConflict, "say the ID of the manager, or manager:name of the device"},
	{ErrInvalid, http.StatusUnprocessableEntity, ""},
	{ErrDeaf, http.StatusConflict, `say in peers.yaml where it listens (listen: ["tls://0.0.0.0:7443"]) and how others reach it (ways: ["tls://NAME:7443"])`},
	{ErrOccupied, http.StatusConflict, "end what else listens there, or say another address in peers.yaml; it is tried again every 5 seconds"},
	{ErrToken, http.StatusUnprocessableEntity, "copy the whole command that grove peer invite printed"},
	{ErrUsed, http.StatusGone, "make a new one at the other manager with grove peer invite"},
	{ErrFingerprint, http.StatusConflict, "check the address, and whether something on the way opens TLS; make the token at the manager that is to be joined"},
	{ErrClocks, http.StatusConflict, "set both clocks by NTP, then try again"},
	{ErrUnreachable, http.StatusBadGateway, "check that it listens there (listen in its peers.yaml), that the firewall lets this machine through, or name a proxy in peers.yaml"},
	{ErrSilent, http.StatusServiceUnavailable, "its machine or this one may have too much to do: try the same again, the token is still good for this manager"},
	{ErrNotLinked, http.StatusConflict, "grove peers shows the links"},
	{ErrStale, http.StatusConflict, "grove peer devices shows who watches it"},
	{ErrRefused, http.StatusConflict, ""},
	{ErrBusy, http.StatusServiceUnavailable, "try again later"},
}

// problem makes an answer of an error.
func (a *API) problem(err error) error {
	for _, p := range answers {
		if !errors.Is(err, p.err) {
			continue
		}
		text := err.Error()
		if p.next != "" {
			text += "; " + p.next
		}
		answer := huma.NewError(p.status, text)
		if p.status == http.StatusServiceUnavailable {
			return huma.ErrorWithHeaders(answer, http.Header{"Retry-After": {"2"}})
		}
		return answer
	}
	return deed.Problem(a.Log, err)
}
