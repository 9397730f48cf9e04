package oncall

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rotaText is what a calendar program writes: a week each from Monday 09:00, by turns; ada's
// second week is bob's; a replacement for some hours; one that was cancelled; whole days;
// a day by RDATE.
const rotaText = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//Calendar//EN
BEGIN:VTIMEZONE
TZID:Our own zone
X-LIC-LOCATION:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1@example
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:20260302T090000
DTEND;TZID=Europe/Berlin:20260309T090000
RRULE:FREQ=WEEKLY;INTERVAL=2
EXDATE;TZID=Europe/Berlin:20260413T090000
SUMMARY:ada
END:VEVENT
BEGIN:VEVENT
UID:1@example
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Europe/Berlin:20260316T090000
DTSTART;TZID=Europe/Berlin:20260316T090000
DURATION:P7D
SUMMARY:bob\, carol
END:VEVENT
BEGIN:VEVENT
UID:2@example
DTSTAMP:20260101T000000Z
DTSTART;TZID=Our own zone:20260309T090000
DURATION:P7D
RRULE:FREQ=WEEKLY;INTERVAL=2
SUMMARY:bob
END:VEVENT
BEGIN:VEVENT
UID:3@example
DTSTAMP:20260101T000000Z
DTSTART:20260304T120000Z
DTEND:20260304T140000Z
SUMMARY:dave
END:VEVENT
BEGIN:VEVENT
UID:4@example
DTSTAMP:20260101T000000Z
DTSTART:20260305T120000Z
DTEND:20260305T140000Z
STATUS:CANCELLED
SUMMARY:dave
END:VEVENT
BEGIN:VEVENT
UID:5@example
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20260328
DTEND;VALUE=DATE:20260330
RDATE;VALUE=DATE:20260601
SUMMARY:eve
END:VEVENT
END:VCALENDAR
`

// crlf has the ends of lines that the format wants.
func crlf(text string) []byte { return []byte(strings.ReplaceAll(text, "\n", "\r\n")) }

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// calendarOf is a calendar of events, each of its lines but UID and DTSTAMP.
func calendarOf(events ...string) []byte {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n")
	for i, e := range events {
		if strings.HasPrefix(e, "BEGIN:") {
			b.WriteString(e + "\n")
			continue
		}
		fmt.Fprintf(&b, "BEGIN:VEVENT\nUID:%d\nDTSTAMP:20260101T000000Z\n%s\nEND:VEVENT\n", i, e)
	}
	b.WriteString("END:VCALENDAR\n")
	return crlf(b.String())
}

func mustParse(t testing.TB, text []byte, zone *time.Location) *Calendar {
	t.Helper()
	c, err := Parse(text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// who is on call at a time of the clock on the wall.
func who(t testing.TB, c *Calendar, when string, zone *time.Location) string {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", when, zone)
	if err != nil {
		t.Fatal(err)
	}
	people, err := c.At(at)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(people, " ")
}

func TestWhoIsOnCall(t *testing.T) {
	zone := berlin(t)
	c := mustParse(t, crlf(rotaText), zone)
	for when, want := range map[string]string{
		"2026-03-02 08:59": "",
		"2026-03-02 09:00": "ada",
		"2026-03-04 12:59": "ada",
		"2026-03-04 13:00": "dave", // 12:00 UTC
		"2026-03-04 15:00": "ada",
		"2026-03-05 13:30": "ada", // cancelled
		"2026-03-09 08:59": "ada",
		"2026-03-09 09:00": "bob",
		"2026-03-17 12:00": "bob carol", // in place of ada
		"2026-03-27 23:59": "bob",
		"2026-03-28 00:00": "eve",
		"2026-03-29 23:59": "eve", // summer time began: the day had 23 hours
		"2026-03-30 08:59": "bob", // the week before lasts until nine
		"2026-03-30 09:00": "ada", // by the clock on the wall
		"2026-04-14 12:00": "",    // EXDATE, and bob's week is the next
		"2026-06-01 08:59": "eve",
		"2026-06-01 09:00": "bob", // who begins later
		"2027-03-01 09:00": "ada",
	} {
		if got := who(t, c, when, zone); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}

func TestShifts(t *testing.T) {
	zone := berlin(t)
	c := mustParse(t, crlf(rotaText), zone)
	shifts, err := c.Shifts(time.Date(2026, 3, 3, 0, 0, 0, 0, zone), time.Date(2026, 3, 17, 0, 0, 0, 0, zone))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range shifts {
		got = append(got, s.From.In(zone).Format("02 15:04")+"-"+s.To.In(zone).Format("02 15:04")+" "+strings.Join(s.People, " "))
	}
	want := []string{"03 00:00-04 13:00 ada", "04 13:00-04 15:00 dave", "04 15:00-09 09:00 ada", "09 09:00-16 09:00 bob", "16 09:00-17 00:00 bob carol"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := c.Shifts(time.Unix(0, 0), time.Unix(1e10, 0)); !errors.Is(err, ErrCalendar) {
		t.Errorf("three hundred years: %v", err)
	}
}

// TestOverlaps: the event that starts later wins, then the shorter; two of the same time
// count both.
func TestOverlaps(t *testing.T) {
	c := mustParse(t, calendarOf(
		"DTSTART:20260302T000000Z\nDTEND:20260309T000000Z\nSUMMARY:week",
		"DTSTART:20260302T000000Z\nDTEND:20260303T000000Z\nSUMMARY:day",
		"DTSTART:20260302T060000Z\nDTEND:20260302T080000Z\nSUMMARY:one",
		"DTSTART:20260302T060000Z\nDTEND:20260302T080000Z\nSUMMARY:two,one",
		"DTSTART:20260302T060000Z\nSUMMARY:never",
	), time.UTC)
	for when, want := range map[string]string{"2026-03-02 05:59": "day", "2026-03-02 06:00": "one two", "2026-03-02 08:00": "day", "2026-03-03 00:00": "week"} {
		if got := who(t, c, when, time.UTC); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}

func TestRecurrences(t *testing.T) {
	zone := berlin(t)
	for name, c := range map[string]struct {
		event string
		at    map[string]string
	}{
		"until a day is all of it": {"DTSTART;VALUE=DATE:20260302\nRRULE:FREQ=DAILY;UNTIL=20260304\nSUMMARY:a",
			map[string]string{"2026-03-04 23:59": "a", "2026-03-05 00:00": ""}},
		"until a time in UTC": {"DTSTART;TZID=Europe/Berlin:20260302T080000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260304T070000Z\nSUMMARY:a",
			map[string]string{"2026-03-04 08:30": "a", "2026-03-05 08:30": ""}},
		"count": {"DTSTART;TZID=Europe/Berlin:20260302T080000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\nSUMMARY:a",
			map[string]string{"2026-03-03 08:30": "a", "2026-03-04 08:30": ""}},
		"days of the week, by the clock on the wall": {"DTSTART;TZID=Europe/Berlin:20260302T220000\nDTEND;TZID=Europe/Berlin:20260303T060000\nRRULE:FREQ=WEEKLY;BYDAY=MO,SA\nSUMMARY:a",
			map[string]string{"2026-03-28 22:00": "a", "2026-03-29 05:59": "a", "2026-03-29 06:00": "", "2026-10-26 22:00": "a"}},
		"hours are hours": {"DTSTART;TZID=Europe/Berlin:20260328T220000\nDURATION:PT8H\nSUMMARY:a",
			map[string]string{"2026-03-29 06:59": "a", "2026-03-29 07:00": ""}},
		"the last Friday of a month": {"DTSTART;TZID=Europe/Berlin:20260130T000000\nDURATION:P1D\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\nSUMMARY:a",
			map[string]string{"2026-03-27 12:00": "a", "2026-03-20 12:00": ""}},
		"a period": {"DTSTART:20260302T080000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20260310T080000Z/PT1H,20260311T080000Z/20260311T090000Z\nSUMMARY:a",
			map[string]string{"2026-03-10 09:30": "a", "2026-03-11 09:30": "a"}},
		"several exceptions": {"DTSTART:20260302T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:20260303T080000Z,20260304T080000Z\nEXDATE:20260306T080000Z\nSUMMARY:a",
			map[string]string{"2026-03-03 09:30": "", "2026-03-04 09:30": "", "2026-03-05 09:30": "a", "2026-03-06 09:30": ""}},
	} {
		calendar := mustParse(t, calendarOf(c.event), zone)
		for when, want := range c.at {
			if got := who(t, calendar, when, zone); got != want {
				t.Errorf("%s: %s: %q, want %q", name, when, got, want)
			}
		}
	}
}

// outlook is a zone as a program writes it that has names of its own for them.
const outlook = `BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE`

// TestAZoneOfTheFile: it is what the file says, and goes by the same rules as the one of
// the IANA that it stands for.
func TestAZoneOfTheFile(t *testing.T) {
	zone := berlin(t)
	event := "DTSTART;TZID=%s:20260302T090000\nDTEND;TZID=%[1]s:20260302T170000\nRRULE:FREQ=DAILY\nSUMMARY:a"
	theirs := mustParse(t, calendarOf(outlook, fmt.Sprintf(event, "W. Europe Standard Time")), time.UTC)
	ours := mustParse(t, calendarOf(fmt.Sprintf(event, "/example.org/20260101_1/Europe/Berlin")), time.UTC)
	for _, c := range []*Calendar{theirs, ours} {
		for when, want := range map[string]string{"2026-03-02 09:00": "a", "2026-03-28 08:59": "", "2026-03-29 09:00": "a", "2026-07-01 08:59": "", "2026-07-01 16:59": "a", "2026-07-01 17:00": "", "2026-10-25 08:59": "", "2026-10-25 09:00": "a"} {
			if got := who(t, c, when, zone); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
	}
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	a, errA := theirs.Shifts(from, to)
	b, errB := ours.Shifts(from, to)
	if len(a) == 0 || errA != nil || errB != nil {
		t.Fatalf("%d shifts, %v, %v", len(a), errA, errB)
	}
	if diff := cmp.Diff(b, a, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("-IANA +file\n%s", diff)
	}
}

func TestBadCalendars(t *testing.T) {
	const times = "DTSTART:20260301T000000Z\nDURATION:PT1H\n"
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":                {nil, "it is empty: a calendar begins with BEGIN:VCALENDAR"},
		"no calendar":            {[]byte("hello"), "malformed content line"},
		"no start":               {calendarOf("SUMMARY:ada"), `event 1, "ada": it has no DTSTART`},
		"no summary":             {calendarOf(times + "X-A:b"), `it has no SUMMARY, which names who is on call`},
		"nobody":                 {calendarOf(times + "SUMMARY: , "), "its SUMMARY names nobody"},
		"no zone":                {calendarOf("DTSTART;TZID=Atlantis:20260301T000000\nDURATION:PT1H\nSUMMARY:ada"), `DTSTART: there is no time zone "Atlantis", and no VTIMEZONE says what it is`},
		"the machine's zone":     {calendarOf("DTSTART;TZID=Local:20260301T000000\nDURATION:PT1H\nSUMMARY:ada"), `there is no time zone "Local"`},
		"a way out":              {calendarOf("DTSTART;TZID=../../etc/passwd:20260301T000000\nDURATION:PT1H\nSUMMARY:ada"), `there is no time zone`},
		"backwards":              {calendarOf("DTSTART:20260301T000000Z\nDTEND:20260201T000000Z\nSUMMARY:ada"), "it ends before it begins"},
		"too long":               {calendarOf("DTSTART:20260301T000000Z\nDURATION:P9999W\nSUMMARY:ada"), "lasts longer than 366 days"},
		"a bad duration":         {calendarOf("DTSTART:20260301T000000Z\nDURATION:-PT1H\nSUMMARY:ada"), `DURATION: "-PT1H" is no duration such as P7D or PT8H`},
		"the year 9999":          {calendarOf("DTSTART:99990301T000000Z\nDURATION:PT1H\nSUMMARY:ada"), "is not between the years 1970 and 2200"},
		"a bad rule":             {calendarOf(times + "RRULE:FREQ=OFTEN\nSUMMARY:ada"), "RRULE: "},
		"every second":           {calendarOf(times + "RRULE:FREQ=SECONDLY\nSUMMARY:ada"), "DAILY is the finest"},
		"many times a day":       {calendarOf(times + "RRULE:FREQ=DAILY;BYHOUR=1,2;BYMINUTE=1\nSUMMARY:ada"), "have one number each"},
		"a rule that never is":   {calendarOf(times + "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nSUMMARY:ada"), "never comes true"},
		"two rules":              {calendarOf(times + "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY\nSUMMARY:ada"), "more than one RRULE"},
		"all that follow":        {calendarOf(times + "RECURRENCE-ID;RANGE=THISANDFUTURE:20260301T000000Z\nSUMMARY:ada"), "split the recurring event in two"},
		"a bad exception":        {calendarOf(times + "EXDATE:x\nSUMMARY:ada"), `EXDATE: "x" is no date`},
		"too many exceptions":    {calendarOf(times + strings.Repeat("EXDATE:20260301T000000Z\n", 1001) + "SUMMARY:ada"), "EXDATE: more than 1000 times"},
		"too long a name":        {calendarOf(times + "SUMMARY:" + strings.Repeat("x", 65)), "at most 64 bytes"},
		"too large a file":       {make([]byte, MaxBytes+1), "1048577 bytes are more than the bound of 1048576"},
		"too long a line":        {calendarOf(times + "SUMMARY:" + strings.Repeat(strings.Repeat("x", 70)+"\n ", 60)), "line 67: a line of more than 4096 bytes"},
		"too many events":        {crlf("BEGIN:VCALENDAR\n" + strings.Repeat("BEGIN:VEVENT\nDTSTART:20260301\nSUMMARY:a\nEND:VEVENT\n", MaxEvents+1) + "END:VCALENDAR\n"), "more than 10000 events"},
		"too many rules":         {calendarOf(slicesOf(maxRecurring+1, times+"RRULE:FREQ=DAILY\nSUMMARY:a")...), "more than 2000 events with an RRULE"},
		"a line without a colon": {[]byte("BEGIN:VCALENDAR\nA;B=c\nEND:VCALENDAR\n"), "it cannot be read"},
		"not text":               {[]byte("BEGIN:VCALENDAR\xff"), "it is not UTF-8"},
		"very deep":              {[]byte(strings.Repeat("BEGIN:A\n", 9)), "line 9: components stand in each other more than 8 deep"},
		"a zone of nothing":      {calendarOf("BEGIN:VTIMEZONE\nTZID:x\nEND:VTIMEZONE"), `time zone "x" has neither STANDARD nor DAYLIGHT`},
		"a zone of the moon":     {calendarOf("BEGIN:VTIMEZONE\nTZID:x\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+9900\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE"), `TZOFFSETFROM: "+9900" is no offset such as +0100`},
	} {
		_, err := Parse(c.text, time.UTC)
		if !errors.Is(err, ErrCalendar) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func slicesOf(n int, text string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text
	}
	return list
}

// TestRulesThatBeganLongAgo: what would take too long is refused, and says what to do.
func TestRulesThatBeganLongAgo(t *testing.T) {
	c := mustParse(t, calendarOf(slicesOf(100, "DTSTART:19700101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nSUMMARY:a")...), time.UTC)
	_, err := c.At(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if err == nil || !strings.Contains(err.Error(), "recurring events have come more than 1000000 times: let them begin later") {
		t.Errorf("got %v", err)
	}
}

func FuzzCalendar(f *testing.F) {
	f.Add(crlf(rotaText), int64(1_772_500_000))
	f.Add(calendarOf(outlook, "DTSTART;TZID=W. Europe Standard Time:20260302T090000\nDURATION:P1D\nRRULE:FREQ=DAILY\nSUMMARY:a"), int64(1_772_500_000))
	f.Fuzz(func(t *testing.T, text []byte, at int64) {
		c, err := Parse(text, time.UTC)
		if err != nil {
			return
		}
		when := time.Unix(at%4_000_000_000, 0)
		people, errAt := c.At(when)
		shifts, err := c.Shifts(when, when.AddDate(0, 0, 7))
		if err != nil || errAt != nil {
			return
		}
		for i, s := range shifts {
			if !s.From.Before(s.To) || len(s.People) == 0 || i > 0 && s.From.Before(shifts[i-1].To) {
				t.Errorf("a shift from %s to %s of %q", s.From, s.To, s.People)
			}
		}
		if now := len(shifts) > 0 && shifts[0].From.Equal(when); now != (len(people) > 0) {
			t.Errorf("on call are %q, and the shifts are %v", people, shifts)
		}
	})
}
