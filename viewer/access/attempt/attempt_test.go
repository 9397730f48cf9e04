package attempt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGuessesRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Name: Rate{3, time.Minute}, Address: Rate{5, 10 * time.Second}})
		guess := func(name, address string, want time.Duration) {
			t.Helper()
			if got := b.Begin(Guess{Name: name, Address: address}); got != want {
				t.Errorf("%s from %s waits %s, want %s", name, address, got, want)
			}
		}
		for range 3 {
			guess("ada", "192.0.2.1", 0)
		}
		guess("ada", "192.0.2.1", time.Minute)
		guess("ada", "192.0.2.2", time.Minute) // from wherever
		guess("bob", "192.0.2.1", 0)
		guess("eve", "192.0.2.1", 0)
		guess("joe", "192.0.2.1", 10*time.Second) // whoever
		guess("joe", "192.0.2.2", 0)
		time.Sleep(10 * time.Second)
		guess("joe", "192.0.2.1", 0)
		guess("joe", "192.0.2.1", 10*time.Second)
		time.Sleep(49 * time.Second)
		guess("ada", "192.0.2.9", time.Second)
		time.Sleep(time.Second)
		guess("ada", "192.0.2.9", 0)
		guess("ada", "192.0.2.9", time.Minute)
	})
}

// TestNobodyIsLockedOut: who has logged in from an address still can, though others guess
// his password; and who logs in all the time is no guesser.
func TestNobodyIsLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Name: Rate{3, time.Minute}, Address: Rate{50, time.Second}})
		for range 10 {
			if wait := b.Begin(Guess{Name: "ada", Address: "192.0.2.1"}); wait != 0 {
				t.Fatalf("who logs in waits %s", wait)
			}
			b.Succeeded(Guess{Name: "ada", Address: "192.0.2.1"})
		}
		for range 10 {
			b.Begin(Guess{Name: "ada", Address: "198.51.100.1"})
		}
		if wait := b.Begin(Guess{Name: "ada", Address: "198.51.100.2"}); wait == 0 {
			t.Error("guessing goes on")
		}
		if wait := b.Begin(Guess{Name: "ada", Address: "192.0.2.1"}); wait != 0 {
			t.Errorf("she waits %s", wait)
		}
		b.Return(Guess{Name: "ada", Address: "192.0.2.1"})
		for range 3 {
			b.Begin(Guess{Name: "ada", Address: "192.0.2.1"})
		}
		if wait := b.Begin(Guess{Name: "ada", Address: "192.0.2.1"}); wait == 0 {
			t.Error("guessing goes on where she has logged in")
		}
	})
}

// TestABrowserThatHasLoggedInIsNotLockedOut: neither by who guesses its user's password
// elsewhere, nor by who guesses anybody's from the same address, as behind one proxy.
func TestABrowserThatHasLoggedInIsNotLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Name: Rate{3, time.Minute}, Address: Rate{5, time.Minute}})
		for i := range 10 {
			b.Begin(Guess{Name: "ada", Address: "198.51.100.1"})
			b.Begin(Guess{Name: fmt.Sprint("name", i), Address: "192.0.2.1"})
		}
		if wait := b.Begin(Guess{Name: "ada", Address: "192.0.2.1"}); wait == 0 {
			t.Error("guessing goes on")
		}
		here := Guess{Name: "ada", Address: "192.0.2.1", Device: "d"}
		for range 10 {
			if wait := b.Begin(here); wait != 0 {
				t.Fatalf("she waits %s", wait)
			}
			b.Succeeded(here)
		}
		for range 3 {
			b.Begin(here)
		}
		if wait := b.Begin(here); wait != time.Minute {
			t.Errorf("who has stolen the browser guesses on, after %s", wait)
		}
		if wait := b.Begin(Guess{Name: "joe", Address: "192.0.2.1"}); wait == 0 {
			t.Error("what a known browser gave back is another's")
		}
	})
}

func TestTheBookIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Name: Rate{2, time.Minute}, Address: Rate{2, time.Minute}})
		for i := range maxBuckets {
			b.Begin(Guess{Name: fmt.Sprint("name", i), Address: fmt.Sprintf("10.0.%d.%d", i/256, i%256)})
		}
		for i := range 2 { // The rest shares one bucket.
			if wait := b.Begin(Guess{Name: fmt.Sprint("more", i), Address: fmt.Sprintf("10.9.0.%d", i)}); wait != 0 {
				t.Errorf("waits %s", wait)
			}
		}
		if wait := b.Begin(Guess{Name: "other", Address: "10.9.1.1"}); wait != time.Minute {
			t.Errorf("beyond the bound: waits %s", wait)
		}
		time.Sleep(2 * time.Minute)
		b.Begin(Guess{Name: "other", Address: "10.9.1.1"})
		if n := len(b.names.all); n != 1 {
			t.Errorf("%d names are remembered that have all their guesses", n)
		}
		for i := range 2 * maxKnown {
			b.Succeeded(Guess{Name: fmt.Sprint("name", i), Address: "192.0.2.1"})
		}
		if len(b.known) > maxKnown {
			t.Errorf("%d are known", len(b.known))
		}
	})
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "@": "@",
	} {
		if got := Network(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// TestFailuresAreToldOnce: many failed logins are few records, and none is lost.
func TestFailuresAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Failure
		b := New(Options{Record: func(_ context.Context, f Failure) { got = append(got, f) }})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := b.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		fail := func(name, address string) {
			b.Failed(ctx, Failure{Name: name, Address: address, Method: "password", Why: "wrong"})
		}
		fail("ada", "192.0.2.1")
		for range 16 {
			fail("ada", "192.0.2.1")
		}
		time.Sleep(window + time.Second)
		fail("ada", "192.0.2.1")
		for i := range 150 {
			fail("", fmt.Sprint("address", i))
		}
		synctest.Wait()
		if n := len(got); n != 2+maxAtOnce {
			t.Errorf("%d records at once", n)
		}
		if diff := cmp.Diff([]string{"failed: wrong", "failed: wrong, 16 times within a minute", "failed: wrong"}, []string{got[0].String(), got[1].String(), got[2].String()}); diff != "" {
			t.Error(diff)
		}
		cancel()
		all.Wait()
		sum := 0
		for _, f := range got {
			sum += f.Count
		}
		if sum != 17+151 || len(got) != 2+maxFailures+1 {
			t.Errorf("%d records of %d failures", len(got), sum)
		}
		if !slices.ContainsFunc(got, func(f Failure) bool { return f.Count == 51 && f.Address == "" }) {
			t.Error("those without room are not told")
		}
	})
}
