//go:build linux

package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"grove/test/grovetest"
	"grove/tree"
	"grove/viewer/live/client"
)

// Sizes of BenchmarkViewers.
const (
	audienceOf = 1000 // viewers
	hallGroups = 100
	hallNodes  = 100 // of a group
	hallBatch  = 100 // readings
	hallEvery  = 20 * time.Millisecond
	hallAlone  = 5 * time.Second // of load without viewers
	hallQuiet  = 3 * time.Second // before memory is read
	hallLimit  = 1000            // above it a node is red
	hallBell   = "/hall/Bell"    // what every viewer sees
)

// hall is a whole grove as a process of its own, with a load and an audience.
type hall struct {
	*manager
	process *grovetest.Process
	pid     int
	random  *rand.Rand
	paths   []string
	body    bytes.Buffer
	pushed  atomic.Int64 // readings
	sent    []atomic.Int64
	all     sync.WaitGroup // the viewers
}

// openHall starts grove with 10,000 nodes that have values.
func openHall(b *testing.B) *hall {
	b.Helper()
	data := b.TempDir()
	h := &hall{random: rand.New(rand.NewPCG(1, 2)), sent: make([]atomic.Int64, 1<<20)}
	s, address, err := grovetest.Program{Dir: data}.Serve("--data", data, "--no-own-host", "--log-level", "warn")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.End(os.Kill) })
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	h.process, h.pid = s, s.PID
	h.manager = &manager{TB: b, url: address, drop: filepath.Join(data, "definitions"), log: s.Said, http: &http.Client{Transport: transport, Timeout: patience}}
	h.write("hall.yaml", fmt.Sprintf(`grove: 1
application: hall
at: /hall
tree:
  Bell: { kind: performance }
  "Group ${item}":
    each: "1..%d"
    nodes:
      "n${item}": { each: "1..%d", kind: performance, red: "> %d" }
`, hallGroups, hallNodes, hallLimit))
	h.loaded("hall")
	for g := range hallGroups {
		for n := range hallNodes {
			h.paths = append(h.paths, fmt.Sprintf("/hall/Group %d/n%d", g+1, n+1))
		}
	}
	for range len(h.paths) / hallBatch {
		h.batch()
	}
	return h
}

// batch pushes a batch of readings, of which about one in a hundred makes its node red.
// Each value names its reading, in whole numbers that 32 bits hold.
func (h *hall) batch() {
	h.Helper()
	h.body.Reset()
	now := time.Now().UnixNano()
	for i := range hallBatch {
		n := int(h.pushed.Add(1))
		name := n % len(h.sent)
		h.sent[name].Store(now)
		value := -float64(name)
		if h.random.IntN(100) == 0 {
			value = hallLimit + 1 + float64(name)
		}
		fmt.Fprintf(&h.body, "%c{\"path\":%q,\"value\":%v}", "[,"[min(i, 1)], h.paths[n%len(h.paths)], value)
	}
	h.body.WriteByte(']')
	h.deliver(strconv.Itoa(hallBatch))
}

// ring pushes a value that every viewer sees.
func (h *hall) ring(value int) {
	h.Helper()
	h.body.Reset()
	fmt.Fprintf(&h.body, `{"path":%q,"value":%d}`, hallBell, value)
	h.deliver("1")
}

// deliver pushes what is in body, and holds that so much of it was accepted.
func (h *hall) deliver(many string) {
	h.Helper()
	res, err := h.http.Post(h.url+"/api/v1/readings", "application/json", bytes.NewReader(h.body.Bytes()))
	if err != nil {
		h.Fatalf("%v: %s", err, h.process.Said)
	}
	answer, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"accepted":`+many)) {
		h.Fatalf("%s: %s", res.Status, answer)
	}
}

// load pushes batches at a steady rate while more says so.
func (h *hall) load(more func() bool) time.Duration {
	h.Helper()
	begin := time.Now()
	pace := time.NewTicker(hallEvery)
	defer pace.Stop()
	for more() {
		<-pace.C
		h.batch()
	}
	return time.Since(begin)
}

// quiet lets grove give back what it does not need.
func (h *hall) quiet() {
	wait := time.NewTimer(hallQuiet)
	defer wait.Stop()
	<-wait.C
}

// worked is how long the processors worked for grove, in and out of the kernel.
func (h *hall) worked() time.Duration {
	h.Helper()
	return grovetest.Worked(h, h.pid)
}

// onlooker is one of the audience.
type onlooker struct {
	*client.Client
	bell     uint32       // the index of what all see
	heard    atomic.Int64 // its last value
	messages atomic.Int64
	changes  atomic.Int64
	took     []time.Duration // of a sample, until it leaves
}

// seat lets a viewer in: of twenty one sees everything, two see a group that few others
// see, and the rest what a page with one open group shows.
func (h *hall) seat(b *testing.B, k int) *onlooker {
	b.Helper()
	r := client.Request{Path: tree.MustPath("/hall"), Depth: 1, Open: []tree.Path{tree.MustPath("/hall/Group 1")}}
	switch k % 20 {
	case 0:
		r = client.Request{Path: r.Path}
	case 1, 2:
		r.Open = []tree.Path{tree.MustPath(fmt.Sprintf("/hall/Group %d", 2+k%(hallGroups-1)))}
	}
	c, err := client.Follow(b.Context(), h.url, r)
	if err != nil {
		b.Fatal(err)
	}
	v := &onlooker{Client: c}
	b.Cleanup(func() { _ = c.Close() })
	h.all.Go(func() {
		for {
			f, err := v.Next()
			if err != nil {
				return
			}
			if f == nil {
				continue
			}
			now := time.Now().UnixNano()
			for i := range f.Nodes {
				if f.Nodes[i].Name == "Bell" {
					v.bell = f.Nodes[i].Index
					value, _ := f.Nodes[i].Value.Number()
					v.heard.Store(int64(value))
				}
			}
			fresh := true
			for i := range f.Changes {
				value, ok := f.Changes[i].Value.Number()
				switch {
				case !ok:
				case f.Changes[i].Index == v.bell:
					v.heard.Store(int64(value))
				case fresh && k%20 == k/20%20: // One reading of a message stands for all.
					fresh = false
					v.took = append(v.took, time.Duration(now-h.sent[nameOf(value)].Load()))
				}
			}
			v.messages.Add(1)
			v.changes.Add(int64(len(f.Changes) + len(f.Nodes)))
		}
	})
	return v
}

// nameOf is the name of a reading in its value.
func nameOf(value float64) int {
	if value > hallLimit {
		value -= hallLimit + 1
	}
	return int(max(value, -value))
}

// toll rings and waits until all have heard it.
func (h *hall) toll(audience []*onlooker, value int) {
	h.Helper()
	h.ring(value)
	grovetest.Eventually(h, func() error {
		deaf := 0
		for _, v := range audience {
			if v.heard.Load() != int64(value) {
				deaf++
			}
		}
		if deaf > 0 {
			return fmt.Errorf("%d viewers have not heard of the reading that all see", deaf)
		}
		return nil
	})
}

// BenchmarkViewers measures what 1,000 viewers of 10,000 nodes cost a whole grove, which
// is a process of its own, while 5,000 readings come in a second. 850 viewers look at
// the same view with one group open, 100 have another group open, 50 see everything. They
// are Go clients of the binary protocol with compression, in this process.
//
//	go test ./test -run '^$' -bench '^BenchmarkViewers$' -benchtime 10s
//
// The processor time is what grove takes more than with the same load and no viewer. The
// memory is what it grew by, from after that load until some seconds after the load that
// the viewers saw: with the garbage that Go leaves. The delay is from just before a
// reading is posted until a viewer has decoded it, for one reading of each message of 50
// viewers of all kinds; the feed rests longer between two flushes the more viewers it has.
func BenchmarkViewers(b *testing.B) {
	h := openHall(b)
	before, until := h.worked(), time.Now().Add(hallAlone)
	alone := h.load(func() bool { return time.Now().Before(until) })
	base := (h.worked() - before).Seconds() / alone.Seconds()
	h.quiet()
	memory := grovetest.Memory(b, h.pid, "VmRSS")

	audience := make([]*onlooker, audienceOf)
	for k := range audience {
		audience[k] = h.seat(b, k)
	}
	h.toll(audience, 1)
	total := func() (messages, changes int64) {
		for _, v := range audience {
			messages += v.messages.Load()
			changes += v.changes.Load()
		}
		return messages, changes
	}
	messages, changes := total()
	pushed := h.pushed.Load()
	before = h.worked()
	b.ResetTimer()
	elapsed := h.load(b.Loop)
	b.StopTimer()
	h.toll(audience, 2)
	cpu := h.worked() - before - time.Duration(base*float64(elapsed))
	pushed = h.pushed.Load() - pushed
	told, changed := total()
	told, changed = told-messages, changed-changes
	h.quiet()
	memory = grovetest.Memory(b, h.pid, "VmRSS") - memory

	for _, v := range audience {
		_ = v.Close()
	}
	h.all.Wait()
	var took []time.Duration
	for _, v := range audience {
		took = append(took, v.took...)
	}
	if err := h.process.End(syscall.SIGTERM); err != nil {
		b.Error(err)
	}
	if len(took) == 0 || told == 0 {
		b.Fatal(errors.New("nobody was told anything"))
	}
	slices.Sort(took)
	ms := func(share float64) float64 { return took[int(share*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(float64(cpu.Microseconds())/float64(told), "cpu-us/message")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(changed), "cpu-ns/change")
	b.ReportMetric(100*cpu.Seconds()/elapsed.Seconds(), "cpu-%")
	b.ReportMetric(100*base, "alone-cpu-%")
	b.ReportMetric(memory/1000/audienceOf, "kB/viewer")
	b.ReportMetric(ms(0.5), "ms-median")
	b.ReportMetric(ms(0.99), "ms-p99")
	b.ReportMetric(float64(told)/elapsed.Seconds(), "messages/s")
	b.ReportMetric(float64(changed)/elapsed.Seconds(), "changes/s")
	b.ReportMetric(float64(pushed)/elapsed.Seconds(), "readings/s")
}
