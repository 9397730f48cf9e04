package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/record"
)

// Options are the surroundings of the viewer. Dial, Node and Quantity are needed.
type Options struct {
	Server string // as it is shown
	Path   tree.Path
	// Statuses is a filter to begin with.
	Statuses []tree.Status
	Dial     func(context.Context, Shape) (Feed, error)
	// Fatal says that an error of Dial or of a feed will be there the next time, too; nil
	// is never.
	Fatal func(error) bool
	// Node asks for everything about a node, History for its readings; nil is none.
	Node    func(context.Context, tree.Path) (*viewer.Details, error)
	History func(ctx context.Context, path tree.Path, ago time.Duration, points int) (*record.Series, error)
	// Quantity writes a number with its unit for people.
	Quantity func(v float64, unit string) string
	// Input and Output are the terminal, Env the environment that says what it can;
	// ASCII holds for one that can show no more.
	Input  io.Reader
	Output io.Writer
	Env    []string
	ASCII  bool
	Now    func() time.Time // nil is time.Now
}

// SpeaksUTF8 says whether a terminal of an environment can show more than ASCII.
func SpeaksUTF8(getenv func(string) string) bool { return speaksUTF8(getenv) }

// Run shows the tree until its user has seen enough, or ctx ends. The terminal is as it
// was when it returns. An error says that the tree could not be had at all.
func Run(ctx context.Context, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fatal == nil {
		o.Fatal = func(error) bool { return false }
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &link{dial: o.Dial, fatal: o.Fatal, shapes: make(chan Shape, 1)}
	m := newModel(within, &o, l)
	// Signals end ctx, and that is no reason to quit otherwise than by a key: a program that
	// is killed does not wait for the one who reads the keys, and one with a handler of
	// signals waits for ever.
	p := tea.NewProgram(m, tea.WithoutSignalHandler(), tea.WithInput(o.Input), tea.WithOutput(o.Output), tea.WithEnvironment(o.Env), tea.WithFPS(30))
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	l.send = p.Send
	var all sync.WaitGroup
	all.Go(func() {
		defer func() { // The terminal is given back before anything else.
			if r := recover(); r != nil {
				l.send(over{fmt.Errorf("the live feed broke: %v\n%s", r, debug.Stack())})
			}
		}()
		l.run(within, Shape{Path: o.Path, Some: someRows, Statuses: o.Statuses})
	})
	_, err := p.Run()
	cancel()
	all.Wait()
	switch {
	case m.failed != nil:
		return m.failed
	case ctx.Err() != nil, errors.Is(err, tea.ErrInterrupted):
		return nil
	case err != nil:
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// someRows is how many rows the server may open at first.
const someRows = 40
