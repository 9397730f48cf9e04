package cgroup

import (
	"encoding/json"
	"errors"
	"math"
	"path"
	"strconv"
	"strings"

	"grove/runtime/probe/files"
	"grove/tree"
)

// errNotMounted is a kernel without control groups of version 2.
var errNotMounted = errors.New("no control groups of version 2 are mounted here; a kernel with systemd since 2021 has them at /sys/fs/cgroup")

// mounted finds where the hierarchy is mounted, in the format of proc(5), mountinfo.
func mounted(policy *files.Policy) (string, error) {
	text, err := policy.Read("/proc/self/mountinfo", maxFile)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		mount, kind, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if ok && strings.HasPrefix(kind, "cgroup2 ") && len(fields) > 4 {
			return unescape(fields[4]), nil
		}
	}
	return "", errNotMounted
}

// unescape undoes how mountinfo writes blanks: \040.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// text reads a file of a group; one that is not there is empty, since which there are
// depends on the controllers.
func (p *groupProbe) text(dir, file string) string {
	b, err := p.files.Read(path.Join(dir, file), maxFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// value reads a file of one number; "max" and a file that is not there have no value.
func (p *groupProbe) value(dir, file string) tree.Value {
	v, ok := parse(p.text(dir, file))
	if !ok {
		return tree.Value{}
	}
	return tree.Number(v)
}

// number reads a file of one number; 0 is none.
func (p *groupProbe) number(dir, file string) float64 {
	v, _ := parse(p.text(dir, file))
	return v
}

func parse(text string) (v float64, ok bool) {
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// quota is how many processors cpu.max allows ("50000 100000" is a half); 0: all.
func (p *groupProbe) quota(dir string) float64 {
	quota, period, _ := strings.Cut(p.text(dir, "cpu.max"), " ")
	q, ok1 := parse(quota)
	per, ok2 := parse(period)
	if !ok1 || !ok2 || per <= 0 {
		return 0
	}
	return q / per
}

// pairs reads a file of lines with a key and a number each.
func (p *groupProbe) pairs(dir, file string) map[string]float64 {
	out := map[string]float64{}
	for line := range strings.Lines(p.text(dir, file)) {
		key, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, ok := parse(text); ok {
			out[key] = v
		}
	}
	return out
}

// io sums io.stat over all devices: "8:0 rbytes=1 wbytes=2 rios=3 …".
func (p *groupProbe) io(dir string) (read, written tree.Value) {
	text := p.text(dir, "io.stat")
	if text == "" {
		return tree.Value{}, tree.Value{}
	}
	var r, w float64
	for line := range strings.Lines(text) {
		for _, field := range strings.Fields(line) {
			key, number, _ := strings.Cut(field, "=")
			v, _ := parse(number)
			switch key {
			case "rbytes":
				r += v
			case "wbytes":
				w += v
			}
		}
	}
	return tree.Number(r), tree.Number(w)
}

// pressure reads avg10 of the line "some" of a pressure file.
func (p *groupProbe) pressure(dir, file string) tree.Value {
	for line := range strings.Lines(p.text(dir, file)) {
		rest, ok := strings.CutPrefix(line, "some avg10=")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, " ")
		if v, ok := parse(number); ok {
			return tree.Number(v)
		}
	}
	return tree.Value{}
}

// dockerName is what Docker calls a container; empty when grove may not know.
func (p *groupProbe) dockerName(id string) string {
	if p.Docker == "" {
		return ""
	}
	text, err := p.files.Read(path.Join(p.Docker, id, "config.v2.json"), maxFile)
	if err != nil {
		return ""
	}
	var config struct{ Name string }
	if json.Unmarshal(text, &config) != nil {
		return ""
	}
	return strings.TrimPrefix(config.Name, "/")
}
