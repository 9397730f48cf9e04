package grovetest

import (
	"fmt"
	"testing"
	"time"
)

// Patience is how long tests wait for what must come: ten times what a quiet machine needs.
const Patience = 2 * time.Minute

// Between two looks: a manager is asked over REST, which costs it something.
const (
	pace        = 10 * time.Millisecond
	managerPace = 20 * time.Millisecond
)

// Eventually asks again until check is content, and fails the test with what it last said
// when that does not happen.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	if err := until(nil, Patience, pace, check); err != nil {
		t.Fatal(err)
	}
}

// until returns nil once check does, or an error when that has not happened after most, or
// when the process that it looks at has ended; nil is none.
func until(p *Process, most, pace time.Duration, check func() error) error {
	var ended chan struct{}
	if p != nil {
		ended = p.ended
	}
	again := time.NewTicker(pace)
	defer again.Stop()
	late := time.After(most)
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ended:
			return fmt.Errorf("%w: %w", p.end(), err)
		case <-late:
			return fmt.Errorf("after %v: %w", most, err)
		}
	}
}
