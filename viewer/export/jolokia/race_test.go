//go:build race

package jolokia

func init() { values = 5_000 } // the race detector makes all of it ten times slower
