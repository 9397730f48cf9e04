package oncall

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-ical"
	"github.com/teambition/rrule-go"
)

// zoneOf finds the zone of a TZID: by the name of the IANA database, also at the end of a
// longer one ("/citadel.org/20260101_1/Europe/Berlin"), or by the VTIMEZONE of the file.
func (r *reading) zoneOf(id string) (*time.Location, error) {
	if zone, ok := named(id); ok {
		return zone, nil
	}
	if zone := r.zones[id]; zone != nil {
		return zone, nil
	}
	return nil, fmt.Errorf("there is no time zone %.80q, and no VTIMEZONE says what it is", id)
}

// named finds a zone by its name.
func named(id string) (*time.Location, bool) {
	for range 8 {
		if id == "" {
			return nil, false
		}
		if id != "Local" {
			if zone, err := time.LoadLocation(id); err == nil {
				return zone, true
			}
		}
		_, rest, ok := strings.Cut(strings.TrimPrefix(id, "/"), "/")
		if !ok {
			return nil, false
		}
		id = rest
	}
	return nil, false
}

// change is a time from which a zone has another offset.
type change struct {
	at     int64 // Unix seconds
	offset int   // seconds east of UTC
	name   string
	summer bool
}

// maxChanges bounds those of one zone: twice a year.
const maxChanges = 2 * (latest - earliest + 2)

// timezone reads a VTIMEZONE (RFC 5545, 3.6.5). One that the IANA database knows is left to it.
func (r *reading) timezone(c *ical.Component) error {
	id := value(c, ical.PropTimezoneID)
	if id == "" || r.zones[id] != nil {
		return nil
	}
	if len(r.zones) == 100 {
		return errors.New("more than 100 time zones")
	}
	if _, ok := named(id); ok {
		return nil
	}
	if known := value(c, "X-LIC-LOCATION"); known != "" {
		if zone, ok := named(known); ok {
			r.zones[id] = zone
			return nil
		}
	}
	var changes []change
	first := change{name: "first"}
	for i, child := range c.Children {
		list, before, err := observance(child)
		if err != nil {
			return fmt.Errorf("time zone %q: %s %d: %w", id, child.Name, i+1, err)
		}
		if len(changes) == 0 || list[0].at < changes[0].at {
			first.offset = before
		}
		changes = append(changes, list...)
		slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	}
	if len(changes) == 0 {
		return fmt.Errorf("time zone %q has neither STANDARD nor DAYLIGHT", id)
	}
	zone, err := time.LoadLocationFromTZData(id, zoneFile(first, changes))
	if err != nil {
		return fmt.Errorf("time zone %q: %w", id, err)
	}
	r.zones[id] = zone
	return nil
}

// observance reads STANDARD or DAYLIGHT: when it begins, and the offset before it does.
func observance(c *ical.Component) (list []change, before int, err error) {
	if before, err = readOffset(value(c, ical.PropTimezoneOffsetFrom)); err != nil {
		return nil, 0, fmt.Errorf("TZOFFSETFROM: %w", err)
	}
	one := change{summer: c.Name == ical.CompTimezoneDaylight, name: "WT"}
	if one.summer {
		one.name = "ST"
	}
	if one.offset, err = readOffset(value(c, ical.PropTimezoneOffsetTo)); err != nil {
		return nil, 0, fmt.Errorf("TZOFFSETTO: %w", err)
	}
	// Its beginnings are by the clock on the wall before them.
	at := time.FixedZone("", before)
	text := value(c, ical.PropDateTimeStart)
	if len(text) > 4 && text[:4] < strconv.Itoa(earliest) { // Programs write 1601 for always.
		text = strconv.Itoa(earliest) + text[4:]
	}
	start, _, err := readTime(text, at)
	if err != nil {
		return nil, 0, fmt.Errorf("DTSTART: %w", err)
	}
	add := func(t time.Time) {
		one := one
		one.at = t.Unix()
		list = append(list, one)
	}
	rule := c.Props.Get(ical.PropRecurrenceRule)
	if rule == nil {
		add(start)
	} else {
		o, err := readRule(rule.Value, at)
		if err == nil && o.Freq != rrule.YEARLY {
			err = fmt.Errorf("%q is not YEARLY", rule.Value)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("RRULE: %w", err)
		}
		o.Dtstart = start
		r, err := rrule.NewRRule(*o)
		if err != nil {
			return nil, 0, fmt.Errorf("RRULE: %w", err)
		}
		next := r.Iterator()
		for t, ok := next(); ok && t.Year() <= latest && len(list) < maxChanges; t, ok = next() {
			add(t)
		}
	}
	for _, p := range c.Props.Values(ical.PropRecurrenceDates) {
		for text := range strings.SplitSeq(p.Value, ",") {
			if t, _, err := readTime(text, at); err == nil && len(list) < maxChanges {
				add(t)
			}
		}
	}
	if len(list) == 0 {
		return nil, 0, errors.New("it never begins")
	}
	return list, before, nil
}

// readOffset reads "+0100" and "-053000".
func readOffset(text string) (seconds int, err error) {
	bad := fmt.Errorf("%.20q is no offset such as +0100", text)
	if len(text) != 5 && len(text) != 7 || text[0] != '+' && text[0] != '-' {
		return 0, bad
	}
	for i, unit := 1, 3600; i < len(text); i, unit = i+2, unit/60 {
		n, err := strconv.Atoi(text[i : i+2])
		if err != nil || n < 0 || n > 59 {
			return 0, bad
		}
		seconds += n * unit
	}
	if seconds > 24*3600 {
		return 0, bad
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, nil
}

// zoneFile writes a zone as a file of the IANA database, version 2 (RFC 8536, 3), whose
// block of version 1 is empty.
func zoneFile(first change, changes []change) []byte {
	kinds := []change{first} // the types of local time
	kind := func(c change) byte {
		for i, k := range kinds {
			if k.offset == c.offset && k.name == c.name {
				return byte(i)
			}
		}
		kinds = append(kinds, c)
		return byte(len(kinds) - 1)
	}
	var times, indices []byte
	for i, c := range changes {
		if i > 0 && c.at == changes[i-1].at || len(kinds) > 100 {
			continue
		}
		times = binary.BigEndian.AppendUint64(times, uint64(c.at))
		indices = append(indices, kind(c))
	}
	var types, names []byte
	for _, k := range kinds {
		types = binary.BigEndian.AppendUint32(types, uint32(int32(k.offset)))
		summer := byte(0)
		if k.summer {
			summer = 1
		}
		types = append(types, summer, byte(len(names)))
		if len(names) < 200 {
			names = append(append(names, k.name...), 0)
		}
	}
	var b bytes.Buffer
	head := func(times, types, names int) {
		b.WriteString("TZif2")
		b.Write(make([]byte, 15))
		for _, n := range []int{0, 0, 0, times, types, names} {
			b.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
		}
	}
	head(0, 1, 1)
	b.Write(make([]byte, 6+1)) // one type, and its name
	head(len(indices), len(kinds), len(names))
	for _, part := range [][]byte{times, indices, types, names} {
		b.Write(part)
	}
	b.WriteString("\n\n") // There is no rule for after the last change.
	return b.Bytes()
}
