package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"grove/tree"
)

// Codes of the errors that a client is told.
const (
	codeBadFrame       = "bad_frame"
	codeBadPath        = "bad_path"
	codeNoNode         = "no_such_node"
	codeTooMany        = "too_many_subscriptions"
	codeTooFast        = "too_fast"
	codeNoSubscription = "no_such_subscription"
	codeInternal       = "internal"
)

// request is a message of a client.
type request struct {
	Type  string
	ID    uint32
	Path  tree.Path // of a subscribe
	Since *uint64   // of a subscribe: resume
	Run   string    // of a subscribe: the run in which Since was received
	Seq   uint64    // of an ack
}

// requestError is what is wrong with a message, as the client is told.
type requestError struct {
	id   *uint32
	code string
	text string
}

// Error implements error.
func (e *requestError) Error() string { return e.code + ": " + e.text }

// parseRequest reads a message of a client. Its errors are *requestError.
func parseRequest(data []byte) (request, error) {
	fail := func(id *uint32, code, format string, args ...any) (request, error) {
		return request{}, &requestError{id: id, code: code, text: fmt.Sprintf(format, args...)}
	}
	if !utf8.Valid(data) {
		return fail(nil, codeBadFrame, "the message is not UTF-8")
	}
	var raw struct {
		Type  string  `json:"type"`
		ID    *uint32 `json:"id"`
		Path  *string `json:"path"`
		Since *uint64 `json:"since"`
		Run   string  `json:"run"`
		Seq   *uint64 `json:"seq"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) && wrong.Field != "" {
			return fail(nil, codeBadFrame, "%q cannot be a %.40s", wrong.Field, wrong.Value)
		}
		return fail(nil, codeBadFrame, "the message is not a request in JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fail(nil, codeBadFrame, "the message goes on after its end at byte %d", d.InputOffset())
	}
	if raw.ID == nil {
		return fail(nil, codeBadFrame, `"id" is missing`)
	}
	r := request{Type: raw.Type, ID: *raw.ID, Since: raw.Since, Run: raw.Run}
	switch raw.Type {
	case "subscribe":
		if raw.Path == nil {
			return fail(raw.ID, codeBadFrame, `"path" is missing`)
		}
		var err error
		if r.Path, err = tree.ParsePath(*raw.Path); err != nil {
			return fail(raw.ID, codeBadPath, "%s", err)
		}
	case "unsubscribe":
	case "ack":
		if raw.Seq == nil {
			return fail(raw.ID, codeBadFrame, `"seq" is missing`)
		}
		r.Seq = *raw.Seq
	default:
		return fail(raw.ID, codeBadFrame, `"type" is %.40q, not subscribe, unsubscribe or ack`, raw.Type)
	}
	return r, nil
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
