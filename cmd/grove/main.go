// Command grove is a monitoring server: every application, host and device as one
// living tree.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"grove/cmd/cli"
)

// main turns signals into the end of a context, and the outcome into an exit code:
// see cli.Exit for what the codes say.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.Process{
		Args:   os.Args[1:],
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Getenv: os.Getenv,
	})
	stop()
	os.Exit(int(code))
}
