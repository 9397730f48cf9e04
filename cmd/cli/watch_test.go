package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"grove/cmd/app"
	"grove/tree"
)

// person sits at a terminal.
type person struct {
	t      *testing.T
	keys   *os.File
	screen *emulator
	drawn  chan struct{} // holds an element when something was drawn
}

// sit runs a command line at a terminal of a size, until end is called, which returns its
// exit code.
func sit(ctx context.Context, t *testing.T, columns, lines int, args ...string) (p *person, end func() Exit) {
	t.Helper()
	keys, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if err := pty.Setsize(slave, &pty.Winsize{Rows: uint16(lines), Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("LANG", "C.UTF-8")
	p = &person{t: t, keys: keys, screen: newEmulator(columns, lines), drawn: make(chan struct{}, 1)}
	var all sync.WaitGroup
	all.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := keys.Read(b)
			_, _ = p.screen.Write(b[:n]) // It takes everything.
			select {
			case p.drawn <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	})
	ctx, cancel := context.WithCancel(ctx)
	code := make(chan Exit, 1)
	all.Go(func() {
		code <- Run(ctx, Process{Args: args, Stdin: slave, Stdout: slave, Stderr: io.Discard, Getenv: os.Getenv})
	})
	var once sync.Once
	var got Exit
	end = func() Exit {
		once.Do(func() {
			select {
			case got = <-code:
			case <-time.After(2 * time.Minute):
				t.Error("it does not end")
				cancel()
				got = <-code
			}
			cancel()
			_ = slave.Close()
			all.Wait() // until what was written last has been read
			_ = keys.Close()
		})
		return got
	}
	t.Cleanup(func() { cancel(); end() })
	return p, end
}

// types presses keys.
func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.keys.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until all of these stand on the screen.
func (p *person) sees(texts ...string) {
	p.t.Helper()
	patience := time.After(2 * time.Minute)
	for {
		screen, missing := p.screen.screen(), ""
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-p.drawn:
		case <-patience:
			p.t.Fatalf("%q is not seen:\n%s", missing, screen)
		}
	}
}

// manager runs a manager with a few nodes.
func manager(t *testing.T, data, listen string) (a *app.App, stop func()) {
	t.Helper()
	a, err := app.New(app.Config{Listen: listen, Data: data, Name: "north", Definitions: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		red := &tree.Threshold{Red: tree.AboveLevel(100, 100)}
		ref, err := a.Tree.Add(tree.MustPath(fmt.Sprintf("/shop/web%d/Connections", i)), &tree.Spec{Kind: tree.Performance, Mode: tree.Push, Unit: "connections", Threshold: red})
		if err != nil {
			t.Fatal(err)
		}
		a.Tree.Apply([]tree.Reading{{Node: ref, Value: float64(i)}})
	}
	a.Start()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			if err := a.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return a, stop
}

func TestWatchAtATerminal(t *testing.T) {
	data := t.TempDir()
	a, stop := manager(t, data, "127.0.0.1:0")
	address := a.Addr().String()
	p, end := sit(t.Context(), t, 80, 24, "tree", "--watch", "--server", address, "/shop")
	p.sees("grove /shop", "▾ ● /shop", "web0", "web19", "live", "30 green")
	// Home, open the first group, look at its attribute.
	p.types("\x1b[H" + "\x1b[B" + "\x1b[C")
	p.sees("Connections", "0 connections")
	p.types("\x1b[B" + "\r")
	p.sees("/shop/web0/Connections", "Borders   red > 100")
	// What changes is seen, here and in the groups above.
	ref, _ := a.Tree.Lookup(tree.MustPath("/shop/web0/Connections"))
	a.Tree.Apply([]tree.Reading{{Node: ref, Value: 500}})
	p.sees("500 connections", "▾ ■ /shop", "1 red", "29 green")
	p.types("\r" + "p")
	p.sees("▾ ■ web0", "▸ ● web1")
	// The filter is typed, and ends.
	p.types("/web17")
	p.sees("filter /web17_", "1 match ", "▸ ● web17")
	p.types("\x1b")
	p.sees("web1", "web2")
	// Another size.
	p.screen.resize(120, 30)
	if err := pty.Setsize(p.keys, &pty.Winsize{Rows: 30, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	// It is not the terminal that controls this process, so the kernel does not say so.
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	p.sees(address, "? help")
	// The server goes away and comes back.
	stop()
	p.sees("connection lost", "trying again", "web17")
	manager(t, data, address)
	p.sees("live", "grove /shop", "web17")
	p.types("?")
	p.sees("Keys of grove tree --watch")
	p.types("x")
	p.sees("live")
	p.types("q")
	if code := end(); code != OK {
		t.Errorf("exit code %d", code)
	}
	if !p.screen.normal() {
		t.Error("the terminal is not as it was")
	}
}

func TestWatchSaysWhatIsWrong(t *testing.T) {
	a, _ := manager(t, t.TempDir(), "127.0.0.1:0")
	for name, c := range map[string]struct {
		args []string
		code Exit
	}{
		"no such node": {[]string{"tree", "--watch", "--server", a.Addr().String(), "/nowhere"}, Wrong},
		"no server":    {[]string{"tree", "--watch", "--server", "127.0.0.1:1"}, NoReply},
	} {
		t.Run(name, func(t *testing.T) {
			p, end := sit(t.Context(), t, 80, 24, c.args...)
			if code := end(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !p.screen.normal() {
				t.Error("the terminal is not as it was")
			}
		})
	}
}

// TestWatchEndsWithTheProcess tells the process to end, as a signal does.
func TestWatchEndsWithTheProcess(t *testing.T) {
	a, _ := manager(t, t.TempDir(), "127.0.0.1:0")
	ctx, cancel := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer cancel()
	p, end := sit(ctx, t, 80, 24, "tree", "--watch", "--server", a.Addr().String())
	p.sees("live")
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := end(); code != OK {
		t.Errorf("exit code %d", code)
	}
	if !p.screen.normal() {
		t.Error("the terminal is not as it was")
	}
}
