// Package syslog is the channel that sends alerts to a syslog server: RFC 5424 over UDP
// (RFC 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425), as alarms of RFC 5674.
package syslog

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/template"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind.
type Options struct {
	Server     string      `yaml:"server" jsonschema:"description=Syslog server as host:port; without a port 514\\, or 6514 over TLS."`
	Protocol   string      `yaml:"protocol" jsonschema:"enum=udp,enum=tcp,enum=tls,description=How it is reached."`
	TLS        channel.TLS `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
	Facility   string      `yaml:"facility" jsonschema:"description=Facility: daemon\\, local0 to local7 and the like."`
	App        string      `yaml:"app" jsonschema:"description=Name of the application in the messages."`
	Host       string      `yaml:"host,omitempty" jsonschema:"description=Name of the host in the messages; that of the manager when empty."`
	Enterprise uint32      `yaml:"enterprise" jsonschema:"description=Private enterprise number in the name of grove's structured data; 32473 is that of examples."`

	// Title makes the text of a message without alerts; with alerts each has its own.
	Title string `yaml:"title,omitempty" jsonschema:"description=Template of the text of what is no alert; the title of the message when empty."`
}

// facilities are those of RFC 5424, table 1, by the names that syslog.conf has for them.
var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

// Kind returns the kind.
func Kind() channel.Kind {
	return channel.Kind{
		Name: "syslog", Doc: doc, Example: example,
		Options: func() any {
			return &Options{Protocol: "udp", Facility: "daemon", App: "grove", Enterprise: 32473}
		},
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("these are options of another kind: %T", options)
			}
			return newSender(w, o)
		},
	}
}

// sender is the channel. Over TCP and TLS each message has a connection of its own.
type sender struct {
	world         *channel.World
	options       *Options
	host, address string
	facility      int
	wording       template.Wording
}

func newSender(w *channel.World, o *Options) (*sender, error) {
	s := &sender{world: w, options: o, facility: slices.Index(facilities, o.Facility)}
	port := 514
	if o.Protocol == "tls" {
		port = 6514
	}
	var err error
	if s.host, s.address, err = channel.Address("server", o.Server, port); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains([]string{"udp", "tcp", "tls"}, o.Protocol):
		return nil, channel.BadOption("protocol", "%q is none of udp, tcp and tls", template.Truncate(o.Protocol, 50))
	case o.Protocol != "tls" && o.TLS != (channel.TLS{}):
		return nil, channel.BadOption("tls", "is of no use with protocol %s", o.Protocol)
	case s.facility < 0:
		return nil, channel.BadOption("facility", "%q is none of %s", template.Truncate(o.Facility, 50), strings.Join(facilities, ", "))
	case o.App == "" || name(o.App, 48) != o.App:
		return nil, channel.BadOption("app", "%q is not 1 to 48 characters of printable ASCII without blanks", template.Truncate(o.App, 100))
	case o.Host != "" && name(o.Host, 255) != o.Host:
		return nil, channel.BadOption("host", "%q is not printable ASCII without blanks", template.Truncate(o.Host, 100))
	case o.Enterprise == 0:
		return nil, channel.BadOption("enterprise", "is missing: 32473 is the number of examples")
	}
	s.wording, err = template.Options{Title: o.Title}.New()
	return s, err
}

// Close implements channel.Channel.
func (s *sender) Close() error { return nil }

// Send implements channel.Channel.
func (s *sender) Send(ctx context.Context, m *channel.Message) error {
	records := s.records(m)
	var err error
	if s.options.Protocol == "udp" {
		err = s.datagrams(ctx, records)
	} else {
		err = s.stream(ctx, records)
	}
	if err != nil {
		return errors.New(template.Truncate(template.OneLine(err.Error()), 500))
	}
	return nil
}

// datagrams sends each record on its own. Nobody says that it arrived.
func (s *sender) datagrams(ctx context.Context, records []string) error {
	conn, err := s.world.Dial(ctx, "udp", s.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	for _, r := range records {
		if _, err := io.WriteString(conn, r); err != nil {
			return err
		}
	}
	return nil
}

// farewell is how long a server has to close its end after the last record.
const farewell = 5 * time.Second

// stream sends all records over one connection, and then waits for the server to close it
// as well: one that has gone in the meantime breaks it off instead, and the records are sent
// again. TCP's own acknowledgement says only that they arrived at the machine. A server that
// closes nothing is taken at its word.
func (s *sender) stream(ctx context.Context, records []string) error {
	conn, err := s.world.Dial(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer func() { conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if s.options.Protocol == "tls" {
		config, err := s.world.TLS(s.options.TLS, s.host)
		if err != nil {
			return err
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = secure
	}
	for _, r := range records {
		if _, err := fmt.Fprintf(conn, "%d %s", len(r), r); err != nil {
			return err
		}
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := conn.SetReadDeadline(time.Now().Add(farewell)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
	var late net.Error
	if ctx.Err() == nil && errors.As(err, &late) && late.Timeout() {
		return nil
	}
	return err
}
