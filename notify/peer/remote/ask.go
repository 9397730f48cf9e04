package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"grove/beans"
	"grove/notify/peer"
	"grove/tree"
	"grove/tree/grant"
)

// caller is the part of questions that says who asks.
type caller struct {
	User  string     `json:"user,omitempty"`
	Role  grant.Role `json:"role,omitempty"` // that he has at the last of Chain
	Chain []peer.ID  `json:"chain"`          // managers that the question came through, the first asked first
	// Within is how long the asker waits, milliseconds.
	Within int64 `json:"within,omitempty"`
}

type chainKey struct{}

// chainOf are the managers that the question came through that ctx belongs to.
func chainOf(ctx context.Context) []peer.ID {
	chain, _ := ctx.Value(chainKey{}).([]peer.ID)
	return chain
}

// callerOf says who asks, with the role that he has at a place here, or on everything.
func (r *Remote) callerOf(ctx context.Context, at tree.Path, placed bool) caller {
	s := grant.Of(ctx)
	c := caller{User: s.Name, Chain: append(slices.Clone(chainOf(ctx)), r.self)}
	for role := grant.Admin; role > grant.None; role-- {
		if s.Whole(role) || placed && r.opts.Guard.May(s, role, at) {
			c.Role = role
			break
		}
	}
	return c
}

// failure is an error of the other side as it is sent.
type failure struct {
	Is      string `json:"is,omitempty"`
	Message string `json:"message"`
}

// kinds are the errors that keep their meaning on the way, the narrower first.
var kinds = []struct {
	is  string
	err error
}{
	{"attribute", beans.ErrAttributeNotFound}, {"read-only", beans.ErrReadOnly}, {"value", beans.ErrInvalidValue},
	{"operation", beans.ErrOperationNotFound}, {"bean", beans.ErrNotFound}, {"notifications", beans.ErrNoNotifications},
	{"pattern", beans.ErrPatternName}, {"name", beans.ErrMalformedName}, {"denied", grant.ErrDenied},
	{"node", tree.ErrNoNode}, {"threshold", tree.ErrThreshold}, {"circle", ErrCircle}, {"away", ErrAway}, {"own", ErrOwn},
}

// failed writes an error. What the bean server says of the names of the bean and of its part
// is left out: that of who asked says it with the name that the bean has there.
func failed(err error, part ...string) *failure {
	if err == nil {
		return nil
	}
	var named *beans.NameError
	if errors.As(err, &named) {
		err = named.Err
	}
	f := &failure{Message: clean(err.Error(), maxMessage)}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			f.Is = k.is
			return f
		}
	}
	for _, p := range part {
		for _, kind := range []string{"attribute", "operation"} {
			f.Message = strings.TrimPrefix(f.Message, fmt.Sprintf("%s %q: ", kind, p))
		}
	}
	return f
}

// Error is an error of a bean or node of another manager, in its own words.
type Error struct {
	Message string
	kind    error
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the error of package beans, tree or grant that it is.
func (e *Error) Unwrap() error { return e.kind }

// err reads an error.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	e := &Error{Message: clean(f.Message, maxMessage)}
	for _, k := range kinds {
		if k.is == f.Is {
			e.kind = k.err
		}
	}
	return e
}

// clean bounds a text of another manager, and takes out what is not to be printed.
func clean(text string, most int) string {
	text = strings.ToValidUTF8(text, "�")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// ask asks another manager. The error says what it is that keeps the answer away.
func (r *Remote) ask(ctx context.Context, to peer.ID, kind string, question, answer any, within time.Duration) error {
	if chain := chainOf(ctx); slices.Contains(chain, to) || len(chain) >= MaxHops {
		return fmt.Errorf("%w: it would go to %s", ErrCircle, r.nameOf(to))
	}
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	body, err = r.opts.Fabric.Ask(ctx, to, kind, body)
	var refusal *peer.Refusal
	switch {
	case errors.As(err, &refusal):
		e := &Error{Message: r.nameOf(to) + ": " + clean(refusal.Message, maxMessage)}
		switch refusal.Code {
		case peer.NotFound:
			e.kind = beans.ErrNotFound
		case peer.Refused:
			e.kind = grant.ErrDenied
		}
		return e
	case errors.Is(err, peer.ErrNobody), errors.Is(err, peer.ErrLost), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s: %w", ErrAway, r.nameOf(to), err)
	case err != nil:
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", r.nameOf(to), err)
	}
	return nil
}

// within is how long is left of what a caller waits.
func within(ctx context.Context, most time.Duration) int64 {
	if at, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(at))
	}
	return max(1, most.Milliseconds())
}

// admit checks who asks, and returns a context in which he does. Leave must be called when
// he was answered.
func (r *Remote) admit(ctx context.Context, from peer.ID, c *caller) (_ context.Context, leave func(), err error) {
	switch {
	case len(c.Chain) == 0 || c.Chain[len(c.Chain)-1] != from:
		return nil, nil, peer.Refuse(peer.Invalid, "the question does not say that it comes from who sent it")
	case len(c.Chain) > MaxHops:
		return nil, nil, peer.Refuse(peer.Refused, "the question went through more than %d managers", MaxHops)
	case slices.Contains(c.Chain, r.self):
		return nil, nil, peer.Refuse(peer.Refused, "the question has been here before")
	case len(c.User) > 256:
		return nil, nil, peer.Refuse(peer.Invalid, "the name of the user has more than 256 bytes")
	}
	for _, id := range c.Chain {
		if err := id.Check(); err != nil {
			return nil, nil, peer.Refuse(peer.Invalid, "%v", err)
		}
	}
	if c.Role > grant.Admin {
		return nil, nil, peer.Refuse(peer.Invalid, "there is no role %d", c.Role)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.serving[from] >= atOnce {
		return nil, nil, peer.Refuse(peer.Busy, "%d questions of this manager are being answered, which is the bound", atOnce)
	}
	r.serving[from]++
	user := strings.ReplaceAll(clean(c.User, 256), "\n", " ")
	if user == "" {
		user = "grove"
	}
	s := &grant.Subject{Name: user + "@" + r.nameOfLocked(from)}
	if c.Role > grant.None {
		s.Grants = grant.Meet([]grant.Grant{{Role: c.Role}}, r.opts.Allow(from))
	}
	patience := answerBound
	if c.Within > 0 && c.Within < answerBound.Milliseconds() {
		patience = time.Duration(c.Within) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	ctx = grant.WithOrigin(grant.With(ctx, s), "manager "+string(from))
	ctx = context.WithValue(ctx, chainKey{}, slices.Clone(c.Chain))
	return ctx, func() {
		cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.serving[from]--; r.serving[from] == 0 {
			delete(r.serving, from)
		}
	}, nil
}

// itself is what a manager may see without that anybody asks by it: what it is allowed, to
// read.
func (r *Remote) itself(from peer.ID, chain []peer.ID) *caller {
	if len(chain) == 0 {
		chain = []peer.ID{from}
	}
	return &caller{Role: grant.Viewer, Chain: chain}
}

// read reads a question.
func readQuestion(body []byte, q any) error {
	if err := json.Unmarshal(body, q); err != nil {
		return peer.Refuse(peer.Invalid, "the question cannot be read: %s", clean(err.Error(), 200))
	}
	return nil
}
