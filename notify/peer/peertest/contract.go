package peertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
)

// World is what Contract needs: three managers that reach each other, of which the first is
// linked to both others.
type World struct {
	Fabrics [3]peer.Fabric
	// Break cuts the link of the first and the second manager.
	Break func(t *testing.T)
	// Mend has it back, sooner or later.
	Mend func(t *testing.T)
}

// long is how long a test waits for what must come.
const long = 60 * time.Second

// Absent is an ID that no manager of a World has.
const Absent peer.ID = "00000000000000ff"

// Until waits until a condition holds.
func Until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.After(long)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end:
			t.Fatalf("it never came to this: %s", what)
		case <-tick.C:
		}
	}
}

// Contract holds a fabric to what package peer says of one. Open makes a world for each
// case, and has it closed when the test is over.
func Contract(t *testing.T, open func(t *testing.T) World) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, World)
	}{
		{"the asker gets the answer", answers},
		{"bulk is asked likewise", bulk},
		{"long bodies pass, and too long ones do not", lengths},
		{"a refusal keeps its code", refusals},
		{"nobody is said at once", nobody},
		{"an answer that does not come is a lost one", late},
		{"handlers run at the same time", together},
		{"one may ask while one is asked", nested},
		{"what is sent arrives", sends},
		{"who follows gets all in order", follows},
		{"links are seen, and told", links},
		{"a follower goes on after a cut", resumes},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func echo(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	return append([]byte(from+" "), body...), nil
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	t.Cleanup(cancel)
	return ctx
}

// answers: every manager reaches every other one, and itself, and the receiver knows who asks.
func answers(t *testing.T, w World) {
	for _, f := range w.Fabrics {
		f.Handle("test.echo", echo)
	}
	for i, from := range w.Fabrics {
		for j, to := range w.Fabrics {
			body := fmt.Sprintf("%d asks %d", i, j)
			answer, err := from.Ask(within(t), to.Self(), "test.echo", []byte(body))
			if want := string(from.Self()) + " " + body; string(answer) != want || err != nil {
				t.Errorf("%s: answer %q, %v", body, answer, err)
			}
		}
	}
	w.Fabrics[0].Handle("test.echo", func(context.Context, peer.ID, []byte) ([]byte, error) { return nil, nil })
	if answer, err := w.Fabrics[1].Ask(within(t), w.Fabrics[0].Self(), "test.echo", nil); len(answer) != 0 || err != nil {
		t.Errorf("the handler that came instead: %q, %v", answer, err)
	}
}

func bulk(t *testing.T, w World) {
	w.Fabrics[2].Handle("test.echo", echo)
	answer, err := w.Fabrics[1].AskBulk(within(t), w.Fabrics[2].Self(), "test.echo", []byte("x"))
	if string(answer) != string(w.Fabrics[1].Self())+" x" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
	if _, err := w.Fabrics[1].AskBulk(within(t), Absent, "test.echo", nil); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("absent: %v", err)
	}
}

func lengths(t *testing.T, w World) {
	w.Fabrics[1].Handle("test.same", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) { return body, nil })
	w.Fabrics[1].Handle("test.longer", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) { return append(body, 1), nil })
	most := bytes.Repeat([]byte("m"), peer.MaxBody)
	to := w.Fabrics[1].Self()
	if answer, err := w.Fabrics[0].Ask(within(t), to, "test.same", most); !bytes.Equal(answer, most) || err != nil {
		t.Errorf("the longest: %d bytes, %v", len(answer), err)
	}
	if _, err := w.Fabrics[0].Ask(within(t), to, "test.longer", most); !errors.Is(err, peer.ErrTooLong) {
		t.Errorf("an answer that is too long: %v", err)
	}
	more := append(most, 1)
	_, err := w.Fabrics[0].Ask(within(t), to, "test.same", more)
	for name, err := range map[string]error{
		"ask": err, "send": w.Fabrics[0].Send(to, "test.same", more),
		"to all": w.Fabrics[0].SendAll("test.same", more), "publish": w.Fabrics[0].Publish("test", more),
	} {
		if !errors.Is(err, peer.ErrTooLong) {
			t.Errorf("%s, too long: %v", name, err)
		}
	}
}

func refusals(t *testing.T, w World) {
	to := w.Fabrics[1]
	for _, c := range []struct {
		says error
		code peer.Code
		text string
	}{
		{peer.Refuse(peer.Invalid, "no sense"), peer.Invalid, "no sense"},
		{peer.Refuse(peer.NotFound, "nowhere"), peer.NotFound, "nowhere"},
		{peer.Refuse(peer.Refused, "may not\nat all"), peer.Refused, "may not\nat all"},
		{fmt.Errorf("wrapped: %w", peer.Refuse(peer.Stale, "older than 3")), peer.Stale, "older than 3"},
		{peer.Refuse(peer.Busy, ""), peer.Busy, ""},
		{errors.New("disk full"), peer.Failed, "disk full"},
		{peer.ErrNobody, peer.Failed, peer.ErrNobody.Error()},
	} {
		to.Handle("test.no", func(context.Context, peer.ID, []byte) ([]byte, error) { return []byte("x"), c.says })
		answer, err := w.Fabrics[0].Ask(within(t), to.Self(), "test.no", nil)
		if answer != nil || !peer.IsRefusal(err, c.code) || err.Error() != c.text {
			t.Errorf("%v: answer %q, %v", c.says, answer, err)
		}
	}
	to.Handle("test.no", func(context.Context, peer.ID, []byte) ([]byte, error) { panic("a handler that panics") })
	if _, err := w.Fabrics[0].Ask(within(t), to.Self(), "test.no", nil); !peer.IsRefusal(err, peer.Failed) {
		t.Errorf("a handler that panics: %v", err)
	}
}

func nobody(t *testing.T, w World) {
	one, two := w.Fabrics[0], w.Fabrics[1]
	if _, err := one.Ask(within(t), Absent, "test.x", nil); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("no such manager: %v", err)
	}
	if err := one.Send(Absent, "test.x", nil); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("sent to no such manager: %v", err)
	}
	if _, err := one.Ask(within(t), two.Self(), "test.x", nil); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("no such kind: %v", err)
	}
	two.Handle("test.x", echo)
	if _, err := one.Ask(within(t), two.Self(), "test.x", nil); err != nil {
		t.Errorf("handled meanwhile: %v", err)
	}
	two.Handle("test.x", nil)
	if _, err := one.Ask(within(t), two.Self(), "test.x", nil); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("handled no more: %v", err)
	}
}

func late(t *testing.T, w World) {
	free := make(chan struct{})
	defer close(free)
	w.Fabrics[1].Handle("test.wait", func(context.Context, peer.ID, []byte) ([]byte, error) {
		<-free
		return nil, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Fabrics[0].Ask(ctx, w.Fabrics[1].Self(), "test.wait", nil); !errors.Is(err, peer.ErrLost) {
		t.Errorf("no answer in time: %v", err)
	}
}

func together(t *testing.T, w World) {
	came := make(chan struct{})
	w.Fabrics[1].Handle("test.meet", func(ctx context.Context, _ peer.ID, body []byte) ([]byte, error) {
		// The first one is answered after the second one has come.
		select {
		case came <- struct{}{}:
		case <-came:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return body, nil
	})
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			if _, err := w.Fabrics[0].Ask(within(t), w.Fabrics[1].Self(), "test.meet", nil); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
}

func nested(t *testing.T, w World) {
	one, two := w.Fabrics[0], w.Fabrics[1]
	one.Handle("test.inner", echo)
	two.Handle("test.outer", func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
		return two.Ask(ctx, from, "test.inner", body)
	})
	answer, err := one.Ask(within(t), two.Self(), "test.outer", []byte("x"))
	if string(answer) != string(two.Self())+" x" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
}

func sends(t *testing.T, w World) {
	type message struct {
		to, from peer.ID
		body     string
	}
	got := make(chan message, 100)
	for _, f := range w.Fabrics {
		f.Handle("test.take", func(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
			got <- message{f.Self(), from, string(body)}
			return nil, nil
		})
	}
	take := func(n int) (all []message) {
		for range n {
			select {
			case m := <-got:
				all = append(all, m)
			case <-time.After(long):
				t.Fatalf("only %v came", all)
			}
		}
		return all
	}
	one, two, three := w.Fabrics[0].Self(), w.Fabrics[1].Self(), w.Fabrics[2].Self()
	if err := w.Fabrics[1].Send(three, "test.take", []byte("to one")); err != nil {
		t.Error(err)
	}
	if all := take(1); all[0] != (message{three, two, "to one"}) {
		t.Errorf("sent: %v", all)
	}
	if err := w.Fabrics[1].SendAll("test.take", []byte("to all")); err != nil {
		t.Error(err)
	}
	all := take(2)
	slices.SortFunc(all, func(a, b message) int { return bytes.Compare([]byte(a.to), []byte(b.to)) })
	want := []message{{one, two, "to all"}, {three, two, "to all"}}
	slices.SortFunc(want, func(a, b message) int { return bytes.Compare([]byte(a.to), []byte(b.to)) })
	if !slices.Equal(all, want) {
		t.Errorf("sent to all: %v", all)
	}
	// Nothing came twice: what is sent afterwards comes next.
	if err := w.Fabrics[0].SendAll("test.take", []byte("last")); err != nil {
		t.Error(err)
	}
	for _, m := range take(2) {
		if m.body != "last" {
			t.Errorf("came twice: %v", m)
		}
	}
}

func follows(t *testing.T, w World) {
	const n = 2000
	type follower struct {
		got  []string
		done chan struct{}
	}
	var all []*follower
	for i, f := range w.Fabrics[1:] {
		of := w.Fabrics[(i+2)%3] // the third follows the first, the second the third
		one := &follower{done: make(chan struct{})}
		cancel, err := f.Follow(of.Self(), "branch/ä of *.> everything", func(body []byte) {
			if one.got = append(one.got, string(body)); string(body) == "end" {
				close(one.done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		all = append(all, one)
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	want = append(want, "end")
	for _, f := range w.Fabrics {
		if err := f.Publish("other", []byte("of another stream")); err != nil {
			t.Error(err)
		}
		for _, body := range want {
			if err := f.Publish("branch/ä of *.> everything", []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, one := range all {
		select {
		case <-one.done:
		case <-time.After(long):
			t.Fatal("the end never came")
		}
		if !slices.Equal(one.got, want) {
			t.Errorf("%d messages came, not %d in order", len(one.got), len(want))
		}
	}
	// After cancel nothing comes.
	got := make(chan string, 10)
	first, err := w.Fabrics[0].Follow(w.Fabrics[1].Self(), "s", func(body []byte) { got <- "cancelled " + string(body) })
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Fabrics[0].Follow(w.Fabrics[1].Self(), "s", func(body []byte) { got <- string(body) })
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	first()
	first()
	if err := w.Fabrics[1].Publish("s", []byte("x")); err != nil {
		t.Error(err)
	}
	select {
	case body := <-got:
		if body != "x" {
			t.Errorf("came: %s", body)
		}
	case <-time.After(long):
		t.Error("nothing came")
	}
}

func links(t *testing.T, w World) {
	one, two := w.Fabrics[0], w.Fabrics[1]
	up := func(of peer.Fabric, to peer.ID) bool {
		return slices.ContainsFunc(of.Links(), func(l peer.Link) bool { return l.Peer == to && l.Up && l.Address != "" && !l.Since.IsZero() })
	}
	Until(t, "the link is up on both sides", func() bool { return up(one, two.Self()) && up(two, one.Self()) })
	told := make(chan peer.Link, 100)
	cancel := one.OnLink(func(l peer.Link) {
		if l.Peer == two.Self() {
			told <- l
		}
	})
	defer cancel()
	next := func(up bool) {
		t.Helper()
		for {
			select {
			case l := <-told:
				if l.Up != up {
					continue
				}
				if !up && l.Error == "" {
					t.Errorf("nobody says why: %+v", l)
				}
				return
			case <-time.After(long):
				t.Fatalf("it was not told that the link is up=%v", up)
			}
		}
	}
	w.Break(t)
	next(false)
	Until(t, "the loss is seen on the other side", func() bool { return !up(two, one.Self()) })
	if up(one, two.Self()) {
		t.Error("the link is still up in the list")
	}
	if !slices.ContainsFunc(one.Links(), func(l peer.Link) bool { return l.Peer == two.Self() }) {
		t.Error("the lost link is not in the list")
	}
	w.Mend(t)
	next(true)
	Until(t, "the link is up again on both sides", func() bool { return up(one, two.Self()) && up(two, one.Self()) })
	two.Handle("test.echo", echo)
	if _, err := one.Ask(within(t), two.Self(), "test.echo", nil); err != nil {
		t.Errorf("asked over the link that is back: %v", err)
	}
}

func resumes(t *testing.T, w World) {
	one, two := w.Fabrics[0], w.Fabrics[1]
	got := make(chan string, 1<<16)
	cancel, err := one.Follow(two.Self(), "s", func(body []byte) {
		select {
		case got <- string(body):
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	arrives := func(text string) {
		t.Helper()
		Until(t, text+" arrives", func() bool {
			_ = two.Publish("s", []byte(text))
			for {
				select {
				case body := <-got:
					if body == text {
						return true
					}
				default:
					return false
				}
			}
		})
	}
	arrives("before the cut")
	w.Break(t)
	w.Mend(t)
	arrives("after the cut")
}
