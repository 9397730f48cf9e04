package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"grove/tree/metric"
)

// DefaultMaxBuffer bounds the files that are kept for targets that are behind: at
// 10,000 samples a second about a day.
const DefaultMaxBuffer = 8 << 30

// Options are the surroundings of a Writer.
type Options struct {
	// WAL is the history's write-ahead log: the folder wal of its TSDB. It need not be
	// there yet.
	WAL string
	// Dir is the writer's own folder, on the same file system.
	Dir string
	// Targets are the stores to send to; their names differ.
	Targets []Target
	// Labels are added to all series for all targets, unless they, or the target, have
	// them: "grove_manager" and which it is.
	Labels map[string]string
	// Secret reads what a reference such as "file:/etc/grove/token" stands for.
	Secret func(ref string) (string, error)
	// Metadata tells what is known of a metric; remote write 2.0 sends it. May be nil.
	Metadata func(metric string) (Metadata, bool)
	// MaxBuffer bounds the files that are kept for targets that are behind when the
	// history needs them no more, in bytes; zero is DefaultMaxBuffer. Beyond it the
	// oldest are dropped, which Stats and the log tell.
	MaxBuffer int64
	// Version is grove's, for the header User-Agent.
	Version string
	// Now is the time; nil is time.Now.
	Now func() time.Time
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Writer sends the samples of a history to other stores.
type Writer struct {
	spool   *spool
	targets []*target
	log     *slog.Logger
}

// New checks the options and takes hold of what the targets still need of the log, so
// call it before the history may cut its log, which it first does minutes after its
// start. Then Run.
func New(o Options) (*Writer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBuffer == 0 {
		o.MaxBuffer = DefaultMaxBuffer
	}
	if o.WAL == "" || o.Dir == "" || o.MaxBuffer < 0 {
		return nil, errors.New("remote write: no folder of the log, no folder of its own, or a negative bound")
	}
	for name := range o.Labels {
		if !metric.ValidLabel(name) {
			return nil, fmt.Errorf("remote write: %q is not the name of a label", clip(name))
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	w := &Writer{log: o.Log, spool: &spool{log: o.WAL, dir: filepath.Join(o.Dir, "log"), max: o.MaxBuffer}}
	taken := map[string]bool{}
	for i, t := range o.Targets {
		one, err := w.target(t, &o)
		if err == nil && taken[strings.ToLower(t.Name)] {
			err = &KeyError{"name", fmt.Errorf("%s is the name of two targets", t.Name)}
		}
		if err != nil {
			return nil, fmt.Errorf("remote_write[%d]: %w", i, err)
		}
		taken[strings.ToLower(t.Name)] = true
		w.targets = append(w.targets, one)
	}
	if len(w.targets) == 0 {
		// Nobody needs what the spool has.
		return w, os.RemoveAll(w.spool.dir)
	}
	if err := w.update(); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	return w, nil
}

func (w *Writer) target(t Target, o *Options) (*target, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	t = t.withDefaults()
	c, err := newChooser(&t, o.Labels)
	if err != nil {
		return nil, err
	}
	s, err := newSender(t, o.Secret, "grove/"+o.Version)
	if err != nil {
		return nil, err
	}
	one := &target{
		opts: t, file: filepath.Join(o.Dir, t.Name+".json"), spool: w.spool, sender: s, known: o.Metadata, now: o.Now, log: o.Log,
		tail:  &tail{spool: w.spool, choose: c.choose, log: o.Log},
		stats: Stats{Name: t.Name},
	}
	return one, one.start()
}

// update follows the log.
func (w *Writer) update() error {
	need := w.targets[0].need()
	for _, t := range w.targets[1:] {
		need = min(need, t.need())
	}
	err := w.spool.update(need)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // The history has not opened its log yet.
	}
	return err
}

// Run sends until ctx ends, and returns when every request has ended. What was not
// sent by then is sent after the next start.
func (w *Writer) Run(ctx context.Context) error {
	if len(w.targets) == 0 {
		<-ctx.Done()
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, t := range w.targets {
		wg.Go(func() { t.run(ctx) })
	}
	failing := ""
	for ctx.Err() == nil {
		text := ""
		if err := w.update(); err != nil {
			text = err.Error()
		}
		if text != failing && text != "" {
			w.log.Error("remote write: the log of the history cannot be kept", "error", text)
		}
		failing = text
		wait(ctx, pause)
	}
	return nil
}

// Stats tells how each target is served, in the order of the options.
func (w *Writer) Stats() []Stats {
	all := make([]Stats, len(w.targets))
	for i, t := range w.targets {
		all[i] = t.statistics()
	}
	return all
}

// Held returns the bytes of files that are kept only for targets that are behind.
func (w *Writer) Held() int64 { return w.spool.held() }
