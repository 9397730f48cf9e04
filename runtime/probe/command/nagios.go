package command

import (
	"math"
	"strconv"
	"strings"
)

// states are the meanings of the exit status, by the Monitoring Plugins Development
// Guidelines, "Plugin Return Codes".
var states = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func stateOf(status int) string {
	if status < 0 || status >= len(states) {
		return "UNKNOWN"
	}
	return states[status]
}

// pluginOutput is the output of a monitoring plugin, by the same guidelines.
type pluginOutput struct {
	text, long string
	perf       []perf
}

// perf is one item of performance data: 'label'=value[unit];[warn];[crit];[min];[max],
// in base units.
type perf struct {
	label      string
	value      float64
	known      bool // a value of U is not
	unit       string
	warn, crit string   // ranges
	min, max   *float64 // nil: not given
}

// parsePlugin reads the output: the first line is text, then "|" and performance data;
// further lines are long text up to another "|", after which all is performance data.
// What is no performance data between the others is skipped.
func parsePlugin(output string) pluginOutput {
	first, rest, _ := strings.Cut(output, "\n")
	text, data, _ := strings.Cut(first, "|")
	long, more, _ := strings.Cut(rest, "|")
	p := pluginOutput{text: strings.TrimSpace(text), long: strings.TrimRight(long, " \t\r\n")}
	seen := map[string]bool{}
	for data = data + " " + more; len(p.perf) < maxRows; {
		var item perf
		var found, ok bool
		if item, data, found, ok = nextPerf(data); !found {
			break
		}
		if ok && !seen[item.label] {
			seen[item.label] = true
			p.perf = append(p.perf, item)
		}
	}
	return p
}

// nextPerf takes the next item; ok is false when it is malformed.
func nextPerf(data string) (item perf, rest string, found, ok bool) {
	data = strings.TrimLeft(data, " \t\r\n")
	if data == "" {
		return item, "", false, false
	}
	var label string
	if data[0] == '\'' {
		// Two quotes stand for one.
		i := 1
		var b strings.Builder
		for ; i < len(data); i++ {
			if data[i] != '\'' {
				b.WriteByte(data[i])
			} else if i+1 < len(data) && data[i+1] == '\'' {
				b.WriteByte('\'')
				i++
			} else {
				break
			}
		}
		label = b.String()
		data = data[min(i+1, len(data)):]
	} else {
		end := strings.IndexAny(data, "= \t\r\n")
		if end < 0 {
			end = len(data)
		}
		label, data = data[:end], data[end:]
	}
	value, isItem := strings.CutPrefix(data, "=")
	end := strings.IndexAny(value, " \t\r\n")
	if end < 0 {
		end = len(value)
	}
	value, rest = value[:end], value[end:]
	if !isItem || label == "" {
		return item, rest, true, false
	}
	item, ok = parsePerf(label, value)
	return item, rest, true, ok
}

func parsePerf(label, text string) (perf, bool) {
	fields := strings.Split(text, ";")
	p := perf{label: label}
	end := strings.IndexFunc(fields[0], func(r rune) bool { return !strings.ContainsRune("0123456789+-.,eE", r) })
	if end < 0 {
		end = len(fields[0])
	}
	digits, unit := fields[0][:end], fields[0][end:]
	base, factor := baseUnit(unit)
	p.unit = base
	switch v, ok := number(digits); {
	case ok:
		p.value, p.known = v*factor, true
	case fields[0] == "U":
		p.unit = ""
	default:
		return p, false
	}
	field := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	p.warn, p.crit = scaleRange(field(1), factor), scaleRange(field(2), factor)
	for i, bound := range []**float64{&p.min, &p.max} {
		if v, ok := number(field(3 + i)); ok {
			v *= factor
			*bound = &v
		}
	}
	return p, true
}

// number reads a finite number. Some plugins write a comma for the point.
func number(s string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// baseUnit returns the unit that grove shows, and the factor to it. The guidelines
// know s, us, ms, %, B, KB, MB, TB and c; plugins in the field write more.
func baseUnit(unit string) (base string, factor float64) {
	switch unit {
	case "s", "%":
		return unit, 1
	case "ms":
		return "s", 1e-3
	case "us":
		return "s", 1e-6
	case "ns":
		return "s", 1e-9
	case "c":
		return "", 1
	case "B":
		return "bytes", 1
	case "KB", "kB", "KiB":
		return "bytes", 1 << 10
	case "MB", "MiB":
		return "bytes", 1 << 20
	case "GB", "GiB":
		return "bytes", 1 << 30
	case "TB", "TiB":
		return "bytes", 1 << 40
	}
	return unit, 1
}

// scaleRange multiplies the bounds of a range ("10", "10:", "~:10", "10:20", "@10:20").
// What is no range comes back as it is.
func scaleRange(text string, factor float64) string {
	if factor == 1 || text == "" {
		return text
	}
	body, inside := strings.CutPrefix(text, "@")
	low, high, two := strings.Cut(body, ":")
	scale := func(s string) (string, bool) {
		if s == "" || s == "~" {
			return s, true
		}
		v, ok := number(s)
		return strconv.FormatFloat(v*factor, 'f', -1, 64), ok
	}
	a, ok1 := scale(low)
	b, ok2 := scale(high)
	if !ok1 || !ok2 {
		return text
	}
	if two {
		a += ":" + b
	}
	if inside {
		a = "@" + a
	}
	return a
}
