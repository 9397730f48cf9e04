package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestStopEndsInTime has parts that do not end, with and without regard for time: Stop
// ends within its own, and the others are ended properly.
func TestStopEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a App
		never := make(chan struct{})
		ended := 0
		proper := func(ctx context.Context) error {
			if ctx.Err() == nil {
				ended++
			}
			return nil
		}
		a.onStop("database that hangs", func(context.Context) error { <-never; return nil })
		a.onStop("files", proper)
		a.run("journal that hangs", func(context.Context) error { <-never; return nil })
		a.run("memory that hangs", func(context.Context) error { <-never; return nil })
		a.onStop("web server", proper)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		err := a.Stop(ctx)
		if took := time.Since(began); took > 15*time.Second+grace {
			t.Errorf("stopping took %s", took)
		}
		if ended != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d ended properly, %v", ended, err)
		}
		close(never)
	})
}
