// Package password hashes passwords with Argon2id (RFC 9106), in the PHC string format:
//
//	$argon2id$v=19$m=49152,t=2,p=1$SALT$HASH
//
// Each hash takes its memory while it is made, so only a few are made at once, and only
// so many wait.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// Bounds of a password, in bytes. The lower one follows NIST SP 800-63B, section 3.1.1.2,
// for passwords that are not the only wall: logins are limited in rate.
const (
	MinBytes = 10
	MaxBytes = 1024
)

// Params are the costs of a hash.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes over it
	Threads uint8
}

// Default takes twice the work that OWASP's cheat sheet on the storage of passwords asks
// for at least (46 MiB, one pass).
var Default = Params{Memory: 48 << 10, Time: 2, Threads: 1}

// most bounds what a hash may cost that was read: somebody may have put it there.
var most = Params{Memory: 256 << 10, Time: 16, Threads: 16}

const (
	saltBytes = 16 // RFC 9106, section 3.1
	hashBytes = 32
	// maxPart bounds the salt and the hash that are read.
	maxPart = 64
)

// Errors.
var (
	// ErrBusy is too many who wait.
	ErrBusy = errors.New("too many passwords are being verified; try again in a moment")
	// ErrForm is a hash that is not in the format.
	ErrForm = errors.New("is no hash of a password")
)

// Hasher makes and verifies hashes. Its methods may be called from many goroutines.
type Hasher struct {
	params  Params
	slots   chan struct{}
	waiting atomic.Int32
	room    int32
	none    string // a hash of nothing that anybody knows
}

// New returns a hasher that makes hashes of the given costs, the zero value being the
// default, at most atOnce at a time; zero is half of the processors, and two at most.
func New(p Params, atOnce int) *Hasher {
	if p == (Params{}) {
		p = Default
	}
	if atOnce <= 0 {
		atOnce = min(2, (runtime.GOMAXPROCS(0)+1)/2)
	}
	h := &Hasher{params: p, slots: make(chan struct{}, atOnce), room: int32(16 * atOnce)}
	h.none = encode(p, random(), make([]byte, hashBytes)) // No password has this hash but by a chance of 1 to 2^256.
	return h
}

// random makes a salt.
func random() []byte {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // It never fails: package crypto/rand ends the program first.
	return salt
}

// Hash returns the hash of a password.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := random()
	return encode(h.params, salt, h.params.key(password, salt, hashBytes)), nil
}

// Verify says whether a hash is that of a password, and whether it is weaker than those
// that are made now. An empty or malformed hash is that of none, and takes as long.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, weak bool, err error) {
	params, salt, want, bad := decode(hash)
	if bad != nil {
		params, salt, want, _ = decode(h.none)
	}
	if len(password) > MaxBytes {
		bad, password = ErrForm, password[:MaxBytes]
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	ok = subtle.ConstantTimeCompare(params.key(password, salt, uint32(len(want))), want) == 1 && bad == nil
	return ok, params != h.params || len(salt) < saltBytes || len(want) < hashBytes, nil
}

// enter waits for a slot.
func (h *Hasher) enter(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.room {
		return ErrBusy
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hasher) leave() { <-h.slots }

func (p Params) key(password string, salt []byte, length uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Threads, length)
}

// encode writes the PHC string format, https://github.com/P-H-C/phc-string-format.
func encode(p Params, salt, hash []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(hash))
}

// decode reads what encode writes.
func decode(text string) (p Params, salt, hash []byte, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return p, nil, nil, ErrForm
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return p, nil, nil, ErrForm
	}
	var values [3]uint32
	for i, c := range []struct {
		name string
		most uint32
	}{{"m=", most.Memory}, {"t=", most.Time}, {"p=", uint32(most.Threads)}} {
		text, ok := strings.CutPrefix(costs[i], c.name)
		n, err := strconv.ParseUint(text, 10, 32)
		if !ok || err != nil || n == 0 || n > uint64(c.most) || text != strconv.FormatUint(n, 10) {
			return p, nil, nil, ErrForm
		}
		values[i] = uint32(n)
	}
	p = Params{values[0], values[1], uint8(values[2])}
	b64 := base64.RawStdEncoding.Strict()
	salt, errSalt := b64.DecodeString(parts[4])
	hash, errHash := b64.DecodeString(parts[5])
	if errSalt != nil || errHash != nil || len(salt) < 8 || len(salt) > maxPart || len(hash) < 16 || len(hash) > maxPart {
		return p, nil, nil, ErrForm
	}
	return p, salt, hash, nil
}
