package peers

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/test/grovetest"
)

// clocked is a grove whose wall clock a test sets. A program without C asks the kernel itself
// what time it is, so what is put before the C library does not reach it: it is built with
// another time.Now. That builds all of the standard library and of the modules anew, which
// takes minutes, so it is done only when GROVE_TEST_CLOCKS=build asks for it;
// GROVE_TEST_CLOCKS may also be the path of one that was built before.
func clocked(t *testing.T) string {
	t.Helper()
	program := os.Getenv("GROVE_TEST_CLOCKS")
	switch program {
	case "":
		t.Skip("GROVE_TEST_CLOCKS=build has a grove built whose clock can be set, which takes minutes")
	case "build":
		program = filepath.Join(t.TempDir(), "grove")
		buildClocked(t, program)
	}
	return program
}

// buildClocked builds the program.
func buildClocked(t *testing.T, program string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	text, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const asks = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {\n"
	if strings.Count(string(text), asks) != 1 {
		t.Fatalf("%s/time.go asks for the time in another way than this test knows", library)
	}
	changed := filepath.Join(t.TempDir(), "time.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), asks, strings.Replace(asks, "\tif", "\tsec, nsec = apart(sec, nsec, mono)\n\tif", 1), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Abs(filepath.Join("testdata", "clock", "apart.go"))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(library, "time.go"): changed, filepath.Join(library, "apart.go"): more}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", file, "-o", program, "grove/cmd/grove").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// clock is how the clock of a manager is: ahead by a time, and gaining so many millionths.
type clock struct {
	ahead time.Duration
	gains int
}

// hasClock sets the clock of a manager that is clocked, also while it runs.
func (m *manager) hasClock(c clock) {
	m.Helper()
	m.Write("clock", fmt.Sprintf("%d %d\n", c.ahead, c.gains))
}

// apart is a twist: clocks agree while managers join, as they have to, and then they do not.
func apart(program string, clocks map[string]clock) twist {
	set := func(clocks map[string]clock) func([]*manager) {
		return func(all []*manager) {
			for _, m := range all {
				m.hasClock(clocks[m.Name])
			}
		}
	}
	return twist{
		made: func(m *manager) {
			m.Program.Path, m.Program.Env = program, []string{"GROVE_TEST_CLOCK=" + filepath.Join(m.Data, "clock")}
			m.hasClock(clock{})
		},
		joined: set(clocks), again: set(nil), apart: true,
	}
}

// TestClocks is everything else with clocks that are apart, and gain and lose.
func TestClocks(t *testing.T) {
	program := clocked(t)
	for name, clocks := range map[string]map[string]clock{
		"home ahead":  {"berlin": {ahead: time.Hour}, "bremen": {ahead: 30 * time.Minute, gains: -10_000}},
		"home behind": {"berlin": {ahead: -time.Hour}, "hamburg": {ahead: 20 * time.Minute, gains: 10_000}},
		"two days":    {"hamburg": {ahead: 48 * time.Hour}, "bremen": {ahead: 24 * time.Hour}},
		"home jumps":  {"berlin": {ahead: 48 * time.Hour}},
	} {
		t.Run("links, "+name, func(t *testing.T) { t.Parallel(); links(t, apart(program, clocks)) })
		t.Run("duty, "+name, func(t *testing.T) { t.Parallel(); duty(t, apart(program, clocks)) })
		t.Run("for a time, "+name, func(t *testing.T) { t.Parallel(); forATime(t, apart(program, clocks)) })
	}
}

// forATime gives a device for a minute.
func forATime(t *testing.T, odd twist) {
	n := newNetwork(t)
	w := newTarget(t, n)
	berlin := newManager(t, n, "berlin", hub, nil)
	hamburg := newManager(t, n, "hamburg", leaf, map[string]string{"pages.yaml": pages, "one.yaml": page(w, "one")})
	bremen := newManager(t, n, "bremen", leaf, nil)
	all := []*manager{berlin, hamburg, bremen}
	odd.start(all)
	for _, m := range all[1:] {
		m.joins(berlin)
		m.linked(berlin)
		berlin.linked(m)
	}
	for _, m := range all {
		m.knows(all...)
	}
	agree("one", hamburg, all...)
	odd.apply(all)
	for _, m := range all[1:] {
		m.linked(berlin)
		berlin.linked(m)
	}
	given := time.Now()
	hamburg.Eventually(func() error { _, err := hamburg.Command("peer", "give", "one", "bremen", "--for", "1m"); return err })
	w.watchedBy("one", bremen, given)
	for d, err := hamburg.device("one"); err == nil && d.Watcher == bremen.Name; d, err = hamburg.device("one") {
		if time.Since(given) > 2*grovetest.Patience {
			t.Fatalf("it was given for a minute, and %v ago: %+v", time.Since(given), d)
		}
		w.watchedBy("one", bremen, time.Now())
	}
	t.Logf("it was back after %v", w.watchedBy("one", hamburg, time.Now()).Sub(given).Round(time.Second))
	agree("one", hamburg, all...)
}
