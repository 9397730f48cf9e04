package schedule

// limit bounds how many runs of some sort are under way, with queues of those that
// wait for a place.
type limit struct {
	max   int
	quota int // of max, what suspects may have together

	running, suspects int
	healthy, suspect  queue
	jobs              int // that have this limit; counted for targets only
}

func newLimit(n int) *limit { return &limit{max: n, quota: max(1, n/2)} }

// room says whether one more may run.
func (l *limit) room(suspect bool) bool {
	return l.running < l.max && (!suspect || l.suspects < l.quota)
}

func (l *limit) take(suspect bool) {
	l.running++
	if suspect {
		l.suspects++
	}
}

func (l *limit) give(suspect bool) {
	l.running--
	if suspect {
		l.suspects--
	}
}

// wait enqueues a job.
func (l *limit) wait(j *job) {
	if j.suspect {
		l.suspect.push(j)
	} else {
		l.healthy.push(j)
	}
}

// next dequeues the job that this limit has room for: a healthy one before a suspect,
// but one suspect at least is always let in, or none would ever be found to be well again.
func (l *limit) next() *job {
	if l.suspect.first != nil && l.room(true) && (l.suspects == 0 || l.healthy.first == nil) {
		return l.suspect.pop()
	}
	if l.healthy.first != nil && l.room(false) {
		return l.healthy.pop()
	}
	return nil
}

// queue is a doubly linked list through the jobs, so that a removed job leaves at once.
type queue struct {
	first, last *job
	n           int
}

func (q *queue) push(j *job) {
	j.queue, j.prev, j.next = q, q.last, nil
	if q.last != nil {
		q.last.next = j
	} else {
		q.first = j
	}
	q.last = j
	q.n++
}

func (q *queue) pop() *job {
	j := q.first
	q.remove(j)
	return j
}

func (q *queue) remove(j *job) {
	if j.prev != nil {
		j.prev.next = j.next
	} else {
		q.first = j.next
	}
	if j.next != nil {
		j.next.prev = j.prev
	} else {
		q.last = j.prev
	}
	j.queue, j.prev, j.next = nil, nil, nil
	q.n--
}
