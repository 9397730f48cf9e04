// Package trap is the channel that tells managers of networks by SNMP: a notification of
// version 2c or 3, trap or inform, for each alert of a message, in the form of the
// ALARM-MIB (RFC 3877), with what grove knows besides below an enterprise OID (see
// GROVE-MIB.txt).
package trap

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"grove/notify/channel"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// MIB names what stands below grove's own OID, for receivers.
//
//go:embed GROVE-MIB.txt
var MIB string

// Kind describes the channel.
func Kind() channel.Kind {
	return channel.Kind{
		Name:    "trap",
		Doc:     doc,
		Example: example,
		Options: func() any {
			return &Options{Version: "2c", Enterprise: DefaultEnterprise, Timeout: 2 * time.Second, Retries: 2}
		},
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options of the kind trap are no %T", options)
			}
			return newSender(w, o)
		},
	}
}

// Options of the channel.
type Options struct {
	Targets      []string      `yaml:"targets" jsonschema:"description=Where notifications are sent: host:port each; port 162 when it is left out.,minItems=1,maxItems=16"`
	Version      string        `yaml:"version" jsonschema:"description=Version of SNMP.,enum=2c,enum=3,default=2c"`
	Inform       bool          `yaml:"inform,omitempty" jsonschema:"description=Send informs\\, which receivers acknowledge\\, in place of traps\\, of whose loss nobody hears."`
	Community    string        `yaml:"community,omitempty" jsonschema:"description=Reference to the community\\, of version 2c: file:/path\\, env:NAME or credential:NAME."`
	User         string        `yaml:"user,omitempty" jsonschema:"description=Name of the user\\, of version 3."`
	Auth         string        `yaml:"auth,omitempty" jsonschema:"description=Protocol of authentication: MD5\\, SHA\\, SHA224\\, SHA256\\, SHA384 or SHA512."`
	AuthPassword string        `yaml:"auth_password,omitempty" jsonschema:"description=Reference to the password of authentication."`
	Priv         string        `yaml:"priv,omitempty" jsonschema:"description=Protocol of encryption: DES\\, AES\\, AES192\\, AES256\\, AES192C or AES256C; those with a C are as Cisco makes their keys."`
	PrivPassword string        `yaml:"priv_password,omitempty" jsonschema:"description=Reference to the password of encryption."`
	Context      string        `yaml:"context,omitempty" jsonschema:"description=Name of the context\\, of version 3."`
	EngineID     string        `yaml:"engine_id,omitempty" jsonschema:"description=Identity of grove as a sender of traps of version 3\\, 5 to 32 bytes in hexadecimal; made of the manager's name when empty."`
	Enterprise   string        `yaml:"enterprise,omitempty" jsonschema:"description=OID below which grove's own objects stand\\, see GROVE-MIB.,default=1.3.6.1.4.1.8072.9999.9999.471"`
	Timeout      time.Duration `yaml:"timeout,omitempty" jsonschema:"description=How long to wait for the answer to an inform each time.,default=2s"`
	Retries      int           `yaml:"retries,omitempty" jsonschema:"description=How often an inform is sent again when no answer comes.,default=2"`
}

// Bounds of the options.
const (
	maxTargets   = 16
	maxTimeout   = 30 * time.Second
	maxRetries   = 10
	maxCommunity = 64 // bytes, as a file may hold anything
)

// check says which option is wrong, and fills in ports.
func (o *Options) check(w *channel.World) error {
	if len(o.Targets) == 0 || len(o.Targets) > maxTargets {
		return channel.BadOption("targets", "%d targets: there must be 1 to %d", len(o.Targets), maxTargets)
	}
	for i, t := range o.Targets {
		if _, err := hostPort(t); err != nil {
			return channel.BadOption(fmt.Sprintf("targets[%d]", i), "%w", err)
		}
	}
	if _, err := newOIDs(o.Enterprise); err != nil {
		return channel.BadOption("enterprise", "%w", err)
	}
	switch {
	case o.Timeout <= 0 || o.Timeout > maxTimeout:
		return channel.BadOption("timeout", "%v is not within 0 and %v", o.Timeout, maxTimeout)
	case o.Retries < 0 || o.Retries > maxRetries:
		return channel.BadOption("retries", "%d is not within 0 and %d", o.Retries, maxRetries)
	}
	switch o.Version {
	case "2c":
		return o.checkCommunity(w)
	case "3":
		return o.checkUser(w)
	}
	return channel.BadOption("version", "%q is neither 2c nor 3", o.Version)
}

func (o *Options) checkCommunity(w *channel.World) error {
	if o.User != "" || o.Auth != "" || o.Priv != "" || o.AuthPassword != "" || o.PrivPassword != "" || o.Context != "" || o.EngineID != "" {
		return channel.BadOption("version", "user, auth, priv, context and engine_id are of version 3, not of 2c")
	}
	if o.Community == "" {
		return channel.BadOption("community", "version 2c needs one")
	}
	if err := w.CheckSecret(o.Community); err != nil {
		return channel.BadOption("community", "%w", err)
	}
	return nil
}

// hostPort completes a target by the port of notifications: RFC 3417 section 3.1.
func hostPort(target string) (string, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		target = net.JoinHostPort(strings.Trim(target, "[]"), "162")
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || port == "" || strings.ContainsAny(host, " /@") {
		return "", fmt.Errorf("%q is no host:port", target)
	}
	return target, nil
}

// sender is the channel.
type sender struct {
	w       *channel.World
	o       *Options
	targets []string
	oids    *oids
	engine  *engine
	// told is, by the key of a message that did not reach all targets, how many of its
	// notifications each has got: what is sent again repeats as little as can be.
	told map[string][]int
}

// maxTold bounds the messages of which that is known; then all of it is forgotten.
const maxTold = 256

func newSender(w *channel.World, o *Options) (*sender, error) {
	if err := o.check(w); err != nil {
		return nil, err
	}
	s := &sender{w: w, o: o, told: map[string][]int{}}
	s.oids, _ = newOIDs(o.Enterprise) // check has read it
	for _, t := range o.Targets {
		target, _ := hostPort(t) // likewise
		s.targets = append(s.targets, target)
	}
	id, err := engineID(o.EngineID, w.Manager)
	if err != nil {
		return nil, channel.BadOption("engine_id", "%w", err)
	}
	s.engine = newEngine(id)
	return s, nil
}

// Send implements channel.Channel. A trap counts as accepted once it is on its way: nothing
// says that it arrived, unless the network says at once that it did not.
func (s *sender) Send(ctx context.Context, m *channel.Message) error {
	keys, err := s.credentials()
	if err != nil {
		return err
	}
	all := s.oids.notifications(m)
	told := s.told[m.Key]
	if told == nil {
		told = make([]int, len(s.targets))
	}
	var errs []error
	for i, target := range s.targets {
		if told[i] == len(all) {
			continue
		}
		if err := s.tell(ctx, target, keys, all, &told[i]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", target, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 {
		delete(s.told, m.Key)
		return nil
	}
	if len(s.told) >= maxTold {
		clear(s.told)
	}
	s.told[m.Key] = told
	return together(errs)
}

// together joins what went wrong with targets: it is permanent when all of it is.
func together(errs []error) error {
	for _, err := range errs {
		if !channel.IsPermanent(err) {
			return errors.New(strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; "))
		}
	}
	return errors.Join(errs...)
}

// tell sends one target what it has not got yet, and counts on.
func (s *sender) tell(ctx context.Context, target string, keys *credentials, all []notification, told *int) error {
	conn, err := s.w.Dial(ctx, "udp", target)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { stop(); _ = conn.Close() }()
	x := &exchange{conn: conn, keys: keys, engine: s.engine, timeout: s.o.Timeout, retries: s.o.Retries}
	for *told < len(all) {
		n := all[*told]
		if s.o.Inform {
			err = x.inform(n.varbinds(s.engine.uptime()))
		} else {
			err = x.trap(n.varbinds(s.engine.uptime()))
		}
		if err != nil {
			break
		}
		*told++
	}
	if err == nil && !s.o.Inform {
		err = x.refused()
	}
	if err != nil && !s.o.Inform {
		*told = 0 // those before may be lost, too
	}
	return failure(ctx, err)
}

// failure says why something was not sent: the end of ctx closes the socket.
func failure(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Close implements channel.Channel.
func (s *sender) Close() error { return nil }
