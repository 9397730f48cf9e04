package system

import (
	"sync"
	"time"
)

// Rates are told over the last while, however often somebody asks.
const (
	meterEvery = time.Second      // at most one look in that time is remembered
	meterOver  = 30 * time.Second // and looks so old are forgotten
)

// meter makes rates of counts by what they were when somebody looked before. Nothing runs
// while nobody looks; the first look has no rates.
type meter struct {
	mu    sync.Mutex
	looks map[string][]look // by group and figure, oldest first
}

type look struct {
	at    time.Time
	count float64
}

// rates replaces the counts of a group's figures by what they grew by in a second.
func (m *meter) rates(now time.Time, g *Group) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range g.Figures {
		f := &g.Figures[i]
		if f.Rate == "" || f.Value == nil {
			continue
		}
		v, ok := m.rate(now, g.Name+"\x00"+f.Name, *f.Value)
		f.Unit, f.Value = f.Rate, nil
		if ok {
			f.Value = &v
		} else {
			f.Text = "measured from now on"
		}
	}
}

// rate notes a count and says by how much it grew in a second since the oldest look that
// is remembered.
func (m *meter) rate(now time.Time, name string, count float64) (float64, bool) {
	if m.looks == nil {
		m.looks = map[string][]look{}
	}
	looks := m.looks[name]
	// One that lies before the span stays while it is the only one: a rate over a long
	// time is better than none.
	for len(looks) > 1 && now.Sub(looks[1].at) >= meterEvery && now.Sub(looks[0].at) > meterOver {
		looks = looks[1:]
	}
	n := len(looks)
	switch {
	case n > 0 && count < looks[n-1].count: // It began anew.
		looks = []look{{now, count}}
	case n == 0 || now.Sub(looks[n-1].at) >= meterEvery:
		looks = append(looks, look{now, count})
	}
	m.looks[name] = looks
	over := now.Sub(looks[0].at)
	if over < meterEvery {
		return 0, false
	}
	return (count - looks[0].count) / over.Seconds(), true
}
