// Package builtin is the registry of all kinds of probes that come with grove, and
// what the definition language sees of them.
package builtin

import (
	"errors"
	"fmt"

	"grove/beans"
	"grove/runtime/discover/dnssrv"
	"grove/runtime/discover/httpsd"
	"grove/runtime/discover/snmprange"
	"grove/runtime/discover/targets"
	"grove/runtime/probe"
	"grove/runtime/probe/certificate"
	"grove/runtime/probe/cgroup"
	"grove/runtime/probe/command"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/dns"
	"grove/runtime/probe/document"
	"grove/runtime/probe/files"
	"grove/runtime/probe/gostats"
	"grove/runtime/probe/grpchealth"
	"grove/runtime/probe/host"
	"grove/runtime/probe/http"
	"grove/runtime/probe/icmp"
	"grove/runtime/probe/jmxproxy"
	"grove/runtime/probe/jolokia"
	"grove/runtime/probe/journal"
	"grove/runtime/probe/kubelet"
	"grove/runtime/probe/kubernetes"
	"grove/runtime/probe/ldap"
	"grove/runtime/probe/logfile"
	"grove/runtime/probe/mail"
	"grove/runtime/probe/memcached"
	"grove/runtime/probe/ntp"
	"grove/runtime/probe/process"
	"grove/runtime/probe/prometheus"
	"grove/runtime/probe/promquery"
	"grove/runtime/probe/redis"
	"grove/runtime/probe/remotelog"
	"grove/runtime/probe/sapcontrol"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp"
	"grove/runtime/probe/sql"
	"grove/runtime/probe/ssh"
	"grove/runtime/probe/tcp"
	"grove/runtime/probe/websocket"
	"grove/runtime/receive"
	"grove/runtime/receive/alertmanager"
	"grove/runtime/receive/cloudevent"
	"grove/runtime/receive/graphite"
	"grove/runtime/receive/otlp"
	"grove/runtime/receive/push"
	"grove/runtime/receive/remotewrite"
	"grove/runtime/receive/statsd"
	"grove/runtime/receive/syslog"
	"grove/runtime/receive/trap"
	"grove/tree/definition"
)

// Options say what probes may do. The zero value is each policy's default.
type Options struct {
	Dial     *dial.Policy    // the addresses that may be connected to
	Commands *command.Policy // the programs that may be run
	Secrets  *secret.Policy  // the files and variables that secrets may be in
	Files    *files.Policy   // the files that may be read
	// Mailboxes is where what programs push finds its probes; nil stands for some
	// that nobody pushes to.
	Mailboxes *receive.Mailboxes
	// RemoteWrite is where samples of Prometheus' remote write arrive; nil stands for one
	// that gets none.
	RemoteWrite *remotewrite.Hub
	// OTLP is where metrics and logs of OpenTelemetry arrive; nil stands for one that gets none.
	OTLP *otlp.Hub
	// Alerts and Events are where Alertmanager's alerts and CloudEvents arrive; nil stands for one that gets none.
	Alerts *alertmanager.Hub
	Events *cloudevent.Hub
	// StatsD and Graphite are where lines of these protocols arrive; nil stands for one that gets none.
	StatsD   *statsd.Hub
	Graphite *graphite.Hub
	// Traps is where SNMP traps and informs arrive; nil stands for one that gets none.
	Traps *trap.Hub
	// Syslog is where messages of syslog arrive; nil stands for one that gets none.
	Syslog *syslog.Hub
}

// Registry returns a new registry of all kinds.
func Registry(o Options) *probe.Registry {
	if o.Mailboxes == nil {
		o.Mailboxes = new(receive.Mailboxes)
	}
	if o.RemoteWrite == nil {
		o.RemoteWrite = remotewrite.NewHub(remotewrite.Options{})
	}
	if o.OTLP == nil {
		o.OTLP = otlp.NewHub(otlp.Options{})
	}
	if o.Alerts == nil {
		o.Alerts = alertmanager.NewHub(alertmanager.Options{})
	}
	if o.Events == nil {
		o.Events = cloudevent.NewHub(cloudevent.Options{})
	}
	if o.StatsD == nil {
		o.StatsD = statsd.NewHub(statsd.Options{})
	}
	if o.Graphite == nil {
		o.Graphite = graphite.NewHub(graphite.Options{})
	}
	if o.Syslog == nil {
		o.Syslog = syslog.NewHub(syslog.Options{})
	}
	if o.Traps == nil {
		o.Traps = trap.NewHub(trap.Options{Secrets: o.Secrets, Files: o.Files})
	}
	return probe.NewRegistry(
		certificate.Kind(o.Dial, o.Secrets, o.Files),
		cgroup.Kind(o.Files),
		command.Kind(o.Commands, o.Dial, o.Secrets),
		dns.Kind(o.Dial, o.Secrets),
		dnssrv.Kind(o.Dial),
		document.Kind(document.Policies{Dial: o.Dial, Files: o.Files, Secrets: o.Secrets}),
		gostats.Kind(),
		alertmanager.Kind(o.Alerts),
		cloudevent.Kind(o.Events),
		graphite.Kind(o.Graphite),
		grpchealth.Kind(o.Dial, o.Secrets),
		host.Kind(),
		http.Kind(o.Dial, http.Secrets(o.Secrets)),
		httpsd.Kind(o.Dial, o.Secrets),
		icmp.Kind(o.Dial),
		jmxproxy.Kind(o.Dial, jmxproxy.Secrets(o.Secrets)),
		jolokia.Kind(o.Dial, jolokia.Secrets(o.Secrets)),
		journal.Kind(o.Commands, o.Files),
		kubelet.Kind(o.Dial, o.Secrets),
		kubernetes.Kind(o.Dial, o.Secrets),
		ldap.Kind(o.Dial, o.Secrets),
		logfile.Kind(o.Files),
		mail.Delivery(o.Dial, o.Secrets),
		mail.IMAP(o.Dial, o.Secrets),
		mail.Queue(o.Files),
		mail.SMTP(o.Dial, o.Secrets),
		memcached.Kind(o.Dial),
		ntp.Kind(o.Dial),
		otlp.Kind(o.OTLP),
		otlp.LogKind(o.OTLP),
		process.Kind(o.Files),
		prometheus.Kind(o.Dial, o.Secrets),
		promquery.Kind(o.Dial, o.Secrets),
		push.Kind(o.Mailboxes),
		redis.Kind(o.Dial, o.Secrets),
		remotelog.Kind(o.Dial, o.Secrets),
		remotewrite.Kind(o.RemoteWrite),
		sapcontrol.Kind(o.Dial, sapcontrol.Secrets(o.Secrets)),
		snmp.Kind(o.Dial, snmp.Secrets(o.Secrets), snmp.Files(o.Files)),
		snmprange.Kind(o.Dial, o.Secrets),
		sql.Kind(o.Dial, o.Secrets),
		ssh.Kind(o.Dial, o.Secrets),
		statsd.Kind(o.StatsD),
		syslog.Kind(o.Syslog),
		targets.Kind(o.Files),
		tcp.Kind(o.Dial),
		trap.Kind(o.Traps),
		websocket.Kind(o.Dial, o.Secrets),
	)
}

// Kinds shows a registry to the definition language.
type Kinds struct{ Registry *probe.Registry }

var _ definition.Kinds = Kinds{}

// KindNames implements definition.Kinds.
func (k Kinds) KindNames() []string { return k.Registry.Names() }

// NewOptions implements definition.Kinds.
func (k Kinds) NewOptions(kind string) (options any, ok bool) {
	known, ok := k.Registry.Kind(kind)
	if !ok {
		return nil, false
	}
	return known.NewOptions(), true
}

// Attributes implements definition.Kinds: it makes a probe, asks it, and closes it.
func (k Kinds) Attributes(kind string, options any) ([]beans.AttributeInfo, error) {
	known, ok := k.Registry.Kind(kind)
	if !ok {
		return nil, fmt.Errorf("%w %q", probe.ErrUnknownKind, kind)
	}
	p, err := known.New(options)
	var bad *probe.OptionError
	switch {
	case errors.As(err, &bad):
		return nil, &definition.OptionError{Option: bad.Option, Err: bad.Err}
	case err != nil:
		return nil, err
	}
	attributes := p.Attributes()
	return attributes, p.Close()
}

// Pushes implements definition.Kinds.
func (k Kinds) Pushes(kind string) bool {
	known, ok := k.Registry.Kind(kind)
	return ok && known.Pushes
}
