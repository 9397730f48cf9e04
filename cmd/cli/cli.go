// Package cli is the command line of grove: one file a command. A command is given
// what it needs of the process, so that tests run it as a function.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// Version is the version of the program, set by the linker.
var Version = "dev"

// Exit is the exit code of the program.
type Exit int

// The exit codes.
const (
	OK      Exit = 0 // done, and nothing is wrong
	Wrong   Exit = 1 // something is wrong with what was looked at: a definition, a test, a plan, a path
	Usage   Exit = 2 // the command line or the configuration is wrong
	Failed  Exit = 3 // the server could not start, or had to stop
	NoReply Exit = 4 // no grove answers at the address
)

// exitError is an error that has its exit code. Its text is printed unless empty.
type exitError struct {
	code Exit
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errQuiet ends a command that has said everything already.
var errQuiet = errors.New("")

// exit wraps err so that the program ends with code.
func exit(code Exit, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// Process is what a command sees of the process.
type Process struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Started, when set, is told the address at which serve listens.
	Started func(address string)
	// Now is the clock by which it is said how long ago something was; nil is time.Now.
	Now func() time.Time
}

// now is the present time.
func (p *Process) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// commands is the command line.
type commands struct {
	Config string `help:"Configuration file, YAML: the long names of the flags as keys." env:"GROVE_CONFIG" placeholder:"FILE" short:"c"`
	Color  string `help:"Colours: on a terminal, always or never." enum:"auto,always,never" default:"auto" env:"GROVE_COLOR"`

	Serve       serveCommand       `cmd:"" help:"Serve the live tree."`
	Check       checkCommand       `cmd:"" help:"Print every error of definition files, or of the file of alerts."`
	Plan        planCommand        `cmd:"" help:"Print what changed definitions would add, change and remove in the running tree."`
	Test        testCommand        `cmd:"" help:"Run the roll-up tests that definitions carry."`
	Schema      schemaCommand      `cmd:"" help:"Print the JSON Schema of definition files, or of the file of alerts, for editors."`
	Probe       probeCommand       `cmd:"" help:"List the kinds of probes, explain one, or try one: grove probe http url=https://shop.example/"`
	Tree        treeCommand        `cmd:"" help:"Print the tree of a running server."`
	Get         getCommand         `cmd:"" help:"Print one node of a running server."`
	History     historyCommand     `cmd:"" help:"Draw what a node of a running server was."`
	Journal     journalCommand     `cmd:"" help:"Print what happened in a running server."`
	Alerts      alertsCommand      `cmd:"" help:"Print what is wrong in a running server, the worst first."`
	Ack         ackCommand         `cmd:"" help:"Acknowledge alerts: I know, and see to it."`
	Unack       unackCommand       `cmd:"" help:"Take acknowledgements back."`
	Maintenance maintenanceCommand `cmd:"" help:"When nobody is to be alerted: list, add, end, remove."`
	Route       routeCommand       `cmd:"" help:"Print the routes of alerts, or explain who would be told of one."`
	Outbox      outboxCommand      `cmd:"" help:"Messages that leave a running server: list, dead, send, drop, stop, start."`
	Channel     channelCommand     `cmd:"" help:"List the kinds of channels, explain one, or test a channel of a running server."`
	Peers       peersCommand       `cmd:"" help:"Print the other managers: states, links, how far behind."`
	Peer        peerCommand        `cmd:"" help:"Other managers and their devices: invite, join, revoke, leave, integrate, devices, give, return, handover, live, moves, duplicates, message."`
	WhatIf      whatIfCommand      `cmd:"" name:"what-if" help:"Print what would happen if nodes had other statuses: grove what-if /shop/web1/Up=red"`
	Definitions definitionsCommand `cmd:"" help:"Definitions that managers share: put, list, show, history, diff, rollback, remove."`
	User        userCommand        `cmd:"" help:"Who may come in: add, list, grant, password, disable, enable, remove."`
	Token       tokenCommand       `cmd:"" help:"What programs show to come in: create, list, revoke."`
	Audit       auditCommand       `cmd:"" help:"Who did what: print the audit log, or verify it."`
	Backup      backupCommand      `cmd:"" help:"Write a backup of a running server into a file."`
	Restore     restoreCommand     `cmd:"" help:"Restore a backup into a running server."`
	Document    documentCommand    `cmd:"" help:"Print the document of managers, hosts, devices and services of a running server."`
	Report      reportCommand      `cmd:"" help:"Print a report of a running server: availability, worst nodes, alerts."`
	Dashboard   dashboardCommand   `cmd:"" help:"Print the Grafana dashboard of a definition, or of the whole tree."`
	Rules       rulesCommand       `cmd:"" help:"Print the alert rules of a definition for Prometheus, or the configuration of Alertmanager."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// remote is the address of a running server.
type remote struct {
	Server string `help:"Address of the running server." default:"http://127.0.0.1:7440" env:"GROVE_SERVER" placeholder:"URL"`
	Token  string `help:"Where the token is that lets in: file:/path, env:NAME or credential:NAME." env:"GROVE_TOKEN" placeholder:"REF"`
	plainHTTP

	through http.RoundTripper // nil is the network
	login   *login            // nil: nobody is asked for a name and a password
}

const description = `Grove shows every application, host and device as one living tree.

Each flag may also be set in the environment (GROVE_ and its name in capitals) or in the
configuration file; the command line goes before the environment, the environment before the file.

Exit codes: 0 all is well, 1 something is wrong with what was looked at, 2 the command line or
configuration is wrong, 3 the server could not start or had to stop, 4 no server answers.`

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, p Process) Exit {
	var c commands
	code := OK
	ended := false
	parser, err := kong.New(&c,
		kong.Name("grove"), kong.Description(description),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(n int) { ended, code = true, Exit(n) }),
		kong.Resolvers(configuration(p)),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"hostname": hostname()},
		kong.DefaultEnvars("GROVE"),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&p, &c),
	)
	if err != nil {
		panic(err) // the command line above is malformed: a mistake in the program
	}
	k, err := parser.Parse(p.Args)
	if ended { // help was asked for
		return code
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "grove: %s\n", plain(err.Error()))
		var parse *kong.ParseError
		if errors.As(err, &parse) && !errors.Is(err, errConfiguration) {
			fmt.Fprintln(p.Stderr, "Try: grove --help")
		}
		return Usage
	}
	err = k.Run()
	if err == nil {
		return OK
	}
	code = Failed
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
	}
	if !errors.Is(err, errQuiet) {
		fmt.Fprintf(p.Stderr, "grove: %s\n", plain(err.Error()))
	}
	return code
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// colored says whether w shall be written to in colours.
func (c *commands) colored(w io.Writer) bool {
	switch c.Color {
	case "always":
		return true
	case "never":
		return false
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// versionCommand prints the version.
type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run(p *Process) error {
	fmt.Fprintln(p.Stdout, "grove", Version)
	return nil
}

// plain makes text from outside harmless on a terminal: control characters and
// those that change the direction of writing are shown as their code. Line ends
// stay.
func plain(s string) string {
	if strings.IndexFunc(s, unsafeOnTerminal) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafeOnTerminal(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
