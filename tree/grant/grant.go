// Package grant says who may see and do what in the tree.
//
// A [Grant] gives a role on a subtree, or on what belongs to one customer in it. A
// [Subject] is whoever asks: a person, a program with a token, or grove itself; it
// travels in the context of a request, and a context without one belongs to [Nobody],
// who sees nothing. A [Guard] answers for one tree.
//
// What somebody may not see is not there for him: not in an answer, not in an error,
// not in a count. The groups above what he sees are there by name and status, since the
// way to a node is part of it; their status is the true one, so that two people never
// see one node in two colours, and they say that something hidden contributes to it.
package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"grove/tree"
)

// Role is what somebody may do with the nodes that a grant is about. Each includes
// those before it.
type Role uint8

// The roles.
const (
	None     Role = iota
	Viewer        // sees nodes, their past, their definitions
	Operator      // asks now, pushes readings, runs operations, acknowledges
	Editor        // changes thresholds and definitions
	Admin         // users, tokens, backups, the audit log
)

var roleNames = [...]string{"none", "viewer", "operator", "editor", "admin"}

// String returns the name of the role.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// ParseRole reads the name of a role that can be granted.
func ParseRole(text string) (Role, error) {
	if i := slices.Index(roleNames[:], text); i > 0 {
		return Role(i), nil
	}
	return None, fmt.Errorf("unknown role %.40q: viewer, operator, editor or admin", text)
}

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}

// MaxCustomerBytes bounds the name of a customer.
const MaxCustomerBytes = 128

// Grant is a role on everything at a path and below it. With a customer it is only
// about the nodes there that are the customer's: those whose property "customer" names
// that one, be it alone or among others ([Customers]), or have it from the nearest node
// above them that has the property.
type Grant struct {
	Role     Role      `json:"role"`
	Path     tree.Path `json:"path"`
	Customer string    `json:"customer,omitempty"`
}

// String returns the grant as people write it: "viewer", "editor /shop",
// "viewer /shop customer=acme".
func (g Grant) String() string {
	text := g.Role.String()
	if !g.Path.IsRoot() || g.Customer != "" {
		text += " " + g.Path.String()
	}
	if g.Customer != "" {
		text += " customer=" + g.Customer
	}
	return text
}

// ErrGrant is wrapped by every error about the text of a grant.
var ErrGrant = errors.New("malformed grant")

// Parse reads what String writes; the path may be left out, and may have spaces.
func Parse(text string) (Grant, error) {
	var g Grant
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	role, err := ParseRole(word)
	if err != nil {
		return g, fmt.Errorf("%w: %w", ErrGrant, err)
	}
	g.Role = role
	rest = strings.TrimSpace(rest)
	if at := strings.LastIndex(" "+rest, " customer="); at >= 0 {
		g.Customer = rest[at+len("customer="):]
		if g.Customer == "" {
			return g, fmt.Errorf("%w: the name of the customer is missing", ErrGrant)
		}
		rest = strings.TrimSpace(rest[:at])
	}
	if rest != "" && !strings.HasPrefix(rest, "/") {
		return g, fmt.Errorf("%w: %.80q is neither a path, which begins with a slash, nor customer=NAME", ErrGrant, rest)
	}
	if g.Path, err = tree.ParsePath(rest); err != nil {
		return g, fmt.Errorf("%w: %w", ErrGrant, err)
	}
	return g, g.Check()
}

// Check says whether the parts are within their bounds.
func (g Grant) Check() error {
	switch {
	case g.Role == None || g.Role > Admin:
		return fmt.Errorf("%w: it needs a role: viewer, operator, editor or admin", ErrGrant)
	case len(g.Customer) > MaxCustomerBytes:
		return fmt.Errorf("%w: the name of the customer is longer than %d bytes", ErrGrant, MaxCustomerBytes)
	case strings.Contains(g.Customer, ","):
		return fmt.Errorf("%w: %.40q are several customers; a grant is about one, so give one grant for each", ErrGrant, g.Customer)
	case strings.TrimSpace(g.Customer) != g.Customer:
		return fmt.Errorf("%w: the name of the customer has space around it", ErrGrant)
	case strings.ContainsFunc(g.Customer, unicode.IsControl):
		return fmt.Errorf("%w: the name of the customer has a control character", ErrGrant)
	}
	return nil
}

// covers says whether the grant is about a node of some customers at a path.
func (g Grant) covers(p tree.Path, customers []string) bool {
	return g.Path.Contains(p) && (g.Customer == "" || Includes(customers, g.Customer))
}

// Meet returns what both allow: what is left of the grants of a token when its owner
// has these.
func Meet(a, b []Grant) []Grant {
	var met []Grant
	for _, x := range a {
		for _, y := range b {
			g := Grant{Role: min(x.Role, y.Role), Path: x.Path, Customer: x.Customer}
			switch {
			case x.Path.Contains(y.Path):
				g.Path = y.Path
			case !y.Path.Contains(x.Path):
				continue
			}
			switch {
			case x.Customer == "":
				g.Customer = y.Customer
			case y.Customer != "" && !SameCustomer(x.Customer, y.Customer):
				continue
			}
			if !slices.Contains(met, g) {
				met = append(met, g)
			}
		}
	}
	return met
}

// Subject is whoever asks. It is not changed once it is made.
type Subject struct {
	// Name is what logs and the audit log call it: "ada", "token ci of ada",
	// "anonymous".
	Name   string
	Grants []Grant
	// Valid, unless nil, says whether the subject still is who he was: a stream ends
	// when the session or the token behind it does.
	Valid func() bool
}

// Everything is the one grant of who may do everything.
var Everything = Grant{Role: Admin}

// Itself is grove's own work: exports, reports by the clock.
var Itself = &Subject{Name: "grove", Grants: []Grant{Everything}}

// Anonymous is everybody, where no login is needed.
var Anonymous = &Subject{Name: "anonymous", Grants: []Grant{Everything}}

// Nobody may do nothing.
var Nobody = &Subject{Name: "nobody"}

type key struct{}

// With returns a context in which s asks.
func With(ctx context.Context, s *Subject) context.Context { return context.WithValue(ctx, key{}, s) }

// Of returns who asks; it is Nobody when the context does not say.
func Of(ctx context.Context) *Subject {
	if s, ok := ctx.Value(key{}).(*Subject); ok && s != nil {
		return s
	}
	return Nobody
}

type origin struct{}

// WithOrigin returns a context that says where the question comes from, for the audit
// log: the address of the client.
func WithOrigin(ctx context.Context, from string) context.Context {
	return context.WithValue(ctx, origin{}, from)
}

// Origin returns where the question comes from; it is empty when the context does not
// say.
func Origin(ctx context.Context) string {
	from, _ := ctx.Value(origin{}).(string)
	return from
}

// Whole says whether the subject has at least a role on the whole manager, which is
// what everything needs that belongs to no node: grove's own metrics, beans that are
// not nodes, the audit log.
func (s *Subject) Whole(r Role) bool {
	return slices.ContainsFunc(s.Grants, func(g Grant) bool { return g.Role >= r && g.Path.IsRoot() && g.Customer == "" })
}

// Still says whether the subject is still who he was.
func (s *Subject) Still() bool { return s.Valid == nil || s.Valid() }

// Rights names what is allowed, for keys: subjects with the same grants see the same. The
// parts of a grant are quoted, so that no name in one reads as another grant.
func (s *Subject) Rights() string {
	texts := make([]string, len(s.Grants))
	for i, g := range s.Grants {
		texts[i] = fmt.Sprintf("%d %q %q", g.Role, g.Path, g.Customer)
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), "\n")
}
