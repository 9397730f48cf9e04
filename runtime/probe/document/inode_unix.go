//go:build unix

package document

import (
	"os"
	"syscall"
)

// inode tells a file from one that was put into its place.
func inode(info os.FileInfo) any {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return nil
}
