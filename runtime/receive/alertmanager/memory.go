package alertmanager

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"grove/runtime/probe"
)

var _ probe.Rememberer = (*keeper)(nil)

// memory is what a probe remembers over a restart: the alerts that fire.
type memory struct {
	Alerts []saved `json:"alerts"`
	Left   uint64  `json:"left"` // alerts for which there was no room, here or before
}

type saved struct {
	Alert alert     `json:"alert"`
	Seen  time.Time `json:"seen"`
}

// memoryRoom is what alerts may take of [probe.MaxMemory]; the rest is for what stands
// around them.
const memoryRoom = probe.MaxMemory - 100

// Memory implements probe.Rememberer: the red alerts first, and of them those that began
// last, until the room is used up.
func (k *keeper) Memory() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.memory == nil {
		k.memory = k.write()
	}
	return k.memory
}

func (k *keeper) write() []byte {
	list := slices.SortedFunc(maps.Values(k.firing), func(a, b *fired) int {
		return cmp.Or(cmp.Compare(b.status, a.status), b.StartsAt.Compare(a.StartsAt), cmp.Compare(a.id(), b.id()))
	})
	m := memory{Alerts: []saved{}, Left: k.left}
	const little = 150 // bytes; less than any alert takes
	for room := memoryRoom; len(list) > 0 && room >= little; list = list[1:] {
		s := saved{list[0].alert, list[0].seen}
		if text, err := json.Marshal(s); err == nil && len(text) < room {
			room -= len(text) + 1
			m.Alerts = append(m.Alerts, s)
		} else {
			m.Left++
		}
	}
	m.Left += uint64(len(list))
	text, err := json.Marshal(m)
	if err != nil || len(text) > probe.MaxMemory {
		return []byte{} // it begins anew
	}
	return text
}

// Recall implements probe.Rememberer. What it takes is shown when the probe is attached:
// what the options of today want.
func (k *keeper) Recall(text []byte) {
	var m memory
	if len(text) == 0 || json.Unmarshal(text, &m) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.recalled = m.Left, true
	now := k.now()
	for i := range m.Alerts {
		a := &m.Alerts[i].Alert
		if len(k.firing) < maxAlerts && a.Status != "resolved" && k.wants(a) {
			seen := m.Alerts[i].Seen
			if seen.After(now) { // the clock was set back
				seen = now
			}
			k.firing[a.id()] = &fired{alert: *a, status: k.status(a), seen: seen}
		}
	}
}
