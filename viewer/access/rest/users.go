package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/store/account"
	"grove/viewer/access"
	"grove/viewer/access/password"
)

// User is somebody who may come in.
type User struct {
	Name      string  `json:"name"`
	Title     string  `json:"title,omitempty" doc:"As people call him."`
	Source    string  `json:"source" doc:"Who knows the user: local, or oidc."`
	Grants    []Grant `json:"grants" nullable:"false"`
	Disabled  bool    `json:"disabled"`
	Password  bool    `json:"password" doc:"He can log in by a password."`
	Created   string  `json:"created" format:"date-time"`
	Changed   string  `json:"changed" format:"date-time"`
	LastLogin string  `json:"last_login,omitempty" format:"date-time" doc:"Absent: he never has begun a session."`
	Sessions  int     `json:"sessions" doc:"That have not ended."`
	Tokens    int     `json:"tokens"`
}

func userOf(s account.Summary) User {
	u := s.User
	return User{
		Name: u.Name, Title: u.Title, Source: u.Source, Grants: grantsOf(u.Grants), Disabled: u.Disabled, Password: u.Password != "",
		Created: stamp(u.Created), Changed: stamp(u.Changed), LastLogin: stamp(u.LastLogin), Sessions: s.Sessions, Tokens: s.Tokens,
	}
}

// Users is the answer of GET /api/v1/users.
type Users struct {
	Users []User `json:"users" nullable:"false" doc:"By name."`
}

// UserRequest is the body of POST /api/v1/users.
type UserRequest struct {
	Name     string  `json:"name" maxLength:"256" doc:"1 to 64 lower case letters, digits and . _ - @ +."`
	Title    string  `json:"title,omitempty" maxLength:"200" doc:"As people call him."`
	Password string  `json:"password,omitempty" maxLength:"4096" doc:"10 to 1,024 bytes. Absent: he cannot log in by one, only by a token or a certificate."`
	Grants   []Grant `json:"grants" maxItems:"100" nullable:"false"`
}

// UserChange is the body of PATCH /api/v1/users/{name}.
type UserChange struct {
	Title    *string  `json:"title,omitempty" maxLength:"200" doc:"Absent: as it is."`
	Grants   *[]Grant `json:"grants,omitempty" maxItems:"100" doc:"In the place of all that there are. Absent: as they are."`
	Disabled *bool    `json:"disabled,omitempty" doc:"Nobody comes in as this user, nor with his tokens. Absent: as it is."`
}

// NewPassword is the body of PUT /api/v1/users/{name}/password.
type NewPassword struct {
	Password string `json:"password" maxLength:"4096" doc:"10 to 1,024 bytes."`
}

// NamedUser is the part of inputs that names a user.
type NamedUser struct {
	Name string `path:"name" maxLength:"256" doc:"Name of the user." example:"ada"`
}

const (
	tagUsers  = "users"
	pathUsers = "/api/v1/users"
)

func (a *API) registerUsers(api huma.API) {
	huma.Register(api, operation(tagUsers, "list-users", http.MethodGet, pathUsers, "Who may come in", "For admins.", http.StatusOK), a.listUsers)
	huma.Register(api, operation(tagUsers, "add-user", http.MethodPost, pathUsers, "Add a user",
		"For admins. The first user has to be admin on /; from then on a login is needed.", http.StatusCreated, http.StatusConflict), a.addUser)
	huma.Register(api, operation(tagUsers, "get-user", http.MethodGet, pathUsers+"/{name}", "A user", "For admins.", http.StatusOK, http.StatusNotFound), a.getUser)
	huma.Register(api, operation(tagUsers, "change-user", http.MethodPatch, pathUsers+"/{name}", "Change a user",
		"For admins. What is open of the user ends, and begins anew with what he may do now.", http.StatusOK, http.StatusNotFound, http.StatusConflict), a.changeUser)
	huma.Register(api, operation(tagUsers, "put-password", http.MethodPut, pathUsers+"/{name}/password", "Give a user another password",
		"For admins. All sessions of the user end.", http.StatusNoContent, http.StatusNotFound, http.StatusConflict), a.putPassword)
	huma.Register(api, operation(tagUsers, "remove-user", http.MethodDelete, pathUsers+"/{name}", "Remove a user",
		"For admins. His sessions and tokens end.", http.StatusNoContent, http.StatusNotFound, http.StatusConflict), a.removeUser)
}

// ready says whether who asks may manage users, and whether it is known who there are.
func (a *API) ready(ctx context.Context) error {
	if err := admin(ctx); err != nil {
		return a.problem(err)
	}
	if !a.o.Directory.Loaded() {
		return a.problem(access.ErrAway)
	}
	return nil
}

func (a *API) listUsers(ctx context.Context, _ *struct{}) (*output[Users], error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	all := a.o.Directory.Users()
	list := Users{make([]User, len(all))}
	for i, u := range all {
		list.Users[i] = userOf(u)
	}
	return answer(list), nil
}

// user answers with one user.
func (a *API) user(name string) (*output[User], error) {
	name, err := account.Name(name)
	if err != nil {
		return nil, a.problem(account.ErrNoUser)
	}
	for _, u := range a.o.Directory.Users() {
		if u.Name == name {
			return answer(userOf(u)), nil
		}
	}
	return nil, a.problem(account.ErrNoUser)
}

func (a *API) getUser(ctx context.Context, in *NamedUser) (*output[User], error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	return a.user(in.Name)
}

func (a *API) addUser(ctx context.Context, in *struct {
	Body UserRequest
}) (*output[User], error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	grants, err := parseGrants(in.Body.Grants)
	if err != nil {
		return nil, err
	}
	u := account.User{Name: in.Body.Name, Title: in.Body.Title, Grants: grants}
	if in.Body.Password != "" {
		if err := password.Check(u.Name, in.Body.Password); err != nil {
			return nil, a.problem(err)
		}
		if u.Password, err = a.o.Passwords.Hash(ctx, in.Body.Password); err != nil {
			return nil, a.problem(err)
		}
	}
	if u, err = a.o.Directory.Add(ctx, by(ctx), u); err != nil {
		return nil, a.problem(err)
	}
	return answer(userOf(account.Summary{User: u})), nil
}

func (a *API) changeUser(ctx context.Context, in *struct {
	NamedUser
	Body UserChange
}) (*output[User], error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	name, err := account.Name(in.Name)
	if err != nil {
		return nil, a.problem(account.ErrNoUser)
	}
	c := account.Change{Title: in.Body.Title, Disabled: in.Body.Disabled}
	if in.Body.Grants != nil {
		grants, err := parseGrants(*in.Body.Grants)
		if err != nil {
			return nil, err
		}
		c.Grants = &grants
	}
	if _, err := a.o.Directory.Change(ctx, by(ctx), name, c); err != nil {
		return nil, a.problem(err)
	}
	return a.user(name)
}

func (a *API) putPassword(ctx context.Context, in *struct {
	NamedUser
	Body NewPassword
}) (*struct{}, error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	name, err := account.Name(in.Name)
	if err != nil {
		return nil, a.problem(account.ErrNoUser)
	}
	if err := password.Check(name, in.Body.Password); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.setPassword(ctx, by(ctx), name, in.Body.Password, "")
}

func (a *API) removeUser(ctx context.Context, in *NamedUser) (*struct{}, error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	name, err := account.Name(in.Name)
	if err != nil {
		return nil, a.problem(account.ErrNoUser)
	}
	return nil, a.problem(a.o.Directory.Remove(ctx, by(ctx), name))
}
