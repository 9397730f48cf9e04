package schedule

import (
	"container/heap"
	"time"
)

// slots files jobs by the slot in which they are due. Slot n ends at n times the
// slot's length; a job is in one slot at most.
type slots struct {
	length time.Duration
	jobs   map[int64][]*job
	order  numbers // of the keys of jobs
	spare  [][]*job
}

func newSlots(length time.Duration) slots {
	return slots{length: length, jobs: map[int64][]*job{}}
}

// number returns the slot that ends at or after a time.
func (s *slots) number(at time.Duration) int64 {
	return int64((at + s.length - 1) / s.length)
}

// file puts the job under the slot that ends at or after the time, and takes it from
// where it was. It says whether that slot became the first.
func (s *slots) file(j *job, at time.Duration) (first bool) {
	n := s.number(at)
	if j.slot == n {
		return false
	}
	s.remove(j)
	list, ok := s.jobs[n]
	if !ok {
		if k := len(s.spare); k > 0 {
			list, s.spare = s.spare[k-1], s.spare[:k-1]
		}
		heap.Push(&s.order, n)
		first = s.order[0] == n
	}
	j.slot, j.pos = n, len(list)
	s.jobs[n] = append(list, j)
	return first
}

// remove takes a job from its slot. The slot stays, perhaps empty, until its time.
func (s *slots) remove(j *job) {
	if j.slot < 0 {
		return
	}
	list := s.jobs[j.slot]
	last := len(list) - 1
	list[j.pos] = list[last]
	list[j.pos].pos = j.pos
	list[last] = nil
	s.jobs[j.slot] = list[:last]
	j.slot = -1
}

// next returns the end of the first slot.
func (s *slots) next() (time.Duration, bool) {
	if len(s.order) == 0 {
		return 0, false
	}
	return time.Duration(s.order[0]) * s.length, true
}

// pop takes out the first slot; the caller gives the list back with reuse.
func (s *slots) pop() []*job {
	n := heap.Pop(&s.order).(int64)
	list := s.jobs[n]
	delete(s.jobs, n)
	for _, j := range list {
		j.slot = -1
	}
	return list
}

// maxSpare bounds the lists that are kept for reuse.
const maxSpare = 64

func (s *slots) reuse(list []*job) {
	if cap(list) > 0 && len(s.spare) < maxSpare {
		clear(list)
		s.spare = append(s.spare, list[:0])
	}
}

// numbers is a heap of slot numbers.
type numbers []int64

func (n numbers) Len() int           { return len(n) }
func (n numbers) Less(i, j int) bool { return n[i] < n[j] }
func (n numbers) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *numbers) Push(x any)        { *n = append(*n, x.(int64)) }
func (n *numbers) Pop() any {
	old := *n
	x := old[len(old)-1]
	*n = old[:len(old)-1]
	return x
}
