package remote

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// These tell the process that TestNothingIsMissingAfterKills kills where to write and to send.
const killedIn, killedURL = "GROVE_TEST_KILLED_IN", "GROVE_TEST_KILLED_URL"

// TestKilled is that process: it writes and sends, and says on standard output what
// it has written, until it is killed or its standard input ends.
func TestKilled(t *testing.T) {
	dir := os.Getenv(killedIn)
	if dir == "" {
		t.Skip("runs for TestNothingIsMissingAfterKills")
	}
	h := &history{t: t, dir: dir, wrote: ledger{}, step: 1000, next: time.Now().UnixMilli()}
	h.open()
	defer h.Close()
	s := h.run(h.options(Target{Name: "a", URL: os.Getenv(killedURL), Batch: 100}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	for round := 0; ctx.Err() == nil; round++ {
		h.next = max(h.next+1, time.Now().UnixMilli())
		h.write(1, 20)
		for i := range 20 {
			fmt.Println("wrote", path(i), h.next-h.step, h.wrote[path(i)][h.next-h.step])
		}
		h.next -= h.step - 1
		if round%10 == 9 {
			wait(ctx, 10*time.Millisecond)
		}
	}
	until(t, "everything is sent", func() bool { st := s.Stats()[0]; return st.Pending == 0 && st.Behind == 0 })
	s.stop()
}

// TestNothingIsMissingAfterKills kills grove's side again and again while it writes and
// sends, and while the store comes and goes; what it said it wrote, the store has.
func TestNothingIsMissingAfterKills(t *testing.T) {
	r := newReceiver(t)
	dir := t.TempDir() + "/raw"
	wrote := ledger{}
	const kills = 6
	for round := range kills + 1 {
		r.set(func(r *receiver) { r.down = round%3 == 1 })
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$", "-test.v")
		cmd.Env = append(os.Environ(), killedIn+"="+dir, killedURL+"="+r.URL)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, n := bufio.NewScanner(out), 0
		enough := 4000 + 1000*round
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if len(f) != 4 || f[0] != "wrote" {
				continue
			}
			at, err := strconv.ParseInt(f[2], 10, 64)
			if err != nil {
				continue // The line in which it was killed.
			}
			v, err := strconv.ParseFloat(f[3], 64)
			if err != nil {
				t.Fatal(err)
			}
			wrote.add(f[1], at, v)
			if n++; n == enough {
				if round < kills {
					_ = cmd.Process.Kill()
				} else {
					_ = in.Close()
				}
			}
		}
		if err := cmd.Wait(); err != nil && round == kills {
			t.Fatalf("the last one: %v", err)
		}
	}
	got := r.received(t)
	missing := ledger{}
	for name, samples := range wrote {
		for at, v := range samples {
			if got[name][at] != v {
				missing.add(name, at, v)
			}
		}
	}
	t.Logf("%d kills, %d samples acknowledged, %d in the store", kills, wrote.len(), got.len())
	if missing.len() > 0 {
		t.Errorf("%d samples are missing", missing.len())
	}
}

// TestGapsKeepTheirMark holds that the mark of a gap, one of many NaNs, is sent as it is.
func TestGapsKeepTheirMark(t *testing.T) {
	mark := math.Float64frombits(value.StaleNaN)
	bundles := pack([]sample{{1, sent(1), 1000, 1}, {2, sent(2), 1000, 2}, {1, sent(1), 2000, mark}}, 2)
	if len(bundles) != 2 || len(bundles[0]) != 2 || bundles[1].samples() != 1 {
		t.Fatalf("%v", bundles)
	}
	var bits []uint64
	for _, version := range []int{1, 2} {
		body, err := bundles[1].encode(version, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err = snappy.Decode(nil, body); err != nil {
			t.Fatal(err)
		}
		if version == 1 {
			var r prompb.WriteRequest
			if err := r.Unmarshal(body); err != nil {
				t.Fatal(err)
			}
			bits = append(bits, math.Float64bits(r.Timeseries[0].Samples[0].Value))
			continue
		}
		var r writev2.Request
		if err := r.Unmarshal(body); err != nil {
			t.Fatal(err)
		}
		bits = append(bits, math.Float64bits(r.Timeseries[0].Samples[0].Value))
	}
	if d := cmp.Diff([]uint64{value.StaleNaN, value.StaleNaN}, bits); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
