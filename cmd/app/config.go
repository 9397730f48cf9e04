package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"grove/runtime/probe/command"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
	"grove/tree"
	"grove/tree/monitor"
	"grove/viewer/export/jolokia/policy"
)

// Config is what a manager is started with. Its fields are named after the flags.
type Config struct {
	// Listen is the address of the HTTP server; port 0 picks a free one.
	Listen string
	// Data is the directory that belongs to this manager alone; it is made when it
	// is not there.
	Data string
	// Definitions is the drop-in directory; empty is "definitions" in Data, which is
	// made when it is not there.
	Definitions string
	// Hosts are names by which browsers may ask for the server, besides loopback's.
	Hosts []string
	// Access says how people and programs come in.
	Access AccessConfig
	// Insecure allows plain HTTP on an address that others can reach. A login is needed
	// all the same.
	Insecure bool
	// Dial, Commands, Files and SecretDirs are what definitions may connect to, run, read,
	// and read secrets from; see the policies of these names. Empty is their default.
	Dial, Commands, Files, SecretDirs []string
	// Receivers say where grove takes what others send in protocols of their own.
	Receivers ReceiverConfig
	// Name names this manager to others, and in what it sends them; empty is the name of
	// the host.
	Name string
	// Database is a file, or the address of a PostgreSQL database that several managers
	// may share; empty is a file in Data. DatabasePassword refers to its password,
	// "file:/path", "env:NAME" or "credential:NAME".
	Database, DatabasePassword string
	// HistoryKeep is how long readings are kept as they came, HistoryLong how long merged
	// into five minutes each, HistoryBytes how much disk both take at most; JournalKeep
	// is how long changes of status and events are kept. Zero is the default of each.
	HistoryKeep, HistoryLong, JournalKeep time.Duration
	HistoryBytes                          int64
	// Exports is the file that says what is sent out; empty: nothing is.
	Exports string
	// Alerts is the file that says who hears of alerts, and how; empty is "alerts.yaml" in
	// Data, which need not be there.
	Alerts string
	// Peers is the file that says with which other managers this one works, and how; empty is
	// "peers.yaml" in Data, which need not be there.
	Peers string
	// URL is where people find the page, for links in messages; empty is where it listens.
	URL string
	// Jolokia is the file with the rules that say what JMX clients may change; empty:
	// nothing.
	Jolokia string
	// SAPSystem and SAPInstance name this manager to SAP's tools; SAPListen lets
	// SAPControl listen on its own port and socket.
	SAPSystem   string
	SAPInstance int
	SAPListen   bool
	// NoHost leaves out the tree of this host, which is there by default.
	NoHost bool
	// Version and Revision say which program this is.
	Version, Revision string
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// policies are what definitions may do, ready for use.
type policies struct {
	dial     *dial.Policy
	commands *command.Policy
	files    *files.Policy
	secrets  *secret.Policy
	sources  []netip.Prefix // that receivers take messages from; nil: all
	jolokia  *policy.Policy
	exports  Exports
}

// check fills the defaults and refuses what cannot work, before anything is
// touched. Every error says which flag to change.
func (c *Config) check() (p policies, err error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:7440"
	}
	if c.Data == "" {
		c.Data = "data"
	}
	if c.Definitions == "" {
		c.Definitions = filepath.Join(c.Data, "definitions")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Name == "" {
		c.Name = hostname()
	}
	if err := tree.CheckName(c.Name); err != nil {
		return p, fmt.Errorf("--name: %w", err)
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return p, fmt.Errorf("--listen %q: host:port is wanted, such as 127.0.0.1:7440: %w", c.Listen, err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return p, fmt.Errorf("--listen %q: a port is a number from 0 to 65535, and 0 picks a free one", c.Listen)
	}
	if err := c.checkAccess(); err != nil {
		return p, err
	}
	if len(c.Dial) > 0 {
		if p.dial, err = dial.ParsePolicy(c.Dial); err != nil {
			return p, fmt.Errorf("--dial: %w", err)
		}
	}
	if len(c.Commands) > 0 {
		if p.commands, err = command.ParsePolicy(c.Commands); err != nil {
			return p, fmt.Errorf("--commands: %w", err)
		}
	}
	if len(c.Files) > 0 {
		if p.files, err = files.NewPolicy(c.Files); err != nil {
			return p, fmt.Errorf("--files: %w", err)
		}
	}
	if len(c.SecretDirs) > 0 {
		if p.secrets, err = secret.NewPolicy(c.SecretDirs, nil); err != nil {
			return p, fmt.Errorf("--secrets: %w", err)
		}
	}
	if p.sources, err = c.Receivers.check(c.Access.TLSCert != ""); err != nil {
		return p, err
	}
	if c.Jolokia != "" {
		rules, err := os.ReadFile(c.Jolokia)
		if err != nil {
			return p, fmt.Errorf("--jolokia: %w", err)
		}
		if p.jolokia, err = policy.Parse(string(rules), monitor.Domain); err != nil {
			return p, fmt.Errorf("--jolokia: %s: %w", c.Jolokia, err)
		}
	}
	if p.exports, err = readExports(c.Exports); err != nil {
		return p, fmt.Errorf("--exports: %w", err)
	}
	if c.URL = strings.TrimSuffix(c.URL, "/"); c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return p, fmt.Errorf("--url %.80q: the address of the page is wanted, such as https://grove.example", c.URL)
		}
	}
	if c.SAPInstance < 0 || c.SAPInstance > 99 {
		return p, fmt.Errorf("--sap-instance %d: an instance number is 0 to 99", c.SAPInstance)
	}
	return p, nil
}

// ErrConfig is wrapped by every error that a change of flags would mend.
var ErrConfig = errors.New("configuration")
