package authority

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"

	"grove/notify/peer"
)

// TokenPrefix begins every token, so that people and scanners of secrets know one.
const TokenPrefix = "grvp_"

const (
	secretBytes = 32
	idBytes     = 8
	sumBytes    = 4
	tokenBytes  = secretBytes + sha256.Size + idBytes + sumBytes
)

// encoding is that of a token after its prefix: base64url without padding (RFC 4648, section
// 5), of the secret, the fingerprint, the ID and the CRC-32 (IEEE 802.3) of the three.
var encoding = base64.RawURLEncoding.Strict()

// secret is what a token is about. No verb of fmt and no encoder shows it.
type secret [secretBytes]byte

// Format implements fmt.Formatter.
func (s secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(secret)") }

// MarshalText shows that there is one.
func (s secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// hash is what the database has of a secret, in hexadecimal.
func (s secret) hash() string {
	sum := sha256.Sum256(s[:])
	return hex.EncodeToString(sum[:])
}

func newSecret() (s secret) {
	_, _ = rand.Read(s[:]) // It never fails: package crypto/rand ends the program first.
	return s
}

// token is what somebody needs to join.
type token struct {
	secret      secret
	fingerprint [sha256.Size]byte // of the key of the authority
	authority   peer.ID
}

// Format implements fmt.Formatter, which does not ask the secret inside.
func (t token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "token of manager %s", t.authority) }

// text is the token as it is handed over.
func (t token) text() string {
	id, err := hex.DecodeString(string(t.authority))
	if err != nil || len(id) != idBytes {
		panic("the token of an authority without an ID")
	}
	b := make([]byte, 0, tokenBytes)
	b = append(append(append(b, t.secret[:]...), t.fingerprint[:]...), id...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return TokenPrefix + encoding.EncodeToString(b)
}

// parseToken reads a token. Its errors repeat nothing of it.
func parseToken(text string) (t token, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), TokenPrefix)
	if !ok || len(rest) != encoding.EncodedLen(tokenBytes) || strings.ContainsAny(rest, "\r\n") {
		return token{}, ErrToken
	}
	b, err := encoding.DecodeString(rest)
	if err != nil {
		return token{}, ErrToken
	}
	body, sum := b[:tokenBytes-sumBytes], b[tokenBytes-sumBytes:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return token{}, ErrToken
	}
	copy(t.secret[:], body)
	copy(t.fingerprint[:], body[secretBytes:])
	t.authority = peer.ID(hex.EncodeToString(body[secretBytes+sha256.Size:]))
	return t, nil
}

// CheckToken says whether a text has the form of a token: one that was cut off or mistyped is
// known without asking anybody. The error repeats nothing of it.
func CheckToken(text string) error {
	_, err := parseToken(text)
	return err
}

// pins says whether a fingerprint is that of the token.
func (t *token) pins(sum [sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(t.fingerprint[:], sum[:]) == 1
}
