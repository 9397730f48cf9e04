// Package test holds what no single package can: tests of the whole system, and tests
// that hold the repository to its own rules — which package may import which
// (deps_test.go), one comment a package (pkgdoc_test.go), the layout and what files may
// say (layout_test.go).
package test
