package lease

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// TestMark: those who share a database have the same mark, which another one has not, nor one
// into which a backup was loaded.
func TestMark(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		mark := func(s *store.Store) string {
			t.Helper()
			m, err := New(Options{Store: s}).Mark(t.Context())
			if err != nil || m == "" {
				t.Fatalf("%q, %v", m, err)
			}
			return m
		}
		one := db.OpenAs(t, "one")
		first := mark(one)
		if again := mark(one); again != first {
			t.Errorf("%s, then %s", first, again)
		}
		if db.Engine == "postgres" {
			if two := mark(db.OpenAs(t, "two")); two != first {
				t.Errorf("one says %s, two %s", first, two)
			}
		}
		var backup bytes.Buffer
		if err := one.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		copied := storetest.SQLite(t).Open(t)
		if err := copied.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		if other := mark(copied); other == first {
			t.Error("a copy has the mark of the original")
		}
	})
}

// holderDatabase is where the address of the database stands for a process that takes locks.
const holderDatabase = "GROVE_TEST_LEASE_DATABASE"

// heldFor is how long a lock lasts without being renewed.
const heldFor = MinTTL

// holdOn takes a lock again and again, and says so: "in TOKEN" with it, "on TOKEN" while it
// believes that it has it, "out TOKEN" when it gives it back, "lost TOKEN" when it was lost.
func holdOn() int {
	name := os.Getenv("GROVE_TEST_LEASE_NAME")
	s, err := store.Open(context.Background(), store.Options{Address: os.Getenv(holderDatabase), Manager: name})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	id := peer.ID(fmt.Sprintf("%016x", name))
	leases := New(Options{Store: s})
	go func() { _ = leases.Run(context.Background()) }() // It ends with the process.
	l := NewLocker(LockerOptions{Fabric: peertest.New(1).Join(id), Leases: leases, Home: func() peer.ID { return id }})
	for {
		var token int64
		err := l.WithLock(context.Background(), "shared", heldFor, func(ctx context.Context, had int64) error {
			token = had
			fmt.Println("in", token)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for range 10 {
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
					fmt.Println("on", token)
				}
			}
			fmt.Println("out", token)
			return nil
		})
		if err != nil {
			fmt.Println("lost", token)
		}
		<-time.After(heldFor / 2) // Somebody else may have it.
	}
}

// guarded is what a lock guards: it takes no smaller token than the highest that it has seen.
type guarded struct {
	t *testing.T

	mu      sync.Mutex
	highest int64
	by      string
	refused int
	times   map[string]int // how often each has had the lock
	lost    map[string]int
}

// hear takes what a process says.
func (g *guarded) hear(name, line string) {
	var word string
	var token int64
	if _, err := fmt.Sscan(line, &word, &token); err != nil {
		g.t.Errorf("%s says %q", name, line)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case word == "lost":
		g.lost[name]++
	case token < g.highest:
		g.refused++
	case word == "in":
		if token == g.highest {
			g.t.Errorf("%s and %s have the token %d", g.by, name, token)
		}
		g.highest, g.by = token, name
		g.times[name]++
	case token != g.highest || g.by != name:
		g.t.Errorf("%s says %q, and %d of %s is the newest token", name, line, g.highest, g.by)
	}
}

// count is how often one has had the lock.
func (g *guarded) count(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.times[name]
}

// holder is a process that takes locks.
type holder struct {
	name    string
	process *exec.Cmd
	heard   sync.WaitGroup
}

func (g *guarded) start(t *testing.T, name, address string) *holder {
	t.Helper()
	h := &holder{name: name, process: exec.Command(os.Args[0])}
	h.process.Env = append(os.Environ(), holderDatabase+"="+address, "GROVE_TEST_LEASE_NAME="+name)
	h.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var wrong strings.Builder
	h.process.Stderr = &wrong
	out, err := h.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.process.Start(); err != nil {
		t.Fatal(err)
	}
	h.heard.Go(func() {
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return // A line that was cut off by a kill says nothing.
			}
			g.hear(name, strings.TrimSpace(line))
		}
	})
	t.Cleanup(func() {
		h.kill()
		if t.Failed() {
			t.Logf("%s said: %s", name, wrong.String())
		}
	})
	return h
}

// kill ends the process as nothing can prepare for.
func (h *holder) kill() {
	if h.process.ProcessState != nil {
		return
	}
	_ = h.process.Process.Kill() // It may have ended by itself.
	h.heard.Wait()
	_ = h.process.Wait() // It was killed.
}

// until waits until the lock was had more often by somebody than before.
func (g *guarded) until(t *testing.T, name string, before int) {
	t.Helper()
	peertest.Until(t, name+" has the lock", func() bool { return g.count(name) > before })
}

// TestKilledHolders: two managers, real processes, take one lock in a database that they
// share. Each is killed while it has it, and stopped for longer than it lasts: then the other
// has it, with a higher token, and what is guarded refuses the one that still believes.
func TestKilledHolders(t *testing.T) {
	t.Parallel()
	db := storetest.Postgres(t)
	g := &guarded{t: t, times: map[string]int{}, lost: map[string]int{}}
	holders := map[string]*holder{}
	for _, name := range []string{"one", "two"} {
		holders[name] = g.start(t, name, db.Address)
	}
	for victim, other := range map[string]string{"one": "two", "two": "one"} {
		g.until(t, victim, g.count(victim))
		holders[victim].kill()
		g.until(t, other, g.count(other))
		holders[victim] = g.start(t, victim, db.Address)
		g.until(t, victim, g.count(victim))
	}
	// One that stands still while it has it.
	stopped := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.by != "one" {
			return false
		}
		return holders["one"].process.Process.Signal(syscall.SIGSTOP) == nil
	}
	peertest.Until(t, "one was stopped", stopped)
	before := g.count("two")
	g.until(t, "two", before)
	if err := holders["one"].process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	g.until(t, "one", g.count("one"))
	g.until(t, "two", g.count("two"))
	g.mu.Lock()
	defer g.mu.Unlock()
	t.Logf("had: %v, lost: %v, refused: %d", g.times, g.lost, g.refused)
}
