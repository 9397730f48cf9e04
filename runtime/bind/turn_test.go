package bind

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurnIsOneAtATime: of many who want the turn one has it, and each gets it.
func TestTurnIsOneAtATime(t *testing.T) {
	var all turn
	var wg sync.WaitGroup
	count := 0 // guarded by the turn alone
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				all.Lock()
				count++
				all.Unlock()
			}
		})
	}
	wg.Wait()
	if count != 8000 {
		t.Errorf("%d turns, want 8000", count)
	}
}

// TestTurnWaitsIdle: the clock of a bubble goes on while somebody waits for the turn.
func TestTurnWaitsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turn
		begin := time.Now()
		all.Lock()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				all.Lock()
				defer all.Unlock()
				if waited := time.Since(begin); waited != time.Hour {
					t.Errorf("waited %v, want an hour", waited)
				}
			})
		}
		time.Sleep(time.Hour)
		all.Unlock()
		wg.Wait()
	})
}
