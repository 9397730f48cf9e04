package jolokia

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"grove/runtime/probe/javatest"
)

// theAgent is one for all tests, since a JVM takes its time.
var theAgent = sync.OnceValues(func() (*javatest.Server, error) {
	return javatest.Agent(filepath.Join("testdata", "mbeans.txt"))
})

// startAgent returns the Java server with Debian's Jolokia agent, or skips the test.
func startAgent(t *testing.T) *javatest.Server {
	t.Helper()
	s, err := theAgent()
	return javatest.Need(t, s, err)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := theAgent(); err == nil {
		s.Stop()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// trouble makes or ends a deadlock of two threads.
func trouble(t *testing.T, s *javatest.Server, method string) {
	t.Helper()
	if err := s.Ask(method, "/trouble", ""); err != nil {
		t.Fatal(err)
	}
}
