package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox/message"
	"grove/notify/outbox/shelf"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// These make this test program the one that is killed.
const (
	crashAddress = "GROVE_TEST_OUTBOX_ADDRESS"
	crashRound   = "GROVE_TEST_OUTBOX_ROUND"
	crashLedger  = "GROVE_TEST_OUTBOX_LEDGER"
)

// crashChannels is how many channels the program to be killed sends to; the first of them
// refuses every seventh message at first, and every fiftieth for good.
const crashChannels = 4

// ledger is a receiver that writes down what it gets in a file that outlives the program.
func ledger(file io.Writer) func(ctx context.Context, m *Message) error {
	var mu sync.Mutex
	tries := map[string]int{}
	return func(_ context.Context, m *Message) error {
		mu.Lock()
		defer mu.Unlock()
		n, _ := strconv.Atoi(m.Key[strings.LastIndex(m.Key, "-")+1:])
		if tries[m.Key]++; m.Channel == "c0" && n%50 == 49 {
			return channel.Permanent(errors.New("never"))
		} else if m.Channel == "c0" && n%7 == 6 && tries[m.Key] == 1 {
			return channel.RetryAfter(errors.New("not now"), 0)
		}
		_, err := fmt.Fprintf(file, "%s %s\n", m.Channel, m.Key)
		return err
	}
}

func TestCrashHelper(t *testing.T) {
	address := os.Getenv(crashAddress)
	if address == "" {
		t.Skip("only as the child of TestNothingIsLostByKills")
	}
	s, err := store.Open(t.Context(), store.Options{Address: address, Manager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(os.Getenv(crashLedger), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	o := New(Options{Store: s, Send: ledger(file), Timeout: time.Second})
	var mu sync.Mutex
	for c := range crashChannels {
		go func() {
			for i := 0; ; i++ {
				m := Message{
					Key: fmt.Sprintf("%s-%d-%d", os.Getenv(crashRound), c, i), Channel: fmt.Sprintf("c%d", c), Precedence: Precedence(i % message.Precedences),
					Persistent: true, Body: json.RawMessage(`{}`),
				}
				if err := o.Add(context.Background(), m); err != nil {
					fmt.Println("error", err)
					return
				}
				mu.Lock()
				_, _ = io.WriteString(os.Stdout, "acknowledged "+m.Channel+" "+m.Key+"\n")
				mu.Unlock()
			}
		}()
	}
	t.Log(o.Run(context.Background()))
}

// kills is low, as a test program that starts takes most of the time.
var kills = flag.Int("kills", 2, "how often TestNothingIsLostByKills kills on each engine")

// TestNothingIsLostByKills kills a program that puts and sends, again and again: what was
// acknowledged is delivered or a dead letter in the end, and no more is delivered twice
// than was not yet marked.
func TestNothingIsLostByKills(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		if err := d.Open(t).Close(); err != nil { // makes the tables
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(6, uint64(time.Now().UnixNano())))
		name := filepath.Join(t.TempDir(), "ledger")
		owed := map[string]bool{}
		for round := range *kills {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestCrashHelper$", "-test.v")
			cmd.Env = append(os.Environ(), crashAddress+"="+d.Address, fmt.Sprintf("%s=%d", crashRound, round), crashLedger+"="+name)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines, until := bufio.NewScanner(out), 50+random.IntN(250)
			for n := 0; lines.Scan(); {
				if why, bad := strings.CutPrefix(lines.Text(), "error "); bad {
					t.Error(why)
				}
				key, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
				if !ok {
					continue
				}
				owed[key] = true
				if n++; n == until {
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = cmd.Wait() // It was killed.
		}
		if len(owed) < 50**kills {
			t.Fatalf("only %d were acknowledged", len(owed))
		}
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		w := newWorld(t, d)
		w.options.Send, w.options.Now = ledger(file), nil
		w.Outbox = New(w.options)
		w.run()
		w.until("everything", func() bool {
			w.Outbox.mu.Lock()
			loaded := w.loaded
			w.Outbox.mu.Unlock()
			return loaded && w.counts().Waiting == 0
		})
		balanced(t, w.Outbox)
		dead, err := w.List(t.Context(), Query{State: Dead, Limit: MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		ended := map[string]int{}
		for _, m := range dead.Messages {
			ended[m.Channel+" "+m.Key]++
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		repeats := 0
		for key := range strings.Lines(string(text)) {
			key = strings.TrimSpace(key)
			if ended[key]++; ended[key] > 1 {
				repeats++
			}
		}
		for key := range owed {
			if ended[key] == 0 {
				t.Errorf("%s was acknowledged and is lost", key)
			}
		}
		// What was put when the program was killed, and not acknowledged, may be there too.
		if len(ended) > len(owed)+*kills*crashChannels {
			t.Errorf("%d were delivered of %d", len(ended), len(owed))
		}
		if repeats > *kills*crashChannels*maxUnmarked {
			t.Errorf("%d repeats", repeats)
		}
		t.Logf("%d acknowledged, %d delivered or dead, %d repeats by %d kills", len(owed), len(ended), repeats, *kills)
	})
}

// TestEveryWriteMayFail lets the database refuse the first, the second, the third of its
// writes, once or until somebody looks after it: whatever fails, nothing is lost or sent
// twice, and what is said to have failed did not happen.
func TestEveryWriteMayFail(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	exec := func(statement string, args ...any) {
		t.Helper()
		if err := w.store.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(statement, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE fault (n BIGINT)")
	exec("INSERT INTO fault VALUES (1000000)")
	for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
		exec("CREATE TRIGGER fault_" + event + " BEFORE " + event + " ON outbox BEGIN UPDATE fault SET n = n - 1; SELECT RAISE(ABORT, 'disk I/O error') WHERE (SELECT n FROM fault) < 0; END")
	}
	w.sent.Most, w.again = 3, time.Millisecond // so that rows go, too
	refused, put := 0, 0
	for rung := range 12 {
		for _, sticky := range []bool{false, true} {
			name := fmt.Sprintf("r%d%t", rung, sticky)
			delivered := map[string]int{}
			w.answers(func(m *Message) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				if strings.HasSuffix(m.Key, "bad") {
					return channel.Permanent(errors.New("no"))
				}
				if strings.HasSuffix(m.Key, "slow") && m.Attempts == 1 {
					return channel.RetryAfter(errors.New("later"), 0)
				}
				delivered[m.Key]++
				return nil
			})
			exec("UPDATE fault SET n = $1", rung)
			w.run()
			owed := map[string]bool{}
			for _, key := range []string{"one", "slow", "bad", "two", "three", "four"} {
				key = name + key
				err := w.Add(t.Context(), written("mail "+key))
				owed[key] = err == nil
				put++
				if err != nil {
					refused++
					if !sticky {
						exec("UPDATE fault SET n = 1000000")
					}
				}
			}
			exec("UPDATE fault SET n = 1000000")
			w.until("the end", func() bool {
				s := w.Stats()
				return s.Total.Waiting == 0 && s.Unmarked == 0 && s.Away == "" && len(w.unsaved()) == 0
			})
			w.restart()
			w.until("the start", func() bool { w.Outbox.mu.Lock(); defer w.Outbox.mu.Unlock(); return w.loaded })
			w.end()
			w.mu.Lock()
			for key, is := range owed {
				want := 1
				if !is || strings.HasSuffix(key, "bad") {
					want = 0
				}
				if delivered[key] != want {
					t.Errorf("%s was delivered %d times, want %d", key, delivered[key], want)
				}
			}
			w.mu.Unlock()
			balanced(t, w.Outbox)
			w.Outbox = New(w.options)
			w.sent.Most, w.again = 3, time.Millisecond
		}
	}
	if refused == 0 || refused == put {
		t.Errorf("%d of %d puts failed", refused, put)
	}
}

// unsaved are those that the database does not know as they are.
func (w *world) unsaved() (all []string) {
	w.Outbox.mu.Lock()
	defer w.Outbox.mu.Unlock()
	for e := range w.changed {
		all = append(all, e.Key)
	}
	return all
}

// TestADatabaseThatIsAway: what is in memory alone goes on, nothing more of the rest is
// sent once it is seen that it cannot be marked, and nothing is lost.
func TestADatabaseThatIsAway(t *testing.T) {
	d := storetest.Postgres(t)
	w := newWorld(t, d)
	w.run()
	if err := w.Stop(t.Context(), "mail"); err != nil {
		t.Fatal(err)
	}
	w.add("mail m1", "mail m2", "chat c1")
	w.delivers("chat c1")
	w.until("marks", func() bool { return w.Stats().Unmarked == 0 })
	server := storetest.TheServer()
	if err := server.Stop(3); err != nil { // SIGQUIT, as a crash would
		t.Fatal(err)
	}
	if err := w.Stop(t.Context(), "sms"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a stop that is not kept: %v", err)
	}
	if err := w.Start(t.Context(), "mail"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a start that is not kept: %v", err)
	}
	if err := w.Add(t.Context(), written("mail lost")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a message that is not kept: %v", err)
	}
	w.add("beat B1 NORMAL", "beat B2 NORMAL")
	w.until("what is in memory", func() bool { return w.Stats().Channels[0].Normal.Sent == 2 })
	if s := w.Stats(); s.Away == "" || s.Total.Sent != 3 {
		t.Errorf("%+v", s)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	w.until("all", func() bool { s := w.Stats(); return s.Total.Waiting == 0 && s.Unmarked == 0 && s.Away == "" })
	if n := w.counts(); n.Sent != 5 || n.Put != 5 {
		t.Errorf("%+v", n)
	}
	w.restart()
	w.until("the start", func() bool { return w.Stats().Kept == 3 })
	if w.counts().Waiting != 0 {
		t.Errorf("%+v", w.Stats())
	}
}

// TestABackupThatIsLoaded takes the place of what the outbox remembers: what the backup
// does not have is gone, what it has is sent, and what was sent since is not sent again.
func TestABackupThatIsLoaded(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		w := newWorld(t, d)
		w.run()
		if err := w.Stop(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		w.add("mail m1", "mail m2", "mail KEPT NORMAL")
		var backup strings.Builder
		if err := w.store.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		w.add("mail later")
		page, err := w.List(t.Context(), Query{})
		if err != nil {
			t.Fatal(err)
		}
		if done, err := w.Drop(t.Context(), []int64{page.Messages[3].ID}); err != nil || len(done) != 1 {
			t.Fatalf("%v, %v", done, err)
		}
		if err := w.Start(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		w.delivers("mail m2", "mail KEPT", "mail later")
		if err := w.Stop(t.Context(), "mail"); err != nil {
			t.Fatal(err)
		}
		w.add("mail last")
		if err := w.store.Load(t.Context(), strings.NewReader(backup.String())); err != nil {
			t.Fatal(err)
		}
		// The stop of all is back with the backup, and so is what was dropped since.
		w.until("the backup", func() bool { return !w.Stats().Stopped.IsZero() && w.counts().Restored == 1 })
		if n := w.counts(); n.Waiting != 1 || n.Dropped[DroppedByRestore] != 1 || w.Stats().Kept != 2 {
			t.Errorf("%+v", w.Stats())
		}
		if err := errors.Join(w.Start(t.Context(), ""), w.Start(t.Context(), "mail")); err != nil {
			t.Fatal(err)
		}
		w.delivers("mail m2", "mail KEPT", "mail later", "mail m1")
		balanced(t, w.Outbox)
		w.restart()
		w.until("the start", func() bool { return w.Stats().Kept == 2 })
		if n := w.counts(); n.Waiting != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// TestARowThatMemoryDoesNotKnow is what a connection leaves that breaks at the commit: the
// caller puts the message again, and it is sent once.
func TestARowThatMemoryDoesNotKnow(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		w := newWorld(t, d)
		w.run()
		w.add("mail m1")
		w.delivers("mail m1")
		err := w.store.Write(t.Context(), func(tx *store.Tx) error {
			m := written("mail m2")
			if err := m.Check(start); err != nil {
				return err
			}
			m.ID = 1<<62 + 2
			return shelf.Insert(tx, []*Message{&m})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(t.Context(), written("mail m2")); !errors.Is(err, store.ErrUnique) {
			t.Errorf("%v", err)
		}
		w.delivers("mail m1", "mail m2")
		w.add("mail m2", "mail m3")
		w.delivers("mail m1", "mail m2", "mail m3")
		if n := w.counts(); n.Restored != 1 || n.Repeated != 1 || n.Put != 2 {
			t.Errorf("%+v", n)
		}
		balanced(t, w.Outbox)
	})
}
