//go:build !unix

package definition

const openFlags = 0
