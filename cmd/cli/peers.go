package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	view "grove/viewer/peer"
)

const peersPath = "/api/v1/peers"

// peersCommand prints the other managers.
type peersCommand struct {
	remote
	JSON bool `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *peersCommand) Run(ctx context.Context, p *Process, all *commands) error {
	if c.JSON {
		body, err := c.get(ctx, peersPath, "limit", mostListed)
		if err != nil {
			return err
		}
		_, err = p.Stdout.Write(body)
		return err
	}
	o, err := c.peers(ctx)
	if err != nil {
		return err
	}
	columns, _ := screen(p.Stdout)
	s := peerSheet{drawing: drawing{color: all.colored(p.Stdout)}, width: columns, now: p.now()}
	s.print(p.Stdout, o)
	return nil
}

// mostListed is how many entries a page has at most.
const mostListed = "1000"

// peers returns all managers.
func (r *remote) peers(ctx context.Context) (*view.Overview, error) {
	all := &view.Overview{}
	for after := ""; ; after = all.Next {
		query := []string{"limit", mostListed}
		if after != "" {
			query = append(query, "after", after)
		}
		body, err := r.get(ctx, peersPath, query...)
		if err != nil {
			return nil, err
		}
		before := all.Managers
		*all = view.Overview{}
		if err := json.Unmarshal(body, all); err != nil {
			return nil, exit(NoReply, "the answer of %s has no managers: %w", r.Server, err)
		}
		all.Managers = append(before, all.Managers...)
		if all.Next == "" || all.Next == after {
			return all, nil
		}
	}
}

// peerSheet prints managers for a terminal that is so many columns wide; 0 is a pipe.
type peerSheet struct {
	drawing
	width int
	now   time.Time
}

// peerStatus is how bad the state of a manager is.
var peerStatus = map[string]string{view.Known: "white", view.Live: "green", view.Suspect: "yellow", view.CutOff: "white", view.Dead: "red", view.Gone: "white"}

// print prints this manager, and a table of the others; below it what is wrong.
func (s *peerSheet) print(w io.Writer, o *view.Overview) {
	line := func(format string, args ...any) {
		fmt.Fprintln(w, strings.Join(wrapped(cell(fmt.Sprintf(format, args...)), s.width), "\n"))
	}
	self := fmt.Sprintf("%s (%s) watches %s devices", o.Self.Name, o.Self.ID, devices(&o.Self))
	if o.Self.Integrates {
		self += ", integrates others"
	}
	if o.Home != "" {
		self += ", is registered with " + o.Home
	}
	if len(o.StandIns) > 0 {
		self += ", stand-ins: " + strings.Join(o.StandIns, ", ")
	}
	line("%s", self)
	if o.Error != "" {
		line("%s", "peers.yaml is not taken, what it said before holds: "+o.Error)
	}
	if o.Deaf != "" {
		line("%s", "no other manager can link to this one, it is tried again: "+o.Deaf)
	}
	if len(o.Managers) == 0 {
		line("no other managers: grove peer invite NAME lets one join")
		return
	}
	fmt.Fprintln(w)
	t := stateTable{drawing: s.drawing, width: s.width, heads: []string{"MANAGER", "LINK", "ROUND TRIP", "WAITING", "MESSAGES", "BUSY", "BEHIND", "DEVICES", "NODES AT", "STAND-INS"}}
	for i := range o.Managers {
		m := &o.Managers[i]
		status, ok := peerStatus[m.State]
		if !ok {
			status = "white"
		}
		t.add(status, m.State, m.Name, s.link(m), roundTrip(m.Link), waiting(m.Link), rate(m), busy(m), behind(&m.Lag), devices(&m.Peer), branch(m), strings.Join(m.StandIns, ", "))
	}
	t.print(w)
	for i := range o.Managers {
		if m := &o.Managers[i]; m.Link != nil && !m.Link.Up && m.Link.Error != "" {
			line("%s", m.Name+": "+m.Link.Error)
		}
	}
}

// link says how the link is, and since when.
func (s *peerSheet) link(m *view.OtherPeer) string {
	switch l := m.Link; {
	case l == nil && m.Heard == nil:
		return "none"
	case l == nil:
		return "none, heard " + brief(s.now.Sub(*m.Heard)) + " ago"
	case l.Up:
		return "up for " + brief(s.now.Sub(l.Since))
	default:
		return "lost for " + brief(s.now.Sub(l.Since))
	}
}

func roundTrip(l *view.PeerLink) string {
	if l == nil || !l.Up || l.RoundTrip == nil {
		return ""
	}
	return quantity(*l.RoundTrip, "s")
}

func waiting(l *view.PeerLink) string {
	if l == nil || l.Waiting == 0 {
		return ""
	}
	return quantity(float64(l.Waiting), "bytes")
}

func rate(m *view.OtherPeer) string {
	if m.Link == nil && m.MessagesPerSecond == 0 {
		return ""
	}
	return digits(m.MessagesPerSecond) + "/s"
}

func busy(m *view.OtherPeer) string {
	if m.Saturation == 0 {
		return ""
	}
	return quantity(100*m.Saturation, "%")
}

// behind says how far what is known of a manager is behind.
func behind(l *view.Lag) string {
	if l.Entries == 0 {
		return ""
	}
	return fmt.Sprintf("%d entries, %s", l.Entries, brief(time.Duration(l.Seconds*float64(time.Second))))
}

// devices says how many devices a manager watches, and how many it takes.
func devices(m *view.Peer) string {
	if m.Capacity == 0 {
		return fmt.Sprint(m.Devices)
	}
	return fmt.Sprintf("%d of %d", m.Devices, m.Capacity)
}

// branch says where the tree of a manager hangs, and how many nodes it has.
func branch(m *view.OtherPeer) string {
	if m.Branch == "" {
		return ""
	}
	return fmt.Sprintf("%s (%d)", m.Branch, m.Nodes)
}
