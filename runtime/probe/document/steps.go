package document

import (
	"fmt"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"
)

// maxSteps bounds the work of one XPath, in steps from node to node: a path of several
// "//" goes through a long document more often than anybody can wait for, and nothing
// else ends it.
const maxSteps = 5_000_000

// walker is a navigator that counts its steps, with all of its copies.
type walker struct {
	*xmlquery.NodeNavigator
	steps *int
}

func newWalker(n *xmlquery.Node) *walker {
	return &walker{xmlquery.CreateXPathNavigator(n), new(int)}
}

// tooFar is what a walker panics with: the library has no other way out. See guard.
type tooFar struct{}

func (tooFar) String() string { return fmt.Sprintf("it needs more than %d steps", maxSteps) }

func (w *walker) step() {
	if *w.steps++; *w.steps > maxSteps {
		panic(tooFar{})
	}
}

// Copy implements xpath.NodeNavigator.
func (w *walker) Copy() xpath.NodeNavigator {
	w.step()
	return &walker{w.NodeNavigator.Copy().(*xmlquery.NodeNavigator), w.steps}
}

// MoveTo implements xpath.NodeNavigator.
func (w *walker) MoveTo(to xpath.NodeNavigator) bool {
	other, ok := to.(*walker)
	return ok && w.NodeNavigator.MoveTo(other.NodeNavigator)
}

// MoveToChild implements xpath.NodeNavigator, as do the next four.
func (w *walker) MoveToChild() bool { w.step(); return w.NodeNavigator.MoveToChild() }

// MoveToNext goes to the next sibling.
func (w *walker) MoveToNext() bool { w.step(); return w.NodeNavigator.MoveToNext() }

// MoveToPrevious goes to the one before.
func (w *walker) MoveToPrevious() bool { w.step(); return w.NodeNavigator.MoveToPrevious() }

// MoveToParent goes up.
func (w *walker) MoveToParent() bool { w.step(); return w.NodeNavigator.MoveToParent() }

// MoveToNextAttribute goes to the next attribute.
func (w *walker) MoveToNextAttribute() bool {
	w.step()
	return w.NodeNavigator.MoveToNextAttribute()
}
