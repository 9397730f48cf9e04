package remotelog

import (
	"net"
	"path"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/secure"
	"grove/runtime/probe/ssh"
)

// Bounds of the options and of what is read.
const (
	maxPath    = 1024     // bytes
	maxReading = 16 << 20 // bytes of the log in one run
	maxControl = 1 << 20  // bytes of an FTP server's answers in one run
)

// The protocols, and their ports.
const (
	sftpProtocol = "sftp"
	ftpProtocol  = "ftp"
	ftpsProtocol = "ftps"          // AUTH TLS, RFC 4217
	ftpsImplicit = "ftps-implicit" // TLS from the beginning
)

var protocols = []string{sftpProtocol, ftpsProtocol, ftpsImplicit, ftpProtocol}

var ports = map[string]string{sftpProtocol: "22", ftpsProtocol: "21", ftpsImplicit: "990", ftpProtocol: "21"}

// Options are the options of the kind "remotelog".
type Options struct {
	Protocol   string `yaml:"protocol,omitempty" jsonschema:"enum=sftp,enum=ftps,enum=ftps-implicit,enum=ftp,default=sftp,description=How the file is fetched; ftps is FTP that begins TLS by AUTH TLS. By ftp everything goes in the clear\\, the password included."`
	ssh.Access `yaml:",inline"`
	TLS        secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the certificate of an FTP server is checked."`
	Path       string         `yaml:"path" jsonschema:"required,description=The log file\\, as the server names it."`
	Rotated    string         `yaml:"rotated,omitempty" jsonschema:"description=What the log is renamed or copied to\\, where its rest is looked for; the path with .1 behind it unless given."`
	From       string         `yaml:"from,omitempty" jsonschema:"enum=end,enum=start,default=end,description=Where reading begins in a file that is there at the first run."`

	pattern.Options `yaml:",inline"`
}

// recipe is what Options come to.
type recipe struct {
	Options
	target *ssh.Target // of SFTP
	host   string
	set    *pattern.Set
}

// check says which option is wrong.
func (o *Options) check() (*recipe, error) {
	r := &recipe{Options: *o}
	if r.Protocol == "" {
		r.Protocol = sftpProtocol
	}
	if !slices.Contains(protocols, r.Protocol) {
		return nil, probe.BadOption("protocol", "%q is none of %s", o.Protocol, strings.Join(protocols, ", "))
	}
	var err error
	if r.Protocol == sftpProtocol {
		if r.target, err = o.Access.Check(true); err != nil {
			return nil, err
		}
		if o.TLS != (secure.Options{}) {
			return nil, probe.BadOption("tls", "is of FTP only")
		}
		r.host = r.target.Host
	} else if err := r.checkFTP(); err != nil {
		return nil, err
	}
	if r.Rotated == "" {
		r.Rotated = r.Path + ".1"
	}
	for _, p := range []struct{ option, path string }{{"path", r.Path}, {"rotated", r.Rotated}} {
		switch {
		case o.Path == "":
			return nil, probe.BadOption("path", "is needed: the log file")
		case len(p.path) > maxPath+2:
			return nil, probe.BadOption(p.option, "has %d bytes, more than %d", len(p.path), maxPath)
		case strings.ContainsFunc(p.path, func(c rune) bool { return c < ' ' || c == 0x7f }):
			return nil, probe.BadOption(p.option, "has a control character")
		case path.Clean(p.path) != p.path:
			return nil, probe.BadOption(p.option, "%q is a path with detours", p.path)
		}
	}
	if o.From != "" && o.From != "end" && o.From != "start" {
		return nil, probe.BadOption("from", "%q is none of end, start", o.From)
	}
	r.set, err = o.Options.Compile()
	return r, err
}

func (r *recipe) checkFTP() error {
	address := r.Address
	if _, _, err := net.SplitHostPort(address); err != nil && address != "" {
		address = net.JoinHostPort(strings.Trim(address, "[]"), ports[r.Protocol])
	}
	host, port, err := dial.Split(address)
	if err != nil {
		return probe.BadOption("address", "%q: %w", r.Address, err)
	}
	r.host, r.Address = host, net.JoinHostPort(host, port)
	for _, x := range []struct {
		option string
		given  bool
	}{{"known_hosts", r.KnownHosts != ""}, {"fingerprints", len(r.Fingerprints) > 0}, {"key", r.Key != ""}, {"passphrase", r.Passphrase != ""}, {"agent", r.Agent != ""}} {
		if x.given {
			return probe.BadOption(x.option, "is of sftp only")
		}
	}
	if strings.ContainsFunc(r.User, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return probe.BadOption("user", "has a control character")
	}
	if err := r.Password.Check(); err != nil {
		return probe.BadOption("password", "%w", err)
	}
	if r.Password != "" && r.User == "" {
		return probe.BadOption("user", "is needed where there is a password")
	}
	if r.Protocol == ftpProtocol && r.TLS != (secure.Options{}) {
		return probe.BadOption("tls", "is of no use with protocol: ftp; say ftps")
	}
	return r.TLS.Check()
}
