package cause

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"grove/tree"
	"grove/tree/alert"
)

// world is a tree in which nodes need others, and groups alert as a whole.
type world struct {
	needs  map[string][]string
	wholes []string
}

func (w world) DependsOn(p tree.Path) (list []tree.Path) {
	for q := p; ; q = q.Parent() {
		for _, d := range w.needs[q.String()] {
			list = append(list, tree.MustPath(d))
		}
		if q.IsRoot() {
			return list
		}
	}
}

func (w world) Whole(p tree.Path) (tree.Path, bool) {
	for q := p; !q.IsRoot(); {
		q = q.Parent()
		if slices.Contains(w.wholes, q.String()) {
			return q, true
		}
	}
	return tree.Root, false
}

// vital is the alert of a red attribute because of which its parent has failed.
func vital(id alert.ID, path string) Source {
	p := tree.MustPath(path)
	return Source{ID: id, Path: p, Status: tree.Red, Vital: true, Fails: p.Parent()}
}

func plain(id alert.ID, path string) Source {
	return Source{ID: id, Path: tree.MustPath(path), Status: tree.Red}
}

func whole(id alert.ID, path string) Source {
	return Source{ID: id, Path: tree.MustPath(path), Status: tree.Red, Whole: true}
}

func over(s Source) Source { s.Over = true; return s }

func TestWhatFollowsFromWhat(t *testing.T) {
	for name, c := range map[string]struct {
		world   world
		sources []Source
		path    string
		id      alert.ID
		want    string // root and text; empty: it follows from nothing
	}{
		"nothing has failed":                {path: "/a/x"},
		"below a group that has failed":     {sources: []Source{vital(1, "/a/up")}, path: "/a/b/x", want: "1 /a has failed: /a/up is red"},
		"the cause itself":                  {sources: []Source{vital(1, "/a/up")}, path: "/a/up", id: 1},
		"beside it":                         {sources: []Source{vital(1, "/a/up")}, path: "/ab/x"},
		"the failed group itself":           {sources: []Source{vital(1, "/a/up")}, path: "/a"},
		"the root has failed":               {sources: []Source{vital(1, "/up")}, path: "/a/x", want: "1 / has failed: /up is red"},
		"the cause of the cause":            {sources: []Source{vital(2, "/a/up"), vital(1, "/a/b/up")}, path: "/a/b/x", want: "2 /a has failed: /a/up is red"},
		"the cause is a consequence itself": {sources: []Source{vital(2, "/a/up"), vital(1, "/a/b/up")}, path: "/a/b/up", id: 1, want: "2 /a has failed: /a/up is red"},
		"two that are vital: the first":     {sources: []Source{vital(2, "/a/up"), vital(1, "/a/link")}, path: "/a/up", id: 2, want: "1 /a has failed: /a/link is red"},
		"the first of them stands":          {sources: []Source{vital(2, "/a/up"), vital(1, "/a/link")}, path: "/a/link", id: 1},
		"it depends on what is red": {world: world{needs: map[string][]string{"/a": {"/net/link"}}}, sources: []Source{plain(1, "/net/link")},
			path: "/a/b/x", want: "1 it depends on /net/link, which is red"},
		"it depends on a group that has failed": {world: world{needs: map[string][]string{"/a/x": {"/db"}}}, sources: []Source{vital(1, "/db/up")},
			path: "/a/x", want: "1 it depends on /db, which has failed: /db/up is red"},
		"it depends on what is below one": {world: world{needs: map[string][]string{"/a/x": {"/h/db"}}}, sources: []Source{vital(1, "/h/up")},
			path: "/a/x", want: "1 it depends on /h/db, which has failed: /h/up is red"},
		"what is red but vital for another does not fail its neighbour": {world: world{needs: map[string][]string{"/a/x": {"/db/other"}}},
			sources: []Source{plain(1, "/db/up")}, path: "/a/x"},
		"a chain of dependence": {world: world{needs: map[string][]string{"/a": {"/b"}, "/b": {"/c"}}},
			sources: []Source{vital(1, "/b/up"), vital(2, "/c/up")}, path: "/a/x", want: "2 it depends on /b, which has failed: /c/up is red"},
		"a circle: the first stands": {world: world{needs: map[string][]string{"/a": {"/b"}, "/b": {"/a"}}},
			sources: []Source{vital(7, "/a/up"), vital(5, "/b/up")}, path: "/b/up", id: 5},
		"a circle: the other follows": {world: world{needs: map[string][]string{"/a": {"/b"}, "/b": {"/a"}}},
			sources: []Source{vital(7, "/a/up"), vital(5, "/b/up")}, path: "/a/up", id: 7, want: "5 it depends on /b, which has failed: /b/up is red"},
		"a circle with a way out": {world: world{needs: map[string][]string{"/a": {"/b"}, "/b": {"/a", "/c"}}},
			sources: []Source{vital(1, "/a/up"), vital(2, "/b/up"), vital(3, "/c/up")}, path: "/a/up", id: 1, want: "3 it depends on /b, which has failed: /c/up is red"},
		"it depends on itself":             {world: world{needs: map[string][]string{"/a": {"/a/up"}}}, sources: []Source{vital(1, "/a/up")}, path: "/a/up", id: 1},
		"below a whole group":              {world: world{wholes: []string{"/w"}}, sources: []Source{whole(1, "/w")}, path: "/w/b/x", want: "1 /w alerts as a whole"},
		"below a whole group that is well": {world: world{wholes: []string{"/w"}}, path: "/w/b/x", want: "0 /w alerts as a whole, and is well"},
		"the whole group itself":           {world: world{wholes: []string{"/w"}}, sources: []Source{whole(1, "/w"), vital(2, "/w/up")}, path: "/w", id: 1},
		"a whole group below one that has failed": {world: world{wholes: []string{"/h/w"}}, sources: []Source{whole(1, "/h/w"), vital(2, "/h/up")},
			path: "/h/w/x", want: "2 /h/w alerts as a whole, and follows: /h/up is red"},
		"whole groups in each other": {world: world{wholes: []string{"/w", "/w/v"}}, sources: []Source{whole(1, "/w/v"), whole(2, "/w")}, path: "/w/v", id: 1, want: "2 /w alerts as a whole"},
		"nothing follows from what a well group hides": {world: world{wholes: []string{"/w"}, needs: map[string][]string{"/a": {"/w"}}},
			sources: []Source{vital(1, "/w/up")}, path: "/a/x"},
		"what depends on a whole group that is red": {world: world{wholes: []string{"/w"}, needs: map[string][]string{"/a": {"/w"}}},
			sources: []Source{whole(1, "/w")}, path: "/a/x", want: "1 it depends on /w, which is red"},
		"a cause that is over still holds back": {sources: []Source{over(vital(1, "/a/up"))}, path: "/a/x", want: "1 /a has failed: /a/up is red"},
		"but not another cause":                 {sources: []Source{over(vital(1, "/a/up")), vital(2, "/a/link")}, path: "/a/link", id: 2},
		"what follows then names that":          {sources: []Source{over(vital(1, "/a/up")), vital(2, "/a/link")}, path: "/a/x", want: "2 /a has failed: /a/link is red"},
	} {
		t.Run(name, func(t *testing.T) {
			link, ok := New(c.world, c.sources).Of(tree.MustPath(c.path), c.id)
			got := ""
			if ok {
				id := alert.ID(0)
				if link.Root != nil {
					id = link.Root.ID
				}
				got = fmt.Sprintf("%d %s", id, link.Text())
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestSomebodyStands: whatever depends on whatever, a root follows from nothing, and who
// follows names a root.
func TestSomebodyStands(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 6))
		n := 1 + r.IntN(12)
		w := world{needs: map[string][]string{}}
		place := func() string { return fmt.Sprintf("/g%d/h%d", r.IntN(3), r.IntN(4)) }
		var sources []Source
		taken := map[string]bool{}
		for i := range n {
			p := place() + "/up"
			if r.IntN(4) == 0 {
				p = fmt.Sprintf("/g%d/up", r.IntN(3))
			}
			if !taken[p] {
				sources = append(sources, vital(alert.ID(i+1), p))
			}
			taken[p] = true
			from := place()
			w.needs[from] = append(w.needs[from], place())
		}
		g := New(w, sources)
		roots := map[alert.ID]bool{}
		for _, s := range sources {
			if _, follows := g.Of(s.Path, s.ID); !follows {
				roots[s.ID] = true
			}
		}
		if len(roots) == 0 {
			t.Fatalf("seed %d: nobody stands", seed)
		}
		for _, s := range sources {
			if link, follows := g.Of(s.Path, s.ID); follows && !roots[link.Root.ID] {
				t.Errorf("seed %d: %s follows from %s, which follows itself", seed, s.Path, link.Root.Path)
			}
		}
	}
}

// TestLongChain: each host depends on the next.
func TestLongChain(t *testing.T) {
	const n = 20_000
	w := chain(n)
	sources := make([]Source, n)
	for i := range sources {
		sources[i] = vital(alert.ID(i+1), fmt.Sprintf("/h%d/up", i))
	}
	g := New(w, sources)
	if link, ok := g.Of(tree.MustPath("/h0/x"), 0); !ok || link.Root.ID != n {
		t.Errorf("%v, %v", link, ok)
	}
}

type chain int

func (c chain) DependsOn(p tree.Path) []tree.Path {
	var i int
	if _, err := fmt.Sscanf(p.Names()[0], "h%d", &i); err != nil || i+1 >= int(c) {
		return nil
	}
	return []tree.Path{tree.MustPath(fmt.Sprintf("/h%d", i+1))}
}

func (chain) Whole(tree.Path) (tree.Path, bool) { return tree.Root, false }

func BenchmarkNew(b *testing.B) {
	sources := make([]Source, 10_000)
	for i := range sources {
		sources[i] = vital(alert.ID(i+1), fmt.Sprintf("/dc/rack%d/host%d/up", i%100, i))
	}
	for b.Loop() {
		New(world{}, sources)
	}
}
