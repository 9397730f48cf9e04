package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"

	client "github.com/prometheus/client_golang/prometheus"

	"grove/runtime/probe/builtin"
	"grove/runtime/receive"
	"grove/runtime/receive/alertmanager"
	"grove/runtime/receive/allowance"
	"grove/runtime/receive/cloudevent"
	"grove/runtime/receive/graphite"
	"grove/runtime/receive/otlp"
	"grove/runtime/receive/remotewrite"
	"grove/runtime/receive/statsd"
	"grove/runtime/receive/syslog"
	"grove/runtime/receive/trap"
	"grove/tree/grant"
	"grove/tree/store/drawer"
	"grove/viewer"
)

// ReceiverConfig says at which addresses grove takes what others send in protocols of
// their own. Each is host:port; empty: nothing is taken there. What comes over HTTP is
// taken by the web server.
type ReceiverConfig struct {
	Traps     string // SNMP traps and informs, UDP
	Syslog    string // messages of syslog, UDP and TCP
	SyslogTLS string // messages of syslog over TLS, with the web server's certificate
	OTLP      string // metrics and logs of OpenTelemetry by gRPC, TCP
	StatsD    string // lines of StatsD, UDP and TCP
	Graphite  string // lines of Graphite, UDP and TCP
	// From are the addresses and networks that may send: such protocols know no login, so
	// that an address that others can reach needs it.
	From []string
}

// What one address may send by remote write.
const (
	samplesPerSecond = 500_000
	samplesAtOnce    = 2_000_000
)

// engineBytes is the length of the identity of an engine of SNMP.
const engineBytes = 17

// receivers take what others send, for the probes that wait for it.
type receivers struct {
	traps    *trap.Hub
	writes   *remotewrite.Hub
	otlp     *otlp.Hub
	syslog   *syslog.Hub
	alerts   *alertmanager.Hub
	events   *cloudevent.Hub
	statsd   *statsd.Hub
	graphite *graphite.Hub
	counts   []receiverCount
}

// receiverCount is what became of the messages of one receiver.
type receiverCount struct {
	name string
	read func() receive.Counts
}

// intake is an address at which a receiver takes messages.
type intake struct {
	flag, address string
	packets       func(context.Context, net.PacketConn) error // by UDP; nil: not so
	stream        func(context.Context, net.Listener) error   // by TCP; nil: not so
	secure        bool                                        // the stream is TLS
}

// check refuses what cannot work; secured says that the web server has a certificate. The
// error names the flag.
func (c *ReceiverConfig) check(secured bool) (sources []netip.Prefix, err error) {
	for _, text := range c.From {
		prefix, err := parseSource(text)
		if err != nil {
			return nil, fmt.Errorf("--receive-from %q: an address or a network is wanted, such as 192.0.2.7 or 10.0.0.0/8", text)
		}
		sources = append(sources, prefix)
	}
	for _, l := range (&receivers{}).intakes(c) {
		if l.address == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(l.address); err != nil {
			return nil, fmt.Errorf("--%s %q: host:port is wanted, such as 127.0.0.1:1162", l.flag, l.address)
		}
		if l.secure && !secured {
			return nil, fmt.Errorf("--%s takes the certificate of the web server: give --tls-cert and --tls-key", l.flag)
		}
		if !viewer.IsLoopback(l.address) && len(sources) == 0 {
			return nil, fmt.Errorf("--%s %s: others can send to this address, and its protocol knows no login: say who may, with --receive-from 10.0.0.0/8", l.flag, l.address)
		}
	}
	return sources, nil
}

func parseSource(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix.Masked(), err
}

// errMayNotSend is told to senders.
var errMayNotSend = errors.New("you may not send to the probes that want this: it takes the role operator where they hang")

// openReceivers makes the receivers, before the probes that wait for them.
func (a *App) openReceivers(p policies) {
	may := func(ctx context.Context, instance string) error {
		at, _ := a.where(instance)
		switch s := grant.Of(ctx); {
		case a.Guard.May(s, grant.Operator, at):
			return nil
		case a.Guard.Sees(s, at):
			return errMayNotSend
		}
		return receive.ErrHidden
	}
	r := &a.receivers
	r.traps = trap.NewHub(trap.Options{Secrets: p.secrets, Files: p.files, Sources: p.sources, EngineID: a.engineID(), Keep: a.past.keep})
	samples := allowance.New[netip.Addr](samplesPerSecond, samplesAtOnce)
	r.writes = remotewrite.NewHub(remotewrite.Options{May: may, Allow: samples.Take})
	r.otlp = otlp.NewHub(otlp.Options{May: may, Sources: p.sources, Admitted: func(ctx context.Context) context.Context {
		return grant.With(ctx, grant.Itself)
	}})
	r.statsd = statsd.NewHub(statsd.Options{Sources: p.sources})
	r.graphite = graphite.NewHub(graphite.Options{Sources: p.sources})
	r.alerts = alertmanager.NewHub(alertmanager.Options{May: may})
	r.events = cloudevent.NewHub(cloudevent.Options{May: may})
	r.syslog = syslog.NewHub(syslog.Options{Sources: p.sources})
	r.counts = []receiverCount{
		{"syslog", func() receive.Counts { return r.syslog.Stats().Counts }},
		{"alertmanager", func() receive.Counts { return r.alerts.Stats().Counts }},
		{"cloudevents", func() receive.Counts { return r.events.Stats().Counts }},
		{"statsd", func() receive.Counts { return r.statsd.Stats().Counts }},
		{"graphite", r.graphite.Stats},
		{"traps", func() receive.Counts { return r.traps.Stats().Counts }},
		{"otlp_metrics", func() receive.Counts { return r.otlp.Stats().Samples }},
		{"otlp_logs", func() receive.Counts { return r.otlp.Stats().Records }},
		{"remote_write", func() receive.Counts { return r.writes.Stats().Counts }},
	}
}

// engineID is the identity of this manager as a receiver of version 3, kept over restarts
// as RFC 3411, section 5, asks: an enterprise's number with the highest bit set, here that
// of net-snmp since grove has none, and octets of its own.
func (a *App) engineID() []byte {
	const name = "engine"
	ctx, cancel := context.WithTimeout(context.Background(), markWithin)
	defer cancel()
	identity := drawer.New(a.past.facts, "snmp engine", 1)
	if text, ok, err := identity.Text(ctx, name); err == nil && ok {
		if id, err := hex.DecodeString(text); err == nil && len(id) == engineBytes {
			return id
		}
	}
	id := append([]byte{0x80, 0, 0x1f, 0x88, 5}, make([]byte, engineBytes-5)...)
	_, _ = rand.Read(id[5:]) // It never fails.
	if err := identity.Change(ctx, []drawer.Item{{Name: name, Text: hex.EncodeToString(id)}}, nil); err != nil {
		a.log.Warn("The identity of the receiver of traps could not be kept: senders of version 3 learn another after a restart.", "err", err)
	}
	return id
}

// into lets probes find their receivers.
func (r *receivers) into(o *builtin.Options) {
	o.Alerts, o.Events, o.Syslog = r.alerts, r.events, r.syslog
	o.Traps, o.RemoteWrite, o.OTLP, o.StatsD, o.Graphite = r.traps, r.writes, r.otlp, r.statsd, r.graphite
}

// intakes are all addresses that may be asked for.
func (r *receivers) intakes(c *ReceiverConfig) []intake {
	return []intake{
		{flag: "traps", address: c.Traps, packets: r.traps.Serve},
		{flag: "syslog", address: c.Syslog, packets: r.syslog.Serve, stream: r.syslog.ServeStream},
		{flag: "syslog-tls", address: c.SyslogTLS, stream: r.syslog.ServeStream, secure: true},
		{flag: "otlp", address: c.OTLP, stream: r.otlp.Serve},
		{flag: "statsd", address: c.StatsD, packets: r.statsd.Packets, stream: r.statsd.Stream},
		{flag: "graphite", address: c.Graphite, packets: r.graphite.Packets, stream: r.graphite.Stream},
	}
}

// mounts are what the web server takes for receivers. Who may send to which probes each
// finds out by itself.
func (r *receivers) mounts() []viewer.Mount {
	return []viewer.Mount{{Prefix: remotewrite.Path, Handler: r.writes.Handler()}, {Prefix: otlp.Prefix, Handler: r.otlp.Handler()}, {Prefix: alertmanager.Path, Handler: r.alerts.Handler()}, {Prefix: cloudevent.Path, Handler: r.events.Handler()}}
}

// takeIn binds the addresses and serves them until the manager stops.
func (a *App) takeIn() error {
	for _, l := range a.receivers.intakes(&a.config.Receivers) {
		if l.address == "" {
			continue
		}
		if l.packets != nil {
			conn, err := net.ListenPacket("udp", l.address)
			if err != nil {
				return fmt.Errorf("--%s: %w", l.flag, err)
			}
			a.log.Info("taking messages", "receiver", l.flag, "address", "udp://"+conn.LocalAddr().String())
			a.run(l.flag, func(ctx context.Context) error { return l.packets(ctx, conn) })
		}
		if l.stream != nil {
			ln, err := net.Listen("tcp", l.address)
			if err != nil {
				return fmt.Errorf("--%s: %w", l.flag, err)
			}
			if l.secure {
				config := a.tlsConfig().Clone()
				config.NextProtos = nil // It is not HTTP.
				ln = tls.NewListener(ln, config)
			}
			a.log.Info("taking messages", "receiver", l.flag, "address", "tcp://"+ln.Addr().String())
			a.run(l.flag, func(ctx context.Context) error {
				if err := l.stream(ctx, ln); !errors.Is(err, net.ErrClosed) {
					return err
				}
				return nil
			})
		}
	}
	return nil
}

var receiverMessages = desc("receiver_messages_total", "Messages, samples or lines that came to receivers, by what became of them.", "receiver", "outcome")

var trapsRefused = desc("traps_refused_total", "SNMP traps and informs that were not taken, by why; kernel are those that came while the socket's buffer was full.", "reason")

// Describe implements client.Collector.
func (r *receivers) Describe(ch chan<- *client.Desc) {
	ch <- receiverMessages
	ch <- trapsRefused
}

// Collect implements client.Collector.
func (r *receivers) Collect(ch chan<- client.Metric) {
	counter := func(v uint64, labels ...string) {
		ch <- client.MustNewConstMetric(receiverMessages, client.CounterValue, float64(v), labels...)
	}
	for _, c := range r.counts {
		counts := c.read()
		counter(counts.Applied, c.name, "applied")
		for _, reason := range receive.Reasons() {
			counter(counts.Refused[reason], c.name, reason.String())
		}
	}
	refusals := r.traps.Stats().Refusals
	for _, reason := range trap.Reasons() {
		ch <- client.MustNewConstMetric(trapsRefused, client.CounterValue, float64(refusals[reason]), reason.String())
	}
}
