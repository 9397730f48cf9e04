package oncall

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFiles: a broken file leaves what it said before, and a mended one counts at once.
func TestFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rota.ics")
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	r := New(Options{})
	written := now
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, crlf(text), 0o600); err != nil {
			t.Fatal(err)
		}
		written = written.Add(2 * time.Second)
		if err := os.Chtimes(file, written, written); err != nil {
			t.Fatal(err)
		}
	}
	r.Replace(map[string]Rota{"dba": {Calendar: file}, "web": {Calendar: file, Otherwise: []string{"zoe"}}, "always": {Otherwise: []string{"zoe"}}})
	who := func(name string) string {
		people, err := r.OnCall(name, now)
		if err != nil {
			return "error: " + err.Error()
		}
		return strings.Join(people, " ")
	}
	if got := who("dba"); !strings.Contains(got, `rota "dba": nobody is on call`) || !strings.Contains(got, file) {
		t.Errorf("without a file: %s", got)
	}
	if got := who("web") + who("always"); got != "zoezoe" {
		t.Errorf("otherwise: %s", got)
	}
	write(rotaText)
	if got := who("dba"); got != "ada" || r.Problem("dba") != nil {
		t.Errorf("with the file: %s", got)
	}
	write("broken")
	if got := who("dba"); got != "ada" {
		t.Errorf("with a broken file: %s", got)
	}
	if err := r.Problem("dba"); !errors.Is(err, ErrCalendar) || !strings.Contains(err.Error(), file) {
		t.Errorf("the problem is %v", err)
	}
	if shifts, err := r.Shifts("dba", now, now.Add(time.Hour)); len(shifts) != 1 || err != nil {
		t.Errorf("%v, %v", shifts, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := who("dba"); got != "ada" {
		t.Errorf("without the file: %s", got)
	}
	write(strings.ReplaceAll(rotaText, "SUMMARY:ada", "SUMMARY:ann"))
	r.Replace(map[string]Rota{"dba": {Calendar: file}})
	if got := who("dba"); got != "ann" || r.Problem("dba") != nil {
		t.Errorf("mended: %s", got)
	}
	now = now.AddDate(0, 0, -7)
	if _, err := r.OnCall("dba", now); !errors.Is(err, ErrNobody) {
		t.Errorf("before the first event: %v", err)
	}
	if _, err := r.OnCall("web", now); !errors.Is(err, ErrNone) {
		t.Errorf("a rota that is gone: %v", err)
	}
	if names := r.Names(); !slices.Equal(names, []string{"dba"}) {
		t.Errorf("%q", names)
	}
}

// TestAPipeIsNoCalendar: nobody waits for who would write it.
func TestAPipeIsNoCalendar(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r := New(Options{})
	r.Replace(map[string]Rota{"dba": {Calendar: pipe}})
	if _, err := r.OnCall("dba", time.Now()); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("got %v", err)
	}
}

// TestWhoIsNext: the same answers come from what was worked out before, whatever the order.
func TestWhoIsNext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rota.ics")
	if err := os.WriteFile(file, crlf(rotaText), 0o600); err != nil {
		t.Fatal(err)
	}
	r := New(Options{})
	r.Replace(map[string]Rota{"dba": {Calendar: file, Zone: "Europe/Berlin", Otherwise: []string{"nobody"}}})
	c := mustParse(t, crlf(rotaText), berlin(t))
	for h := range 24 * 60 {
		at := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC).Add(time.Duration(h*7919%(24*60)) * time.Hour)
		want, err := c.At(at)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = []string{"nobody"}
		}
		if got, err := r.OnCall("dba", at); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %q, %v, want %q", at, got, err, want)
		}
	}
}

func TestRotas(t *testing.T) {
	for name, c := range map[string]struct {
		r    Rota
		want string
	}{
		"good":         {Rota{Calendar: "/etc/rota.ics", Zone: "Europe/Berlin"}, ""},
		"no calendar":  {Rota{Otherwise: []string{"ada"}}, ""},
		"nothing":      {Rota{}, "calendar: a rota needs the file of its calendar, or names in otherwise"},
		"relative":     {Rota{Calendar: "rota.ics"}, `calendar: "rota.ics" is no absolute path of a file`},
		"bad zone":     {Rota{Calendar: "/x", Zone: "x"}, `zone: "x" is no time zone such as Europe/Berlin`},
		"too many":     {Rota{Otherwise: make([]string, maxPeople+1)}, "otherwise: 33 are more than the bound of 32"},
		"a name empty": {Rota{Calendar: "/x", Otherwise: []string{"ada", ""}}, "otherwise[1]: a name has 1 to 64 bytes"},
	} {
		got := ""
		if err := c.r.Check(); err != nil {
			got = fmt.Sprint(err)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
