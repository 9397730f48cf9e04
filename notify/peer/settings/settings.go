// Package settings reads the one file that says with whom a manager works, and how: where it
// listens for others and how they reach it, whose trees hang in its own, who takes over its
// devices, what others may do here, and which devices are the same. PEERS.md beside this file
// describes it.
//
// A file is taken as a whole or not at all; every error has its line and column.
package settings

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/source"
	"grove/tree/grant"
)

// Bounds of a file, beside those of package source.
const (
	MaxAddresses = 16
	MaxBranches  = 1000
	MaxRules     = 1000 // of each list of names
	MaxCapacity  = 1_000_000
)

// Defaults of what a file leaves out.
const (
	DefaultCapacity   = 2000
	DefaultAloneAfter = 15 * time.Minute
	DefaultAt         = "/Managers/${name}"
	DefaultLives      = 24 * time.Hour // of a certificate
)

// Who alerts, and who is allowed.
const (
	Theirs      = "theirs"      // the owner of a branch alerts
	Ours        = "ours"        // what joins it alerts, too
	Integration = "integration" // every integration manager
)

// Settings are what the file says, with defaults filled in.
type Settings struct {
	// Site is the name of those that share definitions.
	Site string `yaml:"site"`
	// Listen are the addresses where others link to this manager: "tls://0.0.0.0:7443",
	// "wss://0.0.0.0:8443/peer". Nothing listens unless it is said.
	Listen []string `yaml:"listen"`
	// Ways are the addresses under which they reach it; empty is Listen.
	Ways []string `yaml:"ways"`
	// Proxy is the HTTP proxy that the links go through which this manager makes.
	Proxy string `yaml:"proxy"`
	// Cluster is an external fabric in place of the one in this program.
	Cluster *Cluster `yaml:"cluster"`
	// Integrate makes it an integration manager, or none, until `grove peer integrate` says
	// otherwise; nil: it is one if it listens.
	Integrate *bool `yaml:"integrate"`
	// Capacity is how many devices it takes in all.
	Capacity int `yaml:"capacity"`
	// StandIn are the managers that take its devices when it is gone, best first; "*" is
	// whoever can.
	StandIn []string `yaml:"stand_in"`
	// MoveLoopback lets devices move whose address is loopback's, such as 127.0.0.1: they
	// would be others elsewhere, but not on the same machine, or behind a proxy on each.
	MoveLoopback bool `yaml:"move_loopback"`
	// AloneAfter is how long a manager that was cut off from its home holds back messages
	// that a stand-in may have sent.
	AloneAfter time.Duration `yaml:"alone_after"`
	// Lives is how long the certificates live that it gives to others.
	Lives time.Duration `yaml:"certificates_live"`
	// Branches are the trees that hang here; nil: those of all managers if this one
	// integrates, else none.
	Branches []Branch `yaml:"branches"`
	Allow    []Allow  `yaml:"allow"`
	// Identity are the labels, properties and parameters by which two devices are the same,
	// the strongest first; "name", the name of the instance, is not among those that hold by
	// themselves, since managers of many sites give the same names. Same and Different are said by hand, "manager:device" each; Prefer
	// are the managers that are primary, best first.
	Identity  []string   `yaml:"identity"`
	Same      [][]string `yaml:"same"`
	Different [][]string `yaml:"different"`
	Prefer    []string   `yaml:"prefer"`
}

// Cluster is an external fabric.
type Cluster struct {
	Servers     []string `yaml:"servers"`
	CA          string   `yaml:"ca"` // file
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	User        string   `yaml:"user"`
	Password    string   `yaml:"password"` // a reference: "file:/…", "env:…", "credential:…"
}

// Branch says whose tree, or which part of it, hangs where.
type Branch struct {
	// From is the name or the ID of a manager; "*" is every one.
	From  string    `yaml:"from"`
	Under tree.Path `yaml:"under"` // of theirs
	// At is the place here; ${name} stands for the manager's name.
	At string `yaml:"at"`
	// Alerts says who alerts: Theirs or Ours.
	Alerts string `yaml:"alerts"`
}

// Allow says what users of other managers may do here at most.
type Allow struct {
	// Who is the name or ID of a manager, Integration for integration managers that this one
	// has joined, or "*" for all that are linked.
	Who   string     `yaml:"who"`
	Role  grant.Role `yaml:"role"`
	Under tree.Path  `yaml:"under"`
}

// Default is what holds without a file.
func Default() *Settings {
	return &Settings{
		Capacity: DefaultCapacity, AloneAfter: DefaultAloneAfter, Lives: DefaultLives,
		Allow:    []Allow{{Who: Integration, Role: grant.Operator}},
		Identity: []string{"address", "engine_id", "serial"},
	}
}

// keys are those of a file.
var keys = []string{
	"grove", "site", "listen", "ways", "proxy", "cluster", "integrate", "capacity", "stand_in", "move_loopback", "alone_after", "certificates_live",
	"branches", "allow", "identity", "same", "different", "prefer",
}

// Is says whether a text is a file of peers rather than one of something else: whether it has
// more keys of one than others.
func Is(file string, text []byte) bool {
	documents, errs := source.Read(file, text)
	if len(errs) > 0 || len(documents) == 0 {
		return false
	}
	ours, others := 0, 0
	for _, f := range documents[0].Value.Fields {
		switch {
		case f.Key == "grove":
		case slices.Contains(keys, f.Key):
			ours++
		default:
			others++
		}
	}
	return ours > others
}

// Read reads a file. It yields settings or errors, never both.
func Read(file string, text []byte) (*Settings, source.Errors) {
	documents, errs := source.Read(file, text)
	if len(errs) > 0 {
		return nil, errs
	}
	s := Default()
	if len(documents) == 0 {
		return s, nil
	}
	if len(documents) > 1 {
		errs.Add(documents[1].Pos, "a file of peers is one document")
	}
	v := &documents[0].Value
	if v.Null {
		return s, errs.Sorted()
	}
	errs.Append(v.Decode(s, source.DecodeOptions{What: "a file of peers", Allow: []string{"grove"}})...)
	if g, ok := v.Field("grove"); ok {
		if n, err := g.Int(); err != nil || n != 1 {
			errs.Add(g.Pos, "the version of this language is 1, not %s", g.Describe())
		}
	}
	if len(errs) == 0 {
		s.check(v, &errs)
	}
	if len(errs) > 0 {
		return nil, errs.Sorted()
	}
	return s, nil
}

// nameForm is what a site may be called.
var nameForm = regexp.MustCompile(`\A[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}\z`)

// check fills the defaults of lists and says what makes no sense, where it stands in v.
func (s *Settings) check(v *source.Value, errs *source.Errors) {
	add := func(path, format string, args ...any) { errs.Add(v.PosOf(path), format, args...) }
	if s.Site != "" && !nameForm.MatchString(s.Site) {
		add("site", "%.80q is no name of a site: letters, digits, dots, dashes", s.Site)
	}
	for _, list := range []struct {
		key       string
		addresses []string
	}{{"listen", s.Listen}, {"ways", s.Ways}} {
		if len(list.addresses) > MaxAddresses {
			add(list.key, "%d addresses are more than %d", len(list.addresses), MaxAddresses)
		}
		for i, a := range list.addresses {
			if err := CheckAddress(a, list.key == "listen"); err != nil {
				add(fmt.Sprintf("%s.%d", list.key, i), "%v", err)
			}
		}
	}
	if s.Proxy != "" {
		if u, err := url.Parse(s.Proxy); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			add("proxy", "the address of an HTTP proxy is wanted, without a password, such as http://proxy.example:3128")
		}
	}
	if c := s.Cluster; c != nil {
		if len(c.Servers) == 0 || len(c.Servers) > MaxAddresses {
			add("cluster", "servers: 1 to %d addresses are wanted, such as tls://nats1.example:4222", MaxAddresses)
		}
		if (c.Certificate == "") != (c.Key == "") {
			add("cluster", "certificate and key belong together")
		}
		if len(s.Listen) > 0 {
			add("listen", "with an external cluster nothing listens here: leave listen out, or cluster")
		}
	}
	if s.Capacity < 0 || s.Capacity > MaxCapacity {
		add("capacity", "%d devices are not between 0 and %d", s.Capacity, MaxCapacity)
	}
	if s.AloneAfter < time.Second || s.AloneAfter > 7*24*time.Hour {
		add("alone_after", "%s is not between 1s and 7d", s.AloneAfter)
	}
	if s.Lives < time.Hour || s.Lives > 72*time.Hour {
		add("certificates_live", "%s is not between 1h and 3d", s.Lives)
	}
	s.checkBranches(add)
	s.checkAllow(add)
	for _, l := range []struct {
		key   string
		names []string
	}{{"stand_in", s.StandIn}, {"identity", s.Identity}, {"prefer", s.Prefer}} {
		if len(l.names) > MaxRules {
			add(l.key, "%d names are more than %d", len(l.names), MaxRules)
		}
		for i, n := range l.names {
			if n == "" || slices.Index(l.names, n) < i {
				add(fmt.Sprintf("%s.%d", l.key, i), "%q is empty, or there already", n)
			}
		}
	}
	for _, l := range []struct {
		key  string
		sets [][]string
	}{{"same", s.Same}, {"different", s.Different}} {
		if len(l.sets) > MaxRules {
			add(l.key, "%d sets are more than %d", len(l.sets), MaxRules)
		}
		for i, set := range l.sets {
			if len(set) < 2 {
				add(fmt.Sprintf("%s.%d", l.key, i), "two devices or more are wanted, such as [\"berlin:switch-1\", \"hamburg:sw1\"]")
			}
			for k, d := range set {
				if manager, device, ok := strings.Cut(d, ":"); !ok || manager == "" || device == "" {
					add(fmt.Sprintf("%s.%d.%d", l.key, i, k), "%.80q: manager:device is wanted, such as berlin:switch-1", d)
				}
			}
		}
	}
}

func (s *Settings) checkBranches(add func(path, format string, args ...any)) {
	if len(s.Branches) > MaxBranches {
		add("branches", "%d branches are more than %d", len(s.Branches), MaxBranches)
	}
	for i := range s.Branches {
		b := &s.Branches[i]
		path := fmt.Sprintf("branches.%d", i)
		if b.From == "" {
			add(path, "from is missing: the name of a manager, or \"*\"")
		}
		if b.At == "" {
			b.At = DefaultAt
			if below := strings.TrimPrefix(b.Under.String(), "/"); below != "" {
				b.At += "/" + below
			}
		}
		if _, err := b.Place("name"); err != nil {
			add(path+".at", "%v", err)
		} else if b.From == "*" && !strings.Contains(b.At, "${name}") {
			add(path+".at", "with from \"*\" the place needs ${name}, so that each manager has its own")
		}
		switch b.Alerts {
		case "":
			b.Alerts = Theirs
		case Theirs, Ours:
		default:
			add(path+".alerts", "%.40q: theirs or ours is wanted", b.Alerts)
		}
	}
}

func (s *Settings) checkAllow(add func(path, format string, args ...any)) {
	if len(s.Allow) > MaxRules {
		add("allow", "%d rules are more than %d", len(s.Allow), MaxRules)
	}
	for i := range s.Allow {
		if a := &s.Allow[i]; a.Who == "" {
			add(fmt.Sprintf("allow.%d", i), "who is missing: the name of a manager, \"integration\" or \"*\"")
		}
	}
}

// Place is where the branch of a manager of that name hangs.
func (b *Branch) Place(name string) (tree.Path, error) {
	if rest := strings.ReplaceAll(b.At, "${name}", ""); strings.Contains(rest, "${") {
		return tree.Root, fmt.Errorf("%.80q: only ${name} can stand in it", b.At)
	}
	whole, err := tree.Root.Child(name)
	if err != nil {
		return tree.Root, err
	}
	p, err := tree.ParsePath(strings.ReplaceAll(b.At, "${name}", strings.TrimPrefix(whole.String(), "/")))
	if err == nil && p.IsRoot() {
		err = fmt.Errorf("a branch cannot hang at the root")
	}
	return p, err
}

// CheckAddress says whether a text is an address of a fabric: "tls://host:port", or
// "wss://host:port/path". Where a manager listens the host is an address of this machine.
func CheckAddress(text string, listen bool) error {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "tls" && u.Scheme != "wss" {
		return fmt.Errorf("%.120q: an address such as tls://grove.example:7443 or wss://grove.example:8443/peer is wanted", text)
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("%.120q: the host and the port are wanted, such as tls://grove.example:7443", text)
	}
	if u.Scheme == "tls" && u.Path != "" {
		return fmt.Errorf("%.120q: a tls address has no path", text)
	}
	if listen {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%.120q: an address of this machine is wanted, such as 0.0.0.0 for all", text)
		}
	}
	return nil
}
