package session

import (
	"bufio"
	"context"
	"errors"
	"net"
	"time"

	"grove/runtime/probe/answer"
)

// Link is a connection that stands and is logged in.
type Link struct {
	net.Conn
	Reader *bufio.Reader
	below  *Conn
}

// Keeper keeps one Link between runs and makes it anew when it broke. It serves one
// goroutine at a time.
type Keeper struct {
	dialer *Dialer
	most   int64
	login  func(*Link) error
	link   *Link
}

// NewKeeper returns a Keeper that reads so many bytes in one run and does the login, if
// any, over each new connection, which is encrypted as the options say.
func NewKeeper(d *Dialer, most int64, login func(*Link) error) *Keeper {
	return &Keeper{dialer: d, most: most, login: login}
}

// Run talks over the connection until the context ends, which ends reads and writes. A
// connection is kept after a talk without an error. When one that was kept turns out to be
// closed, the talk is had once more over a new one.
func (k *Keeper) Run(ctx context.Context, talk func(*Link) error) error {
	for {
		kept := k.link != nil
		err := k.once(ctx, talk)
		if err == nil {
			return nil
		}
		if k.link != nil && !errors.Is(err, ErrTooMuch) {
			if exceeded := k.link.below.Exceeded(); exceeded != nil {
				err = exceeded
			}
		}
		k.Close()
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if !kept || answer.State(err) != "closed" {
			return err
		}
	}
}

func (k *Keeper) once(ctx context.Context, talk func(*Link) error) error {
	login := k.link == nil
	if login {
		below, err := k.dialer.Dial(ctx, k.most)
		if err != nil {
			return err
		}
		k.link = &Link{Conn: below, below: below}
		if k.dialer.server.Encryption == TLS {
			if k.link.Conn, err = k.dialer.Secure(ctx, below); err != nil {
				k.link.Conn = below
				return err
			}
		}
		k.link.Reader = bufio.NewReader(k.link.Conn)
	}
	k.link.below.Renew()
	stop := context.AfterFunc(ctx, func() { _ = k.link.below.SetDeadline(time.Unix(1, 0)) })
	err := k.talk(login, talk)
	if !stop() && err == nil {
		err = ctx.Err() // The connection has a deadline now and is of no use.
	}
	return err
}

func (k *Keeper) talk(login bool, talk func(*Link) error) error {
	if login && k.login != nil {
		if err := k.login(k.link); err != nil {
			return err
		}
	}
	return talk(k.link)
}

// Close closes the connection, if there is one.
func (k *Keeper) Close() {
	if k.link != nil {
		_ = k.link.Close() // Nothing is sent any more that could be lost.
		k.link = nil
	}
}
