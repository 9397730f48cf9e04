//go:build linux

package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"grove/notify/book"
	"grove/notify/channel"
	"grove/test/grovetest"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

// Sizes of BenchmarkFlood.
const (
	floodNodes   = 10_000
	floodBatches = 20 // within a second
)

// floodMeter measures what a flood costs grove: its peak of memory, its processor time, and
// how long people wait who look at the alerts meanwhile.
type floodMeter struct {
	b       *testing.B
	f       *flood
	memory  float64 // bytes, before
	worked  time.Duration
	stop    chan struct{}
	looking sync.WaitGroup
	took    []time.Duration
	fault   error
}

// floodLook is how often somebody looks at the alerts.
const floodLook = 20 * time.Millisecond

func (f *flood) meter(b *testing.B) *floodMeter {
	b.Helper()
	pid := f.process.PID
	m := &floodMeter{b: b, f: f, memory: grovetest.Memory(b, pid, "VmRSS"), worked: grovetest.Worked(b, pid), stop: make(chan struct{})}
	m.looking.Go(func() {
		pace := time.NewTicker(floodLook)
		defer pace.Stop()
		for m.fault == nil {
			select {
			case <-m.stop:
				return
			case <-pace.C:
			}
			begin := time.Now()
			res, err := f.http.Get(f.url + "/api/v1/alerts")
			if err != nil {
				m.fault = err
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				m.fault = fmt.Errorf("%w: %s", errRefused, res.Status)
			}
			m.took = append(m.took, time.Since(begin))
		}
	})
	return m
}

// report ends the measurement and prints it.
func (m *floodMeter) report() {
	m.b.Helper()
	close(m.stop)
	m.looking.Wait()
	if m.fault != nil {
		m.b.Fatal(m.fault)
	}
	pid := m.f.process.PID
	slices.Sort(m.took)
	for name, share := range map[string]float64{"ms-look-p50": 0.5, "ms-look-p99": 0.99} {
		m.b.ReportMetric(m.took[int(share*float64(len(m.took)-1))].Seconds()*1000, name)
	}
	m.b.ReportMetric((grovetest.Memory(m.b, pid, "VmHWM")-m.memory)/1e6, "MB-more")
	m.b.ReportMetric((grovetest.Worked(m.b, pid) - m.worked).Seconds(), "cpu-s")
}

// blow pushes a value to nodes in batches over a time, each on time whether or not those
// before are answered, and returns when the last was sent. All are answered by then.
func (f *flood) blow(value int, within time.Duration, paths []string) (sent time.Time) {
	f.Helper()
	var bodies [][]byte
	for some := range slices.Chunk(paths, (len(paths)+floodBatches-1)/floodBatches) {
		var body []byte
		for i, p := range some {
			body = fmt.Appendf(body, "%c{\"path\":%q,\"value\":%d}", "[,"[min(i, 1)], p, value)
		}
		bodies = append(bodies, append(body, ']'))
	}
	faults := make([]error, len(bodies))
	var all sync.WaitGroup
	pace := time.NewTicker(within / floodBatches)
	defer pace.Stop()
	for i, body := range bodies {
		<-pace.C
		sent = time.Now()
		all.Go(func() {
			res, err := f.http.Post(f.url+"/api/v1/readings", "application/json", bytes.NewReader(body))
			if err != nil {
				faults[i] = err
				return
			}
			defer res.Body.Close()
			if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
				faults[i] = fmt.Errorf("%w: %s: %.300s %w", errRefused, res.Status, answer, err)
			}
		})
	}
	all.Wait()
	if err := errors.Join(faults...); err != nil {
		f.Fatal(err)
	}
	return sent
}

// tally counts the messages of a purpose, and the alerts in them that are new to stand or
// to be over; when is the last.
func (f *flood) tally(purpose channel.Purpose) (messages, alerts int, when time.Time) {
	f.Helper()
	calls, err := f.desk.about(func(c *call) bool { return c.Purpose == purpose && c.By["instance"] != "bell" })
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range calls {
		when = c.at
		if alerts += c.Firing; purpose == channel.Resolution {
			alerts += c.Resolved
		}
	}
	return len(calls), alerts, when
}

// BenchmarkFlood turns 10,000 nodes red within a second, as a whole grove sees it that is
// a process of its own, with defaults but for the address of the receiver.
//
//	go test ./test -run '^$' -bench '^BenchmarkFlood$' -benchtime 1x -timeout 10m
//
// Under one cause, which turns red first, in the middle and last: s-told is from the
// last push until the message has come, messages how many came before all was
// decided, where one about more than the cause counts as many as it tells of (1 is right), consequences what the message says of them, and more-told how many
// came beside the one that says that it is over, after the nodes turned well one after the
// other within three seconds (0 is right).
//
// Unrelated, in 500 instances: messages came within s-told, until every alert was told, and
// as many told of the end of all. Flapping: 1,000 nodes of 50 instances are red and green
// in turns, every 3 s, for a minute; messages came meanwhile.
//
// Of all: the memory that grove took more at its peak, its processor time, and how long
// GET /api/v1/alerts took, asked 50 times a second.
func BenchmarkFlood(b *testing.B) {
	for i, name := range []string{"first", "middle", "last"} {
		b.Run("cause="+name, func(b *testing.B) {
			for b.Loop() {
				floodBelow(b, i)
			}
		})
	}
	b.Run("unrelated", func(b *testing.B) {
		for b.Loop() {
			floodApart(b)
		}
	})
	b.Run("flapping", func(b *testing.B) {
		for b.Loop() {
			floodFlapping(b)
		}
	})
}

// floodBelow is a flood with a cause; when says whether that comes first (0), in the middle
// or last.
func floodBelow(b *testing.B, when int) {
	b.Helper()
	p := plant{"tower", 100, floodNodes / 100, true}
	f := openFlood(b, "", p)
	paths := p.paths()
	m := f.meter(b)
	pushed := f.blow(99, time.Second, slices.Insert(slices.Clone(paths), when*len(paths)/2, p.power()))
	told := f.hear(p.name, channel.Firing, 1)[0]
	f.counted(alert.Suppressed, floodNodes)
	decided := time.Since(pushed)
	m.report()
	f.ring()
	before := f.hear(p.name, channel.Firing, 1)
	f.set(10, p.power())
	f.blow(10, 3*time.Second, paths)
	f.hear(p.name, channel.Resolution, 1)
	f.counted(alert.Suppressed, 0)
	f.set(10, "/site/bell/Power")
	f.hear("bell", channel.Resolution, 1)
	after := f.hear(p.name, channel.Resolution, 1)
	f.end()
	consequences := 0
	if len(told.Alerts) == 1 && told.Alerts[0].Path.String() == p.power() {
		consequences = told.Alerts[0].Consequences
	} else {
		b.Logf("is told:\n%s", titles(before))
	}
	b.ReportMetric(float64(consequences), "consequences")
	b.ReportMetric(max(told.at.Sub(pushed), 0).Seconds(), "s-told")
	b.ReportMetric(decided.Seconds(), "s-decided")
	b.ReportMetric(float64(told.Firing+len(before)-1), "messages")
	b.ReportMetric(float64(len(after)-len(before)-1), "more-told")
}

// floodApart is a flood of many instances that have nothing to do with each other.
func floodApart(b *testing.B) {
	b.Helper()
	const groups = 500
	var plants []plant
	var paths []string
	for i := range groups {
		plants = append(plants, plant{fmt.Sprintf("plant%d", i), 1, floodNodes / groups, false})
		paths = append(paths, plants[i].paths()...)
	}
	f := openFlood(b, "", plants...)
	m := f.meter(b)
	pushed := f.blow(99, time.Second, paths)
	f.counted(alert.Open, floodNodes)
	decided := time.Since(pushed)
	m.report()
	all := func(purpose channel.Purpose) (messages int, after time.Duration) {
		f.last(func() error {
			n, alerts, when := f.tally(purpose)
			if messages, after = n, when.Sub(pushed); alerts < floodNodes {
				return fmt.Errorf("%d messages tell of %d alerts, want %d", n, alerts, floodNodes)
			}
			return nil
		})
		return messages, after
	}
	messages, told := all(channel.Firing)
	pushed = f.blow(10, time.Second, paths)
	over, ended := all(channel.Resolution)
	f.counted(alert.Open, 0)
	f.end()
	b.ReportMetric(decided.Seconds(), "s-decided")
	b.ReportMetric(float64(messages), "messages")
	b.ReportMetric(told.Seconds(), "s-told")
	b.ReportMetric(float64(over), "resolutions")
	b.ReportMetric(ended.Seconds(), "s-over")
}

// floodFlapping is a flood that goes on for a minute.
func floodFlapping(b *testing.B) {
	b.Helper()
	const groups, nodes, parts = 50, 20, 30
	var plants []plant
	var paths []string
	for i := range groups {
		plants = append(plants, plant{fmt.Sprintf("plant%d", i), 1, nodes, false})
		paths = append(paths, plants[i].paths()...)
	}
	f := openFlood(b, "", plants...)
	m := f.meter(b)
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	begin := time.Now()
	for turn := 0; time.Since(begin) < time.Minute; turn++ {
		var some []string
		for i := turn % parts; i < len(paths); i += parts {
			some = append(some, paths[i])
		}
		f.set(10+89*((turn/parts+1)%2), some...)
		<-pace.C
	}
	m.report()
	calls, err := f.desk.about(func(*call) bool { return true })
	if err != nil {
		b.Fatal(err)
	}
	f.end()
	b.ReportMetric(float64(len(calls)), "messages")
}

// BenchmarkApplyWithBook measures what the book of alerts costs the engine where nothing
// alerts: readings of which one in a hundred changes the status of its node, told every
// 100,000, to nobody and to a book. What the book does with them in a goroutine of its own
// counts, and so does the collector of garbage.
//
//	go test ./test -run '^$' -bench '^BenchmarkApplyWithBook$' -benchtime 3s
func BenchmarkApplyWithBook(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("book=%t", with), func(b *testing.B) { applyWithBook(b, with) })
	}
}

func applyWithBook(b *testing.B, with bool) {
	b.Helper()
	const nodes, told = 100_000, 100_000
	var alerts *book.Book
	changes := 0
	tr := tree.New(tree.Options{Statuses: func(c []tree.StatusChange) {
		if changes += len(c); alerts != nil {
			alerts.Statuses(c)
		}
	}})
	spec := &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Yellow: tree.AboveLevel(80, 75)}, Alerting: &tree.Alerting{Rule: tree.AlertNever}}
	ops := make([]tree.Op, nodes)
	paths := make([]tree.Path, nodes)
	for i := range ops {
		paths[i] = tree.MustPath(fmt.Sprintf("/area%d/group%d/node%d", i/1000, i/10%100, i%10))
		ops[i] = tree.Add(paths[i], spec)
	}
	if err := tr.Change(ops...); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	readings := make([]tree.Reading, 1<<20)
	for i := range readings {
		ref, _ := tr.Lookup(paths[random.IntN(nodes)])
		readings[i] = tree.Reading{Node: ref, Value: 10 + 60*random.Float64()}
		if random.IntN(200) == 0 { // and back again by the next: two changes
			readings[i].Value = 85
		}
	}
	tr.Apply(readings)
	tr.Flush()
	if with {
		s := storetest.SQLite(b).Open(b)
		alerts = book.New(book.Options{Tree: tr, Store: s, Journal: journal.New(journal.Options{Store: s}), Manager: "bench"})
		ctx, cancel := context.WithCancel(b.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = alerts.Run(ctx) })
		defer running.Wait()
		defer cancel()
		if err := alerts.Begin(ctx); err != nil {
			b.Fatal(err)
		}
	}
	changes = 0
	done, since := 0, 0
	worked := grovetest.Worked(b, 0)
	b.ResetTimer()
	for b.Loop() {
		at := done & (len(readings) - 1)
		tr.Apply(readings[at : at+256])
		done += 256
		if since += 256; since >= told {
			since = 0
			tr.Flush()
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(done)/(grovetest.Worked(b, 0)-worked).Seconds()/1e6, "Mreadings/CPU-s")
	b.ReportMetric(100*float64(changes)/float64(done), "%changed")
}
