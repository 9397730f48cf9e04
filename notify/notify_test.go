package notify_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subscribe(t testing.TB, b *notify.Bus, o notify.Options) *notify.Subscription {
	t.Helper()
	s, err := b.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drain takes all that is queued, as "position type lost".
func drain(t testing.TB, s *notify.Subscription) []string {
	t.Helper()
	got := []string{}
	for {
		n, ok, err := s.TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		got = append(got, fmt.Sprintf("%d %s lost %d", n.Position, n.Type, n.Lost))
	}
}

func publish(b *notify.Bus, types ...string) {
	for _, kind := range types {
		b.Publish(beans.Notification{Type: kind})
	}
}

func TestSubscribersSeeWhatTheyAskFor(t *testing.T) {
	b := notify.NewBus()
	source := func(path string) beans.Name { return beans.MustName("grove:type=Node,path=" + path) }
	for _, tt := range []struct {
		name    string
		options notify.Options
		want    []string
	}{
		{"everything", notify.Options{}, []string{"a.b /shop", "a.c /shop/web1", "b /shopping", "a.b /"}},
		{"type", notify.Options{Types: []string{"a.b", "b"}}, []string{"a.b /shop", "b /shopping", "a.b /"}},
		{"type without wildcards", notify.Options{Types: []string{"a.*"}}, nil},
		{"subtree", notify.Options{Source: notify.Within("path", "/shop")}, []string{"a.b /shop", "a.c /shop/web1"}},
		{"subtree with a slash", notify.Options{Source: notify.Within("path", "/shop/")}, []string{"a.b /shop", "a.c /shop/web1"}},
		{"root", notify.Options{Source: notify.Within("path", "/")}, []string{"a.b /shop", "a.c /shop/web1", "b /shopping", "a.b /"}},
		{"other property", notify.Options{Source: notify.Within("id", "/")}, nil},
		{"filter", notify.Options{Filter: beans.TypePrefixes()}, nil},
		{"all together", notify.Options{Types: []string{"a"}, Source: notify.Within("path", "/shop"), Filter: beans.TypePrefixes("a.c")}, []string{"a.c /shop/web1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := subscribe(t, b, tt.options)
			defer s.Close()
			b.Publish(beans.Notification{Type: "a.b", Source: source("/shop")})
			b.Publish(beans.Notification{Type: "a.c", Source: source("/shop/web1")})
			b.Publish(beans.Notification{Type: "b", Source: source("/shopping")})
			b.Publish(beans.Notification{Type: "a.b", Source: source("/")})
			var got []string
			for {
				n, ok, _ := s.TryNext()
				if !ok {
					break
				}
				path, _ := n.Source.Text("path")
				got = append(got, n.Type+" "+path)
				if n.Time.IsZero() {
					t.Error("no time")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFullQueueDropsTheOldestAndSaysSo(t *testing.T) {
	b := notify.NewBus()
	slow := subscribe(t, b, notify.Options{Name: "slow", Buffer: 3})
	fast := subscribe(t, b, notify.Options{Name: "fast", Buffer: 10})
	publish(b, "a", "b", "c", "d", "e")
	if n, _, _ := slow.TryNext(); n.Type != "c" || n.Lost != 2 {
		t.Errorf("got %+v", n)
	}
	publish(b, "f", "g")
	if diff := cmp.Diff([]string{"5 e lost 1", "6 f lost 0", "7 g lost 0"}, drain(t, slow)); diff != "" {
		t.Error(diff)
	}
	publish(b, "h")
	if diff := cmp.Diff([]string{"8 h lost 0"}, drain(t, slow)); diff != "" {
		t.Error(diff)
	}
	if got := drain(t, fast); len(got) != 8 {
		t.Errorf("the fast one got %v", got)
	}
	slow.Close()
	want := notify.Stats{Published: 8, Delivered: 16, Lost: 3, Subscriptions: []notify.SubscriptionStats{{Name: "fast", Buffer: 10, Delivered: 8}}}
	if diff := cmp.Diff(want, b.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestQueueGrowsAroundItsHead(t *testing.T) {
	b := notify.NewBus()
	s := subscribe(t, b, notify.Options{Buffer: 500})
	next := uint64(1)
	for round := range 40 {
		for range round%7 + 3 {
			publish(b, "x")
		}
		for range round % 5 {
			if n, ok, _ := s.TryNext(); !ok || n.Position != next {
				t.Fatalf("got %d, want %d", n.Position, next)
			}
			next++
		}
	}
	if st := s.Stats(); st.Lost > 0 || st.Queued != int(b.Stats().Published-next+1) {
		t.Errorf("%+v", st)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := notify.NewBus()
		s := subscribe(t, b, notify.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		got := make(chan string)
		go func() {
			for n := range s.All(t.Context()) {
				got <- n.Type
			}
			close(got)
		}()
		synctest.Wait()
		publish(b, "a", "b")
		if x, y := <-got, <-got; x != "a" || y != "b" {
			t.Errorf("got %s, %s", x, y)
		}
		s.Close()
		s.Close()
		if x, ok := <-got; ok {
			t.Errorf("got %s after the end", x)
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, notify.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPublisherNeverWaits(t *testing.T) {
	b := notify.NewBus()
	s := subscribe(t, b, notify.Options{Buffer: 1})
	for range 10_000 {
		publish(b, "x") // nobody takes them
	}
	if n, _, _ := s.TryNext(); n.Position != 10_000 || n.Lost != 9_999 {
		t.Errorf("got %+v", n)
	}
}

func TestCloseWaitsUntilSubscribersTookAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := notify.NewBus()
		s := subscribe(t, b, notify.Options{})
		publish(b, "a", "b")
		closed := make(chan error)
		go func() { closed <- b.Close(t.Context()) }()
		synctest.Wait()
		publish(b, "too late")
		if _, err := b.Subscribe(notify.Options{Name: "late"}); !errors.Is(err, notify.ErrClosed) || err.Error() != `subscribe "late": closed` {
			t.Errorf("got %v", err)
		}
		select {
		case err := <-closed:
			t.Fatalf("closed with %v before the subscriber was done", err)
		default:
		}
		if diff := cmp.Diff([]string{"1 a lost 0"}, func() []string {
			n, _ := s.Next(t.Context())
			return []string{fmt.Sprintf("%d %s lost %d", n.Position, n.Type, n.Lost)}
		}()); diff != "" {
			t.Error(diff)
		}
		if n, err := s.Next(t.Context()); n.Type != "b" || err != nil {
			t.Errorf("got %v, %v", n, err)
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, notify.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if st := b.Stats(); st.Published != 2 || st.Refused != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestCloseNamesWhoLeftSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := notify.NewBus()
		subscribe(t, b, notify.Options{Name: "idle"})
		subscribe(t, b, notify.Options{Name: "mail", Types: []string{"m"}})
		publish(b, "m", "m")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		subscribe(t, b, notify.Options{Name: "none", Types: []string{"none"}})
		err := b.Close(ctx)
		want := "close the bus: context deadline exceeded: subscription \"idle\" leaves 2 notifications\nsubscription \"mail\" leaves 2 notifications"
		if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Errorf("a second time: %v", err)
		}
	})
}

func TestSubscribeBounds(t *testing.T) {
	b := notify.NewBus()
	for _, buffer := range []int{-1, notify.MaxBuffer + 1} {
		_, err := b.Subscribe(notify.Options{Name: "x", Buffer: buffer})
		if want := fmt.Sprintf(`subscribe "x": invalid value: a buffer of %d, which must be from 1 to 65536`, buffer); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
	for range notify.MaxSubscriptions {
		subscribe(t, b, notify.Options{})
	}
	if _, err := b.Subscribe(notify.Options{Name: "x"}); err == nil || err.Error() != `subscribe "x": the bus has its bound of 10000 subscriptions` {
		t.Errorf("got %v", err)
	}
}

func TestSourcesNumberTheirOwn(t *testing.T) {
	b := notify.NewBus()
	s := subscribe(t, b, notify.Options{Buffer: 10_000})
	var wg sync.WaitGroup
	for i := range 4 {
		source := b.Source(beans.MustName(fmt.Sprintf("d:n=%d", i)))
		for range 2 {
			wg.Go(func() {
				for range 200 {
					source.Publish("x", "", nil)
				}
			})
		}
	}
	wg.Wait()
	last := map[string]int64{}
	for range 1600 {
		n, ok, _ := s.TryNext()
		if key := n.Source.Canonical(); !ok || n.Sequence != last[key]+1 {
			t.Fatalf("%s: %d after %d", key, n.Sequence, last[key])
		}
		last[n.Source.Canonical()]++
	}
}

func TestBusListensToBeans(t *testing.T) {
	s, err := beans.NewServer(beans.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := notify.NewBus()
	sub := subscribe(t, b, notify.Options{Types: []string{"JMX.mbean."}})
	if _, err := s.Subscribe(beans.DelegateName, b.Publish, nil); err != nil {
		t.Fatal(err)
	}
	bean, err := beans.NewStandard(&struct {
		A int `bean:""`
	}{}, beans.StandardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(bean, beans.MustName("d:a=b")); err != nil {
		t.Fatal(err)
	}
	n, ok, _ := sub.TryNext()
	if !ok || !n.Source.Equal(beans.DelegateName) || n.Sequence != 1 || n.Data.(beans.Registration).Name.String() != "d:a=b" {
		t.Errorf("got %+v", n)
	}
}

func TestAllSubscribersSeeOneOrder(t *testing.T) {
	b := notify.NewBus()
	var publishers, readers sync.WaitGroup
	orders := make([][]uint64, 8)
	for i := range orders {
		s := subscribe(t, b, notify.Options{Buffer: 10_000})
		readers.Go(func() {
			for n := range s.All(t.Context()) {
				orders[i] = append(orders[i], uint64(n.Sequence))
			}
		})
	}
	for p := range 4 {
		publishers.Go(func() {
			for i := range 500 {
				b.Publish(beans.Notification{Type: "x", Sequence: int64(p*1000 + i)})
				if i%50 == 0 {
					subscribe(t, b, notify.Options{}).Close()
					b.Stats()
				}
			}
		})
	}
	publishers.Wait()
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	readers.Wait()
	for i, order := range orders {
		if len(order) != 2000 || !cmp.Equal(order, orders[0]) {
			t.Errorf("subscriber %d saw %d in another order than the first", i, len(order))
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 10, 100, 1000} {
		for _, kind := range []string{"wanted", "filtered"} {
			b.Run(fmt.Sprintf("%s/%d", kind, subscribers), func(b *testing.B) {
				bus := notify.NewBus()
				for range subscribers {
					subscribe(b, bus, notify.Options{Types: []string{"grove.status."}, Source: notify.Within("path", "/shop")})
				}
				n := beans.Notification{Type: "grove.status.changed", Source: beans.MustName("grove:path=/shop/web1,type=Node"), Time: time.Now()}
				if kind == "filtered" {
					n.Type = "grove.other"
				}
				b.ReportAllocs()
				for b.Loop() {
					bus.Publish(n)
				}
			})
		}
	}
}
