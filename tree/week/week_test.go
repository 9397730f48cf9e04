package week

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// at reads a time of the clock on the wall of a zone; with two offsets it is told.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestContains(t *testing.T) {
	// 2026-03-02 is a Monday; the clocks of Berlin jump on 2026-03-29 and 2026-10-25, those
	// of New York on 2026-03-08 and 2026-11-01.
	for _, c := range []struct {
		text, time string
		want       bool
	}{
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-03-02T08:00:00+01:00", true},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-03-02T07:59:59+01:00", false},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-03-02T17:59:59+01:00", true},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-03-02T18:00:00+01:00", false},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-03-02T16:30:00Z", true},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-06T16:30:00Z", false},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-03-07T10:00:00+01:00", false},
		{"Sat,Sun UTC", "2026-03-07T00:00:00Z", true},
		{"Sat, Sun UTC", "2026-03-08T23:59:59Z", true},
		{"Sat,Sun UTC", "2026-03-09T00:00:00Z", false},
		{"sunday Asia/Tokyo", "2026-03-07T15:00:00Z", true},
		{"Fri-Mon UTC", "2026-03-05T12:00:00Z", false},
		{"Fri-Mon UTC", "2026-03-08T12:00:00Z", true},
		{"Fri-Mon UTC", "2026-03-09T12:00:00Z", true},
		{"22:00-06:00 UTC", "2026-03-05T05:59:00Z", true},
		{"22:00-06:00 UTC", "2026-03-05T06:00:00Z", false},
		{"22:00-06:00 UTC", "2026-03-05T22:00:00Z", true},
		{"Fri 22:00-06:00 UTC", "2026-03-06T05:00:00Z", false},
		{"Fri 22:00-06:00 UTC", "2026-03-07T05:00:00Z", true},
		{"Fri 22:00-06:00 UTC", "2026-03-07T22:00:00Z", false},
		{"Sat 22:00-24:00 UTC", "2026-03-07T23:59:59Z", true},
		{"Sat 22:00-24:00 UTC", "2026-03-08T00:00:00Z", false},
		{"Mon 8:00-12:00,13:00-17:00 UTC", "2026-03-02T12:30:00Z", false},
		{"Mon 8:00-12:00,13:00-17:00 UTC", "2026-03-02T13:00:00Z", true},
		{"Mon 08:00-09:00; Sat 10:00-14:00 Europe/Berlin", "2026-03-02T07:30:00Z", true},
		{"Mon 08:00-09:00 UTC; Sat 10:00-14:00 Europe/Berlin", "2026-03-02T07:30:00Z", false},
		{"UTC", "2026-03-02T07:30:00Z", true},
		// In spring the clock of Berlin jumps from 02:00 to 03:00.
		{"02:15-02:45 Europe/Berlin", "2026-03-29T01:30:00Z", false},
		{"02:00-03:30 Europe/Berlin", "2026-03-29T01:15:00Z", true},
		{"01:00-03:00 Europe/Berlin", "2026-03-29T00:59:59Z", true},
		{"01:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		// In autumn the hour from 02:00 to 03:00 comes twice.
		{"02:15-02:45 Europe/Berlin", "2026-10-25T00:30:00Z", true},
		{"02:15-02:45 Europe/Berlin", "2026-10-25T01:00:00Z", false},
		{"02:15-02:45 Europe/Berlin", "2026-10-25T01:30:00Z", true},
		{"Sun 22:00-06:00 America/New_York", "2026-11-02T10:59:00Z", true},
		{"Sun 22:00-06:00 America/New_York", "2026-11-02T11:00:00Z", false},
	} {
		w, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := w.Contains(at(t, c.time)); got != c.want {
			t.Errorf("%s contains %s: %t", c.text, c.time, got)
		}
	}
	if (&Week{}).Contains(time.Now()) {
		t.Error("no times contain a time")
	}
}

func TestWhatIsNoTimeOfTheWeek(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 `it is empty`,
		"Mon;":                             `it is empty`,
		"Mo-Fr 08:00-18:00":                `"Mo" is no day of the week: Mon, Tue, Wed, Thu, Fri, Sat or Sun`,
		"Mon-":                             `"" is no day of the week`,
		"weekdays":                         `"weekdays" is no day of the week`,
		"Mon 08:00":                        `"08:00" is no time of day from and to, such as 08:00-18:00`,
		"Mon 08-18":                        `"08" is no time of day from 00:00 to 24:00`,
		"Mon 08:00-24:01":                  `"24:01" is no time of day from 00:00 to 24:00`,
		"Mon 8:5-9:00":                     `"8:5" is no time of day from 00:00 to 24:00`,
		"Mon 08:00-08:00":                  `has no minute in it: the whole day is 00:00-24:00`,
		"Mon 24:00-08:00":                  `has no minute in it`,
		"Mon 08:00-18:00 Europe/Bärlin":    `"Europe/Bärlin" is no time zone such as Europe/Berlin`,
		"Mon 08:00-18:00 ../../etc/passwd": `is no time zone`,
		"Mon 08:00-18:00 UTC and more":     `"and" is too much: days, times of day and a time zone are all there is`,
		strings.Repeat("Mon;", 65) + "Mon": `66 parts are more than the bound of 64`,
		strings.Repeat("x", MaxBytes+1):    `1025 bytes are more than the bound of 1024`,
	} {
		_, err := Parse(text)
		if !errors.Is(err, ErrWeek) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
}

// TestAWeekHasAsManyMinutesAsItSays: whatever the clocks do, a week of office hours in
// which no clock jumps has the same length, and what is not during is the rest.
func TestAWeekHasAsManyMinutesAsItSays(t *testing.T) {
	for text, want := range map[string]int{
		"Mon-Fri 08:00-18:00 Europe/Berlin": 5 * 600, "Sat,Sun Europe/Berlin": 2 * 1440,
		"22:00-06:00 Europe/Berlin": 7 * 480, "Europe/Berlin": 7 * 1440, "Tue-Mon 12:00-11:59 Asia/Kathmandu": 7*1440 - 7,
	} {
		w := Must(text)
		got := 0
		for m := range 7 * 1440 {
			if w.Contains(time.Date(2026, 6, 1, 0, m, 0, 0, time.UTC)) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d minutes, want %d", text, got, want)
		}
	}
}

func TestAWeekAsText(t *testing.T) {
	var w Week
	if err := w.UnmarshalText([]byte(" Mon-Fri   08:00-18:00 UTC ")); err != nil || fmt.Sprint(w) != "Mon-Fri 08:00-18:00 UTC" || w.IsZero() {
		t.Errorf("%v, %v", w, err)
	}
	if text, err := w.MarshalText(); string(text) != "Mon-Fri 08:00-18:00 UTC" || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"Mon-Fri 08:00-18:00 Europe/Berlin", "Sat,Sun", "22:00-06:00", "Mon 8:00-9:00,10:00-11:00;UTC", "a-b", ";", "24:00-24:00", "Mon , Tue - Wed"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		w, err := Parse(text)
		if (err == nil) == w.IsZero() {
			t.Fatalf("%q: %v and %v", text, w, err)
		}
		if err != nil {
			return
		}
		again, err := Parse(w.String())
		if err != nil {
			t.Fatalf("%q is %q, which is not read: %v", text, w, err)
		}
		for h := range 24 * 7 {
			at := now.Add(time.Duration(h) * time.Hour)
			if w.Contains(at) != again.Contains(at) {
				t.Fatalf("%q and %q differ", text, w)
			}
		}
	})
}
