package cgroup

import (
	"path"
	"regexp"
	"strings"
)

// identity is who a group belongs to, as far as its path tells.
type identity struct {
	name, kind, runtime, id string
}

// The names that container managers give to their groups, with systemd as the manager of
// groups ("docker-<id>.scope") and without ("docker/<id>").
var (
	scoped = regexp.MustCompile(`^(docker|libpod|cri-containerd|crio|containerd)-([0-9a-f]{64})\.scope$`)
	bare   = regexp.MustCompile(`^(?:libpod-)?([0-9a-f]{64})$`)
	pod    = regexp.MustCompile(`^(?:kubepods(?:-[a-z]+)?-)?pod([0-9a-f]{8}[-_][0-9a-f_-]{20,40})(?:\.slice)?$`)
)

var runtimes = map[string]string{"docker": "docker", "libpod": "podman", "cri-containerd": "containerd", "containerd": "containerd", "crio": "crio"}

// idDigits is how many digits of an id people read.
const idDigits = 12

// identify tells what the last part of a path names.
func identify(groupPath string) identity {
	dir, last := path.Split(groupPath)
	if m := scoped.FindStringSubmatch(last); m != nil {
		return identity{name: m[2][:idDigits], kind: "container", runtime: runtimes[m[1]], id: m[2]}
	}
	if m := bare.FindStringSubmatch(last); m != nil {
		who := identity{name: m[1][:idDigits], kind: "container", id: m[1]}
		switch {
		case strings.Contains(dir, "kubepods"):
			who.runtime = "kubernetes"
		case strings.HasSuffix(dir, "docker/"):
			who.runtime = "docker"
		case strings.Contains(dir, "libpod"):
			who.runtime = "podman"
		}
		return who
	}
	if m := pod.FindStringSubmatch(last); m != nil {
		id := strings.ReplaceAll(m[1], "_", "-") // systemd takes "-" for a level
		return identity{name: id, kind: "pod", runtime: "kubernetes", id: id}
	}
	name := unescapeUnit(last)
	for _, unit := range []string{"service", "scope", "slice"} {
		plain, ok := strings.CutSuffix(name, "."+unit)
		switch {
		case !ok:
			continue
		case strings.HasPrefix(plain, "machine-"):
			return identity{name: strings.TrimPrefix(plain, "machine-"), kind: "machine"}
		}
		return identity{name: plain, kind: unit}
	}
	return identity{name: last, kind: "group"}
}

// unescapeUnit undoes how systemd.unit(5) writes other characters: \x2d is "-".
func unescapeUnit(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			high, low := hex(s[i+2]), hex(s[i+3])
			if c := high<<4 | low; high >= 0 && low >= 0 && c > ' ' && c < 0x7f {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
