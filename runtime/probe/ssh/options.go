package ssh

import (
	"net"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
)

const (
	defaultPort = "22"
	maxName     = 255 // bytes of a user
	maxPins     = 20
)

// Access says where an SSH server is, how its host key is checked and who logs in.
type Access struct {
	Address      string     `yaml:"address" jsonschema:"required,description=Host and port\\, such as web1:2222; port 22 unless given."`
	KnownHosts   string     `yaml:"known_hosts,omitempty" jsonschema:"description=File of known host keys\\, as ssh-keyscan prints them."`
	Fingerprints []string   `yaml:"fingerprints,omitempty" jsonschema:"maxItems=20,description=Fingerprints of host keys that are right\\, such as SHA256:2ibW…; ssh-keygen -lf prints them."`
	User         string     `yaml:"user,omitempty" jsonschema:"description=Name of the user who logs in."`
	Key          secret.Ref `yaml:"key,omitempty" jsonschema:"description=Private key of the user; a reference such as file:/etc/grove/id_ed25519."`
	Passphrase   secret.Ref `yaml:"passphrase,omitempty" jsonschema:"description=What the key is encrypted with; a reference."`
	Password     secret.Ref `yaml:"password,omitempty" jsonschema:"description=Password of the user; a reference such as file:/etc/grove/password or env:PASSWORD."`
	Agent        secret.Ref `yaml:"agent,omitempty" jsonschema:"description=Where the path of the socket of an SSH agent stands; a reference such as env:SSH_AUTH_SOCK."`
}

// Target is what an Access comes to.
type Target struct {
	Access
	Host string // without the port
}

// Check says which option is wrong. Login says that somebody has to log in.
func (a Access) Check(login bool) (*Target, error) {
	t := &Target{Access: a}
	address := a.Address
	if _, _, err := net.SplitHostPort(address); err != nil && address != "" {
		address = net.JoinHostPort(strings.Trim(address, "[]"), defaultPort)
	}
	host, port, err := dial.Split(address)
	if err != nil {
		return nil, probe.BadOption("address", "%q: %w", a.Address, err)
	}
	t.Host, t.Address = host, net.JoinHostPort(host, port)
	for _, r := range []struct {
		option string
		ref    secret.Ref
	}{{"key", a.Key}, {"passphrase", a.Passphrase}, {"password", a.Password}, {"agent", a.Agent}} {
		if err := r.ref.Check(); err != nil {
			return nil, probe.BadOption(r.option, "%w", err)
		}
		if r.ref != "" && a.User == "" {
			return nil, probe.BadOption("user", "is needed where there is a %s", r.option)
		}
	}
	switch {
	case login && a.User == "":
		return nil, probe.BadOption("user", "is needed: who logs in")
	case len(a.User) > maxName || strings.ContainsAny(a.User, "\x00\r\n"):
		return nil, probe.BadOption("user", "has more than %d bytes, or a line end", maxName)
	case a.User != "" && a.Key == "" && a.Password == "" && a.Agent == "":
		return nil, probe.BadOption("key", "or password or agent is needed: how %s logs in", a.User)
	case a.Passphrase != "" && a.Key == "":
		return nil, probe.BadOption("passphrase", "only with a key")
	case a.User != "" && a.KnownHosts == "" && len(a.Fingerprints) == 0:
		return nil, probe.BadOption("known_hosts", "or fingerprints is needed: nobody logs in where the host key is not known; ssh-keyscan %s prints it", host)
	case a.KnownHosts != "" && len(a.Fingerprints) > 0:
		return nil, probe.BadOption("fingerprints", "and known_hosts both say which host keys are right: leave one out")
	case len(a.Fingerprints) > maxPins:
		return nil, probe.BadOption("fingerprints", "are %d, more than %d", len(a.Fingerprints), maxPins)
	}
	for _, f := range a.Fingerprints {
		if !strings.HasPrefix(f, "SHA256:") || len(f) != len("SHA256:")+43 {
			return nil, probe.BadOption("fingerprints", "%q is not SHA256: and 43 letters, as ssh-keygen -lf prints them", f)
		}
	}
	if a.KnownHosts != "" {
		if err := files.CheckPath(a.KnownHosts); err != nil {
			return nil, probe.BadOption("known_hosts", "%w", err)
		}
	}
	return t, nil
}
