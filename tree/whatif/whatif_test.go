package whatif_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/whatif"
)

// shop is a tree of two servers behind one roll-up that needs one of them.
func shop(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New(tree.Options{})
	ops := []tree.Op{tree.Add(tree.MustPath("/shop/web"), &tree.Spec{Rollup: &tree.Rollup{Rule: tree.Need, Green: 1}})}
	for i := 1; i <= 2; i++ {
		for _, name := range []string{"Up", "Load"} {
			ops = append(ops, tree.Add(tree.MustPath(fmt.Sprintf("/shop/web/%d/%s", i, name)), &tree.Spec{Kind: tree.Performance}))
		}
	}
	if err := tr.Change(append(ops, tree.Add(tree.MustPath("/shop/web/2/Name"), &tree.Spec{Kind: tree.TextKind}))...); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 2; i++ {
		for _, name := range []string{"Up", "Load"} {
			r, _ := tr.Lookup(tree.MustPath(fmt.Sprintf("/shop/web/%d/%s", i, name)))
			tr.Apply([]tree.Reading{{Node: r, Value: 1}})
		}
	}
	tr.Flush()
	return tr
}

func lines(a whatif.Answer) (out []string) {
	for _, c := range a.Changes {
		line := fmt.Sprintf("%s %s to %s", c.Path, c.From, c.To)
		if c.Set {
			line += " set"
		}
		out = append(out, line)
	}
	if a.Truncated {
		out = append(out, "more")
	}
	return out
}

func TestAsk(t *testing.T) {
	tr := shop(t)
	p := tree.MustPath
	for name, tc := range map[string]struct {
		question whatif.Question
		want     []string
	}{
		"one of two": {whatif.Question{Set: map[tree.Path]tree.Status{p("/shop/web/1/Up"): tree.Red}},
			[]string{"/shop/web/1 green to red", "/shop/web/1/Up green to red set"}},
		"both": {whatif.Question{Set: map[tree.Path]tree.Status{p("/shop/web/1/Up"): tree.Red, p("/shop/web/2"): tree.Yellow}},
			[]string{"/ green to yellow", "/shop green to yellow", "/shop/web green to yellow", "/shop/web/1 green to red", "/shop/web/2 green to yellow set",
				"/shop/web/1/Up green to red set", "/shop/web/2/Up green to yellow set", "/shop/web/2/Load green to yellow set"}},
		"the nearest to the root": {whatif.Question{Set: map[tree.Path]tree.Status{p("/shop"): tree.Red}, Limit: 4},
			[]string{"/ green to red", "/shop green to red set", "/shop/web green to red", "/shop/web/1 green to red", "more"}},
		"what is seen": {whatif.Question{Set: map[tree.Path]tree.Status{p("/shop/web"): tree.Red}, Sees: func(p tree.Path) bool { return strings.HasPrefix(p.String(), "/shop/web") && p.Name() != "1" }},
			[]string{"/shop/web green to red set", "/shop/web/2 green to red", "/shop/web/1/Up green to red set", "/shop/web/1/Load green to red set",
				"/shop/web/2/Up green to red set", "/shop/web/2/Load green to red set"}},
		"as it is": {whatif.Question{Set: map[tree.Path]tree.Status{p("/shop"): tree.Green}}, nil},
		"silence":  {whatif.Question{Set: map[tree.Path]tree.Status{p("/shop/web/1"): tree.White}}, []string{"/shop/web/1 green to white set", "/shop/web/1/Up green to white set", "/shop/web/1/Load green to white set"}},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := whatif.Ask(tr, tc.question)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, lines(answer)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if len(answer.Statuses) < len(answer.Changes) {
				t.Errorf("%d statuses, %d changes", len(answer.Statuses), len(answer.Changes))
			}
		})
	}
}

func TestQuestionsThatAreWrong(t *testing.T) {
	tr := shop(t)
	many := map[tree.Path]tree.Status{}
	for i := range whatif.MaxSet + 1 {
		many[tree.MustPath(fmt.Sprint("/", i))] = tree.Red
	}
	red := func(path string) map[tree.Path]tree.Status {
		return map[tree.Path]tree.Status{tree.MustPath(path): tree.Red}
	}
	for want, tc := range map[string]struct {
		question whatif.Question
		is       error
	}{
		"what if: no node is given another status":                                    {whatif.Question{}, whatif.ErrQuestion},
		"what if: 1000 nodes at most are given another status, not 1001; name groups": {whatif.Question{Set: many}, whatif.ErrQuestion},
		"what if: 1 to 10000 changes at a time, not 10001":                            {whatif.Question{Set: red("/shop"), Limit: 10_001}, whatif.ErrQuestion},
		"/nowhere: no such node":                                                      {whatif.Question{Set: red("/nowhere")}, tree.ErrNoNode},
		"/shop: no such node":                                                         {whatif.Question{Set: red("/shop"), Sees: func(tree.Path) bool { return false }}, tree.ErrNoNode},
		"/shop/web/2/Name: cannot be supposed: a text has no status":                  {whatif.Question{Set: red("/shop/web/2/Name")}, tree.ErrSuppose},
	} {
		if _, err := whatif.Ask(tr, tc.question); !errors.Is(err, tc.is) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
