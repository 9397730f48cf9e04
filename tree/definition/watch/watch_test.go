package watch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/tree/definition/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start watches a directory and returns a channel that gets a value for each call of
// Changed. The watch has ended when the test has.
func start(t *testing.T, w watch.Watcher) <-chan struct{} {
	t.Helper()
	calls := make(chan struct{}, 100)
	w.Changed = func() { calls <- struct{}{} }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	wait(t, calls, "the first call")
	return calls
}

func wait(t *testing.T, calls <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-calls:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s did not come", what)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNoticesEveryKindOfChange(t *testing.T) {
	dir := t.TempDir()
	calls := start(t, watch.Watcher{Dir: dir, Quiet: 10 * time.Millisecond, Rescan: time.Hour})
	name := filepath.Join(dir, "a.yaml")
	write(t, name, "a")
	wait(t, calls, "the call after a new file")
	write(t, name, "b")
	wait(t, calls, "the call after a change of the same size")
	if err := os.Rename(name, filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	wait(t, calls, "the call after a rename")
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	wait(t, calls, "the call after a new directory")
	write(t, filepath.Join(sub, "c.xml"), "c")
	wait(t, calls, "the call after a file in the new directory")
	if err := os.RemoveAll(sub); err != nil {
		t.Fatal(err)
	}
	wait(t, calls, "the call after the removal")
}

// TestManyWritesAreOneCall holds the promise that a file is not read half written.
func TestManyWritesAreOneCall(t *testing.T) {
	dir := t.TempDir()
	calls := start(t, watch.Watcher{Dir: dir, Quiet: 500 * time.Millisecond, Most: time.Minute, Rescan: time.Hour})
	for range 50 {
		write(t, filepath.Join(dir, "a.yaml"), "half")
	}
	wait(t, calls, "the call")
	if len(calls) != 0 {
		t.Error("more than one call for 50 writes without a pause")
	}
}

// TestRescanFindsWhatNobodyTells covers a directory that comes later.
func TestRescanFindsWhatNobodyTells(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	calls := start(t, watch.Watcher{Dir: dir, Quiet: time.Millisecond, Rescan: 10 * time.Millisecond})
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	wait(t, calls, "the call after the directory was made")
	write(t, filepath.Join(dir, "a.yaml"), "a")
	wait(t, calls, "the call after a file in it")
}
