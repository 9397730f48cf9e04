package grovetest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Program is what is run, and how.
type Program struct {
	Path string   // empty: grove, which is this test binary
	Dir  string   // in which it runs; empty: that of the test
	Env  []string // beyond that of the test
	in   func(start func() error) error
	said *Log // where its error output goes; nil: to one of its own
}

func (p Program) start(c *exec.Cmd) error {
	c.Dir, c.Env = p.Dir, append(os.Environ(), p.Env...)
	if p.in != nil {
		return p.in(c.Start)
	}
	return c.Start()
}

// run runs it until it has ended, and returns what it prints; an error says what it says.
func (p Program) run(args ...string) (string, error) {
	var out, wrong bytes.Buffer
	c := exec.Command(cmp.Or(p.Path, "grove"), args...)
	c.Stdout, c.Stderr = &out, &wrong
	if err := p.start(c); err != nil {
		return "", err
	}
	if err := c.Wait(); err != nil {
		return out.String(), fmt.Errorf("grove %s: %w: %s", strings.Join(args, " "), err, wrong.Bytes())
	}
	return out.String(), nil
}

// Start starts it as a process that goes on. Who starts it ends it.
func (p Program) Start(args ...string) (*Process, error) {
	c := exec.Command(cmp.Or(p.Path, "grove"), args...)
	// It goes with the thread that started it, which goes with the test, however that ends.
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s := &Process{Said: p.said, cmd: c, first: make(chan string, 1), ended: make(chan struct{})}
	if s.Said == nil {
		s.Said = new(Log)
	}
	c.Stderr = s.Said
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.start(c); err != nil {
		return nil, err
	}
	s.PID = c.Process.Pid
	go func() {
		defer close(s.ended)
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n') // What there is before an error is told, too.
		s.first <- line
		_, _ = io.Copy(io.Discard, lines)
		s.err = c.Wait()
	}()
	return s, nil
}

// Serve starts a manager at a free port and returns when it is ready, with its address, a URL
// without a slash at the end.
func (p Program) Serve(args ...string) (s *Process, address string, err error) {
	s, err = p.Start(append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		return nil, "", err
	}
	if address, err = s.serves(); err == nil {
		err = s.ready(address)
	}
	if err != nil {
		_ = s.End(os.Kill) // It may have ended already.
		return nil, "", err
	}
	return s, address, nil
}

// Process is a program that runs.
type Process struct {
	PID  int
	Said *Log // its error output

	cmd   *exec.Cmd
	first chan string // has its first line of output, once
	ended chan struct{}
	err   error // once it has ended
}

// First waits for the first line that it prints. It can be asked once.
func (p *Process) First() (string, error) {
	line := <-p.first
	if !strings.HasSuffix(line, "\n") {
		_ = p.cmd.Process.Kill() // It will not print one any more.
		<-p.ended
		return "", fmt.Errorf("it says %q, then %w: %s", line, p.end(), p.Said)
	}
	return strings.TrimSpace(line), nil
}

// serves waits until a manager says where it serves.
func (p *Process) serves() (address string, err error) {
	line, err := p.First()
	_, address, ok := strings.Cut(line, " serves ")
	if err == nil && !ok {
		err = fmt.Errorf("grove serve says %q: %s", line, p.Said)
	}
	return address, err
}

// ready waits until a manager is, as everybody can ask.
func (p *Process) ready(address string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: Patience}
	err := until(p, Patience, pace, func() error {
		res, err := client.Get(address + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				err = fmt.Errorf("/readyz answers %s", res.Status)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, p.Said)
	}
	return nil
}

// end is how it has ended.
func (p *Process) end() error { return cmp.Or(p.err, errors.New("it ended")) }

// End sends a signal and waits until it has ended. The error is that of its end: a process that
// was killed has one.
func (p *Process) End(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(Patience):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("it did not end within %v: %s", Patience, p.Said)
	}
}
