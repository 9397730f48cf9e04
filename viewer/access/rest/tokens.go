package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store/account"
)

// Token lets a program in.
type Token struct {
	ID       string  `json:"id"`
	Name     string  `json:"name" doc:"What it is for."`
	User     string  `json:"user" doc:"Its owner."`
	Grants   []Grant `json:"grants" nullable:"false" doc:"As they were asked for."`
	Allowed  []Grant `json:"allowed" nullable:"false" doc:"What is left of them with those of the owner."`
	Created  string  `json:"created" format:"date-time"`
	Expires  string  `json:"expires" format:"date-time"`
	LastUsed string  `json:"last_used,omitempty" format:"date-time" doc:"Absent: never. Others that share the database tell it a minute late."`
}

// Tokens is the answer of GET /api/v1/tokens.
type Tokens struct {
	Tokens []Token `json:"tokens" nullable:"false" doc:"By user and name; those that have ended are among them."`
}

// TokenRequest is the body of POST /api/v1/tokens.
type TokenRequest struct {
	Name    string  `json:"name" maxLength:"64" doc:"What it is for; unique for the user." example:"prometheus"`
	User    string  `json:"user,omitempty" maxLength:"256" doc:"Its owner: who asks, unless an admin names another."`
	Grants  []Grant `json:"grants,omitempty" maxItems:"100" doc:"No more than the owner may. Absent: all that he may."`
	Expires string  `json:"expires,omitempty" format:"date-time" doc:"Within 5 years. Absent: in 90 days."`
}

// NewToken is the answer to it.
type NewToken struct {
	Token
	Text string `json:"token" doc:"What the program shows. It is told this once."`
}

// defaultLife is how long a token lasts of which nothing is said.
const defaultLife = 90 * 24 * time.Hour

const (
	tagTokens  = "tokens"
	pathTokens = "/api/v1/tokens"
)

func (a *API) registerTokens(api huma.API) {
	huma.Register(api, operation(tagTokens, "list-tokens", http.MethodGet, pathTokens, "Tokens of programs", "The own ones, or those of others for admins.", http.StatusOK), a.listTokens)
	huma.Register(api, operation(tagTokens, "create-token", http.MethodPost, pathTokens, "Create a token",
		"For a program, which shows it as Authorization: Bearer TOKEN, or as the password of Basic authentication. It never may more than its owner does at that time.",
		http.StatusCreated, http.StatusNotFound, http.StatusConflict), a.createToken)
	huma.Register(api, operation(tagTokens, "revoke-token", http.MethodDelete, pathTokens+"/{id}", "Revoke a token", "An own one, or one of others for admins.",
		http.StatusNoContent, http.StatusNotFound), a.revokeToken)
}

// about is the user whom an operation is about; all stands for all of them.
type aboutUser struct {
	User string `query:"user" maxLength:"256" doc:"Of this user, * of all, for admins. Absent: of who asks."`
}

func (a *API) tokenOf(t account.Token) Token {
	u, err := a.o.Directory.User(t.User)
	allowed := grant.Meet(t.Grants, u.Grants)
	if err != nil || u.Disabled || !t.Ends.After(a.o.Now()) {
		allowed = nil
	}
	return Token{
		ID: t.ID, Name: t.Name, User: t.User, Grants: grantsOf(t.Grants), Allowed: grantsOf(allowed),
		Created: stamp(t.Created), Expires: stamp(t.Ends), LastUsed: stamp(t.Used),
	}
}

func (a *API) listTokens(ctx context.Context, in *aboutUser) (*output[Tokens], error) {
	name, all, err := about(ctx, in.User)
	if err != nil {
		return nil, a.problem(err)
	}
	list := Tokens{[]Token{}}
	if name != "" || all {
		for _, t := range a.o.Directory.Tokens(name) {
			list.Tokens = append(list.Tokens, a.tokenOf(t))
		}
	}
	return answer(list), nil
}

func (a *API) createToken(ctx context.Context, in *struct {
	Body TokenRequest
}) (*output[NewToken], error) {
	name, all, err := about(ctx, in.Body.User)
	if err == nil && all {
		err = fmt.Errorf("%w: a token has one owner", account.ErrWrong)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	owner, err := a.o.Directory.User(name)
	if err != nil {
		return nil, a.problem(err)
	}
	grants, err := parseGrants(in.Body.Grants)
	if err != nil {
		return nil, err
	}
	if len(grants) > 0 && !account.Covers(owner.Grants, grants) {
		return nil, a.problem(fmt.Errorf("%w: a token of %s may no more than %s does: %s", grant.ErrDenied, name, name, account.GrantsText(owner.Grants)))
	}
	t := account.Token{User: name, Name: in.Body.Name, Grants: grants, Ends: a.o.Now().Add(defaultLife)}
	if in.Body.Expires != "" {
		if t.Ends, err = time.Parse(time.RFC3339, in.Body.Expires); err != nil {
			return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("expires: %.40q is no time such as 2027-03-01T12:00:00Z", in.Body.Expires))
		}
	}
	text, made, err := a.o.Directory.CreateToken(ctx, by(ctx), t)
	if err != nil {
		return nil, a.problem(err)
	}
	return answer(NewToken{a.tokenOf(made), text}), nil
}

func (a *API) revokeToken(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	if err := a.own(ctx, in.ID, a.o.Directory.TokenOf, account.ErrNoToken); err != nil {
		return nil, err
	}
	return nil, a.problem(a.o.Directory.RevokeToken(ctx, by(ctx), in.ID))
}

// own says whether what has a public name is the caller's own, or he manages users. To
// others it is not there.
func (a *API) own(ctx context.Context, id string, of func(string) (string, error), missing error) error {
	if admin(ctx) == nil {
		return nil
	}
	name, err := person(ctx)
	if err != nil {
		return a.problem(err)
	}
	owner, err := of(id)
	if err == nil && owner != name {
		err = missing
	}
	if err != nil && !errors.Is(err, missing) {
		err = errors.Join(missing, err)
	}
	return a.problem(err)
}
