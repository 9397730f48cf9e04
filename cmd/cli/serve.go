package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"grove/cmd/app"
)

// stopWithin bounds the shutdown, a little below the 15 seconds that users are told.
const stopWithin = 13 * time.Second

// serveCommand runs a manager.
type serveCommand struct {
	Listen      string   `help:"Address of the web server; port 0 picks a free one." default:"127.0.0.1:7440" placeholder:"HOST:PORT"`
	Data        string   `help:"Directory that belongs to this grove alone." default:"data" placeholder:"DIR"`
	Definitions string   `help:"Drop-in directory of definitions and instances; default: definitions in the data directory." placeholder:"DIR"`
	Name        string   `help:"Name of this grove, to others and in what it sends them; default: the name of the host." placeholder:"NAME"`
	Host        []string `help:"Further names by which browsers may ask for the server." placeholder:"NAME"`
	Insecure    bool     `help:"Speak plain HTTP on an address that others can reach: passwords go over the network as they are."`
	Dial        []string `help:"Addresses that probes may connect to: addresses, networks, loopback, private, link-local, metadata, all; ! before one refuses it. Default: all but metadata services." placeholder:"RULE"`
	Commands    []string `help:"Programs that probes may run: files, directories ending in /, or all. Default: the plugin directories of the distributions." placeholder:"RULE"`
	Files       []string `help:"Directories whose files definitions may read: logs, documents. Default: every file that grove can read." placeholder:"DIR"`
	Secrets     []string `help:"Directories that secrets may be read from. Default: every file that grove can read." placeholder:"DIR"`

	Database         string `help:"Where facts are kept: a file, or postgres://USER@HOST/DATABASE, which several groves may share. Default: facts.db in the data directory." placeholder:"FILE|URL" group:"What is kept"`
	DatabasePassword string `help:"Where the password of the database is: file:/path, env:NAME or credential:NAME." placeholder:"REF" group:"What is kept"`
	HistoryKeep      days   `help:"How long readings are kept as they came." default:"15d" placeholder:"TIME" group:"What is kept"`
	HistoryLong      days   `help:"How long they are kept merged into five minutes each." default:"400d" placeholder:"TIME" group:"What is kept"`
	HistorySize      size   `help:"How much disk the history takes at most; the oldest goes first." default:"20GiB" placeholder:"SIZE" group:"What is kept"`
	JournalKeep      days   `help:"How long changes of status and events are kept." default:"400d" placeholder:"TIME" group:"What is kept"`
	Alerts           string `help:"File that says who hears of alerts, and how. Default: alerts.yaml in the data directory, if it is there." type:"path" placeholder:"FILE" group:"Other programs"`
	Peers            string `help:"File that says with which other groves this one works, and how. Default: peers.yaml in the data directory, if it is there." type:"path" placeholder:"FILE" group:"Other programs"`
	URL              string `name:"url" help:"Where people find the page, for links in messages. Default: where it listens." placeholder:"URL" group:"Other programs"`
	Exports          string `help:"File that says what is sent out: remote write, OpenTelemetry, documents." type:"path" placeholder:"FILE" group:"Other programs"`
	Jolokia          string `help:"File with rules that say what JMX clients may change. Default: nothing." type:"path" placeholder:"FILE" group:"Other programs"`
	SAPSystem        string `name:"sap-system" help:"Name of this grove to SAP's tools." placeholder:"SID" group:"Other programs"`
	SAPInstance      int    `name:"sap-instance" help:"Instance number of this grove to SAP's tools." default:"0" placeholder:"NN" group:"Other programs"`
	SAPListen        bool   `name:"sap-listen" help:"Let SAPControl listen on port 5NN13 of loopback and on its socket." group:"Other programs"`

	Traps       string   `help:"Address at which SNMP traps and informs are taken (UDP), such as 127.0.0.1:1162; port 162 needs root or CAP_NET_BIND_SERVICE." placeholder:"HOST:PORT" group:"What is sent to grove"`
	OTLP        string   `name:"otlp" help:"Address at which metrics and logs of OpenTelemetry are taken by gRPC, such as 127.0.0.1:4317; over HTTP they are taken at /otlp." placeholder:"HOST:PORT" group:"What is sent to grove"`
	StatsD      string   `name:"statsd" help:"Address at which lines of StatsD are taken, such as 127.0.0.1:8125 (UDP and TCP)." placeholder:"HOST:PORT" group:"What is sent to grove"`
	Graphite    string   `help:"Address at which lines of Graphite are taken, such as 127.0.0.1:2003 (UDP and TCP)." placeholder:"HOST:PORT" group:"What is sent to grove"`
	Syslog      string   `help:"Address at which messages of syslog are taken, such as 127.0.0.1:1514 (UDP and TCP)." placeholder:"HOST:PORT" group:"What is sent to grove"`
	SyslogTLS   string   `name:"syslog-tls" help:"Address at which they are taken over TLS, usually port 6514, with the certificate of the web server." placeholder:"HOST:PORT" group:"What is sent to grove"`
	ReceiveFrom []string `help:"Addresses and networks that may send so; needed where others than this machine can." placeholder:"NETWORK" group:"What is sent to grove"`

	TLSCert     string   `name:"tls-cert" help:"File of the server's certificate and those between it and its authority (PEM). It may be renewed while grove runs." type:"path" placeholder:"FILE" group:"Who may come in"`
	TLSKey      string   `name:"tls-key" help:"File of its private key (PEM)." type:"path" placeholder:"FILE" group:"Who may come in"`
	ClientCA    string   `name:"client-ca" help:"File of the authorities of clients' certificates (PEM): who shows one comes in as the user whose name it has." type:"path" placeholder:"FILE" group:"Who may come in"`
	ClientName  string   `help:"Part of such a certificate that is the name of the user: subject, email or dns." enum:"subject,email,dns" default:"subject" group:"Who may come in"`
	SessionIdle days     `help:"A login ends when nothing was asked for so long." default:"24h" placeholder:"TIME" group:"Who may come in"`
	SessionLife days     `help:"A login ends at the latest after this time." default:"30d" placeholder:"TIME" group:"Who may come in"`
	OIDCIssuer  string   `name:"oidc-issuer" help:"Address of an OpenID provider whose users may log in." placeholder:"URL" group:"Who may come in"`
	OIDCClient  string   `name:"oidc-client" help:"Name of this grove at the provider, its client id." placeholder:"ID" group:"Who may come in"`
	OIDCSecret  string   `name:"oidc-secret" help:"Where the secret of the client is: file:/path, env:NAME or credential:NAME." placeholder:"REF" group:"Who may come in"`
	OIDCTitle   string   `name:"oidc-title" help:"What the page calls this login." default:"Single sign-on" placeholder:"TEXT" group:"Who may come in"`
	OIDCAddress string   `name:"oidc-address" help:"Address of this grove as browsers know it; they come back to /api/v1/login/oidc/callback below it. Default: as they ask for it." placeholder:"URL" group:"Who may come in"`
	OIDCName    string   `name:"oidc-name" help:"Claim that is the name of the user." default:"preferred_username" placeholder:"CLAIM" group:"Who may come in"`
	OIDCGroups  string   `name:"oidc-groups" help:"Claim with the groups of the user; a dot leads into an object." default:"groups" placeholder:"CLAIM" group:"Who may come in"`
	OIDCScope   []string `name:"oidc-scope" help:"What is asked for besides openid. Default: profile, email and groups, as far as the provider has them." placeholder:"SCOPE" group:"Who may come in"`
	OIDCGrant   []string `name:"oidc-grant" help:"What a group may do: GROUP=ROLE, GROUP=ROLE /PATH, or with customer=NAME at the end; the group * is everybody." placeholder:"GROUP=GRANT" group:"Who may come in"`

	OwnHost   bool   `help:"Watch this host without being asked." default:"true" negatable:""`
	LogLevel  string `help:"What is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat string `help:"How it is logged: text or json." enum:"text,json" default:"text"`
}

// Run implements the command: it serves until ctx ends. SIGHUP loads the definitions
// again.
func (c *serveCommand) Run(ctx context.Context, p *Process) error {
	log := c.logger(p.Stderr)
	a, err := app.New(app.Config{
		Listen: c.Listen, Data: c.Data, Definitions: c.Definitions, Hosts: c.Host, Insecure: c.Insecure,
		Dial: c.Dial, Commands: c.Commands, Files: c.Files, SecretDirs: c.Secrets, NoHost: !c.OwnHost,
		Receivers: app.ReceiverConfig{Traps: c.Traps, Syslog: c.Syslog, SyslogTLS: c.SyslogTLS, OTLP: c.OTLP, StatsD: c.StatsD, Graphite: c.Graphite, From: c.ReceiveFrom},
		Name:      c.Name, Database: c.Database, DatabasePassword: c.DatabasePassword, Exports: c.Exports, Alerts: c.Alerts, Peers: c.Peers, URL: c.URL, Jolokia: c.Jolokia,
		HistoryKeep: time.Duration(c.HistoryKeep), HistoryLong: time.Duration(c.HistoryLong), HistoryBytes: int64(c.HistorySize), JournalKeep: time.Duration(c.JournalKeep),
		SAPSystem: c.SAPSystem, SAPInstance: c.SAPInstance, SAPListen: c.SAPListen,
		Access: app.AccessConfig{
			TLSCert: c.TLSCert, TLSKey: c.TLSKey, ClientCA: c.ClientCA, ClientName: c.ClientName, SessionIdle: time.Duration(c.SessionIdle), SessionLife: time.Duration(c.SessionLife),
			OIDC: app.OIDCConfig{
				Issuer: c.OIDCIssuer, Client: c.OIDCClient, Secret: c.OIDCSecret, Title: c.OIDCTitle, Address: c.OIDCAddress,
				Name: c.OIDCName, Groups: c.OIDCGroups, Scopes: c.OIDCScope, Grants: c.OIDCGrant,
			},
		},
		Version: Version, Revision: revision(), Log: log,
	})
	if errors.Is(err, app.ErrConfig) {
		return &exitError{Usage, err}
	}
	if err != nil {
		return err
	}
	a.Start()
	address := a.Scheme() + "://" + a.Addr().String()
	fmt.Fprintf(p.Stdout, "grove %s serves %s\nDrop definitions and instances into %s\n", Version, address, a.DropIn())
	if p.Started != nil {
		p.Started(address)
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-a.Ended():
			running = false
		case <-reload:
			a.Reload()
		}
	}
	log.Info("grove stops")
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return a.Stop(stop)
}

func (c *serveCommand) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // one of the texts of the enum
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// revision is the commit that the program was built from, where the build says so.
func revision() string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
