package time

import (
	"sync/atomic"
	"syscall"
)

// apartBy is how far ahead the wall clock is, ns; apartRate how much it gains, millionths, from
// apartSince on, which is monotonic.
var apartBy, apartRate, apartSince atomic.Int64

// The file that GROVE_TEST_CLOCK names says how the clock is, again and again.
func init() {
	file, ok := syscall.Getenv("GROVE_TEST_CLOCK")
	if !ok {
		return
	}
	readApart(file)
	go func() {
		for {
			Sleep(20 * Millisecond)
			readApart(file)
		}
	}()
}

// readApart reads a line of two whole numbers: nanoseconds, and millionths. One that is not
// written to its end changes nothing.
func readApart(file string) {
	fd, err := open(file)
	if err != nil {
		return
	}
	defer closefd(fd)
	var line [64]byte
	size, err := read(fd, line[:])
	if err != nil {
		return
	}
	var numbers [2]int64
	at, sign, digits := 0, int64(1), false
	for _, c := range line[:size] {
		switch {
		case at == len(numbers):
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			numbers[at], digits = numbers[at]*10+int64(c-'0'), true
		case digits:
			numbers[at] *= sign
			at, sign, digits = at+1, 1, false
		}
	}
	if at < len(numbers) {
		return
	}
	if numbers[1] != apartRate.Load() {
		_, _, mono := runtimeNow()
		apartSince.Store(mono)
	}
	apartBy.Store(numbers[0])
	apartRate.Store(numbers[1])
}

// apart is what a wall clock says that is off.
func apart(sec int64, nsec int32, mono int64) (int64, int32) {
	by := apartBy.Load() + (mono-apartSince.Load())/1000*apartRate.Load()/1000
	if by == 0 {
		return sec, nsec
	}
	all := int64(nsec) + by
	sec += all / 1e9
	if all %= 1e9; all < 0 {
		sec, all = sec-1, all+1e9
	}
	return sec, int32(all)
}
