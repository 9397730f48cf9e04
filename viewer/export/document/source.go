package document

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document/markup"
)

// Managers are the managers that a document can tell of.
type Managers interface {
	// Managers lists this manager first, then those whose trees are joined to its own.
	// It is called for each document, from many goroutines; the list is not changed.
	Managers() []Manager
}

// Manager is one manager: where it is, and where its tree hangs in this one.
type Manager struct {
	ID   string // unique among those joined, and the same after a restart
	Name string
	// Integration says that others register with it and that it joins their trees.
	Integration bool
	Version     string // of the program
	Host        string // name of the machine that it runs on
	Address     string // where its server is: "http://web1.example:7440"
	Portal      string // page for people; empty: the address
	Description string
	Location    string
	Contacts    []string
	// Failover names the manager (ID) that takes over when this one fails.
	Failover string
	// Top is where its tree hangs: the root for this manager, "/peers/em2" for another.
	Top       tree.Path
	Instances []Instance
}

// Instance is one use of a definition.
type Instance struct {
	Name        string
	Application string // the definition's name
	Title       string
	Description string
	Where       tree.Path
	Kinds       []string // of its probes: "host", "http"
	// Parameters are the values that it was given or has by default. Only that of
	// "address", "url" or a name that ends in _url or _address is looked at, for the
	// address; no other is told.
	Parameters map[string]any
	Errors     []string // what is wrong with it now
}

// Query says what a document is to tell of. The zero value is everything, but for
// Depth, of which zero means no attributes.
type Query struct {
	Path     tree.Path // the subtree
	Depth    int       // levels of attributes below each element; negative: all
	Manager  string    // ID of the only manager; empty: all
	Customer string    // the only customer; empty: all
}

// Options are the surroundings of a Maker.
type Options struct {
	Tree *tree.Tree
	// Guard says who sees what; who asks stands in the context.
	Guard    *grant.Guard
	Managers Managers
	// Version of the program, which documents name as what made them.
	Version string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// MaxNodes bounds the nodes of the tree that one document may tell of; zero is
	// DefaultMaxNodes.
	MaxNodes int
}

// DefaultMaxNodes bounds a document to about 50 MB of memory.
const DefaultMaxNodes = 250_000

// Errors of a query. They are wrapped with what to do.
var (
	ErrTooLarge   = errors.New("the document is too large")
	ErrNoManager  = errors.New("no such manager")
	ErrNoCustomer = errors.New("no such customer")
)

// Maker makes documents. It may be used from many goroutines.
type Maker struct{ opts Options }

// NewMaker checks the options.
func NewMaker(o Options) (*Maker, error) {
	if o.Tree == nil || o.Guard == nil || o.Managers == nil {
		return nil, errors.New("document: a tree, who sees what of it, and the managers are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxNodes <= 0 {
		o.MaxNodes = DefaultMaxNodes
	}
	return &Maker{opts: o}, nil
}

// Look tells the tree that somebody looks at a part of it, so that what is only probed
// when it is looked at is. What is hidden from whoever asks he does not look at.
func (m *Maker) Look(ctx context.Context, p tree.Path) {
	if m.opts.Guard.May(grant.Of(ctx), grant.Viewer, p) {
		m.opts.Tree.Look(p)
	}
}

// Now is the time by the maker's clock.
func (m *Maker) Now() time.Time { return m.opts.Now() }

// role says by its probes what an instance watches.
func (i *Instance) role() Role {
	for _, k := range i.Kinds {
		switch k {
		case "host":
			return Host
		case "snmp":
			return Device
		}
	}
	return Service
}

// address returns where the instance reaches what it watches, as far as its parameters
// say so.
func (i *Instance) address() string {
	for _, known := range []func(string) bool{
		func(k string) bool { return k == "address" },
		func(k string) bool { return k == "url" },
		func(k string) bool { return strings.HasSuffix(k, "_url") },
		func(k string) bool { return strings.HasSuffix(k, "_address") },
	} {
		best := ""
		for k := range i.Parameters {
			if known(k) && (best == "" || k < best) {
				best = k
			}
		}
		if best != "" {
			if text := fmt.Sprint(i.Parameters[best]); text != "" {
				return withoutSecrets(text)
			}
		}
	}
	return ""
}

// withoutSecrets takes what may be secret out of an address: the user, and of a URL all
// that follows the path.
func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		address, _, _ = strings.Cut(address, "?")
		return address[strings.LastIndexByte(address, '@')+1:]
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// portalOf takes the user out of the address of a page. Another text is told as it is.
func portalOf(text string) string {
	if link, ok := markup.Link(text); ok {
		return link
	}
	return text
}

// hostOf returns the host name or IP address in an address: "shop.example" of
// "https://shop.example:8443/a", "10.0.0.1" of "10.0.0.1:161".
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Hostname()
	}
	if strings.ContainsAny(address, "/ ") {
		return ""
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}
