package record

import (
	"slices"

	"grove/notify/peer"
	"grove/tree"
)

// SharesOf returns what SenderOptions.Shares needs: an asker sees of the tree what sees says,
// without the trees that hang in it of the asker itself and of those in its chain, which are
// the groups with their IDs in a property. Without that, managers that join each other would
// tell the same for ever.
func SharesOf(t *tree.Tree, property string, sees func(peer.ID, tree.Path) bool) func(peer.ID, []peer.ID) (func(tree.Path) bool, error) {
	return func(asker peer.ID, chain []peer.ID) (func(tree.Path) bool, error) {
		own := map[tree.Path]bool{} // groups: those of the asker or its chain, and what is below them
		var of func(tree.Path) bool
		of = func(p tree.Path) bool {
			if p.IsRoot() {
				return false
			}
			if is, known := own[p]; known {
				return is
			}
			is := of(p.Parent())
			if !is {
				if n, err := t.Node(p); err == nil && n.Kind == tree.Group && n.Spec != nil {
					id := peer.ID(n.Spec.Properties[property])
					is = id == asker || id != "" && slices.Contains(chain, id)
				}
			}
			own[p] = is
			return is
		}
		return func(p tree.Path) bool {
			return !of(p) && (sees == nil || sees(asker, p))
		}, nil
	}
}
