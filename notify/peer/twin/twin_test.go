package twin_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/twin"
	"grove/tree"
)

const (
	self    peer.ID = "00000000000000aa"
	berlin  peer.ID = "00000000000000bb"
	hamburg peer.ID = "00000000000000cc"
	cologne peer.ID = "00000000000000dd"
)

var names = map[peer.ID]string{self: "self", berlin: "berlin", hamburg: "hamburg", cologne: "cologne"}

// device is one with marks "mark=value", watched.
func device(of peer.ID, name string, marks ...string) twin.Device {
	d := twin.Device{Manager: of, ManagerName: names[of], Name: name, Application: "switch", At: tree.MustPath("/" + name), Identity: map[string]string{}, Watched: true}
	for i := 0; i < len(marks); i += 2 {
		d.Identity[marks[i]] = twin.Normal(marks[i], marks[i+1])
	}
	return d
}

func set(ts *twin.Twins, devices ...twin.Device) {
	by := map[peer.ID][]twin.Device{}
	for _, d := range devices {
		by[d.Manager] = append(by[d.Manager], d)
	}
	for _, id := range []peer.ID{self, berlin, hamburg, cologne} {
		ts.Set(id, by[id])
	}
}

// told is a group in few words: "berlin:a | hamburg:a".
func told(groups []twin.Group) (texts []string) {
	for _, g := range groups {
		text := g.Primary.Name + ":" + g.Primary.Device + " |"
		for _, s := range g.Secondaries {
			text += " " + s.Name + ":" + s.Device
		}
		texts = append(texts, text)
	}
	return texts
}

func TestWhatIsTheSame(t *testing.T) {
	marks := []string{"address", "serial", "name"}
	other := device(hamburg, "b", "address", "10.0.0.1")
	other.Application = "router"
	for _, c := range []struct {
		name    string
		rules   twin.Rules
		devices []twin.Device
		want    []string
		against []string
	}{
		{"by the first mark that both have", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "address", "10.0.0.1", "serial", "1x"), device(hamburg, "b", "address", "10.0.0.1", "serial", "2x")}, []string{"berlin:a | hamburg:b"}, nil},
		{"the first decides against, too", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "address", "10.0.0.1", "serial", "1x"), device(hamburg, "b", "address", "10.0.0.2", "serial", "1x")}, nil, nil},
		{"what one of them lacks does not decide", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "serial", "1x"), device(hamburg, "b", "address", "10.0.0.2", "serial", "1x")}, []string{"berlin:a | hamburg:b"}, nil},
		{"another application is another device", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "address", "10.0.0.1"), other}, nil, nil},
		{"transitive", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "address", "10.0.0.1"), device(hamburg, "b", "address", "10.0.0.1", "serial", "1x"), device(cologne, "c", "serial", "1x")}, []string{"berlin:a | hamburg:b cologne:c"}, nil},
		{"one manager has no twins", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "serial", "1x"), device(berlin, "b", "serial", "1x")}, nil, nil},
		{"not by way of another device of the same manager", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "serial", "1x"), device(berlin, "b", "serial", "1x"), device(hamburg, "c", "serial", "1x")}, []string{"berlin:a | hamburg:c"},
			[]string{"berlin:b hamburg:c: the serial is the same, but berlin:a and berlin:b are two devices of one manager"}},
		{"not by way of a contradiction", twin.Rules{Identity: marks}, []twin.Device{device(berlin, "a", "address", "10.0.0.1"), device(hamburg, "b", "address", "10.0.0.1", "serial", "1x"), device(cologne, "c", "serial", "1x", "address", "10.0.0.9"), device(self, "d", "serial", "1x")}, []string{"self:d | berlin:a hamburg:b"},
			[]string{"cologne:c self:d: the serial is the same, but the address of berlin:a and cologne:c differs"}},
		{"by hand", twin.Rules{Same: [][]string{{"berlin:a", "00000000000000cc:b", "nobody:x"}}}, []twin.Device{device(berlin, "a"), device(hamburg, "b")}, []string{"berlin:a | hamburg:b"}, nil},
		{"parted by hand", twin.Rules{Identity: marks, Different: [][]string{{"berlin:a", "hamburg:b"}}}, []twin.Device{device(berlin, "a", "serial", "1x"), device(hamburg, "b", "serial", "1x"), device(cologne, "c", "serial", "1x")}, []string{"berlin:a | cologne:c"},
			[]string{"berlin:a hamburg:b: the serial is the same, but berlin:a and hamburg:b are different by hand", "cologne:c hamburg:b: the serial is the same, but berlin:a and hamburg:b are different by hand"}},
		{"by hand both", twin.Rules{Same: [][]string{{"berlin:a", "hamburg:b"}}, Different: [][]string{{"hamburg:b", "berlin:a"}}}, []twin.Device{device(berlin, "a"), device(hamburg, "b")}, nil,
			[]string{"berlin:a hamburg:b: berlin:a and hamburg:b are the same by hand, but berlin:a and hamburg:b are different by hand"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := twin.New(twin.Options{Self: "00000000000000ee"})
			ts.SetRules(c.rules)
			set(ts, c.devices...)
			groups, against := ts.Groups()
			if diff := cmp.Diff(c.want, told(groups)); diff != "" {
				t.Error(diff)
			}
			var texts []string
			for _, a := range against {
				texts = append(texts, fmt.Sprint(a.Devices[0], " ", a.Devices[1], ": ", a.Why))
			}
			slices.Sort(texts)
			if diff := cmp.Diff(c.against, texts); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAMarkThatManyHaveTellsNothingApart(t *testing.T) {
	ts := twin.New(twin.Options{Self: self})
	ts.SetRules(twin.Rules{Identity: []string{"serial"}})
	var many []twin.Device
	for i := range twin.MaxMembers + 1 {
		many = append(many, device(berlin, fmt.Sprint("d", i), "serial", "same"))
	}
	set(ts, append(many, device(hamburg, "x", "serial", "same"))...)
	if groups, against := ts.Groups(); len(groups) != 0 || len(against) != 1 {
		t.Errorf("groups %v, contradictions %v", told(groups), against)
	}
}

func TestThePrimary(t *testing.T) {
	hide := func(ts *twin.Twins, of peer.ID) bool { return ts.Hidden(of, tree.MustPath("/d/Ports/1")) }
	three := func() []twin.Device {
		return []twin.Device{device(berlin, "d", "serial", "1x"), device(hamburg, "d", "serial", "1x"), device(cologne, "d", "serial", "1x")}
	}
	start := func(changes *[]twin.Change, prefer ...string) *twin.Twins {
		ts := twin.New(twin.Options{Self: self, Changed: func(c []twin.Change) { *changes = append(*changes, c...) }})
		ts.SetRules(twin.Rules{Identity: []string{"serial"}, Prefer: prefer})
		return ts
	}
	after := func(ts *twin.Twins, d time.Duration) {
		for range d / time.Second {
			time.Sleep(time.Second)
			ts.Tick()
		}
	}
	want := func(t *testing.T, ts *twin.Twins, shown peer.ID) {
		t.Helper()
		for _, id := range []peer.ID{self, berlin, hamburg, cologne} {
			groups, _ := ts.Groups()
			if p := groups[0].Primary; p.Manager != shown || p.Manager != id && p.Via != id && !hide(ts, id) && slices.ContainsFunc(groups[0].Secondaries, func(s twin.Ref) bool { return s.Via == id }) {
				t.Errorf("the primary is %s (%s), not %s; hidden at %s: %v", names[p.Manager], groups[0].Why, names[shown], names[id], hide(ts, id))
			}
		}
		if hide(ts, shown) {
			t.Errorf("%s is hidden", names[shown])
		}
	}
	t.Run("lost and back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var changes []twin.Change
			ts := start(&changes)
			set(ts, three()...)
			want(t, ts, berlin)
			if len(changes) < 2 {
				t.Errorf("told %v", changes)
			}
			changes = nil
			ts.SetLink(berlin, false)
			after(ts, 9*time.Second)
			want(t, ts, berlin)
			after(ts, time.Second)
			want(t, ts, hamburg)
			d := tree.MustPath("/d")
			if diff := cmp.Diff([]twin.Change{{Manager: hamburg, At: d}, {Manager: berlin, At: d, Hidden: true}}, changes, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
			ts.SetLink(berlin, true)
			after(ts, 9*time.Second)
			want(t, ts, hamburg)
			after(ts, time.Second)
			want(t, ts, berlin)
			ts.SetLink(berlin, false)
			after(ts, 5*time.Second)
			ts.SetLink(berlin, true)
			after(ts, 30*time.Second)
			want(t, ts, berlin)
		})
	})
	t.Run("preferred", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts := start(new([]twin.Change), "cologne", string(hamburg))
			set(ts, three()...)
			want(t, ts, cologne)
			ts.SetLink(cologne, false)
			after(ts, 10*time.Second)
			want(t, ts, hamburg)
		})
	})
	t.Run("white or unwatched", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts := start(new([]twin.Change))
			set(ts, three()...)
			devices := three()
			devices[0].White, devices[1].Watched = true, false
			set(ts, devices...)
			want(t, ts, berlin)
			after(ts, 10*time.Second)
			want(t, ts, cologne)
			for _, id := range []peer.ID{berlin, hamburg, cologne} {
				ts.SetLink(id, false)
			}
			after(ts, time.Minute)
			want(t, ts, cologne)
			ts.SetLink(hamburg, true)
			after(ts, time.Second)
			want(t, ts, cologne) // Nobody watches it at hamburg.
			ts.SetLink(berlin, true)
			after(ts, time.Second)
			want(t, ts, berlin)
		})
	})
	t.Run("gone", func(t *testing.T) {
		ts := start(new([]twin.Change))
		set(ts, three()...)
		ts.Set(berlin, nil)
		want(t, ts, hamburg)
		ts.Set(cologne, nil)
		if groups, _ := ts.Groups(); len(groups) != 0 || hide(ts, hamburg) {
			t.Errorf("groups %v", told(groups))
		}
	})
	t.Run("one that comes, or comes back, later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts := start(new([]twin.Change), "berlin")
			set(ts, three()[1:]...)
			after(ts, twin.Hold)
			want(t, ts, hamburg)
			for range 2 {
				set(ts, three()...)
				after(ts, twin.Hold-time.Second)
				want(t, ts, hamburg)
				after(ts, time.Second)
				want(t, ts, berlin)
				ts.Set(berlin, nil) // Its manager has said goodbye.
				ts.Set(cologne, nil)
				after(ts, time.Minute)
			}
		})
	})
	t.Run("own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts := twin.New(twin.Options{Self: cologne})
			ts.SetRules(twin.Rules{Identity: []string{"serial"}})
			set(ts, three()...)
			want(t, ts, cologne)
			if ts.Left(cologne, "d").Left {
				t.Error("its own goes first")
			}
			ts.SetRules(twin.Rules{Identity: []string{"serial"}, Prefer: []string{"hamburg"}})
			after(ts, 10*time.Second)
			want(t, ts, hamburg)
			if w := ts.Left(cologne, "d"); !w.Left || w.To != "hamburg" || w.By != cologne {
				t.Errorf("alerts of two managers about one device: %+v", w)
			}
			ts.SetLink(hamburg, false)
			after(ts, 9*time.Second)
			if !ts.Left(cologne, "d").Left {
				t.Error("a link that was lost for a moment counts")
			}
			after(ts, time.Second)
			if w := ts.Left(cologne, "d"); w.Left || w.To != "hamburg" {
				t.Errorf("nobody alerts about the device: %+v", w)
			}
		})
	})
}

// TestWhatHappenedIsTaken holds that of what happened to a device that moves all is taken,
// whoever is the primary meanwhile, and that second views of the same are left out unless the
// first is lost.
func TestWhatHappenedIsTaken(t *testing.T) {
	const shop = "shop"
	// told has a manager tell of the shop of another one.
	told := func(of peer.ID, watched bool, through ...peer.ID) twin.Device {
		d := device(of, shop, "serial", "1x")
		d.Watched, d.Through = watched, through
		return d
	}
	type views map[peer.ID]twin.Device // by who tells of them
	for _, c := range []struct {
		name   string
		prefer string
		steps  []views  // long after each other
		want   []string // at each step, in its first seconds and later: of which is left out what happened
	}{
		{"given and returned", "", []views{
			{hamburg: told(hamburg, true)},
			{hamburg: told(hamburg, false), berlin: told(hamburg, true)},
			{hamburg: told(hamburg, true), berlin: told(hamburg, true)}, // That it is berlin's no more is told later.
			{hamburg: told(hamburg, true)},
		}, []string{"", "", "", ""}},
		{"the owner is killed and comes back", "", []views{
			{hamburg: told(hamburg, true)}, {berlin: told(hamburg, true)}, {hamburg: told(hamburg, true), berlin: told(hamburg, true)}, {hamburg: told(hamburg, true)},
		}, []string{"", "", "", ""}},
		{"from one stand-in to another", "", []views{
			{berlin: told(hamburg, true)}, {berlin: told(hamburg, true), cologne: told(hamburg, true)}, {cologne: told(hamburg, true)},
		}, []string{"", "", ""}},
		{"two devices that are the same", "", []views{
			{berlin: told(berlin, true), hamburg: told(hamburg, true)}, {berlin: told(berlin, false), hamburg: told(hamburg, true)},
		}, []string{"hamburg", " / berlin"}},
		{"the secondary moves", "cologne", []views{
			{cologne: told(cologne, true), hamburg: told(hamburg, true)}, {cologne: told(cologne, true), hamburg: told(hamburg, false), berlin: told(hamburg, true)},
		}, []string{"hamburg", "berlin hamburg"}},
		{"the primary moves", "hamburg", []views{
			{cologne: told(cologne, true), hamburg: told(hamburg, true)}, {cologne: told(cologne, true), hamburg: told(hamburg, false), berlin: told(hamburg, true)},
		}, []string{"cologne", "cologne"}},
		{"the primary is lost, with two others", "", []views{
			{berlin: told(berlin, true), hamburg: told(hamburg, true), cologne: told(cologne, true)},
			{berlin: told(berlin, false), hamburg: told(hamburg, true), cologne: told(cologne, true)},
		}, []string{"cologne hamburg", "cologne / berlin cologne"}},
		{"two ways to the manager that watches it", "", []views{
			{hamburg: told(hamburg, true), berlin: told(hamburg, true, hamburg)}, {berlin: told(hamburg, true, hamburg), cologne: told(hamburg, true, hamburg)},
		}, []string{"berlin", "cologne"}},
		{"two ways to a manager that watched it", "", []views{
			{hamburg: told(hamburg, true), berlin: told(hamburg, false, "00000000000000ff"), cologne: told(hamburg, false, "00000000000000ff", "00000000000000fe")},
		}, []string{"cologne"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ts := twin.New(twin.Options{Self: self})
				ts.SetRules(twin.Rules{Identity: []string{"serial"}, Prefer: []string{c.prefer}})
				leftOut := func() string {
					var list []string
					for _, id := range []peer.ID{berlin, cologne, hamburg} {
						if ts.Repeated(id, tree.MustPath("/shop/Log")) {
							list = append(list, names[id])
						}
					}
					return strings.Join(list, " ")
				}
				for i, step := range c.steps {
					soon, later, differ := strings.Cut(c.want[i], " / ")
					if !differ {
						later = soon
					}
					for _, id := range []peer.ID{berlin, cologne, hamburg} {
						var devices []twin.Device
						if d, ok := step[id]; ok {
							devices = []twin.Device{d}
						}
						ts.Set(id, devices)
					}
					for second := range 30 {
						want := soon
						if second >= int(twin.Hold/time.Second) {
							want = later
						}
						if got := leftOut(); got != want {
							t.Fatalf("step %d, %d s: of %q is left out what happened, not of %q", i, second, got, want)
						}
						time.Sleep(time.Second)
						ts.Tick()
					}
				}
			})
		})
	}
}

// TestOneIsShown has managers, links, devices and rules change at random: each device is
// shown once, and by one that is alive where one has been for as long as it takes.
func TestOneIsShown(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 7))
				shown := map[string]bool{} // as told
				place := func(c twin.Change) string { return string(c.Manager) + c.At.String() }
				var ts *twin.Twins
				ts = twin.New(twin.Options{Self: self, Changed: func(changes []twin.Change) {
					for _, c := range changes {
						if was, known := shown[place(c)]; known && was == c.Hidden || !known && !c.Hidden {
							t.Errorf("told of %v twice", c)
						}
						shown[place(c)] = c.Hidden
						if ts.Hidden(c.Manager, c.At) != c.Hidden {
							t.Errorf("Hidden does not say what was told: %v", c)
						}
					}
				}})
				managers := []peer.ID{self, berlin, hamburg, cologne}
				ts.SetRules(twin.Rules{Identity: []string{"serial", "address"}, Prefer: []string{"hamburg"}})
				dead := map[string]time.Time{} // since when nobody watches, of those that are there
				down := map[peer.ID]bool{}
				devices := map[peer.ID][]twin.Device{}
				for range 300 {
					switch id := managers[r.IntN(4)]; r.IntN(3) {
					case 0:
						if id != self {
							down[id] = r.IntN(2) == 0
							ts.SetLink(id, !down[id])
						}
					case 1:
						devices[id] = nil
						for i := range r.IntN(4) {
							d := device(id, fmt.Sprint("d", i), "serial", fmt.Sprint("s", r.IntN(3)))
							if r.IntN(2) == 0 {
								d = device(id, fmt.Sprint("d", i), "address", fmt.Sprint("10.0.0.", 1+r.IntN(2)))
							}
							d.Watched, d.White = r.IntN(3) > 0, r.IntN(3) == 0
							devices[id] = append(devices[id], d)
						}
						ts.Set(id, devices[id])
					default:
						time.Sleep(time.Duration(r.IntN(8)) * time.Second)
						ts.Tick()
					}
					now := time.Now()
					for _, id := range managers {
						for i := range 4 {
							key := fmt.Sprint(id, ":d", i)
							k := slices.IndexFunc(devices[id], func(d twin.Device) bool { return d.Name == fmt.Sprint("d", i) })
							if k < 0 || devices[id][k].Watched && !down[id] {
								delete(dead, key)
							} else if _, is := dead[key]; !is {
								dead[key] = now
							}
						}
					}
					groups, _ := ts.Groups()
					for _, g := range groups {
						visible, repeated, alive := 0, 0, false
						for _, s := range append(slices.Clone(g.Secondaries), g.Primary) {
							if ts.Repeated(s.Via, s.Path) {
								repeated++
							}
							if ts.Repeated(s.Via, s.Path) && (!ts.Hidden(s.Via, s.Path) || g.Primary.Path == s.Path && g.Primary.Via == s.Via) {
								t.Fatalf("what happened is left out of what is shown: %+v", s)
							}
							if !ts.Hidden(s.Via, s.Path) {
								visible++
							}
							_, is := dead[fmt.Sprint(s.Manager, ":", s.Device)]
							alive = alive || !is
						}
						if visible != 1 || ts.Hidden(g.Primary.Via, g.Primary.Path) {
							t.Fatalf("%d sources of one device are shown: %+v", visible, g)
						}
						tell := 1 // While it is lost, another one does, too.
						if !g.Primary.Live && alive {
							tell++
						}
						if told := 1 + len(g.Secondaries) - repeated; told != tell {
							t.Fatalf("%d sources tell what happened, not %d: %+v", told, tell, g)
						}
						since, is := dead[fmt.Sprint(g.Primary.Manager, ":", g.Primary.Device)]
						if is && alive && now.Sub(since) >= twin.Hold {
							t.Fatalf("one that is dead since %v is shown: %+v", now.Sub(since), g)
						}
					}
				}
			})
		})
	}
}
