// Package peers holds the tests of managers that are linked to each other: real processes of
// grove, each in a network namespace of its own, between which the test carries every packet
// itself. So it can lose packets, delay them and cut one way or both, with the TCP of the
// kernel at both ends and without any module of the kernel for it. It needs root and
// /dev/net/tun; where they are missing the tests are skipped.
//
// What managers acknowledged is written down by the test in a ledger of its own, on disk
// before anything else happens, and held against what they say afterwards.
package peers
