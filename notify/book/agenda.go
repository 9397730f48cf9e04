package book

import (
	"container/heap"
	"time"

	"grove/tree"
)

// agenda says when nodes are looked at again: at the end of a silence, of a calm, of an
// acknowledgement. A node stands in it once, with the earliest time.
type agenda struct {
	due dueHeap
	at  map[tree.Path]int64 // Unix nanoseconds
}

// add has a node looked at again at a time.
func (a *agenda) add(p tree.Path, at time.Time) {
	t := at.UnixNano()
	if earlier, ok := a.at[p]; ok && earlier <= t {
		return
	}
	if a.at == nil {
		a.at = map[tree.Path]int64{}
	}
	a.at[p] = t
	heap.Push(&a.due, dueNode{p, t})
}

// shift moves all by so many nanoseconds.
func (a *agenda) shift(by int64) {
	for i := range a.due {
		a.due[i].at += by
	}
	for p := range a.at {
		a.at[p] += by
	}
}

// next takes a node out that is due.
func (a *agenda) next(now int64) (p tree.Path, ok bool) {
	for len(a.due) > 0 && a.due[0].at <= now {
		d := heap.Pop(&a.due).(dueNode)
		if at, ok := a.at[d.path]; ok && at == d.at {
			delete(a.at, d.path)
			return d.path, true
		}
	}
	return p, false
}

// first is when the next node is due, in Unix nanoseconds; zero: there is none.
func (a *agenda) first() int64 {
	for len(a.due) > 0 {
		if d := a.due[0]; a.at[d.path] == d.at {
			return d.at
		}
		heap.Pop(&a.due) // It was put forward.
	}
	return 0
}

type dueNode struct {
	path tree.Path
	at   int64
}

// dueHeap implements heap.Interface by time.
type dueHeap []dueNode

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(a, b int) bool { return h[a].at < h[b].at }
func (h dueHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueNode)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = dueNode{}
	*h = (*h)[:len(*h)-1]
	return last
}
