package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
)

// TokenPrefix begins every token, so that people and scanners of secrets know one.
const TokenPrefix = "grove_"

// Lengths of the parts of a token after its prefix: 256 random bits, and their CRC-32
// (IEEE 802.3), both in base 62 with leading zeros.
const (
	randomDigits = 43
	sumDigits    = 6
)

const secretBytes = 32

// hash is the SHA-256 of a secret.
type hash [sha256.Size]byte

func hashOf(secret string) hash { return sha256.Sum256([]byte(secret)) }

// String returns the hash as the database has it.
func (h hash) String() string { return hex.EncodeToString(h[:]) }

func parseHash(text string) (h hash, err error) {
	if len(text) != 2*len(h) {
		return h, errors.New("a hash has another length")
	}
	_, err = hex.Decode(h[:], []byte(text))
	return h, err
}

// newToken makes the text of a token.
func newToken() string {
	var random [secretBytes]byte
	_, _ = rand.Read(random[:]) // It never fails: package crypto/rand ends the program first.
	return tokenOf(random)
}

func tokenOf(random [secretBytes]byte) string {
	text := base62(random[:], randomDigits)
	return TokenPrefix + text + sumOf(text)
}

func sumOf(text string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(text)))
	return base62(sum[:], sumDigits)
}

// base62 writes a number with so many digits 0-9, A-Z and a-z.
func base62(number []byte, digits int) string {
	const order = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n, base, digit := new(big.Int).SetBytes(number), big.NewInt(int64(len(order))), new(big.Int)
	text := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		text[i] = order[digit.Int64()]
	}
	return string(text)
}

// IsToken says whether a text has the form of a token and its sum is right: one that was
// mistyped or cut off is known without asking.
func IsToken(text string) bool {
	rest, ok := strings.CutPrefix(text, TokenPrefix)
	return ok && len(rest) == randomDigits+sumDigits && sumOf(rest[:randomDigits]) == rest[randomDigits:]
}

// newSecret makes what a cookie holds.
func newSecret() string {
	var random [secretBytes]byte
	_, _ = rand.Read(random[:]) // It never fails: package crypto/rand ends the program first.
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// isSecret says whether a text has the form of what newSecret makes.
func isSecret(text string) bool {
	return len(text) == base64.RawURLEncoding.EncodedLen(secretBytes) &&
		strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// newID makes a public name.
func newID() string { return strings.ToLower(rand.Text()[:13]) }
