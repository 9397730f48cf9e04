// Package probetest is the contract suite for kinds of probes: the rules of package
// probe as tests. Every kind runs it from a few lines of its own:
//
//	func TestContract(t *testing.T) {
//		probetest.Run(t, tcp.Kind(nil), &tcp.Options{Address: listener.Addr().String()})
//		probetest.Refuses(t, tcp.Kind(nil), probetest.Bad{…})
//		probetest.Stops(t, tcp.Kind(nil), &tcp.Options{Address: silent.Addr().String()})
//	}
//
// Each failure says which rule was broken and why there is one.
package probetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v4"

	"grove/runtime/probe"
)

// grace is how long a Run may take to notice that its context ended. It is far more
// than a probe needs and as much as a busy machine may.
const grace = 2 * time.Second

// Run checks a kind, and its probes with each of the good options: pointers to the
// kind's options with which a run succeeds against a resource that the caller keeps
// up. A kind that needs no option may be given none: its defaults are used.
func Run(t *testing.T, kind probe.Kind, good ...any) {
	t.Helper()
	t.Run("kind", func(t *testing.T) { Kind(t, kind) })
	if len(good) == 0 {
		good = []any{kind.NewOptions()}
	}
	for i, options := range good {
		t.Run(fmt.Sprintf("probe %d", i), func(t *testing.T) { runProbe(t, kind, options) })
	}
}

// Kind checks what needs no resource: name, texts, options and their defaults.
func Kind(t *testing.T, kind probe.Kind) {
	t.Helper()
	t.Run("texts", func(t *testing.T) { checkTexts(t, kind) })
	t.Run("options have tags and descriptions", func(t *testing.T) { checkTags(t, kind) })
	t.Run("defaults are fresh", func(t *testing.T) { checkFresh(t, kind) })
	t.Run("an unknown option is refused", func(t *testing.T) {
		// A probe that ignores a misspelt option watches something else than its writer thinks.
		err := yaml.Load([]byte("surely_no_option: 1\n"), kind.NewOptions(), yaml.WithKnownFields())
		if err == nil {
			t.Error("the options take a key that they do not have: no inline map, no lax UnmarshalYAML")
		}
	})
	t.Run("foreign options are refused", func(t *testing.T) {
		// New gets an any: a mistake in the wiring must not end the process.
		if p, err := kind.New(struct{}{}); err == nil {
			p.Close()
			t.Error("New takes options of a type that NewOptions did not make")
		}
	})
}

// Bad is a set of options that New must refuse.
type Bad struct {
	Name    string // of the test
	Options any
	Option  string // the option at fault, as *probe.OptionError names it
	Want    string // the whole text of the error
}

// Refuses checks that New answers bad options with an *probe.OptionError that names
// the option, so that the definition's reader is shown the line of it.
func Refuses(t *testing.T, kind probe.Kind, bad ...Bad) {
	t.Helper()
	keys := optionKeys(reflect.TypeOf(kind.NewOptions()))
	for _, b := range bad {
		t.Run(b.Name, func(t *testing.T) {
			p, err := kind.New(b.Options)
			if err == nil {
				p.Close()
				t.Fatal("New takes it")
			}
			if diff := cmp.Diff(b.Want, err.Error()); diff != "" {
				t.Errorf("the error's text (-want +got):\n%s", diff)
			}
			var oe *probe.OptionError
			if !errors.As(err, &oe) {
				t.Fatalf("%T is not an *probe.OptionError: nobody could say in which line the mistake is", err)
			}
			if oe.Option != b.Option {
				t.Errorf("the error names the option %q, want %q", oe.Option, b.Option)
			}
			if !keys[topKey(oe.Option)] {
				t.Errorf("%q is not the yaml key of an option", oe.Option)
			}
		})
	}
}

// Stops checks that Run ends with its context: with options for a resource that never
// answers (it accepts and is silent), a run must end when its deadline passes and when
// it is cancelled under way, and leave nothing behind.
func Stops(t *testing.T, kind probe.Kind, silent any) {
	t.Helper()
	for _, tt := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"at its deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 50*time.Millisecond)
		}},
		{"when it is cancelled", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			timer := time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, func() { timer.Stop(); cancel() }
		}},
	} {
		t.Run("Run stops "+tt.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			p := build(t, kind, silent)
			defer closeProbe(t, p)
			ctx, cancel := tt.ctx()
			defer cancel()
			start := time.Now()
			_, _ = p.Run(ctx) // a resource that is down may be a reading
			if took := time.Since(start); took > 50*time.Millisecond+grace {
				t.Errorf("Run took %v: a probe that outlives its context holds a place of the schedule", took)
			}
		})
	}
}

func runProbe(t *testing.T, kind probe.Kind, options any) {
	t.Run("options survive YAML", func(t *testing.T) { checkRoundTrip(t, kind, options) })
	t.Run("New touches nothing", func(t *testing.T) {
		// Checking a definition builds its probes, on a machine that may be the wrong one.
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		before, was := descriptors(), dump(t, options)
		p := build(t, kind, options)
		if diff := cmp.Diff(was, dump(t, options)); diff != "" {
			t.Errorf("New changes its options (-before +after):\n%s", diff)
		}
		if after := descriptors(); after > before {
			t.Errorf("New opens %d files or sockets: only Run may", after-before)
		}
		closeProbe(t, p)
	})
	t.Run("attributes", func(t *testing.T) {
		p := build(t, kind, options)
		defer closeProbe(t, p)
		checkAttributes(t, kind, options, p)
	})
	t.Run("Run yields what is declared, again and again", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		p := build(t, kind, options)
		defer closeProbe(t, p)
		found := 0
		for range 3 {
			start := time.Now()
			result := run(t, p)
			checkResult(t, p.Attributes(), result, start)
			found += len(result.Values) + len(result.Tables)
		}
		if found == 0 {
			t.Error("three runs found nothing at all")
		}
	})
	t.Run("Run obeys an ended context, and works afterwards", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		p := build(t, kind, options)
		defer closeProbe(t, p)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		start := time.Now()
		_, _ = p.Run(ctx) // what needs no waiting may still be found
		if took := time.Since(start); took > grace {
			t.Errorf("Run took %v with an ended context", took)
		}
		// One failure must not spoil the probe: it lives for months.
		checkResult(t, p.Attributes(), run(t, p), start)
	})
	t.Run("Close after a failed Run, and without any", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		p := build(t, kind, options)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = p.Run(ctx)
		closeProbe(t, p)
		closeProbe(t, build(t, kind, options))
	})
	t.Run("probes share nothing", func(t *testing.T) {
		// The schedule runs different probes at the same time: the race detector watches.
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		var wg sync.WaitGroup
		for range 2 {
			p := build(t, kind, options)
			defer closeProbe(t, p)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				if _, err := p.Run(ctx); err != nil {
					t.Errorf("Run beside another probe: %v", err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("Watch ends with its context", func(t *testing.T) {
		p := build(t, kind, options)
		defer closeProbe(t, p)
		a, ok := p.(probe.Announcer)
		if !ok {
			t.Skip("the kind announces nothing by itself")
		}
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_ = a.Watch(ctx, func() {})
		if took := time.Since(start); took > 50*time.Millisecond+grace {
			t.Errorf("Watch took %v after its context ended", took)
		}
	})
}

func build(t *testing.T, kind probe.Kind, options any) probe.Probe {
	t.Helper()
	p, err := kind.New(options)
	if err != nil {
		t.Fatalf("New refuses options that the test calls good: %v", err)
	}
	if p == nil {
		t.Fatal("New returns neither a probe nor an error")
	}
	return p
}

func closeProbe(t *testing.T, p probe.Probe) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func run(t *testing.T, p probe.Probe) probe.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	result, err := p.Run(ctx)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return result
}

// descriptors counts the process's open files, 0 where the system does not tell.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
