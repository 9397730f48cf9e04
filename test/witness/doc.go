// Package witness has what tests hold managers to: what stands beside them and remembers by
// itself what was sent to them and acknowledged (Ledger), and what they asked for (Target).
package witness
