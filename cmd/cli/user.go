package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/access/rest"
)

// userCommand is about who may come in.
type userCommand struct {
	Add      userAddCommand      `cmd:"" help:"Add a user. The first one has to be admin."`
	List     userListCommand     `cmd:"" help:"List the users."`
	Grant    userGrantCommand    `cmd:"" help:"Let a user do more, or less."`
	Password userPasswordCommand `cmd:"" help:"Give a user another password; his logins end."`
	Disable  userDisableCommand  `cmd:"" help:"Let nobody in as this user, nor with his tokens."`
	Enable   userEnableCommand   `cmd:"" help:"Let him in again."`
	Remove   userRemoveCommand   `cmd:"" aliases:"delete" help:"Remove a user with his tokens."`
}

// granted are the flags of one grant.
type granted struct {
	Role     string `help:"What is allowed: viewer, operator, editor or admin." enum:"viewer,operator,editor,admin," default:"" placeholder:"ROLE"`
	Path     string `help:"Where, with everything below it." default:"/" placeholder:"PATH"`
	Customer string `help:"Only what is this customer's there." placeholder:"NAME"`
}

// grant returns it; false when there is no role.
func (g *granted) grant() (one rest.Grant, ok bool, err error) {
	if g.Role == "" {
		if g.Path != "/" || g.Customer != "" {
			return one, false, exit(Usage, "--path and --customer say where: --role says what")
		}
		return one, false, nil
	}
	path, err := tree.ParsePath(g.Path)
	if err != nil {
		return one, false, exit(Usage, "--path: %w", err)
	}
	return rest.Grant{Role: g.Role, Path: path.String(), Customer: g.Customer}, true, nil
}

// grantText writes grants as people do.
func grantText(list []rest.Grant) string {
	var texts []string
	for _, g := range list {
		role, err := grant.ParseRole(g.Role)
		path, wrong := tree.ParsePath(g.Path)
		if err != nil || wrong != nil {
			texts = append(texts, g.Role+" "+g.Path)
			continue
		}
		texts = append(texts, grant.Grant{Role: role, Path: path, Customer: g.Customer}.String())
	}
	if texts == nil {
		return "nothing"
	}
	return strings.Join(texts, ", ")
}

const usersPath = "/api/v1/users"

func userPath(name string, more ...string) string {
	return usersPath + "/" + url.PathEscape(name) + strings.Join(more, "")
}

// userAddCommand adds a user.
type userAddCommand struct {
	accounts
	granted
	Name         string `arg:"" help:"Lower case letters, digits and . _ - @ +."`
	Title        string `help:"As people call him." placeholder:"TEXT"`
	PasswordFile string `help:"File whose first line is the password, - for the standard input. Default: it is asked for." placeholder:"FILE"`
	NoPassword   bool   `help:"He comes in by a token or a certificate alone." xor:"password"`
}

// Run implements the command.
func (c *userAddCommand) Run(ctx context.Context, p *Process) (err error) {
	one, ok, err := c.grant()
	if err != nil {
		return err
	}
	u := rest.UserRequest{Name: c.Name, Title: c.Title, Grants: []rest.Grant{}}
	if ok {
		u.Grants = append(u.Grants, one)
	}
	if !c.NoPassword {
		if u.Password, err = newPassword(p, c.PasswordFile, c.Name); err != nil {
			return err
		}
	}
	with, end, err := c.open(ctx, p, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	var made rest.User
	if err := with.ask(ctx, http.MethodPost, usersPath, u, &made); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "user %s may: %s\n", plain(made.Name), plain(grantText(made.Grants)))
	return nil
}

// userListCommand lists users.
type userListCommand struct {
	accounts
	JSON bool `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *userListCommand) Run(ctx context.Context, p *Process) (err error) {
	with, end, err := c.open(ctx, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	var list rest.Users
	if err := with.ask(ctx, http.MethodGet, usersPath, nil, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Stdout, list)
	}
	if len(list.Users) == 0 {
		fmt.Fprintln(p.Stdout, "no users: on loopback everybody comes in without a login, elsewhere nobody does")
		return nil
	}
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	for _, u := range list.Users {
		state := u.Source
		if u.Disabled {
			state += ", disabled"
		}
		last := "never"
		if u.LastLogin != "" {
			last = localTime(u.LastLogin)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\tlast login %s\t%s\n", cell(u.Name), cell(u.Title), state, last, cell(grantText(u.Grants)))
	}
	return w.Flush()
}

// userGrantCommand changes what a user may.
type userGrantCommand struct {
	accounts
	granted
	Name string `arg:"" help:"Name of the user."`
	Only bool   `help:"This, and nothing else." xor:"how"`
	Take bool   `help:"Take this away." xor:"how"`
}

// Run implements the command.
func (c *userGrantCommand) Run(ctx context.Context, p *Process) (err error) {
	one, ok, err := c.grant()
	if err != nil {
		return err
	}
	if !ok {
		return exit(Usage, "--role is needed: what shall %s be allowed?", c.Name)
	}
	with, end, err := c.open(ctx, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	var u rest.User
	if err := with.ask(ctx, http.MethodGet, userPath(c.Name), nil, &u); err != nil {
		return err
	}
	grants := slices.DeleteFunc(u.Grants, func(g rest.Grant) bool { return g == one || c.Only })
	if c.Take && len(grants) == len(u.Grants) {
		return exit(Wrong, "%s has no grant %s, but: %s", c.Name, grantText([]rest.Grant{one}), grantText(u.Grants))
	}
	if !c.Take {
		grants = append(grants, one)
	}
	if err := with.ask(ctx, http.MethodPatch, userPath(c.Name), rest.UserChange{Grants: &grants}, &u); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "user %s may: %s\n", plain(u.Name), plain(grantText(u.Grants)))
	return nil
}

// userPasswordCommand gives a user another password.
type userPasswordCommand struct {
	accounts
	Name         string `arg:"" help:"Name of the user."`
	PasswordFile string `help:"File whose first line is the password, - for the standard input. Default: it is asked for." placeholder:"FILE"`
}

// Run implements the command.
func (c *userPasswordCommand) Run(ctx context.Context, p *Process) (err error) {
	password, err := newPassword(p, c.PasswordFile, c.Name)
	if err != nil {
		return err
	}
	return c.do(ctx, p, http.MethodPut, userPath(c.Name, "/password"), rest.NewPassword{Password: password}, "user "+c.Name+" has another password")
}

// do sends one request and says what it did.
func (a *accounts) do(ctx context.Context, p *Process, method, path string, body any, said string) (err error) {
	with, end, err := a.open(ctx, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := with.ask(ctx, method, path, body, nil); err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, plain(said))
	return nil
}

// userDisableCommand disables a user.
type userDisableCommand struct {
	accounts
	Name string `arg:"" help:"Name of the user."`
}

// Run implements the command.
func (c *userDisableCommand) Run(ctx context.Context, p *Process) error {
	yes := true
	return c.do(ctx, p, http.MethodPatch, userPath(c.Name), rest.UserChange{Disabled: &yes}, "user "+c.Name+" is disabled")
}

// userEnableCommand enables a user.
type userEnableCommand struct {
	accounts
	Name string `arg:"" help:"Name of the user."`
}

// Run implements the command.
func (c *userEnableCommand) Run(ctx context.Context, p *Process) error {
	no := false
	return c.do(ctx, p, http.MethodPatch, userPath(c.Name), rest.UserChange{Disabled: &no}, "user "+c.Name+" may come in again")
}

// userRemoveCommand removes a user.
type userRemoveCommand struct {
	accounts
	Name string `arg:"" help:"Name of the user."`
}

// Run implements the command.
func (c *userRemoveCommand) Run(ctx context.Context, p *Process) error {
	return c.do(ctx, p, http.MethodDelete, userPath(c.Name), nil, "user "+c.Name+" is removed")
}
