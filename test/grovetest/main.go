package grovetest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"grove/cmd/cli"
)

// Main is what a TestMain does. It makes the test binary a grove, too: run under the name
// grove, which is first in PATH, it is what cmd/grove is. After the tests it ends what they
// share, and holds that no goroutine is left when all have passed. It does not return.
func Main(m *testing.M, end ...func() error) {
	testscript.Main(leakChecked{m, end}, map[string]func(){"grove": grove})
}

// leakChecked runs tests and looks at what is left of them.
type leakChecked struct {
	m   *testing.M
	end []func() error
}

// Run implements testscript.TestingM.
func (l leakChecked) Run() int {
	code := l.m.Run()
	for _, end := range l.end {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// grove does what the main function of cmd/grove does.
func grove() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(int(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
	})))
}
