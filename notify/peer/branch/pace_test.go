package branch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer/peertest"
	"grove/tree"
)

// TestATurnIsToldSooner: what turns a node does not wait for the pace at which readings are
// told, unless much turns.
func TestATurnIsToldSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		a, b := start(t, net, idA), start(t, net, idB)
		defer a.finish()
		defer b.finish()
		b.furnish()
		b.report("/shop/web/Latency", 1)
		a.joins(b)
		settled()
		value, status := 1, tree.Green
		// turn turns a node while another one is read all the time, and says how long it takes.
		turn := func(readings int) time.Duration {
			for range readings {
				value++
				b.report("/shop/db/Size", 95+value%2)
				time.Sleep(2 * time.Millisecond)
			}
			if status = tree.Green + tree.Red - status; status == tree.Red {
				b.report("/shop/web/Latency", 100)
			} else {
				b.report("/shop/web/Latency", 1)
			}
			for began := time.Now(); ; time.Sleep(time.Millisecond) {
				synctest.Wait()
				if a.node("/Managers/mb/shop/web/Latency").Status == status {
					return time.Since(began)
				}
				if time.Since(began) > time.Second {
					t.Fatal("it does not come")
				}
			}
		}
		for k := range 20 {
			if took := turn(50 + k); took > 10*time.Millisecond {
				t.Errorf("turn %d was told after %s", k, took)
			}
		}
		// When too much turns it waits for the pace, and no longer.
		slow := 0
		for k := range 100 {
			took := turn(1)
			if took > 10*time.Millisecond {
				slow++
			}
			if took > 40*time.Millisecond {
				t.Errorf("turn %d of many was told after %s", k, took)
			}
		}
		if slow == 0 {
			t.Error("each of a hundred turns had a round of its own")
		}
	})
}
