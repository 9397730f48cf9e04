package access

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"grove/tree/store/account"
)

// scheme is a kind of credential in the header Authorization.
type scheme uint8

const (
	schemeNone scheme = iota
	schemeBearer
	schemeBasic
	schemeOther
)

// maxCredential bounds the header in bytes: a name and a password in base64.
const maxCredential = 4096

// credential is what the header Authorization holds.
type credential struct {
	scheme         scheme
	token          string // of Bearer
	name, password string // of Basic
}

// parseAuthorization reads the header (RFC 9110, section 11.4; RFC 6750, section 2.1; RFC
// 7617). What is malformed is schemeOther.
func parseAuthorization(values []string) credential {
	if len(values) == 0 {
		return credential{}
	}
	other := credential{scheme: schemeOther}
	if len(values) > 1 || len(values[0]) > maxCredential {
		return other
	}
	word, rest, _ := strings.Cut(strings.Trim(values[0], " \t"), " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case strings.EqualFold(word, "Bearer") && rest != "":
		return credential{scheme: schemeBearer, token: rest}
	case strings.EqualFold(word, "Basic"):
		text, err := base64.StdEncoding.DecodeString(rest)
		if err != nil || !utf8.Valid(text) {
			return other
		}
		name, password, ok := strings.Cut(string(text), ":")
		if !ok {
			return other
		}
		return credential{scheme: schemeBasic, name: name, password: password}
	}
	return other
}

// Cookies. The prefix keeps other hosts of the domain, and plain HTTP, from setting one
// (RFC 6265bis, section 4.1.3.2). The port is part of the name since browsers give a
// cookie to every port of a host.
const (
	sessionCookie = "grove"
	loginCookie   = "grove-login"
	deviceCookie  = "grove-known"
	hostPrefix    = "__Host-"
)

// secure says whether the browser speaks TLS, to this server or to a proxy before it. A
// client that lies here harms nobody else.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// cookieName is the name of a cookie for the server as the browser asks for it.
func cookieName(r *http.Request, base string) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil && strings.Trim(port, "0123456789") == "" && port != "" {
		base += "-" + port
	}
	if secure(r) {
		return hostPrefix + base
	}
	return base
}

// readCookie returns the value of a cookie; empty when it is not there once.
func readCookie(r *http.Request, base string) string {
	if r.Header["Cookie"] == nil {
		return ""
	}
	found := r.CookiesNamed(cookieName(r, base))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// setCookie sets a cookie for so many seconds; a negative number takes it away.
func setCookie(w http.ResponseWriter, r *http.Request, base, value string, seconds int) {
	// Lax, not Strict: a link to a report in a mail is to work for who has logged in.
	// Nothing with an effect is done by GET, and requests of other sites' pages are
	// refused before they come here.
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r, base), Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode,
	})
}

// CertificateName is a part of a certificate.
type CertificateName string

// The parts that may name a user.
const (
	SubjectName CertificateName = "subject" // its common name
	EmailName   CertificateName = "email"   // its first address of that kind, of the alternative names
	DNSName     CertificateName = "dns"
)

// of returns the name of a user that a request's certificate gives; false when there is
// none, or no verified one.
func (n CertificateName) of(r *http.Request) (name string, ok bool) {
	if n == "" || r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return "", false
	}
	leaf := r.TLS.VerifiedChains[0][0]
	switch {
	case n == SubjectName:
		name = leaf.Subject.CommonName
	case n == EmailName && len(leaf.EmailAddresses) > 0:
		name = leaf.EmailAddresses[0]
	case n == DNSName && len(leaf.DNSNames) > 0:
		name = leaf.DNSNames[0]
	}
	name, err := account.Name(name)
	return name, err == nil
}

// Address is the address of a client, without its port. A proxy on this machine, through
// which many may come, is believed whom it asks for: the last address that it adds.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if through := r.Header["X-Forwarded-For"]; len(through) > 0 {
		if peer, err := netip.ParseAddr(host); err == nil && peer.Unmap().IsLoopback() {
			list := strings.Split(through[len(through)-1], ",")
			if from, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
				return from.Unmap().WithZone("").String()
			}
		}
	}
	return host
}

// forwarding are the headers by which proxies say that they are there, and for whom they
// ask (RFC 7239, section 4; RFC 9110, section 7.6.3; and what was common before).
var forwarding = []string{
	"Forwarded", "Via", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
	"X-Forwarded-Server", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "Cf-Connecting-Ip", "True-Client-Ip",
}

// forwarded says by what a request is known to come through a proxy; it is empty when
// there is no sign of one. Some proxies add no header unless they are told to, but ask by
// HTTP/1.0, which browsers and the programs of today do not speak.
func forwarded(r *http.Request) string {
	for _, h := range forwarding {
		if r.Header[h] != nil {
			return "with the header " + h
		}
	}
	if !r.ProtoAtLeast(1, 1) {
		return "by HTTP/1.0"
	}
	return ""
}
