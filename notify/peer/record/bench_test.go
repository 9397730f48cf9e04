package record

import (
	"context"
	"fmt"
	"testing"
	"time"

	"grove/notify/peer/peertest"
	"grove/tree"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

// BenchmarkOutage is an outage of 30 minutes in which 300 events a second happen, with both
// sides restarted during it: how long it takes until all of them are there, once and in
// order, while 300 new ones a second come, and how late those are.
func BenchmarkOutage(b *testing.B) {
	const missed, rate = 540_000, 300
	for b.Loop() {
		n := peertest.New(1)
		d, e := storetest.SQLite(b), storetest.SQLite(b)
		one, two := start(b, n, d, berlin, options{}), start(b, n, e, north, options{}, berlin)
		one.tell(b, lines(0, 10, time.Now())...)
		same(b, one, two)
		n.Cut(berlin, north, true)
		n.Cut(north, berlin, true)
		began := time.Now().Add(-30 * time.Minute)
		tell := func(from, to int) {
			for i := from; i < to; i += 3000 {
				all := make([]journal.Entry, 3000)
				for k := range all {
					at := began.Add(time.Duration(i+k) * time.Second / rate)
					all[k] = journal.Entry{Time: at, Path: tree.MustPath(fmt.Sprintf("/shop/host%03d/log", (i+k)%500)), Kind: journal.Event, To: tree.Yellow, Text: fmt.Sprint("event ", i+k)}
				}
				one.tell(b, all...)
			}
		}
		tell(0, missed/3)
		two.stop()
		tell(missed/3, missed/2)
		one.stop()
		one = start(b, n, d, berlin, options{})
		tell(missed/2, missed)
		two = start(b, n, e, north, options{}, berlin)
		n.Cut(berlin, north, false)
		n.Cut(north, berlin, false)

		// New ones come meanwhile: how long each takes is looked at once in 100 ms.
		var worst, sum time.Duration
		var late, told int
		mended := time.Now()
		tick := time.NewTicker(100 * time.Millisecond)
		for i := 0; ; i++ {
			<-tick.C
			all := make([]journal.Entry, rate/10)
			for k := range all {
				all[k] = journal.Entry{Time: time.Now(), Path: tree.MustPath("/shop/new"), Kind: journal.Event, To: tree.Green, Text: fmt.Sprint("new ", told)}
				told++
			}
			one.tell(b, all...)
			if i%10 == 0 {
				at := time.Now()
				until(b, "the new ones", func() bool { return two.newest(b) == told })
				took := time.Since(at)
				worst, sum = max(worst, took), sum+took
				late++
			}
			if s := two.receiver.Sources()[0]; s.Behind < MaxBatch && s.Taken >= missed {
				break
			}
		}
		tick.Stop()
		b.ReportMetric(time.Since(mended).Seconds(), "s-caught-up")
		b.ReportMetric(worst.Seconds(), "s-worst-new")
		b.ReportMetric(sum.Seconds()/float64(late), "s-mean-new")
		same(b, one, two)
		one.stop()
		two.stop()
	}
}

// newest is how many of the new ones are there.
func (m *manager) newest(b *testing.B) (n int) {
	page, err := m.journal.Search(context.Background(), journal.Query{Under: tree.MustPath("/Managers/" + string(berlin) + "/shop/new"), Only: true, Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	if len(page.Entries) == 1 {
		if _, err := fmt.Sscanf(page.Entries[0].Text, "new %d", &n); err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}
