package trap

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// engine is grove as RFC 3414 sees the sender of traps: the authority on their time, with
// an identity that receivers know it by. (Of informs the receiver is the authority.)
type engine struct {
	id    string
	boots uint32
	since time.Time
}

// started is when this process began to be an engine: channels that are made anew, and
// several of them, are one engine with one clock.
var started = sync.OnceValue(time.Now)

// epoch is from when on the seconds are counted that number the starts of the engine:
// they rise with each start without a file that says how many there were.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func newEngine(id string) *engine {
	since := started()
	boots := min(max(1, int64(since.Sub(epoch)/time.Second)), math.MaxInt32-1)
	return &engine{id: id, boots: uint32(boots), since: since} //nolint:gosec // It is within the bounds.
}

// time is how long ago the engine started, in seconds.
func (e *engine) time() uint32 {
	return uint32(min(int64(time.Since(e.since)/time.Second), math.MaxInt32)) //nolint:gosec // It is within the bounds.
}

// uptime is the same in hundredths of a second, which begin anew after 497 days as
// TimeTicks do: RFC 2578 section 7.1.8.
func (e *engine) uptime() uint32 {
	return uint32(time.Since(e.since).Milliseconds() / 10 & math.MaxUint32) //nolint:gosec // It is within the bounds.
}

// Bounds of an engine's identity, in bytes: RFC 3411 section 5.
const (
	minEngineID = 5
	maxEngineID = 32
)

// engineID reads an identity in hexadecimal, or makes one of the manager's name: a number
// of an enterprise with the highest bit set (8072 is net-snmp's, as grove has none), then
// format 4 and the name, or format 5 and a hash of it when it is too long.
func engineID(text, manager string) (string, error) {
	if text != "" {
		id, err := hex.DecodeString(text)
		switch {
		case err != nil:
			return "", fmt.Errorf("it is not hexadecimal: %w", err)
		case len(id) < minEngineID || len(id) > maxEngineID:
			return "", fmt.Errorf("%d bytes: it must have %d to %d", len(id), minEngineID, maxEngineID)
		}
		return string(id), nil
	}
	if manager == "" {
		return "", errors.New("the manager has no name to make it of")
	}
	const enterprise = "\x80\x00\x1f\x88"
	if len(enterprise)+1+len(manager) <= maxEngineID {
		return enterprise + "\x04" + manager, nil
	}
	hash := sha256.Sum256([]byte(manager))
	return enterprise + "\x05" + string(hash[:16]), nil
}
