package beans_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

// keyDir is a directory of beans in two domains that have the property "manager".
type keyDir map[string]*box

func (d keyDir) Bean(name beans.Name) (beans.Bean, bool) {
	b, ok := d[name.Canonical()]
	return b, ok
}

func (d keyDir) Names(pattern beans.Name, yield func(beans.Name) bool) {
	for text := range d {
		if n := beans.MustName(text); (pattern.IsZero() || pattern.Matches(n)) && !yield(n) {
			return
		}
	}
}

func (d keyDir) Count() int { return len(d) }

func (d keyDir) Domains() []string { return []string{"grove", "java.lang"} }

func TestBeansMountedByAProperty(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	register(t, s, newBox("Id", int64(1)), ":type=Timer")
	if _, err := s.Mount("", "Node", dir{"1": newBox("Id", int64(1))}); err != nil {
		t.Fatal(err)
	}
	d := keyDir{
		"grove:manager=berlin,type=Timer":      newBox("Id", int64(2)),
		"grove:id=1,manager=berlin,type=Node":  newBox("Id", int64(3)),
		"java.lang:manager=berlin,type=Memory": newBox("Id", int64(4)),
	}
	unmount, err := s.MountKey("manager", d)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{":type=Timer": 1, ":type=Timer,manager=berlin": 2, ":type=Node,id=1": 1, ":manager=berlin,type=Node,id=1": 3, "java.lang:type=Memory,manager=berlin": 4} {
		if v, err := s.Attribute(ctx, beans.MustName(name), "Id"); v != want || err != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	if s.IsRegistered(beans.MustName(":type=Timer,manager=hamburg")) {
		t.Error("a bean of a manager that is not there")
	}
	if got := s.Domains(); !slices.Equal(got, []string{"JMImplementation", "grove", "java.lang"}) || s.Count() != 6 {
		t.Errorf("domains %v, count %d", got, s.Count())
	}
	for pattern, want := range map[string]int{"*:*": 6, "*:manager=*,*": 3, "*:manager=b*,type=Timer": 1, "grove:type=Timer": 1, "grove:type=Timer,*": 2, "java.lang:*": 1, "*:type=Memory": 0} {
		if got, err := s.Query(ctx, beans.MustName(pattern), nil); len(got) != want || err != nil {
			t.Errorf("%s: %v, %v", pattern, texts(got), err)
		}
	}
	got, err := s.Registered(beans.MustName("grove:*"))
	want := []string{"grove:id=1,manager=berlin,type=Node", "grove:manager=berlin,type=Timer", "grove:type=Timer"}
	if diff := cmp.Diff(want, texts(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = s.Register(newBox(), beans.MustName("d:manager=x"))
	wantError(t, err, beans.ErrExists, "register d:manager=x: bean exists already: a directory has the names *:manager=*,*")
	_, err = s.MountKey("manager", d)
	wantError(t, err, beans.ErrExists, "mount *:manager=*,*: bean exists already: another directory has these names")
	_, err = s.MountKey("type", d)
	wantError(t, err, beans.ErrRefused, "mount *:type=*,*: registration refused: the property says of every bean what it is")
	_, err = s.MountKey("x", nil)
	wantError(t, err, beans.ErrRefused, "mount *:x=*,*: registration refused: the directory is nil")

	gone := beans.MustName("grove:manager=berlin,type=Timer")
	b := d[gone.Canonical()]
	if _, err := s.Subscribe(gone, func(beans.Notification) {}, nil); err != nil {
		t.Fatal(err)
	}
	delete(d, gone.Canonical())
	if err := s.Announce(false, gone); err != nil || b.Listened() {
		t.Errorf("%v, still listened to: %v", err, b.Listened())
	}
	unmount()
	unmount()
	register(t, s, newBox(), ":type=Timer,manager=berlin")
	_, err = s.MountKey("manager", d)
	wantError(t, err, beans.ErrExists, "mount *:manager=*,*: bean exists already: grove:manager=berlin,type=Timer")
}
