package test

import (
	"testing"

	"grove/test/grovetest"
)

// TestMain makes this test binary a grove, too. Scripts and tests that kill it start it so.
func TestMain(m *testing.M) { grovetest.Main(m, endPostgres) }
