package record

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/store/journal"
)

// sockets is a fabric between processes on this machine, a socket for each manager and a
// connection for each question.
type sockets struct {
	dir      string
	self     peer.ID
	mu       sync.Mutex
	handlers map[string]peer.Handler
}

// parcel is a question, or its answer.
type parcel struct {
	From    peer.ID
	Kind    string
	Body    []byte
	Refused *peer.Refusal
}

// listen makes the fabric of a manager; close ends it.
func listen(t testing.TB, dir string, self peer.ID) (f *sockets, done func()) {
	f = &sockets{dir: dir, self: self, handlers: map[string]peer.Handler{}}
	name := filepath.Join(dir, string(self))
	_ = os.Remove(name) // Of one that was killed.
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(c) })
		}
	})
	return f, func() { _ = l.Close(); all.Wait() }
}

func (f *sockets) serve(c net.Conn) {
	defer c.Close()
	var q, a parcel
	if json.NewDecoder(c).Decode(&q) != nil {
		return
	}
	f.mu.Lock()
	h := f.handlers[q.Kind]
	f.mu.Unlock()
	if h == nil {
		return
	}
	answer, err := h(context.Background(), q.From, q.Body)
	if a.Body = answer; err != nil {
		if !errors.As(err, &a.Refused) {
			a.Refused = &peer.Refusal{Code: peer.Failed, Message: err.Error()}
		}
	}
	_ = json.NewEncoder(c).Encode(a)
}

func (f *sockets) Self() peer.ID { return f.self }

func (f *sockets) Ask(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", filepath.Join(f.dir, string(to)))
	if err != nil {
		return nil, peer.ErrNobody
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	var a parcel
	if err := errors.Join(json.NewEncoder(c).Encode(parcel{From: f.self, Kind: kind, Body: body}), json.NewDecoder(c).Decode(&a)); err != nil {
		return nil, errors.Join(peer.ErrLost, err)
	}
	if a.Refused != nil {
		return nil, a.Refused
	}
	return a.Body, nil
}

func (f *sockets) AskBulk(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	return f.Ask(ctx, to, kind, body)
}

func (f *sockets) Send(to peer.ID, kind string, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := f.Ask(ctx, to, kind, body)
	return err
}

func (f *sockets) Handle(kind string, h peer.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[kind] = h
}

func (f *sockets) SendAll(string, []byte) error                         { return nil }
func (f *sockets) Publish(string, []byte) error                         { return nil }
func (f *sockets) Follow(peer.ID, string, func([]byte)) (func(), error) { return func() {}, nil }
func (f *sockets) Links() []peer.Link                                   { return nil }
func (f *sockets) OnLink(func(peer.Link)) func()                        { return func() {} }

// These make this test program one of those that are killed.
const (
	killDir   = "GROVE_TEST_RECORD_DIR"
	killRole  = "GROVE_TEST_RECORD_ROLE" // an ID
	killRound = "GROVE_TEST_RECORD_ROUND"
)

func TestKillHelper(t *testing.T) {
	dir, role := os.Getenv(killDir), peer.ID(os.Getenv(killRole))
	if dir == "" {
		t.Skip("only as the child of TestNothingIsLostByKills")
	}
	f, _ := listen(t, dir, role)
	if role == north {
		run(t, f, filepath.Join(dir, "north.db"), options{}, berlin)
		fmt.Println("ready")
		select {}
	}
	m := run(t, f, filepath.Join(dir, "berlin.db"), options{})
	for i := 0; ; i++ {
		text := fmt.Sprintf("%s-%d", os.Getenv(killRound), i)
		err := m.journal.Append(context.Background(), journal.Entry{Time: time.Now(), Path: tree.MustPath("/shop/log"), Kind: journal.Event, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged", text)
	}
}

// kills is low, as a test program that starts takes most of the time.
var kills = flag.Int("kills", 2, "how often TestNothingIsLostByKills kills each side")

// TestNothingIsLostByKills kills both sides again and again while one tells and the other
// takes: in the end what was acknowledged is there, once and in order.
func TestNothingIsLostByKills(t *testing.T) {
	dir, err := os.MkdirTemp("", "groverec") //nolint:usetesting // A short name: it has to fit into a socket's.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	random := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	child := func(role peer.ID, round int) (cmd *exec.Cmd, out io.Reader) {
		cmd = exec.Command(os.Args[0], "-test.run", "^TestKillHelper$")
		cmd.Env = append(os.Environ(), killDir+"="+dir, killRole+"="+string(role), fmt.Sprintf("%s=%d", killRound, round))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	kill := func(cmd *exec.Cmd) {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // It was killed.
	}
	owed := map[string]bool{}
	for round := range *kills {
		taker, said := child(north, round)
		bufio.NewScanner(said).Scan() // It is ready.
		teller, out := child(berlin, round)
		lines, first, last := bufio.NewScanner(out), 50+random.IntN(200), 400+random.IntN(200)
		for n := 0; n < last && lines.Scan(); {
			key, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
			if !ok {
				t.Errorf("the teller says %q", lines.Text())
				continue
			}
			owed[key] = true
			if n++; n == first && round%2 == 0 {
				kill(taker)
				taker, said = child(north, round)
				bufio.NewScanner(said).Scan()
			}
		}
		kill(teller)
		kill(taker)
	}
	if len(owed) < 400**kills {
		t.Fatalf("only %d were acknowledged", len(owed))
	}
	f, done := listen(t, dir, berlin)
	defer done()
	g, close := listen(t, dir, north)
	defer close()
	one := run(t, f, filepath.Join(dir, "berlin.db"), options{})
	defer one.stop()
	two := run(t, g, filepath.Join(dir, "north.db"), options{}, berlin)
	defer two.stop()
	same(t, one, two)
	for _, text := range two.said(t, "/Managers/"+string(berlin)) {
		delete(owed, text[strings.LastIndexByte(text, ' ')+1:])
	}
	for key := range owed {
		t.Errorf("%s was acknowledged and is lost", key)
	}
}
