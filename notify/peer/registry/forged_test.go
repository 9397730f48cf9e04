package registry

import (
	"fmt"
	"testing"
	"time"
)

// TestForgedNumbers: a manager that says that it has the highest of all tokens and terms
// wears them out for nobody.
func TestForgedNumbers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := w.run("A", nil)
		w.run("b", nil)
		c := w.run("c", nil)
		pass(5 * time.Second)
		for _, token := range []int64{1<<63 - 1, 1<<63 - 2, maxToken + 1} {
			said := fmt.Sprintf(`{"number":1,"life":7,"home":"%s","term":{"number":%d,"of":"%s"},"token":%d}`, id("A"), MaxTerm, id("z"), token)
			if _, err := a.answerHere(t.Context(), id("b"), []byte(said)); err != nil {
				t.Error(err)
			}
		}
		pass(5 * time.Second)
		if last := a.leases.last; last > maxToken {
			t.Errorf("the last token is %d", last)
		}
		if got := a.term("c"); got != 1 {
			t.Errorf("the term of c is %d", got)
		}
		if h := c.Home(); h.Home != id("A") || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		if s, _ := a.Get(id("c")); !s.Mine {
			t.Error("A does not act for c any more")
		}
	})
}

// TestTwoBeginTheSameTerm: two homes that did not know of each other have begun the same term
// of a manager; the one that is its home begins another, so that never two decide by one.
func TestTwoBeginTheSameTerm(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil), w.run("B", nil)
		c := w.run("c", nil)
		pass(5 * time.Second)
		before := a.term("c")
		said := fmt.Sprintf(`{"number":1,"life":7,"home":"%s","term":{"number":%d,"of":"%s"}}`, id("A"), before, id("B"))
		if _, err := a.answerHere(t.Context(), id("c"), []byte(said)); err != nil {
			t.Fatal(err)
		}
		if s, _ := a.Get(id("c")); s.Mine {
			t.Error("A decides by a term that another one has begun, too")
		}
		pass(5 * time.Second)
		if got := a.term("c"); got != before+1 || b.term("c") != got {
			t.Errorf("the term of c is %d at A and %d at B, and was %d", got, b.term("c"), before)
		}
		if h := c.Home(); h.Home != id("A") || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		if s, _ := a.Get(id("c")); !s.Mine {
			t.Error("A does not act for c any more")
		}
	})
}
