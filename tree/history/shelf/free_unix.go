//go:build linux || darwin

package shelf

import (
	"math"
	"syscall"
)

// free is how much room there is for files in dir, bytes. A directory of which
// nothing can be said is no reason to refuse: writing will tell.
func free(dir string) uint64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return math.MaxUint64
	}
	return s.Bavail * uint64(s.Bsize)
}
