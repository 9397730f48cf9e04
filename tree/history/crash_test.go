package history

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"grove/tree"
)

// childDir makes the test binary the process that is killed: it is the directory of
// its history.
const childDir = "GROVE_HISTORY_CHILD"

// crashNodes is how many nodes the child has, lateEvery which rounds come late.
const (
	crashNodes = 500
	lateEvery  = 7
)

// child gives rounds of readings from a number on, for ever, and writes the number of
// each round that is acknowledged.
func child(dir string, from int) error {
	s, err := Open(Options{Dir: dir, MinFree: 1, SyncEvery: time.Hour, Now: crashNow})
	if err != nil {
		return err
	}
	live := tree.New(tree.Options{Now: crashNow, Readings: s.Readings, Reports: s.Reports, Statuses: s.Statuses})
	s.Bind(live)
	refs := make([]tree.Ref, crashNodes)
	for i := range refs {
		if refs[i], err = live.Add(tree.MustPath(fmt.Sprintf("/n/%d", i)), &tree.Spec{Kind: tree.Performance, Mode: tree.Push}); err != nil {
			return err
		}
	}
	batch := make([]tree.Reading, len(refs))
	for round := from; ; round++ {
		for i, ref := range refs {
			batch[i] = tree.Reading{Node: ref, Value: float64(round*crashNodes + i), Time: crashTime(round).UnixNano()}
		}
		live.Apply(batch)
		// Half of the rounds are acknowledged together with the one after.
		if round%2 == 0 {
			continue
		}
		if err := s.Sync(context.Background()); err != nil {
			return err
		}
		fmt.Println(round)
	}
}

// crashTime is the time of a round: 10 ms after the one before, but an hour earlier when
// it is late.
func crashTime(round int) time.Time {
	at := noon.Add(time.Duration(round) * 10 * time.Millisecond)
	if round%lateEvery == 0 {
		at = at.Add(-time.Hour)
	}
	return at
}

func crashNow() time.Time { return noon.Add(time.Hour) }

// TestNothingAcknowledgedIsLost kills a process under load, again and again.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		from, _ := strconv.Atoi(os.Getenv(childDir + "_FROM"))
		fmt.Println("child:", child(dir, from))
		os.Exit(1)
	}
	kills := 8
	if testing.Short() {
		kills = 2
	}
	dir := t.TempDir()
	acknowledged := -1
	for k := range kills {
		acknowledged = kill(t, dir, acknowledged+1, 20+rand.IntN(60))
		t.Logf("kill %d: rounds up to %d are acknowledged", k+1, acknowledged)
	}
	s, err := Open(Options{Dir: dir, MinFree: 1, Now: crashNow})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	q, err := s.Queryable().Querier(0, 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	series := 0
	set := q.Select(t.Context(), false, nil, equal(labels.MetricName, "grove_node_value"))
	for set.Next() {
		series++
		path := set.At().Labels().Get("path")
		i, err := strconv.Atoi(strings.TrimPrefix(path, "/n/"))
		if err != nil {
			t.Fatal(err)
		}
		found := make([]bool, acknowledged+1)
		it := set.At().Iterator(nil)
		for it.Next() != 0 {
			at, v := it.At()
			round := (int(v) - i) / crashNodes
			if round < 0 || v != float64(round*crashNodes+i) || at != crashTime(round).UnixMilli() {
				t.Fatalf("%s: the reading %v at %d was never given", path, v, at)
			}
			if round <= acknowledged {
				found[round] = true
			}
		}
		if lost := slices.Index(found, false); lost >= 0 {
			t.Fatalf("%s: round %d of %d acknowledged ones is lost", path, lost, acknowledged)
		}
	}
	if set.Err() != nil || series != crashNodes {
		t.Errorf("%d series, want %d: %v", series, crashNodes, set.Err())
	}
}

// kill starts a child, waits for some acknowledgements and kills it. It returns the last
// that was read.
func kill(t *testing.T, dir string, from, acknowledgements int) (last int) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestNothingAcknowledgedIsLost$")
	c.Env = append(os.Environ(), childDir+"="+dir, childDir+"_FROM="+strconv.Itoa(from))
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	last = from - 1
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		round, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("the child says %q", lines.Text())
			break
		}
		last = round
		if n == acknowledgements {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Wait() // It was killed.
	if last < from {
		t.Fatal("the child acknowledged nothing")
	}
	return last
}

// TestDamagedLogIsReadAsFarAsItGoes cuts the log and puts noise into it.
func TestDamagedLogIsReadAsFarAsItGoes(t *testing.T) {
	for name, damage := range map[string]func(log []byte) []byte{
		"cut off":  func(log []byte) []byte { return log[:len(log)*3/4] },
		"one byte": func(log []byte) []byte { log[len(log)*3/4] ^= 0x55; return log },
		"noise": func(log []byte) []byte {
			for i := len(log) * 3 / 4; i < len(log); i++ {
				log[i] = byte(i * 31)
			}
			return log
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			g := plant(t, dir, nil)
			ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance, Mode: tree.Push})
			for i := range 400 {
				g.give(ref, time.Duration(i)*100*time.Millisecond, float64(i))
				if i%4 == 0 {
					g.sync(t)
				}
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			file := wlog.SegmentName(filepath.Join(dir, "raw", "wal"), 0)
			log, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			log = []byte(strings.TrimRight(string(log), "\x00"))
			if err := os.WriteFile(file, damage(log), 0o600); err != nil {
				t.Fatal(err)
			}
			next := plantAt(t, dir, g.clock, nil)
			next.sync(t)
			list := next.selected(t, isValue)[`{__name__="grove_node_value", path="/a"}`]
			if len(list) < 250 || len(list) > 390 {
				t.Errorf("%d readings are left of 400 when a quarter of the log is lost", len(list))
			}
			for i, text := range list {
				if want := fmt.Sprintf("%v=%d", float64(i*100)/1000, i); text != want {
					t.Fatalf("reading %d is %s, want %s", i, text, want)
				}
			}
			if err := next.Limit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if st := next.Stats(); st.Repaired != 1 {
				t.Errorf("repaired %d times, want once", st.Repaired)
			}
			// And it goes on.
			ref = next.add(t, "/a", tree.Spec{Kind: tree.Performance, Mode: tree.Push})
			next.give(ref, time.Minute, -1)
			next.sync(t)
			list = next.selected(t, isValue)[`{__name__="grove_node_value", path="/a"}`]
			if list[len(list)-1] != "60=-1" {
				t.Errorf("%v", list[len(list)-1])
			}
		})
	}
}
