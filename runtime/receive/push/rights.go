package push

import (
	"strings"
	"sync"

	"grove/tree"
	"grove/tree/grant"
)

// maxRemembered bounds the nodes that are remembered for all subjects together.
const maxRemembered = 200_000

// rights remember to which nodes those may push who may not push to all: programs with a
// token push to the same few again and again. What is remembered holds while the
// structure of the tree stays. The methods may be called from many goroutines.
type rights struct {
	guard *grant.Guard
	tree  Tree

	mu        sync.Mutex // guards what follows
	structure uint64
	known     map[string]map[tree.Ref]bool // by the grants that allow to push
	count     int                          // of nodes in known
}

// pusher is somebody who pushes.
type pusher struct {
	*grant.Subject
	whole bool
	key   string // equal for those who may push to the same nodes
}

func pusherOf(s *grant.Subject) pusher {
	if s.Whole(grant.Operator) {
		return pusher{Subject: s, whole: true}
	}
	var key strings.Builder
	for _, g := range s.Grants {
		if g.Role >= grant.Operator {
			key.WriteString(g.Path.String() + "\x00" + g.Customer + "\x00")
		}
	}
	return pusher{Subject: s, key: key.String()}
}

// may says whether somebody who may not push to all may push to a node. The handle is
// the one that is used later: it never names another node.
func (r *rights) may(p *pusher, ref tree.Ref) bool {
	if p.key == "" {
		return false
	}
	structure := r.tree.Structure()
	r.mu.Lock()
	may, known := r.known[p.key][ref]
	known = known && structure == r.structure
	r.mu.Unlock()
	if known {
		return may
	}
	n, err := r.tree.NodeAt(ref)
	if err != nil {
		return false // It went meanwhile.
	}
	may = r.guard.May(p.Subject, grant.Operator, n.Path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if structure != r.structure || r.known == nil || r.count >= maxRemembered {
		r.structure, r.known, r.count = structure, map[string]map[tree.Ref]bool{}, 0
	}
	if r.known[p.key] == nil {
		r.known[p.key] = map[tree.Ref]bool{}
	}
	r.known[p.key][ref] = may
	r.count++
	return may
}

// refused says why somebody may not push to the node at a path: for one that is hidden
// the same as for one that is not there.
func (r *rights) refused(p *pusher, path tree.Path) error {
	if r.guard.Sees(p.Subject, path) {
		return r.guard.Demand(p.Subject, grant.Operator, path)
	}
	return r.guard.Missing(p.Subject, path)
}
