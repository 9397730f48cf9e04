package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/notify/peer/remote"
	"grove/tree"
	"grove/tree/grant"
)

const (
	north   peer.ID = "00000000000000aa"
	berlin  peer.ID = "00000000000000bb"
	hamburg peer.ID = "00000000000000cc"
)

var called = map[peer.ID]string{north: "north", berlin: "berlin", hamburg: "hamburg"}

// world is one manager.
type world struct {
	*remote.Remote
	t      testing.TB
	beans  *beans.Server
	tree   *tree.Tree
	gauge  *gauge
	peers  []peer.Manager
	allow  []grant.Grant
	joined map[tree.Path]peer.ID // branches
	mu     sync.Mutex
	audit  []string
}

// gauge is what the test bean of each manager shows.
type gauge struct {
	Level  int64     `bean:",rw"`
	Since  time.Time `bean:""`
	Broken string    `bean:""`
	reads  int
}

// GetBroken fails.
func (g *gauge) GetBroken() (string, error) { g.reads++; return "", errors.New("the wire is cut") }

func managers(ids ...peer.ID) (all []peer.Manager) {
	for _, id := range ids {
		all = append(all, peer.Manager{ID: id, Name: called[id]})
	}
	return all
}

// start runs a manager that shows others "grove:type=Gauge", and on the instance shop
// "grove:type=RuntimeBean,instance=shop".
func start(t testing.TB, n *peertest.Net, id peer.ID, others ...peer.ID) *world {
	t.Helper()
	w := &world{t: t, gauge: &gauge{Level: 5, Since: time.Now()}, peers: managers(others...), allow: []grant.Grant{grant.Everything}, joined: map[tree.Path]peer.ID{}}
	var err error
	if w.beans, err = beans.NewServer(beans.ServerOptions{DefaultDomain: "grove", ID: string(id)}); err != nil {
		t.Fatal(err)
	}
	w.tree = tree.New(tree.Options{})
	paths := []string{"/shop", "/bank"}
	for _, o := range others {
		w.joined[tree.MustPath("/Managers/"+called[o])] = o
		paths = append(paths, "/Managers/"+called[o]+"/shop", "/Managers/"+called[o]+"/bank")
	}
	for _, p := range paths {
		w.grow(p + "/Users")
	}
	for _, name := range []string{":type=Gauge", ":type=RuntimeBean,instance=shop"} {
		w.register(name, w.gauge)
	}
	fabric := n.Join(id)
	w.Remote, err = remote.New(remote.Options{
		Fabric: fabric, Managers: func() []peer.Manager { w.mu.Lock(); defer w.mu.Unlock(); return w.peers },
		Beans: w.beans, Tree: w.tree, Guard: grant.NewGuard(w.tree),
		Place: w.place, Owner: w.owner, Name: func(id peer.ID) string { return called[id] },
		Local: func(of peer.ID, at tree.Path) (tree.Path, bool) {
			p, err := tree.ParsePath("/Managers/" + called[of] + at.String())
			return p, err == nil
		},
		Allow: func(peer.ID) []grant.Grant { w.mu.Lock(); defer w.mu.Unlock(); return w.allow },
		Details: func(ctx context.Context, at tree.Path) (json.RawMessage, error) {
			return json.RawMessage(fmt.Sprintf(`{"path":%q,"for":%q}`, at, grant.Of(ctx).Name)), nil
		},
		Acts: map[remote.Verb]remote.Act{
			remote.Ask: {Needs: grant.Operator, Do: func(_ context.Context, at tree.Path, args json.RawMessage) (json.RawMessage, error) {
				return json.Marshal(fmt.Sprintf("asked %s %s", at, args))
			}},
			remote.Tune: {Needs: grant.Editor, Do: func(context.Context, tree.Path, json.RawMessage) (json.RawMessage, error) {
				return nil, fmt.Errorf("%w: red is below yellow", tree.ErrThreshold)
			}},
		},
		Audit: func(ctx context.Context, action, target string, detail any) (func(error), error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			text, err := json.Marshal(detail)
			w.audit = append(w.audit, fmt.Sprintf("%s from %s: %s %s %s", grant.Of(ctx).Name, grant.Origin(ctx), action, target, text))
			return func(error) {}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := w.names("*:manager=*,*"); len(got) != 0 {
			t.Errorf("beans that stay: %v", got)
		}
	})
	return w
}

// set changes something that other goroutines look at.
func (w *world) set(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

func (w *world) grow(path string) {
	w.t.Helper()
	if _, err := w.tree.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Performance}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) register(name string, v any) *beans.Standard {
	w.t.Helper()
	b, err := beans.NewStandard(v, beans.StandardOptions{ClassName: "test.Gauge", Operations: []beans.Operation{
		{OperationInfo: beans.OperationInfo{Name: "add", Parameters: []beans.ParameterInfo{{Name: "n", Type: beans.TypeInt}}, Returns: beans.TypeInt, Impact: beans.ImpactAction},
			Call: func(_ context.Context, args []beans.Value) (beans.Value, error) { return args[0].(int64) + 1, nil }},
		{OperationInfo: beans.OperationInfo{Name: "look", Returns: beans.TypeTable, Impact: beans.ImpactInfo},
			Call: func(context.Context, []beans.Value) (beans.Value, error) {
				return beans.Table{{"a": 90 * time.Second}}, nil
			}},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.beans.Register(b, beans.MustName(name)); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// place knows the instance shop, and asks about beans of others.
func (w *world) place(name beans.Name) (tree.Path, bool) {
	if _, theirs := name.Get(remote.Key); theirs {
		return w.Place(name)
	}
	if instance, ok := name.Text("instance"); ok {
		return tree.MustPath("/" + instance), true
	}
	return tree.Path{}, false
}

func (w *world) owner(p tree.Path) (peer.ID, tree.Path, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for branch, id := range w.joined {
		if branch.Contains(p) {
			rest, err := tree.ParsePath(strings.TrimPrefix(p.String(), branch.String()))
			return id, rest, err == nil
		}
	}
	return "", tree.Path{}, false
}

func (w *world) names(pattern string) (texts []string) {
	w.t.Helper()
	names, err := w.beans.Query(context.Background(), beans.MustName(pattern), nil)
	if err != nil {
		w.t.Error(err)
	}
	for _, n := range names {
		texts = append(texts, n.Canonical())
	}
	return texts
}

// as is a context in which somebody asks.
func as(name string, grants ...grant.Grant) context.Context {
	return grant.With(context.Background(), &grant.Subject{Name: name, Grants: grants})
}

func role(r grant.Role, path string) grant.Grant {
	return grant.Grant{Role: r, Path: tree.MustPath(path)}
}

func wantIs(t *testing.T, err, is error, text string) {
	t.Helper()
	if !errors.Is(err, is) || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

func TestBeansOfAnotherManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		b := start(t, n, berlin)
		w := start(t, n, north, berlin)
		b.set(func() { b.peers = managers(north) })
		time.Sleep(2 * time.Second)
		want := []string{"grove:instance=shop,manager=berlin,type=RuntimeBean", "grove:manager=berlin,type=Gauge"}
		if diff := cmp.Diff(want, w.names("*:manager=berlin,*")); diff != "" {
			t.Fatal(diff)
		}
		name := beans.MustName("grove:type=Gauge,manager=berlin")
		ctx := as("ada", grant.Everything)
		info, err := w.beans.Info(name)
		if err != nil || info.ClassName != "test.Gauge" || len(info.Attributes) != 3 || len(info.Operations) != 2 {
			t.Errorf("info %+v, %v", info, err)
		}
		if v, err := w.beans.Attribute(ctx, name, "Level"); v != int64(5) || err != nil {
			t.Errorf("Level is %#v, %v", v, err)
		}
		if v, err := w.beans.Attribute(ctx, name, "Since"); !b.gauge.Since.Equal(v.(time.Time)) || err != nil {
			t.Errorf("Since is %#v, %v", v, err)
		}
		if err := w.beans.SetAttribute(ctx, name, "Level", int64(7)); err != nil || b.gauge.Level != 7 {
			t.Errorf("Level %d, %v", b.gauge.Level, err)
		}
		if v, err := w.beans.Attribute(ctx, name, "Level"); v != int64(7) || err != nil {
			t.Errorf("Level is %#v after it was set, %v", v, err)
		}
		values, err := w.beans.Attributes(ctx, name)
		if err != nil || len(values) != 2 {
			t.Errorf("all readable: %v, %v", values, err)
		}
		if v, err := w.beans.Invoke(ctx, name, "add", int64(41)); v != int64(42) || err != nil {
			t.Errorf("add: %v, %v", v, err)
		}
		v, err := w.beans.Invoke(ctx, name, "look")
		if diff := cmp.Diff(beans.Table{{"a": 90 * time.Second}}, v); diff != "" || err != nil {
			t.Errorf("look: %v\n%s", err, diff)
		}
		audited := []string{
			`ada@north from manager 00000000000000aa: bean set grove:type=Gauge Level {"became":"7"}`,
			`ada@north from manager 00000000000000aa: bean invoke grove:type=Gauge add "41"`,
		}
		for i := range audited {
			if !slices.Contains(b.audit, audited[i]) {
				t.Errorf("audit: %q", b.audit)
			}
		}

		// Errors are those of the bean over there.
		_, err = w.beans.Attribute(ctx, name, "None")
		wantIs(t, err, beans.ErrAttributeNotFound, `get grove:manager=berlin,type=Gauge: no such attribute "None"`)
		_, err = w.beans.Attribute(ctx, name, "Broken")
		if err == nil || err.Error() != `get grove:manager=berlin,type=Gauge: attribute "Broken": the wire is cut` {
			t.Errorf("got %v", err)
		}
		wantIs(t, w.beans.SetAttribute(ctx, name, "Since", "x"), beans.ErrReadOnly, "Since")
		wantIs(t, w.beans.SetAttribute(ctx, name, "Level", "x"), beans.ErrInvalidValue, "Level")
		_, err = w.beans.Invoke(ctx, name, "none")
		wantIs(t, err, beans.ErrOperationNotFound, "none")
		_, err = w.beans.Attribute(ctx, beans.MustName("grove:type=Other,manager=berlin"), "x")
		wantIs(t, err, beans.ErrNotFound, "")

		// A query can be passed on, and sees what has not been told yet.
		b.register(":type=Fresh", &gauge{})
		got, err := w.Query(ctx, berlin, beans.MustName("*:type=F*,manager=berlin"))
		if err != nil || len(got) != 1 || got[0].Canonical() != "grove:manager=berlin,type=Fresh" {
			t.Errorf("query: %v, %v", got, err)
		}
		var announced []string
		if _, err := w.beans.Subscribe(beans.DelegateName, func(n beans.Notification) {
			w.set(func() { announced = append(announced, n.Type+" "+n.Data.(beans.Registration).Name.Canonical()) })
		}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if err := b.beans.Unregister(beans.MustName(":type=Fresh")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		w.set(func() {
			if diff := cmp.Diff([]string{"JMX.mbean.registered grove:manager=berlin,type=Fresh", "JMX.mbean.unregistered grove:manager=berlin,type=Fresh"}, announced); diff != "" {
				t.Error(diff)
			}
		})

		// While the link is lost names stay, and nothing is read.
		n.Cut(berlin, north, true)
		_, err = w.beans.Attribute(ctx, name, "Level")
		wantIs(t, err, remote.ErrAway, "berlin")
		if info, err := w.beans.Info(name); err != nil || info.ClassName != "test.Gauge" {
			t.Errorf("info %+v, %v", info, err)
		}
		w.set(func() { w.peers = nil })
		time.Sleep(2 * time.Second)
		if got := w.names("*:manager=*,*"); len(got) != 0 {
			t.Errorf("beans of a manager that is gone: %v", got)
		}
	})
}

func TestNobodyMayMoreThanBothAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		b := start(t, n, berlin)
		w := start(t, n, north, berlin)
		b.set(func() { b.allow = []grant.Grant{role(grant.Operator, "/"), role(grant.Editor, "/bank")} })
		time.Sleep(2 * time.Second)
		whole, shop := beans.MustName("grove:type=Gauge,manager=berlin"), beans.MustName("grove:type=RuntimeBean,instance=shop,manager=berlin")
		try := func(ctx context.Context, name beans.Name) (can string) {
			if _, err := w.beans.Attribute(ctx, name, "Level"); err == nil {
				can += "get "
			} else if !errors.Is(err, beans.ErrNotFound) {
				t.Errorf("get: %v", err)
			}
			for what, err := range map[string]error{"set": w.beans.SetAttribute(ctx, name, "Level", int64(1)), "invoke": func() error { _, err := w.beans.Invoke(ctx, name, "add", int64(1)); return err }()} {
				switch {
				case err == nil && what == "set":
					can = can + "set "
				case err == nil:
					can = can + "invoke "
				case !errors.Is(err, grant.ErrDenied) && !errors.Is(err, beans.ErrNotFound):
					t.Errorf("%s: %v", what, err)
				}
			}
			return can
		}
		for _, c := range []struct {
			who         context.Context
			whole, shop string
		}{
			{as("root", grant.Everything), "get ", "get invoke "},
			{as("viewer", role(grant.Viewer, "/")), "get ", "get "},
			{as("operator", role(grant.Operator, "/Managers/berlin/shop")), "", "get invoke "},
			{as("other", role(grant.Admin, "/Managers/berlin/bank")), "", ""},
			{context.Background(), "", ""},
		} {
			if got := try(c.who, whole); got != c.whole {
				t.Errorf("%s can %q of the whole", grant.Of(c.who).Name, got)
			}
			if got := try(c.who, shop); got != c.shop {
				t.Errorf("%s can %q of the shop", grant.Of(c.who).Name, got)
			}
		}
		if p, ok := w.Place(shop); !ok || p.String() != "/Managers/berlin/shop" {
			t.Errorf("place %v, %v", p, ok)
		}
		b.set(func() { b.allow = []grant.Grant{role(grant.Viewer, "/shop")} })
		b.register(":type=Another", &gauge{})
		time.Sleep(40 * time.Second)
		if got := w.names("*:manager=*,*"); !slices.Equal(got, []string{"grove:instance=shop,manager=berlin,type=RuntimeBean"}) {
			t.Errorf("what is told: %v", got)
		}
	})
}

func TestManagersBehindManagers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		w := start(t, n, north, berlin)
		start(t, n, berlin, hamburg, north)
		h := start(t, n, hamburg, berlin) // A circle: hamburg shows what berlin shows of north.
		time.Sleep(70 * time.Second)
		want := []string{
			"grove:instance=shop,manager=berlin,type=RuntimeBean", "grove:instance=shop,manager=berlin/hamburg,type=RuntimeBean",
			"grove:manager=berlin,type=Gauge", "grove:manager=berlin/hamburg,type=Gauge",
		}
		if diff := cmp.Diff(want, w.names("*:manager=*,*")); diff != "" {
			t.Error(diff)
		}
		name := beans.MustName("grove:type=Gauge,manager=berlin/hamburg")
		if err := w.beans.SetAttribute(as("ada", grant.Everything), name, "Level", int64(9)); err != nil || h.gauge.Level != 9 {
			t.Errorf("Level %d, %v", h.gauge.Level, err)
		}
		if len(h.audit) != 1 || !strings.HasPrefix(h.audit[0], "ada@north@berlin from manager 00000000000000bb: bean set") {
			t.Errorf("audit %q", h.audit)
		}
		if info, err := w.beans.Info(name); err != nil || info.ClassName != "test.Gauge" {
			t.Errorf("info %+v, %v", info, err)
		}
		heard := make(chan beans.Notification, 1)
		if _, err := w.beans.Subscribe(name, func(n beans.Notification) { heard <- n }, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := h.beans.SetAttribute(t.Context(), beans.MustName(":type=Gauge"), "Level", 10); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		select {
		case got := <-heard:
			if !got.Source.Equal(name) || got.Data.(beans.AttributeChange).New != int64(10) {
				t.Errorf("%+v", got)
			}
		default:
			t.Error("nothing was heard")
		}
		// Linked itself, it is there under its own name alone.
		w.set(func() { w.peers = managers(berlin, hamburg) })
		time.Sleep(70 * time.Second)
		if got := w.names("*:manager=*,type=Gauge"); !slices.Equal(got, []string{"grove:manager=berlin,type=Gauge", "grove:manager=hamburg,type=Gauge"}) {
			t.Errorf("names %v", got)
		}
	})
}

func TestNotificationsOfAnotherManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		b := start(t, n, berlin)
		loud := b.register(":type=Loud", &gauge{})
		w := start(t, n, north, berlin)
		time.Sleep(2 * time.Second)
		name := beans.MustName("grove:type=Loud,manager=berlin")
		var mu sync.Mutex
		var got []beans.Notification
		cancel, err := w.beans.Subscribe(name, func(n beans.Notification) { mu.Lock(); got = append(got, n); mu.Unlock() }, beans.TypePrefixes("test.", remote.TypeLost))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		emit := func(from, to int) {
			for i := from; i < to; i++ {
				loud.Emit(beans.Notification{Type: "test.tick", Message: "tick\x07", Data: int64(i)})
			}
		}
		look := func(of *[]beans.Notification) []beans.Notification { mu.Lock(); defer mu.Unlock(); return *of }
		emit(0, 1000)
		loud.Emit(beans.Notification{Type: "other"})
		time.Sleep(3 * time.Second)
		if len(look(&got)) != 1000 {
			t.Fatalf("%d notifications", len(look(&got)))
		}
		for i, g := range look(&got) {
			if g.Data != int64(i) || g.Sequence != int64(i+1) || !g.Source.Equal(name) || g.Message != "tick" {
				t.Fatalf("number %d is %+v", i, g)
			}
		}
		// What comes while the link is lost waits, as far as the queue goes.
		mu.Lock()
		got = nil
		mu.Unlock()
		n.Cut(north, berlin, true) // Acknowledgements do not get through.
		emit(1000, 1010)
		time.Sleep(8 * time.Second)
		emit(1010, 1010+6000)
		n.Cut(north, berlin, false)
		time.Sleep(20 * time.Second)
		lost, last := int64(0), int64(999)
		for _, g := range look(&got) {
			switch v := g.Data.(int64); {
			case g.Type == remote.TypeLost:
				lost += v
			case v <= last:
				t.Fatalf("%d after %d", v, last)
			default:
				last = v
			}
		}
		if lost == 0 || int(lost)+len(look(&got))-1 != 6010 {
			t.Errorf("%d came, %d were lost", len(look(&got)), lost)
		}
		cancel()
		time.Sleep(2 * time.Second)
		if loud.Listened() {
			t.Error("nobody listens any more, and it is still sent")
		}
		if _, err := w.beans.Subscribe(name, func(beans.Notification) {}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if !loud.Listened() {
			t.Error("it is not listened to again")
		}
		n.Leave(north)
		time.Sleep(time.Minute)
		if loud.Listened() {
			t.Error("the lease of a manager that is gone goes on")
		}
	})
}

func TestNodesOfAnotherManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		w := start(t, n, north, berlin)
		b := start(t, n, berlin, hamburg, north)
		h := start(t, n, hamburg)
		w.grow("/Managers/berlin/Managers/hamburg/shop/Users")
		time.Sleep(2 * time.Second)
		near, far := tree.MustPath("/Managers/berlin/shop/Users"), tree.MustPath("/Managers/berlin/Managers/hamburg/shop/Users")
		ada := as("ada", grant.Everything)
		got, err := w.Node(ada, near)
		if err != nil || got.Owner != berlin || got.Path.String() != "/shop/Users" || string(got.Details) != `{"path":"/shop/Users","for":"ada@north"}` {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := w.Node(ada, far); err != nil || got.Owner != hamburg || got.Path.String() != "/shop/Users" {
			t.Errorf("%+v, %v", got, err)
		}
		answer, err := w.Act(ada, far, remote.Ask, json.RawMessage(`{"wait":1}`))
		if string(answer) != `"asked /shop/Users {\"wait\":1}"` || err != nil {
			t.Errorf("%s, %v", answer, err)
		}
		_, err = w.Act(ada, near, remote.Tune, nil)
		wantIs(t, err, tree.ErrThreshold, "red is below yellow")
		_, err = w.Act(ada, near, "format", nil)
		wantIs(t, err, beans.ErrOperationNotFound, `"format"`)
		_, err = w.Node(ada, tree.MustPath("/shop/Users"))
		wantIs(t, err, remote.ErrOwn, "/shop/Users")
		_, err = w.Act(as("eve", role(grant.Viewer, "/")), near, remote.Ask, nil)
		wantIs(t, err, grant.ErrDenied, "operator")
		_, err = w.Node(as("eve", role(grant.Viewer, "/shop")), near)
		wantIs(t, err, tree.ErrNoNode, "")
		_, err = w.Node(as("eve", role(grant.Viewer, "/Managers/berlin/shop/Users")), tree.MustPath("/Managers/berlin/shop"))
		if err == nil {
			t.Error("a group of which a part is hidden")
		}
		b.set(func() { b.allow = []grant.Grant{role(grant.Viewer, "/")} })
		_, err = w.Act(ada, near, remote.Ask, nil)
		wantIs(t, err, grant.ErrDenied, "ada@north needs the role operator on /shop/Users")
		if len(h.audit) != 1 || !strings.HasPrefix(h.audit[0], "ada@north@berlin from manager 00000000000000bb: node ask /shop/Users") {
			t.Errorf("audit %q", h.audit)
		}
		// Two that take each other for the owner end it.
		w.set(func() { w.joined = map[tree.Path]peer.ID{tree.Root: berlin} })
		b.set(func() { b.joined = map[tree.Path]peer.ID{tree.Root: north} })
		_, err = w.Node(ada, near)
		wantIs(t, err, remote.ErrCircle, "")
	})
}

func TestManagersOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		start(t, n, berlin)
		start(t, n, hamburg)
		w := start(t, n, north)
		for _, c := range []struct {
			names []string
			want  []string
		}{
			{[]string{"city", "city"}, []string{"grove:manager=00000000000000bb,type=Gauge", "grove:manager=00000000000000cc,type=Gauge"}},
			{[]string{"city", "town"}, []string{"grove:manager=city,type=Gauge", "grove:manager=town,type=Gauge"}},
			{[]string{"a/b", "00000000000000bb"}, []string{"grove:manager=00000000000000bb,type=Gauge", "grove:manager=00000000000000cc,type=Gauge"}},
		} {
			w.set(func() {
				w.peers = []peer.Manager{{ID: berlin, Name: c.names[0]}, {ID: hamburg, Name: c.names[1]}}
			})
			time.Sleep(3 * time.Second)
			if diff := cmp.Diff(c.want, w.names("*:manager=*,type=Gauge")); diff != "" {
				t.Errorf("%q: %s", c.names, diff)
			}
		}
	})
}

func TestAHostileManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		w := start(t, n, north, berlin, hamburg)
		bad := n.Join(berlin)
		list := []string{
			`{"n":"grove:type=Good"}`, `{"n":"grove:type=Good"}`, `{"n":"grove:*"}`, `{"n":"grove:type=Node,path=\"/\""}`, `{"n":"JMImplementation:type=MBeanServerDelegate"}`,
			`{"n":"grove:type=A,manager=hamburg"}`, `{"n":"grove:type=B,manager=hamburg","b":["00000000000000cc"]}`, `{"n":"grove:type=C,manager=a/../b","b":["00000000000000dd"]}`,
			`{"n":"grove:type=D","b":["00000000000000dd"]}`, `{"n":"grove:type=E,manager=me","b":["00000000000000aa"]}`, `{"n":"grove:type=F,manager=x","b":["nonsense"]}`,
			`{"n":"grove:type=Far,manager=dora","b":["00000000000000dd"]}`, `{"n":"nonsense"}`,
		}
		bad.Handle("remote.list", func(context.Context, peer.ID, []byte) ([]byte, error) {
			return []byte(`{"edition":"1","beans":[` + strings.Join(list, ",") + `]}`), nil
		})
		bad.Handle("remote.get", func(context.Context, peer.ID, []byte) ([]byte, error) {
			return []byte(`{"values":[{"name":"x","value":{"i":"no"}},{"name":"y","error":{"is":"made up","message":"a\u001b[31m\u202e` + strings.Repeat("b", 9999) + `"}}]}`), nil
		})
		bad.Handle("remote.info", func(context.Context, peer.ID, []byte) ([]byte, error) { return []byte(`{"of":[7,-9]}`), nil })
		time.Sleep(5 * time.Second)
		if diff := cmp.Diff([]string{"grove:manager=berlin,type=Good", "grove:manager=berlin/dora,type=Far"}, w.names("*:manager=b*,*")); diff != "" {
			t.Error(diff)
		}
		ctx := as("ada", grant.Everything)
		name := beans.MustName("grove:type=Good,manager=berlin")
		if v, err := w.beans.Attribute(ctx, name, "x"); err == nil {
			t.Errorf("nonsense is %v", v)
		}
		_, err := w.beans.Attribute(ctx, name, "y")
		if text := fmt.Sprint(err); strings.ContainsAny(text, "\x1b\u202e") || len(text) > 3000 {
			t.Errorf("%q", text)
		}
		if info, err := w.beans.Info(name); err != nil || info.ClassName != "grove.peer.Bean" {
			t.Errorf("%+v, %v", info, err)
		}
		for kind, bodies := range map[string][]string{
			"remote.get": {
				`{`, `{"caller":{"chain":[]},"name":"grove:type=Gauge"}`, `{"caller":{"chain":["00000000000000cc"],"role":"admin"},"name":"grove:type=Gauge"}`,
				`{"caller":{"chain":["00000000000000aa","00000000000000bb"],"role":"admin"},"name":"grove:type=Gauge"}`,
				`{"caller":{"chain":["1","00000000000000bb"],"role":"admin"},"name":"grove:type=Gauge"}`,
				`{"caller":{"chain":["00000000000000b1","00000000000000b2","00000000000000b3","00000000000000b4","00000000000000bb"],"role":"admin"},"name":"grove:type=Gauge"}`,
			},
			"remote.notify": {`{"events":[` + strings.Repeat(`{},`, 600) + `{}]}`}, "remote.subscribe": {`[]`, `{"names":["` + strings.Repeat(`a","`, 2000) + `"]}`},
			"remote.act": {`{"path":"x"}`}, "remote.info": {`{"names":["` + strings.Repeat(`a","`, 200) + `"]}`}, "remote.query": {`{}`},
		} {
			for _, body := range bodies {
				if answer, err := bad.Ask(t.Context(), north, kind, []byte(body)); !peer.IsRefusal(err, peer.Invalid) && !peer.IsRefusal(err, peer.Refused) {
					t.Errorf("%s %.60s: %s, %v", kind, body, answer, err)
				}
			}
		}
		// Nobody may anything whom nobody allows it, whatever the question says.
		w.set(func() { w.allow = nil })
		answer, err := bad.Ask(t.Context(), north, "remote.get", []byte(`{"caller":{"chain":["00000000000000bb"],"role":"admin"},"name":"grove:type=Gauge"}`))
		if err != nil || !strings.Contains(string(answer), `"is":"bean"`) {
			t.Errorf("%s, %v", answer, err)
		}
	})
}

func TestManyBeansComeInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		b := start(t, n, berlin)
		for i := range 6000 {
			b.register(fmt.Sprintf("d%d:type=Many,name=%s-%d", i%3, strings.Repeat("x", 60), i), &gauge{})
		}
		w := start(t, n, north, berlin)
		time.Sleep(3 * time.Second)
		if got := w.names("*:manager=berlin,*"); len(got) != 6002 {
			t.Errorf("%d names", len(got))
		}
		names, err := w.beans.Query(t.Context(), beans.MustName("d1:manager=berlin,*"), beans.InstanceOf("test.Gauge"))
		if len(names) != 2000 || err != nil {
			t.Errorf("%d described, %v", len(names), err)
		}
		if got := w.beans.Domains(); !slices.Equal(got, []string{"JMImplementation", "d0", "d1", "d2", "grove"}) {
			t.Errorf("domains %v", got)
		}
	})
}
