package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"grove/viewer/access/rest"
)

// tokenCommand is about what programs show.
type tokenCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Create a token and print it; it is told this once."`
	List   tokenListCommand   `cmd:"" help:"List tokens."`
	Revoke tokenRevokeCommand `cmd:"" help:"Revoke a token."`
}

const tokensPath = "/api/v1/tokens"

// tokenCreateCommand creates a token.
type tokenCreateCommand struct {
	accounts
	granted
	Name    string `arg:"" help:"What it is for."`
	User    string `help:"Its owner. Default: who logs in." placeholder:"NAME"`
	Expires days   `help:"How long it is good." default:"90d" placeholder:"TIME"`
	JSON    bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command. The token alone is on the standard output.
func (c *tokenCreateCommand) Run(ctx context.Context, p *Process) (err error) {
	one, ok, err := c.grant()
	if err != nil {
		return err
	}
	t := rest.TokenRequest{Name: c.Name, User: c.User, Expires: time.Now().Add(time.Duration(c.Expires)).UTC().Format(time.RFC3339)}
	if ok {
		t.Grants = []rest.Grant{one}
	}
	with, end, err := c.open(ctx, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if with.through != nil && c.User == "" {
		return exit(Usage, "whose token shall it be? Say --user NAME")
	}
	var made rest.NewToken
	if err := with.ask(ctx, http.MethodPost, tokensPath, t, &made); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Stdout, made)
	}
	fmt.Fprintf(p.Stderr, "token %s of %s, good until %s, may: %s\n", cell(made.Name), cell(made.User), localTime(made.Expires), plain(grantText(made.Allowed)))
	fmt.Fprintln(p.Stdout, made.Text)
	return nil
}

// printJSON prints an answer as the server gives it.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// tokenListCommand lists tokens.
type tokenListCommand struct {
	accounts
	User string `help:"Of this user, or * of all. Default: of who logs in, or of all when the database itself is asked." placeholder:"NAME"`
	JSON bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *tokenListCommand) Run(ctx context.Context, p *Process) (err error) {
	with, end, err := c.open(ctx, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	list, err := with.tokens(ctx, c.User)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Stdout, list)
	}
	if len(list.Tokens) == 0 {
		fmt.Fprintln(p.Stdout, "no tokens")
		return nil
	}
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	for _, t := range list.Tokens {
		used := "never"
		if t.LastUsed != "" {
			used = localTime(t.LastUsed)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\tuntil %s\tlast used %s\t%s\n", t.ID, cell(t.User), cell(t.Name), localTime(t.Expires), used, cell(grantText(t.Allowed)))
	}
	return w.Flush()
}

// tokens returns those of a user; without a name the own ones, or all of a database.
func (c *people) tokens(ctx context.Context, name string) (list rest.Tokens, err error) {
	if name == "" && c.through != nil {
		name = "*"
	}
	var query []string
	if name != "" {
		query = []string{"user", name}
	}
	return list, c.ask(ctx, http.MethodGet, tokensPath, nil, &list, query...)
}

// tokenRevokeCommand revokes a token.
type tokenRevokeCommand struct {
	accounts
	Which string `arg:"" name:"id" help:"Its id, as grove token list prints it, or its name."`
	User  string `help:"Whose it is, when it is given by its name. Default: of who logs in." placeholder:"NAME"`
}

// Run implements the command.
func (c *tokenRevokeCommand) Run(ctx context.Context, p *Process) (err error) {
	with, end, err := c.open(ctx, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	list, err := with.tokens(ctx, c.User)
	if err != nil {
		return err
	}
	id, found := c.Which, 0
	for _, t := range list.Tokens {
		if t.ID == c.Which {
			id, found = t.ID, 1
			break
		}
		if t.Name == c.Which {
			id = t.ID
			found++
		}
	}
	if found > 1 {
		return exit(Usage, "%d tokens are called %s: give the id of one, or --user", found, c.Which)
	}
	if err := with.ask(ctx, http.MethodDelete, tokensPath+"/"+url.PathEscape(id), nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "token %s is revoked\n", cell(c.Which))
	return nil
}
