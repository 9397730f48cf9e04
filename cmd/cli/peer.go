package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"grove/tree"
	view "grove/viewer/peer"
)

// peerCommand is about other managers, and about who watches which device.
type peerCommand struct {
	Invite     peerInviteCommand     `cmd:"" help:"Let a manager join this one: print the command to type where it runs."`
	Join       peerJoinCommand       `cmd:"" help:"Join another manager, with the token that its grove peer invite printed."`
	Revoke     peerRevokeCommand     `cmd:"" help:"Cut a manager off at once; it comes in again by an invitation alone."`
	Leave      peerLeaveCommand      `cmd:"" help:"End the link to a manager that this one joined."`
	Integrate  peerIntegrateCommand  `cmd:"" help:"Be an integration manager, with which others register, or no longer."`
	Devices    peerDevicesCommand    `cmd:"" help:"Print who watches what."`
	Give       peerGiveCommand       `cmd:"" help:"Give devices to another manager: grove peer give switch-1 hamburg --for 8h"`
	Return     peerReturnCommand     `cmd:"" help:"Return devices to their owners."`
	Handover   peerHandoverCommand   `cmd:"" help:"Hand all devices over, before this manager stops."`
	Live       peerLiveCommand       `cmd:"" help:"I am live: take back the devices that others watch for this manager."`
	Moves      peerMovesCommand      `cmd:"" help:"Print what moved: delegations and takeovers, the newest first."`
	Duplicates peerDuplicatesCommand `cmd:"" help:"Print the devices that several managers see."`
	Message    peerMessageCommand    `cmd:"" help:"Put a message into the journal of another manager, or of all."`
}

// post sends a body, and reads the answer into a value. It returns the answer, too.
func (r *remote) post(ctx context.Context, path string, body, answer any) ([]byte, error) {
	text := []byte("{}")
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	got, err := r.do(ctx, http.MethodPost, path, text)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return nil, exit(NoReply, "the answer of %s does not say what came of it: %w", r.Server, err)
	}
	return got, nil
}

// peerInviteCommand invites a manager.
type peerInviteCommand struct {
	remote
	Name string `arg:"" help:"What the manager that joins is called here."`
	For  days   `help:"How long the token can be used." default:"24h" placeholder:"TIME"`
	JSON bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command. The command to type alone is on the standard output.
func (c *peerInviteCommand) Run(ctx context.Context, p *Process) error {
	var made view.Invited
	body, err := c.post(ctx, peersPath+"/invite", view.NewInvitation{Name: c.Name, For: duration(c.For)}, &made)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	fmt.Fprintf(p.Stderr, "Type this where %s runs. It works once, until %s:\n", cell(c.Name), made.Ends.Local().Format("Mon 2 Jan 15:04 MST"))
	fmt.Fprintln(p.Stdout, plain(made.Command))
	return nil
}

// duration writes a time as the server reads it; none is empty.
func duration(d days) string {
	if d == 0 {
		return ""
	}
	return tree.FormatDuration(time.Duration(d))
}

// maxTokenLine bounds the token that is read from the standard input.
const maxTokenLine = view.MaxToken + 2

// peerJoinCommand joins a manager.
type peerJoinCommand struct {
	remote
	Address string `arg:"" help:"Where the other manager is reached: tls://grove.example:7443, or cluster when an external cluster carries what both say."`
	Key     string `arg:"" name:"token" help:"The token, for one use; - reads it from the standard input."`
	JSON    bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *peerJoinCommand) Run(ctx context.Context, p *Process) error {
	token := c.Key
	if token == "-" {
		line, err := bufio.NewReader(io.LimitReader(p.Stdin, maxTokenLine)).ReadString('\n')
		if token = strings.TrimSpace(line); token == "" {
			return exit(Usage, "no token is on the standard input: %w", err)
		}
	}
	var made view.Joined
	body, err := c.post(ctx, peersPath+"/join", view.NewLink{Address: c.Address, Token: token}, &made)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	fmt.Fprintf(p.Stdout, "joined %s (%s) at %s: grove peers shows the link\n", cell(made.Name), cell(made.ID), cell(made.Address))
	return nil
}

// namedPeer is the argument that names a manager.
type namedPeer struct {
	Manager string `arg:"" name:"manager" help:"Its name, or its ID when several are called so."`
}

// path is that of an operation about the manager.
func (n *namedPeer) path(operation string) string {
	return peersPath + "/" + url.PathEscape(n.Manager) + "/" + operation
}

// peerRevokeCommand revokes a manager.
type peerRevokeCommand struct {
	remote
	namedPeer
	Comment string `short:"m" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run implements the command.
func (c *peerRevokeCommand) Run(ctx context.Context, p *Process) error {
	var was view.PeerName
	if _, err := c.post(ctx, c.path("revoke"), view.NewRevocation{Comment: c.Comment}, &was); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s (%s) is cut off: grove peer invite %s lets it in again\n", cell(was.Name), cell(was.ID), cell(was.Name))
	return nil
}

// peerLeaveCommand leaves a manager.
type peerLeaveCommand struct {
	remote
	namedPeer
}

// Run implements the command.
func (c *peerLeaveCommand) Run(ctx context.Context, p *Process) error {
	var was view.PeerName
	if _, err := c.post(ctx, c.path("leave"), nil, &was); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "left %s (%s)\n", cell(was.Name), cell(was.ID))
	return nil
}

// peerIntegrateCommand begins or ends that others register.
type peerIntegrateCommand struct {
	remote
	What string `arg:"" enum:"on,off" help:"on or off."`
}

// Run implements the command.
func (c *peerIntegrateCommand) Run(ctx context.Context, p *Process) error {
	done := "others can register with this manager"
	if c.What == "off" {
		done = "nobody registers with this manager any more"
	}
	return c.move(ctx, p, peersPath+"/integrate", view.NewRole{On: c.What == "on"}, "handed back", done)
}

// peerMessageCommand sends a message.
type peerMessageCommand struct {
	remote
	To   string   `arg:"" name:"manager" help:"Name or ID of the manager; all is all that are linked."`
	Text []string `arg:"" help:"What it says."`
}

// Run implements the command.
func (c *peerMessageCommand) Run(ctx context.Context, p *Process) error {
	to := c.To
	if to == "all" {
		to = "*"
	}
	var sent view.Deliveries
	if _, err := c.post(ctx, "/api/v1/messages", view.NewMessage{To: to, Text: strings.Join(c.Text, " ")}, &sent); err != nil {
		return err
	}
	failed := 0
	for _, d := range sent.Deliveries {
		if d.Error == "" {
			fmt.Fprintf(p.Stdout, "%s has it\n", cell(d.Name))
			continue
		}
		failed++
		fmt.Fprintf(p.Stdout, "%s: not delivered: %s\n", cell(d.Name), cell(d.Error))
	}
	switch {
	case len(sent.Deliveries) == 0:
		return exit(Wrong, "no manager is linked")
	case failed > 0:
		return exit(Wrong, "not delivered to %d of %d", failed, len(sent.Deliveries))
	}
	return nil
}
