package beans_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

// box is a bean with the attributes in values; "Fixed" is read-only.
type box struct {
	beans.Broadcaster
	mu     sync.Mutex
	values map[string]beans.Value
	class  string
}

func newBox(kv ...beans.Value) *box {
	b := &box{values: map[string]beans.Value{}, class: "test.Box"}
	for i := 0; i < len(kv); i += 2 {
		b.values[kv[i].(string)] = kv[i+1]
	}
	return b
}

func (b *box) Info() beans.Info {
	info := beans.Info{ClassName: b.class, Operations: []beans.OperationInfo{{Name: "echo"}}}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.values)) {
		info.Attributes = append(info.Attributes, beans.AttributeInfo{Name: name, Type: beans.TypeAny, Readable: true, Writable: name != "Fixed"})
	}
	return info
}

func (b *box) Attribute(_ context.Context, name string) (beans.Value, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.values[name]
	if !ok {
		return nil, beans.NoAttribute(name)
	}
	switch name {
	case "Broken":
		return nil, errors.New("the wire is cut")
	case "Panics":
		panic("boom")
	}
	return v, nil
}

func (b *box) SetAttribute(_ context.Context, name string, v beans.Value) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.values[name]; !ok {
		return beans.NoAttribute(name)
	}
	if name == "Fixed" {
		return beans.ReadOnly(name)
	}
	if v == nil {
		return beans.Invalid(name, errors.New("nothing given"))
	}
	b.values[name] = v
	return nil
}

func (b *box) Invoke(_ context.Context, op string, args []beans.Value) (beans.Value, error) {
	if op != "echo" {
		return nil, beans.NoOperation(op)
	}
	return args, nil
}

// plain is a bean without notifications.
type plain struct{ b *box }

func (p plain) Info() beans.Info { return p.b.Info() }
func (p plain) Attribute(ctx context.Context, name string) (beans.Value, error) {
	return p.b.Attribute(ctx, name)
}
func (p plain) SetAttribute(ctx context.Context, name string, v beans.Value) error {
	return p.b.SetAttribute(ctx, name, v)
}
func (p plain) Invoke(ctx context.Context, op string, args []beans.Value) (beans.Value, error) {
	return p.b.Invoke(ctx, op, args)
}

func newServer(t testing.TB) *beans.Server {
	t.Helper()
	s, err := beans.NewServer(beans.ServerOptions{DefaultDomain: "grove", ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func register(t testing.TB, s *beans.Server, b beans.Bean, name string) beans.Name {
	t.Helper()
	n, err := s.Register(b, beans.MustName(name))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantError compares the whole text and the kind.
func wantError(t *testing.T, err, is error, text string) {
	t.Helper()
	if err == nil || err.Error() != text || !errors.Is(err, is) {
		t.Errorf("got  %v\nwant %s", err, text)
	}
	var named *beans.NameError
	if !errors.As(err, &named) {
		t.Error("the error is no NameError")
	}
}

func texts(names []beans.Name) []string {
	out := []string{}
	for _, n := range names {
		out = append(out, n.Canonical())
	}
	return out
}

func TestRegisterAndFind(t *testing.T) {
	s := newServer(t)
	b := newBox("Speed", int64(3))
	n := register(t, s, b, ":type=Fan,slot=1")
	if n.String() != "grove:type=Fan,slot=1" {
		t.Errorf("registered as %s", n)
	}
	for _, name := range []string{":type=Fan,slot=1", "grove:slot=1,type=Fan"} {
		got, err := s.Bean(beans.MustName(name))
		if got != beans.Bean(b) || err != nil || !s.IsRegistered(beans.MustName(name)) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if s.Count() != 2 || !slices.Equal(s.Domains(), []string{"JMImplementation", "grove"}) {
		t.Errorf("count %d, domains %v", s.Count(), s.Domains())
	}
	if err := s.Unregister(n); err != nil {
		t.Fatal(err)
	}
	if s.IsRegistered(n) || s.Count() != 1 || !slices.Equal(s.Domains(), []string{"JMImplementation"}) {
		t.Errorf("after unregistering: %v, count %d, domains %v", s.IsRegistered(n), s.Count(), s.Domains())
	}
}

func TestServerErrors(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	n := register(t, s, newBox("Speed", int64(3), "Fixed", "x", "Broken", nil, "Panics", nil), "d:type=Fan")
	p := register(t, s, plain{newBox()}, "d:type=Plain")
	none := beans.MustName("d:type=None")
	if _, err := s.Mount("d", "Dir", dir{}); err != nil {
		t.Fatal(err)
	}
	get := func(n beans.Name, a string) error { _, err := s.Attribute(ctx, n, a); return err }
	reg := func(b beans.Bean, name string) error {
		n := beans.Name{}
		if name != "" {
			n = beans.MustName(name)
		}
		_, err := s.Register(b, n)
		return err
	}
	twice := newBox()
	for _, tt := range []struct {
		name string
		err  error
		is   error
		want string
	}{
		{"same name", reg(newBox(), "d:type=Fan"), beans.ErrExists, "register d:type=Fan: bean exists already"},
		{"pattern", reg(newBox(), "d:type=*"), beans.ErrPatternName, "register d:type=*: name is a pattern"},
		{"no name", reg(newBox(), ""), beans.ErrMalformedName, "register : malformed name: the bean has no name"},
		{"no bean", reg(nil, "d:a=b"), beans.ErrRefused, "register d:a=b: registration refused: the bean is nil"},
		{"reserved", reg(newBox(), "JMImplementation:a=b"), beans.ErrRefused, "register JMImplementation:a=b: registration refused: the domain is reserved"},
		{"name of a directory", reg(newBox(), "d:type=Dir,a=b"), beans.ErrExists, "register d:a=b,type=Dir: bean exists already: a directory has the names d:type=Dir,*"},
		{"attributes alike", reg(alike{plain{twice}}, "d:a=b"), beans.ErrRefused, `register d:a=b: registration refused: two attributes are named "A"`},
		{"unregister unknown", s.Unregister(none), beans.ErrNotFound, "unregister d:type=None: no such bean"},
		{"unregister the delegate", s.Unregister(beans.DelegateName), beans.ErrRefused, "unregister JMImplementation:type=MBeanServerDelegate: registration refused: the domain is reserved"},
		{"unregister nothing", s.Unregister(beans.Name{}), beans.ErrNotFound, `unregister "": no such bean`},
		{"get of unknown", get(none, "Speed"), beans.ErrNotFound, "get d:type=None: no such bean"},
		{"get of a pattern", get(beans.MustName("d:*"), "Speed"), beans.ErrPatternName, "get d:*: name is a pattern"},
		{"get unknown", get(n, "Weight"), beans.ErrAttributeNotFound, `get d:type=Fan: no such attribute "Weight"`},
		{"get fails", get(n, "Broken"), nil, `get d:type=Fan: attribute "Broken": the wire is cut`},
		{"get panics", get(n, "Panics"), nil, "get d:type=Fan: the bean panicked: boom"},
		{"set unknown", s.SetAttribute(ctx, n, "Weight", 1), beans.ErrAttributeNotFound, `set d:type=Fan: no such attribute "Weight"`},
		{"set read-only", s.SetAttribute(ctx, n, "Fixed", 1), beans.ErrReadOnly, `set d:type=Fan: read-only attribute "Fixed"`},
		{"set invalid", s.SetAttribute(ctx, n, "Speed", nil), beans.ErrInvalidValue, `set d:type=Fan: attribute "Speed": invalid value: nothing given`},
		{"invoke unknown", func() error { _, err := s.Invoke(ctx, n, "fly"); return err }(), beans.ErrOperationNotFound, `invoke d:type=Fan: no such operation "fly"`},
		{"subscribe to a silent bean", func() error { _, err := s.Subscribe(p, nil, nil); return err }(), beans.ErrNoNotifications, "subscribe to d:type=Plain: bean emits no notifications"},
		{"subscribe to unknown", func() error { _, err := s.Subscribe(none, nil, nil); return err }(), beans.ErrNotFound, "subscribe to d:type=None: no such bean"},
		{"mount twice", func() error { _, err := s.Mount("d", "Dir", dir{}); return err }(), beans.ErrExists, "mount d:type=Dir,*: bean exists already: another directory has these names"},
		{"mount over a bean", func() error { _, err := s.Mount("d", "Fan", dir{}); return err }(), beans.ErrExists, "mount d:type=Fan,*: bean exists already: d:type=Fan"},
		{"mount a pattern", func() error { _, err := s.Mount("d", "F*", dir{}); return err }(), beans.ErrPatternName, "mount d:type=F*,*: name is a pattern"},
		{"mount nothing", func() error { _, err := s.Mount("d", "None", nil); return err }(), beans.ErrRefused, "mount d:type=None,*: registration refused: the directory is nil"},
		{"announce elsewhere", s.Announce(true, none), beans.ErrNotFound, "announce d:type=None: no such bean: no directory has such names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.is == nil {
				tt.is = tt.err
			}
			wantError(t, tt.err, tt.is, tt.want)
		})
	}
	var panicked *beans.PanicError
	if err := get(n, "Panics"); !errors.As(err, &panicked) || !strings.Contains(string(panicked.Stack), "server_test.go") {
		t.Errorf("the panic does not say where: %v", err)
	}
}

// alike is a bean that describes one attribute twice.
type alike struct{ plain }

func (alike) Info() beans.Info {
	return beans.Info{Attributes: []beans.AttributeInfo{{Name: "A"}, {Name: "A"}}}
}

func TestBulkAttributesLeaveOutTheFailed(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	n := register(t, s, newBox("Speed", int64(3), "Fixed", "x", "Broken", nil, "Panics", nil), "d:type=Fan")
	got, err := s.Attributes(ctx, n, "Fixed", "None", "Broken", "Panics", "Speed")
	if diff := cmp.Diff([]beans.AttributeValue{{"Fixed", "x"}, {"Speed", int64(3)}}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if all, _ := s.Attributes(ctx, n); len(all) != 2 {
		t.Errorf("all readable: %v", all)
	}
	set, err := s.SetAttributes(ctx, n, beans.AttributeValue{"Fixed", 1}, beans.AttributeValue{"Speed", int64(9)}, beans.AttributeValue{"None", 1})
	if diff := cmp.Diff([]beans.AttributeValue{{"Speed", int64(9)}}, set); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if v, err := s.Attribute(ctx, n, "Speed"); v != int64(9) || err != nil {
		t.Errorf("Speed is %v, %v", v, err)
	}
	if v, err := s.Invoke(ctx, n, "echo", "a", true); !cmp.Equal(v, []beans.Value{"a", true}) || err != nil {
		t.Errorf("echo: %v, %v", v, err)
	}
	if is, err := s.IsInstanceOf(n, "test.Box"); !is || err != nil {
		t.Errorf("IsInstanceOf: %v, %v", is, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Attributes(ctx, n, "Speed"); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestQueryByPattern(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	for _, n := range []string{"b:type=Fan,slot=2", "b:type=Fan,slot=1", ":type=Fan", "a:type=Disk,slot=1"} {
		register(t, s, newBox(), n)
	}
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"", []string{"JMImplementation:type=MBeanServerDelegate", "a:slot=1,type=Disk", "b:slot=1,type=Fan", "b:slot=2,type=Fan", "grove:type=Fan"}},
		{"b:*", []string{"b:slot=1,type=Fan", "b:slot=2,type=Fan"}},
		{"?:slot=1,*", []string{"a:slot=1,type=Disk", "b:slot=1,type=Fan"}},
		{":*", []string{"grove:type=Fan"}},
		{":type=Fan", []string{"grove:type=Fan"}},
		{"c:*", []string{}},
		{"c:type=Fan", []string{}},
	} {
		pattern := beans.Name{}
		if tt.pattern != "" {
			pattern = beans.MustName(tt.pattern)
		}
		got, err := s.Query(ctx, pattern, nil)
		if diff := cmp.Diff(tt.want, texts(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.pattern, err, diff)
		}
	}
}

// hooked is a bean that records what the server tells it.
type hooked struct {
	plain
	name       string
	refuse     error
	panicAfter bool
	calls      []string
}

func (h *hooked) PreRegister(_ *beans.Server, name beans.Name) (beans.Name, error) {
	h.calls = append(h.calls, "pre "+name.String())
	if h.name != "" {
		name = beans.MustName(h.name)
	}
	return name, h.refuse
}

func (h *hooked) PostRegister(done bool) {
	h.calls = append(h.calls, fmt.Sprint("post ", done))
	if h.panicAfter {
		panic("too late")
	}
}

func (h *hooked) PreDeregister() error {
	h.calls = append(h.calls, "predereg")
	return h.refuse
}

func (h *hooked) PostDeregister() { h.calls = append(h.calls, "postdereg") }

func TestRegistrationHooks(t *testing.T) {
	s := newServer(t)
	h := &hooked{plain: plain{newBox()}, name: ":type=Chosen"}
	n, err := s.Register(h, beans.Name{})
	if err != nil || n.String() != "grove:type=Chosen" {
		t.Fatalf("registered as %s, %v", n, err)
	}
	if _, err := s.Register(h, beans.MustName("d:a=b")); !errors.Is(err, beans.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	h.refuse = errors.New("not now")
	wantError(t, s.Unregister(n), h.refuse, "unregister grove:type=Chosen: registration refused: not now")
	if !s.IsRegistered(n) {
		t.Error("the bean is gone although it refused")
	}
	_, err = s.Register(h, beans.MustName("d:a=c"))
	wantError(t, err, beans.ErrRefused, "register d:a=c: registration refused: not now")
	h.refuse = nil
	if err := s.Unregister(n); err != nil {
		t.Error(err)
	}
	h.panicAfter = true
	_, err = s.Register(h, beans.Name{})
	wantError(t, err, beans.ErrRefused, "register :type=Chosen: registration refused: the bean panicked: too late")
	if s.IsRegistered(n) {
		t.Error("the bean is there although its hook panicked")
	}
	want := []string{"pre ", "post true", "pre d:a=b", "post false", "predereg", "pre d:a=c", "predereg", "postdereg", "pre ", "post true"}
	if diff := cmp.Diff(want, h.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestDelegateAnnouncesRegistrations(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	var got []string
	cancel, err := s.Subscribe(beans.DelegateName, func(n beans.Notification) {
		got = append(got, fmt.Sprint(n.Sequence, " ", n.Type, " ", n.Data.(beans.Registration).Name, " from ", n.Source))
		if n.Time.IsZero() {
			t.Error("no time")
		}
		if n.Type == beans.TypeRegistered && !s.IsRegistered(n.Data.(beans.Registration).Name) {
			t.Error("announced before it is there")
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := register(t, s, newBox(), "d:b=2,a=1")
	if err := s.Unregister(n); err != nil {
		t.Fatal(err)
	}
	cancel()
	cancel()
	register(t, s, newBox(), "d:c=1")
	want := []string{
		"1 JMX.mbean.registered d:b=2,a=1 from JMImplementation:type=MBeanServerDelegate",
		"2 JMX.mbean.unregistered d:b=2,a=1 from JMImplementation:type=MBeanServerDelegate",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for attribute, want := range map[string]string{"MBeanServerId": "test", "ImplementationName": "grove", "SpecificationName": "Java Management Extensions"} {
		if v, err := s.Attribute(ctx, beans.DelegateName, attribute); v != want || err != nil {
			t.Errorf("%s = %v, %v", attribute, v, err)
		}
	}
}

func TestListenerMayRegister(t *testing.T) {
	s := newServer(t)
	var got []string
	_, err := s.Subscribe(beans.DelegateName, func(n beans.Notification) {
		name := n.Data.(beans.Registration).Name
		got = append(got, name.String())
		if len(got) == 1 {
			register(t, s, newBox(), "d:a=2")
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	register(t, s, newBox(), "d:a=1")
	if diff := cmp.Diff([]string{"d:a=1", "d:a=2"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestForwardedNotificationsCarryTheName(t *testing.T) {
	s := newServer(t)
	b := newBox()
	n := register(t, s, b, "d:type=Fan")
	var got []string
	listener := func(n beans.Notification) {
		got = append(got, fmt.Sprint(n.Source, " ", n.Type, " ", n.Sequence))
	}
	cancel, err := s.Subscribe(n, listener, beans.TypePrefixes("fan."))
	if err != nil {
		t.Fatal(err)
	}
	b.Emit(beans.Notification{Type: "fan.stuck"})
	b.Emit(beans.Notification{Type: "other"})
	b.Emit(beans.Notification{Type: "fan.free"})
	if err := s.Unregister(n); err != nil {
		t.Fatal(err)
	}
	if b.Listened() {
		t.Error("the bean still has a listener after it was unregistered")
	}
	b.Emit(beans.Notification{Type: "fan.stuck"})
	cancel()
	if diff := cmp.Diff([]string{"d:type=Fan fan.stuck 1", "d:type=Fan fan.free 3"}, got); diff != "" {
		t.Error(diff)
	}
}

// dir is a directory of beans by the value of their key "id".
type dir map[string]beans.Bean

func (d dir) Bean(n beans.Name) (beans.Bean, bool) {
	id, _ := n.Get("id")
	b, ok := d[id]
	return b, ok
}

func (d dir) Names(pattern beans.Name, yield func(beans.Name) bool) {
	for id := range d {
		n := beans.MustName("grove:type=Node,id=" + id)
		if (pattern.IsZero() || pattern.Matches(n)) && !yield(n) {
			return
		}
	}
}

func (d dir) Count() int { return len(d) }

// TestRegisteredLeavesDirectoriesOut lists beans beside a directory.
func TestRegisteredLeavesDirectoriesOut(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"d:type=Fan", "d:b=2,a=1", ":type=Box"} {
		register(t, s, newBox("Id", int64(1)), name)
	}
	if _, err := s.Mount("", "Node", dir{"1": newBox("Id", int64(1))}); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string][]string{
		"*:*":          {"JMImplementation:type=MBeanServerDelegate", "d:a=1,b=2", "d:type=Fan", "grove:type=Box"},
		"d:*":          {"d:a=1,b=2", "d:type=Fan"},
		"d:b=2,a=1":    {"d:a=1,b=2"},
		":type=*":      {"grove:type=Box"},
		":type=Box":    {"grove:type=Box"},
		"*:type=No*,*": {},
	} {
		got, err := s.Registered(beans.MustName(pattern))
		if diff := cmp.Diff(want, texts(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", pattern, err, diff)
		}
	}
	if all, err := s.Registered(beans.Name{}); len(all) != 4 || err != nil {
		t.Errorf("all: %v, %v", all, err)
	}
}

func TestDirectoryBeansAreLikeRegisteredOnes(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	d := dir{}
	for i := range 3 {
		d[strconv.Itoa(i)] = newBox("Id", int64(i))
	}
	var announced []string
	if _, err := s.Subscribe(beans.DelegateName, func(n beans.Notification) {
		announced = append(announced, n.Type+" "+n.Data.(beans.Registration).Name.Canonical())
	}, nil); err != nil {
		t.Fatal(err)
	}
	unmount, err := s.Mount("", "Node", d)
	if err != nil {
		t.Fatal(err)
	}
	one := beans.MustName(":id=1,type=Node")
	if !s.IsRegistered(one) || s.IsRegistered(beans.MustName(":id=7,type=Node")) {
		t.Error("IsRegistered is wrong")
	}
	if s.Count() != 4 || !slices.Equal(s.Domains(), []string{"JMImplementation", "grove"}) {
		t.Errorf("count %d, domains %v", s.Count(), s.Domains())
	}
	if v, err := s.Attribute(ctx, one, "Id"); v != int64(1) || err != nil {
		t.Errorf("Id is %v, %v", v, err)
	}
	for pattern, want := range map[string]int{"*:*": 4, "grove:*": 3, "*:type=Node": 0, "*:type=Node,*": 3, "*:type=N*,*": 3, "*:type=M*,*": 1, "*:type=Node,id=2": 1, "grove:id=1,*": 1, "*:id=*": 0} {
		if got, err := s.Query(ctx, beans.MustName(pattern), nil); len(got) != want || err != nil {
			t.Errorf("%s: %v, %v", pattern, got, err)
		}
	}
	got, err := s.Query(ctx, beans.Name{}, beans.Gt(beans.Attr("Id"), beans.Const(0)))
	if diff := cmp.Diff([]string{"grove:id=1,type=Node", "grove:id=2,type=Node"}, texts(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	wantError(t, s.Unregister(one), beans.ErrRefused, "unregister grove:id=1,type=Node: registration refused: a directory has it")

	heard := 0
	if _, err := s.Subscribe(one, func(beans.Notification) { heard++ }, nil); err != nil {
		t.Fatal(err)
	}
	b := d["1"].(*box)
	b.Emit(beans.Notification{Type: "x"})
	delete(d, "1")
	if err := s.Announce(false, one); err != nil {
		t.Fatal(err)
	}
	b.Emit(beans.Notification{Type: "x"})
	if heard != 1 || b.Listened() {
		t.Errorf("heard %d, still listened to: %v", heard, b.Listened())
	}
	unmount()
	unmount()
	if s.Count() != 1 || s.IsRegistered(beans.MustName(":id=2,type=Node")) {
		t.Error("the directory is still there")
	}
	register(t, s, newBox(), ":id=2,type=Node")
	want := []string{"JMX.mbean.unregistered grove:id=1,type=Node", "JMX.mbean.registered grove:id=2,type=Node"}
	if diff := cmp.Diff(want, announced); diff != "" {
		t.Error(diff)
	}
}

func TestManyReadersWhileBeansComeAndGo(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	stay := register(t, s, newBox("Speed", int64(1)), "d:type=Stay")
	live := map[string]bool{}
	if _, err := s.Subscribe(beans.DelegateName, func(n beans.Notification) {
		live[n.Data.(beans.Registration).Name.Canonical()] = n.Type == beans.TypeRegistered
	}, nil); err != nil {
		t.Fatal(err)
	}
	var readers, writers sync.WaitGroup
	done := make(chan struct{})
	for range 16 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if v, err := s.Attribute(ctx, stay, "Speed"); v == nil || err != nil {
					t.Errorf("Speed: %v, %v", v, err)
				}
				if names, err := s.Query(ctx, beans.MustName("d:*"), beans.Geq(beans.Attr("Speed"), beans.Const(1))); len(names) == 0 || err != nil {
					t.Errorf("query: %v, %v", names, err)
				}
				s.Count()
				s.Domains()
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 100 {
				// Two writers fight for each name, and some of them remain.
				n := beans.MustName(fmt.Sprintf("d:type=Come,n=%d-%d", w/2, i%10))
				if _, err := s.Register(newBox("Speed", int64(i)), n); err != nil && !errors.Is(err, beans.ErrExists) {
					t.Error(err)
				}
				if cancel, err := s.Subscribe(n, func(beans.Notification) {}, nil); err == nil {
					defer cancel()
				}
				if err := s.SetAttribute(ctx, stay, "Speed", int64(i+1)); err != nil {
					t.Error(err)
				}
				if i%3 > 0 {
					if err := s.Unregister(n); err != nil && !errors.Is(err, beans.ErrNotFound) {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	names, err := s.Query(ctx, beans.MustName("d:type=Come,*"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for name, there := range live {
		if there {
			told = append(told, name)
		}
	}
	slices.Sort(told)
	if diff := cmp.Diff(texts(names), told); diff != "" {
		t.Errorf("the notifications tell another end (-there +told):\n%s", diff)
	}
}

func BenchmarkAttribute(b *testing.B) {
	s, ctx := newServer(b), b.Context()
	for i := range 100_000 {
		register(b, s, plain{newBox("Speed", int64(i))}, "d:type=Fan,n="+strconv.Itoa(i))
	}
	n := beans.MustName("d:type=Fan,n=500")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Attribute(ctx, n, "Speed"); err != nil {
				b.Error(err)
			}
		}
	})
}
