package authority

import (
	"sync"
	"time"

	"grove/notify/peer"
)

// Wrong tokens that may be tried: so many of one manager and of all, given back one by one.
const (
	wrongOfOne   = 5
	wrongOfAll   = 60
	wrongOneBack = 12 * time.Second
	wrongAllBack = time.Second
)

// throttle counts wrong tokens. Nobody guesses 256 bits: it bounds what guessing costs others.
type throttle struct {
	mu   sync.Mutex
	all  allowance
	each map[peer.ID]allowance
}

// allowance is how many were used, as of a time.
type allowance struct {
	used int
	at   time.Time
}

// left returns the allowance as of now, when one is given back in each span.
func (a allowance) left(now time.Time, back time.Duration) allowance {
	n := int(now.Sub(a.at) / back)
	if n < 0 || n >= a.used {
		return allowance{0, now}
	}
	return allowance{a.used - n, a.at.Add(time.Duration(n) * back)}
}

// wait says how long a manager has to wait before it may try a token; zero is not at all.
func (t *throttle) wait(id peer.ID, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = t.all.left(now, wrongAllBack)
	if t.all.used >= wrongOfAll {
		return t.all.at.Add(wrongAllBack).Sub(now)
	}
	if one := t.each[id].left(now, wrongOneBack); one.used >= wrongOfOne {
		return one.at.Add(wrongOneBack).Sub(now)
	}
	return 0
}

// wrong counts a wrong token.
func (t *throttle) wrong(id peer.ID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = t.all.left(now, wrongAllBack)
	t.all.used++
	if t.each == nil {
		t.each = map[peer.ID]allowance{}
	}
	// At most wrongOfAll are counted at a time, and each is forgotten within a minute or so.
	for other, a := range t.each {
		if a.left(now, wrongOneBack).used == 0 {
			delete(t.each, other)
		}
	}
	one := t.each[id].left(now, wrongOneBack)
	one.used++
	t.each[id] = one
}
