package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"grove/tree/store/account"
	"grove/viewer/access/attempt"
	"grove/viewer/access/password"
)

// ErrWrong is the one answer to a login that is wrong, whatever is wrong with it.
var ErrWrong = errors.New("the name or the password is wrong")

// WaitError is a login that came too soon after others.
type WaitError struct{ Wait time.Duration }

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("too many logins have failed: try again in %s", e.Wait)
}

// Verify returns the user whose name and password these are. It takes as long for a name
// that nobody has. The request says where they come from, and may have the cookie of a
// browser that has logged in before.
func (a *Access) Verify(r *http.Request, text, secret string) (account.User, error) {
	u, _, err := a.verify(r.Context(), text, secret, Address(r), readCookie(r, deviceCookie))
	return u, err
}

// verify also says whether the password was right, though the user may not come in.
func (a *Access) verify(ctx context.Context, text, secret, address, device string) (u account.User, right bool, err error) {
	name, err := account.Name(text)
	if err != nil {
		name = "" // Nobody has it.
	}
	u, err = a.o.Directory.User(name)
	known := err == nil
	guess := attempt.Guess{Name: name, Address: address, Device: deviceOf(&u, device)}
	if wait := a.book.Begin(guess); wait > 0 {
		return account.User{}, false, &WaitError{wait}
	}
	right, weak, err := a.o.Passwords.Verify(ctx, u.Password, secret)
	if err != nil {
		a.book.Return(guess)
		return account.User{}, false, err
	}
	if !right || u.Disabled {
		f := attempt.Failure{Address: address, Method: ByPassword, Why: "wrong password"}
		switch {
		case !known:
			f.Why = "no such user"
		case right:
			f.Why = "the user is disabled"
		}
		if known {
			f.Name = name
		}
		a.book.Failed(ctx, f)
		return account.User{}, right, ErrWrong
	}
	a.book.Succeeded(guess)
	if weak {
		a.strengthen(ctx, &u, secret)
	}
	return u, true, nil
}

// strengthen makes a hash anew that is weaker than those of today.
func (a *Access) strengthen(ctx context.Context, u *account.User, secret string) {
	hash, err := a.o.Passwords.Hash(ctx, secret)
	if err == nil {
		err = a.o.Directory.Rehash(ctx, u.Name, u.Password, hash)
	}
	if err != nil {
		a.log.Warn("a password keeps its weaker hash for now", "user", u.Name, "error", err)
		return
	}
	u.Password = hash
}

// basic remembers for a while which names and passwords were right and wrong, since
// programs show them with every request and a hash takes a tenth of a second. It has
// neither, only their HMAC under a key of this process.
type basic struct {
	key [sha256.Size]byte
	now func() time.Time

	mu  sync.Mutex // guards all
	all map[[sha256.Size]byte]verdict
}

// verdict is good as long as the user has the password whose hash it was; of a name that
// nobody has it is the empty one. Were there none of those, an answer that comes at once
// would tell which names there are.
type verdict struct {
	right bool // the password; who is disabled does not come in by it all the same
	hash  string
	until time.Time
}

const (
	maxVerdicts = 1000
	rightFor    = 5 * time.Minute
	// wrongFor keeps a program with an old password from counting as one who guesses.
	wrongFor = time.Minute
)

func newBasic(now func() time.Time) *basic {
	b := &basic{now: now, all: map[[sha256.Size]byte]verdict{}}
	_, _ = rand.Read(b.key[:]) // It never fails: package crypto/rand ends the program first.
	return b
}

func (b *basic) sum(name, secret string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, b.key[:])
	fmt.Fprintf(h, "%d:%s%s", len(name), name, secret)
	return [sha256.Size]byte(h.Sum(nil))
}

func (b *basic) get(sum [sha256.Size]byte) (verdict, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.all[sum]
	return v, ok && b.now().Before(v.until)
}

func (b *basic) put(sum [sha256.Size]byte, right bool, hash string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(b.all) >= maxVerdicts {
		for k, v := range b.all {
			if !now.Before(v.until) {
				delete(b.all, k)
			}
		}
		if len(b.all) >= maxVerdicts {
			clear(b.all) // The right ones come again.
		}
	}
	keep := wrongFor
	if right {
		keep = rightFor
	}
	b.all[sum] = verdict{right, hash, now.Add(keep)}
}

// byBasic returns who shows a name and a password with a request.
func (a *Access) byBasic(ctx context.Context, text, secret, address string) (*account.Pass, error) {
	name, err := account.Name(text)
	if err != nil {
		name = ""
	}
	sum := a.basic.sum(name, secret)
	u, _ := a.o.Directory.User(name)
	if v, ok := a.basic.get(sum); ok && v.hash == u.Password {
		if p := a.o.Directory.Pass(name); v.right && p != nil {
			return p, nil
		}
		return nil, ErrWrong
	}
	if len(secret) > password.MaxBytes {
		secret = secret[:password.MaxBytes+1] // It is wrong anyhow.
	}
	found, right, err := a.verify(ctx, name, secret, address, "")
	switch {
	case err == nil:
		a.basic.put(sum, true, found.Password)
	case errors.Is(err, ErrWrong):
		a.basic.put(sum, right, u.Password)
		return nil, err
	default:
		return nil, err
	}
	if p := a.o.Directory.Pass(name); p != nil {
		return p, nil
	}
	return nil, ErrWrong
}
