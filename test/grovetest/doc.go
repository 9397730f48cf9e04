// Package grovetest runs groves as real processes for tests, and asks them what people and
// programs ask: managers with a data directory and a port of their own, which are started,
// killed and started again.
//
// A package that uses it gives its TestMain to Main, by which its test binary is the program,
// too. The processes go with the test, which is what Linux offers and other systems do not.
package grovetest
