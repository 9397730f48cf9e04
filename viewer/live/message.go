package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"grove/tree"
	"grove/viewer/live/shape"
)

// Codes of the errors that a client is told.
const (
	codeBadFrame       = "bad_frame"
	codeBadPath        = "bad_path"
	codeBadFilter      = "bad_filter"
	codeNoNode         = "no_such_node"
	codeNoPath         = "no_such_path" // of an open: the subscription goes on
	codeNoPast         = "no_past"
	codeTooMany        = "too_many_subscriptions"
	codeTooFast        = "too_fast"
	codeNoSubscription = "no_such_subscription"
	codeInternal       = "internal"
)

// request is a message of a client.
type request struct {
	Type string
	ID   uint32
	Seq  uint64 // of an ack

	// Of a subscribe.
	Path  tree.Path
	Since *uint64 // resume
	Run   string  // the run in which Since was received
	At    time.Time
	Shape shape.Wish

	// Of an open or close, which has one of these.
	Turn shape.Turn
}

// requestError is what is wrong with a message, as the client is told.
type requestError struct {
	id   *uint32
	code string
	text string
}

// Error implements error.
func (e *requestError) Error() string { return e.code + ": " + e.text }

// message is the JSON of a client's message.
type message struct {
	Type     string   `json:"type"`
	ID       *uint32  `json:"id"`
	Path     *string  `json:"path"`
	Since    *uint64  `json:"since"`
	Run      string   `json:"run"`
	Seq      *uint64  `json:"seq"`
	Depth    *int     `json:"depth"`
	Open     []string `json:"open"`
	Some     *int     `json:"some"`
	At       *int64   `json:"at"`
	Nodes    []uint32 `json:"nodes"`
	All      bool     `json:"all"`
	Problems bool     `json:"problems"`
	Filter   *struct {
		Text     string   `json:"text"`
		Statuses []string `json:"statuses"`
	} `json:"filter"`
}

// parseAck reads an acknowledgement in the form in which clients write it: nothing else
// comes as often. Any other message is for parseRequest.
func parseAck(data []byte) (id uint32, seq uint64, ok bool) {
	rest, begins := bytes.CutPrefix(data, []byte(`{"type":"ack","id":`))
	first, last, parts := bytes.Cut(rest, []byte(`,"seq":`))
	last, ends := bytes.CutSuffix(last, []byte(`}`))
	if !begins || !parts || !ends || bytes.HasPrefix(first, []byte("0")) || bytes.HasPrefix(last, []byte("0")) {
		return 0, 0, false // JSON knows no leading zeros.
	}
	n, err := strconv.ParseUint(string(first), 10, 32)
	if err != nil {
		return 0, 0, false
	}
	seq, err = strconv.ParseUint(string(last), 10, 64)
	return uint32(n), seq, err == nil
}

// parseRequest reads a message of a client. Its errors are *requestError.
func parseRequest(data []byte) (request, error) {
	if !utf8.Valid(data) {
		return request{}, &requestError{code: codeBadFrame, text: "the message is not UTF-8"}
	}
	var raw message
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) && wrong.Field != "" {
			return request{}, &requestError{code: codeBadFrame, text: fmt.Sprintf("%q cannot be a %.40s", wrong.Field, wrong.Value)}
		}
		return request{}, &requestError{code: codeBadFrame, text: "the message is not a request in JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return request{}, &requestError{code: codeBadFrame, text: fmt.Sprintf("the message goes on after its end at byte %d", d.InputOffset())}
	}
	if raw.ID == nil {
		return request{}, &requestError{code: codeBadFrame, text: `"id" is missing`}
	}
	r := request{Type: raw.Type, ID: *raw.ID}
	var err *requestError
	switch raw.Type {
	case "subscribe":
		err = r.subscribe(&raw)
	case "open", "close":
		err = r.turn(&raw)
	case "unsubscribe":
	case "ack":
		if raw.Seq == nil {
			err = &requestError{code: codeBadFrame, text: `"seq" is missing`}
		} else {
			r.Seq = *raw.Seq
		}
	default:
		err = &requestError{code: codeBadFrame, text: fmt.Sprintf(`"type" is %.40q, not subscribe, unsubscribe, open, close or ack`, raw.Type)}
	}
	if err != nil {
		err.id = raw.ID
		return request{}, err
	}
	return r, nil
}

// latest is the end of the times that a client can ask for: the year 10,000.
const latest = 253_402_300_800_000

func (r *request) subscribe(raw *message) *requestError {
	if raw.Path == nil {
		return &requestError{code: codeBadFrame, text: `"path" is missing`}
	}
	var err error
	if r.Path, err = tree.ParsePath(*raw.Path); err != nil {
		return &requestError{code: codeBadPath, text: err.Error()}
	}
	r.Since, r.Run = raw.Since, raw.Run
	w := shape.Wish{Depth: tree.MaxDepth}
	switch {
	case raw.Depth != nil && *raw.Depth < 0:
		return &requestError{code: codeBadFrame, text: `"depth" is negative`}
	case raw.Depth != nil:
		w.Depth = min(*raw.Depth, tree.MaxDepth)
	case raw.Some != nil || len(raw.Open) > 0:
		w.Depth = 0
	}
	if raw.Some != nil {
		if *raw.Some < 1 || *raw.Some > tree.MaxNodes {
			return &requestError{code: codeBadFrame, text: fmt.Sprintf(`"some" is not from 1 to %d`, tree.MaxNodes)}
		}
		w.Some = *raw.Some
	}
	for _, text := range raw.Open {
		p, err := tree.ParsePath(text)
		if err != nil {
			return &requestError{code: codeBadPath, text: `"open": ` + err.Error()}
		}
		w.Open = append(w.Open, p)
	}
	if raw.Filter != nil {
		var statuses []tree.Status
		for _, word := range raw.Filter.Statuses {
			s, err := tree.ParseStatus(word)
			if err != nil {
				return &requestError{code: codeBadFilter, text: err.Error()}
			}
			statuses = append(statuses, s)
		}
		if w.Filter, err = shape.NewFilter(raw.Filter.Text, statuses); err != nil {
			return &requestError{code: codeBadFilter, text: err.Error()}
		}
	}
	if raw.At != nil {
		if *raw.At <= 0 || *raw.At > latest {
			return &requestError{code: codeBadFrame, text: fmt.Sprintf(`"at" is not a time: milliseconds from 1 to %d`, int64(latest))}
		}
		r.At = time.UnixMilli(*raw.At)
	}
	r.Shape = w
	return nil
}

// turn reads an open or a close.
func (r *request) turn(raw *message) *requestError {
	t := shape.Turn{Open: raw.Type == "open", Nodes: raw.Nodes, All: raw.All, Problems: raw.Problems}
	given := 0
	for _, is := range [...]bool{raw.Nodes != nil, raw.All, raw.Problems, raw.Path != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1 && t.Open:
		return &requestError{code: codeBadFrame, text: `an open needs one of "nodes", "all", "problems" and "path"`}
	case given != 1 || !t.Open && (raw.Problems || raw.Path != nil):
		return &requestError{code: codeBadFrame, text: `a close needs "nodes" or "all"`}
	}
	if raw.Path != nil {
		p, err := tree.ParsePath(*raw.Path)
		if err != nil {
			return &requestError{code: codeBadPath, text: err.Error()}
		}
		t.Path = &p
	}
	r.Turn = t
	return nil
}

// welcome is the first message of the server.
type welcome struct {
	Type   string `json:"type"`
	Server string `json:"server"`
	Run    string `json:"run"`
	Seq    uint64 `json:"seq"`
}

// failure tells a client of an error.
type failure struct {
	Type    string  `json:"type"`
	ID      *uint32 `json:"id,omitempty"`
	Code    string  `json:"code"`
	Message string  `json:"message"`
}

// applied tells how many of the messages of a client that open and close are applied.
type applied struct {
	Type  string `json:"type"`
	ID    uint32 `json:"id"`
	Count uint64 `json:"count"`
}

// opened tells which groups are open when that was left to the server.
type opened struct {
	Type  string   `json:"type"`
	ID    uint32   `json:"id"`
	Nodes []uint32 `json:"nodes"` // left out when All
	All   bool     `json:"all"`
	Focus *uint32  `json:"focus,omitempty"`
}

// matches tells how many nodes a filter finds, and how many of them show.
type matches struct {
	Type  string `json:"type"`
	ID    uint32 `json:"id"`
	Hits  int    `json:"hits"`
	Shown int    `json:"shown"`
}
