package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/test/grovetest"
	"grove/tree"
	"grove/tree/alert"
)

// plantDefinition grows racks of nodes that fail together with their power, or, where
// that is not vital, each for itself.
const plantDefinition = `grove: 1
application: plant
parameters:
  racks: { type: int, default: 1 }
  nodes: { type: int, default: 1 }
  vital: { default: "true" }
tree:
  Power: { kind: performance, red: "> 90", vital: "${vital}" }
  "r${item}":
    each: "1..${racks}"
    nodes:
      "n${item}": { each: "1..${nodes}", kind: performance, red: "> 90" }
`

// plant is one use of plantDefinition.
type plant struct {
	name         string
	racks, nodes int
	vital        bool
}

// at is where it hangs in the tree.
func (p *plant) at() string { return "/site/" + p.name }

// power is the node that all others need, where it is vital.
func (p *plant) power() string { return p.at() + "/Power" }

// paths are all others.
func (p *plant) paths() (all []string) {
	for r := range p.racks {
		for n := range p.nodes {
			all = append(all, fmt.Sprintf("%s/r%d/n%d", p.at(), r+1, n+1))
		}
	}
	return all
}

// flood is a whole grove as a process of its own, plants whose alerts come all at once,
// and the receiver that hears of them.
type flood struct {
	*manager
	process *grovetest.Process
	desk    *desk
}

// desk is the receiver of a webhook. It notes what comes, and when.
type desk struct {
	server *httptest.Server
	mu     sync.Mutex // guards what follows
	calls  []call
	fault  error
}

// call is a message as it came.
type call struct {
	channel.Message
	at time.Time
}

func newDesk(t testing.TB) *desk {
	d := &desk{}
	d.server = httptest.NewServer(d)
	t.Cleanup(d.server.Close)
	return d
}

// ServeHTTP implements http.Handler.
func (d *desk) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	c := call{at: time.Now()}
	err := json.NewDecoder(req.Body).Decode(&c.Message)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.fault = err
		return
	}
	d.calls = append(d.calls, c)
}

// about are the calls so far that a filter takes.
func (d *desk) about(takes func(*call) bool) (list []call, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.calls {
		if takes(&d.calls[i]) {
			list = append(list, d.calls[i])
		}
	}
	return list, d.fault
}

// openFlood starts grove with plants, and with one route that has nothing but defaults.
// Times are the settings of alerts, or nothing.
func openFlood(t testing.TB, times string, plants ...plant) *flood {
	t.Helper()
	data, desk := t.TempDir(), newDesk(t)
	files := map[string]string{
		"definitions/definition.yaml": plantDefinition,
		"alerts.yaml": fmt.Sprintf("channels:\n  desk: { kind: webhook, url: %q }\nroutes:\n  - { name: all, when: { under: /site }, to: desk }\nalerts: { %s }\n",
			desk.server.URL, times),
	}
	plants = append(plants, plant{"bell", 1, 1, true})
	for _, p := range plants {
		files["definitions/"+p.name+".yaml"] = fmt.Sprintf("grove: 1\nuse: plant\nname: %s\nat: %s\nwith: { racks: %d, nodes: %d, vital: %t }\n",
			p.name, p.at(), p.racks, p.nodes, p.vital)
	}
	if err := os.Mkdir(filepath.Join(data, "definitions"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, address, err := grovetest.Program{Dir: data}.Serve("--data", data, "--no-own-host", "--name", "flooded", "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.End(os.Kill) })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	f := &flood{process: s, desk: desk,
		manager: &manager{TB: t, url: address, drop: filepath.Join(data, "definitions"), log: s.Said, http: &http.Client{Transport: transport, Timeout: patience}}}
	for _, p := range plants {
		f.set(10, append(p.paths(), p.power())...)
	}
	return f
}

// set pushes a value to nodes, in as few requests as there may be.
func (f *flood) set(value int, paths ...string) {
	f.Helper()
	for some := range slices.Chunk(paths, 5000) {
		readings := make([]reading, len(some))
		for i, p := range some {
			readings[i] = reading{"path": p, "value": value}
		}
		if code, answer := f.post(readings); code != http.StatusOK || !strings.Contains(string(answer), fmt.Sprintf(`"accepted":%d`, len(some))) {
			f.Fatalf("%d: %.300s\n%s", code, answer, f.log)
		}
	}
}

// hear waits until so many messages of a purpose have come about an instance, and returns
// all that came about it.
func (f *flood) hear(instance string, purpose channel.Purpose, least int) (calls []call) {
	f.Helper()
	f.eventually(func() error {
		var err error
		calls, err = f.desk.about(func(c *call) bool { return c.By["instance"] == instance })
		n := 0
		for _, c := range calls {
			if c.Purpose == purpose {
				n++
			}
		}
		if err == nil && n < least {
			err = fmt.Errorf("%d messages of %q about %s have come, want %d:\n%sthere stand %v", n, purpose, instance, least, titles(calls), f.search(url.Values{"limit": {"1"}}).Counts)
		}
		return err
	})
	return calls
}

// search finds alerts over REST.
func (f *flood) search(query url.Values) (page alert.Page) {
	f.Helper()
	f.ask("/api/v1/alerts?"+query.Encode(), &page)
	return page
}

// follow waits until so many alerts follow from another.
func (f *flood) follow(id alert.ID, many int) {
	f.Helper()
	f.eventually(func() error {
		var cause alert.Alert
		f.ask("/api/v1/alerts/"+id.String(), &cause)
		if cause.Consequences != many {
			return fmt.Errorf("%s has %d consequences, want %d", cause.Path, cause.Consequences, many)
		}
		return nil
	})
}

// floodPatience is how long a test waits for what a route puts off to its next minute.
const floodPatience = 3 * time.Minute

// last waits longer than eventually does.
func (f *flood) last(check func() error) {
	f.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(floodPatience); ; <-again.C {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			f.Fatalf("after %v: %v\n%.3000s", floodPatience, err, f.log)
		}
	}
}

// counted waits until so many alerts are in a state.
func (f *flood) counted(state alert.State, many int) {
	f.Helper()
	f.last(func() error {
		if n := f.search(map[string][]string{"limit": {"1"}}).Counts[state]; n != many {
			return fmt.Errorf("%d alerts are %s, want %d", n, state, many)
		}
		return nil
	})
}

// ring lets something of its own be told: what was owed before has come by then.
func (f *flood) ring() {
	f.Helper()
	f.set(99, "/site/bell/Power")
	f.hear("bell", channel.Firing, 1)
}

// end stops grove.
func (f *flood) end() {
	f.Helper()
	if err := f.process.End(syscall.SIGTERM); err != nil {
		f.Errorf("grove ended with %v: %s", err, f.process.Said)
	}
}

// titles are messages for the eyes of who reads why a test failed.
func titles(calls []call) (text string) {
	for _, c := range calls {
		text += fmt.Sprintf("%s %s: %s\n", c.at.Format("15:04:05.000"), c.Purpose, c.Title)
	}
	return text
}

// purposes are what messages are for, in the order of their coming.
func purposes(calls []call) (list []channel.Purpose) {
	for _, c := range calls {
		list = append(list, c.Purpose)
	}
	return list
}

// isCause holds that a message tells of the power of a plant alone, and that it has
// consequences.
func isCause(t *testing.T, p *plant, c *call) {
	t.Helper()
	if len(c.Alerts) != 1 || c.Firing != 1 || c.Resolved != 0 {
		t.Fatalf("the message tells of %d alerts that stand and %d that are over: %s\n%s", c.Firing, c.Resolved, c.Title, c.Text)
	}
	a := &c.Alerts[0]
	if a.Path.String() != p.power() || a.State != alert.Open || a.Status != tree.Red || a.Consequences == 0 {
		t.Errorf("%s is told, %s, %s, with %d consequences", a.Path, a.State, a.Status, a.Consequences)
	}
}

// TestStormBelowAFailedParent turns everything below a vital node red in one request, with
// that as the first, in the middle and as the last: one message tells of the cause, each
// consequence says why it is held back, and one message tells of the end. BenchmarkFlood has
// twenty times as many, within a second.
func TestStormBelowAFailedParent(t *testing.T) {
	t.Parallel()
	plants := []plant{{"first", 5, 100, true}, {"middle", 5, 100, true}, {"last", 5, 100, true}}
	f := openFlood(t, "", plants...)
	for i := range plants {
		p := &plants[i]
		paths := p.paths()
		f.set(99, slices.Insert(paths, i*len(paths)/2, p.power())...)
	}
	causes := map[string]alert.ID{}
	for i := range plants {
		p := &plants[i]
		calls := f.hear(p.name, channel.Firing, 1)
		isCause(t, p, &calls[0])
		causes[p.name] = calls[0].Alerts[0].ID
		f.follow(causes[p.name], p.racks*p.nodes)
		held := f.search(url.Values{"under": {p.at()}, "state": {string(alert.Suppressed)}, "limit": {"10000"}}).Alerts
		if len(held) != p.racks*p.nodes {
			t.Errorf("%d alerts below %s are held back, want %d", len(held), p.at(), p.racks*p.nodes)
		}
		for _, a := range held {
			want := fmt.Sprintf("%s has failed: %s is red", p.at(), p.power())
			if s := a.Suppression; s == nil || s.Reason != alert.ByParent || s.Cause != causes[p.name] || s.Text != want {
				t.Fatalf("%s is held back by %+v, want %q of %s", a.Path, s, want, causes[p.name])
			}
		}
	}
	for i := range plants {
		f.set(10, plants[i].power())
	}
	for i := range plants { // They turn well at their next poll.
		calls := f.hear(plants[i].name, channel.Resolution, 1)
		if over := calls[len(calls)-1]; over.Group != calls[0].Group || over.Resolved != 1 || over.Alerts[0].ID != causes[plants[i].name] {
			t.Errorf("the end is told as %s", titles(calls))
		}
		f.set(10, plants[i].paths()...)
	}
	f.counted(alert.Suppressed, 0)
	f.ring()
	for i := range plants {
		if calls := f.hear(plants[i].name, channel.Resolution, 1); !slices.Equal(purposes(calls), []channel.Purpose{channel.Firing, channel.Resolution}) {
			t.Errorf("of %s is told:\n%s", plants[i].name, titles(calls))
		}
	}
	f.end()
}

// TestWhatStaysRedAfterTheStormIsTold: what does not recover with the cause is told some
// time after, and together.
func TestWhatStaysRedAfterTheStormIsTold(t *testing.T) {
	t.Parallel()
	p := plant{"tower", 10, 20, true}
	f := openFlood(t, "recover: 2s", p)
	paths := p.paths()
	f.set(99, append(paths, p.power())...)
	cause := f.hear(p.name, channel.Firing, 1)[0]
	isCause(t, &p, &cause)
	f.follow(cause.Alerts[0].ID, len(paths))
	f.set(10, append(paths[:len(paths)/2:len(paths)/2], p.power())...)
	f.hear(p.name, channel.Resolution, 1)
	calls := f.hear(p.name, channel.Firing, 2)
	left := calls[len(calls)-1]
	if !slices.Equal(purposes(calls), []channel.Purpose{channel.Firing, channel.Resolution, channel.Firing}) || left.Firing != len(paths)/2 || left.Group == calls[0].Group {
		t.Errorf("%d stay red, and is told:\n%s", len(paths)/2, titles(calls))
	}
	f.set(10, paths...)
	calls = f.hear(p.name, channel.Resolution, 2)
	if over := calls[len(calls)-1]; over.Group != left.Group || over.Resolved != left.Firing || over.Firing != 0 {
		t.Errorf("%d of %d are over:\n%s", over.Resolved, left.Firing, titles(calls))
	}
	f.ring()
	if calls = f.hear(p.name, channel.Resolution, 2); len(calls) != 4 {
		t.Errorf("is told:\n%s", titles(calls))
	}
	f.end()
}

// TestStormOfManyIsToldInFewMessages: of more groups than a route may make messages of in a
// minute, those that are too many are told together; what was told is told to be over.
func TestStormOfManyIsToldInFewMessages(t *testing.T) {
	t.Parallel()
	const groups, nodes = 30, 10
	var plants []plant
	var paths []string
	for i := range groups {
		plants = append(plants, plant{fmt.Sprintf("plant%d", i), 1, nodes, false})
		paths = append(paths, plants[i].paths()...)
	}
	f := openFlood(t, "", plants...)
	f.set(99, paths...)
	all := func() []call {
		calls, err := f.desk.about(func(*call) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return calls
	}
	// On a slow machine the last message tells of some once more, together with those that came
	// after it: the newest of each group counts.
	count := func(purpose channel.Purpose) (groups, alerts int) {
		newest := map[string]int{}
		for _, c := range all() {
			if c.Purpose == purpose {
				newest[c.Group] = c.Firing + c.Resolved
			}
		}
		for _, n := range newest {
			alerts += n
		}
		return len(newest), alerts
	}
	f.last(func() error {
		if told, alerts := count(channel.Firing); alerts != len(paths) {
			return fmt.Errorf("%d groups tell of %d alerts, want %d:\n%s", told, alerts, len(paths), titles(all()))
		}
		return nil
	})
	told, _ := count(channel.Firing)
	if told != 20 {
		t.Errorf("%d groups are told, want 20:\n%s", told, titles(all()))
	}
	before := len(all())
	if before > 21 {
		t.Errorf("there are %d messages:\n%s", before, titles(all()))
	}
	f.set(10, paths...)
	f.eventually(func() error {
		if over, alerts := count(channel.Resolution); over != told || alerts != len(paths) {
			return fmt.Errorf("%d groups are over with %d alerts, want %d, and %d:\n%s", over, alerts, told, len(paths), titles(all()))
		}
		return nil
	})
	f.counted(alert.Open, 0)
	if calls := all(); len(calls) != before+told {
		t.Errorf("is told:\n%s", titles(calls))
	}
	f.end()
}
