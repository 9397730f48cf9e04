package app

import (
	"context"
	"fmt"
	"time"

	"grove/tree"
	"grove/viewer"
)

// accessPath is the node that says who can come in.
var accessPath = tree.MustPath("/grove/Access")

// What the node says. Everything else is red.
const (
	openAccess   = "everybody on this machine, without a login"
	openCopied   = "everybody on this machine, without a login: the copy has no users, and the database is away"
	unknownUsers = "nobody yet: the database has not been read, and no copy of the users can be used"
	loginCopied  = "whom the copy of the users has, since the database is away"
	loginHere    = "who logs in, on this machine or through a proxy"
	loginTLS     = "who logs in, by TLS"
	loginPlain   = "who logs in, without TLS"
	loginSoon    = "who logs in, by TLS; the certificate ends within two weeks"
)

// soon is how long before its end a certificate is worth a look.
const soon = 14 * 24 * time.Hour

// showAccess shows in the tree itself who can come in.
func (a *App) showAccess() error {
	_, err := a.Tree.Add(accessPath, &tree.Spec{
		Kind: tree.State, Mode: tree.Push, Source: "grove", Description: "who can come in, and how",
		Threshold: &tree.Threshold{States: map[string]tree.Status{
			openAccess: tree.Green, loginHere: tree.Green, loginTLS: tree.Green,
			openCopied: tree.Yellow, unknownUsers: tree.Yellow, loginCopied: tree.Yellow, loginPlain: tree.Yellow, loginSoon: tree.Yellow, "*": tree.Red,
		}},
	})
	if err == nil {
		a.tellAccess()
	}
	return err
}

// accessState is who can come in.
func (a *App) accessState(now time.Time) string {
	d := &a.door
	if d.certificate != nil {
		switch s := d.certificate.Status(); {
		case s.Err != nil:
			return fmt.Sprintf("the new certificate is not used, the one until %s still is: %v", s.Ends.UTC().Format(time.DateOnly), s.Err)
		case now.After(s.Ends):
			return "the certificate has ended at " + s.Ends.UTC().Format(time.RFC3339)
		case s.Ends.Sub(now) < soon:
			return loginSoon
		}
	}
	switch {
	case !d.directory.Loaded():
		return unknownUsers
	case d.directory.Copied() && d.access.Open():
		return openCopied
	case d.directory.Copied():
		return loginCopied
	case d.access.Open():
		return openAccess
	case d.certificate != nil:
		return loginTLS
	case viewer.IsLoopback(a.config.Listen):
		return loginHere
	}
	return loginPlain
}

// tellAccess tells the node.
func (a *App) tellAccess() {
	if r, ok := a.Tree.Lookup(accessPath); ok {
		a.Tree.Report(tree.Report{Node: r, Value: tree.Text(a.accessState(time.Now()))})
	}
}

// keepAccess tells the node whenever it is something else.
func (a *App) keepAccess(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := ""; ; {
		select {
		case <-tick.C:
			if state := a.accessState(time.Now()); state != last {
				last = state
				a.tellAccess()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
