package peers

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"grove/test/grovetest"
)

// TestMain makes this test binary a grove, too.
func TestMain(m *testing.M) {
	// Most of the time the tests wait for others to notice: more run at a time than there are
	// processors. What the command line says of it comes later, and counts.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	grovetest.Main(m, endPostgres)
}
