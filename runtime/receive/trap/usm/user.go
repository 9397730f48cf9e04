package usm

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/receive/trap/message"
)

// User is one who may send messages of version 3: RFC 3414. The options are those of the
// kind snmp.
type User struct {
	User         string     `yaml:"user" jsonschema:"required,description=Name of the user."`
	Auth         string     `yaml:"auth,omitempty" jsonschema:"enum=MD5,enum=SHA,enum=SHA224,enum=SHA256,enum=SHA384,enum=SHA512,description=How messages are authenticated; without it anybody may send as this user."`
	AuthPassword secret.Ref `yaml:"auth_password,omitempty" jsonschema:"description=Reference to the password for it (file:/path\\, env:NAME or credential:NAME)."`
	Priv         string     `yaml:"priv,omitempty" jsonschema:"enum=DES,enum=AES,enum=AES192,enum=AES256,enum=AES192C,enum=AES256C,description=How messages are encrypted (AES192C and AES256C are Cisco's ways)."`
	PrivPassword secret.Ref `yaml:"priv_password,omitempty" jsonschema:"description=Reference to the password for it (file:/path\\, env:NAME or credential:NAME)."`
}

var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA224": gosnmp.SHA224,
	"SHA256": gosnmp.SHA256, "SHA384": gosnmp.SHA384, "SHA512": gosnmp.SHA512,
}

var privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
	"DES": gosnmp.DES, "AES": gosnmp.AES, "AES192": gosnmp.AES192,
	"AES256": gosnmp.AES256, "AES192C": gosnmp.AES192C, "AES256C": gosnmp.AES256C,
}

const maxUser = 32 // bytes: RFC 3414 section 2.4

// Check says which option is wrong.
func (u User) Check(option string) error {
	switch {
	case u.User == "":
		return probe.BadOption(option+".user", "it is empty")
	case len(u.User) > maxUser:
		return probe.BadOption(option+".user", "longer than %d bytes", maxUser)
	case u.Auth != "" && authProtocols[u.Auth] == 0:
		return probe.BadOption(option+".auth", "%q is none of %s", message.Clip(u.Auth), list(authProtocols))
	case u.Priv != "" && privProtocols[u.Priv] == 0:
		return probe.BadOption(option+".priv", "%q is none of %s", message.Clip(u.Priv), list(privProtocols))
	case u.Priv != "" && u.Auth == "":
		return probe.BadOption(option+".auth", "messages that are encrypted must be authenticated, too")
	}
	for _, p := range []struct {
		name, protocol string
		password       secret.Ref
	}{{"auth", u.Auth, u.AuthPassword}, {"priv", u.Priv, u.PrivPassword}} {
		where := option + "." + p.name + "_password"
		switch {
		case p.protocol == "" && p.password != "":
			return probe.BadOption(where, "%s does not say what the password is for", p.name)
		case p.protocol != "" && p.password == "":
			return probe.BadOption(where, "%s needs a password", p.protocol)
		}
		if err := p.password.Check(); err != nil {
			return &probe.OptionError{Option: where, Err: err}
		}
	}
	return nil
}

func list[V any](words map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(words)), ", ")
}

// level is how messages of the user must be protected at least.
func (u User) level() message.Level {
	switch {
	case u.Priv != "":
		return message.AuthPriv
	case u.Auth != "":
		return message.AuthNoPriv
	}
	return message.NoAuth
}

// Account is a user with the passwords that were read.
type Account struct {
	User
	auth, priv string
	readAt     time.Time
	unreadable error
	// keys are the user's at engines that were heard of, by the engine's identity: making
	// them costs more than all the rest of a message.
	keys map[string]*gosnmp.UsmSecurityParameters
}

// maxKeys bounds the engines whose keys a user has at hand.
const maxKeys = 4096

// at returns the user's parameters at an engine, with the keys when they are at hand.
func (a *Account) at(engine string) *gosnmp.UsmSecurityParameters {
	if p := a.keys[engine]; p != nil {
		return p
	}
	p := &gosnmp.UsmSecurityParameters{
		UserName: a.User.User, AuthoritativeEngineID: engine,
		AuthenticationProtocol: gosnmp.NoAuth, PrivacyProtocol: gosnmp.NoPriv,
	}
	if a.Auth != "" {
		p.AuthenticationProtocol, p.AuthenticationPassphrase = authProtocols[a.Auth], a.auth
	}
	if a.Priv != "" {
		p.PrivacyProtocol, p.PrivacyPassphrase = privProtocols[a.Priv], a.priv
	}
	return p
}

// keep remembers the keys for an engine from which an authentic message came.
func (a *Account) keep(engine string, p *gosnmp.UsmSecurityParameters) {
	if a.keys == nil || len(a.keys) >= maxKeys {
		a.keys = map[string]*gosnmp.UsmSecurityParameters{}
	}
	a.keys[engine] = p
}

// Freshness is how long a secret that was read is used before it is read again.
const Freshness = 10 * time.Second

// Fresh reads the passwords of a user again when they may have changed.
func (a *Account) Fresh(policy *secret.Policy, now time.Time) error {
	if !a.readAt.IsZero() && now.Sub(a.readAt) <= Freshness && !now.Before(a.readAt) {
		return a.unreadable
	}
	a.readAt = now
	auth, err := policy.Read(a.AuthPassword)
	priv := ""
	if err == nil {
		priv, err = policy.Read(a.PrivPassword)
	}
	if a.unreadable = err; err != nil {
		return err
	}
	if auth != a.auth || priv != a.priv {
		a.auth, a.priv, a.keys = auth, priv, nil
	}
	return nil
}
