package snmp

import (
	"math"
	"time"

	"grove/runtime/probe/snmp/ber"
)

// upSince follows sysUpTime, to notice when an agent began anew: its counts did then,
// too.
type upSince struct {
	ticks uint64 // hundredths of a second
	at    time.Time
}

// restarted takes a reading and says whether the agent has begun anew since the last.
// After 497 days the number begins anew by itself, which is no restart.
func (u *upSince) restarted(ticks uint64, now time.Time) bool {
	last := *u
	u.ticks, u.at = ticks, now
	if last.at.IsZero() || ticks >= last.ticks {
		return false
	}
	elapsed := now.Sub(last.at)
	expected := last.ticks + uint64(elapsed/(10*time.Millisecond))
	// Clocks of devices are not exact, and answers may have waited.
	slack := uint64((elapsed/100 + time.Minute) / (10 * time.Millisecond))
	const wraps = 1 << 32
	return ticks+wraps > expected+slack || ticks+wraps+slack < expected
}

// rise makes of what a device counted a count that only rises as long as nothing was
// counted anew. prev is what it returned before for the same counter, if anything. After
// a discontinuity the count is less than before, so that whoever compares it with the
// last one sees that: offset is what it is less than the device's own count, mostly 0.
func rise(prev float64, had bool, raw uint64, tag byte, anew bool, offset float64) (count, newOffset float64) {
	n := float64(raw)
	if !had {
		return n, 0
	}
	if !anew {
		switch {
		case tag == ber.Counter32 && prev+offset < 1<<53:
			// A step of half the range or more is a count that was set back, not one that
			// went round.
			step := uint32(raw) - uint32(uint64(prev+offset))
			if uint32(raw) >= uint32(uint64(prev+offset)) || step < math.MaxInt32 {
				return prev + float64(step), offset
			}
		case tag != ber.Counter32 && n-offset >= prev:
			return n - offset, offset
		}
	}
	if n < prev {
		return n, 0
	}
	return 0, n
}
