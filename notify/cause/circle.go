package cause

// roots finds where the ways from each vertex of a directed graph end: in the best of the
// sources, which are the vertices below a number, of the circles and single vertices out of
// which no way leads. It is Tarjan's algorithm for strongly connected components (SIAM J.
// Comput. 1, 1972), which meets a component after all those that it leads to, with a stack
// of its own since a chain may be as long as there are alerts. Better returns the better
// of two sources, of which one may be below zero: none.
func roots(edges [][]int32, better func(a, b int32) int32, sources int32) []int32 {
	n := len(edges)
	var (
		root    = make([]int32, n)
		number  = make([]int32, n) // in the order in which they were met, from 1 on
		low     = make([]int32, n) // the least number that can be reached within the component
		on      = make([]bool, n)  // the stack of vertices whose component is not complete
		stack   []int32
		calls   []call
		counted int32
	)
	meet := func(v int32) {
		counted++
		number[v], low[v], on[v] = counted, counted, true
		stack = append(stack, v)
		calls = append(calls, call{vertex: v})
	}
	for start := range edges {
		if number[start] != 0 {
			continue
		}
		meet(int32(start))
		for len(calls) > 0 {
			c := &calls[len(calls)-1]
			v := c.vertex
			if c.next < len(edges[v]) {
				w := edges[v][c.next]
				c.next++
				switch {
				case number[w] == 0:
					meet(w)
				case on[w]:
					low[v] = min(low[v], number[w])
				}
				continue
			}
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				up := calls[len(calls)-1].vertex
				low[up] = min(low[up], low[v])
			}
			if low[v] != number[v] {
				continue
			}
			// v is the first of a component, and the others are above it on the stack.
			first := len(stack) - 1
			for stack[first] != v {
				first--
			}
			members := stack[first:]
			for _, m := range members {
				on[m] = false
			}
			end := leave(edges, root, members, better)
			if end < 0 {
				for _, m := range members {
					if m < sources {
						end = better(end, m)
					}
				}
			}
			for _, m := range members {
				root[m] = end
			}
			stack = stack[:first]
		}
	}
	return root
}

// call is a vertex that is being looked at.
type call struct {
	vertex int32
	next   int // of its edges
}

// leave is the best root that a way out of a component leads to; below zero: there is no
// way out.
func leave(edges [][]int32, root, members []int32, better func(a, b int32) int32) int32 {
	var inside map[int32]struct{} // nil for a single one
	if len(members) > 1 {
		inside = make(map[int32]struct{}, len(members))
		for _, m := range members {
			inside[m] = struct{}{}
		}
	}
	end := int32(-1)
	for _, m := range members {
		for _, w := range edges[m] {
			if _, in := inside[w]; !in && w != m {
				end = better(end, root[w])
			}
		}
	}
	return end
}
