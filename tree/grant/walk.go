package grant

import (
	"errors"
	"fmt"

	"grove/tree"
)

// ErrBusy is returned by Walk when nodes come and go without a pause.
var ErrBusy = errors.New("the tree changes too quickly to say who sees what of it; try again")

// maxWalks bounds how often Walk begins anew because the tree moved on before it.
const maxWalks = 100

// Walk is [tree.Tree.Walk] for somebody: it yields the nodes that he sees, with how much
// of each, and leaves out the others. Sight and node belong together, whatever comes and
// goes meanwhile. A root that is hidden is an error, the same as one that is not there.
// Whether something hidden contributes to a group says [Scope.Partial] of the scope that
// is yielded.
func (g *Guard) Walk(s *Subject, root tree.Path, depth int, yield func(n *tree.Node, scope *Scope, sight Sight) bool) error {
	for range maxWalks {
		scope := g.Scope(s)
		begun, hidden, moved := false, false, false
		err := g.tree.Walk(root, depth, func(n *tree.Node) bool {
			if !begun {
				begun = true
				// While the walk goes on nothing comes or goes.
				if moved = !scope.whole && g.tree.Structure() != scope.structure; moved {
					return false
				}
				hidden = scope.At(n.Index) == Hidden
			}
			if sight := scope.At(n.Index); sight != Hidden {
				return yield(n, scope, sight)
			}
			return !hidden
		})
		switch {
		case moved:
			continue
		case err != nil || hidden:
			return fmt.Errorf("%s: %w", root, tree.ErrNoNode)
		}
		return nil
	}
	return ErrBusy
}
