package jolokia

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// agent is a Java server with Debian's Jolokia agent: one for all tests, since a JVM
// takes its time.
type agent struct {
	base    string // http://127.0.0.1:<port>
	skip    string // why there is none
	command *exec.Cmd
	output  sync.WaitGroup
}

var theAgent = sync.OnceValue(func() *agent {
	a := &agent{}
	for _, need := range []struct{ file, pkg string }{
		{"/usr/bin/javac", "openjdk-17-jdk-headless"}, {"/usr/share/java/jolokia-core.jar", "libjolokia-core-java"}, {"/usr/share/java/json-simple.jar", "libjson-simple-java"},
	} {
		if _, err := os.Stat(need.file); err != nil {
			a.skip = fmt.Sprintf("%s is not installed (apt-get install %s)", need.file, need.pkg)
			return a
		}
	}
	a.command = exec.Command("java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx64m",
		"-cp", "/usr/share/java/jolokia-core.jar:/usr/share/java/json-simple.jar", filepath.Join("testdata", "Agent.java"), filepath.Join("testdata", "mbeans.txt"))
	a.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := a.command.StdoutPipe()
	if err == nil {
		err = a.command.Start()
	}
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if port, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			a.base = "http://127.0.0.1:" + port
			break
		}
	}
	a.output.Go(func() {
		for lines.Scan() {
		}
	})
	return a
})

// startAgent returns the agent, or skips the test.
func startAgent(t *testing.T) *agent {
	t.Helper()
	a := theAgent()
	if a.skip != "" {
		t.Skip("skipped: " + a.skip)
	}
	if a.base == "" {
		t.Fatal("the Java server does not start")
	}
	return a
}

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if a := theAgent(); a.command != nil {
		_ = syscall.Kill(-a.command.Process.Pid, syscall.SIGKILL)
		a.output.Wait()
		_ = a.command.Wait()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// trouble makes or ends a deadlock of two threads.
func (a *agent) trouble(t *testing.T, method string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/trouble", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}
