package peersbench

import (
	"testing"

	"grove/test/grovetest"
)

// TestMain makes this test binary a grove, too.
func TestMain(m *testing.M) { grovetest.Main(m) }
