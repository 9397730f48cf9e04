// Package allowance holds what a source may send within a time: a bucket of tokens a
// source, refilled at a steady rate. Sources are many and forged ones cost nothing to
// make up, so those that are told apart are bounded.
package allowance

import (
	"sync"
	"time"
)

// MaxSources bounds the sources that are told apart; what comes from further ones
// shares one allowance.
const MaxSources = 10_000

// Limit is an allowance a source, where K names a source. It may be used from many
// goroutines.
type Limit[K comparable] struct {
	rate, burst float64 // tokens a second, tokens at once

	mu      sync.Mutex
	sources map[K]*bucket
	others  bucket
	swept   time.Time
}

type bucket struct {
	spent float64 // tokens taken and not yet refilled, 0 when full
	at    time.Time
}

// New allows each source so many a second in the long run, and burst at once. A rate
// that is not above 0 allows everything.
func New[K comparable](rate float64, burst int) *Limit[K] {
	return &Limit[K]{rate: rate, burst: float64(burst), sources: map[K]*bucket{}}
}

// Take takes n tokens of a source. When there are not enough it takes none and says
// after what time there are.
func (l *Limit[K]) Take(source K, n int, now time.Time) (wait time.Duration, ok bool) {
	if l.rate <= 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(source, now)
	l.refill(b, now)
	if over := b.spent + float64(n) - l.burst; over > 0 {
		return time.Duration(over / l.rate * float64(time.Second)), false
	}
	b.spent += float64(n)
	return 0, true
}

func (l *Limit[K]) bucket(source K, now time.Time) *bucket {
	if b := l.sources[source]; b != nil {
		return b
	}
	if len(l.sources) >= MaxSources {
		l.sweep(now)
	}
	if len(l.sources) >= MaxSources {
		return &l.others
	}
	b := &bucket{at: now}
	l.sources[source] = b
	return b
}

func (l *Limit[K]) refill(b *bucket, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.spent, b.at = max(0, b.spent-d.Seconds()*l.rate), now
	}
}

// sweep forgets the sources whose buckets are full again, at most once a second.
func (l *Limit[K]) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for source, b := range l.sources {
		if l.refill(b, now); b.spent == 0 {
			delete(l.sources, source)
		}
	}
}
