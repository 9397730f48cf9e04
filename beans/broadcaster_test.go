package beans_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

func TestEmitNumbersAndTimes(t *testing.T) {
	var b beans.Broadcaster
	b.Emit(beans.Notification{Type: "before anybody listens"})
	var got []beans.Notification
	cancel := b.Subscribe(func(n beans.Notification) { got = append(got, n) }, nil)
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	b.Emit(beans.Notification{Type: "a", Time: noon, Sequence: 99})
	before := time.Now()
	b.Emit(beans.Notification{Type: "b"})
	cancel()
	b.Emit(beans.Notification{Type: "after"})
	if len(got) != 2 || got[0].Sequence != 2 || !got[0].Time.Equal(noon) || got[1].Sequence != 3 || got[1].Time.Before(before) {
		t.Errorf("got %+v", got)
	}
}

func TestListenerMayEmit(t *testing.T) {
	var b beans.Broadcaster
	var got []string
	b.Subscribe(func(n beans.Notification) {
		got = append(got, "first "+n.Type)
		if n.Type == "a" {
			b.Emit(beans.Notification{Type: "b"})
		}
	}, nil)
	b.Subscribe(func(n beans.Notification) { got = append(got, "second "+n.Type) }, nil)
	b.Emit(beans.Notification{Type: "a"})
	if diff := cmp.Diff([]string{"first a", "second a", "first b", "second b"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSubscribingInsideListenerMissesWhatIsUnderWay(t *testing.T) {
	var b beans.Broadcaster
	var got []string
	var once sync.Once
	b.Subscribe(func(n beans.Notification) {
		once.Do(func() {
			b.Emit(beans.Notification{Type: "b"})
			b.Subscribe(func(n beans.Notification) { got = append(got, n.Type) }, nil)
			b.Emit(beans.Notification{Type: "c"})
		})
	}, nil)
	b.Emit(beans.Notification{Type: "a"})
	if diff := cmp.Diff([]string{"c"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPanickingListenerLeavesTheBroadcasterUsable(t *testing.T) {
	var b beans.Broadcaster
	var got []int64
	b.Subscribe(func(n beans.Notification) {
		if n.Type == "bad" {
			panic(n.Type)
		}
		got = append(got, n.Sequence)
	}, nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not surface")
			}
		}()
		b.Emit(beans.Notification{Type: "bad"})
	}()
	b.Emit(beans.Notification{Type: "good"})
	if diff := cmp.Diff([]int64{2}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneOrderForAllListeners(t *testing.T) {
	var b beans.Broadcaster
	const emitters, each = 8, 200
	var last [3]int64
	var count [3]int
	for i := range last {
		b.Subscribe(func(n beans.Notification) {
			if n.Sequence != last[i]+1 {
				t.Errorf("listener %d: %d after %d", i, n.Sequence, last[i])
			}
			last[i] = n.Sequence
			count[i]++
		}, nil)
	}
	var wg sync.WaitGroup
	for range emitters {
		wg.Go(func() {
			for range each {
				b.Emit(beans.Notification{Type: "x"})
				b.Subscribe(func(beans.Notification) {}, nil)()
			}
		})
	}
	wg.Wait()
	for i, c := range count {
		if c != emitters*each {
			t.Errorf("listener %d saw %d of %d", i, c, emitters*each)
		}
	}
}

func TestPendingIsBounded(t *testing.T) {
	var b beans.Broadcaster
	var last, gap int64
	b.Subscribe(func(n beans.Notification) {
		if n.Sequence == 1 {
			for range 1<<16 + 5 {
				b.Emit(beans.Notification{Type: "flood"})
			}
		}
		gap += n.Sequence - last - 1
		last = n.Sequence
	}, nil)
	b.Emit(beans.Notification{Type: "first"})
	b.Emit(beans.Notification{Type: "last"})
	if b.Dropped() != 5 || gap != 5 {
		t.Errorf("dropped %d, gap in the numbers %d, want 5", b.Dropped(), gap)
	}
}

func TestFilters(t *testing.T) {
	change := beans.Notification{Type: beans.TypeAttributeChange, Data: beans.AttributeChange{Attribute: "Speed"}}
	for _, tt := range []struct {
		name   string
		filter beans.Filter
		n      beans.Notification
		want   bool
	}{
		{"prefix", beans.TypePrefixes("jmx."), change, true},
		{"whole type", beans.TypePrefixes("x", beans.TypeAttributeChange), change, true},
		{"longer than the type", beans.TypePrefixes(beans.TypeAttributeChange + "."), change, false},
		{"an asterisk is no wildcard", beans.TypePrefixes("jmx.*"), change, false},
		{"empty prefix", beans.TypePrefixes(""), change, true},
		{"no prefix", beans.TypePrefixes(), change, false},
		{"attribute", beans.AttributeNames("Load", "Speed"), change, true},
		{"other attribute", beans.AttributeNames("Load"), change, false},
		{"attribute names are exact", beans.AttributeNames("Spee"), change, false},
		{"no attribute", beans.AttributeNames(), change, false},
		{"no change", beans.AttributeNames("Speed"), beans.Notification{Type: "x", Data: change.Data}, false},
	} {
		if got := tt.filter(tt.n); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func BenchmarkEmit(b *testing.B) {
	for _, listeners := range []int{0, 1, 100} {
		b.Run(fmt.Sprint(listeners), func(b *testing.B) {
			var bc beans.Broadcaster
			for range listeners {
				bc.Subscribe(func(beans.Notification) {}, nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				bc.Emit(beans.Notification{Type: "x"})
			}
		})
	}
}
