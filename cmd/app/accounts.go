package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/account"
	"grove/tree/store/audit"
	"grove/viewer"
	"grove/viewer/access"
	"grove/viewer/access/password"
	"grove/viewer/access/rest"
)

// commandLine is where from somebody makes a change who has the database itself.
const commandLine = "command line"

// OpenAccounts opens the users and tokens of a manager that does not run, or of the
// PostgreSQL database of several: the handler is the REST interface of both, in which the
// one who is named may do everything. The error wraps ErrInUse when a manager runs on the
// data directory.
func OpenAccounts(ctx context.Context, c Config, who string) (h http.Handler, end func() error, err error) {
	if c.Data == "" {
		c.Data = "data"
	}
	var ends []func() error
	end = func() error {
		var errs []error
		for i := len(ends) - 1; i >= 0; i-- {
			errs = append(errs, ends[i]())
		}
		return errors.Join(errs...)
	}
	o := store.Options{Address: c.Database, Log: c.Log}
	if o.Address == "" {
		data, err := openData(c.Data)
		if err != nil {
			return nil, nil, err
		}
		ends = append(ends, data.Close)
		o.Address = filepath.Join(c.Data, "facts.db")
	}
	if c.DatabasePassword != "" {
		o.Password = func(context.Context) (string, error) { return readSecret(c.DatabasePassword) }
	}
	facts, err := store.Open(ctx, o)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("database: %w", err), end())
	}
	ends = append(ends, facts.Close)
	log := audit.New(facts, "", nil)
	directory := account.New(account.Options{Store: facts, Audit: log, Forget: forgetUser, Log: c.Log})
	if err := directory.Load(ctx); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	passwords := password.New(password.Params{}, 0)
	operations := rest.New(rest.Options{
		Access: access.New(access.Options{Directory: directory, Passwords: passwords, Audit: log, Log: c.Log}), Directory: directory, Passwords: passwords,
		Problem: viewer.Problem, Log: c.Log,
	})
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Grove", "v1")
	config.CreateHooks = nil // No $schema in answers, as the server has it.
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	operations.Register(humago.New(mux, config))
	subject := &grant.Subject{Name: who, Grants: []grant.Grant{grant.Everything}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(access.With(r.Context(), access.Opened, subject, commandLine)))
	}), end, nil
}
