package peertest_test

import (
	"context"
	"errors"
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

func TestNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		one, two := n.Join(a), n.Join(b)
		two.Handle("test.echo", func(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
			if len(body) == 0 {
				return nil, peer.Refuse(peer.Invalid, "nothing was said")
			}
			return append([]byte(from+" "), body...), nil
		})
		answer, err := one.Ask(t.Context(), b, "test.echo", []byte("hello"))
		if string(answer) != string(a)+" hello" || err != nil {
			t.Errorf("answer %q, %v", answer, err)
		}
		if _, err := one.Ask(t.Context(), b, "test.echo", nil); !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("refusal: %v", err)
		}
		if _, err := one.Ask(t.Context(), b, "test.other", nil); !errors.Is(err, peer.ErrNobody) {
			t.Errorf("nobody: %v", err)
		}
		var links []peer.Link
		defer one.OnLink(func(l peer.Link) { links = append(links, l) })()
		var got []string
		cancel, err := one.Follow(b, "s", func(body []byte) { got = append(got, string(body)) })
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		_ = two.Publish("s", []byte("1"))
		_ = two.Publish("other", []byte("x"))
		n.Cut(b, a, true)
		_ = two.Publish("s", []byte("2"))
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := one.Ask(ctx, b, "test.echo", []byte("hello")); !errors.Is(err, peer.ErrLost) {
			t.Errorf("cut on the way back: %v", err)
		}
		n.Cut(b, a, false)
		_ = two.Publish("s", []byte("3"))
		synctest.Wait()
		if len(got) != 2 || got[1] != "3" {
			t.Errorf("followed %q", got)
		}
		if len(links) != 2 || links[0].Up || !links[1].Up {
			t.Errorf("links %+v", links)
		}
		n.Leave(b)
		if _, err := one.Ask(t.Context(), b, "test.echo", nil); !errors.Is(err, peer.ErrNobody) {
			t.Errorf("gone: %v", err)
		}
	})
}

func TestNetKeepsTheContract(t *testing.T) {
	peertest.Contract(t, func(t *testing.T) peertest.World {
		n := peertest.New(1)
		w := peertest.World{
			Break: func(*testing.T) { n.Cut(a, b, true); n.Cut(b, a, true) },
			Mend:  func(*testing.T) { n.Cut(a, b, false); n.Cut(b, a, false) },
		}
		for i, id := range []peer.ID{a, b, "00000000000000cc"} {
			w.Fabrics[i] = n.Join(id)
			t.Cleanup(func() { n.Leave(id) })
		}
		return w
	})
}
