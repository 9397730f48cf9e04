package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	view "grove/viewer/peer"
)

const devicesPath = "/api/v1/devices"

// peerDevicesCommand prints devices.
type peerDevicesCommand struct {
	remote
	Manager string `help:"Only those that a manager owns or watches." placeholder:"NAME"`
	At      string `help:"Only those at a path or below it." placeholder:"PATH"`
	State   string `help:"Only those that are own, given, taken, prepared or orphaned." enum:"own,given,taken,prepared,orphaned," default:"" placeholder:"STATE"`
	Text    string `help:"Only those with this text in the name, the application or the path." placeholder:"TEXT"`
	Limit   int    `help:"At most so many." default:"1000" placeholder:"N"`
	JSON    bool   `name:"json" help:"Print JSON, as the server answers."`
}

// wideDevices is how many columns a terminal needs to have room for stand-ins, which are those of
// the owner: grove peers tells them, too.
const wideDevices = 110

func standIns(d *view.Device, slim bool) string {
	if slim {
		return ""
	}
	return strings.Join(d.StandIns, ", ")
}

// deviceStatus is how bad the state of a device is.
var deviceStatus = map[string]string{view.Own: "green", view.Given: "green", view.Prepared: "yellow", view.Taken: "yellow", view.Orphaned: "red"}

// Run implements the command.
func (c *peerDevicesCommand) Run(ctx context.Context, p *Process, all *commands) error {
	query := []string{"limit", strconv.Itoa(c.Limit)}
	for _, one := range [][2]string{{"manager", c.Manager}, {"at", c.At}, {"state", c.State}, {"text", c.Text}} {
		if one[1] != "" {
			query = append(query, one[0], one[1])
		}
	}
	body, err := c.get(ctx, devicesPath, query...)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var page view.Devices
	if err := json.Unmarshal(body, &page); err != nil {
		return exit(NoReply, "the answer of %s has no devices: %w", c.Server, err)
	}
	if len(page.Devices) == 0 {
		fmt.Fprintln(p.Stdout, "no devices")
		return nil
	}
	columns, _ := screen(p.Stdout)
	t := stateTable{drawing: drawing{color: all.colored(p.Stdout)}, width: columns, heads: []string{"DEVICE", "APPLICATION", "AT", "OWNER", "WATCHED BY", "BACK", "SAME AS", "STAND-INS"}}
	slim := columns > 0 && columns < wideDevices
	for i := range page.Devices {
		d := &page.Devices[i]
		back := ""
		if d.Until != nil {
			back = "in " + brief(d.Until.Sub(p.now()))
		}
		t.add(cmp.Or(deviceStatus[d.State], "white"), d.State, d.Name, d.Application, d.At, d.Owner, cmp.Or(d.Watcher, "nobody"), back, d.DuplicateOf, standIns(d, slim))
	}
	t.print(p.Stdout)
	if page.Next != "" {
		fmt.Fprintf(p.Stdout, "… %d of %d: --manager, --at, --state or --text lists fewer\n", len(page.Devices), page.Total)
	}
	return nil
}

// peerGiveCommand gives devices away.
type peerGiveCommand struct {
	remote
	What []string `arg:"" name:"device… manager" help:"Devices (a name, manager:name when several managers have one of that name, or a path: all devices at and below it), and at last who is to watch them: a name or an ID."`
	For  days     `help:"For how long. Default: until it is returned." placeholder:"TIME"`
}

// Run implements the command.
func (c *peerGiveCommand) Run(ctx context.Context, p *Process) error {
	last := len(c.What) - 1
	if last < 1 {
		return exit(Usage, "say which device, and which manager is to watch it: grove peer give switch-1 hamburg")
	}
	devices, to := c.What[:last], c.What[last]
	if path, ok := single(devices, "give"); ok {
		var m view.Move
		if _, err := c.post(ctx, path, view.NewGift{To: to, For: duration(c.For)}, &m); err != nil {
			return err
		}
		return told(p, &m)
	}
	var all view.Moved
	if _, err := c.post(ctx, devicesPath+"/give", view.NewGifts{Devices: devices, To: to, For: duration(c.For)}, &all); err != nil {
		return err
	}
	return toldAll(p, &all)
}

// single is the path of an operation about one device that is named; ok is false for several,
// and for a path.
func single(devices []string, operation string) (path string, ok bool) {
	if len(devices) != 1 || strings.HasPrefix(devices[0], "/") {
		return "", false
	}
	return devicesPath + "/" + url.PathEscape(devices[0]) + "/" + operation, true
}

// peerReturnCommand returns devices.
type peerReturnCommand struct {
	remote
	Devices []string `arg:"" name:"device" help:"Devices: a name, manager:name when several managers have one of that name, or a path: all devices at and below it."`
}

// Run implements the command.
func (c *peerReturnCommand) Run(ctx context.Context, p *Process) error {
	if path, ok := single(c.Devices, "return"); ok {
		var m view.Move
		if _, err := c.post(ctx, path, nil, &m); err != nil {
			return err
		}
		return told(p, &m)
	}
	var all view.Moved
	if _, err := c.post(ctx, devicesPath+"/return", view.NewReturns{Devices: c.Devices}, &all); err != nil {
		return err
	}
	return toldAll(p, &all)
}

// toldAll says what came of moving several devices: a line for each, and one for all.
func toldAll(p *Process, all *view.Moved) error {
	for i := range all.Moves {
		if err := told(p, &all.Moves[i]); err != nil {
			fmt.Fprintln(p.Stdout, cell(err.Error()))
		}
	}
	for _, s := range all.Stays {
		fmt.Fprintln(p.Stdout, cell(s.Path+" stays: "+s.Why))
	}
	line := fmt.Sprintf("%d of %s moved", all.Done, count(len(all.Moves), "device"))
	if all.UnderWay > 0 {
		line += fmt.Sprintf(", %d on the way: grove peer moves shows when they are there", all.UnderWay)
	}
	if all.Failed > 0 {
		return exit(Wrong, "%s, %d not", line, all.Failed)
	}
	fmt.Fprintln(p.Stdout, line)
	return nil
}

// told says what came of a move.
func told(p *Process, m *view.Move) error {
	switch m.State {
	case view.Done:
		fmt.Fprintf(p.Stdout, "%s is watched by %s now\n", cell(m.Device), cell(m.To))
	case view.UnderWay:
		text := fmt.Sprintf("%s is on its way to %s", m.Device, m.To)
		if m.Error != "" {
			text += ": " + m.Error
		}
		fmt.Fprintln(p.Stdout, cell(text)+"; grove peer moves shows when it is there")
	default:
		if m.Owner == "" && m.From == "" && m.To == "" { // It is not known what was named.
			return exit(Wrong, "%s: %s", m.Device, m.Error)
		}
		return exit(Wrong, "%s stays with %s: %s", m.Device, cmp.Or(m.From, "nobody"), m.Error)
	}
	return nil
}

// peerHandoverCommand hands all devices over.
type peerHandoverCommand struct {
	remote
	To string `arg:"" name:"manager" optional:"" help:"Who takes them all. Default: the stand-ins of each."`
}

// Run implements the command.
func (c *peerHandoverCommand) Run(ctx context.Context, p *Process) error {
	return c.move(ctx, p, peersPath+"/handover", view.NewWatcher{To: c.To}, "handed over", "this manager watches no device: it may stop")
}

// peerLiveCommand takes devices back.
type peerLiveCommand struct{ remote }

// Run implements the command.
func (c *peerLiveCommand) Run(ctx context.Context, p *Process) error {
	return c.move(ctx, p, peersPath+"/live", nil, "taken back", "this manager watches its devices")
}

// move moves many devices. The server answers after a while though it is not done: then it
// is asked again, as long as something moves.
func (r *remote) move(ctx context.Context, p *Process, path string, body any, verb, done string) error {
	for {
		var o view.MoveOutcome
		if _, err := r.post(ctx, path, body, &o); err != nil {
			return err
		}
		if o.Moved > 0 {
			fmt.Fprintf(p.Stdout, "%s: %s\n", verb, count(o.Moved, "device"))
		}
		for _, left := range o.Left {
			fmt.Fprintf(p.Stdout, "%s: not %s: %s\n", cell(left.Device), verb, cell(left.Error))
		}
		switch {
		case len(o.Left) > 0:
			return exit(Wrong, "not all devices are %s: the same command goes on with what is left", verb)
		case o.UnderWay == 0:
			fmt.Fprintln(p.Stdout, done)
			return nil
		case o.Moved == 0:
			return exit(Wrong, "%s not %s yet: grove peer moves shows what is waited for", count(o.UnderWay, "device"), verb)
		}
	}
}

// peerMovesCommand prints moves.
type peerMovesCommand struct {
	remote
	Device string `help:"Only of this device." placeholder:"NAME"`
	Limit  int    `help:"At most so many, the newest." default:"50" placeholder:"N"`
	JSON   bool   `name:"json" help:"Print JSON, as the server answers."`
}

// moveStatus is how bad the state of a move is.
var moveStatus = map[string]string{view.Done: "green", view.UnderWay: "yellow", view.Failed: "red"}

// Run implements the command.
func (c *peerMovesCommand) Run(ctx context.Context, p *Process, all *commands) error {
	query := []string{"limit", strconv.Itoa(c.Limit)}
	if c.Device != "" {
		query = append(query, "device", c.Device)
	}
	body, err := c.get(ctx, peersPath+"/moves", query...)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var page view.MovePage
	if err := json.Unmarshal(body, &page); err != nil {
		return exit(NoReply, "the answer of %s has no moves: %w", c.Server, err)
	}
	if len(page.Moves) == 0 {
		fmt.Fprintln(p.Stdout, "nothing has moved")
		return nil
	}
	columns, _ := screen(p.Stdout)
	t := stateTable{drawing: drawing{color: all.colored(p.Stdout)}, width: columns, heads: []string{"TIME", "DEVICE", "FROM", "TO", "WHY", "BY", "TOOK", "ERROR"}}
	for i := range page.Moves {
		m := &page.Moves[i]
		took := ""
		if m.State == view.Done {
			took = quantity(m.Took, "s")
		}
		t.add(cmp.Or(moveStatus[m.State], "white"), m.State, m.Time.Local().Format("2 Jan 15:04:05"), m.Device, cmp.Or(m.From, "nobody"), m.To, m.Why, m.By, took, m.Error)
	}
	t.print(p.Stdout)
	if page.Next != "" {
		fmt.Fprintln(p.Stdout, "… there are more: --limit lists more of them, --device those of one")
	}
	return nil
}

// peerDuplicatesCommand prints what several managers see.
type peerDuplicatesCommand struct {
	remote
	JSON bool `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *peerDuplicatesCommand) Run(ctx context.Context, p *Process) error {
	body, err := c.get(ctx, "/api/v1/duplicates", "limit", mostListed)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var page view.Duplicates
	if err := json.Unmarshal(body, &page); err != nil {
		return exit(NoReply, "the answer of %s has no duplicates: %w", c.Server, err)
	}
	if len(page.Groups) == 0 {
		fmt.Fprintln(p.Stdout, "no device is seen by several managers")
	}
	for i := range page.Groups {
		g := &page.Groups[i]
		fmt.Fprintf(p.Stdout, "%s (%s)\n", cell(g.Identity), cell(g.Why))
		fmt.Fprintf(p.Stdout, "  primary    %s:%s at %s\n", cell(g.Primary.Manager), cell(g.Primary.Device), cell(g.Primary.Path))
		for _, s := range g.Secondaries {
			fmt.Fprintf(p.Stdout, "  secondary  %s:%s at %s\n", cell(s.Manager), cell(s.Device), cell(s.Path))
		}
	}
	if page.Next != "" {
		fmt.Fprintln(p.Stdout, "… there are more: --json and the parameter after of the REST interface list them")
	}
	return nil
}
