//go:build unix

package definition

import "syscall"

// openFlags keep an open from following a link that was put in place of a file, and
// from waiting for the writer of a named pipe.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
