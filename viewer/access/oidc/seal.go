package oidc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// login is what belongs to one login until the browser comes back.
type login struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Redirect string `json:"r"`
	Then     string `json:"t,omitempty"`
	Ends     int64  `json:"e"` // Unix seconds
}

// seal keeps a login in a cookie, where the browser can neither read nor change it. Its
// key lasts as long as the process: who logs in meanwhile begins anew.
type seal struct{ cipher.AEAD }

func newSeal() (*seal, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // It never fails: package crypto/rand ends the program first.
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &seal{aead}, err
}

// maxSealed bounds a cookie, as browsers do (RFC 6265, section 6.1).
const maxSealed = 4096

func (s *seal) close(l login) string {
	text, err := json.Marshal(l)
	if err != nil {
		return "" // Cannot be: texts and a number always have a form.
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal(nil, nil, text, nil))
}

var errSeal = errors.New("was not sealed here")

func (s *seal) open(cookie string) (l login, err error) {
	if len(cookie) > maxSealed {
		return l, errSeal
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return l, errSeal
	}
	text, err := s.Open(nil, nil, sealed, nil)
	if err != nil || json.Unmarshal(text, &l) != nil {
		return login{}, errSeal
	}
	return l, nil
}
