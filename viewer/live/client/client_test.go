package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/live"
	"grove/viewer/live/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T) (*tree.Tree, string) {
	t.Helper()
	tr := tree.New(tree.Options{})
	if _, err := tr.Add(tree.MustPath("/shop/load"), &tree.Spec{Kind: tree.Performance}); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	s := live.New(live.Options{Tree: tr})
	hs := httptest.NewServer(http.StripPrefix("/api/v1/live", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(grant.With(r.Context(), grant.Anonymous)))
	})))
	t.Cleanup(func() {
		_ = s.Close(context.Background())
		hs.Close()
	})
	return tr, hs.URL
}

func show(m *frame.Mirror) string {
	var lines []string
	m.Walk(func(n *frame.Mirrored, depth int) bool {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", depth, strings.Join(m.Names(n.Index), "/"), n.Status, n.Value)))
		return true
	})
	return strings.Join(lines, ", ")
}

func TestClientFollowsTheTree(t *testing.T) {
	tr, url := serve(t)
	c, err := Dial(t.Context(), url, tree.MustPath("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	next := func(want string) {
		t.Helper()
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
		if got := show(&c.Mirror); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	next("0  white, 1 shop white, 2 shop/load white")
	ref, _ := tr.Lookup(tree.MustPath("/shop/load"))
	for i := range 10 { // more than the window
		tr.Report(tree.Report{Node: ref, Value: tree.Number(float64(i))})
		tr.Flush()
		next(fmt.Sprintf("0  green, 1 shop green, 2 shop/load green %d", i))
	}
	if err := tr.Change(tree.Move(tree.MustPath("/shop/load"), tree.MustPath("/new/load"))); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	next("0  green, 1 new green, 2 new/load green 9")
}

func TestClientOpensAndCloses(t *testing.T) {
	tr, url := serve(t)
	for _, p := range []string{"/shop/web/cpu", "/shop/web/disk", "/host/cpu"} {
		if _, err := tr.Add(tree.MustPath(p), &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(10, 10)}}); err != nil {
			t.Fatal(err)
		}
	}
	tr.Flush()
	c, err := Follow(t.Context(), url, Request{Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	until := func(want string) {
		t.Helper()
		for {
			if got := show(&c.Mirror); got == want {
				return
			}
			if _, err := c.Next(); err != nil {
				t.Fatalf("%v; last %s, want %s", err, show(&c.Mirror), want)
			}
		}
	}
	index := func(names string) (found uint32) {
		c.Read(func(m *frame.Mirror) {
			m.Walk(func(n *frame.Mirrored, _ int) bool {
				if strings.Join(m.Names(n.Index), "/") == names {
					found = n.Index
				}
				return true
			})
		})
		return found
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	until("0  white, 1 shop white, 1 host white")
	if n := c.Mirror.Node(index("shop")); n.Children != 2 || n.Hidden {
		t.Errorf("shop has %d children, hidden %v", n.Children, n.Hidden)
	}
	do(c.OpenGroups(index("shop")))
	until("0  white, 1 shop white, 2 shop/load white, 2 shop/web white, 1 host white")
	do(c.CloseGroups(index("shop")))
	if got := show(&c.Mirror); got != "0  white, 1 shop white, 1 host white" {
		t.Errorf("after CloseGroups: %s", got)
	}
	ref, _ := tr.Lookup(tree.MustPath("/shop/web/disk"))
	tr.Report(tree.Report{Node: ref, Value: tree.Number(11)})
	tr.Flush()
	do(c.OpenProblems())
	until("0  red, 1 shop red, 2 shop/load white, 2 shop/web red, 3 shop/web/cpu white, 3 shop/web/disk red 11, 1 host white")
	if focus, ok := c.Focus(); !ok || focus != ref.Index() {
		t.Errorf("focus %d %v", focus, ok)
	}
	do(c.CloseAll())
	until("0  red, 1 shop red, 1 host white")
	do(c.OpenPath(tree.MustPath("/host/cpu")))
	until("0  red, 1 shop red, 1 host white, 2 host/cpu white")
	do(c.OpenPath(tree.MustPath("/host/none")))
	for c.Wrong() == nil {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}
	do(c.Ask(Request{Text: "cpu", Statuses: []tree.Status{tree.White}}))
	until("0  red, 1 shop red, 2 shop/web red, 3 shop/web/cpu white, 1 host white, 2 host/cpu white")
	for {
		if hits, shown := c.Matches(); hits == 2 && shown == 2 {
			break
		}
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}
	do(c.OpenAll())
	do(c.Ask(Request{Path: tree.MustPath("/host")}))
	until("0  white, 1 cpu white")
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	_, url := serve(t)
	for _, c := range []struct{ name, url, want string }{
		{"scheme", "ftp://x", `address of the server: "ftp://x" does not begin with http:// or https://`},
		{"not a feed", url + "/other", "websocket: bad handshake: the server answers 404 Not Found"},
	} {
		_, err := Dial(t.Context(), c.url, tree.Root)
		if err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	c, err := Dial(t.Context(), url, tree.MustPath("/none"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Next(); !errors.Is(err, ErrNoNode) || err.Error() != "/none: no such node" {
		t.Errorf("no node: %v", err)
	}
}

func TestClientEndsWithItsContext(t *testing.T) {
	_, url := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, url, tree.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := c.Next(); err == nil {
		t.Error("still reads")
	}
}
