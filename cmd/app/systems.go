package app

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"grove/definitions"
	"grove/runtime/receive/push"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
	"grove/viewer"
	"grove/viewer/export/sapcontrol"
	"grove/viewer/live"
	"grove/viewer/system"
)

// systems tells the viewers of the manager itself.
type systems struct {
	app      *App
	feed     *live.Server
	receiver *push.Receiver
	started  time.Time
}

// openSystem returns the operations about the manager itself.
func (a *App) openSystem(feed *live.Server, receiver *push.Receiver) *system.API {
	s := &systems{app: a, feed: feed, receiver: receiver, started: time.Now()}
	return system.New(system.Options{Guard: a.Guard, Groups: s.groups, Managers: s.managers, Sources: s, Problem: viewer.Problem})
}

// groups are the manager's figures as they are now.
func (s *systems) groups(ctx context.Context) []system.Group {
	c := s.app.condition(ctx)
	groups := []system.Group{s.manager(), s.process(), s.tree(), s.schedule(), s.definitions(), s.history(&c), s.database(&c), s.viewers()}
	if len(c.sent) > 0 {
		groups = append(groups, s.exports(&c))
	}
	return groups
}

// node gives a figure the status of the node that shows the same.
func (s *systems) node(path string, f system.Figure) system.Figure {
	if n, err := s.app.Tree.Node(tree.MustPath(path)); err == nil {
		f.Path = path
		if n.Spec != nil && n.Spec.Threshold != nil {
			f.Status = n.Status.String()
		}
	}
	return f
}

// when is a figure that is a moment.
func when(name string, at time.Time, description string) system.Figure {
	f := system.Words(name, "", description)
	if at.IsZero() {
		f.Text = "never"
	} else {
		f.Time = at.UTC().Format(time.RFC3339)
	}
	return f
}

func (s *systems) manager() system.Group {
	a := s.app
	access := system.Words("Access", "", "who reaches the manager")
	if n, err := a.Tree.Node(accessPath); err == nil {
		access.Text = n.Value.String()
	}
	return system.Group{Name: "manager", Title: "Manager", Figures: []system.Figure{
		system.Words("Name", a.config.Name, "how others know it"),
		system.Words("Version", a.config.Version, ""),
		system.Words("Revision", a.config.Revision, "of the source text"),
		system.Words("Host", hostname(), ""),
		system.Words("Address", a.Addr().String(), "where it listens"),
		s.node(accessPath.String(), access),
		when("Started", s.started, ""),
		system.Number("Up for", time.Since(s.started).Seconds(), "s", ""),
	}}
}

func (s *systems) process() system.Group {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	value := func(i int) float64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // The runtime does not know it any more.
		}
		return float64(samples[i].Value.Uint64())
	}
	g := system.Group{Name: "process", Title: "Process", Figures: []system.Figure{
		system.Number("Memory in use", value(0), "bytes", "objects on the heap"),
		system.Number("Memory held", value(1)-value(2), "bytes", "what Go has of the operating system"),
	}}
	if n, ok := resident(); ok {
		g.Figures = append(g.Figures, system.Number("Memory resident", n, "bytes", "in the machine's memory, files that are mapped included"))
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err == nil {
		busy := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		g.Figures = append(g.Figures, system.Rate("Processor", 100*busy.Seconds(), "%", "of one core of "+strconv.Itoa(runtime.NumCPU())))
	}
	g.Figures = append(g.Figures,
		system.Number("Goroutines", value(3), "goroutines", ""),
		system.Rate("Collections of memory", 60*value(4), "1/min", "runs of Go's garbage collector"),
		system.Words("Built with", runtime.Version()+" for "+runtime.GOOS+"/"+runtime.GOARCH, ""))
	return g
}

// resident is the resident set of the process in bytes, where proc(5) tells it.
func resident() (float64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err == nil
}

func (s *systems) tree() system.Group {
	t := s.app.Tree.Stats()
	p := s.receiver.Stats()
	return system.Group{Name: "tree", Title: "Tree", Figures: []system.Figure{
		system.Number("Nodes", float64(t.Nodes), "nodes", "groups included"),
		system.Number("Attributes", float64(t.Nodes-t.Groups), "attributes", ""),
		system.Number("Groups", float64(t.Groups), "groups", ""),
		system.Rate("Readings", float64(t.Applied), "readings/s", "taken by nodes"),
		system.Rate("Readings pushed", float64(p.Applied), "readings/s", "of them, from programs that push"),
		system.Rate("Readings refused", float64(p.Received-p.Applied), "readings/s", "of those that were pushed"),
		system.Rate("Changes of status", float64(t.Changes), "changes/s", "of groups too"),
		fine(system.Number("Changes untold", float64(t.Untold), "changes", "since the start: log, bus and journal were too slow to hear of them"), t.Untold == 0),
	}}
}

// fine colours a figure that is green or yellow.
func fine(f system.Figure, ok bool) system.Figure {
	f.Status = tree.Yellow.String()
	if ok {
		f.Status = tree.Green.String()
	}
	return f
}

// mostLate is how late nearly all runs may begin.
const mostLate = time.Second

func (s *systems) schedule() system.Group {
	stats, b := s.app.schedule.Stats(), s.app.binder.Stats()
	late, most := lateAt(&stats, 0.99)
	late = min(late, stats.LateMax) // The bound of a class may be beyond all that were in it.
	what := "99 % of the runs since the start began at most so late"
	if !most {
		what = "99 % of the runs since the start began at most that late, or later"
	}
	return system.Group{Name: "schedule", Title: "Schedule", Figures: []system.Figure{
		system.Number("Probes", float64(b.Probes), "probes", ""),
		system.Rate("Runs", float64(stats.Runs), "runs/s", ""),
		system.Rate("Runs that fail", float64(stats.Failures), "runs/s", "of them"),
		system.Number("Running", float64(stats.Running), "runs", "at this moment"),
		system.Number("Queue", float64(stats.Waiting), "runs", "due, and waiting for a limit of their kind"),
		fine(system.Number("Lateness", late.Seconds(), "s", what), late <= mostLate),
		system.Number("Lateness at most", stats.LateMax.Seconds(), "s", "since the start"),
		system.Number("Runs missed", float64(stats.Missed), "runs", "since the start: due while the one before was not over"),
		fine(system.Number("Panics", float64(stats.Panics), "runs", "since the start that ended with an error of the program"), stats.Panics == 0),
	}}
}

// lateAt is the bound that a share of all runs kept; ok is false when it is beyond all
// bounds.
func lateAt(s *schedule.Stats, share float64) (bound time.Duration, ok bool) {
	total, sum := uint64(0), uint64(0)
	for _, n := range s.Late {
		total += n
	}
	for i, limit := range schedule.LateBounds {
		if sum += s.Late[i]; float64(sum) >= share*float64(total) {
			if total == 0 {
				return 0, true
			}
			return limit, true
		}
	}
	return schedule.LateBounds[len(schedule.LateBounds)-1], false
}

func (s *systems) definitions() system.Group {
	b := s.app.binder.Stats()
	state := system.Words("State", "everything that the files say is running", "")
	if !b.Reload.OK {
		state.Text = b.Reload.Error
		if state.Text == "" {
			state.Text = "not loaded yet"
		}
	}
	return system.Group{Name: "definitions", Title: "Definitions", Figures: []system.Figure{
		fine(state, b.Reload.OK),
		system.Number("Instances", float64(b.Instances), "instances", ""),
		fine(system.Number("Kept", float64(b.Kept), "instances", "that go on as they were, since their files are wrong now"), b.Kept == 0),
		fine(system.Number("Errors", float64(b.Reload.Errors), "instances and files", "that are in error"), b.Reload.Errors == 0),
		when("Last loaded", b.Reload.Time, ""),
		system.Number("Loading took", b.Reload.Duration.Seconds(), "s", ""),
	}}
}

func (s *systems) history(c *condition) system.Group {
	h := &c.samples
	g := system.Group{Name: "history", Title: "History", Figures: []system.Figure{
		s.shown("/grove/History/State", c),
		system.Number("Series", float64(h.Series), "series", "in memory"),
		system.Rate("Samples", float64(h.Samples), "samples/s", ""),
		system.Number("Queue", float64(h.Buffered), "samples", fmt.Sprintf("that wait to be written; there is room for %d", h.MaxBuffered)),
		s.shown("/grove/History/Buffer", c),
		system.Number("Disk", float64(h.Bytes), "bytes", "files of the history"),
		s.shown("/grove/History/Disk limit", c),
		s.shown("/grove/History/Lost", c),
		when("Oldest reading", h.Oldest, "as it came"),
		when("Oldest merged", h.OldestMerged, "five minutes each"),
	}}
	if !h.Ready && h.Files > 0 {
		g.Figures = append(g.Figures, system.Number("Opened", 100*float64(h.Replayed)/float64(h.Files), "%", "of its log"))
	}
	return g
}

// shown is a figure that is in the tree, too.
func (s *systems) shown(path string, c *condition) system.Figure {
	for i := range shows {
		if shows[i].path != path {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		f := system.Figure{Name: name, Unit: shows[i].spec.Unit, Description: shows[i].spec.Description}
		switch v := shows[i].value(c).Any().(type) {
		case float64:
			f.Value = &v
		case string:
			f.Text = v
		default:
			f.Text = "not known yet"
		}
		return s.node(path, f)
	}
	return system.Words(path, "", "") // Cannot be: a test looks at all of them.
}

func (s *systems) database(c *condition) system.Group {
	d, j := &c.facts, &c.journal
	g := system.Group{Name: "database", Title: "Database", Figures: []system.Figure{
		s.shown("/grove/Database/State", c),
		s.shown("/grove/Database/Shared definitions", c),
		system.Words("Engine", d.Engine, fmt.Sprintf("tables of version %d", d.Schema)),
		system.Words("Where", d.Address, ""),
		system.Number("Size", float64(d.Bytes), "bytes", ""),
		system.Rate("Commits", float64(d.Commits), "commits/s", ""),
		system.Number("Queue", float64(d.Queue), "pieces of work", fmt.Sprintf("that wait; there is room for %d", d.Room)),
		when("Last commit", d.LastCommit, ""),
		system.Number("Errors", float64(d.Errors), "transactions", "since the start that failed"),
		s.shown("/grove/Database/Journal", c),
		s.shown("/grove/Database/Journal queue", c),
		s.shown("/grove/Database/Journal lost", c),
	}}
	if j.Err != nil {
		g.Figures = append(g.Figures, fine(system.Words("Journal cannot write", j.Err.Error(), ""), false))
	}
	return g
}

func (s *systems) viewers() system.Group {
	bus := s.app.Bus.Stats()
	queued, room := 0, 0
	for _, sub := range bus.Subscriptions {
		queued += sub.Queued
		room += sub.Buffer
	}
	return system.Group{Name: "viewers", Title: "Viewers and programs", Figures: []system.Figure{
		system.Number("Live viewers", float64(s.feed.Connections()), "sockets", "of the live feed: pages, terminals, programs"),
		system.Number("Views", float64(s.app.Tree.Stats().Views), "views", "subtrees that are followed"),
		system.Rate("Notifications", float64(bus.Published), "notifications/s", "on the bus"),
		system.Number("Queue", float64(queued), "notifications", fmt.Sprintf("that wait for %d subscribers; there is room for %d", len(bus.Subscriptions), room)),
		fine(system.Number("Notifications lost", float64(bus.Lost), "notifications", "since the start, by subscribers whose queues were full"), bus.Lost == 0),
	}}
}

func (s *systems) exports(c *condition) system.Group {
	g := system.Group{Name: "exports", Title: "Exports"}
	for i := range c.sent {
		to := &c.sent[i]
		state := system.Words(to.Kind+" "+to.Name, "working", "")
		if !to.OK {
			state.Text = to.Error
		}
		g.Figures = append(g.Figures, s.node(to.at("State"), fine(state, to.OK)),
			s.node(to.at("Behind"), system.Number(to.Kind+" "+to.Name+" behind", to.Waiting.Seconds(), "s", "age of the oldest that waits to be sent")))
	}
	return g
}

// managers is this one, until there are peers.
func (s *systems) managers(context.Context) []system.Manager {
	a := s.app
	t, b := a.Tree.Stats(), a.binder.Stats()
	ways := []system.Way{
		{Name: "Page", Address: "/", For: "people, in a browser"},
		{Name: "Live feed", Address: "/api/v1/live", For: "pages and programs: websocket, " + live.ProtocolBinary + " or " + live.ProtocolJSON},
		{Name: "REST", Address: "/api/v1/openapi.json", For: "programs: HTTP with JSON, described as OpenAPI"},
		{Name: "Push", Address: "/api/v1/readings", For: "programs that push readings: JSON or lines of text"},
		{Name: "Events", Address: "/api/v1/events", For: "programs: CloudEvents over server-sent events"},
		{Name: "Metrics", Address: "/metrics", For: "Prometheus and what reads its format"},
		{Name: "PromQL", Address: "/prometheus", For: "Grafana and other clients of Prometheus' HTTP API"},
		{Name: "JMX", Address: "/jolokia", For: "JMX clients: Jolokia's protocol"},
		{Name: "CCMS", Address: "/ccms", For: "programs that read monitor tree elements"},
		{Name: "SAPControl", Address: "/SAPControl", For: "SAP's tools: SOAP"},
		{Name: "Documents", Address: "/documents", For: "programs that read the tree as documents"},
		{Name: "Reports", Address: "/reports", For: "people: availability over a day, a week, a month"},
	}
	if a.faces.sap != nil {
		for _, at := range a.sapAccess() {
			ways = append(ways, system.Way{Name: "SAPControl", Address: sapAddress(at), For: "SAP's tools on this machine"})
		}
	}
	return []system.Manager{{
		Name: a.config.Name, Self: true, State: "up", Version: a.config.Version, Host: hostname(), Address: a.Scheme() + "://" + reachable(a.Addr()),
		Started: s.started.UTC().Format(time.RFC3339), Ways: ways, Capabilities: a.registry.Names(),
		Counts: []system.Figure{
			system.Number("Attributes", float64(t.Nodes-t.Groups), "attributes", ""),
			system.Number("Groups", float64(t.Groups), "groups", ""),
			system.Number("Instances", float64(b.Instances), "instances", "of definitions"),
			system.Number("Definitions", float64(len(a.loaded.Load().Definitions)), "definitions", "that it knows"),
			system.Number("Probes", float64(b.Probes), "probes", ""),
			system.Number("Live viewers", float64(s.feed.Connections()), "sockets", ""),
		},
	}}
}

// sapAddress is where SAPControl listens by itself.
func sapAddress(a sapcontrol.Access) string {
	if a.Port == 0 {
		return a.Address
	}
	return "http://" + net.JoinHostPort(a.Address, strconv.Itoa(a.Port))
}

// builtIn goes before the names of the catalogue's files.
const builtIn = "builtin:"

// File implements system.Sources.
func (s *systems) File(name string) (f system.File, ok bool) {
	place, inside, known := s.place(name)
	if !known {
		return f, false
	}
	plan := s.app.loaded.Load()
	users := map[string]bool{} // definition files that have the file as a part
	for _, d := range plan.Definitions {
		if d.File == name || slices.Contains(d.Files, name) {
			users[d.File], ok = true, true
		}
	}
	// What runs although its file is wrong now hangs somewhere, too.
	for _, list := range [][]*definition.Instance{plan.Instances, s.app.binder.Running()} {
		for _, i := range list {
			if i.File == name {
				f.Instances, ok = append(f.Instances, i.At), true
			}
			if i.Definition == name || users[i.Definition] {
				f.Users, ok = append(f.Users, i.At), true
			}
		}
	}
	for i := range plan.Broken {
		b := &plan.Broken[i]
		wrong := b.File == name
		for _, e := range b.Err {
			wrong = wrong || e.Pos.File == name
		}
		if wrong {
			ok, f.Broken = true, place != ""
		}
	}
	f.Catalogue = place == ""
	switch {
	case place == s.app.config.Definitions && !strings.Contains(inside, "/"):
		f.DropIn = inside
	case place != "" && place != s.app.config.Definitions:
		f.Shared = strings.TrimSuffix(inside, filepath.Ext(inside))
	}
	return f, ok
}

// place is the directory in which a file of definitions lies, and its name there; the
// directory is empty for the catalogue.
func (s *systems) place(name string) (dir, inside string, ok bool) {
	if inside, ok := strings.CutPrefix(name, builtIn); ok {
		return "", inside, true
	}
	for _, dir := range []string{s.app.config.Definitions, filepath.Join(s.app.config.Data, sharedDir)} {
		if inside, err := filepath.Rel(dir, name); err == nil && filepath.IsLocal(inside) && inside != "." {
			return dir, filepath.ToSlash(inside), true
		}
	}
	return "", "", false
}

// Text implements system.Sources.
func (s *systems) Text(name string, most int) (string, error) {
	dir, inside, ok := s.place(name)
	if !ok {
		return "", os.ErrNotExist
	}
	var files fs.FS = definitions.Catalogue()
	if dir != "" {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return "", err
		}
		defer root.Close()
		files = root.FS()
	}
	info, err := fs.Stat(files, inside)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // A pipe in the place of the file would never end.
		return "", fmt.Errorf("%s: %w", name, fs.ErrInvalid)
	}
	file, err := files.Open(inside)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s: %w", name, system.ErrTooLarge)
	}
	return strings.ToValidUTF8(string(text), "�"), err
}
