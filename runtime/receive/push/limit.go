package push

import (
	"sync"
	"time"
)

// maxSources bounds the sources that are told apart; what comes from further ones
// shares one allowance.
const maxSources = 10_000

// limiter is a token bucket per source.
type limiter struct {
	rate, burst float64 // readings a second, readings at once

	mu      sync.Mutex
	sources map[string]*bucket
	others  bucket
	swept   time.Time
}

type bucket struct {
	spent float64 // tokens taken and not yet refilled, 0 when full
	at    time.Time
}

func newLimiter(rate float64, burst int) *limiter {
	return &limiter{rate: rate, burst: float64(burst), sources: map[string]*bucket{}}
}

// take takes n tokens of a source's bucket. When there are not enough it takes none
// and says after what time there are.
func (l *limiter) take(source string, n int, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.sources[source]
	if b == nil {
		if len(l.sources) >= maxSources {
			l.sweep(now)
		}
		if len(l.sources) < maxSources {
			b = &bucket{at: now}
			l.sources[source] = b
		} else {
			b = &l.others
		}
	}
	l.refill(b, now)
	if over := b.spent + float64(n) - l.burst; over > 0 {
		return time.Duration(over / l.rate * float64(time.Second)), false
	}
	b.spent += float64(n)
	return 0, true
}

func (l *limiter) refill(b *bucket, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.spent = max(0, b.spent-d.Seconds()*l.rate)
	}
	b.at = now
}

// sweep forgets the sources whose buckets are full again, at most once a second.
func (l *limiter) sweep(now time.Time) {
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
