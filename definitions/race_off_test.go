//go:build !race

package definitions_test

// raced says that the race detector is on: it makes what only computes ten times slower.
const raced = false
