package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"grove/tree/store/account"
)

// A browser that has logged in by a password keeps a cookie that says so, also after the
// logout: its guesses are counted for themselves, so that nobody else's lock it out. It
// lets nobody in. Its key is the hash of the password, which the server alone has: the
// cookie is good at every manager that shares the database, outlives a restart, and ends
// with the password.

// deviceLife is how long a browser keeps the cookie, in seconds: browsers keep none for
// longer than 400 days (RFC 6265bis, section 5.6.1).
const deviceLife = 400 * 24 * 60 * 60

// deviceDigits is the length of the random part of the cookie, and deviceSum that of its
// sum, both in base64.
const (
	deviceDigits = 22
	deviceSum    = 43
)

// sealDevice is the value of the cookie for a browser.
func sealDevice(u *account.User, id string) string {
	sum := hmac.New(sha256.New, []byte(u.Password))
	sum.Write([]byte("browser of " + u.Name + "\x00" + id))
	return id + "." + base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// deviceOf returns which browser of a user's it is that shows a cookie; empty: none.
func deviceOf(u *account.User, cookie string) string {
	id, sum, ok := strings.Cut(cookie, ".")
	if !ok || len(id) != deviceDigits || len(sum) != deviceSum || u.Password == "" || !hmac.Equal([]byte(sealDevice(u, id)), []byte(cookie)) {
		return ""
	}
	return id
}

// keepDevice gives the browser its cookie, unless it has it.
func (a *Access) keepDevice(w http.ResponseWriter, r *http.Request, name string) {
	u, err := a.o.Directory.User(name)
	if err != nil || u.Password == "" || deviceOf(&u, readCookie(r, deviceCookie)) != "" {
		return
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // It never fails: package crypto/rand ends the program first.
	setCookie(w, r, deviceCookie, sealDevice(&u, base64.RawURLEncoding.EncodeToString(id)), deviceLife)
}
