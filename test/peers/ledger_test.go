package peers

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grove/test/grovetest"
	"grove/test/witness"
)

// ledger is what one source of events tried and what was acknowledged.
type ledger struct {
	*witness.Ledger
	to     *manager
	path   string // of a log and, beside it, of a number that changes its status
	number string
	next   int
	apart  bool // the clocks of the managers are

	stop chan struct{}
	wait sync.WaitGroup
	err  error // of the last run, once it is over

	sure atomic.Int64 // how many were acknowledged
}

// newLedger begins the ledger of what is sent to a manager.
func newLedger(t testing.TB, to *manager, path, number string) *ledger {
	t.Helper()
	return &ledger{Ledger: witness.NewLedger(t), to: to, path: path, number: number}
}

// text is what the event of a number says.
func text(number int) string { return fmt.Sprintf("event %d", number) }

// red is above what the number turns red at.
const red = 100

// send sends one event, and a reading that changes the status of the number; it says whether
// both were acknowledged.
func (l *ledger) send() (acked bool, err error) {
	number := l.next
	l.next++
	if err := l.Tried(number, time.Now().UnixMilli()); err != nil {
		return false, err
	}
	value := number % 2 * red * 2
	if err := l.to.Push(
		map[string]any{"path": l.path, "event": map[string]any{"text": text(number), "status": "yellow"}},
		map[string]any{"path": l.number, "value": value},
	); err != nil {
		return false, nil // Whether it has it is not known.
	}
	l.sure.Add(1)
	return true, l.Acknowledged(number)
}

// begin sends one after the other until end is called, and returns when some are acknowledged.
func (l *ledger) begin() {
	l.to.Helper()
	l.stop = make(chan struct{})
	l.wait.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for l.err == nil {
			select {
			case <-l.stop:
				return
			case <-pace.C:
				_, l.err = l.send()
			}
		}
	})
	l.more(20)
}

// more waits until so many more were acknowledged.
func (l *ledger) more(count int64) {
	l.to.Helper()
	want := l.sure.Load() + count
	l.to.Eventually(func() error {
		if sure := l.sure.Load(); sure < want {
			return fmt.Errorf("%d of %d events were acknowledged", sure, want)
		}
		return nil
	})
}

// end ends what begin began.
func (l *ledger) end(t testing.TB) {
	t.Helper()
	close(l.stop)
	l.wait.Wait()
	if l.err != nil {
		t.Fatal(l.err)
	}
}

// claims reads the ledger back: numbers that were tried, and those that were acknowledged.
func (l *ledger) claims(t testing.TB) (tried, acked []int) {
	t.Helper()
	all, err := l.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for number, c := range all {
		tried = append(tried, number)
		if c.Acked {
			acked = append(acked, number)
		}
	}
	return tried, acked
}

// compare holds entries of a journal against what was tried and acknowledged: each of the
// acknowledged once, no other than was tried, and in order.
func compare(entries []grovetest.Entry, tried, acked []int) error {
	var found []int
	for _, e := range entries {
		var number int
		if _, err := fmt.Sscanf(e.Text, "event %d", &number); err != nil || text(number) != e.Text {
			return fmt.Errorf("nobody sent %q", e.Text)
		}
		if len(found) > 0 && number <= found[len(found)-1] {
			return fmt.Errorf("event %d comes after event %d: doubled, or out of order", number, found[len(found)-1])
		}
		found = append(found, number)
	}
	for _, number := range found {
		if _, sent := slices.BinarySearch(tried, number); !sent {
			return fmt.Errorf("event %d was never sent", number)
		}
	}
	var lost []string
	for _, number := range acked {
		if _, there := slices.BinarySearch(found, number); !there {
			lost = append(lost, fmt.Sprint(number))
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d of %d events were acknowledged and are not there: %.80s", len(lost), len(acked), strings.Join(lost, " "))
	}
	return nil
}

// holds waits until a manager has, at a path, everything that was acknowledged, once and in
// order, and until its journal of status changes is that of the manager whose node it is.
func (l *ledger) holds(t testing.TB, at *manager, path, number string) {
	t.Helper()
	tried, acked := l.claims(t)
	if len(acked) == 0 {
		t.Error("nothing was acknowledged: this proves nothing")
	}
	at.Eventually(func() error {
		entries, err := at.journal(path, "event")
		if err != nil {
			return err
		}
		if err := compare(entries, tried, acked); err != nil {
			return fmt.Errorf("%s at %s: %w", path, at.Name, err)
		}
		if at == l.to {
			return nil
		}
		own, err := l.to.journal(l.number, "status")
		if err != nil {
			return err
		}
		here, err := at.journal(number, "status")
		if err != nil {
			return err
		}
		return same(own, here, l.apart)
	})
	t.Logf("%s has all %d events of %s", at.Name, len(acked), l.to.Name)
}

// same says whether two journals tell the same changes of a status; apart is that clocks are:
// what comes from the future has the time when it came.
func same(own, here []grovetest.Entry, apart bool) error {
	said := func(entries []grovetest.Entry) (list []string) {
		for _, e := range entries {
			at := e.Time.UTC().Format(time.RFC3339Nano)
			if apart {
				at = "some time"
			}
			list = append(list, fmt.Sprintf("%s %s-%s", at, e.From, e.To))
		}
		return list
	}
	a, b := said(own), said(here)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Errorf("of %d changes of status %d are known: the next is %s", len(a), len(b), b[i])
		case i >= len(b):
			return fmt.Errorf("of %d changes of status %d are known: %s is missing", len(a), len(b), a[i])
		case a[i] != b[i]:
			return fmt.Errorf("change %d of status is %s there and %s here", i, a[i], b[i])
		}
	}
	return nil
}

// TestLedgerFindsFaults is the ledger's own test.
func TestLedgerFindsFaults(t *testing.T) {
	events := func(numbers ...int) (all []grovetest.Entry) {
		for _, n := range numbers {
			all = append(all, grovetest.Entry{Text: text(n)})
		}
		return all
	}
	for name, test := range map[string]struct {
		entries []grovetest.Entry
		want    string
	}{
		"all there":           {events(0, 1, 3), ""},
		"one more, not acked": {events(0, 1, 2, 3), ""},
		"one is lost":         {events(0, 3), "1 of 3 events were acknowledged and are not there: 1"},
		"one is doubled":      {events(0, 1, 1, 3), "doubled, or out of order"},
		"out of order":        {events(1, 0, 3), "doubled, or out of order"},
		"one never sent":      {events(0, 1, 3, 9), "event 9 was never sent"},
		"one is changed":      {[]grovetest.Entry{{Text: "event x"}}, "nobody sent"},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare(test.entries, []int{0, 1, 2, 3}, []int{0, 1, 3})
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
	one := []grovetest.Entry{{From: "green", To: "red"}}
	two := append(slices.Clone(one), grovetest.Entry{From: "red", To: "green"})
	late := []grovetest.Entry{{From: "green", To: "red", Time: time.Now()}}
	if same(two, two, false) != nil || same(one, two, true) == nil || same(two, one, true) == nil || same(two, []grovetest.Entry{two[0], two[0]}, true) == nil ||
		same(one, late, false) == nil || same(one, late, true) != nil {
		t.Error("changes of status are not compared")
	}
}
