package meter

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
)

const (
	a peer.ID = "00000000000000aa"
	b peer.ID = "00000000000000bb"
)

// TestLoad: saturation is the share of the time of all slots that handlers took, in the last
// ten seconds.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		asker, f := net.Join(a), New(net.Join(b), 2)
		f.Handle("test.work", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) {
			time.Sleep(time.Duration(len(body)) * time.Second)
			return nil, nil
		})
		is := func(what string, perSecond, saturation float64, handled uint64) {
			t.Helper()
			got := f.Load()
			if math.Abs(got.PerSecond-perSecond) > 1e-6 || math.Abs(got.Saturation-saturation) > 1e-6 || got.Handled != handled {
				t.Errorf("%s: %+v, want %g, %g, %d", what, got, perSecond, saturation, handled)
			}
		}
		work := func(at int, seconds int) {
			var all sync.WaitGroup
			for range at {
				all.Go(func() {
					if _, err := asker.Ask(t.Context(), b, "test.work", make([]byte, seconds)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		is("at first", 0, 0, 0)
		work(1, 4)
		is("one for all of the time", 1/4., 0.5, 1)
		time.Sleep(4 * time.Second)
		is("half of the time", 1/8., 0.25, 1)
		work(4, 2)                                      // Two of them have no slot.
		is("more than there are slots", 5/9., 7/18., 5) // The newest step has only begun: it has no time yet.
		time.Sleep(time.Minute)
		is("a minute later", 0, 0, 5)
		work(2, 5)
		is("full", 2/9., 10/18., 7)
		time.Sleep(500 * time.Millisecond)
		is("half a step later", 2/9.5, 10/19., 7)
		f.Handle("test.work", nil)
		if _, err := asker.Ask(t.Context(), b, "test.work", nil); !errors.Is(err, peer.ErrNobody) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		if f.Self() != b {
			t.Error("it is another fabric")
		}
	})
}
