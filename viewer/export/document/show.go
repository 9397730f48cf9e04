package document

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree"
)

// levels is a threshold in words.
type levels struct {
	yellow, red       string // "> 85 for 5m"
	yellowOff, redOff string // where it is left, when that is not where it is entered
	stale, clear      string // durations as definitions write them
	states            [][2]string
}

func (l *levels) empty() bool {
	return l.yellow == "" && l.red == "" && l.stale == "" && l.clear == "" && len(l.states) == 0
}

// levelsOf puts a threshold into words, once for all nodes that share it.
func (d *Document) levelsOf(t *tree.Threshold) *levels {
	if t == nil {
		return &levels{}
	}
	if l := d.levels[t]; l != nil {
		return l
	}
	l := &levels{yellow: t.Yellow.String(), red: t.Red.String(), yellowOff: leaving(t.Yellow), redOff: leaving(t.Red)}
	if t.StaleAfter > 0 {
		l.stale = tree.FormatDuration(t.StaleAfter)
	}
	if t.ClearAfter > 0 {
		l.clear = tree.FormatDuration(t.ClearAfter)
	}
	for text, s := range t.States {
		l.states = append(l.states, [2]string{text, s.String()})
	}
	slices.SortFunc(l.states, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	d.levels[t] = l
	return l
}

func leaving(l tree.Level) string {
	switch {
	case l.Form == tree.Above && l.OffHigh != l.High:
		return fmt.Sprintf("< %v", l.OffHigh)
	case l.Form == tree.Below && l.OffLow != l.Low:
		return fmt.Sprintf("> %v", l.OffLow)
	case (l.Form == tree.Outside || l.Form == tree.Inside) && (l.OffLow != l.Low || l.OffHigh != l.High):
		return fmt.Sprintf("%v..%v", l.OffLow, l.OffHigh)
	}
	return ""
}

// describe says what a record holds, for people.
func describe(r *record) string {
	if r.status == tree.White && r.reason != "" {
		return r.reason
	}
	if shown := shownOf(r); shown != "" {
		return shown
	}
	if text, ok := r.value.Text(); ok && text != "" {
		return text
	}
	return words[r.status]
}

func (r *record) unit() string {
	if r.spec == nil {
		return ""
	}
	return r.spec.Unit
}

// thin is a space that does not break a line.
const thin = "\u202f"

// Show writes a value with its unit for people: about four figures, bytes in KiB and
// larger, seconds in ms or in hours.
func Show(v tree.Value, unit string) string {
	n, isNumber := v.Number()
	if !isNumber {
		return v.String()
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return strings.TrimSpace(v.String() + thin + unit)
	}
	head, tail, _ := strings.Cut(unit, "/")
	if tail != "" {
		tail = "/" + tail
	}
	switch head {
	case "bytes", "byte", "B":
		return scaled(n, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, tail)
	case "s", "seconds":
		if tail == "" {
			return showSeconds(n)
		}
	case "ms", "milliseconds":
		if tail == "" {
			return showSeconds(n / 1e3)
		}
	case "%", "percent":
		return figures(math.Round(n*10)/10) + thin + "%" + tail
	case "bit", "bits", "Hz", "V", "W", "A":
		return scaled(n, 1000, []string{"", "k", "M", "G", "T", "P", "E"}, strings.TrimSuffix(head, "s")+tail)
	case "1":
		head = ""
	}
	return strings.TrimSuffix(figures(n)+thin+head+tail, thin)
}

func scaled(v, base float64, prefixes []string, tail string) string {
	step := 0
	for math.Abs(v) >= base*0.9995 && step < len(prefixes)-1 {
		v /= base
		step++
	}
	return strings.TrimSuffix(figures(v)+thin+prefixes[step]+tail, thin)
}

func showSeconds(v float64) string {
	size := math.Abs(v)
	switch {
	case v == 0:
		return "0" + thin + "s"
	case size < 1e-6:
		return figures(v*1e9) + thin + "ns"
	case size < 1e-3:
		return figures(v*1e6) + thin + "µs"
	case size < 1:
		return figures(v*1e3) + thin + "ms"
	case size < 120 || size > 1e9:
		return figures(v) + thin + "s"
	case v < 0:
		return "−" + ShowDuration(time.Duration(size*float64(time.Second)))
	}
	return ShowDuration(time.Duration(v * float64(time.Second)))
}

// ShowDuration writes a duration in its two largest units: "3 h 12 min".
func ShowDuration(d time.Duration) string {
	two := func(a time.Duration, an string, b time.Duration, bn string) string {
		s := fmt.Sprintf("%d%s%s", a, thin, an)
		if b > 0 {
			s += fmt.Sprintf(" %d%s%s", b, thin, bn)
		}
		return s
	}
	s := d.Round(time.Second) / time.Second
	switch m, h := s/60, s/3600; {
	case s < 60:
		return two(s, "s", 0, "")
	case h == 0:
		return two(m, "min", s%60, "s")
	case h < 24:
		return two(h, "h", m%60, "min")
	default:
		return two(h/24, "d", h%24, "h")
	}
}

// figures writes a number with about four significant figures and grouped thousands.
func figures(v float64) string {
	size := math.Abs(v)
	digits := 0
	if v != math.Trunc(v) {
		switch {
		case size < 0.001 && size > 0:
			return strings.Replace(strconv.FormatFloat(v, 'e', 2, 64), "-", "−", 1)
		case size < 1:
			digits = 3
		case size < 10:
			digits = 2
		case size < 1000:
			digits = 1
		}
	}
	if size >= 1e15 {
		return strconv.FormatFloat(v, 'g', 5, 64)
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(size, 'f', digits, 64), ".")
	if len(whole) > 4 {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + thin + whole[i:]
		}
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	if v < 0 && strings.ContainsAny(whole, "123456789") {
		whole = "−" + whole
	}
	return whole
}

// tag is a digest of everything that the document says. What several nodes share is in
// it once.
func (d *Document) tag(first int) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range d.managers {
		_ = enc.Encode(p.Manager) // A hash takes everything, and every field has a form.
		_ = enc.Encode(p.status)
	}
	_ = enc.Encode(d.Query)
	_ = enc.Encode(d.generator)
	specs := map[*tree.Spec]bool{}
	var b []byte
	for i := range d.records {
		r := &d.records[i]
		b = b[:0]
		if r.spec != nil && !specs[r.spec] {
			specs[r.spec] = true
			_ = enc.Encode([]any{r.spec.Description, r.spec.Unit, r.spec.Properties})
			_, _ = fmt.Fprint(h, *d.levelsOf(r.spec.Threshold))
		}
		if i < first {
			continue // It only says what holds below, which its spec does.
		}
		b = append(append(b, r.path.String()...), 0, byte(r.kind), byte(r.status), byte(r.last), byte(r.depth), boolByte(r.flapping), boolByte(r.tuned))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.time))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.since))
		if n, ok := r.value.Number(); ok {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
		} else {
			b = append(append(b, r.value.String()...), 0)
		}
		b = append(append(b, r.reason...), 0)
		if r.tuned {
			b = fmt.Appendf(b, "%v", *d.levelsOf(r.threshold))
		}
		_, _ = h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
