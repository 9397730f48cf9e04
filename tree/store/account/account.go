// Package account keeps who may come in: users, the sessions of those who have logged
// in, and the tokens that programs show. They belong to the database, so to all managers
// that share it.
//
// A [Directory] holds all of it in memory, so that asking costs no query and goes on
// while the database is away. A change is committed together with its record in the
// audit log, is known here when the call returns, and is known to other managers by a
// notice; a number that rises with each change is asked for every second, for the case
// that a notice is lost.
//
// A [Pass] is somebody who came in. Its Subject stops being valid as soon as the session
// or the token ends, or what the user may do is changed: a stream that asks now and then
// ends with it.
//
// Of sessions and tokens the database has the SHA-256 alone. Both have 256 random bits,
// so that a slow hash would gain nothing.
//
// A manager whose database is a server keeps a copy of all this in a file, for a start
// while the server is away: who is known there comes in, and nothing can be changed. A
// new session is a change. What the copy does not know yet, a password that was changed or
// somebody disabled while this manager did not run, holds as soon as the server answers.
package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"grove/tree/grant"
	"grove/tree/store"
)

// Bounds.
const (
	MaxUsers       = 10_000
	MaxTokens      = 100 // of one user
	MaxSessions    = 50  // of one user; a further one ends the one that was seen longest ago
	MaxGrants      = 100 // of one user or token
	MaxTitleBytes  = 200
	MaxTokenBytes  = 64                       // of the name of a token
	MaxTokenLife   = 5 * 366 * 24 * time.Hour // from its making
	maxSourceBytes = 1024
)

// Errors that callers tell apart.
var (
	ErrNoUser    = errors.New("there is no such user")
	ErrNoToken   = errors.New("there is no such token")
	ErrNoSession = errors.New("there is no such session")
	ErrExists    = errors.New("is there already")
	ErrDisabled  = errors.New("the user is disabled")
	// ErrLast is a change after which nobody could manage users.
	ErrLast = errors.New("nobody would be left who may manage users: make somebody else admin first")
	// ErrFirst is a first user who could manage no users.
	ErrFirst = errors.New("the first user has to be admin on /, or nobody could manage users")
	// ErrForeign is a change of what another provider decides.
	ErrForeign = errors.New("is decided by the provider of the login at each login")
	// ErrTaken is a login by another provider under the name of somebody else.
	ErrTaken = errors.New("the name belongs to another user")
	// ErrWrong is wrapped by the errors of what was asked for.
	ErrWrong = errors.New("cannot be")
)

// Local is the source of users whom grove itself knows.
const Local = "local"

// User is a person, or a program.
type User struct {
	Name  string // see Name
	Title string // as people call him; may be empty
	// Source says who knows the user: Local, or the kind of another provider, "oidc".
	Source string
	// Subject is what that provider calls the user; empty for Local.
	Subject  string
	Grants   []grant.Grant
	Disabled bool
	// Password is its hash in the PHC format; empty: he cannot log in by one.
	Password         string
	Created, Changed time.Time
	LastLogin        time.Time // zero: never
}

// Manages says whether the user may manage users.
func (u *User) Manages() bool {
	return !u.Disabled && (&grant.Subject{Grants: u.Grants}).Whole(grant.Admin)
}

// Session is a login.
type Session struct {
	ID             string // public
	User           string
	Method         string // "password", "oidc"
	Address, Agent string // of the browser
	Created, Seen  time.Time
	Ends           time.Time // at the latest
	hash           hash
}

// Token lets a program in.
type Token struct {
	ID            string // public
	User          string // its owner
	Name          string // unique for the owner
	Grants        []grant.Grant
	Created, Ends time.Time
	Used          time.Time // zero: never
	hash          hash
}

// By is who makes a change, and where from, for the audit log.
type By struct{ Who, Origin string }

var nameForm = regexp.MustCompile(`\A[\p{Ll}\p{Lo}\p{Nd}][\p{Ll}\p{Lo}\p{Nd}._@+-]{0,63}\z`)

// alike are scripts with letters that look the same: a name has those of one of them, so
// that nobody whom a provider lets choose his name passes for another (UTS 39, section
// 5.2).
var alike = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Cherokee, unicode.Coptic}

// variants are letters and digits that stand for others: of full width, and of formulas.
var variants = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0xff00, Hi: 0xffef, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x1d400, Hi: 0x1d7ff, Stride: 1}},
}

// looksLikeAnother says whether a name could be taken for one in other letters.
func looksLikeAnother(name string) bool {
	scripts := 0
	for _, s := range alike {
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(s, r) }) {
			scripts++
		}
	}
	return scripts > 1 || strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(variants, r) })
}

// reserved are the names of who is no user.
var reserved = []string{grant.Itself.Name, grant.Anonymous.Name, grant.Nobody.Name}

// Name returns the name of a user as it is kept, in lower case: two users never differ
// by that alone.
func Name(text string) (string, error) {
	name := strings.ToLower(text)
	switch {
	case len(name) > 128 || !nameForm.MatchString(name):
		return "", fmt.Errorf("%w: the name of a user is 1 to 64 letters, digits and . _ - @ +, and begins with a letter or a digit, not %.80q", ErrWrong, text)
	case looksLikeAnother(name):
		return "", fmt.Errorf("%w: the name %q has letters of several scripts, or of a kind that stands for others, and could be taken for another name", ErrWrong, name)
	case slices.Contains(reserved, name):
		return "", fmt.Errorf("%w: the name %s is taken by grove itself", ErrWrong, name)
	}
	return name, nil
}

// check says what is wrong with what somebody gave, and makes texts that the database
// takes.
func (u *User) check() (err error) {
	if u.Name, err = Name(u.Name); err != nil {
		return err
	}
	u.Title = store.Clean(strings.TrimSpace(u.Title))
	if u.Source == "" {
		u.Source = Local
	}
	switch {
	case len(u.Title) > MaxTitleBytes:
		return fmt.Errorf("%w: a title of %d bytes is longer than %d", ErrWrong, len(u.Title), MaxTitleBytes)
	case len(u.Subject) > maxSourceBytes || store.Clean(u.Subject) != u.Subject:
		return fmt.Errorf("%w: what the provider calls the user is longer than %d bytes, or no text", ErrWrong, maxSourceBytes)
	}
	return checkGrants(u.Grants)
}

func checkGrants(grants []grant.Grant) error {
	if len(grants) > MaxGrants {
		return fmt.Errorf("%w: %d grants are more than %d", ErrWrong, len(grants), MaxGrants)
	}
	for _, g := range grants {
		if err := g.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrWrong, err)
		}
		if store.Clean(g.Customer) != g.Customer {
			return fmt.Errorf("%w: the name of a customer is no text", ErrWrong)
		}
	}
	return nil
}

// writeGrants makes the text that the database has.
func writeGrants(grants []grant.Grant) string {
	if len(grants) == 0 {
		return "[]"
	}
	text, err := json.Marshal(grants)
	if err != nil {
		return "[]" // Cannot be after a check; nobody gets more by it.
	}
	return string(text)
}

// readGrants reads it. What cannot be read grants nothing.
func readGrants(text string) ([]grant.Grant, error) {
	var grants []grant.Grant
	if err := json.Unmarshal([]byte(text), &grants); err != nil {
		return nil, err
	}
	return grants, checkGrants(grants)
}

// GrantsText writes grants for people: "viewer, editor /shop".
func GrantsText(grants []grant.Grant) string {
	if len(grants) == 0 {
		return "nothing"
	}
	texts := make([]string, len(grants))
	for i, g := range grants {
		texts[i] = g.String()
	}
	return strings.Join(texts, ", ")
}

// Covers says whether grants allow everything that others do.
func Covers(have, want []grant.Grant) bool {
	for _, g := range want {
		if !slices.ContainsFunc(have, func(h grant.Grant) bool {
			return h.Role >= g.Role && h.Path.Contains(g.Path) && (h.Customer == "" || grant.SameCustomer(h.Customer, g.Customer))
		}) {
			return false
		}
	}
	return true
}
