package book

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
)

// Histories of the model, and steps of each: enough to find what was ever wrong while this
// was written, in a few seconds.
const (
	histories = 4
	steps     = 60
)

// TestModel lets at random happen what can happen, kills the manager between any two steps,
// and holds what the book says against what must be so at all times. C03 of what grove
// promises: an alert that stands longer than its delay is open; none is while somebody works
// on its node; nothing ends that has not begun; the key outlives a restart.
func TestModel(t *testing.T) {
	for seed := range uint64(histories) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			bubble(t, func(w *world) {
				t := w.t
				m := &model{world: w, r: rand.New(rand.NewPCG(seed, 3)), keys: map[string]string{}, last: map[alert.ID]alert.Alert{}}
				m.grow()
				w.begin()
				for range steps {
					m.step()
					if t.Failed() {
						t.Fatal(strings.Join(m.did, "\n"))
					}
				}
				m.rest()
				m.journal()
				if t.Failed() {
					t.Fatal(strings.Join(m.did, "\n"))
				}
			})
		})
	}
}

// model is what the test knows of a world.
type model struct {
	*world
	r      *rand.Rand
	paths  []tree.Path
	vital  map[tree.Path]tree.Path   // attribute -> group
	needs  map[tree.Path][]tree.Path // group -> groups
	closed map[tree.Path]bool        // somebody has ended its alert
	keys   map[string]string         // by kind and path
	last   map[alert.ID]alert.Alert  // that was told
	did    []string
}

// grow makes three hosts in two places; the hosts of one depend on each other in a circle.
func (m *model) grow() {
	m.vital, m.needs, m.closed = map[tree.Path]tree.Path{}, map[tree.Path][]tree.Path{}, map[tree.Path]bool{}
	add := func(path string, a *tree.Alerting) {
		m.state(path, a)
		p := tree.MustPath(path)
		m.paths = append(m.paths, p)
		if a != nil && a.Vital > 0 {
			m.vital[p] = failing(p, a.Vital)
		}
		m.set("green", path)
	}
	for i := range 3 {
		host := tree.MustPath(fmt.Sprintf("/dc%d/h%d", i/2, i))
		m.needs[host] = []tree.Path{tree.MustPath(fmt.Sprintf("/dc%d/h%d", (i+1)%3/2, (i+1)%3))}
		m.group(host.String(), &tree.Alerting{DependsOn: m.needs[host]})
		add(host.String()+"/Ping", &tree.Alerting{Vital: 1})
		add(host.String()+"/app/Up", &tree.Alerting{Vital: 1})
		add(host.String()+"/app/Load", nil)
		add(host.String()+"/Disk", nil)
	}
	add("/dc0/Power", &tree.Alerting{Vital: 1})
	add("/free/x", nil)
}

func (m *model) pick() string { return m.paths[m.r.IntN(len(m.paths))].String() }

func (m *model) say(format string, args ...any) {
	m.did = append(m.did, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// step does something.
func (m *model) step() {
	switch k := m.r.IntN(100); {
	case k < 55:
		for range 1 + m.r.IntN(4) {
			p := m.pick()
			s := []string{"green", "green", "yellow", "red", "red", "red", "white"}[m.r.IntN(7)]
			m.say("%s %s", p, s)
			m.set(s, p)
		}
	case k < 65:
		var ids []alert.ID
		for a := range m.book.Live {
			if m.r.IntN(3) == 0 {
				ids = append(ids, a.ID)
			}
		}
		m.say("acknowledge %v", ids)
		away := m.away.Load()
		for _, r := range m.book.Acknowledge(m.t.Context(), ids, alert.Ack{By: "ada", Sticky: m.r.IntN(2) == 0}, nil) {
			if a, err := m.book.Get(m.t.Context(), r.ID); away && r.Error != "" {
				continue
			} else if err != nil || r.Error == "" && a.Ack == nil || r.Error != "" && !a.Ended() {
				m.t.Errorf("%+v: %v, %s", r, err, m.show(&a))
			}
		}
	case k < 69:
		for a := range m.book.Live {
			r := m.book.Resolve(m.t.Context(), []alert.ID{a.ID}, "ada", "", nil)
			m.say("resolve %s: %+v", a.Path, r)
			if m.closed[a.Path] = r[0].Error == "" || strings.HasPrefix(r[0].Error, "it is decided"); !m.closed[a.Path] && !m.away.Load() {
				m.t.Errorf("%+v", r)
			}
			break
		}
	case k < 77:
		p := tree.MustPath(m.pick()).Parent().String()
		_, on := m.maintained[tree.MustPath(p)]
		m.say("maintain %s: %v", p, !on)
		m.maintain(p, nil, !on)
		m.wait(time.Second) // somebody who begins to work waits for so long
	case k < 80:
		m.say("reload")
		m.book.Reloaded()
	case k < 88:
		m.say("kill")
		m.kill()
	case k < 91 && !m.away.Load():
		m.say("restart")
		m.restart()
		m.kept()
	case k < 96:
		m.say("the database is away: %v", !m.away.Load())
		m.away.Store(!m.away.Load())
	default:
		m.rest()
	}
	pause := []time.Duration{0, time.Millisecond, 100 * time.Millisecond, DefaultSettle, time.Second, 20 * time.Second, 2 * time.Minute, 10 * time.Minute}[m.r.IntN(8)]
	m.say("%s", pause)
	m.wait(pause)
	m.hear()
}

// kill ends the manager without that it writes anything more.
func (m *model) kill() {
	if err := m.store.Close(); err != nil {
		m.t.Error(err)
	}
	m.killed = true
	m.end()
	m.killed = false
	m.begin()
	m.kept()
}

// kept holds that nothing was told which is not there after the end.
func (m *model) kept() {
	m.hear()
	for id, told := range m.last {
		a, err := m.book.Get(m.t.Context(), id)
		if err != nil || a.Revision < told.Revision {
			m.t.Errorf("%s was told at revision %d, and is kept at %d: %v", m.show(&told), told.Revision, a.Revision, err)
		}
	}
}

// hear holds what was told against what was told before.
func (m *model) hear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.told {
		a := &m.told[i]
		m.say("told: %s %s", a.History[len(a.History)-1].What, m.show(a))
		before, known := m.last[a.ID]
		switch {
		case !known && a.History[0].What != alert.Opened:
			m.t.Errorf("%s begins with %s", m.show(a), a.History[0].What)
		case known && a.Revision <= before.Revision:
			m.t.Errorf("%s at revision %d follows %d", m.show(a), a.Revision, before.Revision)
		case known && before.Ended() && !a.Ended() && a.Count <= before.Count:
			m.t.Errorf("%s comes back without being reopened", m.show(a))
		}
		m.last[a.ID] = *a
		slot := string(a.Kind) + a.Path.String()
		if key := m.keys[slot]; key != "" && key != a.Key {
			m.t.Errorf("the key of %s is %s, and was %s", slot, a.Key, key)
		}
		m.keys[slot] = a.Key
	}
	m.told = nil
}

// rest waits until all that is under way has come to its end, and holds what the book says
// against the tree.
func (m *model) rest() {
	m.away.Store(false)
	m.wait(DefaultRecover + sweepEvery + time.Second)
	m.hear()
	live := map[tree.Path]*alert.Alert{}
	for a := range m.book.Live {
		if other := live[a.Path]; other != nil {
			m.t.Errorf("two alerts of one node: %s, %s", m.show(a), m.show(other))
		}
		live[a.Path] = a
		if told, ok := m.last[a.ID]; !ok || told.Revision != a.Revision {
			m.t.Errorf("%s at revision %d was not told", m.show(a), a.Revision)
		}
	}
	byID := map[alert.ID]*alert.Alert{}
	for _, a := range live {
		byID[a.ID] = a
	}
	red := func(p tree.Path) bool {
		a := live[p]
		return a != nil && a.Kind == alert.Status && a.Status == tree.Red
	}
	failed := func(p, but tree.Path) bool { // it, or a group above, because of another
		for v, g := range m.vital {
			if v != but && red(v) && g.Contains(p) {
				return true
			}
		}
		return false
	}
	follows := func(p tree.Path) bool {
		if failed(p.Parent(), p) {
			return true
		}
		for q := p; !q.IsRoot(); q = q.Parent() {
			for _, d := range m.needs[q] {
				if failed(d, p) {
					return true
				}
			}
		}
		return false
	}
	for _, p := range m.paths {
		n, err := m.tree.Node(p)
		if err != nil {
			m.t.Fatal(err)
		}
		a := live[p]
		switch {
		case n.Status > tree.Green && a == nil && !m.closed[p]:
			m.t.Errorf("%s is %s without an alert", p, n.Status)
		case n.Status == tree.Green && a != nil && !a.Flapping:
			m.t.Errorf("%s is green with an alert: %s", p, m.show(a))
		case n.Status > tree.Green && a != nil && a.Status != n.Status && !a.Flapping:
			m.t.Errorf("%s is %s: %s", p, n.Status, m.show(a))
		}
		if n.Status == tree.Green {
			delete(m.closed, p)
		}
		if a == nil {
			continue
		}
		_, worked := m.maintains(p, time.Now())
		consequence := follows(p)
		switch s := a.Suppression; {
		case s == nil && worked:
			m.t.Errorf("%s is told although somebody works on it", m.show(a))
		case s == nil && consequence && m.vital[p] == tree.Root:
			m.t.Errorf("%s is told although it is a consequence", m.show(a))
		case s == nil:
		case s.Reason == alert.ByMaintenance && !worked, s.Reason != alert.ByMaintenance && !consequence:
			m.t.Errorf("%s is held back without a reason", m.show(a))
		case s.Reason != alert.ByMaintenance:
			root := byID[s.Cause]
			if root == nil || root.Suppression != nil && root.Suppression.Reason != alert.ByMaintenance {
				m.t.Errorf("%s is held back by what nobody is told of", m.show(a))
			}
		}
	}
	for id, told := range m.last {
		if !told.Ended() && byID[id] == nil {
			m.t.Errorf("%s is not there any more, and nobody was told", m.show(&told))
		}
	}
}

// journal holds that every step of every alert has its line.
func (m *model) journal() {
	page, err := m.lines.Search(m.t.Context(), journal.Query{Kinds: []journal.Kind{journal.Alert}, Oldest: true, Limit: journal.MaxLimit})
	if err != nil {
		m.t.Fatal(err)
	}
	texts := map[string]string{}
	for _, e := range page.Entries {
		at := fmt.Sprint(e.Path, e.Time.UnixMilli())
		texts[at] += string(e.Text) + "; "
	}
	found, err := m.book.Search(m.t.Context(), alert.Query{States: alert.States, Limit: alert.MaxLimit})
	if err != nil {
		m.t.Fatal(err)
	}
	lines := 0
	for i := range found.Alerts {
		for _, s := range found.Alerts[i].History {
			lines++
			if at := fmt.Sprint(found.Alerts[i].Path, s.Time.UnixMilli()); !strings.Contains(texts[at], string(s.What)) {
				m.t.Errorf("%s %s at %s has no line in the journal", found.Alerts[i].Path, s.What, s.Time)
			}
		}
	}
	if lines == 0 {
		m.t.Error("nothing happened")
	}
}
