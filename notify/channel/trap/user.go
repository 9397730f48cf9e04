package trap

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"

	"grove/notify/channel"
)

var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA224": gosnmp.SHA224, "SHA256": gosnmp.SHA256, "SHA384": gosnmp.SHA384, "SHA512": gosnmp.SHA512,
}

var privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
	"DES": gosnmp.DES, "AES": gosnmp.AES, "AES192": gosnmp.AES192, "AES256": gosnmp.AES256, "AES192C": gosnmp.AES192C, "AES256C": gosnmp.AES256C,
}

// Bounds of names and passwords: RFC 3414 sections 2.4 and 11.2. A name of a context may
// have 255 bytes; gosnmp writes those up to 127.
const (
	maxUser     = 32
	maxContext  = 127
	minPassword = 8
)

// checkUser says which option of version 3 is wrong.
func (o *Options) checkUser(w *channel.World) error {
	switch {
	case o.Community != "":
		return channel.BadOption("community", "version 3 has users in place of communities")
	case o.User == "" || len(o.User) > maxUser:
		return channel.BadOption("user", "version 3 needs a name of 1 to %d bytes", maxUser)
	case len(o.Context) > maxContext:
		return channel.BadOption("context", "longer than %d bytes", maxContext)
	case o.Auth != "" && authProtocols[o.Auth] == 0:
		return channel.BadOption("auth", "%q is none of %s", o.Auth, list(authProtocols))
	case o.Priv != "" && privProtocols[o.Priv] == 0:
		return channel.BadOption("priv", "%q is none of %s", o.Priv, list(privProtocols))
	case o.Priv != "" && o.Auth == "":
		return channel.BadOption("auth", "what is encrypted must be authenticated, too")
	}
	for _, p := range []struct{ option, protocol, password string }{{"auth", o.Auth, o.AuthPassword}, {"priv", o.Priv, o.PrivPassword}} {
		where := p.option + "_password"
		switch {
		case p.protocol == "" && p.password != "":
			return channel.BadOption(where, "%s does not say what the password is for", p.option)
		case p.protocol != "" && p.password == "":
			return channel.BadOption(where, "%s needs a password", p.protocol)
		case p.password != "":
			if err := w.CheckSecret(p.password); err != nil {
				return channel.BadOption(where, "%w", err)
			}
		}
	}
	return nil
}

func list[V any](protocols map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(protocols)), ", ")
}

// credentials are the secrets of one Send.
type credentials struct {
	community string // of version 2c; empty: it is version 3

	user, context string
	flags         gosnmp.SnmpV3MsgFlags
	auth          gosnmp.SnmpV3AuthProtocol
	priv          gosnmp.SnmpV3PrivProtocol
	authPassword  string
	privPassword  string
}

// credentials reads the secrets.
func (s *sender) credentials() (*credentials, error) {
	secret := func(option, reference string, least, most int) (string, error) {
		text, err := s.w.Secret(reference)
		switch {
		case err != nil:
			return "", channel.BadOption(option, "%w", err)
		case len(text) < least || len(text) > most:
			return "", channel.BadOption(option, "what it refers to has %d bytes: it must have %d to %d", len(text), least, most)
		}
		return text, nil
	}
	k := &credentials{user: s.o.User, context: s.o.Context, flags: gosnmp.NoAuthNoPriv, auth: gosnmp.NoAuth, priv: gosnmp.NoPriv}
	var err error
	if s.o.Version == "2c" {
		k.community, err = secret("community", s.o.Community, 1, maxCommunity)
		return k, err
	}
	const maxPassword = 1024
	if s.o.Auth != "" {
		k.flags, k.auth = gosnmp.AuthNoPriv, authProtocols[s.o.Auth]
		if k.authPassword, err = secret("auth_password", s.o.AuthPassword, minPassword, maxPassword); err != nil {
			return nil, err
		}
	}
	if s.o.Priv != "" {
		k.flags, k.priv = gosnmp.AuthPriv, privProtocols[s.o.Priv]
		if k.privPassword, err = secret("priv_password", s.o.PrivPassword, minPassword, maxPassword); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// security are the parameters of a message under the authority of an engine.
func (k *credentials) security(engine string, boots, seconds uint32) (*gosnmp.UsmSecurityParameters, error) {
	p := &gosnmp.UsmSecurityParameters{
		UserName: k.user, AuthenticationProtocol: k.auth, PrivacyProtocol: k.priv,
		AuthenticationPassphrase: k.authPassword, PrivacyPassphrase: k.privPassword,
		AuthoritativeEngineID: engine, AuthoritativeEngineBoots: boots, AuthoritativeEngineTime: seconds,
	}
	if err := p.InitSecurityKeys(); err != nil {
		return nil, err
	}
	if k.flags&gosnmp.AuthPriv == gosnmp.AuthPriv {
		// Not from gosnmp, whose counter begins anew with each copy.
		p.PrivacyParameters = make([]byte, 8)
		_, _ = rand.Read(p.PrivacyParameters) // It never fails.
	}
	return p, nil
}
